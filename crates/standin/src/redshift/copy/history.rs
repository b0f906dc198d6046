//! What the system tables record about a load: which files it read, which lines it refused.
//!
//! Writes on its own connection, so that the rows stay when the load is rolled back. Never fails a load.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::super::databases::DatabaseError;
use super::super::queries::sql_time;
use super::super::runner::Runner;
use super::super::session::Session;
use super::super::tokens::postgres_literal;
use super::columns::Target;
use super::names::{FileNames, Listed};
use super::parse::{Copy, Format};
use super::report::{FileRead, LoadError, Report};

/// `file_name` is char(256), and Redshift measures a CHAR in bytes.
/// Source: Amazon Redshift Database Developer Guide, `SYS_LOAD_DETAIL` and "Character types".
const FILE_NAME: usize = 256;

/// One load.
pub(crate) struct Entry<'a> {
    pub(crate) session: &'a Session,
    pub(crate) query_id: i64,
    pub(crate) copy: &'a Copy,
    pub(crate) target: &'a Target,
    pub(crate) started: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) aborted: bool,
    /// The form of all file names, if a test has chosen one.
    pub(crate) names: Option<FileNames>,
    pub(crate) region: &'a str,
}

/// Writes all rows about one load.
pub(crate) async fn keep(runner: &Runner, entry: &Entry<'_>, report: &Report) {
    if let Err(error) = write(runner, entry, report).await {
        tracing::warn!(
            query_id = entry.query_id,
            error = &error as &dyn std::error::Error,
            "cannot write the load history"
        );
    }
}

async fn write(runner: &Runner, entry: &Entry<'_>, report: &Report) -> Result<(), DatabaseError> {
    let errors: Vec<String> = report.errors.iter().map(|error| error_row(entry, error)).collect();
    let files: Vec<String> = report.files.iter().map(|file| file_row(entry, file)).collect();
    let history = vec![history_row(entry, report)];
    let inserts = [("load_error", errors), ("load_file", files), ("load_history", history)];
    let inserts = inserts.iter().filter(|(_, rows)| !rows.is_empty());
    let sql: Vec<String> = std::iter::once("SET search_path = redshift_system".to_owned())
        .chain(inserts.map(|(table, rows)| format!("INSERT INTO {table} VALUES {}", rows.join(","))))
        .collect();
    let sql = sql.join(";");
    let delay = runner.hooks.view_delay();
    if delay.is_zero() {
        return runner.databases.query(&entry.session.database, &sql).await.map(|_| ());
    }
    let (databases, database) = (Arc::clone(&runner.databases), entry.session.database.clone());
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        if let Err(error) = databases.query(&database, &sql).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot write the load history");
        }
    });
    Ok(())
}

/// The first columns, which all three tables share.
fn common(entry: &Entry<'_>) -> String {
    let database = postgres_literal(&entry.session.database);
    let transaction = entry.session.transaction_id.load(Ordering::SeqCst);
    format!("100, {}, {transaction}, {}, {database}", entry.query_id, entry.session.pid)
}

fn error_row(entry: &Entry<'_>, error: &LoadError) -> String {
    let column = error.column.and_then(|index| entry.target.columns.get(index));
    let (name, kind, length) =
        column.map_or_else(Default::default, |column| (column.name.clone(), column.kind.name(), column.kind.length()));
    format!(
        "({}, {}, '{}', {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
        common(entry),
        entry.target.oid,
        sql_time(entry.started),
        file_name(entry, &error.file, error.names),
        error.line,
        postgres_literal(&name),
        postgres_literal(kind),
        postgres_literal(&length),
        error.position,
        error.fault.code,
        // A message may quote a character that PostgreSQL cannot store.
        postgres_literal(&cut(&error.fault.message, 512).replace('\0', "")),
        postgres_literal(&error.raw_line),
        postgres_literal(&error.raw_value),
    )
}

fn file_row(entry: &Entry<'_>, file: &FileRead) -> String {
    format!(
        "({}, '{}', '{}', {}, '{}', {}, {}, '{}', {})",
        common(entry),
        sql_time(entry.started),
        sql_time(entry.ended),
        file_name(entry, &file.file, FileNames::Url),
        format_name(entry.copy),
        file.bytes,
        file.lines,
        sql_time(file.last_modified),
        postgres_literal(&file.etag),
    )
}

fn history_row(entry: &Entry<'_>, report: &Report) -> String {
    let bytes: usize = report.files.iter().map(|file| file.bytes).sum();
    let micros = entry.ended.duration_since(entry.started).as_micros();
    let loaded = if entry.aborted || entry.copy.options.no_load { 0 } else { report.rows };
    format!(
        "({}, '{}', {}, '{}', '{}', {micros}, {}, '{}', {loaded}, {bytes}, {}, {bytes}, {}, {bytes}, {})",
        common(entry),
        if entry.aborted { "aborted" } else { "completed" },
        postgres_literal(cut(&entry.target.name, 256)),
        sql_time(entry.started),
        sql_time(entry.ended),
        postgres_literal(cut(&format!("s3://{}/{}", entry.copy.bucket, entry.copy.key), 1024)),
        format_name(entry.copy),
        report.listed,
        report.files.len(),
        report.errors.len(),
    )
}

fn format_name(copy: &Copy) -> &'static str {
    match copy.options.format {
        Format::Csv => "csv",
        Format::Json(_) => "json",
        Format::Delimited | Format::FixedWidth(_) => "txt",
        Format::Parquet => "parquet",
    }
}

fn file_name(entry: &Entry<'_>, file: &Listed, names: FileNames) -> String {
    let name = entry.names.unwrap_or(names).name(entry.region, file);
    postgres_literal(cut(&name, FILE_NAME))
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
