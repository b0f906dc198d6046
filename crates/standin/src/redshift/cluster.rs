//! A private PostgreSQL cluster: found, initialised, started, and stopped when its owner ends, however the owner ends.
//!
//! Never touches a cluster that it did not start, and never leaves one running.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Config, NoTls};

use super::install::{self, Account, InstallError, SUPERUSER};

/// How long a cluster may take to answer before the start fails.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// A free port is found by binding one and releasing it. Another process can take it in between, so retry.
const PORT_ATTEMPTS: usize = 5;

/// The shell waits for the server. A reader beside it waits for its own standard input to close. The kernel closes that
/// pipe however the owner ends, so no cluster outlives a SIGKILL.
const KEEPER: &str = r#"
signal=$1 litter=$2; shift 2
exec 3<&0
"$@" </dev/null &
server=$!
{ read -r _ <&3; kill -s "$signal" "$server"; } 2>/dev/null &
exec 3<&-
wait "$server"; status=$?
[ -z "$litter" ] || rm -rf "$litter"
exit $status
"#;

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The programs or the data folder are missing.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A folder or a file of the cluster could not be created.
    #[error("cannot prepare {path} for the private PostgreSQL")]
    Folder {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The keeper process could not be started.
    #[error("cannot run `sh`, which keeps the private PostgreSQL")]
    Spawn(#[source] io::Error),
    /// The server ended while it was starting.
    #[error("the private PostgreSQL in {folder} ended while starting ({status}); its log says:\n{log}")]
    Ended {
        /// The data folder.
        folder: PathBuf,
        /// How the server ended.
        status: ExitStatus,
        /// The end of the server's log.
        log: String,
    },
    /// The server did not answer in time.
    #[error("the private PostgreSQL in {folder} did not answer within {START_DEADLINE:?}")]
    Silent {
        /// The data folder.
        folder: PathBuf,
        /// The last connection error.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server refused a statement of the set-up.
    #[error("the private PostgreSQL refused its set-up")]
    SetUp(#[source] tokio_postgres::Error),
}

/// A running cluster. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Cluster {
    keeper: Mutex<Option<Child>>,
    /// Removed when the cluster has stopped: sockets, log, and the data unless they are kept.
    litter: PathBuf,
    port: u16,
    password: String,
}

impl Cluster {
    /// Starts a cluster with its data in `data`, or in a folder that is removed with the cluster.
    pub(crate) async fn start(data: Option<&Path>) -> Result<Self, ClusterError> {
        let mut attempt = 1;
        loop {
            match Start::prepare(data)?.run().await {
                Err(ClusterError::Ended { ref log, .. })
                    if attempt < PORT_ATTEMPTS && log.contains("could not bind") =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// How to connect to `database`: through the socket, which no other user can open.
    pub(crate) fn config(&self, database: &str) -> Config {
        connection(&self.litter, self.port, database)
    }

    /// A URL for programs that cannot use the socket.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    fn ended(&self) -> Option<ExitStatus> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.as_mut().and_then(|keeper| keeper.try_wait().ok().flatten())
    }

    /// Stops the server and waits until it has ended. It is safe to call this twice.
    pub(crate) fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut keeper) = keeper else { return };
        drop(keeper.stdin.take());
        if let Err(error) = keeper.wait() {
            tracing::warn!(%error, "cannot wait for the private PostgreSQL");
        }
        // The keeper has already removed this, unless it was killed.
        let _ = fs::remove_dir_all(&self.litter);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Start {
    programs: install::Programs,
    account: Account,
    litter: PathBuf,
    folder: PathBuf,
    kept: bool,
}

impl Start {
    fn prepare(data: Option<&Path>) -> Result<Self, ClusterError> {
        let programs = install::programs()?;
        let account = install::account()?;
        let litter = litter(&account)?;
        let folder = data.map_or_else(|| litter.join("data"), |data| data.join("postgres"));
        if let Err(error) = install::initialise(&programs, &account, &folder) {
            let _ = fs::remove_dir_all(&litter);
            return Err(error.into());
        }
        Ok(Self { programs, account, litter, folder, kept: data.is_some() })
    }

    async fn run(&self) -> Result<Cluster, ClusterError> {
        let port = install::free_port().map_err(|source| ClusterError::Folder { path: self.litter.clone(), source })?;
        let (keeper, log) = self.spawn(port)?;
        let cluster = Cluster {
            keeper: Mutex::new(Some(keeper)),
            litter: self.litter.clone(),
            port,
            password: uuid::Uuid::new_v4().simple().to_string(),
        };
        let client = self.ready(&cluster, log).await?;
        let sql = format!("ALTER ROLE {SUPERUSER} PASSWORD '{}'", cluster.password);
        client.batch_execute(&sql).await.map_err(ClusterError::SetUp)?;
        Ok(cluster)
    }

    /// Starts the keeper, and opens the server's log, which stays readable even when its folder is gone.
    fn spawn(&self, port: u16) -> Result<(Child, File), ClusterError> {
        let path = self.litter.join("log");
        let trouble = |source| ClusterError::Folder { path: path.clone(), source };
        let log = File::options().create(true).append(true).read(true).open(&path).map_err(trouble)?;
        let output = log.try_clone().map_err(trouble)?;
        let errors = log.try_clone().map_err(trouble)?;
        // Data that is kept needs a clean shutdown; data that is thrown away does not.
        let signal = if self.kept { "INT" } else { "QUIT" };
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sluice-postgres", signal]).arg(&self.litter);
        command.arg(self.programs.bin.join("postgres")).arg("-D").arg(&self.folder).args(settings(&self.litter, port));
        command.stdin(Stdio::piped()).stdout(output).stderr(errors);
        // The keeper gets its own process group: a Ctrl-C on the terminal goes to the owner, which then stops the
        // server cleanly.
        command.process_group(0).current_dir(&self.litter);
        self.account.apply(&mut command);
        Ok((command.spawn().map_err(ClusterError::Spawn)?, log))
    }

    async fn ready(&self, cluster: &Cluster, log: File) -> Result<tokio_postgres::Client, ClusterError> {
        let config = cluster.config("postgres");
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = cluster.ended() {
                return Err(ClusterError::Ended { folder: self.folder.clone(), status, log: tail(log) });
            }
            match config.connect(NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return Ok(client);
                }
                Err(source) if Instant::now() >= deadline => {
                    return Err(ClusterError::Silent { folder: self.folder.clone(), source });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// A short private folder: the path of a socket may have at most 107 bytes.
fn litter(account: &Account) -> Result<PathBuf, ClusterError> {
    let short = Path::new("/tmp");
    let base = if short.is_dir() { short.to_owned() } else { std::env::temp_dir() };
    let folder =
        TempDir::with_prefix_in("sluice-pg-", &base).map_err(|source| ClusterError::Folder { path: base, source })?;
    let path = folder.keep();
    account.own(&path).map_err(|source| ClusterError::Folder { path: path.clone(), source })?;
    Ok(path)
}

fn settings(socket: &Path, port: u16) -> Vec<String> {
    let mut arguments = vec!["-p".to_owned(), port.to_string(), "-k".to_owned(), socket.display().to_string()];
    let settings = [
        "listen_addresses=127.0.0.1",
        "max_connections=200",
        // Nothing here must survive a power failure.
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "autovacuum_naptime=30s",
        "max_wal_size=4GB",
        "timezone=UTC",
        "search_path=\"$user\", public, redshift_system",
        "deadlock_timeout=200ms",
    ];
    arguments.extend(settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]));
    arguments
}

fn connection(socket: &Path, port: u16, database: &str) -> Config {
    let mut config = Config::new();
    config.host_path(socket).port(port).user(SUPERUSER).dbname(database).connect_timeout(Duration::from_secs(10));
    config
}

fn tail(mut log: File) -> String {
    let mut text = String::new();
    // If the log is unreadable, the status is the only explanation.
    let _ = log.rewind().and_then(|()| log.read_to_string(&mut text));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
