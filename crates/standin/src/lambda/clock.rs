//! Time that a test can set: retries, schedules and metric windows read it here.
//!
//! Never measures a running invocation: a process lives in real time, and so does its deadline.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

/// The current time, and waiting for a later one.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Ends `duration` after the call, even if it is first polled later.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Clone, Debug)]
pub struct ManualClock {
    face: Arc<Mutex<Face>>,
    sleepers: watch::Sender<u64>,
}

#[derive(Debug)]
struct Face {
    now: Timestamp,
    alarms: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
    next_alarm: u64,
}

impl ManualClock {
    /// A clock set to `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        let face = Face { now, alarms: BTreeMap::new(), next_alarm: 0 };
        Self { face: Arc::new(Mutex::new(face)), sleepers: watch::Sender::new(0) }
    }

    /// Moves the clock forward and wakes every sleeper that is due.
    pub fn advance(&self, by: Duration) {
        let mut face = self.face();
        let now = later(face.now, by);
        face.turn_to(now);
    }

    /// Waits until there is a sleeper, then moves to the time that wakes the first one.
    pub async fn advance_to_next(&self) {
        let mut sleepers = self.sleepers.subscribe();
        loop {
            if self.face().wake_first() {
                return;
            }
            // The sender is in `self`, so this ends only with a new sleeper.
            let _ = sleepers.changed().await;
        }
    }

    fn face(&self) -> MutexGuard<'_, Face> {
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.face().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (alarm, rings) = oneshot::channel();
        {
            let mut face = self.face();
            let key = (later(face.now, duration), face.next_alarm);
            face.next_alarm += 1;
            face.alarms.insert(key, alarm);
        }
        self.sleepers.send_modify(|count| *count += 1);
        Box::pin(async move {
            // A dropped clock never wakes a sleeper: it waits for ever, as with a stopped clock.
            if rings.await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

impl Face {
    fn wake_first(&mut self) -> bool {
        self.alarms.retain(|_, alarm| !alarm.is_closed());
        let Some(&(due, _)) = self.alarms.keys().next() else {
            return false;
        };
        self.turn_to(due.max(self.now));
        true
    }

    fn turn_to(&mut self, now: Timestamp) {
        self.now = now;
        let later = self.alarms.split_off(&(now, u64::MAX));
        for (_, alarm) in std::mem::replace(&mut self.alarms, later) {
            // The sleeper gave up; no one is listening.
            let _ = alarm.send(());
        }
    }
}

/// `at` moved by `by`, at most to the largest timestamp.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The time from `from` to `to`; zero if `to` is earlier.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn epoch() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_moment_is_reached_and_not_before() {
        let clock = ManualClock::at(epoch());
        let mut sleep = clock.sleep(Duration::from_mins(1));
        clock.advance(Duration::from_secs(59));
        assert!(futures_util::poll!(&mut sleep).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(futures_util::poll!(&mut sleep).is_ready());
    }

    #[tokio::test]
    async fn the_next_sleeper_is_waited_for() {
        let clock = ManualClock::at(epoch());
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(7)).await }
        });
        clock.advance_to_next().await;
        sleeper.await.unwrap();
        assert_eq!(between(epoch(), clock.now()), Duration::from_secs(7));
    }

    #[tokio::test]
    async fn a_sleeper_that_gave_up_does_not_turn_the_clock() {
        let clock = ManualClock::at(epoch());
        drop(clock.sleep(Duration::from_secs(1)));
        let kept = clock.sleep(Duration::from_secs(5));
        clock.advance_to_next().await;
        kept.await;
        assert_eq!(between(epoch(), clock.now()), Duration::from_secs(5));
    }
}
