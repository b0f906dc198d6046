//! The lister: a tick for all feeds, or for those that the event names.
//!
//! Reads only `feeds`: what else a schedule writes into its event does not matter.

use serde_json::Value;
use sluice_core::config::Config;
use sluice_core::passes::passes;
use sluice_core::ports::Ports;
use sluice_core::run::Run;
use sluice_core::tick::{FeedReport, TickReport};

use crate::error::Error;
use crate::event;
use crate::function::{Answer, Invocation};

/// Handles a schedule's event, or `{"feeds": ["flights"]}`.
///
/// # Errors
/// When `feeds` is not a list of configured feeds, or the claims cannot be read.
pub async fn handle<P: Ports>(config: &Config, ports: &P, run: &Run, payload: &Value) -> Result<TickReport, Error> {
    let feeds = event::feeds(payload, config)?;
    Ok(passes(config, ports, run, feeds.as_deref()).await?)
}

impl Answer for TickReport {
    fn log(&self, invocation: &Invocation) {
        let Invocation { function, request_id, cold_start, duration_ms } = invocation;
        let sum = |number: fn(&FeedReport) -> u64| self.feeds.iter().map(number).sum::<u64>();
        tracing::info!(
            function,
            request_id,
            cold_start,
            duration_ms,
            feeds = self.feeds.len(),
            feeds_failed = self.feeds.iter().filter(|feed| feed.error.is_some()).count(),
            listed = sum(|feed| feed.listed),
            claimed = sum(|feed| feed.claimed),
            in_flight = sum(|feed| feed.in_flight),
            unprocessed = sum(|feed| feed.unprocessed),
            unprocessed_bytes = sum(|feed| feed.unprocessed_bytes),
            batches = self.feeds.iter().map(|feed| feed.batches.len()).sum::<usize>(),
            "tick done"
        );
    }
}
