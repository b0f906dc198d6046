//! Pause: how a claim goes on after a failure: at once, after a while, or in a later run.
//!
//! Never decides what the claim goes on with: it says so when it comes here. If it cannot even be written, its lease
//! runs out, and the next worker takes it up as it was.

use jiff::Timestamp;

use super::tally::End;
use super::{Loading, Next, StepError};
use crate::claim::{self, LeaseError, LeasedClaim, Question, Survey};
use crate::destination::StatementId;
use crate::disposition::{Pace, signed};
use crate::health::after_the_others;
use crate::ports::{Clock, Ports};
use crate::run::later;

/// How many other transactions a failing claim remembers.
const MOST_BESIDE: usize = 16;

impl<P: Ports> Loading<'_, P> {
    /// Tries the same files again: within this run if the pause is short enough, and otherwise in a later one.
    pub(super) async fn retry(&mut self, mut held: LeasedClaim, pace: Pace) -> Next {
        let delay = pace.delay(held.claim.failures, held.claim.batch.as_str());
        let now = self.ports.clock().now();
        let at = later(now, signed(delay));
        let error = held.claim.last_error.clone().unwrap_or_default();
        if pace == Pace::Transient && delay < self.run.wait_left(now) / 2 {
            self.ports.clock().sleep(delay).await;
            return match held.save(self.ports.objects()).await {
                Ok(()) => Next::Again(held),
                Err(_) => Next::End(End::Retry(at, error)),
            };
        }
        self.note_others(&mut held).await;
        self.leave(held, at, error).await
    }

    /// Goes on with half of the files, and the other half comes later: only their number failed.
    pub(super) async fn in_halves(&mut self, mut held: LeasedClaim) -> Next {
        held.claim.halve(false);
        self.again(held).await
    }

    /// Goes on at once.
    pub(super) async fn again(&mut self, mut held: LeasedClaim) -> Next {
        match held.save(self.ports.objects()).await {
            Ok(()) => Next::Again(held),
            Err(LeaseError::Lost(_)) => Next::End(End::Busy),
            Err(LeaseError::Port(_)) => {
                let error = held.claim.last_error.unwrap_or_default();
                Next::End(End::Retry(self.ports.clock().now(), error))
            }
        }
    }

    /// Leaves the claim until its turn comes. While nobody knows whether the feed works, one of its batches after
    /// another is tried, at a slow pace.
    pub(super) async fn wait(&mut self, mut held: LeasedClaim) -> Next {
        let now = self.ports.clock().now();
        let survey = self.note_others(&mut held).await;
        let claims = claim::of_feed(self.feed, &survey.claims);
        let at = after_the_others(&claims, &mut held.claim, now);
        let error = held.claim.last_error.clone().unwrap_or_default();
        self.leave(held, at, error).await
    }

    /// Leaves the claim until then.
    pub(super) async fn leave(&mut self, mut held: LeasedClaim, at: Timestamp, error: String) -> Next {
        held.claim.not_before = Some(at);
        match held.release(self.ports.objects(), self.ports.clock().now()).await {
            Err(LeaseError::Lost(_)) => Next::End(End::Busy),
            Ok(()) | Err(LeaseError::Port(_)) => Next::End(End::Retry(at, error)),
        }
    }

    /// A question was not answered in time: the next worker takes it up.
    pub(super) async fn ask_later(&mut self, mut held: LeasedClaim, what: String, statement: StatementId) -> Next {
        let waits = held.claim.question.as_ref().filter(|known| known.statement_id == statement);
        let waits = waits.map_or(0, |known| known.waits).saturating_add(1);
        held.claim.question = Some(Question { what, statement_id: statement, waits });
        let now = self.ports.clock().now();
        match held.release(self.ports.objects(), now).await {
            Err(LeaseError::Lost(_)) => Next::End(End::Busy),
            // If it cannot be written, the next worker asks with the same token.
            Ok(()) | Err(LeaseError::Port(_)) => Next::End(End::Pending),
        }
    }

    /// A file rests: goes on with what else the claim holds, or empties the slot.
    pub(super) async fn done_or_end(&mut self, held: LeasedClaim, at: Timestamp, error: String) -> Next {
        match self.done_with(held).await {
            Ok(Next::End(End::Finished)) => Next::End(End::Retry(at, error)),
            Ok(next) => next,
            Err(StepError::Lease(LeaseError::Lost(_))) => Next::End(End::Busy),
            // The claim is as it was before: the file is tried again, and rests again.
            Err(_) => Next::End(End::Retry(at, error)),
        }
    }

    /// Notes which other transactions of the feed run now. Answers the feed's claims; none if they cannot be read.
    async fn note_others(&self, held: &mut LeasedClaim) -> Survey {
        let survey = Survey::read(self.ports.objects(), &self.config.bucket, Some(self.feed)).await.unwrap_or_default();
        let claims = claim::of_feed(self.feed, &survey.claims);
        let others = claims.iter().filter(|claim| claim.slot != held.claim.slot && claim.failing_since.is_none());
        let running: Vec<StatementId> = others.filter_map(|claim| claim.statement_id.clone()).collect();
        let beside = &mut held.claim.beside;
        beside.extend(running);
        beside.sort_by(|one, other| one.0.cmp(&other.0));
        beside.dedup();
        beside.truncate(MOST_BESIDE);
        survey
    }
}
