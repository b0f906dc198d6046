//! A local AWS for Sluice: S3, the Redshift Data API, CloudWatch, Lambda and a schedule on one port.
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

pub mod faults;
pub mod journal;
pub mod lambda;
pub mod redshift;
pub mod s3;
mod server;
pub mod service;
pub mod source;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::TcpListener;

use faults::{Faults, Latency};
use journal::Journal;
use s3::{Storage, StorageError};
use server::{Door, Server};
use service::Registry;

/// How to start a stand-in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// The folder that keeps the objects over restarts; in memory without one.
    pub folder: Option<PathBuf>,
    /// The region that the services say they are in.
    pub region: String,
    /// How long requests take.
    pub latency: Latency,
    /// Decides everything that is drawn: latencies and faults.
    pub seed: u64,
    /// Buckets to create, unless they exist.
    pub buckets: Vec<String>,
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
        }
    }
}

/// Why a stand-in could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: is another program using it? Port 0 takes any free one")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The objects cannot be read or written.
    #[error("cannot open the objects of the stand-in's S3")]
    Storage(#[from] StorageError),
}

/// A running local AWS. Shut it down to be sure that nothing is left running; a drop ends it at once.
#[derive(Debug)]
pub struct StandIn {
    storage: Storage,
    journal: Journal,
    faults: Faults,
    server: Server,
}

impl StandIn {
    /// Starts all services on one port; they take requests when this returns.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let storage = match &options.folder {
            Some(folder) => Storage::in_folder(folder)?,
            None => Storage::in_memory(),
        };
        for bucket in &options.buckets {
            storage.create_bucket(bucket)?;
        }
        let journal = Journal::default();
        let faults = Faults::new(options.seed, options.latency);
        let door = Door {
            s3: s3::service::service(storage.clone(), &options.region),
            services: services(),
            journal: journal.clone(),
            faults: faults.clone(),
        };
        let server = listen(options.address, door)
            .await
            .map_err(|source| StartError::Listen { address: options.address, source })?;
        Ok(Self { storage, journal, faults, server })
    }

    /// The URL of every service: for `AWS_ENDPOINT_URL`.
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

    /// Every request so far.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The faults that are put in the way of requests.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Stops taking requests, lets those in progress finish for a moment, and ends everything.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// The services beside S3, by the name in their signatures' scope. Each part enters itself here.
fn services() -> Registry {
    Registry::new()
}

async fn listen(address: SocketAddr, door: Door) -> io::Result<Server> {
    Server::start(TcpListener::bind(address).await?, door)
}
