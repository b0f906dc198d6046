//! Trouble: what a failure leads to, at whatever step, if it says nothing about a file's contents.
//!
//! One mechanism serves all of them. A file that the error names goes alone. Otherwise the batch is tried again as it
//! is, and after some failures it narrows. It narrows by halves at once if the feed is known to work. If not, one batch
//! of the feed after another is tried at a slow pace, and always with another file. A file that fails alone rests if
//! another file of the feed was loaded since it failed first. If none was, nothing rests: the feed may be down.
//!
//! Never gives up, never quarantines, and never forgets why: the claim holds the error and the time of the next try.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Loading, Next, StepError};
use crate::claim::{Claim, Doubt, LeaseError, LeasedClaim, resting};
use crate::destination::{Begun, Failure, FailureKind, Loads, Progress, QueryError};
use crate::disposition::{Pace, signed};
use crate::health::{DOWN, Health};
use crate::object::Key;
use crate::ports::{Clock, PortError, PortErrorKind, Ports, Service};
use crate::run::{CLOCK_SKEW, later};

/// How long a transaction may run that no claim names: no destination lets one run longer.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// A failure.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What failed, and what to do.
    pub(super) reason: String,
    pace: Pace,
    /// The one file of the batch that the error names.
    file: Option<Key>,
    what: What,
    /// When it failed, by the warehouse's clock, if that says so.
    at: Option<Timestamp>,
}

/// What failed, as far as that decides what may be tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A call that had no effect.
    Call,
    /// The submission: the warehouse is too full, and no file causes that.
    Full,
    /// A question: the next one needs a token of its own.
    Question,
    /// The claim's transaction: it has ended, and changed nothing.
    Ended,
    /// A call that may have begun a transaction which the claim does not name: the claim must keep its files.
    Unknown,
}

impl Trouble {
    fn new(reason: &str, advice: &str, pace: Pace) -> Self {
        // As much of the error as a claim may hold.
        let reason: String = reason.chars().take(1000).collect();
        Self { reason: format!("{reason}; {advice}"), pace, file: None, what: What::Call, at: None }
    }

    /// A call failed.
    pub(super) fn of_call(error: &PortError) -> Self {
        let pace = Pace::from(error.kind);
        Self::new(&error.to_string(), pace.advice(), pace)
    }

    /// A call about one file failed, after the transaction had.
    pub(super) fn about(file: &Key, error: &PortError) -> Self {
        Self { file: Some(file.clone()), what: What::Ended, ..Self::of_call(error) }
    }

    /// A transaction failed.
    pub(super) fn of_failure(failure: &Failure, pace: Pace) -> Self {
        let new = Self::new(&failure.message, failure.advice.unwrap_or(pace.advice()), pace);
        Self { file: failure.file.clone(), what: What::Ended, at: failure.at, ..new }
    }

    /// A step failed.
    pub(super) fn of_step(error: &StepError) -> Self {
        match error {
            StepError::Port(error) => Self::of_call(error),
            StepError::Lease(LeaseError::Port(error)) => Self { what: What::Unknown, ..Self::of_call(error) },
            StepError::Start(error) => {
                let what = match error.kind {
                    // S3, too, may ask for fewer calls when the manifest is written. Then the warehouse is not full.
                    PortErrorKind::Throttled if error.operation.service != Service::Bucket => What::Full,
                    // There may be a transaction. Another try with the same token shows it.
                    PortErrorKind::Unavailable => What::Unknown,
                    _ => What::Call,
                };
                Self { what, ..Self::of_call(error) }
            }
            StepError::Query(QueryError::Port(error)) => Self { what: What::Question, ..Self::of_call(error) },
            StepError::Query(QueryError::Failed { failure, .. }) => {
                let pace = if failure.kind == FailureKind::Transient { Pace::Transient } else { Pace::Configuration };
                let new = Self::new(&error.to_string(), failure.advice.unwrap_or(pace.advice()), pace);
                Self { what: What::Question, ..new }
            }
            StepError::Query(QueryError::Slow { .. }) | StepError::Lease(LeaseError::Lost(_)) => {
                Self::new(&error.to_string(), Pace::Transient.advice(), Pace::Transient)
            }
        }
    }

    /// Since when it fails, if nothing failed before. This is compared with the times of other loads, which the
    /// warehouse's clock gives. If only our own clock tells, it is the latest that it can have been.
    pub(super) fn since(&self, now: Timestamp) -> Timestamp {
        self.at.unwrap_or_else(|| later(now, CLOCK_SKEW))
    }
}

impl<P: Ports> Loading<'_, P> {
    /// Tries again, narrows, or lets a file rest.
    pub(super) async fn trouble(&mut self, mut held: LeasedClaim, trouble: Trouble) -> Next {
        let now = self.ports.clock().now();
        self.tally.failed(self.feed, now);
        held.claim.fail(&trouble.reason, now, trouble.since(now));
        if trouble.what == What::Ended {
            held.claim.was_taken();
        }
        if trouble.what == What::Question {
            held.claim.asked = held.claim.asked.saturating_add(1);
            held.claim.question = None;
        }
        if held.claim.begun().is_some() && trouble.what != What::Ended {
            // Its transaction may still run, or be committed: it is asked for again, and nothing else is tried
            // meanwhile.
            return self.retry(held, trouble.pace).await;
        }
        if held.claim.unchecked {
            // Other claims may have its files. Until that is known, nothing is narrowed or put in doubt.
            return self.retry(held, trouble.pace).await;
        }
        if trouble.what == What::Unknown {
            held.claim.unsure.get_or_insert(now);
        }
        let unsure =
            trouble.what == What::Unknown || held.claim.unsure.is_some_and(|since| now < later(since, LONGEST));
        if unsure && trouble.what != What::Full {
            let soon = held.claim.failures < trouble.pace.doubts();
            return if soon { self.retry(held, trouble.pace).await } else { self.wait(held).await };
        }
        if held.claim.rested.is_some() && !unsure {
            return self.rest_again(held, &trouble, now).await;
        }
        if trouble.what == What::Full {
            held.claim.refused = held.claim.refused.saturating_add(1);
            return self.retry(held, trouble.pace).await;
        }
        self.narrow(held, &trouble, now).await
    }

    /// The files of the claim are loaded by no transaction: finds out which of them is to blame, if it is not the feed.
    async fn narrow(&mut self, mut held: LeasedClaim, trouble: &Trouble, now: Timestamp) -> Next {
        let since = held.claim.fails_since().unwrap_or(now);
        let works = held.claim.vouched || self.worked_since(&held.claim, since).await;
        if let Some(file) = &trouble.file
            && held.claim.single_out(file, &trouble.reason, trouble.since(now))
        {
            return if works || held.claim.failures < DOWN { self.again(held).await } else { self.wait(held).await };
        }
        if held.claim.trying.is_none() && held.claim.failures < trouble.pace.doubts() {
            if trouble.what == What::Ended {
                held.claim.try_again();
            }
            return self.retry(held, trouble.pace).await;
        }
        if held.claim.files.len() > 1 {
            held.claim.vouched |= works;
            held.claim.halve(works);
            return if works { self.again(held).await } else { self.wait(held).await };
        }
        self.alone(held, trouble, works, now).await
    }

    /// The only file of the batch failed.
    async fn alone(&mut self, mut held: LeasedClaim, trouble: &Trouble, works: bool, now: Timestamp) -> Next {
        let before = held.clone();
        let pause = signed(Pace::Configuration.delay(1, held.claim.batch.as_str()));
        let Some(doubt) = held.claim.take_alone(&trouble.reason, now, pause) else {
            return self.retry(held, trouble.pace).await;
        };
        if !(works || doubt.vouched) {
            held.claim.doubted.push(doubt);
            held.claim.next_probe();
            return self.wait(held).await;
        }
        // Written before its claim drops it: at every moment one of the two names the file.
        match self.let_rest(&doubt).await {
            Ok(()) => self.done_or_end(held, doubt.next_try, trouble.reason.clone()).await,
            Err(error) => {
                let error = Trouble::of_call(&error).reason;
                self.leave(before, later(now, pause), error).await
            }
        }
    }

    /// A resting file failed again: it goes on resting, for longer.
    async fn rest_again(&mut self, mut held: LeasedClaim, trouble: &Trouble, now: Timestamp) -> Next {
        let before = held.clone();
        let failures = held.claim.trying.as_ref().map_or(1, |doubt| doubt.failures.saturating_add(1));
        let pause = signed(Pace::Configuration.delay(failures, held.claim.batch.as_str()));
        let Some(doubt) = held.claim.take_alone(&trouble.reason, now, pause) else {
            return self.leave(before, later(now, pause), trouble.reason.clone()).await;
        };
        // Its object stays: it was only tried.
        held.claim.rested = None;
        match self.let_rest(&doubt).await {
            // It was tried in the place of a file that failed alone, and has not shown that the feed works.
            Ok(()) if held.claim.next_probe() => self.wait(held).await,
            Ok(()) => self.done_or_end(held, doubt.next_try, trouble.reason.clone()).await,
            Err(error) => self.leave(before, later(now, pause), error.to_string()).await,
        }
    }

    pub(super) async fn let_rest(&self, doubt: &Doubt) -> Result<(), PortError> {
        tracing::warn!(
            feed = %self.feed.name, key = %doubt.file.key, stage = doubt.stage.as_str(), reason = doubt.reason,
            next_try = %doubt.next_try, "a file rests: it fails alone, and others are loaded"
        );
        resting::write(self.ports.objects(), &self.config.bucket, self.feed, doubt).await
    }

    /// Whether another batch of the feed than the claim's was loaded since then.
    pub(super) async fn worked_since(&self, claim: &Claim, since: Timestamp) -> bool {
        let health = Health::read(self.ports.objects(), &self.config.bucket, self.feed);
        if health.await.worked_after(claim, since) {
            return true;
        }
        for statement in &claim.beside {
            let begun = Begun { statement: statement.clone(), roles: None };
            let stands = self.ports.destination().poll(self.feed, &begun, &[], Duration::ZERO).await;
            if matches!(stands, Ok(Progress::Loaded(loaded)) if loaded.at > since) {
                return true;
            }
        }
        false
    }
}
