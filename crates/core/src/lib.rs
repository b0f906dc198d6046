//! The domain and the protocol of Sluice.

pub mod batch;
pub mod config;
pub mod destination;
pub mod event;
pub mod measure;
pub mod object;
pub mod ports;
pub mod redshift;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
