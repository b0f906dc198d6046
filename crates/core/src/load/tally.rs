//! Tally: what a load has done so far. It is counted as it happens, and reported and logged once, at the end of the
//! load.
//!
//! Never counts what may come again: a batch is counted when its claim is gone.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Done;
use crate::batch::BatchId;
use crate::config::Feed;
use crate::destination::Loaded;
use crate::measure::{Datum, Metric, count, float};
use crate::object::File;
use crate::report::{LoadReport, Outcome};

/// What was done so far.
pub(super) struct Tally {
    report: LoadReport,
    pub(super) already: u64,
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
    /// It is tried again at this time, because of this error.
    Retry(Timestamp, String),
}

impl Tally {
    pub(super) fn of(feed: &Feed, batch: BatchId) -> Self {
        let report = LoadReport::nothing(feed.name.as_str(), Some(batch), Outcome::Loaded);
        Self { report, already: 0, data: Vec::new() }
    }

    /// A batch is committed and archived.
    pub(super) fn loaded(&mut self, feed: &Feed, files: &[File], loaded: &Loaded, without_rows: u64) {
        let (feed, at) = (&feed.name, loaded.at);
        self.report.files_loaded += count(files);
        self.report.rows_loaded += loaded.rows.unwrap_or_default();
        let bytes: u64 = files.iter().map(|file| file.size).sum();
        let since = |file: &File| Duration::try_from(at.duration_since(file.last_modified)).unwrap_or_default();
        let waits: Vec<Duration> = files.iter().map(since).collect();
        let one = |metric, value| Datum::one(metric, feed, at, float(value));
        self.data.push(one(Metric::FilesLoaded, count(files)));
        self.data.push(one(Metric::BytesLoaded, bytes));
        self.data.extend(loaded.rows.map(|rows| one(Metric::RowsLoaded, rows)));
        self.data.push(one(Metric::FilesWithoutRows, without_rows));
        self.data.push(Datum::durations(Metric::LoadDuration, feed, at, &[loaded.duration]));
        self.data.push(Datum::durations(Metric::TimeToLoad, feed, at, &waits));
    }

    /// Files are in `failed/`.
    pub(super) fn quarantined(&mut self, feed: &Feed, at: Timestamp, files: u64) {
        self.report.files_quarantined += files;
        self.data.push(Datum::one(Metric::FilesQuarantined, &feed.name, at, float(files)));
    }

    /// Something failed, and no file is to blame.
    pub(super) fn failed(&mut self, feed: &Feed, at: Timestamp) {
        self.data.push(Datum::one(Metric::LoadsFailed, &feed.name, at, 1.0));
    }

    /// The answer, and what is to be published.
    pub(super) fn end(mut self, end: End) -> Done {
        let report = &mut self.report;
        report.outcome = match end {
            End::Pending => Outcome::Pending,
            End::Busy => Outcome::Busy,
            End::Retry(at, error) => {
                report.retry_at = Some(at);
                report.error = Some(error);
                Outcome::Retry
            }
            End::Finished if report.files_loaded > 0 => Outcome::Loaded,
            End::Finished if self.already > 0 => Outcome::AlreadyLoaded,
            End::Finished if report.files_quarantined > 0 => Outcome::Quarantined,
            // Every file of it was gone.
            End::Finished => Outcome::Gone,
        };
        Done { report: self.report, data: self.data }
    }
}

/// Logs a finished load, of so many `files` and `bytes`.
pub(super) fn log(report: &LoadReport, files: usize, bytes: u64, duration: SignedDuration) {
    let duration_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                feed = %report.feed,
                batch = report.batch.as_ref().map(tracing::field::display),
                outcome = report.outcome.as_str(),
                files,
                bytes,
                files_loaded = report.files_loaded,
                rows_loaded = report.rows_loaded,
                files_quarantined = report.files_quarantined,
                duration_ms,
                error = report.error,
                retry_at = report.retry_at.map(tracing::field::display),
                "batch {}", report.outcome.as_str()
            )
        };
    }
    // Retries are logged at warn.
    if report.outcome == Outcome::Retry {
        log!(warn);
    } else {
        log!(info);
    }
}
