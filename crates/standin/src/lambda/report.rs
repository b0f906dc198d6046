//! What is known about invocations afterwards: reports, failures, counts.
//!
//! Never decides anything.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::usage::Usage;

/// Who asked for an invocation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// A caller that waits for the answer (`RequestResponse`).
    Request,
    /// An event that was accepted and queued (`Event`).
    Event,
}

/// One finished try of one invocation.
#[derive(Clone, Debug)]
pub struct Report {
    /// The function's name.
    pub function: String,
    /// The request id; the same for every try of one event.
    pub request_id: String,
    /// Who asked.
    pub source: Source,
    /// The number of the try, from 1.
    pub attempt: u32,
    /// The instance that ran it; none when no process could be started.
    pub instance: Option<String>,
    /// Whether a process was started for it.
    pub cold_start: bool,
    /// From the start of the process until it asked for its first event; none when no process was started for it.
    pub init: Option<Duration>,
    /// What the process has used since its start, seen after the answer; none when it was dead by then.
    pub usage: Option<Usage>,
    /// When the try began.
    pub started_at: Timestamp,
    /// From the delivery of the event to the answer.
    pub duration: Duration,
    /// The event.
    pub payload: Bytes,
    /// The answer.
    pub result: Result<Bytes, FunctionError>,
}

impl Report {
    /// The answer as JSON; none when the function failed or did not answer in JSON.
    #[must_use]
    pub fn answer(&self) -> Option<Value> {
        self.result.as_ref().ok().and_then(|body| serde_json::from_slice(body).ok())
    }
}

/// Why an invocation failed, as Lambda reports it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct FunctionError {
    /// Lambda's `errorType`: `Sandbox.Timedout`, `Runtime.ExitError`, or what the function said.
    pub kind: String,
    /// Lambda's `errorMessage`.
    pub message: String,
    /// The whole document that a caller gets.
    pub body: Bytes,
}

impl FunctionError {
    /// An error that Lambda itself reports.
    pub(super) fn platform(request_id: &str, kind: &str, reason: &str) -> Self {
        let message = format!("RequestId: {request_id} Error: {reason}");
        let body = json!({"errorType": kind, "errorMessage": message}).to_string().into();
        Self { kind: kind.to_owned(), message, body }
    }

    /// An error that the function reported through the Runtime API.
    pub(super) fn reported(body: Bytes) -> Self {
        let document: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { kind: text("errorType"), message: text("errorMessage"), body }
    }

    /// Whether the function ran out of time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == TIMED_OUT
    }
}

/// The `errorType` of a function that was killed at its timeout.
pub(super) const TIMED_OUT: &str = "Sandbox.Timedout";

/// An invocation that was refused before any function saw it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InvokeError {
    /// No function has that name.
    #[error("Function not found: {arn}")]
    NotFound {
        /// The function that was asked for.
        arn: String,
    },
    /// The function runs as often as it may.
    #[error("Rate Exceeded.")]
    Throttled {
        /// The function that was asked for.
        function: String,
    },
    /// The stand-in is being stopped.
    #[error("the stand-in is stopping; {function} was not invoked")]
    Stopping {
        /// The function that was asked for.
        function: String,
    },
}

/// Why an event was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    /// Every try failed.
    RetriesExhausted,
    /// It waited longer than the function allows.
    EventAgeExceeded,
}

/// An event that was given up: what Lambda would send to the on-failure destination.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The function's name.
    pub function: String,
    /// The request id of all its tries.
    pub request_id: String,
    /// Why it was given up.
    pub condition: Condition,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// The event.
    pub payload: Bytes,
    /// What the last try reported; none when it was never tried.
    pub error: Option<FunctionError>,
}

/// Counts of one function since it was registered.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Tries that have finished.
    pub invocations: u64,
    /// Those that failed, timeouts included.
    pub errors: u64,
    /// Those that ran out of time.
    pub timeouts: u64,
    /// Calls refused because of the concurrency limit.
    pub throttles: u64,
    /// Tries that started a process.
    pub cold_starts: u64,
    /// Tries that run now.
    pub in_flight: usize,
    /// The most that ever ran at once.
    pub peak_in_flight: usize,
    /// Events that wait to be run; those that wait for a retry are not among them.
    pub queued: usize,
    /// How long each try took, in the order of their ends.
    pub durations: Vec<Duration>,
}

impl Stats {
    pub(super) fn count(&mut self, report: &Arc<Report>) {
        self.invocations += 1;
        self.cold_starts += u64::from(report.cold_start);
        self.durations.push(report.duration);
        if let Err(error) = &report.result {
            self.errors += 1;
            self.timeouts += u64::from(error.is_timeout());
        }
    }
}
