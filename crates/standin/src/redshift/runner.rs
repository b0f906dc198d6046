//! What every run needs: the databases, the files, the hooks, the clock, and the numbers of queries and transactions.
//!
//! Never runs a submission.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use tokio::sync::{Semaphore, broadcast};

use super::databases::Databases;
use super::error::SqlError;
use super::hooks::Hooks;
use super::session::Session;
use crate::source::Source;

/// The number of submissions that run at once; the others wait in the queue.
const RUNNING_AT_ONCE: usize = 50;

/// How a transaction begins: with the isolation of Redshift's default.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

/// Returns the current time, for retention.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Everything that a run needs.
pub(crate) struct Runner {
    pub(crate) databases: Arc<Databases>,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) region: String,
    pub(crate) hooks: Hooks,
    pub(crate) finished: broadcast::Sender<Finished>,
    pub(crate) clock: Clock,
    pub(crate) query_ids: AtomicI64,
    transaction_ids: AtomicI64,
    pub(super) slots: Semaphore,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("databases", &self.databases).finish_non_exhaustive()
    }
}

/// A statement with `WithEvent` that has ended: what EventBridge would receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The statement.
    pub id: String,
    /// Its `StatementName`.
    pub name: Option<String>,
    /// `FINISHED`, `FAILED` or `ABORTED`.
    pub state: String,
    /// Rows of the last part, or -1.
    pub rows: i64,
}

impl Runner {
    pub(crate) fn new(
        databases: Databases,
        source: Arc<dyn Source>,
        region: String,
        clock: Clock,
        first_query: i64,
    ) -> Self {
        Self {
            databases: Arc::new(databases),
            source,
            region,
            hooks: Hooks::default(),
            finished: broadcast::Sender::new(1024),
            clock,
            query_ids: AtomicI64::new(first_query),
            transaction_ids: AtomicI64::new(first_query),
            slots: Semaphore::new(RUNNING_AT_ONCE),
        }
    }

    /// Assigns a number to the transaction that begins now.
    pub(crate) fn new_transaction(&self, session: &Session) {
        session.transaction_id.store(self.transaction_ids.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
    }

    pub(crate) async fn plain(&self, session: &Session, sql: &str) -> Result<(), SqlError> {
        session.client.batch_execute(sql).await.map_err(|error| SqlError::from_postgres(&error, 0))
    }
}
