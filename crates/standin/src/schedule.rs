//! EventBridge Scheduler: invokes a function at a fixed rate, with the event that the real one sends.
//!
//! At least once, like the real one. Never remembers a tick: if the function is busy, the tick waits in Lambda's queue
//! until the function's `maximum_event_age` drops it. Reserved concurrency 1 keeps ticks from overlapping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::lambda::{ACCOUNT, Clock, InvokeError, Lambda};

/// Which function is invoked when, and with what.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The schedule's name.
    pub name: String,
    /// The function.
    pub function: String,
    /// The time between ticks.
    pub every: Duration,
    /// Whether the first tick comes at once. Otherwise it comes after the first period.
    pub at_once: bool,
    /// The event, in which `<aws.scheduler.scheduled-time>` and the other placeholders are filled in. None: Scheduler's
    /// own event.
    pub input: Option<Value>,
    /// Whether a tick is skipped while the function is busy, so that none waits in the queue.
    pub skip_when_busy: bool,
    /// The region in the schedule's ARN.
    pub region: String,
}

impl Schedule {
    /// A schedule that begins at once and leaves overlapping ticks to Lambda's queue.
    pub fn new(name: impl Into<String>, function: impl Into<String>, every: Duration) -> Self {
        Self {
            name: name.into(),
            function: function.into(),
            every,
            at_once: true,
            input: None,
            skip_when_busy: false,
            region: "us-east-1".to_owned(),
        }
    }

    /// Ticks until the returned value is dropped. Must be called within a Tokio runtime.
    #[must_use]
    pub fn start(self, lambda: &Lambda, clock: Arc<dyn Clock>) -> Running {
        let ticker = Arc::new(Ticker { schedule: self, lambda: lambda.clone(), clock, ticks: AtomicU64::new(0) });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(Arc::clone(&ticker).run()));
        Running { ticker, stop }
    }
}

/// A schedule that ticks until it is dropped.
#[derive(Debug)]
pub struct Running {
    ticker: Arc<Ticker>,
    stop: CancellationToken,
}

impl Running {
    /// Invokes the function now, independently of the schedule, which continues as before.
    ///
    /// Returns the event's request id, or none if the tick was skipped because the function was busy.
    pub fn tick_now(&self) -> Result<Option<String>, InvokeError> {
        self.ticker.tick(self.ticker.clock.now())
    }

    /// The number of ticks so far, including skipped ones.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.ticker.ticks.load(Ordering::Relaxed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug)]
struct Ticker {
    schedule: Schedule,
    lambda: Lambda,
    clock: Arc<dyn Clock>,
    ticks: AtomicU64,
}

impl Ticker {
    async fn run(self: Arc<Self>) {
        let mut due = self.clock.now();
        if !self.schedule.at_once {
            due = self.wait_after(due).await;
        }
        loop {
            if let Err(error) = self.tick(due) {
                tracing::warn!(schedule = self.schedule.name, function = self.schedule.function, %error, "a tick was lost");
            }
            due = self.wait_after(due).await;
        }
    }

    /// Waits for the first tick after `due` that is not yet past. After a machine has slept, missed ticks are not made
    /// up.
    async fn wait_after(&self, due: Timestamp) -> Timestamp {
        let every = self.schedule.every.max(Duration::from_millis(1));
        let late = crate::lambda::between(due, self.clock.now());
        let missed = u32::try_from(late.as_nanos() / every.as_nanos()).unwrap_or(u32::MAX);
        let next = crate::lambda::later(due, every.saturating_mul(missed.saturating_add(1)));
        self.clock.sleep(crate::lambda::between(self.clock.now(), next)).await;
        next
    }

    fn tick(&self, due: Timestamp) -> Result<Option<String>, InvokeError> {
        let Schedule { function, skip_when_busy, .. } = &self.schedule;
        let counts = self.lambda.stats(function);
        self.ticks.fetch_add(1, Ordering::Relaxed);
        if *skip_when_busy && counts.in_flight + counts.queued > 0 {
            return Ok(None);
        }
        self.lambda.deliver(function, self.event(due).to_string()).map(Some)
    }

    fn event(&self, due: Timestamp) -> Value {
        let Schedule { name, region, input, .. } = &self.schedule;
        let arn = format!("arn:aws:scheduler:{region}:{ACCOUNT}:schedule/default/{name}");
        let time = to_the_second(due);
        let id = Uuid::new_v4().to_string();
        match input {
            Some(input) => fill(
                input,
                &[("scheduled-time", &time), ("schedule-arn", &arn), ("execution-id", &id), ("attempt-number", "1")],
            ),
            None => json!({
                "version": "0",
                "id": id,
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": ACCOUNT,
                "time": time,
                "region": region,
                "resources": [arn],
                "detail": "{}",
            }),
        }
    }
}

/// Fills Scheduler's placeholders into the input, anywhere in a text.
fn fill(input: &Value, words: &[(&str, &str)]) -> Value {
    match input {
        Value::String(text) => Value::String(
            words
                .iter()
                .fold(text.clone(), |text, (name, word)| text.replace(&format!("<aws.scheduler.{name}>"), word)),
        ),
        Value::Array(items) => items.iter().map(|item| fill(item, words)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, it)| (name.clone(), fill(it, words))).collect())
        }
        other => other.clone(),
    }
}

fn to_the_second(at: Timestamp) -> String {
    DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lambda::{
        Function,
        testing::{Gate, Server, echo},
    };

    const MINUTE: Duration = Duration::from_mins(1);

    fn every_minute() -> Schedule {
        Schedule::new("tick", "echo", MINUTE)
    }

    #[tokio::test]
    async fn the_first_tick_comes_at_once_and_the_others_by_the_clock() {
        let server = Server::start().await.with(echo("echo"));
        let started = server.clock.now();
        let mut reports = server.lambda.follow();
        let running = every_minute().start(&server.lambda, Arc::new(server.clock.clone()));
        let mut times = Vec::new();
        for _ in 0..3 {
            let report = reports.recv().await.unwrap();
            times.push(report.answer().unwrap()["event"]["time"].as_str().unwrap().to_owned());
            server.clock.advance_to_next().await;
        }
        let expected = [0, 1, 2].map(|minutes| to_the_second(crate::lambda::later(started, MINUTE * minutes)));
        assert_eq!(times, expected);
        assert!(running.ticks() >= 3);
    }

    #[tokio::test]
    async fn the_first_tick_can_wait_for_its_period() {
        let server = Server::start().await.with(echo("echo"));
        let started = server.clock.now();
        let mut reports = server.lambda.follow();
        let schedule = Schedule { at_once: false, ..every_minute() };
        let _running = schedule.start(&server.lambda, Arc::new(server.clock.clone()));
        server.clock.advance_to_next().await;
        let report = reports.recv().await.unwrap();
        let time = to_the_second(crate::lambda::later(started, MINUTE));
        assert_eq!(report.answer().unwrap()["event"]["time"], time);
    }

    #[tokio::test]
    async fn the_event_is_what_scheduler_sends() {
        let server = Server::start().await.with(echo("echo"));
        let mut reports = server.lambda.follow();
        let _running = every_minute().start(&server.lambda, Arc::new(server.clock.clone()));
        let event = reports.recv().await.unwrap().answer().unwrap()["event"].clone();
        assert_eq!(event["source"], "aws.scheduler");
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["resources"], json!(["arn:aws:scheduler:us-east-1:000000000000:schedule/default/tick"]));
    }

    #[tokio::test]
    async fn placeholders_in_an_own_input_are_filled_in() {
        let server = Server::start().await.with(echo("echo"));
        let mut reports = server.lambda.follow();
        let input = json!({"at": "<aws.scheduler.scheduled-time>", "feeds": ["flights"], "n": 1});
        let schedule = Schedule { input: Some(input), ..every_minute() };
        let time = to_the_second(server.clock.now());
        let _running = schedule.start(&server.lambda, Arc::new(server.clock.clone()));
        let event = reports.recv().await.unwrap().answer().unwrap()["event"].clone();
        assert_eq!(event, json!({"at": time, "feeds": ["flights"], "n": 1}));
    }

    #[tokio::test]
    async fn a_tick_that_overlaps_waits_or_is_left_out() {
        for (skip_when_busy, waiting) in [(false, 1), (true, 0)] {
            let server = Server::start().await.with(Function { concurrency: Some(1), ..echo("echo") });
            let gate = Gate::open().await;
            let input = serde_json::from_slice(&gate.event()).unwrap();
            let schedule = Schedule { skip_when_busy, input: Some(input), ..every_minute() };
            let running = schedule.start(&server.lambda, Arc::new(server.clock.clone()));
            let held = gate.arrival().await;
            assert_eq!(running.tick_now().unwrap().is_some(), !skip_when_busy);
            assert_eq!(server.lambda.stats("echo").queued, waiting);
            drop(held);
            for _ in 0..waiting {
                drop(gate.arrival().await);
            }
            server.lambda.idle().await;
            assert_eq!(server.lambda.stats("echo").peak_in_flight, 1);
        }
    }

    #[tokio::test]
    async fn a_machine_that_slept_does_not_catch_up_tick_by_tick() {
        let server = Server::start().await.with(echo("echo"));
        let mut reports = server.lambda.follow();
        let started = server.clock.now();
        let _running = every_minute().start(&server.lambda, Arc::new(server.clock.clone()));
        reports.recv().await.unwrap();
        // The tick is half an hour late, and the next one is on time again.
        server.clock.advance(MINUTE * 30 + MINUTE / 2);
        reports.recv().await.unwrap();
        server.clock.advance_to_next().await;
        reports.recv().await.unwrap();
        assert_eq!(crate::lambda::between(started, server.clock.now()), MINUTE * 31);
    }

    #[test]
    fn what_is_no_placeholder_stays() {
        let input = json!({"a": "<aws.scheduler.other>", "b": [null, true]});
        assert_eq!(fill(&input, &[("scheduled-time", "x")]), input);
    }
}
