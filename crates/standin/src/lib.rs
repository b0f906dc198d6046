//! A local AWS for Sluice: S3, the Redshift Data API, CloudWatch, Lambda and a schedule on one port.
//!
//! Used by `sluice local` and by every test; never part of a deployed binary.

pub mod s3;
#[allow(dead_code, reason = "services are plugged in one by one")]
mod service;
pub mod source;
