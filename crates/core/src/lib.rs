//! The domain and the protocol of Sluice.

pub mod config;
pub mod object;
