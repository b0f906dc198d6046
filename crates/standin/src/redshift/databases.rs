//! The databases of the warehouse: created at first use, each with Redshift's own schema in it.
//!
//! Never creates a database that the options do not name.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::cluster::{Cluster, ClusterError};
use super::system;
use super::tokens::{postgres_literal, quoted_name};

/// The PostgreSQL behind the warehouse.
#[derive(Clone, Debug, Default)]
pub enum Server {
    /// A private one, whose data are removed when it stops.
    #[default]
    Private,
    /// A private one, whose data stay in `<folder>/postgres` for the next start.
    Kept(PathBuf),
    /// An existing one, as `postgres://user:password@host:port/database`. The first of the options'
    /// databases stands for the database in the URL.
    Url(String),
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is no private cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The URL of the warehouse is malformed.
    #[error("{url} is not a PostgreSQL URL: postgres://user:password@host:port/database is")]
    Url {
        /// The given text.
        url: String,
        /// What is wrong with it.
        #[source]
        source: tokio_postgres::Error,
    },
    /// There is no such database.
    #[error("database \"{0}\" does not exist")]
    Unknown(String),
    /// PostgreSQL returned an error.
    #[error("PostgreSQL refused work in the database {database}")]
    Refused {
        /// The database.
        database: String,
        /// PostgreSQL's error.
        #[source]
        source: tokio_postgres::Error,
    },
}

/// The highest query id in either history.
const LAST_QUERY: &str = "SELECT greatest(1000, (SELECT max(query_id) FROM redshift_system.load_history), \
                          (SELECT max(query_id) FROM redshift_system.query_history))";

/// Every database of the warehouse.
#[derive(Debug)]
pub(crate) struct Databases {
    server: Connections,
    names: Vec<String>,
    /// The databases that have been created and set up. The lock is held while one is being created, so that two
    /// callers do not create it twice.
    ready: Mutex<HashSet<String>>,
}

#[derive(Debug)]
enum Connections {
    Private(Arc<Cluster>),
    Url { url: String, config: Box<Config>, stands_for: String },
}

impl Connections {
    fn config(&self, database: &str) -> Config {
        match self {
            Self::Private(cluster) => cluster.config(database),
            Self::Url { config, stands_for, .. } => {
                let mut config = (**config).clone();
                if database != stands_for || config.get_dbname().is_none() {
                    config.dbname(database);
                }
                config
            }
        }
    }

    fn maintenance(&self) -> Config {
        match self {
            Self::Private(cluster) => cluster.config("postgres"),
            Self::Url { config, .. } => (**config).clone(),
        }
    }
}

impl Databases {
    pub(crate) async fn start(server: &Server, names: Vec<String>) -> Result<Self, DatabaseError> {
        let first = names.first().cloned().unwrap_or_else(|| "dev".to_owned());
        let server = match server {
            Server::Private => Connections::Private(Arc::new(Cluster::start(None).await?)),
            Server::Kept(folder) => Connections::Private(Arc::new(Cluster::start(Some(folder)).await?)),
            Server::Url(url) => {
                let config: Config = url.parse().map_err(|source| DatabaseError::Url { url: url.clone(), source })?;
                Connections::Url { url: url.clone(), config: Box::new(config), stands_for: first.clone() }
            }
        };
        let databases = Self { server, names, ready: Mutex::default() };
        databases.connect(&first).await?;
        Ok(databases)
    }

    /// A new session in `database`, which is created if it is missing.
    pub(crate) async fn connect(&self, database: &str) -> Result<Client, DatabaseError> {
        if !self.names.iter().any(|name| name == database) {
            return Err(DatabaseError::Unknown(database.to_owned()));
        }
        let refused = |source| DatabaseError::Refused { database: database.to_owned(), source };
        {
            let mut ready = self.ready.lock().await;
            if !ready.contains(database) {
                self.make(database).await?;
                ready.insert(database.to_owned());
            }
        }
        let client = open(&self.server.config(database)).await.map_err(refused)?;
        client.batch_execute(system::SESSION).await.map_err(refused)?;
        Ok(client)
    }

    async fn make(&self, database: &str) -> Result<(), DatabaseError> {
        let refused = |source| DatabaseError::Refused { database: database.to_owned(), source };
        let config = self.server.config(database);
        let client = match open(&config).await {
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_DATABASE) => {
                let maintenance = open(&self.server.maintenance()).await.map_err(refused)?;
                let sql = format!("CREATE DATABASE {}", quoted_name(database));
                maintenance.batch_execute(&sql).await.map_err(refused)?;
                open(&config).await.map_err(refused)?
            }
            other => other.map_err(refused)?,
        };
        // Recreating the views would drop everything that users have built on them.
        let made = client.simple_query(system::MADE_BY).await.map_err(refused)?;
        let version = system::version();
        let is_made = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some(&version));
        if made.iter().any(is_made) {
            return Ok(());
        }
        client.batch_execute(system::SCHEMA).await.map_err(refused)?;
        let comment = format!("COMMENT ON SCHEMA redshift_system IS {}", postgres_literal(&version));
        client.batch_execute(&comment).await.map_err(refused)
    }

    pub(crate) async fn query(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, DatabaseError> {
        let refused = |source| DatabaseError::Refused { database: database.to_owned(), source };
        let client = self.connect(database).await?;
        let messages = client.simple_query(sql).await.map_err(refused)?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The highest query id in the first database: after a restart, ids continue from there.
    pub(crate) async fn last_query_id(&self) -> Result<i64, DatabaseError> {
        let Some(first) = self.names.first() else {
            return Ok(0);
        };
        let rows = self.query(first, LAST_QUERY).await?;
        Ok(rows.into_iter().flatten().flatten().next().and_then(|id| id.parse().ok()).unwrap_or(1000))
    }

    pub(crate) fn url(&self) -> String {
        match &self.server {
            Connections::Private(cluster) => cluster.url(self.names.first().map_or("postgres", String::as_str)),
            Connections::Url { url, .. } => url.clone(),
        }
    }

    pub(crate) fn stop(&self) {
        if let Connections::Private(cluster) = &self.server {
            cluster.stop();
        }
    }
}

async fn open(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to PostgreSQL ended");
        }
    });
    Ok(client)
}

/// `SELECT function(argument, …)` with every argument a literal.
pub(crate) fn call(function: &str, arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| postgres_literal(argument)).collect();
    format!("SELECT {function}({})", arguments.join(", "))
}
