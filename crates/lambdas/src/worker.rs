//! The worker: loads one claim as far as the invocation's time allows. The lister names the claim, or the event about
//! the end of its statement does.
//!
//! Works only on claims: it refuses another key before it touches the object.

use serde_json::Value;
use sluice_core::config::Config;
use sluice_core::ports::Ports;
use sluice_core::report::{LoadReport, Outcome};
use sluice_core::run::Run;
use sluice_core::work::work;

use crate::error::Error;
use crate::event;
use crate::function::{Answer, Invocation};

/// Handles `{"claim": "sluice/claims/flights/0.json"}`, and EventBridge's events about finished statements.
///
/// # Errors
/// When the event names no claim, or the claim can be neither read nor written.
pub async fn handle<P: Ports>(config: &Config, ports: &P, run: &Run, payload: &Value) -> Result<LoadReport, Error> {
    match event::claim(payload, config)? {
        Some(claim) => Ok(work(config, ports, run, &claim).await?),
        None => Ok(LoadReport::nothing("", None, Outcome::Skipped)),
    }
}

impl Answer for LoadReport {
    fn log(&self, invocation: &Invocation) {
        let Invocation { function, request_id, cold_start, duration_ms } = invocation;
        tracing::info!(
            function,
            request_id,
            cold_start,
            duration_ms,
            feed = self.feed,
            batch = self.batch.as_ref().map(tracing::field::display),
            outcome = self.outcome.as_str(),
            files_loaded = self.files_loaded,
            rows_loaded = self.rows_loaded,
            files_quarantined = self.files_quarantined,
            retry_at = self.retry_at.map(tracing::field::display),
            error = self.error,
            "work done"
        );
    }
}
