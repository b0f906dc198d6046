//! All of Sluice on this machine: the stand-in, the three functions in it, and the tables that they load.
//!
//! `local` and `demo` share it. Never prints, and never knows what is loaded.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use sluice_aws::{Aws, ConfigOrigin, Endpoint, Settings};
use sluice_core::config::{Feed, Trigger};
use sluice_core::ports::PortError;
use sluice_redshift::config::Redshift;
use sluice_redshift::{Statements, Status, Submission};
use sluice_standin::deployment::{DeployError, Deployed, Deployment};
use sluice_standin::faults::Latency;
use sluice_standin::{Options, StandIn, StartError, Warehouse};

use crate::failure::Failure;
use crate::project::{Project, Tables};

/// The access key's id of a caller from outside the stand-in.
pub(crate) const ACCESS_KEY: &str = "local";
/// The secret that every caller of the stand-in signs with.
pub(crate) const SECRET_KEY: &str = "sluice";
/// The Region of the stand-in.
pub(crate) const REGION: &str = "us-east-1";

/// The names of the functions' binaries.
const BINARIES: [&str; 3] = ["loader", "lister", "worker"];

/// How long making the tables may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long requests take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LatencyProfile {
    /// As fast as this machine.
    #[default]
    None,
    /// About as long as the real services.
    Aws,
}

impl From<LatencyProfile> for Latency {
    fn from(profile: LatencyProfile) -> Self {
        match profile {
            LatencyProfile::None => Self::None,
            LatencyProfile::Aws => Self::Aws,
        }
    }
}

/// Why the stack does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    #[error("port {port} is taken by another program: choose another with --port N, or --port 0 for any free one")]
    PortTaken {
        /// The port.
        port: u16,
    },
    #[error("cannot start the local services")]
    Start(#[source] StartError),
    #[error("there is no {binary} beside this program, in {folder}: build it with `cargo build -p sluice-lambdas`")]
    NoBinary {
        /// The first binary that is missing.
        binary: &'static str,
        /// The folder of this program.
        folder: PathBuf,
    },
    #[error("cannot tell where this program is, and so where the functions are")]
    Nowhere(#[source] std::io::Error),
    #[error("cannot deploy the functions")]
    Deploy(#[from] DeployError),
    /// The statements that make the tables could not be sent.
    #[error("cannot run {path}")]
    Tables {
        /// The file of SQL.
        path: PathBuf,
        source: PortError,
    },
    /// The warehouse refused a statement that makes the tables.
    #[error("{path} does not work in database {database}: {message}")]
    Refused {
        /// The file of SQL.
        path: PathBuf,
        /// The database in which it ran.
        database: String,
        /// The warehouse's message.
        message: String,
    },
}

impl From<StackError> for Failure {
    fn from(error: StackError) -> Self {
        Self::failed(error)
    }
}

/// A stand-in, and this program as a caller of its services.
#[derive(Debug)]
pub(crate) struct Stack {
    /// The services.
    pub(crate) standin: StandIn,
    /// The client of a caller from outside, over HTTP.
    pub(crate) aws: Aws,
}

/// The options of a start.
#[derive(Debug)]
pub(crate) struct Start {
    /// The port to listen on; 0 takes any free one.
    pub(crate) port: u16,
    /// The folder that keeps everything.
    pub(crate) data: Option<PathBuf>,
    /// The URL of a PostgreSQL that already runs.
    pub(crate) warehouse: Option<String>,
    /// How long requests take.
    pub(crate) latency: LatencyProfile,
    /// The databases that feeds load. The URL stands for the first one.
    pub(crate) databases: Vec<String>,
}

impl Stack {
    /// Starts the services. They take requests when this returns.
    pub(crate) async fn start(start: Start) -> Result<Self, StackError> {
        let port = start.port;
        let options = Options {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            folder: start.data,
            region: REGION.to_owned(),
            latency: start.latency.into(),
            warehouse: start.warehouse.map_or(Warehouse::Private, Warehouse::Url),
            databases: start.databases,
            ..Options::default()
        };
        let standin = StandIn::start(options).await.map_err(|error| match error {
            StartError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                StackError::PortTaken { port }
            }
            error => StackError::Start(error),
        })?;
        let aws = connect(&standin).await;
        Ok(Self { standin, aws })
    }

    /// Makes the project's bucket, unless it exists.
    pub(crate) fn create_bucket(&self, project: &Project) -> Result<(), StackError> {
        Ok(self.standin.storage().create_bucket(&project.config.bucket.name).map_err(DeployError::Bucket)?)
    }

    /// Deploys the functions with the project's configuration. From then on, files of feeds with events are announced.
    pub(crate) fn deploy(&self, project: &Project, binaries: PathBuf) -> Result<Deployed, StackError> {
        let config = &project.config;
        let mut deployment = Deployment::new(&config.bucket.name, &project.text, binaries);
        let by_event = config.feeds.iter().filter(|feed| feed.trigger == Trigger::Event);
        deployment.notify = by_event.map(|feed| config.incoming(feed).to_string()).collect();
        Ok(self.standin.deploy(&deployment)?)
    }

    /// Makes the project's missing tables in every database that its feeds load.
    pub(crate) async fn create_tables(&self, project: &Project) -> Result<(), StackError> {
        let Some(tables) = &project.tables else { return Ok(()) };
        for target in databases(&project.config.feeds) {
            self.run_script(tables, target).await?;
        }
        Ok(())
    }

    async fn run_script(&self, tables: &Tables, target: &Redshift) -> Result<(), StackError> {
        let trouble = |source| StackError::Tables { path: tables.path.clone(), source };
        let statements = self.aws.statements();
        let submission = Submission {
            statements: tables.statements.clone(),
            token: None,
            name: "sluice tables".to_owned(),
            with_event: false,
        };
        let id = statements.submit(target, &submission).await.map_err(trouble)?;
        let end = statements.describe(&id, PATIENCE).await.map_err(trouble)?;
        let message = match end {
            Some(end) if end.status == Status::Finished => return Ok(()),
            Some(end) => end.error.unwrap_or_else(|| format!("{:?} after {PATIENCE:?}", end.status)),
            None => "the warehouse has forgotten the statement".to_owned(),
        };
        Err(StackError::Refused { path: tables.path.clone(), database: target.database.clone(), message })
    }

    /// Ends everything, and returns when nothing is left running.
    pub(crate) async fn shutdown(self) {
        self.standin.shutdown().await;
    }
}

/// The folder of this program, if the three functions are in it too.
pub(crate) fn binaries() -> Result<PathBuf, StackError> {
    let program = std::env::current_exe().map_err(StackError::Nowhere)?;
    let folder = program.parent().map_or_else(PathBuf::new, PathBuf::from);
    match BINARIES.into_iter().find(|binary| !folder.join(binary).is_file()) {
        Some(binary) => Err(StackError::NoBinary { binary, folder }),
        None => Ok(folder),
    }
}

/// The variables that a caller of the stand-in needs, as a shell sets them.
pub(crate) fn environment(endpoint: &str) -> String {
    format!(
        "export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} \
         AWS_REGION={REGION}"
    )
}

/// Where the feed's rows go.
pub(crate) fn target(feed: &Feed) -> Option<&Redshift> {
    Redshift::of(feed)
}

/// The names of the databases that the feeds load. Without feeds it is `dev`, as Redshift's own first one.
pub(crate) fn database_names(feeds: &[Feed]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for target in databases(feeds) {
        if !names.contains(&target.database) {
            names.push(target.database.clone());
        }
    }
    if names.is_empty() {
        names.push("dev".to_owned());
    }
    names
}

/// One of the feeds' targets for each database.
fn databases(feeds: &[Feed]) -> Vec<&Redshift> {
    let mut found: Vec<&Redshift> = Vec::new();
    for target in feeds.iter().filter_map(target) {
        if !found.iter().any(|other| (&other.warehouse, &other.database) == (&target.warehouse, &target.database)) {
            found.push(target);
        }
    }
    found
}

async fn connect(standin: &StandIn) -> Aws {
    let endpoint = Endpoint {
        url: standin.endpoint(),
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: SECRET_KEY.to_owned(),
        region: REGION.to_owned(),
    };
    let settings = Settings { config: ConfigOrigin::Inline(String::new()), worker_function: None, s3_path_style: true };
    Aws::at(endpoint, settings).await
}
