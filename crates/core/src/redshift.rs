//! Amazon Redshift as a destination: one COPY per manifest in one transaction, through the Data API.
//!
//! Builds all SQL there is; everything a key, a file or the configuration says goes through [`quote`].
//! Never calls an SDK: the Data API is the port [`Statements`].

pub mod statements;

pub use statements::{Description, Part, Statements, Status, Submission};
