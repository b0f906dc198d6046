//! A Data API that answers each submission as the test says, and records what was submitted.
//!
//! Never reads SQL: the test says what a statement means.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_core::config::Config;
use sluice_core::destination::StatementId;
use sluice_core::ports::{PortError, PortErrorKind};

use crate::config::{Redshift, RedshiftKind};
use crate::{Description, Part, Statements, Status, Submission};

/// Rows as the Data API gives them.
pub type Rows = Vec<Vec<Option<String>>>;

type Respond = dyn Fn(&Submission) -> Answer + Send + Sync;

/// A scripted Data API. Clones are the same.
#[derive(Clone)]
pub struct ScriptedStatements {
    respond: Arc<Respond>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    submitted: Vec<Submission>,
    answers: HashMap<String, Answer>,
    tokens: HashMap<String, StatementId>,
}

/// How a submission runs and ends.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How it stands at its end.
    pub end: Description,
    /// How many polls find it running.
    pub polls: usize,
    /// The rows of its parts, counted from 1; 0 for a single statement.
    pub rows: HashMap<usize, Rows>,
}

impl Answer {
    /// All parts end well.
    #[must_use]
    pub fn finished(submission: &Submission) -> Self {
        let part = Part { status: Status::Finished, error: None, query_id: None, rows: None };
        let parts = match submission.statements.len() {
            0 | 1 => Vec::new(),
            many => vec![part; many],
        };
        let end = Description {
            status: Status::Finished,
            error: None,
            created_at: None,
            updated_at: None,
            duration: Duration::ZERO,
            pid: Some(1_073_750_000),
            query_id: None,
            rows: None,
            parts,
        };
        Self { end, polls: 0, rows: HashMap::new() }
    }

    /// Part `number`, counted from 1, fails; those after it do not run, and none has an effect.
    #[must_use]
    pub fn failed(submission: &Submission, number: usize, error: &str) -> Self {
        let mut answer = Self::finished(submission);
        answer.end.status = Status::Failed;
        answer.end.error = Some(error.to_owned());
        if !answer.end.parts.is_empty() {
            answer.end.error = Some(format!("Query #{number} failed with {error}"));
        }
        for (part, at) in answer.end.parts.iter_mut().zip(1..) {
            part.status = match at {
                _ if at < number => Status::Finished,
                _ if at == number => Status::Failed,
                _ => Status::Aborted,
            };
            part.error = (at == number).then(|| error.to_owned());
        }
        answer
    }

    /// The same, with these rows of part `number` (0 for a single statement).
    #[must_use]
    pub fn with_rows(mut self, number: usize, rows: &[&[Option<&str>]]) -> Self {
        let row = |row: &&[Option<&str>]| row.iter().map(|cell| cell.map(str::to_owned)).collect();
        self.rows.insert(number, rows.iter().map(row).collect());
        self
    }

    /// The same, running when it is asked for the first `polls` times.
    #[must_use]
    pub fn after_polls(mut self, polls: usize) -> Self {
        self.polls = polls;
        self
    }
}

impl ScriptedStatements {
    /// Answers each submission with what `respond` gives.
    pub fn new(respond: impl Fn(&Submission) -> Answer + Send + Sync + 'static) -> Self {
        Self { respond: Arc::new(respond), state: Arc::default() }
    }

    /// What was submitted, in order; without repetitions of a token.
    #[must_use]
    pub fn submitted(&self) -> Vec<Submission> {
        lock(&self.state).submitted.clone()
    }

    /// Forgets a statement, as the Data API does after 24 hours.
    pub fn forget(&self, id: &StatementId) {
        lock(&self.state).answers.remove(&id.0);
    }
}

impl Statements for ScriptedStatements {
    async fn submit(&self, _: &Redshift, submission: &Submission) -> Result<StatementId, PortError> {
        let mut state = lock(&self.state);
        if let Some(id) = submission.token.as_ref().and_then(|token| state.tokens.get(token)) {
            return Ok(id.clone());
        }
        let id = StatementId(format!("statement-{}", state.submitted.len()));
        state.submitted.push(submission.clone());
        state.answers.insert(id.0.clone(), (self.respond)(submission));
        if let Some(token) = &submission.token {
            state.tokens.insert(token.clone(), id.clone());
        }
        Ok(id)
    }

    async fn describe(&self, id: &StatementId, _: Duration) -> Result<Option<Description>, PortError> {
        let mut state = lock(&self.state);
        let Some(answer) = state.answers.get_mut(&id.0) else {
            return Ok(None);
        };
        if answer.polls == 0 {
            return Ok(Some(answer.end.clone()));
        }
        answer.polls -= 1;
        Ok(Some(Description { status: Status::Running, error: None, parts: Vec::new(), ..answer.end.clone() }))
    }

    async fn rows(&self, id: &StatementId) -> Result<Rows, PortError> {
        let (whole, part) = id.0.split_once(':').unwrap_or((&id.0, "0"));
        let number = part.parse().unwrap_or(usize::MAX);
        let state = lock(&self.state);
        let rows = state.answers.get(whole).and_then(|answer| answer.rows.get(&number)).cloned();
        rows.ok_or_else(|| {
            let operation = "redshift-data:GetStatementResult";
            PortError::new(operation, id.0.as_str(), PortErrorKind::Missing, "it has no result, says the test")
        })
    }
}

impl fmt::Debug for ScriptedStatements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedStatements").field("submitted", &lock(&self.state).submitted).finish_non_exhaustive()
    }
}

/// Locks, also after a panic elsewhere: a failed test should fail with its own message, not with a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A configuration of one feed, `flights`, with these lines, whose rows go to Redshift.
#[must_use]
pub fn config(lines: &str) -> Config {
    config_with(lines, "")
}

/// The same with lines of its section `[feed.redshift]`.
///
/// # Panics
/// When the lines are wrong.
#[must_use]
#[allow(clippy::expect_used, reason = "a wrong literal is the test's own mistake")]
pub fn config_with(lines: &str, own: &str) -> Config {
    let text = format!(
        "[bucket]\nname = \"bucket\"\n[[feed]]\nname = \"flights\"\nprefix = \"flights/\"\n{lines}\n[feed.redshift]\n\
         workgroup = \"demo\"\ndatabase = \"dev\"\ntable = \"public.flights\"\nformat = \"csv\"\n{own}\n"
    );
    Config::parse(&text, "test", &[&RedshiftKind]).expect("a configuration")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_part_stops_those_after_it() {
        let statements = ["LOCK", "SELECT", "COPY"].map(str::to_owned).to_vec();
        let submission = Submission { statements, token: None, name: "n".to_owned(), with_event: false };
        let end = Answer::failed(&submission, 2, "ERROR: division by zero").end;
        let parts: Vec<_> = end.parts.iter().map(|part| part.status).collect();
        assert_eq!(parts, [Status::Finished, Status::Failed, Status::Aborted]);
        assert_eq!(end.error.unwrap(), "Query #2 failed with ERROR: division by zero");
    }
}
