//! The statements that the Data API knows: their states, their results, their client tokens, and when they expire.
//!
//! Never runs SQL, and never holds its lock while waiting.
//!
//! One file, because all of it is one state under one lock, with its tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The status of a statement, or of a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Submitted,
    Picked,
    Started,
    Finished,
    Failed,
    Aborted,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Picked => "PICKED",
            Self::Started => "STARTED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
        }
    }

    pub(crate) fn over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Aborted)
    }
}

/// A `:name` and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// One request to run statements.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) sqls: Vec<String>,
    pub(crate) batch: bool,
    pub(crate) auto_commit: bool,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) database: String,
    pub(crate) workgroup: Option<String>,
    pub(crate) cluster: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) db_user: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) with_event: bool,
}

/// The rows of a query, as the Data API returns them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<serde_json::Value>,
    pub(crate) rows: Vec<Vec<serde_json::Value>>,
    pub(crate) bytes: usize,
}

/// One SQL statement of a submission.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) status: Status,
    pub(crate) error: Option<String>,
    pub(crate) rows: i64,
    pub(crate) query_id: i64,
    /// The query's number in the history. Statements that need no compute node have one too. 0: it has not begun.
    pub(crate) number: i64,
    pub(crate) transaction_id: i64,
    pub(crate) started_at: Timestamp,
    pub(crate) duration: Duration,
    pub(crate) updated_at: Timestamp,
    pub(crate) result: Option<Arc<Table>>,
}

/// A submission's state.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) status: Status,
    pub(crate) error: Option<String>,
    pub(crate) pid: i64,
    pub(crate) duration: Duration,
    pub(crate) updated_at: Timestamp,
    pub(crate) parts: Vec<Part>,
}

/// A submission that was accepted.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) submission: Submission,
    state: watch::Sender<State>,
    cancelled: watch::Sender<bool>,
}

impl Statement {
    fn new(submission: Submission, now: Timestamp) -> Self {
        let part = Part {
            status: Status::Submitted,
            error: None,
            rows: -1,
            query_id: 0,
            number: 0,
            transaction_id: 0,
            started_at: now,
            duration: Duration::ZERO,
            updated_at: now,
            result: None,
        };
        let parts = vec![part; submission.sqls.len()];
        let state =
            State { status: Status::Submitted, error: None, pid: 0, duration: Duration::ZERO, updated_at: now, parts };
        let id = uuid::Uuid::new_v4().to_string();
        Self { id, created_at: now, submission, state: watch::Sender::new(state), cancelled: watch::Sender::new(false) }
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(crate) fn status(&self) -> Status {
        self.state.borrow().status
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    /// Returns when the statement is over, or after `longest`.
    pub(crate) async fn wait(&self, longest: Duration) {
        let mut state = self.state.subscribe();
        let over = state.wait_for(|state| state.status.over());
        // "Still running" is a valid answer too.
        let _ = tokio::time::timeout(longest, over).await;
    }

    /// Asks the runner of this statement to stop.
    pub(crate) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Returns when a stop is requested.
    pub(crate) async fn cancelled(&self) {
        let mut cancelled = self.cancelled.subscribe();
        let _ = cancelled.wait_for(|cancelled| *cancelled).await;
    }
}

/// How long things are remembered, and how many statements may be active.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) token_retention: SignedDuration,
    pub(crate) result_retention: SignedDuration,
    pub(crate) active: usize,
}

/// The result of a submission.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// The caller must run it.
    New(Arc<Statement>),
    /// The token is known and belongs to this statement.
    Known(Arc<Statement>),
    /// Too many are active.
    Full,
}

#[derive(Debug)]
pub(crate) struct Statements {
    limits: Limits,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<String, Arc<Statement>>,
    by_token: HashMap<String, (Arc<Statement>, Timestamp)>,
}

impl Statements {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, known: Mutex::default() }
    }

    /// Accepts a submission, once per token. The check and the insertion are one step under one lock, so that two
    /// callers with the same token get the same statement, however close together they arrive.
    pub(crate) fn accept(&self, submission: Submission, token: Option<String>, now: Timestamp) -> Accepted {
        let mut known = self.known(now);
        if let Some((statement, _)) = token.as_ref().and_then(|token| known.by_token.get(token)) {
            return Accepted::Known(Arc::clone(statement));
        }
        if known.by_id.values().filter(|statement| !statement.status().over()).count() >= self.limits.active {
            return Accepted::Full;
        }
        let statement = Arc::new(Statement::new(submission, now));
        known.by_id.insert(statement.id.clone(), Arc::clone(&statement));
        if let Some(token) = token {
            known.by_token.insert(token, (Arc::clone(&statement), now));
        }
        Accepted::New(statement)
    }

    /// The statement with this id, unless it has expired.
    pub(crate) fn find(&self, id: &str, now: Timestamp) -> Option<Arc<Statement>> {
        self.known(now).by_id.get(id).cloned()
    }

    /// All statements, newest first.
    pub(crate) fn all(&self, now: Timestamp) -> Vec<Arc<Statement>> {
        let mut all: Vec<_> = self.known(now).by_id.values().cloned().collect();
        all.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// The statements, after removing those that have expired.
    fn known(&self, now: Timestamp) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Limits { token_retention, result_retention, .. } = self.limits;
        known.by_id.retain(|_, statement| {
            let state = statement.state.borrow();
            !state.status.over() || now.duration_since(state.updated_at) < result_retention
        });
        known.by_token.retain(|_, (_, since)| now.duration_since(*since) < token_retention);
        known
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn submission() -> Submission {
        Submission {
            sqls: vec!["SELECT 1".to_owned()],
            batch: false,
            auto_commit: false,
            parameters: Vec::new(),
            database: "dev".to_owned(),
            workgroup: None,
            cluster: None,
            secret: None,
            db_user: None,
            name: None,
            with_event: false,
        }
    }

    fn statements(active: usize) -> Statements {
        Statements::new(Limits {
            token_retention: SignedDuration::from_hours(8),
            result_retention: SignedDuration::from_hours(24),
            active,
        })
    }

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn accept(statements: &Statements, token: Option<&str>, now: Timestamp) -> String {
        match statements.accept(submission(), token.map(str::to_owned), now) {
            Accepted::New(statement) | Accepted::Known(statement) => statement.id.clone(),
            Accepted::Full => "full".to_owned(),
        }
    }

    #[test]
    fn a_token_stands_for_one_statement_for_eight_hours() {
        let statements = statements(500);
        let first = accept(&statements, Some("t"), hour(0));
        assert_eq!(accept(&statements, Some("t"), hour(7)), first);
        assert_ne!(accept(&statements, Some("T"), hour(7)), first);
        assert_ne!(accept(&statements, Some("t"), hour(8)), first);
    }

    #[test]
    fn only_statements_that_are_over_are_forgotten() {
        let statements = statements(500);
        let id = accept(&statements, None, hour(0));
        let running = accept(&statements, None, hour(0));
        statements.find(&id, hour(1)).unwrap().change(|state| {
            state.status = Status::Finished;
            state.updated_at = hour(1);
        });
        assert!(statements.find(&id, hour(24)).is_some());
        assert!(statements.find(&id, hour(25)).is_none());
        assert!(statements.find(&running, hour(100)).is_some());
    }

    #[test]
    fn active_statements_are_limited_but_known_tokens_are_answered() {
        let statements = statements(1);
        let first = accept(&statements, Some("t"), hour(0));
        assert_eq!(accept(&statements, None, hour(0)), "full");
        assert_eq!(accept(&statements, Some("t"), hour(0)), first);
    }
}
