//! The Redshift Data API, with COPY as Redshift does it, on a real PostgreSQL.
//!
//! Never pretends: what Redshift has and the stand-in does not have fails with an error that names it.

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
mod runner;
mod session;
mod settings;
mod statements;
mod system;
mod tokens;
mod translate;
mod warehouse;

pub use api::{operation, subject};
pub use cluster::ClusterError;
pub use copy::names::FileNames;
pub use databases::{DatabaseError, Server};
pub use hooks::{Hold, Trouble};
pub use install::InstallError;
pub use runner::{Clock, Finished};
pub use warehouse::{Options, Redshift};
