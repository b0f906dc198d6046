//! Amazon Redshift as a destination of Sluice: one COPY per manifest, in one transaction, through the Data API.
//!
//! ```text
//!   [feed.redshift] ──▶ config ──▶ Target          read and checked once
//!
//!   destination: start ──▶ manifest, sql ──▶ Statements::submit     lock, fence, guard, COPY, record
//!                poll ───▶ Statements::describe ──▶ failure          which statement failed, and what its text means
//!   ledger, repairs ─────▶ query ──▶ Statements                      what is loaded; which file, line and version
//!
//!   examine, prove, rebuild                                          what only an operator asks
//! ```
//!
//! All SQL is in [`sql`] and beside the operator's questions. Every text of a key, a file or the configuration goes
//! through [`quote`]. Nothing here knows an SDK: the Data API is the port [`Statements`].

pub mod config;
mod destination;
pub mod examine;
pub mod failure;
mod ledger;
pub mod manifest;
pub mod prove;
mod query;
pub mod quote;
pub mod rebuild;
mod repairs;
pub mod sql;
pub mod statements;
#[cfg(feature = "testing")]
pub mod testing;

pub use config::{Redshift, RedshiftFeed, RedshiftKind};
pub use destination::RedshiftDestination;
pub use examine::Need;
pub use prove::{Proof, Trial, Verdict};
pub use rebuild::Rebuilt;
pub use statements::{Description, Part, Statements, Status, Submission};
