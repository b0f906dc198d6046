//! The SQL of loads and of the ledger. One file, because all of it rests on one table layout and one lock. Pure: text
//! from types, quoted in one place.
//!
//! The order of [`transaction`] is the guarantee. LOCK takes no snapshot, so everything after it sees what the previous
//! holder of the lock committed. Under Redshift's default isolation (SNAPSHOT), a guard that ran first would let two
//! transactions both pass and both load. Source: Amazon Redshift Database Developer Guide, "Isolation levels", "LOCK".
//!
//! The fence covers the case that a snapshot was taken before the lock after all. Every load updates its one row. To
//! update a row that another transaction has changed since the snapshot is a conflict (1023), which is retried.

use std::time::Duration;

use jiff::Timestamp;
use sluice_core::batch::BatchId;
use sluice_core::config::{Compression, FileIdentity};
use sluice_core::destination::{Load, Roles};
use sluice_core::object::{File, FileId, Key};

use crate::config::{CopyOption, IamRole, Redshift, RedshiftFeed};
use crate::quote::{identifier, literal, table};

/// The most bytes of one statement that grows with its files: a little less than the Data API takes.
const STATEMENT_BYTES: usize = 97_000;

/// The most statements of one transaction. Source: Amazon Redshift Data API Reference, `BatchExecuteStatement`.
const BATCH_STATEMENTS: usize = 40;

/// The statements of the one transaction that loads a batch, and which of them is which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// All of them, in order.
    pub statements: Vec<String>,
    /// Which does what.
    pub roles: Roles,
}

/// Which statement of a transaction does what. Settings come first, the fence is between lock and guard, and the feed's
/// own SQL comes before COPY.
pub(crate) fn roles(target: &Redshift) -> Roles {
    Roles { lock: 2, guard: 4, copy: 5 + target.pre_sql.len() }
}

/// The same for transactions of older versions, which did not note their roles.
pub(crate) fn first_roles(target: &Redshift) -> Roles {
    Roles { lock: 1, guard: 2, copy: 3 + target.pre_sql.len() }
}

/// The transaction that loads the files, which `manifest` lists, and writes them into the ledger.
#[must_use]
pub fn transaction(bucket: &str, feed: RedshiftFeed<'_>, load: &Load<'_>, manifest: &Key) -> Transaction {
    let target = feed.target;
    let mut statements = vec![
        // LOCAL: the settings must not outlive the transaction. A cached result would be an old one.
        format!("SET LOCAL statement_timeout TO {}", target.statement_timeout.as_millis()),
        "SET LOCAL enable_result_cache_for_session TO off".to_owned(),
        format!("LOCK TABLE {}", table(&target.ledger)),
        format!("UPDATE {} SET loads = loads + 1", table(&target.fence())),
        guard(feed, load.files),
    ];
    statements.extend(target.pre_sql.iter().cloned());
    statements.push(copy(bucket, target, load.compression, manifest));
    statements.extend(target.post_sql.iter().cloned());
    statements.extend(record(feed, load.batch, load.files));
    Transaction { statements, roles: roles(target) }
}

/// Divides by zero, which ends the transaction, if any of the files is in the ledger, or if the fence has no row for
/// the feed's identity of files.
///
/// The divisor depends on the tables' rows: a constant could be computed before anything runs.
fn guard(feed: RedshiftFeed<'_>, files: &[File]) -> String {
    let target = feed.target;
    format!(
        "SELECT 1 / (CASE WHEN COUNT(*) = 0 AND (SELECT COUNT(*) FROM {} WHERE identity = {}) > 0 THEN 1 ELSE 0 END) \
         FROM {} WHERE file IN ({})",
        table(&target.fence()),
        literal(feed.identity.as_str()),
        table(&target.ledger),
        ids(feed, files)
    )
}

/// COPY of everything that the manifest lists, all of it compressed in one way.
pub(crate) fn copy(bucket: &str, target: &Redshift, compression: Option<Compression>, manifest: &Key) -> String {
    let columns: Vec<String> = target.columns.iter().map(|column| identifier(column)).collect();
    let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    let role = match &target.iam_role {
        IamRole::Default => "default".to_owned(),
        IamRole::Arn(arn) => literal(arn),
    };
    let mut sql = format!(
        "COPY {}{columns} FROM {} IAM_ROLE {role} MANIFEST",
        table(&target.table),
        literal(&format!("s3://{bucket}/{manifest}"))
    );
    // What the files' names and contents say overrides the options.
    let own = target.options.compression();
    for option in target.options.options().iter().filter(|option| own == compression || option.compression().is_none())
    {
        sql.push(' ');
        sql.push_str(&clause(option));
    }
    if let Some(compression) = compression.filter(|_| own != compression) {
        sql.push(' ');
        sql.push_str(compression.keyword());
    }
    sql
}

/// Whether a statement is a COPY.
pub(crate) fn is_copy(statement: &str) -> bool {
    statement.starts_with("COPY ")
}

fn clause(option: &CopyOption) -> String {
    match option {
        CopyOption::Flag(keywords) => (*keywords).to_owned(),
        CopyOption::Integer(keywords, number) => format!("{keywords} {number}"),
        CopyOption::Text(keywords, text) => format!("{keywords} {}", literal(text)),
        CopyOption::Word(keywords, word) => format!("{keywords} {word}"),
    }
}

/// Writes the files into the ledger, in as many statements as their size asks for.
fn record(feed: RedshiftFeed<'_>, batch: &BatchId, files: &[File]) -> Vec<String> {
    let ledger = table(&feed.target.ledger);
    let head = format!("INSERT INTO {ledger} (file, object_key, etag, size, batch, loaded_at) VALUES ");
    let row = |file: &File| {
        format!(
            "({}, {}, {}, {}, {}, GETDATE())",
            literal(&feed.ledger_id(file).to_string()),
            literal(file.key.as_str()),
            literal(file.etag.as_str()),
            file.size,
            literal(batch.as_str())
        )
    };
    let rows = lists(files.iter().map(row), STATEMENT_BYTES - head.len());
    rows.into_iter().map(|rows| head.clone() + &rows).collect()
}

/// Makes the ledger and its fence unless they exist. Divides by zero if the ledger identifies files otherwise than the
/// feed. Redshift does not enforce keys; the guard under LOCK does.
///
/// A ledger with entries and without a fence is of a version before fences, and identifies files by key and `ETag`.
#[must_use]
pub fn create_ledger(feed: RedshiftFeed<'_>) -> Vec<String> {
    let target = feed.target;
    let (ledger, fence) = (table(&target.ledger), table(&target.fence()));
    let identity = literal(feed.identity.as_str());
    let empty = match feed.identity {
        FileIdentity::Version => String::new(),
        FileIdentity::Name => format!(" AND (SELECT COUNT(*) FROM {ledger}) = 0"),
    };
    vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {ledger} (file CHAR(64) NOT NULL, object_key VARCHAR(1024) NOT NULL, \
             etag VARCHAR(256) NOT NULL, size BIGINT NOT NULL, batch CHAR(32) NOT NULL, loaded_at TIMESTAMP NOT NULL, \
             PRIMARY KEY (file)) DISTKEY (file) SORTKEY (file)"
        ),
        format!("CREATE TABLE IF NOT EXISTS {fence} (identity VARCHAR(16) NOT NULL, loads BIGINT NOT NULL)"),
        // Two callers may both find it empty at the same moment: two rows fence as well as one.
        format!(
            "INSERT INTO {fence} SELECT {identity}, 0 FROM (SELECT COUNT(*) AS number FROM {fence}) fences \
             WHERE fences.number = 0{empty}"
        ),
        format!("SELECT 1 / (CASE WHEN COUNT(*) > 0 THEN 1 ELSE 0 END) FROM {fence} WHERE identity = {identity}"),
    ]
}

/// Which of the files the ledger has, and in which versions.
#[must_use]
pub fn loaded(feed: RedshiftFeed<'_>, files: &[File]) -> String {
    format!("SELECT file, etag FROM {} WHERE file IN ({})", table(&feed.target.ledger), ids(feed, files))
}

/// When an entry was recorded, in seconds since 1970.
const LOADED_AT: &str = "CAST(EXTRACT(EPOCH FROM loaded_at) AS BIGINT)";

/// An entry's place. Redshift compares texts byte by byte, but ignores blanks at their end: `'a '` equals `'a'`. The
/// `ETag` comes last and has no blank. Source: Database Developer Guide, "Collation sequences", "Character types".
const PLACE: &str = "object_key || '.' || etag";

/// The most entries that are answered for keys.
const ENTRIES_NAMED: usize = 10_000;

/// Selects [entries](sluice_core::destination::Entry) of the ledger; `which` says which of them.
fn select(target: &Redshift, which: &str) -> String {
    format!("SELECT file, object_key, etag, size, {LOADED_AT} FROM {} WHERE {which}", table(&target.ledger))
}

/// A page of the ledger in the order of places.
pub(crate) fn page(target: &Redshift, from: &str, skip: usize, limit: usize) -> String {
    let from = literal(from);
    select(target, &format!("{PLACE} >= {from} ORDER BY {PLACE}, file LIMIT {limit} OFFSET {skip}"))
}

/// The entries of these files, in as many statements as their size asks for.
pub(crate) fn entries_of(target: &Redshift, files: &[FileId]) -> Vec<String> {
    let lists = lists(files.iter().map(|file| literal(&file.to_string())), STATEMENT_BYTES);
    lists.iter().map(|list| select(target, &format!("file IN ({list})"))).collect()
}

/// The entries of these keys, in as many statements as their size asks for.
pub(crate) fn entries_named(target: &Redshift, keys: &[Key]) -> Vec<String> {
    let lists = lists(keys.iter().map(|key| literal(key.as_str())), STATEMENT_BYTES);
    lists.iter().map(|list| select(target, &format!("object_key IN ({list}) LIMIT {ENTRIES_NAMED}"))).collect()
}

/// Joins values to lists of at most `bytes` each.
fn lists(values: impl Iterator<Item = String>, bytes: usize) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for value in values {
        match lists.last_mut() {
            Some(list) if list.len() + value.len() + 2 <= bytes => {
                list.push_str(", ");
                list.push_str(&value);
            }
            _ => lists.push(value),
        }
    }
    lists
}

/// The most pairs that [`amend`] takes: LOCK is one of the transaction's statements.
pub(crate) const AMENDED_AT_ONCE: usize = BATCH_STATEMENTS - 1;

/// Replaces identities in the ledger, under the same lock as loads.
#[must_use]
pub fn amend(feed: RedshiftFeed<'_>, replaced: &[(File, File)]) -> Vec<String> {
    let ledger = table(&feed.target.ledger);
    let update = |(old, new): &(File, File)| {
        format!(
            "UPDATE {ledger} SET file = {}, etag = {}, size = {} WHERE file = {}",
            literal(&feed.ledger_id(new).to_string()),
            literal(new.etag.as_str()),
            new.size,
            literal(&feed.ledger_id(old).to_string())
        )
    };
    std::iter::once(format!("LOCK TABLE {ledger}")).chain(replaced.iter().map(update)).collect()
}

/// Removes files from the ledger that were recorded at `until` or before. Each element is a transaction under the same
/// lock as loads.
#[must_use]
pub fn forget(target: &Redshift, files: &[FileId], until: Timestamp, patience: Duration) -> Vec<Vec<String>> {
    let ledger = table(&target.ledger);
    let head = [format!("SET LOCAL statement_timeout TO {}", patience.as_millis()), format!("LOCK TABLE {ledger}")];
    let lists = lists(files.iter().map(|file| literal(&file.to_string())), STATEMENT_BYTES);
    let until = until.as_second();
    let delete = |list: &String| format!("DELETE FROM {ledger} WHERE file IN ({list}) AND {LOADED_AT} <= {until}");
    let deletes: Vec<String> = lists.iter().map(delete).collect();
    let chunks = deletes.chunks(BATCH_STATEMENTS - head.len());
    chunks.map(|chunk| head.iter().chain(chunk).cloned().collect()).collect()
}

/// The most errors that one pass over bad files collects. Source: Database Developer Guide, "MAXERROR".
const MAX_ERRORS: usize = 100_000;

/// The most of them that are read at once. One file may have them all; the others are asked for again.
const ERRORS_READ: usize = 10_000;

/// Reads the files without loading them. It continues after errors, so that every bad file is named.
pub(crate) fn try_all(bucket: &str, target: &Redshift, compression: Option<Compression>, manifest: &Key) -> String {
    format!("{} NOLOAD MAXERROR {MAX_ERRORS}", copy(bucket, target, compression, manifest))
}

/// Where a COPY's traces are in the system views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// By the query's id.
    Query(i64),
    /// By the backend's process id, and from when on, in seconds since 1970.
    Session(i64, i64),
}

impl Trace {
    fn condition(self) -> String {
        match self {
            Self::Query(id) => format!("query_id = {id}"),
            // SYS_LOAD_DETAIL has no session. Source: Amazon Redshift Database Developer Guide, SYS_LOAD_DETAIL.
            Self::Session(pid, since) => format!(
                "query_id IN (SELECT query_id FROM sys_query_history WHERE session_id = {pid} \
                 AND start_time >= TIMESTAMP 'epoch' + {since} * INTERVAL '1 second')"
            ),
        }
    }
}

/// The errors of the files that a COPY refused, each file's first error first.
#[must_use]
pub fn load_errors(trace: Trace) -> String {
    format!(
        "SELECT TRIM(file_name), error_code, TRIM(error_message), line_number, TRIM(column_name) \
         FROM sys_load_error_detail WHERE {} ORDER BY 1, 4 LIMIT {ERRORS_READ}",
        trace.condition()
    )
}

/// Which version of each file a COPY read.
#[must_use]
pub fn versions_read(trace: Trace) -> String {
    format!("SELECT TRIM(file_name), TRIM(file_etag) FROM sys_load_detail WHERE {}", trace.condition())
}

fn ids(feed: RedshiftFeed<'_>, files: &[File]) -> String {
    files.iter().map(|file| literal(&feed.ledger_id(file).to_string())).collect::<Vec<_>>().join(", ")
}
