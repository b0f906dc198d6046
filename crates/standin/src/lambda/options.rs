//! The settings of the service itself.
//!
//! Never about one function: those are in [`Function`](super::Function).

use std::sync::Arc;

use super::clock::{Clock, SystemClock};

/// Where the functions run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The stand-in's own address, `http://127.0.0.1:<port>`, for every service and the Runtime API.
    pub endpoint: String,
    /// The region of everything.
    pub region: String,
    /// The most concurrent invocations of all functions together (Lambda's account limit).
    pub concurrency: usize,
    /// The clock for retries and the ages of events.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// Lambda's defaults for a stand-in at `endpoint`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            region: "us-east-1".to_owned(),
            concurrency: 1000,
            clock: Arc::new(SystemClock),
        }
    }
}
