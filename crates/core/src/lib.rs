//! The domain and the protocol of Sluice.

pub mod object;
