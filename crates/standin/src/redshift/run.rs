//! Runs submissions, each on its own connection, a batch in one transaction, and stops them on request.
//!
//! Never reports a state before it is true in PostgreSQL: FINISHED means committed, FAILED and ABORTED mean rolled
//! back.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Instant;

use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::databases::DatabaseError;
use super::error::{SqlError, lost};
use super::queries;
use super::runner::{BEGIN, Finished, Runner};
use super::session::Session;
use super::statements::{Statement, Status};

impl Runner {
    /// Runs `statement` to its end.
    pub(crate) async fn run(&self, statement: &Statement) {
        let begun = Instant::now();
        let queued = tokio::select! {
            slot = self.slots.acquire() => Some(slot),
            () = statement.cancelled() => None,
        };
        let outcome = match queued {
            Some(_slot) => self.run_in_slot(statement).await,
            None => Err(Stop::Cancelled),
        };
        let now = (self.clock)();
        statement.change(|state| {
            state.duration = begun.elapsed();
            state.updated_at = now;
            state.status = match outcome {
                Ok(()) => Status::Finished,
                Err(Stop::Cancelled) => Status::Aborted,
                Err(Stop::Failed(error)) => {
                    state.error = Some(error);
                    Status::Failed
                }
            };
            for part in state.parts.iter_mut().filter(|part| !part.status.over()) {
                part.status = Status::Aborted;
                part.updated_at = now;
            }
        });
        self.tell(statement);
    }

    async fn run_in_slot(&self, statement: &Statement) -> Result<(), Stop> {
        statement.change(|state| state.status = Status::Picked);
        let session = self.session(&statement.submission.database).await?;
        statement.change(|state| {
            state.status = Status::Started;
            state.pid = session.pid;
        });
        let outcome = self.run_until_stopped(&session, statement).await;
        queries::keep(&session, statement, (self.clock)()).await;
        outcome
    }

    async fn run_until_stopped(&self, session: &Session, statement: &Statement) -> Result<(), Stop> {
        // Boxed, so that it can be dropped before its connection is used again.
        let mut work = Box::pin(self.work(session, statement));
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = statement.cancelled() => {}
        }
        if session.committing.load(Ordering::SeqCst) {
            return work.await;
        }
        // Interrupt the running statement, then roll back the transaction, before any caller learns of the stop.
        if let Err(error) = session.client.cancel_token().cancel_query(NoTls).await {
            tracing::debug!(%error, "cannot cancel a query");
        }
        drop(work);
        let _ = session.client.batch_execute("ROLLBACK").await;
        Err(Stop::Cancelled)
    }

    async fn session(&self, database: &str) -> Result<Session, Stop> {
        let client = self.databases.connect(database).await.map_err(|error| Stop::Failed(refusal(&error)))?;
        let failed = |error: tokio_postgres::Error| Stop::Failed(format!("FATAL: {}", lost(&error)));
        let messages = client.simple_query("SELECT pg_backend_pid()").await.map_err(failed)?;
        let pid = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        Ok(Session {
            client,
            pid: pid.unwrap_or(0),
            database: database.to_owned(),
            transaction_id: AtomicI64::new(0),
            committing: AtomicBool::new(false),
        })
    }

    async fn work(&self, session: &Session, statement: &Statement) -> Result<(), Stop> {
        let submission = &statement.submission;
        if submission.batch && !submission.auto_commit {
            return self.transaction(session, statement).await;
        }
        let mut failure = None;
        for index in 0..submission.sqls.len() {
            if let Err(error) = self.part(session, statement, index, true).await {
                let error = if submission.batch { numbered(index, &error) } else { error.to_string() };
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(()), |error| Err(Stop::Failed(error)))
    }

    async fn transaction(&self, session: &Session, statement: &Statement) -> Result<(), Stop> {
        self.new_transaction(session);
        self.plain(session, BEGIN).await.map_err(|error| Stop::Failed(error.to_string()))?;
        for index in 0..statement.submission.sqls.len() {
            if let Err(error) = self.part(session, statement, index, false).await {
                let _ = session.client.batch_execute("ROLLBACK").await;
                return Err(Stop::Failed(numbered(index, &error)));
            }
        }
        session.committing.store(true, Ordering::SeqCst);
        self.plain(session, "COMMIT").await.map_err(|error| Stop::Failed(error.to_string()))
    }

    fn tell(&self, statement: &Statement) {
        if !statement.submission.with_event {
            return;
        }
        let state = statement.state();
        let event = Finished {
            id: statement.id.clone(),
            name: statement.submission.name.clone(),
            state: state.status.name().to_owned(),
            rows: state.parts.last().map_or(-1, |part| part.rows),
        };
        // It is fine if no one listens.
        let _ = self.finished.send(event);
    }
}

/// Why a submission did not finish.
#[derive(Debug)]
enum Stop {
    Failed(String),
    Cancelled,
}

fn refusal(error: &DatabaseError) -> String {
    match error {
        DatabaseError::Unknown(_) => format!("FATAL: {error}"),
        _ => format!("FATAL: {}", lost(error)),
    }
}

fn numbered(index: usize, error: &SqlError) -> String {
    format!("Query #{} failed with {error}", index + 1)
}
