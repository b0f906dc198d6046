//! Which invocation runs when: concurrency limits, the queue of events, retries, failures.
//!
//! Never loses an event: each accepted event ends as a success or in the list of failures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{broadcast, oneshot, watch};
use uuid::Uuid;

use super::{
    attempt::{attempt, put_away},
    clock::between,
    function::Function,
    host::Host,
    options::Options,
    process::Process,
    report::{Condition, Failure, InvokeError, Report, Source},
    state::{Job, Registered, State},
};

/// The state that the tasks share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) host: Host,
    state: Mutex<State>,
    /// Invocations that are queued, running or waiting for a retry.
    pub(super) busy: watch::Sender<usize>,
    pub(super) reports: broadcast::Sender<Arc<Report>>,
}

impl Inner {
    pub(super) fn new(options: Options) -> Self {
        Self {
            host: Host::new(options),
            state: Mutex::default(),
            busy: watch::Sender::new(0),
            reports: broadcast::Sender::new(4096),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a synchronous invocation; refused if the function is at its concurrency limit.
    pub(super) fn request(
        self: &Arc<Self>,
        name: &str,
        payload: Bytes,
    ) -> Result<oneshot::Receiver<Arc<Report>>, InvokeError> {
        let (reply, answer) = oneshot::channel();
        let mut job = self.accept(name, payload, Source::Request)?;
        job.reply = Some(reply);
        let mut state = self.state();
        let account_has_room = state.in_flight < self.host.options.concurrency;
        let registered = state.registered(&self.host.options.region, name)?;
        if !(account_has_room && registered.has_room()) {
            registered.stats.throttles += 1;
            return Err(InvokeError::Throttled { function: name.to_owned() });
        }
        self.busy.send_modify(|busy| *busy += 1);
        self.begin(&mut state, name, job);
        Ok(answer)
    }

    /// Queues an event and returns its request id.
    pub(super) fn event(self: &Arc<Self>, name: &str, payload: Bytes) -> Result<String, InvokeError> {
        let job = self.accept(name, payload, Source::Event)?;
        let request_id = job.request_id.clone();
        let mut state = self.state();
        let registered = state.registered(&self.host.options.region, name)?;
        for _ in 1..registered.deliveries {
            self.busy.send_modify(|busy| *busy += 1);
            registered.queue.push_back(job.copy());
        }
        self.busy.send_modify(|busy| *busy += 1);
        registered.queue.push_back(job);
        self.pump(&mut state);
        Ok(request_id)
    }

    fn accept(&self, name: &str, payload: Bytes, source: Source) -> Result<Job, InvokeError> {
        if self.host.stop.is_cancelled() {
            return Err(InvokeError::Stopping { function: name.to_owned() });
        }
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        let (request_id, accepted) = (Uuid::new_v4().to_string(), self.host.options.clock.now());
        Ok(Job { request_id, payload, tries: 0, accepted, source, reply: None, last_error: None })
    }

    /// Starts queued events, oldest first, up to the limits.
    fn pump(self: &Arc<Self>, state: &mut State) {
        let names: Vec<_> =
            state.functions.iter().filter(|(_, it)| !it.queue.is_empty()).map(|(name, _)| name.clone()).collect();
        for name in names {
            while let Some(job) = self.take_queued(state, &name) {
                self.begin(state, &name, job);
            }
        }
    }

    fn take_queued(&self, state: &mut State, name: &str) -> Option<Job> {
        if self.host.stop.is_cancelled() {
            self.forget_queue(state, name);
            return None;
        }
        let now = self.host.options.clock.now();
        let account_has_room = state.in_flight < self.host.options.concurrency;
        let registered = state.functions.get_mut(name)?;
        while account_has_room && registered.has_room() {
            let job = registered.queue.pop_front()?;
            if between(job.accepted, now) <= registered.function.maximum_event_age {
                return Some(job);
            }
            self.give_up(registered, job, Condition::EventAgeExceeded);
        }
        None
    }

    /// Empties all queues of a stand-in that is stopping.
    pub(super) fn forget_queues(self: &Arc<Self>) {
        let mut state = self.state();
        self.pump(&mut state);
    }

    /// A stopped stand-in never starts what it has not started yet.
    fn forget_queue(&self, state: &mut State, name: &str) {
        let queue = state.functions.get_mut(name).map(|registered| std::mem::take(&mut registered.queue));
        queue.into_iter().flatten().for_each(|_| self.done());
    }

    fn begin(self: &Arc<Self>, state: &mut State, name: &str, job: Job) {
        let Some(registered) = state.functions.get_mut(name) else {
            return;
        };
        state.in_flight += 1;
        let counts = &mut registered.stats;
        counts.in_flight += 1;
        counts.peak_in_flight = counts.peak_in_flight.max(counts.in_flight);
        let function = Arc::clone(&registered.function);
        self.host.tasks.spawn(Arc::clone(self).run(function, job));
    }

    /// One attempt, from getting a process to the report.
    async fn run(self: Arc<Self>, function: Arc<Function>, mut job: Job) {
        job.tries += 1;
        let started_at = self.host.options.clock.now();
        let attempt = attempt(&self.host, &function, &job, || self.take_idle(&function)).await;
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
        let kept = put_away(&function, attempt.process).await;
        self.finish(&function, job, &report, kept);
        // Reply only now, so that a caller that invokes again at once finds the slot that this attempt has freed.
        if let Some(reply) = reply {
            // The caller has gone away; the function ran anyway.
            let _ = reply.send(report);
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

    /// Counts a finished attempt, frees its slot, and schedules the retry of a failed event.
    fn finish(self: &Arc<Self>, function: &Arc<Function>, mut job: Job, report: &Arc<Report>, kept: Option<Process>) {
        let mut state = self.state();
        state.in_flight -= 1;
        let Some(registered) = state.functions.get_mut(&function.name) else {
            return;
        };
        registered.stats.in_flight -= 1;
        registered.keep(report);
        if Arc::ptr_eq(&registered.function, function) {
            registered.idle.extend(kept);
        }
        // Without followers there is nothing to do.
        let _ = self.reports.send(Arc::clone(report));
        match (&report.result, job.source) {
            (Err(error), Source::Event) => {
                job.last_error = Some(error.clone());
                self.retry(registered, job);
            }
            _ => self.done(),
        }
        self.pump(&mut state);
    }

    /// Schedules the next attempt of an event, or records it as failed.
    fn retry(self: &Arc<Self>, registered: &mut Registered, job: Job) {
        let function = &registered.function;
        let delay = function.retry_delay(job.tries);
        if job.tries > function.retries {
            return self.give_up(registered, job, Condition::RetriesExhausted);
        }
        if between(job.accepted, self.host.options.clock.now()) + delay > function.maximum_event_age {
            return self.give_up(registered, job, Condition::EventAgeExceeded);
        }
        let (inner, name, sleep) = (Arc::clone(self), function.name.clone(), self.host.options.clock.sleep(delay));
        self.host.tasks.spawn(async move {
            tokio::select! {
                () = inner.host.stop.cancelled() => inner.done(),
                () = sleep => inner.queue_again(&name, job),
            }
        });
    }

    fn queue_again(self: &Arc<Self>, name: &str, job: Job) {
        let mut state = self.state();
        if let Some(registered) = state.functions.get_mut(name) {
            registered.queue.push_back(job);
        }
        self.pump(&mut state);
    }

    fn give_up(&self, registered: &mut Registered, job: Job, condition: Condition) {
        registered.failures.push(Failure {
            function: registered.function.name.clone(),
            request_id: job.request_id,
            condition,
            attempts: job.tries,
            at: self.host.options.clock.now(),
            payload: job.payload,
            error: job.last_error,
        });
        self.done();
    }

    fn done(&self) {
        self.busy.send_modify(|busy| *busy -= 1);
    }
}
