//! One attempt at one invocation: finds or starts a process, lets it serve, reports, and keeps or kills the process.
//!
//! Never decides whether to retry the invocation.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    clock::later,
    function::Function,
    process::{Delivery, Process},
    queue::{Inner, Job},
    report::{FunctionError, Report},
};

struct Attempt {
    result: Result<Bytes, FunctionError>,
    duration: Duration,
    cold_start: bool,
    /// How long the process took to start, if this attempt started one.
    init: Option<Duration>,
    process: Option<Process>,
}

impl Inner {
    /// One attempt, from getting a process to the report.
    pub(super) async fn run(self: Arc<Self>, function: Arc<Function>, mut job: Job) {
        job.tries += 1;
        let started_at = self.host.options.clock.now();
        let attempt = self.attempt(&function, &job).await;
        let report = Arc::new(Report {
            function: function.name.clone(),
            request_id: job.request_id.clone(),
            source: job.source,
            attempt: job.tries,
            instance: attempt.process.as_ref().map(|process| process.id.clone()),
            cold_start: attempt.cold_start,
            init: attempt.init,
            usage: attempt.process.as_ref().and_then(Process::usage),
            started_at,
            duration: attempt.duration,
            payload: job.payload.clone(),
            result: attempt.result,
        });
        let reply = job.reply.take();
        let kept = self.put_away(&function, attempt.process).await;
        self.finish(&function, job, &report, kept);
        // Reply only now, so that a caller that invokes again at once finds the slot that this attempt has freed.
        if let Some(reply) = reply {
            // The caller has gone away; the function ran anyway.
            let _ = reply.send(report);
        }
    }

    async fn attempt(self: &Arc<Self>, function: &Arc<Function>, job: &Job) -> Attempt {
        loop {
            let started = Instant::now();
            let (mut process, init) = match self.take_idle(function) {
                Some(process) => (process, None),
                None => match Process::start(&self.host, function, &job.request_id).await {
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
                arn: function.arn(&self.host.options.region),
                payload: job.payload.clone(),
            };
            // A warm process that has died in the meantime has not seen the event: the next process gets it.
            if let Ok(result) = process.serve(delivery, function.timeout).await {
                let (duration, cold_start) = (delivered.elapsed(), init.is_some());
                return Attempt { result, duration, cold_start, init, process: Some(process) };
            }
        }
    }

    fn take_idle(&self, function: &Arc<Function>) -> Option<Process> {
        let mut state = self.state();
        let registered = state.functions.get_mut(&function.name)?;
        if !Arc::ptr_eq(&registered.function, function) {
            return None;
        }
        std::iter::from_fn(|| registered.idle.pop()).find(Process::is_ready)
    }

    /// Ends a process that must not be used again.
    async fn put_away(&self, function: &Function, process: Option<Process>) -> Option<Process> {
        let mut process = process?;
        if function.warm && process.is_ready() {
            return Some(process);
        }
        process.kill().await;
        None
    }
}
