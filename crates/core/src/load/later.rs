//! Later: tries a batch again within the run, or leaves it in its claim for another time.
//!
//! Never gives up, and never forgets why: the claim bears the error and when it is tried again.

use super::tally::End;
use super::{Loading, Next, StepError};
use crate::claim::{Held, HeldError};
use crate::destination::{FailureKind, QueryError};
use crate::disposition::{Pace, signed};
use crate::ports::{Clock, Ports};
use crate::run::later;

impl<P: Ports> Loading<'_, P> {
    /// A call failed: wait a little, or leave the batch for later.
    pub(super) async fn put_off(&mut self, mut held: Held, error: &StepError) -> Next {
        let advice = match error {
            StepError::Query(QueryError::Failed { failure, .. }) => failure.advice,
            _ => None,
        };
        let pace = match error {
            StepError::Full(error)
            | StepError::Port(error)
            | StepError::Held(HeldError::Port(error))
            | StepError::Query(QueryError::Port(error)) => Pace::from(error.kind),
            StepError::Query(QueryError::Failed { failure, .. }) if failure.kind == FailureKind::Transient => {
                Pace::Transient
            }
            StepError::Query(QueryError::Failed { .. }) => Pace::Configuration,
            StepError::Query(QueryError::Slow(_)) | StepError::Held(HeldError::Lost(_)) => Pace::Transient,
        };
        if matches!(error, StepError::Full(_)) {
            held.claim.refused = held.claim.refused.saturating_add(1);
        }
        self.tally.failed(self.feed, self.ports.clock().now());
        self.retry(held, pace, &error.to_string(), advice).await
    }

    /// Tries again within this run when the pause is short enough, and otherwise leaves the claim for a later one.
    pub(super) async fn retry(&mut self, mut held: Held, pace: Pace, error: &str, advice: Option<&str>) -> Next {
        held.claim.failures = held.claim.failures.saturating_add(1);
        let delay = pace.delay(held.claim.failures, held.claim.batch.as_str());
        let now = self.ports.clock().now();
        let at = later(now, signed(delay));
        let error = told(error, advice.unwrap_or(pace.advice()));
        held.claim.last_error = Some(error.clone());
        if pace == Pace::Transient && delay < self.run.wait_left(now) / 2 {
            self.ports.clock().sleep(delay).await;
            return match held.save(self.ports.objects()).await {
                Ok(()) => Next::Again(held),
                Err(_) => Next::End(End::Retry(at, error)),
            };
        }
        held.claim.not_before = Some(at);
        // If even this cannot be written, the lease runs out and the claim is taken up as it was.
        match held.release(self.ports.objects(), now).await {
            Err(HeldError::Lost(_)) => Next::End(End::Busy),
            Ok(()) | Err(HeldError::Port(_)) => Next::End(End::Retry(at, error)),
        }
    }
}

/// As much of an error as a claim bears, and what to do about it.
pub(super) fn told(error: &str, advice: &str) -> String {
    let error: String = error.chars().take(1000).collect();
    format!("{error}; {advice}")
}
