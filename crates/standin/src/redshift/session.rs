//! One connection in use, and what a statement on it came to.
//!
//! Never opens or closes a connection.

use std::sync::atomic::{AtomicBool, AtomicI64};

use tokio_postgres::Client;

use super::statements::Table;

/// One connection in use.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) pid: i64,
    pub(crate) database: String,
    /// The open transaction, or the last one.
    pub(crate) transaction_id: AtomicI64,
    /// Set from the moment COMMIT is sent: a transaction that may be committed must not be reported as aborted.
    pub(crate) committing: AtomicBool,
}

/// The outcome of one SQL statement.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) rows: i64,
    pub(crate) result: Option<Table>,
}
