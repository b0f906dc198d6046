//! A local AWS for Sluice: S3, the Redshift Data API, CloudWatch, Lambda and a schedule on one port.
//!
//! Used by `sluice local` and by every test; never part of a deployed binary.

#[allow(dead_code, reason = "the server calls it")]
pub mod cloudwatch;
#[allow(dead_code, reason = "the server calls it")]
pub mod lambda;
pub mod schedule;
mod service;
pub mod source;
