//! Trouble: what a failure that is not a word about contents leads to, at whatever step it happens.
//!
//! One mechanism for all of them. A file that the error names goes alone. Otherwise the batch is tried again as it is, and
//! after some failures it narrows: by halves at once where the feed is known to work, and otherwise at a slow pace, one
//! batch of the feed after another, always with another file. A file that fails alone rests if another file of the feed
//! was loaded since it failed first; if none was, nothing rests: then the feed may be down. Never gives up, never
//! quarantines, and never forgets why: the claim bears the error and when it is tried again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::tally::End;
use super::{Loading, Next, StepError};
use crate::archive::Unmoved;
use crate::claim::{self, Claim, Doubt, LeaseError, LeasedClaim, Question, Stage, Survey, resting};
use crate::config::Feed;
use crate::destination::{Begun, Failure, FailureKind, Loads, Progress, QueryError, StatementId};
use crate::disposition::{Pace, signed};
use crate::health::{DOWN, Health, after_the_others};
use crate::object::Key;
use crate::ports::{Clock, PortError, Ports};
use crate::run::{CLOCK_SKEW, later};

/// How many other transactions a failing claim remembers.
const MOST_BESIDE: usize = 16;

/// The longest that a transaction runs that nobody knows of: no destination lets one run longer.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// Something went wrong.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What, and what to do.
    reason: String,
    pace: Pace,
    /// The one file of the batch that the error names.
    file: Option<Key>,
    what: What,
    /// When, by the warehouse's clock, where it says so.
    at: Option<Timestamp>,
}

/// What failed, as far as that decides what may be tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A call that had no effect.
    Call,
    /// The warehouse is too full: no file brings that about.
    Full,
    /// A question: it has to be another one the next time.
    Question,
    /// The claim's transaction: it has ended, and changed nothing.
    Ended,
    /// A call that may have begun a transaction which the claim does not bear: it must keep its files.
    Unknown,
}

impl Trouble {
    fn new(reason: &str, advice: Option<&str>, pace: Pace) -> Self {
        let reason = told(reason, advice.unwrap_or(pace.advice()));
        Self { reason, pace, file: None, what: What::Call, at: None }
    }

    /// A transaction failed.
    pub(super) fn of_failure(failure: &Failure, pace: Pace) -> Self {
        let new = Self::new(&failure.message, failure.advice, pace);
        Self { file: failure.file.clone(), what: What::Ended, at: failure.at, ..new }
    }

    /// A call about one file failed, after the transaction had.
    pub(super) fn about(file: &Key, error: &PortError) -> Self {
        Self {
            file: Some(file.clone()),
            what: What::Ended,
            ..Self::new(&error.to_string(), None, Pace::from(error.kind))
        }
    }

    /// Since when it fails, where nothing failed before: to be compared with when others were loaded, which the warehouse's
    /// clock says. The latest that it can have been, where only our own clock tells.
    fn since(&self, now: Timestamp) -> Timestamp {
        self.at.unwrap_or_else(|| later(now, CLOCK_SKEW))
    }

    /// A step failed.
    pub(super) fn of_step(error: &StepError) -> Self {
        let text = error.to_string();
        match error {
            StepError::Full(_) => Self { what: What::Full, ..Self::new(&text, None, Pace::Transient) },
            StepError::Port(error) | StepError::TooLarge(error) => Self::new(&text, None, Pace::from(error.kind)),
            StepError::Unknown(error) | StepError::Lease(LeaseError::Port(error)) => {
                Self { what: What::Unknown, ..Self::new(&text, None, Pace::from(error.kind)) }
            }
            StepError::Query(QueryError::Port(error)) => {
                Self { what: What::Question, ..Self::new(&text, None, Pace::from(error.kind)) }
            }
            StepError::Query(QueryError::Failed { failure, .. }) => {
                let transient = failure.kind == FailureKind::Transient;
                let pace = if transient { Pace::Transient } else { Pace::Configuration };
                Self { what: What::Question, ..Self::new(&text, failure.advice, pace) }
            }
            StepError::Query(QueryError::Slow { .. }) | StepError::Lease(LeaseError::Lost(_)) => {
                Self::new(&text, None, Pace::Transient)
            }
        }
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
            // Its transaction may still run, or be committed: it is asked for again, and nothing else is tried meanwhile.
            return self.retry(held, trouble.pace).await;
        }
        if held.claim.unchecked {
            // Other claims may have its files: nothing is known of them yet, and nothing is narrowed or put in doubt.
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
        let works = self.works(&held.claim, now).await;
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
        self.alone(held, &trouble, works, now).await
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
        // Before its claim drops it: at every moment somebody knows of the file.
        match self.let_rest(&doubt).await {
            Ok(()) => self.done_or_end(held, doubt.next_try, trouble.reason.clone()).await,
            Err(error) => {
                let error = told(&error.to_string(), Pace::from(error.kind).advice());
                self.leave(before, later(now, pause), error).await
            }
        }
    }

    /// A resting file failed once more: it goes on resting, for longer.
    async fn rest_again(&mut self, mut held: LeasedClaim, trouble: &Trouble, now: Timestamp) -> Next {
        let before = held.clone();
        let failures = held.claim.trying.as_ref().map_or(1, |doubt| doubt.failures.saturating_add(1));
        let pause = signed(Pace::Configuration.delay(failures, held.claim.batch.as_str()));
        let Some(doubt) = held.claim.take_alone(&trouble.reason, now, pause) else {
            return self.leave(before, later(now, pause), trouble.reason.clone()).await;
        };
        // What is done with it now is only that it was tried.
        held.claim.rested = None;
        match self.let_rest(&doubt).await {
            // It was tried in the place of a file that failed alone, and has not shown that the feed works.
            Ok(()) if held.claim.next_probe() => self.wait(held).await,
            Ok(()) => self.done_or_end(held, doubt.next_try, trouble.reason.clone()).await,
            Err(error) => self.leave(before, later(now, pause), error.to_string()).await,
        }
    }

    async fn let_rest(&self, doubt: &Doubt) -> Result<(), PortError> {
        tracing::warn!(
            feed = %self.feed.name, key = %doubt.file.key, stage = doubt.stage.as_str(), reason = doubt.reason,
            next_try = %doubt.next_try, "a file rests: it fails alone, and others are loaded"
        );
        resting::write(self.ports.objects(), &self.config.bucket, self.feed, doubt).await
    }

    /// Files could not be moved. Where others could, or the feed is known to work, they rest; otherwise each is in doubt.
    pub(super) async fn unmoved(
        &mut self,
        held: &mut LeasedClaim,
        stage: Stage,
        unmoved: Vec<Unmoved>,
        moved: bool,
        doubt: impl Fn(Doubt) -> Doubt,
    ) -> Result<Option<Trouble>, PortError> {
        let Some(first) = unmoved.first() else {
            return Ok(None);
        };
        let now = self.ports.clock().now();
        let trouble = Trouble::new(&first.error.to_string(), None, Pace::from(first.error.kind));
        let works = moved || self.works(&held.claim, now).await;
        let tried = held.claim.trying.take();
        let rested = held.claim.rested.is_some();
        let mut in_doubt = false;
        for Unmoved { file, copied, error } in unmoved {
            held.claim.files.retain(|other| *other != file);
            let reason = told(&error.to_string(), Pace::from(error.kind).advice());
            let (batch, begun) = (held.claim.batch.clone(), held.claim.begun());
            let known = tried.clone().filter(|tried| tried.file == file);
            let known = known.unwrap_or_else(|| Doubt::new(file.clone(), batch, begun, &reason, trouble.since(now)));
            let mut known = doubt(Doubt { file, stage, copied: copied.or(known.copied.clone()), ..known });
            let pause = Pace::Configuration.delay(known.failures.saturating_add(1), known.batch.as_str());
            known.fail(&reason, now, signed(pause));
            if works || known.vouched || rested {
                self.let_rest(&known).await?;
            } else {
                held.claim.doubted.push(known);
                in_doubt = true;
            }
        }
        // What was tried again rests again, and keeps its object.
        held.claim.rested = None;
        Ok(in_doubt.then_some(trouble))
    }

    /// Files that could not be moved are all that is left, and nobody knows whether the feed works.
    pub(super) async fn stuck(&mut self, mut held: LeasedClaim, trouble: Trouble) -> Next {
        let now = self.ports.clock().now();
        self.tally.failed(self.feed, now);
        held.claim.fail(&trouble.reason, now, trouble.since(now));
        held.claim.was_taken();
        held.claim.next_probe();
        held.claim.last_error = Some(trouble.reason);
        self.wait(held).await
    }

    /// A question was not answered in time: whoever comes next takes it up.
    pub(super) async fn ask_later(&mut self, mut held: LeasedClaim, what: String, statement: StatementId) -> Next {
        let waits = held.claim.question.as_ref().filter(|known| known.statement_id == statement);
        let waits = waits.map_or(0, |known| known.waits).saturating_add(1);
        held.claim.question = Some(Question { what, statement_id: statement, waits });
        let now = self.ports.clock().now();
        match held.release(self.ports.objects(), now).await {
            Err(LeaseError::Lost(_)) => Next::End(End::Busy),
            // If it cannot be written, whoever comes next asks with the same token.
            Ok(()) | Err(LeaseError::Port(_)) => Next::End(End::Pending),
        }
    }

    /// Tries the same files again: within this run when the pause is short enough, and otherwise in a later one.
    async fn retry(&mut self, mut held: LeasedClaim, pace: Pace) -> Next {
        let delay = pace.delay(held.claim.failures, held.claim.batch.as_str());
        let now = self.ports.clock().now();
        let error = held.claim.last_error.clone().unwrap_or_default();
        if pace == Pace::Transient && delay < self.run.wait_left(now) / 2 {
            self.ports.clock().sleep(delay).await;
            return match held.save(self.ports.objects()).await {
                Ok(()) => Next::Again(held),
                Err(_) => Next::End(End::Retry(later(now, signed(delay)), error)),
            };
        }
        let survey = self.survey().await;
        note_others(self.feed, &survey, &mut held);
        self.leave(held, later(now, signed(delay)), error).await
    }

    /// Goes on with half of the files, the other half comes later: nothing failed but the number of them.
    pub(super) async fn in_halves(&mut self, mut held: LeasedClaim) -> Next {
        held.claim.halve(false);
        self.again(held).await
    }

    /// Goes on at once.
    async fn again(&mut self, mut held: LeasedClaim) -> Next {
        let error = held.claim.last_error.clone().unwrap_or_default();
        match held.save(self.ports.objects()).await {
            Ok(()) => Next::Again(held),
            Err(LeaseError::Lost(_)) => Next::End(End::Busy),
            Err(LeaseError::Port(_)) => Next::End(End::Retry(self.ports.clock().now(), error)),
        }
    }

    /// Leaves the claim until its feed's turn comes: while nobody knows whether the feed works, one batch after another is
    /// tried, at a slow pace.
    async fn wait(&mut self, mut held: LeasedClaim) -> Next {
        let now = self.ports.clock().now();
        let survey = self.survey().await;
        note_others(self.feed, &survey, &mut held);
        let claims = claim::of_feed(self.feed, &survey.claims);
        let at = after_the_others(&claims, &mut held.claim, now);
        let error = held.claim.last_error.clone().unwrap_or_default();
        self.leave(held, at, error).await
    }

    async fn leave(&mut self, mut held: LeasedClaim, at: Timestamp, error: String) -> Next {
        held.claim.not_before = Some(at);
        // If even this cannot be written, the lease runs out and the claim is taken up as it was.
        match held.release(self.ports.objects(), self.ports.clock().now()).await {
            Err(LeaseError::Lost(_)) => Next::End(End::Busy),
            Ok(()) | Err(LeaseError::Port(_)) => Next::End(End::Retry(at, error)),
        }
    }

    /// The file rests: on with what else the claim holds, or the slot is free.
    async fn done_or_end(&mut self, held: LeasedClaim, at: Timestamp, error: String) -> Next {
        match self.done_with(held).await {
            Ok(Next::End(End::Finished)) => Next::End(End::Retry(at, error)),
            Ok(next) => next,
            Err(StepError::Lease(LeaseError::Lost(_))) => Next::End(End::Busy),
            // The claim is as it was before; the file is tried once more, and rests again.
            Err(_) => Next::End(End::Retry(at, error)),
        }
    }

    /// Whether the feed works: another batch of it was loaded since what the claim tries failed first.
    async fn works(&self, claim: &Claim, now: Timestamp) -> bool {
        let since = claim.fails_since().unwrap_or(now);
        let health = Health::read(self.ports.objects(), &self.config.bucket, self.feed);
        if claim.vouched || health.await.worked_after(claim, since) {
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

    /// The feed's claims; none where they cannot be read.
    async fn survey(&self) -> Survey {
        Survey::read(self.ports.objects(), &self.config.bucket, Some(self.feed)).await.unwrap_or_default()
    }
}

/// Notes which other transactions of the feed run now.
fn note_others(feed: &Feed, survey: &Survey, held: &mut LeasedClaim) {
    let claims = claim::of_feed(feed, &survey.claims);
    let running = claims.iter().filter(|claim| claim.slot != held.claim.slot && claim.failing_since.is_none());
    let running = running.filter_map(|claim| claim.statement_id.clone());
    let mut beside = std::mem::take(&mut held.claim.beside);
    beside.extend(running);
    beside.sort_by(|one, other| one.0.cmp(&other.0));
    beside.dedup();
    beside.truncate(MOST_BESIDE);
    held.claim.beside = beside;
}

/// As much of an error as a claim bears, and what to do about it.
fn told(error: &str, advice: &str) -> String {
    let error: String = error.chars().take(1000).collect();
    format!("{error}; {advice}")
}
