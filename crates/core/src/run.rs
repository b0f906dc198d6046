//! One invocation: who runs, and until when. Never reads a clock of its own.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use jiff::{SignedDuration, Timestamp};

use crate::ports::Clock;

/// How long an invocation's leases hold after its deadline: the clocks of two functions may differ by so much.
pub(crate) const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// How many calls to S3 a step makes at once, unless it needs another number.
pub(crate) const CALLS_AT_ONCE: usize = 16;

/// The most time that is kept at the end of an invocation for archiving what was loaded.
const MAX_MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// One invocation of a function.
#[derive(Clone, Debug)]
pub struct Run {
    /// The owner of the leases it takes: the invocation's request id. A retry of the same invocation has the same id,
    /// and takes up its own leases at once.
    pub owner: String,
    /// When it began.
    pub started: Timestamp,
    /// When the function is killed.
    pub deadline: Timestamp,
}

impl Run {
    /// Until when the run may wait for a warehouse. The time after it is for archiving.
    #[must_use]
    pub fn wait_until(&self) -> Timestamp {
        let whole = self.deadline.duration_since(self.started);
        let margin = (whole / 5).min(MAX_MARGIN);
        later(self.deadline, -margin)
    }

    /// How long the run may still wait at `now`.
    #[must_use]
    pub fn wait_left(&self, now: Timestamp) -> Duration {
        self.wait_until().duration_since(now).try_into().unwrap_or(Duration::ZERO)
    }

    /// When a lease taken by this run ends.
    ///
    /// Not before the function is killed: a lease that has run out has no living holder, and nothing needs renewing.
    #[must_use]
    pub fn lease_expires_at(&self) -> Timestamp {
        later(self.deadline, CLOCK_SKEW)
    }
}

/// The result of `work`; `None` if it is not done by `until`: then it is dropped.
pub(crate) async fn within<T>(clock: &impl Clock, until: Timestamp, work: impl Future<Output = T>) -> Option<T> {
    let left = Duration::try_from(until.duration_since(clock.now())).unwrap_or_default();
    let (work, time) = (pin!(work), pin!(clock.timeout(left)));
    match select(work, time).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// `time` moved by `by`, held at the ends of time.
#[must_use]
pub fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}
