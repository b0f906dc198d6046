//! What a load has brought about so far: counted as it happens, reported once at its end.
//!
//! Never counts what may come again: a batch is counted when its claim is gone.

use std::time::Duration;

use jiff::Timestamp;

use crate::batch::BatchId;
use crate::config::Feed;
use crate::destination::Loaded;
use crate::measure::{Datum, Metric, count, float};
use crate::object::File;
use crate::report::{LoadReport, Outcome};

/// What has come about so far.
#[derive(Default)]
pub(super) struct Tally {
    loaded: u64,
    rows: u64,
    pub(super) already: u64,
    quarantined: u64,
    pub(super) data: Vec<Datum>,
}

/// How a load ends for this run.
pub(super) enum End {
    /// The claim is finished.
    Finished,
    /// The transaction runs on.
    Pending,
    /// The claim went to another owner.
    Busy,
    /// To be tried again at a time, because of something.
    Retry(Timestamp, String),
}

impl Tally {
    /// A batch is committed and archived.
    pub(super) fn loaded(&mut self, feed: &Feed, files: &[File], loaded: &Loaded, without_rows: u64) {
        let (feed, at) = (&feed.name, loaded.at);
        self.loaded += count(files);
        self.rows += loaded.rows.unwrap_or_default();
        let bytes: u64 = files.iter().map(|file| file.size).sum();
        let since = |file: &File| Duration::try_from(at.duration_since(file.last_modified)).unwrap_or_default();
        let waits: Vec<Duration> = files.iter().map(since).collect();
        self.data.push(Datum::one(Metric::FilesLoaded, feed, at, float(count(files))));
        self.data.push(Datum::one(Metric::BytesLoaded, feed, at, float(bytes)));
        if let Some(rows) = loaded.rows {
            self.data.push(Datum::one(Metric::RowsLoaded, feed, at, float(rows)));
        }
        self.data.push(Datum::one(Metric::FilesWithoutRows, feed, at, float(without_rows)));
        self.data.push(Datum::durations(Metric::LoadDuration, feed, at, &[loaded.duration]));
        self.data.push(Datum::durations(Metric::TimeToLoad, feed, at, &waits));
    }

    /// Files are in `failed/`.
    pub(super) fn quarantined(&mut self, feed: &Feed, at: Timestamp, files: u64) {
        self.quarantined += files;
        self.data.push(Datum::one(Metric::FilesQuarantined, &feed.name, at, float(files)));
    }

    /// Something failed that is not a file's fault.
    pub(super) fn failed(&mut self, feed: &Feed, at: Timestamp) {
        self.data.push(Datum::one(Metric::LoadsFailed, &feed.name, at, 1.0));
    }

    /// The answer.
    pub(super) fn report(&self, feed: &Feed, batch: BatchId, end: End) -> LoadReport {
        let mut report = LoadReport {
            files_loaded: self.loaded,
            rows_loaded: self.rows,
            files_quarantined: self.quarantined,
            ..LoadReport::nothing(feed.name.as_str(), Some(batch), Outcome::Loaded)
        };
        report.outcome = match end {
            End::Pending => Outcome::Pending,
            End::Busy => Outcome::Busy,
            End::Retry(at, error) => {
                report.retry_at = Some(at);
                report.error = Some(error);
                Outcome::Retry
            }
            End::Finished if self.loaded > 0 => Outcome::Loaded,
            End::Finished if self.already > 0 => Outcome::AlreadyLoaded,
            End::Finished if self.quarantined > 0 => Outcome::Quarantined,
            // Every file of it was gone.
            End::Finished => Outcome::Gone,
        };
        report
    }
}
