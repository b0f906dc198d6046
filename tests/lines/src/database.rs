//! The database: all SQL there is.
//!
//! Whoever writes holds SQLite's one lock for writing from before the first look to the commit, so that nothing changes
//! between a look and what follows from it. Never leaves a file in the ledger without its rows, nor the other way round.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use sluice_core::config::FileIdentity;
use sluice_core::destination::{Entry, Refusal};
use sluice_core::object::{ETag, File, FileId, Key};
use sluice_core::ports::{PortError, PortErrorKind, Service};

use crate::config::Lines;
use crate::end::End;

/// A file of a batch, and its text.
pub(crate) type Text = (File, String);

/// What is to be loaded: what was read, or why it cannot be.
pub(crate) type Batch = Result<Vec<Text>, End>;

/// Runs `work` as one transaction of the feed's database, alone with it; waits for others at most so long. What it does is
/// done when this returns without an error, and none of it otherwise.
pub(crate) async fn transaction<T: Send + 'static>(
    lines: &Lines,
    wait: Duration,
    work: impl FnOnce(&Lines, &mut Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, PortError> {
    let (path, lines) = (lines.database.display().to_string(), lines.clone());
    // SQLite's calls block, and the runtime has other things to do.
    let done = tokio::task::spawn_blocking(move || run(&lines, wait, work)).await;
    let failed = |kind, source: Box<dyn std::error::Error + Send + Sync>| {
        PortError::new(Service::Warehouse.call("sqlite"), path.clone(), kind, source)
    };
    match done {
        Ok(done) => done.map_err(|error| failed(kind(&error), error.into())),
        Err(panicked) => Err(failed(PortErrorKind::Unavailable, panicked.into())),
    }
}

fn run<T>(
    lines: &Lines,
    wait: Duration,
    work: impl FnOnce(&Lines, &mut Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let mut connection = Connection::open(&lines.database)?;
    connection.busy_timeout(wait)?;
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS sluice_ends (token TEXT PRIMARY KEY, end TEXT NOT NULL, at INTEGER NOT NULL)",
    )?;
    let done = work(lines, &mut transaction)?;
    transaction.commit()?;
    Ok(done)
}

fn kind(error: &Error) -> PortErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => PortErrorKind::Throttled,
        Some(ErrorCode::CannotOpen) => PortErrorKind::Missing,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => PortErrorKind::Denied,
        Some(ErrorCode::SystemIoFailure | ErrorCode::DiskFull) => PortErrorKind::Unavailable,
        _ => PortErrorKind::Invalid,
    }
}

/// Loads a batch, and remembers under its token how that ended. A token that is remembered is not asked for again.
pub(crate) fn load(
    lines: &Lines,
    transaction: &mut Transaction<'_>,
    identity: FileIdentity,
    token: &str,
    batch: Batch,
) -> rusqlite::Result<()> {
    if end(transaction, token)?.is_some() {
        return Ok(());
    }
    let savepoint = transaction.savepoint()?;
    let end = try_to_load(lines, &savepoint, identity, batch)?;
    // A savepoint that is dropped is rolled back: of a load that failed only its end stays.
    if matches!(end, End::Loaded { .. }) {
        savepoint.commit()?;
    } else {
        savepoint.finish()?;
    }
    let end = serde_json::to_string(&end).map_err(|error| Error::ToSqlConversionFailure(error.into()))?;
    let at = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    transaction.execute(&format!("INSERT INTO sluice_ends (token, end, at) VALUES (?1, ?2, {at})"), (token, end))?;
    Ok(())
}

fn try_to_load(lines: &Lines, connection: &Connection, identity: FileIdentity, batch: Batch) -> rusqlite::Result<End> {
    let begun = Instant::now();
    if !is_there(connection, &lines.ledger)? {
        return Ok(End::NoLedger);
    }
    if !knows_files_by(lines, connection, identity)? {
        return Ok(End::OtherIdentity);
    }
    if !is_there(connection, &lines.table)? {
        return Ok(End::NoTable);
    }
    let batch = match batch {
        Ok(batch) => batch,
        Err(end) => return Ok(end),
    };
    // The ledger comes first: a file that is in it ends the load before any row is written.
    for (file, _) in &batch {
        if !record(lines, connection, identity, file)? {
            return Ok(End::AlreadyLoaded);
        }
    }
    let (mut rows, mut refused) = (0, Vec::new());
    for (file, text) in batch {
        match insert(lines, connection, &file.key, &text)? {
            Ok(inserted) => rows += inserted,
            Err(refusal) => refused.push((file.key, refusal)),
        }
    }
    if !refused.is_empty() {
        return Ok(End::BadFiles(refused));
    }
    Ok(End::Loaded { rows, milliseconds: begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX) })
}

/// Writes a file into the ledger; `false`: it is there.
fn record(lines: &Lines, connection: &Connection, identity: FileIdentity, file: &File) -> rusqlite::Result<bool> {
    let id = identity.of(&file.key, &file.etag);
    let size = i64::try_from(file.size).unwrap_or(i64::MAX);
    let place = place(&file.key, &file.etag);
    let statement = format!(
        "INSERT INTO \"{}\" (id, key, etag, size, place, loaded_at) VALUES (?1, ?2, ?3, ?4, ?5, unixepoch())
         ON CONFLICT DO NOTHING",
        lines.ledger
    );
    let values = params![id.to_string(), file.key.as_str(), file.etag.as_str(), size, place];
    Ok(connection.execute(&statement, values)? == 1)
}

/// Writes a file's lines into the table, and says how many; or why the table does not take one.
fn insert(lines: &Lines, connection: &Connection, key: &Key, text: &str) -> rusqlite::Result<Result<u64, Refusal>> {
    let mut insert = connection.prepare(&format!("INSERT INTO \"{}\" (file, line) VALUES (?1, ?2)", lines.table))?;
    let mut rows = 0;
    for line in text.lines() {
        match insert.execute((key.as_str(), line)) {
            Ok(_) => rows += 1,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                let message = error.to_string();
                return Ok(Err(Refusal { message, line: Some(rows + 1), ..Refusal::default() }));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Ok(rows))
}

/// How the transaction of this token ended, and when; `None`: there was none.
pub(crate) fn end(connection: &Connection, token: &str) -> rusqlite::Result<Option<(End, Timestamp)>> {
    let read = |row: &Row<'_>| {
        let (end, at): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok((serde_json::from_str(&end).map_err(unreadable)?, Timestamp::from_millisecond(at).map_err(unreadable)?))
    };
    connection.query_row("SELECT end, at FROM sluice_ends WHERE token = ?1", [token], read).optional()
}

/// Makes the ledger, unless it is there; `false`: it knows files by another identity.
pub(crate) fn create_ledger(lines: &Lines, connection: &Connection, identity: FileIdentity) -> rusqlite::Result<bool> {
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS \"{ledger}\" (
             id TEXT PRIMARY KEY, key TEXT NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL,
             place TEXT NOT NULL, loaded_at INTEGER NOT NULL);
         CREATE INDEX IF NOT EXISTS \"{ledger}_by_place\" ON \"{ledger}\" (place, id);
         CREATE INDEX IF NOT EXISTS \"{ledger}_by_key\" ON \"{ledger}\" (key)",
        ledger = lines.ledger
    ))?;
    knows_files_by(lines, connection, identity)
}

fn knows_files_by(lines: &Lines, connection: &Connection, identity: FileIdentity) -> rusqlite::Result<bool> {
    let any = entries(lines, connection, "LIMIT ?1", [1])?;
    Ok(any.iter().all(|entry| entry.id == identity.of(&entry.key, &entry.etag)))
}

/// The entries that `which` chooses; none where there is no ledger yet.
pub(crate) fn entries(
    lines: &Lines,
    connection: &Connection,
    which: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Entry>> {
    if !is_there(connection, &lines.ledger)? {
        return Ok(Vec::new());
    }
    let statement = format!("SELECT id, key, etag, size, loaded_at FROM \"{}\" {which}", lines.ledger);
    connection.prepare(&statement)?.query_map(values, entry)?.collect()
}

/// Takes a file out of the ledger that was recorded at `until`, a second, or before.
pub(crate) fn forget(lines: &Lines, connection: &Connection, file: &FileId, until: i64) -> rusqlite::Result<()> {
    if is_there(connection, &lines.ledger)? {
        let statement = format!("DELETE FROM \"{}\" WHERE id = ?1 AND loaded_at <= ?2", lines.ledger);
        connection.execute(&statement, (file.to_string(), until))?;
    }
    Ok(())
}

fn is_there(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let named = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    connection.prepare(named)?.exists([table])
}

/// As [`Entry::place`] has it.
fn place(key: &Key, etag: &ETag) -> String {
    format!("{key}.{etag}")
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let text = |at| row.get::<_, String>(at);
    Ok(Entry {
        id: FileId::try_from(text(0)?).map_err(unreadable)?,
        key: Key::new(text(1)?).map_err(unreadable)?,
        etag: ETag::new(&text(2)?),
        size: row.get::<_, i64>(3)?.unsigned_abs(),
        loaded_at: Timestamp::from_second(row.get(4)?).map_err(unreadable)?,
    })
}

/// What is there is not what Sluice writes.
fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, error.into())
}
