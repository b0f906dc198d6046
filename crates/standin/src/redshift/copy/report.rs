//! What the reading side of a COPY found: rows, errors, files, and how it ended.
//!
//! Never decides whether the load is kept.

use jiff::Timestamp;

use super::super::error::SqlError;
use super::names::{FileNames, Listed};
use super::record::Fault;

/// What the reader found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: u64,
    pub(crate) errors: Vec<LoadError>,
    pub(crate) files: Vec<FileRead>,
    pub(crate) listed: usize,
    pub(crate) ended: Ended,
}

/// How the reading ended.
#[derive(Debug, Default)]
pub(crate) enum Ended {
    #[default]
    Complete,
    TooManyErrors,
    Refused(SqlError),
}

/// A row of `sys_load_error_detail`.
#[derive(Debug)]
pub(crate) struct LoadError {
    pub(crate) file: Listed,
    /// The form of its file name, unless a test has chosen one.
    pub(crate) names: FileNames,
    pub(crate) line: u64,
    /// The column, if the error is in one.
    pub(crate) column: Option<usize>,
    /// The offset from the start of the line.
    pub(crate) position: usize,
    pub(crate) fault: Fault,
    pub(crate) raw_line: String,
    pub(crate) raw_value: String,
}

/// A row of `sys_load_detail`.
#[derive(Debug)]
pub(crate) struct FileRead {
    pub(crate) file: Listed,
    pub(crate) etag: String,
    pub(crate) last_modified: Timestamp,
    pub(crate) bytes: usize,
    pub(crate) lines: u64,
}
