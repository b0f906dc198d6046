//! A clock that the test owns.
//!
//! Never waits: a sleep moves it on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::lock;
use crate::ports::Clock;

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<Mutex<Timestamp>>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(now)) }
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let mut now = lock(&self.now);
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }

    /// Sets it, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        *lock(&self.now) = now;
    }
}

impl Default for ManualClock {
    /// 2013-01-01, midnight.
    fn default() -> Self {
        Self::at(Timestamp::constant(1_356_998_400, 0))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *lock(&self.now)
    }

    /// Moves the clock on by `duration` and returns at once.
    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }

    /// Never returns: ports in memory always answer, and waiting for them must not move the clock.
    async fn timeout(&self, _: Duration) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_moves_every_clone() {
        let clock = ManualClock::default();
        assert_eq!(clock.now().to_string(), "2013-01-01T00:00:00Z");
        clock.clone().sleep(Duration::from_secs(90)).await;
        assert_eq!(clock.now().to_string(), "2013-01-01T00:01:30Z");
    }
}
