//! The loader: loads an event's arrivals at once, while their feeds have free slots.
//!
//! A part that cannot be read is reported and never stops the rest. A queue message that cannot be read can never
//! succeed. The loader returns it at each delivery, so the queue moves it to its dead-letter queue, where an operator
//! can look at it; reported as done, it would be deleted. Without a queue, the invocation fails once the rest is done.

use serde::Serialize;
use serde_json::Value;
use sluice_core::arrive::{ArriveReport, FileReport, ItemFailure, arrive};
use sluice_core::config::Config;
use sluice_core::ports::Ports;
use sluice_core::report::Outcome;
use sluice_core::run::Run;

use crate::error::Error;
use crate::event::{self, Event, Unreadable};
use crate::function::{Answer, Invocation};

/// The loader's answer.
#[derive(Debug, Serialize)]
pub struct Loaded {
    #[serde(flatten)]
    report: ArriveReport,
    /// Parts of the event that announced nothing.
    #[serde(skip)]
    ignored: usize,
    /// Messages that could not be read.
    #[serde(skip)]
    unreadable: usize,
}

/// Handles an S3 event in any of its envelopes.
///
/// # Errors
/// When the event cannot be read, or a file that did not come in a queue message cannot be examined.
pub async fn handle<P: Ports>(config: &Config, ports: &P, run: &Run, payload: &Value) -> Result<Loaded, Error> {
    let Event { arrivals, ignored, unreadable } = event::decode(payload)?;
    for ignored in &ignored {
        tracing::debug!(message_id = ignored.message_id, reason = ignored.reason, "nothing to load");
    }
    let mut report = arrive(config, ports, run, &arrivals).await?;
    let unread = unreadable.len();
    give_back(unreadable, &mut report)?;
    Ok(Loaded { report, ignored: ignored.len(), unreadable: unread })
}

/// Returns the unreadable messages to their queue. Without a queue, the first one becomes the function's error.
fn give_back(unreadable: Vec<Unreadable>, report: &mut ArriveReport) -> Result<(), Error> {
    let mut lost = None;
    for Unreadable { error, message_id } in unreadable {
        let Some(item_identifier) = message_id else {
            lost = lost.or(Some(error));
            continue;
        };
        tracing::error!(message_id = item_identifier, %error, "message not read; its queue keeps it");
        let failure = ItemFailure { item_identifier };
        if !report.batch_item_failures.contains(&failure) {
            report.batch_item_failures.push(failure);
        }
    }
    lost.map_or(Ok(()), |error| Err(error.into()))
}

impl Answer for Loaded {
    fn log(&self, invocation: &Invocation) {
        let Invocation { function, request_id, cold_start, duration_ms } = invocation;
        let ArriveReport { files, batch_item_failures } = &self.report;
        let count = |outcome| files.iter().filter(|file: &&FileReport| file.outcome == outcome).count();
        tracing::info!(
            function,
            request_id,
            cold_start,
            duration_ms,
            files = files.len(),
            loaded = count(Outcome::Loaded),
            already_loaded = count(Outcome::AlreadyLoaded),
            pending = count(Outcome::Pending),
            deferred = count(Outcome::Deferred),
            busy = count(Outcome::Busy),
            gone = count(Outcome::Gone),
            retry = count(Outcome::Retry),
            quarantined = count(Outcome::Quarantined),
            skipped = count(Outcome::Skipped),
            ignored = self.ignored,
            unreadable = self.unreadable,
            given_back = batch_item_failures.len(),
            "event done"
        );
    }
}
