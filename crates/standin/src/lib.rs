//! A local AWS for Sluice: S3, the Redshift Data API, CloudWatch, Lambda and a schedule on one port.
//!
//! ```text
//!   server ──▶ service: by the signature's scope ──▶ s3 · redshift (Data API on PostgreSQL) · cloudwatch · lambda
//!     │                                                │
//!     └─ journal, faults (latency, errors, deaths)     └─ s3 ──▶ notifications ──▶ lambda ◀── schedule, eventbridge
//! ```
//!
//! Used by `sluice local` and by every test; never part of a deployed binary.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sluice_standin::{Options, StandIn};
//!
//! let standin = StandIn::start(Options::default()).await?;
//! standin.storage().create_bucket("landing")?;
//! standin.storage().put("landing", "incoming/1.csv", "a,b\n")?;
//! // Point an SDK at standin.endpoint(), path style, any access key id and the secret `sluice`.
//! standin.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod cloudwatch;
pub mod deployment;
pub mod eventbridge;
pub mod faults;
pub mod journal;
pub mod lambda;
pub mod redshift;
pub mod s3;
pub mod schedule;
mod server;
pub mod service;
mod services;
pub mod source;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use cloudwatch::CloudWatch;
use eventbridge::EventBridge;
use faults::{Faults, Latency};
use journal::Journal;
use lambda::{Lambda, SystemClock};
use redshift::{DatabaseError, Redshift};
use s3::{Storage, StorageError};
use server::{Door, Server};

/// How to start a stand-in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// The folder that keeps the objects across restarts. None keeps them in memory.
    pub folder: Option<PathBuf>,
    /// The region that the services report.
    pub region: String,
    /// How long requests take.
    pub latency: Latency,
    /// Seeds everything random: latencies and faults.
    pub seed: u64,
    /// Buckets to create if they do not exist.
    pub buckets: Vec<String>,
    /// The PostgreSQL behind the warehouse.
    pub warehouse: Warehouse,
    /// The databases that the warehouse has.
    pub databases: Vec<String>,
}

/// The PostgreSQL behind the stand-in's Redshift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Warehouse {
    /// None: requests to the Redshift Data API are refused.
    #[default]
    None,
    /// A private one, started and stopped with the stand-in. Its data is kept in [`Options::folder`], if that is set.
    Private,
    /// An existing one, as `postgres://user:password@host:port/database`.
    Url(String),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            folder: None,
            region: "us-east-1".to_owned(),
            latency: Latency::None,
            seed: 0,
            buckets: Vec::new(),
            warehouse: Warehouse::None,
            databases: vec!["dev".to_owned()],
        }
    }
}

/// Why a stand-in could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The stand-in cannot listen on the address.
    #[error("cannot listen on {address}: is another program using it? Port 0 takes any free one")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The objects cannot be read or written.
    #[error("cannot open the objects of the stand-in's S3")]
    Storage(#[from] StorageError),
    /// The warehouse cannot be started.
    #[error("cannot start the PostgreSQL behind the stand-in's Redshift")]
    Warehouse(#[from] DatabaseError),
}

/// A running local AWS. Shut it down to be sure that nothing keeps running; a drop ends it at once.
#[derive(Debug)]
pub struct StandIn {
    region: String,
    storage: Storage,
    redshift: Option<Arc<Redshift>>,
    lambda: Lambda,
    cloudwatch: CloudWatch,
    eventbridge: EventBridge,
    journal: Journal,
    faults: Faults,
    server: Server,
}

impl StandIn {
    /// Starts all services on one port. They accept requests when this returns.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { address: options.address, source };
        // Bind before anything else: a port in use is the most likely error, and the functions need the address.
        let listener = TcpListener::bind(options.address).await.map_err(listen)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(listen)?);
        let storage = storage(&options)?;
        let redshift = warehouse(&options, &storage).await?;
        let lambda = Lambda::new(lambda::Options { region: options.region.clone(), ..lambda::Options::new(endpoint) });
        let cloudwatch = CloudWatch::new(Arc::new(SystemClock));
        let journal = Journal::default();
        let faults = Faults::new(options.seed, options.latency);
        let door = Door {
            s3: s3::service::service(storage.clone(), &options.region, faults.clone()),
            services: services::registry(redshift.as_ref(), &lambda, &cloudwatch),
            journal: journal.clone(),
            faults: faults.clone(),
        };
        let server = Server::start(listener, door).map_err(listen)?;
        let eventbridge = EventBridge::default();
        Ok(Self { region: options.region, storage, redshift, lambda, cloudwatch, eventbridge, journal, faults, server })
    }

    /// The URL of every service, for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The objects of its S3.
    #[must_use]
    pub const fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Its Redshift, if it has one.
    #[must_use]
    pub fn redshift(&self) -> Option<&Redshift> {
        self.redshift.as_deref()
    }

    /// Its Lambda.
    #[must_use]
    pub const fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// Its CloudWatch.
    #[must_use]
    pub const fn cloudwatch(&self) -> &CloudWatch {
        &self.cloudwatch
    }

    /// Its `EventBridge`, as far as it notifies the worker of finished statements.
    #[must_use]
    pub const fn eventbridge(&self) -> &EventBridge {
        &self.eventbridge
    }

    /// Every request so far.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The faults that are injected into requests.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Stops the functions, then the services, and waits until nothing is running.
    pub async fn shutdown(self) {
        self.lambda.shutdown().await;
        self.server.shutdown().await;
        if let Some(redshift) = &self.redshift {
            redshift.shutdown().await;
        }
    }
}

/// Running functions do not keep a dropped stand-in alive.
impl Drop for StandIn {
    fn drop(&mut self) {
        self.lambda.stop();
    }
}

fn storage(options: &Options) -> Result<Storage, StorageError> {
    let storage = match &options.folder {
        Some(folder) => Storage::in_folder(folder)?,
        None => Storage::in_memory(),
    };
    for bucket in &options.buckets {
        storage.create_bucket(bucket)?;
    }
    Ok(storage)
}

async fn warehouse(options: &Options, storage: &Storage) -> Result<Option<Arc<Redshift>>, DatabaseError> {
    let server = match (&options.warehouse, &options.folder) {
        (Warehouse::None, _) => return Ok(None),
        (Warehouse::Private, None) => redshift::Server::Private,
        (Warehouse::Private, Some(folder)) => redshift::Server::Kept(folder.clone()),
        (Warehouse::Url(url), _) => redshift::Server::Url(url.clone()),
    };
    let options = redshift::Options {
        server,
        databases: options.databases.clone(),
        region: options.region.clone(),
        ..redshift::Options::default()
    };
    Redshift::start(options, Arc::new(storage.clone())).await.map(Arc::new).map(Some)
}
