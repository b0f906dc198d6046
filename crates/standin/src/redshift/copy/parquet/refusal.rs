//! Redshift's messages about a Parquet file that it cannot load.
//!
//! Never decides what cannot be loaded.

use parquet::errors::ParquetError;

use super::super::super::error::SqlError;
use super::super::columns::{Column, Kind};
use super::super::names::{FileNames, Listed};
use super::super::record;
use super::super::report::LoadError;

/// The context is cut at this length, wherever that falls. *Seen*: three published texts end after exactly this many
/// characters, two of them within the file's name.
const CONTEXT: usize = 256;

/// An error in the file itself. *Seen* for wrong types, wrong counts and, since 2026 at the latest, for strings that
/// are too long, which were 15001 in 2021.
const USER_ERROR: u32 = 15007;

/// The row in the system tables about a file that is refused. *Seen*: a row that names its file by URL. The row's other
/// columns are *inferred*.
pub(crate) fn noted(file: &File<'_>, error: &SqlError) -> Option<LoadError> {
    let text = error.0.strip_prefix("Spectrum Scan Error")?;
    let (_, code) = text.split_once("code:      ")?;
    let (code, context) = code.split_once("\n  context:   ")?;
    let (context, _) = context.split_once("\n  query: ")?;
    Some(LoadError {
        file: file.listed.clone(),
        names: FileNames::Encoded,
        line: 0,
        column: None,
        position: 0,
        fault: record::Fault::new(code.parse().ok()?, context),
        raw_line: String::new(),
        raw_value: String::new(),
    })
}

/// Why a value does not fit its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TooLong { limit: usize, length: usize },
    TooLongForSuper,
    Value(String),
}

/// A file that is being read.
pub(crate) struct File<'a> {
    pub(crate) listed: &'a Listed,
    pub(crate) region: &'a str,
    pub(crate) query_id: i64,
}

/// *Seen*: "File entry does not have 'meta' key.", 15003. That a `meta` without a length gets the same message is
/// *inferred*.
pub(crate) fn without_length(key: &str, query_id: i64) -> SqlError {
    let text = format!("File entry does not have '{key}' key.");
    said(&text, 15003, "", query_id, "spectrum_manifest.cpp:204", "padbmaster")
}

impl File<'_> {
    /// *Seen*, except for what follows the number.
    pub(super) fn no_parquet(&self, end: &[u8]) -> SqlError {
        self.refused(&format!("File '{}' has an invalid version number: {}", self.url(), end.escape_ascii()))
    }

    /// *Impala's*.
    pub(super) fn broken_footer(&self, offset: usize, error: &ParquetError) -> SqlError {
        self.refused(&format!(
            "File '{}' has invalid file metadata at file offset {offset}. Error = {error}",
            self.url()
        ))
    }

    /// *Inferred*, from Impala's "Corrupt Parquet file".
    pub(super) fn corrupt(&self, error: &ParquetError) -> SqlError {
        self.refused(&format!("Corrupt Parquet file '{}': {error}", self.url()))
    }

    /// *Seen*.
    pub(super) fn unmatched(&self, table: usize, data: usize) -> SqlError {
        self.refused(&format!(
            "Unmatched number of columns between table and file. Table columns: {table}, Data columns: {data}, File name: {}",
            self.url()
        ))
    }

    /// *Seen*; `schema` is in Impala's notation.
    pub(super) fn incompatible(&self, column: &Column, schema: &str) -> SqlError {
        self.refused(&format!(
            "File '{}' has an incompatible Parquet schema for column '{}.{}'. Column type: {}, Parquet schema:\n{schema}",
            self.url(),
            self.listed.url(),
            column.name,
            type_name(column.kind),
        ))
    }

    /// *Seen*.
    pub(super) fn type_length(&self, column: &Column, expected: usize, found: i32) -> SqlError {
        self.refused(&format!(
            "File '{}' column '{}' has an invalid type length. Expecting: {expected} len in file: {found}",
            self.url(),
            column.name
        ))
    }

    /// *Impala's*, for `scale` and `precision`.
    pub(super) fn unlike_table(&self, column: &Column, what: &str, found: i32, expected: u32) -> SqlError {
        self.refused(&format!(
            "File '{}' column '{}' has a {what} that does not match the table metadata {what}. File metadata {what}: {found}, table metadata {what}: {expected}",
            self.url(),
            column.name
        ))
    }

    /// A value that does not fit its column.
    pub(super) fn value(&self, column: &Column, fault: &Fault) -> SqlError {
        match fault {
            // *Seen*. The file's name comes last, so a long name is cut off.
            Fault::TooLong { limit, length } => self.refused(&format!(
                "The length of the data column {} is longer than the length defined in the table. Table: {limit}, Data: {length}, File name: {}",
                column.name,
                self.url()
            )),
            // *Inferred*.
            Fault::Value(message) => {
                self.refused(&format!("{message}. Column: {}, File name: {}", column.name, self.url()))
            }
            // *Seen*, with this code.
            Fault::TooLongForSuper => self.code(1224, "String value exceeds the max size of 65535 bytes"),
        }
    }

    /// *Inferred*: Spectrum does not know NOT NULL, so the load fails at a point where the file is no longer known.
    pub(super) fn null(&self, column: &Column) -> SqlError {
        self.refused(&format!("NULL value in column {}, which is defined as NOT NULL in the table", column.name))
    }

    /// The stand-in's own words, for what Redshift can do and the stand-in cannot.
    pub(super) fn unsupported(&self, what: &str) -> SqlError {
        let said = SqlError::not_done(what);
        SqlError::new(format!("{}\n  Detail: {}", said.0, self.listed.url()))
    }

    /// *Seen*: this form of URL, whatever region the bucket itself is in.
    fn url(&self) -> String {
        FileNames::Encoded.name(self.region, self.listed)
    }

    fn refused(&self, context: &str) -> SqlError {
        self.code(USER_ERROR, context)
    }

    fn code(&self, code: u32, context: &str) -> SqlError {
        said("Spectrum Scan Error", code, context, self.query_id, "dory_util.cpp:1777", "worker_thread")
    }
}

/// *Seen*, also in the Data API.
fn said(error: &str, code: u32, context: &str, query_id: i64, location: &str, process: &str) -> SqlError {
    let context = context.char_indices().nth(CONTEXT).map_or(context, |(end, _)| &context[..end]);
    let rule = "-----------------------------------------------";
    SqlError::new(format!(
        "{error}\n  Detail: \n  {rule}\n  error:  {error}\n  code:      {code}\n  context:   {context}\n  query:     {query_id}\n  location:  {location}\n  process:   {process} [pid=0]\n  {rule}"
    ))
}

/// Impala's names of the types.
fn type_name(kind: Kind) -> String {
    match kind {
        Kind::Short => "SMALLINT".to_owned(),
        Kind::Integer => "INT".to_owned(),
        Kind::Long => "BIGINT".to_owned(),
        Kind::Decimal { precision, scale } => format!("DECIMAL({precision}, {scale})"),
        Kind::Real => "FLOAT".to_owned(),
        Kind::Double => "DOUBLE".to_owned(),
        Kind::Boolean => "BOOLEAN".to_owned(),
        Kind::Char(length) => format!("CHAR({length})"),
        Kind::Varchar(length) => format!("VARCHAR({length})"),
        Kind::Date => "DATE".to_owned(),
        Kind::Timestamp | Kind::TimestampTz => "TIMESTAMP".to_owned(),
        Kind::Time | Kind::TimeTz | Kind::Super | Kind::Other => kind.name().to_uppercase(),
    }
}
