//! Runs one SQL statement: COPY in the stand-in, everything else in PostgreSQL.
//!
//! Never begins or ends the transaction of a batch, except where Redshift does (TRUNCATE).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio_postgres::SimpleQueryMessage;

use super::error::SqlError;
use super::runner::{BEGIN, Runner};
use super::session::{Done, Session};
use super::statements::{Part, Statement, Status};
use super::tokens::{self, Token};
use super::{copy, parameters, result, settings, translate};

impl Runner {
    /// Runs one SQL statement and keeps its state. `alone`: it has its own transaction.
    pub(crate) async fn part(
        &self,
        session: &Session,
        statement: &Statement,
        index: usize,
        alone: bool,
    ) -> Result<(), SqlError> {
        let sql = &statement.submission.sqls[index];
        let begun = Instant::now();
        let query_id = self.query_ids.fetch_add(1, Ordering::SeqCst);
        if alone {
            self.new_transaction(session);
        }
        let transaction_id = session.transaction_id.load(Ordering::SeqCst);
        let now = (self.clock)();
        statement.change(|state| {
            let part = &mut state.parts[index];
            part.status = Status::Started;
            (part.updated_at, part.started_at) = (now, now);
            (part.number, part.transaction_id) = (query_id, transaction_id);
            part.query_id = if leader_only(sql) { -1 } else { query_id };
        });
        let outcome = self.execute(session, statement, sql, query_id, alone).await;
        let now = (self.clock)();
        let ended = |part: &mut Part, status: Status| {
            part.status = status;
            part.duration = begun.elapsed();
            part.updated_at = now;
        };
        match outcome {
            Ok(done) => {
                statement.change(|state| {
                    let part = &mut state.parts[index];
                    part.rows = done.rows;
                    part.result = done.result.map(Arc::new);
                    ended(part, Status::Finished);
                });
                Ok(())
            }
            Err(error) => {
                statement.change(|state| {
                    let part = &mut state.parts[index];
                    part.error = Some(error.to_string());
                    ended(part, Status::Failed);
                });
                Err(error)
            }
        }
    }

    async fn execute(
        &self,
        session: &Session,
        statement: &Statement,
        sql: &str,
        query_id: i64,
        alone: bool,
    ) -> Result<Done, SqlError> {
        if let Some(error) = self.hooks.failure(sql) {
            return Err(SqlError::new(error.strip_prefix("ERROR: ").unwrap_or(&error)));
        }
        let mut tokens = parameters::bind(tokens::tokens(sql)?, &statement.submission.parameters)?;
        if tokens::has_capitals(&tokens) && !settings::case_sensitive(session, query_id).await? {
            tokens = tokens::fold(tokens);
        }
        match verb(&tokens).as_str() {
            "copy" if alone => self.copy_alone(session, &tokens, query_id).await,
            "copy" => copy::copy(self, session, &tokens, query_id).await,
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" if !alone => {
                Err(SqlError::not_done(format_args!("{} inside a batch", verb(&tokens).to_uppercase())))
            }
            "truncate" if !alone => {
                let done = self.postgres(session, &tokens, query_id).await?;
                // TRUNCATE commits its own transaction.
                self.plain(session, "COMMIT").await?;
                self.new_transaction(session);
                self.plain(session, BEGIN).await?;
                Ok(done)
            }
            _ => self.postgres(session, &tokens, query_id).await,
        }
    }

    async fn copy_alone(&self, session: &Session, tokens: &[Token<'_>], query_id: i64) -> Result<Done, SqlError> {
        self.plain(session, BEGIN).await?;
        match copy::copy(self, session, tokens, query_id).await {
            Ok(done) => {
                session.committing.store(true, Ordering::SeqCst);
                self.plain(session, "COMMIT").await?;
                session.committing.store(false, Ordering::SeqCst);
                Ok(done)
            }
            Err(error) => {
                let _ = session.client.batch_execute("ROLLBACK").await;
                Err(error)
            }
        }
    }

    async fn postgres(&self, session: &Session, tokens: &[Token<'_>], query_id: i64) -> Result<Done, SqlError> {
        let sql = translate::translate(tokens)?;
        let said = |error: tokio_postgres::Error| SqlError::from_postgres(&error, query_id);
        // Rows arrive as text; only preparing the statement gives their types. Preparing analyses the statement and so
        // takes the snapshot that running it would take. LOCK is never prepared, so it takes no snapshot early.
        let columns = match verb(tokens).as_str() {
            "select" | "with" | "show" | "values" | "table" | "explain" => {
                Some(session.client.prepare(&sql).await.map_err(said)?)
            }
            _ => None,
        };
        let messages = session.client.simple_query(&sql).await.map_err(said)?;
        let mut rows = Vec::new();
        let mut count = 0;
        for message in messages {
            match message {
                SimpleQueryMessage::Row(row) => rows.push(row),
                SimpleQueryMessage::CommandComplete(affected) => count = i64::try_from(affected).unwrap_or(i64::MAX),
                _ => {}
            }
        }
        let result = columns
            .filter(|prepared| !prepared.columns().is_empty())
            .map(|prepared| result::table(prepared.columns(), &rows));
        Ok(Done { rows: count, result })
    }
}

fn verb(tokens: &[Token<'_>]) -> String {
    tokens
        .iter()
        .find(|token| token.kind != tokens::Kind::Space)
        .map(|token| token.text.to_ascii_lowercase())
        .unwrap_or_default()
}

/// Statements that need no compute node have no query id.
fn leader_only(sql: &str) -> bool {
    tokens::tokens(sql).is_ok_and(|tokens| matches!(verb(&tokens).as_str(), "set" | "lock" | "show" | "reset"))
}
