//! COPY: from the statement to rows in the table, and to rows about the load in the system tables.
//!
//! Never loads part of the data: a failure leaves the table to the rollback of its transaction.

mod columns;
mod convert;
mod csv;
mod datetime;
mod delimited;
mod encoding;
mod files;
mod fixed;
mod history;
mod json;
mod load;
pub(super) mod names;
mod parquet;
mod parse;
mod record;
mod report;
mod semi;
mod shape;
mod unpack;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio::sync::mpsc;
use tokio_postgres::SimpleQueryMessage;

use super::error::SqlError;
use super::hooks::Trouble;
use super::runner::Runner;
use super::session::{Done, Session};
use super::tokens::{Token, quoted_name};
use columns::Target;
use load::{Chunk, Job};
use parse::Copy;
use report::{Ended, Report};

/// Chunks of rows in flight to PostgreSQL.
const CHUNKS_AHEAD: usize = 8;

/// Runs one COPY in the session's transaction.
pub(crate) async fn copy(
    runner: &Runner,
    session: &Session,
    tokens: &[Token<'_>],
    query_id: i64,
) -> Result<Done, SqlError> {
    let copy = parse::parse(tokens)?;
    let target = columns::target(session, &copy, query_id).await?;
    check_region(runner, &copy)?;
    let timeout = statement_timeout(session, query_id).await?;
    let started = (runner.clock)();
    let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
    let loaded = load(runner, session, &copy, &target, query_id, &stop);
    let (report, outcome) = match timeout {
        // PostgreSQL's own timer does not run while it waits for our rows.
        Some(timeout) => match tokio::time::timeout(timeout, loaded).await {
            Ok(loaded) => loaded,
            Err(_) => (Report::default(), Err(SqlError::cancelled(query_id))),
        },
        None => loaded.await,
    };
    let entry = history::Entry {
        session,
        query_id,
        copy: &copy,
        target: &target,
        started,
        ended: (runner.clock)(),
        aborted: outcome.is_err(),
        names: runner.hooks.file_names(),
        region: &runner.region,
    };
    history::keep(runner, &entry, &report).await;
    outcome?;
    remember_last(session, query_id, report.rows).await?;
    Ok(Done { rows: i64::try_from(report.rows).unwrap_or(i64::MAX), result: None })
}

/// Tells the reading thread to stop, because its rows are no longer wanted, even when this COPY is cancelled.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn load(
    runner: &Runner,
    session: &Session,
    copy: &Copy,
    target: &Target,
    query_id: i64,
    stop: &StopOnDrop,
) -> (Report, Result<(), SqlError>) {
    runner.hooks.before_copy(copy.options.no_load).await;
    match runner.hooks.trouble(|| keys(runner, copy, query_id)) {
        Some(Trouble::Fails(error)) => return (Report::default(), Err(SqlError::new(error))),
        Some(Trouble::Hangs) => std::future::pending().await,
        None => {}
    }
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let job = Job {
        source: Arc::clone(&runner.source),
        copy: copy.clone(),
        target: target.clone(),
        rows: sender,
        stop: Arc::clone(&stop.0),
        region: runner.region.clone(),
        query_id,
    };
    let reading = tokio::task::spawn_blocking(move || job.run());
    let fed = feed(session, copy, target, receiver, query_id);
    let (report, fed) = tokio::join!(reading, fed);
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            return (Report::default(), Err(SqlError::own(format_args!("COPY broke: {error}"))));
        }
    };
    let outcome = match (&report.ended, fed) {
        (Ended::Refused(error), _) => Err(error.clone()),
        (Ended::TooManyErrors, _) => Err(too_many_errors(target)),
        (Ended::Complete, fed) => fed,
    };
    (report, outcome)
}

/// The keys that a COPY will read. Empty if they cannot be listed: the COPY itself then reports why.
fn keys(runner: &Runner, copy: &Copy, query_id: i64) -> Vec<String> {
    let listed = files::listed(runner.source.as_ref(), copy, query_id).unwrap_or_default();
    listed.into_iter().map(|file| file.key).collect()
}

/// Passes rows to PostgreSQL's own COPY as they arrive. The last chunk promises that there are no more.
async fn feed(
    session: &Session,
    copy: &Copy,
    target: &Target,
    mut rows: mpsc::Receiver<Chunk>,
    query_id: i64,
) -> Result<(), SqlError> {
    let said = |error: tokio_postgres::Error| SqlError::from_copy(&error, query_id);
    if copy.options.no_load {
        while rows.recv().await.is_some() {}
        return Ok(());
    }
    let columns = target.columns.iter().map(|column| quoted_name(&column.name)).collect::<Vec<_>>().join(", ");
    let sql = format!("COPY {} ({columns}) FROM STDIN", target.sql_name);
    let sink = session.client.copy_in::<_, Bytes>(&sql).await.map_err(said)?;
    let mut sink = std::pin::pin!(sink);
    while let Some(chunk) = rows.recv().await {
        match chunk {
            Chunk::Rows(bytes) => sink.send(bytes).await.map_err(said)?,
            Chunk::End => {
                sink.finish().await.map_err(said)?;
                return Ok(());
            }
        }
    }
    // The reader failed. Dropping the sink makes PostgreSQL's COPY fail, and the transaction with it.
    Ok(())
}

fn too_many_errors(target: &Target) -> SqlError {
    // Two blanks, as in Redshift.
    SqlError::new(format!(
        "Load into table '{}' failed.  Check 'sys_load_error_detail' system table for details.",
        target.name
    ))
}

fn check_region(runner: &Runner, copy: &Copy) -> Result<(), SqlError> {
    match &copy.options.region {
        Some(region) if *region != runner.region => Err(SqlError::new(
            "S3ServiceException:The bucket you are attempting to access must be addressed using the specified endpoint. \
             Please send all future requests to this endpoint.,Status 301,Error PermanentRedirect,Rid 0,ExtRid 0,CanRetry 1",
        )),
        _ => Ok(()),
    }
}

async fn statement_timeout(session: &Session, query_id: i64) -> Result<Option<Duration>, SqlError> {
    let sql = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'";
    let messages = session.client.simple_query(sql).await.map_err(|error| SqlError::from_postgres(&error, query_id))?;
    let milliseconds = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse::<u64>().ok(),
        _ => None,
    });
    Ok(milliseconds.filter(|milliseconds| *milliseconds > 0).map(Duration::from_millis))
}

async fn remember_last(session: &Session, query_id: i64, rows: u64) -> Result<(), SqlError> {
    let sql = format!(
        "SELECT set_config('sluice.last_copy_id', '{query_id}', false), set_config('sluice.last_copy_count', '{rows}', false)"
    );
    session.client.batch_execute(&sql).await.map_err(|error| SqlError::from_postgres(&error, query_id))
}
