//! Reads the files of one COPY and turns their lines into PostgreSQL's rows, on its own thread.
//!
//! Never talks to PostgreSQL: rows go into a channel, everything else goes into the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::error::SqlError;
use super::columns::Target;
use super::convert::convert;
use super::names::{FileNames, Listed};
use super::parse::{Copy, Format};
use super::record::{Fault, Fields, Flow, Record};
use super::report::{Ended, FileRead, LoadError, Report};
use super::shape::shown;
use super::{csv, delimited, encoding, files, fixed, json, parquet, shape, unpack};
use crate::source::{Source, SourceObject};

/// What the reading thread sends.
#[derive(Debug)]
pub(crate) enum Chunk {
    Rows(Bytes),
    End,
}

const CHUNK: usize = 256 * 1024;

/// The reading side of one COPY.
pub(crate) struct Job {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) copy: Copy,
    pub(crate) target: Target,
    pub(crate) rows: mpsc::Sender<Chunk>,
    pub(crate) stop: Arc<AtomicBool>,
    /// Spectrum's messages name the region.
    pub(crate) region: String,
    pub(crate) query_id: i64,
}

impl Job {
    /// Reads everything.
    pub(crate) fn run(self) -> Report {
        let mut rows = Rows { job: &self, report: Report::default(), out: Vec::with_capacity(CHUNK + 4096) };
        let read = rows.all_files();
        let mut report = rows.report;
        match read {
            Ok(()) if matches!(report.ended, Ended::Complete) => {
                // No one is receiving any more: the receiver stopped and knows why.
                let _ = self.rows.blocking_send(Chunk::End);
            }
            Ok(()) => {}
            Err(error) => report.ended = Ended::Refused(error),
        }
        report
    }
}

struct Rows<'a> {
    job: &'a Job,
    report: Report,
    out: Vec<u8>,
}

impl Rows<'_> {
    fn all_files(&mut self) -> Result<(), SqlError> {
        let copy = &self.job.copy;
        let source = self.job.source.as_ref();
        shape::check_widths(copy, self.job.target.columns.len())?;
        let listed = files::listed(source, copy, self.job.query_id)?;
        let paths = match &copy.options.format {
            Format::Json(paths) => Some(json::paths(source, paths, &self.job.target)?),
            _ => None,
        };
        self.report.listed = listed.len();
        for file in &listed {
            let object =
                source.read(&file.bucket, &file.key).map_err(|error| files::unreadable(&file.url(), &error))?;
            let Some(object) = object else {
                if file.mandatory {
                    return Err(files::absent(file, copy.options.manifest));
                }
                continue;
            };
            let flow = match &copy.options.format {
                Format::Parquet => self.columnar(file, &object)?,
                _ => self.file(file, &object, paths.as_ref())?,
            };
            if flow == Flow::Stop {
                return Ok(());
            }
        }
        if self.report.files.is_empty() {
            return Err(SqlError::new(format!("The specified S3 prefix '{}' does not exist", copy.key)));
        }
        self.send();
        Ok(())
    }

    fn file(&mut self, file: &Listed, object: &SourceObject, paths: Option<&json::Paths>) -> Result<Flow, SqlError> {
        let options = &self.job.copy.options;
        let data = unpack::unpack(&object.body, options.compression, &file.url())?;
        let data = match encoding::decode(data, options.encoding) {
            Ok(data) => data,
            Err(fault) => {
                self.read(file, object, 0);
                let nothing = Record { line: 1, raw: b"", fields: &Fields::default(), fault: None };
                return Ok(self.fault(file, &nothing, None, fault));
            }
        };
        let mut flow = Flow::Continue;
        let mut take = |record: Record<'_>| {
            flow = self.record(file, &record);
            flow
        };
        let lines = match (&options.format, paths) {
            (Format::Csv, _) => csv::read(&data, options, take),
            (Format::Json(_), Some(paths)) => json::read(&data, paths, options, &mut take),
            (Format::FixedWidth(widths), _) => fixed::read(&data, widths, options, take),
            (Format::Delimited | Format::Json(_) | Format::Parquet, _) => delimited::read(&data, options, take),
        };
        self.read(file, object, lines);
        Ok(flow)
    }

    /// A file without lines: either all its rows are valid, or the file is refused.
    fn columnar(&mut self, listed: &Listed, object: &SourceObject) -> Result<Flow, SqlError> {
        let job = self.job;
        let file = parquet::File { listed, region: &job.region, query_id: job.query_id };
        let mut flow = Flow::Continue;
        let row = |row: &[u8]| {
            flow = self.loaded(row);
            flow
        };
        match parquet::read(&file, &object.body, listed.length, &job.target, &job.copy.options, row) {
            Ok(lines) => {
                self.read(listed, object, lines);
                Ok(flow)
            }
            Err(error) => {
                self.report.errors.extend(parquet::noted(&file, &error));
                Err(error)
            }
        }
    }

    fn loaded(&mut self, row: &[u8]) -> Flow {
        if self.job.stop.load(Ordering::Relaxed) {
            return Flow::Stop;
        }
        self.out.extend_from_slice(row);
        self.report.rows += 1;
        if self.out.len() >= CHUNK {
            self.send();
        }
        Flow::Continue
    }

    fn read(&mut self, file: &Listed, object: &SourceObject, lines: u64) {
        self.report.files.push(FileRead {
            file: file.clone(),
            etag: object.etag.clone(),
            last_modified: object.last_modified,
            bytes: object.body.len(),
            lines,
        });
    }

    fn record(&mut self, file: &Listed, record: &Record<'_>) -> Flow {
        if self.job.stop.load(Ordering::Relaxed) {
            return Flow::Stop;
        }
        let begun = self.out.len();
        match self.row(record) {
            Ok(()) => {
                self.report.rows += 1;
                if self.out.len() >= CHUNK {
                    self.send();
                }
                Flow::Continue
            }
            Err((column, fault)) => {
                self.out.truncate(begun);
                self.fault(file, record, column, fault)
            }
        }
    }

    /// Writes one row, or reports the column that failed.
    fn row(&mut self, record: &Record<'_>) -> Result<(), shape::Wrong> {
        let copy = &self.job.copy;
        let columns = &self.job.target.columns;
        shape::check(record, copy, columns.len())?;
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                self.out.push(b'\t');
            }
            let field = match record.fields {
                fields if index < fields.len() => (!fields.is_null(index)).then(|| fields.get(index)),
                // FILLRECORD: a VARCHAR becomes empty, anything else null.
                _ if matches!(column.kind, super::columns::Kind::Varchar(_)) => Some(b"".as_slice()),
                _ => None,
            };
            convert(column, field, &copy.options, &mut self.out).map_err(|fault| (Some(index), fault))?;
        }
        self.out.push(b'\n');
        Ok(())
    }

    fn fault(&mut self, file: &Listed, record: &Record<'_>, column: Option<usize>, fault: Fault) -> Flow {
        let fields: &Fields = record.fields;
        let (begin, value) = match column.filter(|column| *column < fields.len()) {
            Some(column) => (fields.position(column), shown(fields.get(column))),
            None => (0, String::new()),
        };
        let position = begin + fault.position;
        self.report.errors.push(LoadError {
            file: file.clone(),
            names: FileNames::Url,
            line: record.line,
            column,
            position,
            fault,
            raw_line: shown(record.raw),
            raw_value: value,
        });
        let options = &self.job.copy.options;
        let limit = options.max_error.max(1);
        if !options.ignore_all_errors && self.report.errors.len() as u64 >= limit {
            self.report.ended = Ended::TooManyErrors;
            return Flow::Stop;
        }
        Flow::Continue
    }

    fn send(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let chunk = std::mem::replace(&mut self.out, Vec::with_capacity(CHUNK + 4096));
        if self.job.rows.blocking_send(Chunk::Rows(Bytes::from(chunk))).is_err() {
            // PostgreSQL has refused a row; the other end reports it.
            self.job.stop.store(true, Ordering::Relaxed);
        }
    }
}
