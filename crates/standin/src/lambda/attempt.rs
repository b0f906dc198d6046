//! One attempt at one invocation: finds or starts a process, lets it serve, and keeps or kills it afterwards.
//!
//! Never decides whether to retry the invocation.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    clock::later,
    function::Function,
    host::{Delivery, Host},
    process::Process,
    report::FunctionError,
    state::Job,
};

/// What came back from a process.
pub(super) struct Attempt {
    pub(super) result: Result<Bytes, FunctionError>,
    pub(super) duration: Duration,
    pub(super) cold_start: bool,
    /// How long the process took to start, if this attempt started one.
    pub(super) init: Option<Duration>,
    pub(super) process: Option<Process>,
}

/// Lets a process serve the invocation: one that `idle` returns, or a new one.
pub(super) async fn attempt(
    host: &Host,
    function: &Function,
    job: &Job,
    idle: impl Fn() -> Option<Process>,
) -> Attempt {
    loop {
        let started = Instant::now();
        let (mut process, init) = match idle() {
            Some(process) => (process, None),
            None => match Process::start(host, function, &job.request_id).await {
                Ok(process) => (process, Some(started.elapsed())),
                Err(error) => {
                    return Attempt {
                        result: Err(error),
                        duration: started.elapsed(),
                        cold_start: true,
                        init: None,
                        process: None,
                    };
                }
            },
        };
        let delivered = Instant::now();
        let delivery = Delivery {
            request_id: job.request_id.clone(),
            deadline: later(Timestamp::now(), function.timeout),
            arn: function.arn(&host.options.region),
            payload: job.payload.clone(),
        };
        // A warm process that has died in the meantime has not seen the event: the next process gets it.
        if let Ok(result) = process.serve(delivery, function.timeout).await {
            let (duration, cold_start) = (delivered.elapsed(), init.is_some());
            return Attempt { result, duration, cold_start, init, process: Some(process) };
        }
    }
}

/// Ends a process that must not be used again.
pub(super) async fn put_away(function: &Function, process: Option<Process>) -> Option<Process> {
    let mut process = process?;
    if function.warm && process.is_ready() {
        return Some(process);
    }
    process.kill().await;
    None
}
