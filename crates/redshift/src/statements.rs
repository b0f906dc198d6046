//! The port to the Redshift Data API: submit statements, ask how they stand, read their rows.
//!
//! Knows nothing of batches, ledgers or retries beyond a single call.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use sluice_core::destination::StatementId;
use sluice_core::ports::PortError;

use crate::config::Redshift;

/// The Data API, as far as a load needs it.
pub trait Statements: Send + Sync {
    /// Submits statements as one transaction (a single one: as itself), and does not wait for them.
    ///
    /// The same token within eight hours is answered with the first submission's id and submits nothing.
    /// Source: Amazon Redshift Management Guide, "Idempotency for the Amazon Redshift Data API".
    fn submit(
        &self,
        target: &Redshift,
        submission: &Submission,
    ) -> impl Future<Output = Result<StatementId, PortError>> + Send;

    /// How the statements stand; waits for their end, at most `wait` (0: not at all; the service caps it at 30 seconds a
    /// call). `None` where the service does not know the id, or knows it no longer (24 hours).
    fn describe(
        &self,
        id: &StatementId,
        wait: Duration,
    ) -> impl Future<Output = Result<Option<Description>, PortError>> + Send;

    /// All rows of a finished statement, as text, NULL as `None`. `id` may be a part's, such as `<id>:3`.
    fn rows(&self, id: &StatementId) -> impl Future<Output = Result<Vec<Vec<Option<String>>>, PortError>> + Send;
}

/// Statements to submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// 1 to 40 statements of at most 100 KB each.
    pub statements: Vec<String>,
    /// 1 to 64 characters; without one, every call submits anew.
    pub token: Option<String>,
    /// What the statement is listed as; at most 2,048 characters.
    pub name: String,
    /// Whether its end is told to `EventBridge`, with its name.
    /// Source: Amazon Redshift Management Guide, "Monitoring events for the Amazon Redshift Data API".
    pub with_event: bool,
}

/// How submitted statements stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Of the whole.
    pub status: Status,
    /// The error text of a failed or stopped one.
    pub error: Option<String>,
    /// When it was submitted.
    pub created_at: Option<Timestamp>,
    /// When its status last changed.
    pub updated_at: Option<Timestamp>,
    /// How long it has run.
    pub duration: Duration,
    /// The backend's process id, which the system views call the session id.
    pub pid: Option<i64>,
    /// The query's id in the system views; `None` where the leader alone ran it.
    pub query_id: Option<i64>,
    /// Rows returned or affected, where known.
    pub rows: Option<u64>,
    /// One for each statement of a transaction, in order; empty for a single statement.
    pub parts: Vec<Part>,
}

/// One statement of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Of this statement.
    pub status: Status,
    /// Its error text.
    pub error: Option<String>,
    /// Its query's id in the system views; `None` where the leader alone ran it.
    pub query_id: Option<i64>,
    /// Rows returned or affected, where known.
    pub rows: Option<u64>,
}

/// A statement's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Submitted, picked or started; and every status that this version does not know.
    Running,
    /// Ended well; a transaction is committed.
    Finished,
    /// Ended badly; a transaction is rolled back.
    Failed,
    /// Stopped by somebody; a transaction is rolled back.
    Aborted,
}
