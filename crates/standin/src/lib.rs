//! A local AWS for Sluice: S3, the Redshift Data API, CloudWatch, Lambda and a schedule on one port.
//!
//! Used by `sluice local` and by every test; never part of a deployed binary.

pub mod redshift;
pub mod service;
pub mod source;
