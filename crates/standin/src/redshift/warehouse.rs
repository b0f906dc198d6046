//! The handle of the warehouse: its options, its start and its end, and what tests and demos may ask of it.
//!
//! Never reads a request: the Data API does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;

use super::copy::names::FileNames;
use super::databases::{DatabaseError, Databases, Server};
use super::hooks::{Hold, Hooks, Trouble};
use super::runner::{Clock, Finished, Runner};
use super::statements::{Limits, Statement, Statements};
use crate::source::Source;

/// The options of the warehouse.
#[derive(Clone)]
pub struct Options {
    /// The PostgreSQL behind it.
    pub server: Server,
    /// The names of the databases. Each is created at first use, the first one at once.
    pub databases: Vec<String>,
    /// The names of the workgroups and clusters. Empty: any name is accepted.
    pub endpoints: Vec<String>,
    /// The region of the buckets that COPY reads.
    pub region: String,
    /// How long a client token identifies its statement.
    pub token_retention: SignedDuration,
    /// How long a finished statement is remembered.
    pub result_retention: SignedDuration,
    /// How many statements may be active at once.
    pub active_statements: usize,
    /// The clock.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server: Server::Private,
            databases: vec!["dev".to_owned()],
            endpoints: Vec::new(),
            region: "us-east-1".to_owned(),
            token_retention: SignedDuration::from_hours(8),
            result_retention: SignedDuration::from_hours(24),
            active_statements: 500,
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("server", &self.server)
            .field("databases", &self.databases)
            .finish_non_exhaustive()
    }
}

/// The warehouse. Dropping it stops its private PostgreSQL.
pub struct Redshift {
    pub(super) statements: Arc<Statements>,
    runner: Arc<Runner>,
    endpoints: Vec<String>,
    clock: Clock,
    /// The number of seconds that `clock` is ahead of the original clock.
    ahead: Arc<AtomicI64>,
}

impl std::fmt::Debug for Redshift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redshift").field("runner", &self.runner).finish_non_exhaustive()
    }
}

impl Redshift {
    /// Starts the warehouse. COPY reads from `source`.
    ///
    /// # Errors
    /// If there is no PostgreSQL, or it does not start.
    pub async fn start(options: Options, source: Arc<dyn Source>) -> Result<Self, DatabaseError> {
        let databases = Databases::start(&options.server, options.databases.clone()).await?;
        let limits = Limits {
            token_retention: options.token_retention,
            result_retention: options.result_retention,
            active: options.active_statements,
        };
        let first_query = databases.last_query_id().await? + 1;
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = advanced(options.clock, Arc::clone(&ahead));
        let runner = Arc::new(Runner::new(databases, source, options.region, Arc::clone(&clock), first_query));
        Ok(Self { statements: Arc::new(Statements::new(limits)), runner, endpoints: options.endpoints, clock, ahead })
    }

    /// The shell command for looking at the tables.
    #[must_use]
    pub fn psql(&self) -> String {
        format!("psql {}", self.url())
    }

    /// The URL of the first database, for PostgreSQL clients.
    #[must_use]
    pub fn url(&self) -> String {
        self.runner.databases.url()
    }

    /// Queries PostgreSQL directly, bypassing the Data API: for demos and tests. Semicolons separate several
    /// statements.
    ///
    /// # Errors
    /// PostgreSQL's error.
    pub async fn query(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, DatabaseError> {
        self.runner.databases.query(database, sql).await
    }

    /// Receives each statement with `WithEvent` when it ends.
    #[must_use]
    pub fn finished(&self) -> broadcast::Receiver<Finished> {
        self.runner.finished.subscribe()
    }

    /// Holds every COPY that begins from now on, before it reads anything, until the returned value is dropped.
    #[must_use]
    pub fn hold_copies(&self) -> Hold {
        self.hooks().hold_copies()
    }

    /// Holds every COPY with NOLOAD that begins from now on, and no other COPY.
    #[must_use]
    pub fn hold_passes(&self) -> Hold {
        self.hooks().hold_passes()
    }

    /// From now on every COPY with NOLOAD fails with this error. `None` turns that off.
    pub fn fail_passes(&self, error: Option<&str>) {
        self.hooks().fail_passes(error.map(str::to_owned));
    }

    /// From now on this happens to every COPY that reads a file whose key contains `part`.
    pub fn spoil(&self, part: impl Into<String>, trouble: Trouble) {
        self.hooks().spoil(part.into(), trouble);
    }

    /// Undoes [`Self::spoil`] for the same `part`.
    pub fn unspoil(&self, part: &str) {
        self.hooks().unspoil(part);
    }

    /// Makes the next statement whose SQL contains `part` fail with `error`, as if the warehouse had reported it.
    pub fn fail_next(&self, part: impl Into<String>, error: impl Into<String>) {
        self.hooks().fail_next(part.into(), error.into());
    }

    /// From now on every COPY fails with this error. `None` turns that off.
    pub fn fail_copies(&self, error: Option<&str>) {
        self.hooks().fail_copies(error.map(str::to_owned));
    }

    /// From now on the system views show what a COPY did, and what it refused, only this long after its end.
    pub fn show_loads_after(&self, delay: std::time::Duration) {
        self.hooks().show_loads_after(delay);
    }

    /// From now on the system views name the files of every COPY in this form. `None` restores the default: refused
    /// Parquet files by their encoded URL, all others by `s3://`.
    pub fn name_files(&self, names: Option<FileNames>) {
        self.hooks().name_files(names);
    }

    /// From now on a submission is refused if its statements have more bytes than this together. `None` turns that off.
    /// AWS documents no such limit, only 100 KB for each statement and 40 statements.
    pub fn refuse_submissions_over(&self, bytes: Option<usize>) {
        self.hooks().refuse_submissions_over(bytes);
    }

    /// Makes every COPY take this much longer.
    pub fn slow_copies(&self, by: std::time::Duration) {
        self.hooks().slow_copies(by);
    }

    /// Moves the clock forward: expired tokens and finished statements are forgotten.
    pub fn advance(&self, by: SignedDuration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Stops a private PostgreSQL cleanly. No requests are possible afterwards.
    pub async fn shutdown(&self) {
        let runner = Arc::clone(&self.runner);
        // Waiting for a process blocks.
        let _ = tokio::task::spawn_blocking(move || runner.databases.stop()).await;
    }

    pub(super) fn hooks(&self) -> &Hooks {
        &self.runner.hooks
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn knows(&self, endpoint: &str) -> bool {
        self.endpoints.is_empty() || self.endpoints.iter().any(|known| known == endpoint)
    }

    pub(super) fn start_running(&self, statement: &Arc<Statement>) {
        let runner = Arc::clone(&self.runner);
        let statement = Arc::clone(statement);
        tokio::spawn(async move { runner.run(&statement).await });
    }
}

/// `clock`, moved ahead by this many seconds.
fn advanced(clock: Clock, ahead: Arc<AtomicI64>) -> Clock {
    Arc::new(move || {
        let by = SignedDuration::from_secs(ahead.load(Ordering::SeqCst));
        clock().saturating_add(by).unwrap_or(Timestamp::MAX)
    })
}
