//! The port to the Redshift Data API: submit statements, ask for their status, read their rows.
//!
//! Knows nothing of batches and ledgers, and never retries beyond a single call.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use sluice_core::destination::StatementId;
use sluice_core::ports::PortError;

use crate::config::Redshift;

/// The longest statement that the Data API takes, in bytes: 100 KB, which may mean 100,000.
/// Source: Amazon Redshift Management Guide, "Considerations when calling the Amazon Redshift Data API".
pub(crate) const MAX_STATEMENT_BYTES: usize = 100_000;

/// The Data API, as far as a load needs it.
pub trait Statements: Send + Sync {
    /// Submits statements as one transaction, or a single one without a transaction, and does not wait for them.
    ///
    /// The same token within eight hours returns the first submission's id and submits nothing.
    /// Source: Amazon Redshift Management Guide, "Idempotency for the Amazon Redshift Data API".
    fn submit(
        &self,
        target: &Redshift,
        submission: &Submission,
    ) -> impl Future<Output = Result<StatementId, PortError>> + Send;

    /// The state of the statements. Waits for their end, at most `wait` (0: not at all; the service waits at most 30
    /// seconds a call). `None` if the service does not know the id, or has forgotten it (24 hours).
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
    /// 1 to 64 characters. Without a token, every call submits again.
    pub token: Option<String>,
    /// The name in the list of statements; at most 2,048 characters.
    pub name: String,
    /// Whether the Data API reports its end and its name to `EventBridge`.
    /// Source: Amazon Redshift Management Guide, "Monitoring events for the Amazon Redshift Data API".
    pub with_event: bool,
}

/// The state of submitted statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Of the whole.
    pub status: Status,
    /// The error text, if they failed or were stopped.
    pub error: Option<String>,
    /// When they were submitted.
    pub created_at: Option<Timestamp>,
    /// When the status last changed.
    pub updated_at: Option<Timestamp>,
    /// How long they have run.
    pub duration: Duration,
    /// The backend's process id, which the system views call the session id.
    pub pid: Option<i64>,
    /// The query's id in the system views; `None` if only the leader node ran it.
    pub query_id: Option<i64>,
    /// Rows returned or affected, if known.
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
    /// Its query's id in the system views; `None` if only the leader node ran it.
    pub query_id: Option<i64>,
    /// Rows returned or affected, if known.
    pub rows: Option<u64>,
}

/// A statement's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Submitted, picked or started, or a status that this version does not know.
    Running,
    /// Succeeded; a transaction is committed.
    Finished,
    /// Failed; a transaction is rolled back.
    Failed,
    /// Someone stopped it; a transaction is rolled back.
    Aborted,
}
