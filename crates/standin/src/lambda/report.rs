//! What is known about finished invocations: reports, failures, counts.
//!
//! Never decides anything.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::usage::Usage;

/// The kind of caller of an invocation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// A caller that waits for the answer (`RequestResponse`).
    Request,
    /// An event that was accepted and queued (`Event`).
    Event,
}

/// One finished attempt at one invocation.
#[derive(Clone, Debug)]
pub struct Report {
    /// The function's name.
    pub function: String,
    /// The request id; the same for every attempt at one event.
    pub request_id: String,
    /// The kind of caller.
    pub source: Source,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The instance that ran it; none if no process could be started.
    pub instance: Option<String>,
    /// Whether a process was started for it.
    pub cold_start: bool,
    /// From the start of the process until it asked for its first event; none if no process was started for it.
    pub init: Option<Duration>,
    /// What the process has used since its start, measured after the answer; none if it was dead by then.
    pub usage: Option<Usage>,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// From the delivery of the event to the answer.
    pub duration: Duration,
    /// The event.
    pub payload: Bytes,
    /// The answer.
    pub result: Result<Bytes, FunctionError>,
}

impl Report {
    /// The answer as JSON; none if the function failed or did not answer in JSON.
    #[must_use]
    pub fn answer(&self) -> Option<Value> {
        self.result.as_ref().ok().and_then(|body| serde_json::from_slice(body).ok())
    }
}

/// Why an invocation failed, as Lambda reports it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct FunctionError {
    /// Lambda's `errorType`: `Sandbox.Timedout`, `Runtime.ExitError`, or what the function reported.
    pub kind: String,
    /// Lambda's `errorMessage`.
    pub message: String,
    /// The whole document that a caller receives.
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
    /// The function is at its concurrency limit.
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

/// Why an event failed for good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    /// Every attempt failed.
    RetriesExhausted,
    /// It waited longer than the function allows.
    EventAgeExceeded,
}

/// An event that failed for good: what Lambda would send to the on-failure destination.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The function's name.
    pub function: String,
    /// The request id of all its attempts.
    pub request_id: String,
    /// Why it failed for good.
    pub condition: Condition,
    /// The number of attempts.
    pub attempts: u32,
    /// When it failed for good.
    pub at: Timestamp,
    /// The event.
    pub payload: Bytes,
    /// What the last attempt reported; none if there was no attempt.
    pub error: Option<FunctionError>,
}

/// Counts of one function since its registration.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Attempts that have finished.
    pub invocations: u64,
    /// Those that failed, timeouts included.
    pub errors: u64,
    /// Those that ran out of time.
    pub timeouts: u64,
    /// Calls refused because of the concurrency limit.
    pub throttles: u64,
    /// Attempts that started a process.
    pub cold_starts: u64,
    /// Attempts that are running.
    pub in_flight: usize,
    /// The most attempts that ever ran at once.
    pub peak_in_flight: usize,
    /// Events that are waiting to run, without those that are waiting for a retry.
    pub queued: usize,
    /// The duration of each attempt, in the order in which they ended.
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
