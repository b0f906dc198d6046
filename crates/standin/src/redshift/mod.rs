//! The Redshift Data API, with COPY as Redshift does it, on a real PostgreSQL.
//!
//! Never pretends: what Redshift has and this has not fails, and says so by name.

mod api;
mod cluster;
mod copy;
mod databases;
mod error;
mod execute;
mod hooks;
mod install;
mod parameters;
mod queries;
mod result;
mod run;
mod settings;
mod statements;
mod system;
mod tokens;
mod translate;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::Response;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;

pub use api::{operation, subject};
pub use cluster::ClusterError;
pub use copy::FileNames;
pub use databases::DatabaseError;
pub use hooks::{Hold, Trouble};
pub use install::InstallError;

use crate::service::Call;
use crate::source::Source;
use databases::Databases;
use hooks::Hooks;
use run::Runner;
use statements::{Limits, Statement, Statements};

/// Which PostgreSQL is behind the warehouse.
#[derive(Clone, Debug, Default)]
pub enum Server {
    /// A private one, whose data go when it stops.
    #[default]
    Private,
    /// A private one, whose data stay in `<folder>/postgres` for the next start.
    Kept(PathBuf),
    /// One that somebody else runs, as `postgres://user:password@host:port/database`.
    /// The first of [`Options::databases`] stands for the database that the URL names.
    Url(String),
}

/// Tells the time where retention matters.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the warehouse is to be.
#[derive(Clone)]
pub struct Options {
    /// The PostgreSQL behind it.
    pub server: Server,
    /// The databases that there are; each is created when it is first used, the first one at once.
    pub databases: Vec<String>,
    /// The workgroups and clusters that there are; empty: any name will do.
    pub endpoints: Vec<String>,
    /// The region of the buckets that COPY reads.
    pub region: String,
    /// How long a client token stands for its statement.
    pub token_retention: SignedDuration,
    /// How long a finished statement is remembered.
    pub result_retention: SignedDuration,
    /// How many statements may be active at once.
    pub active_statements: usize,
    /// The time.
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

/// A statement with `WithEvent` that is over: what EventBridge would be told.
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

/// The warehouse. Dropping it stops its private PostgreSQL.
pub struct Redshift {
    statements: Arc<Statements>,
    runner: Arc<Runner>,
    endpoints: Vec<String>,
    clock: Clock,
    /// By how many seconds `clock` is ahead of the clock it was started with.
    ahead: Arc<AtomicI64>,
}

impl std::fmt::Debug for Redshift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redshift").field("runner", &self.runner).finish_non_exhaustive()
    }
}

impl Redshift {
    /// Starts the warehouse; COPY reads `source`.
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it does not start.
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

    /// Answers one request of the Data API, whoever sent it.
    pub async fn call(&self, call: Call) -> Response<Bytes> {
        api::answer(self, &call.request).await
    }

    /// The command with which a person looks at the tables.
    #[must_use]
    pub fn psql(&self) -> String {
        format!("psql {}", self.url())
    }

    /// The first database, for PostgreSQL clients.
    #[must_use]
    pub fn url(&self) -> String {
        self.runner.databases.url()
    }

    /// Asks PostgreSQL directly, beside the Data API: for demos and tests. Several statements may be parted by semicolons.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn query(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, DatabaseError> {
        self.runner.databases.query(database, sql).await
    }

    /// Statements with `WithEvent`, as they end.
    #[must_use]
    pub fn finished(&self) -> broadcast::Receiver<Finished> {
        self.runner.finished.subscribe()
    }

    /// Holds every COPY that begins from now on, before it reads anything, until the answer is dropped.
    #[must_use]
    pub fn hold_copies(&self) -> Hold {
        self.hooks().hold_copies()
    }

    /// Holds every COPY with NOLOAD that begins from now on, and no other.
    #[must_use]
    pub fn hold_passes(&self) -> Hold {
        self.hooks().hold_passes()
    }

    /// From now on every COPY with NOLOAD fails with this error; `None`: none does.
    pub fn fail_passes(&self, error: Option<&str>) {
        self.hooks().fail_passes(error.map(str::to_owned));
    }

    /// From now on this comes over every COPY that is to read a file whose key contains `part`.
    pub fn spoil(&self, part: impl Into<String>, trouble: Trouble) {
        self.hooks().spoil(part.into(), trouble);
    }

    /// Takes back what [`Self::spoil`] did with the same `part`.
    pub fn unspoil(&self, part: &str) {
        self.hooks().unspoil(part);
    }

    /// Lets the next statement whose SQL contains `part` fail with `error`, as if the warehouse had said so.
    pub fn fail_next(&self, part: impl Into<String>, error: impl Into<String>) {
        self.hooks().fail_next(part.into(), error.into());
    }

    /// From now on every COPY fails with this error; `None`: none does.
    pub fn fail_copies(&self, error: Option<&str>) {
        self.hooks().fail_copies(error.map(str::to_owned));
    }

    /// From now on the system views show what a COPY did, and what it refused, only so long after its end.
    pub fn show_loads_after(&self, delay: std::time::Duration) {
        self.hooks().show_loads_after(delay);
    }

    /// From now on the system views name the files of every COPY in this form; `None`: Parquet that is refused by its
    /// encoded URL, everything else by `s3://`.
    pub fn name_files(&self, names: Option<FileNames>) {
        self.hooks().name_files(names);
    }

    /// From now on a submission is refused whose statements have more than so many bytes in all; `None`: none is. AWS
    /// documents no such limit, only 100 KB for each statement and 40 statements.
    pub fn refuse_submissions_over(&self, bytes: Option<usize>) {
        self.hooks().refuse_submissions_over(bytes);
    }

    /// Makes every COPY take this much longer.
    pub fn slow_copies(&self, by: std::time::Duration) {
        self.hooks().slow_copies(by);
    }

    /// Lets so much time pass: tokens and the statements that are over are forgotten when theirs has come.
    pub fn advance(&self, by: SignedDuration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Stops a private PostgreSQL in order. Nothing can be asked afterwards.
    pub async fn shutdown(&self) {
        let runner = Arc::clone(&self.runner);
        // Waiting for a process blocks.
        let _ = tokio::task::spawn_blocking(move || runner.databases.stop()).await;
    }

    fn hooks(&self) -> &Hooks {
        &self.runner.hooks
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn knows(&self, endpoint: &str) -> bool {
        self.endpoints.is_empty() || self.endpoints.iter().any(|known| known == endpoint)
    }

    fn start_running(&self, statement: &Arc<Statement>) {
        let runner = Arc::clone(&self.runner);
        let statement = Arc::clone(statement);
        tokio::spawn(async move { runner.run(&statement).await });
    }
}

/// `clock`, with its hands so many seconds ahead.
fn advanced(clock: Clock, ahead: Arc<AtomicI64>) -> Clock {
    Arc::new(move || {
        let by = SignedDuration::from_secs(ahead.load(Ordering::SeqCst));
        clock().saturating_add(by).unwrap_or(Timestamp::MAX)
    })
}
