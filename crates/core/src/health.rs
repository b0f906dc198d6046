//! Health: whether a feed works, as far as its claims and its last success tell.
//!
//! A failing claim alone cannot say whether one of its files or the feed is to blame. What says so is another batch that was
//! loaded since: whoever loads one while something of the feed is failing leaves a note, `sluice/state/<feed>/success.json`.
//! The note is a hint: losing it costs time, never rows. Nothing is written or read while nothing fails.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::BatchId;
use crate::claim::{Claim, Seen};
use crate::config::{Bucket, Feed};
use crate::disposition::{Pace, signed};
use crate::object::Key;
use crate::ports::{Objects, PortError, PortErrorKind, Put, PutIf};
use crate::run::later;

/// How often a note is written anew that others are writing as well.
const NOTES: usize = 3;

/// How many failures in a row say that a feed is down, if nothing of it was loaded meanwhile.
pub const DOWN: u32 = 3;

/// What is known of a feed's last success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// When a batch was loaded and archived while others of the feed were failing.
    succeeded_at: Option<Timestamp>,
    /// Which: it says nothing of itself.
    batch: Option<BatchId>,
}

/// A feed of which nothing works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// When its oldest batch failed first.
    pub since: Timestamp,
    /// What failed last, and what to do.
    pub reason: String,
    /// When it is tried again.
    pub next_try: Option<Timestamp>,
}

impl Health {
    /// Reads the note, if any of the claims is failing.
    pub async fn of(objects: &impl Objects, bucket: &Bucket, feed: &Feed, claims: &[&Claim]) -> Self {
        if claims.iter().any(|claim| claim.failing_since.is_some()) {
            Self::read(objects, bucket, feed).await
        } else {
            Self::default()
        }
    }

    /// Reads the note. One that cannot be read is none.
    pub async fn read(objects: &impl Objects, bucket: &Bucket, feed: &Feed) -> Self {
        let Ok(key) = note(bucket, feed) else {
            return Self::default();
        };
        match objects.get(&key).await {
            Ok(content) => content.and_then(|note| serde_json::from_slice(&note.body).ok()).unwrap_or_default(),
            Err(error) => {
                tracing::debug!(feed = %feed.name, %error, "the note of the last success could not be read");
                Self::default()
            }
        }
    }

    /// Notes a success, if none is noted that is newer: whoever finishes the work of a function that died may come long after
    /// others.
    pub async fn succeeded(objects: &impl Objects, bucket: &Bucket, feed: &Feed, batch: &BatchId, at: Timestamp) {
        let success = Self { succeeded_at: Some(at), batch: Some(batch.clone()) };
        for _ in 0..NOTES {
            match success.write(objects, bucket, feed).await {
                Ok(Put::Written(_)) => return,
                // Somebody else has just written one; perhaps a newer one.
                Ok(Put::Refused) => {}
                Err(error) => return tracing::debug!(feed = %feed.name, %error, "the success was not noted"),
            }
        }
    }

    async fn write(&self, objects: &impl Objects, bucket: &Bucket, feed: &Feed) -> Result<Put, PortError> {
        let key = note(bucket, feed)?;
        let there = objects.get(&key).await?;
        let known = there.as_ref().and_then(|note| serde_json::from_slice::<Self>(&note.body).ok()).unwrap_or_default();
        if let (Some(there), true) = (&there, known.succeeded_at >= self.succeeded_at) {
            return Ok(Put::Written(there.etag.clone()));
        }
        let body = serde_json::to_vec(self)
            .map_err(|error| PortError::new("note success", key.as_str(), PortErrorKind::Invalid, error))?;
        let when = there.as_ref().map_or(PutIf::Absent, |there| PutIf::Matches(&there.etag));
        objects.put(&key, body, when).await
    }

    /// Whether another batch than the claim's was loaded after `since`.
    #[must_use]
    pub fn worked_after(&self, claim: &Claim, since: Timestamp) -> bool {
        self.batch.as_ref() != Some(&claim.batch) && self.succeeded_at.is_some_and(|at| at > since)
    }

    /// Whether the claim is failing, and nobody can say that the feed works. What decides whether its files may rest decides
    /// this, too: else neither would another file be tried in its place, nor would they ever rest.
    #[must_use]
    pub fn is_unproven(&self, claim: &Claim) -> bool {
        let failing = claim.fails_since().is_some_and(|since| !self.worked_after(claim, since));
        let since_then = claim.failed_at.is_some_and(|at| self.worked_after(claim, at));
        failing && !since_then && claim.rested.is_none() && !claim.vouched
    }

    /// Whether trying the claim would be a probe: a transaction of which nobody knows whether it can end well.
    #[must_use]
    pub fn is_probe(&self, claim: &Claim) -> bool {
        self.is_unproven(claim) && claim.begun().is_none() && claim.question.is_none()
    }

    /// Whether the feed has worked since the claim failed last: then it need not wait any longer.
    #[must_use]
    pub fn wakes(&self, claim: &Claim) -> bool {
        claim.not_before.is_some()
            && claim.rested.is_none()
            && claim.failed_at.is_some_and(|at| self.worked_after(claim, at))
    }

    /// Whether nothing of the feed works: a claim has failed some times in a row, none was loaded since, and none is being
    /// loaded that has not failed.
    #[must_use]
    pub fn down(&self, claims: &[&Claim]) -> Option<Down> {
        let mut unproven = claims.iter().filter(|claim| self.is_unproven(claim));
        let busy = |claim: &&&Claim| claim.failing_since.is_none() && !claim.is_held_back() && !claim.files.is_empty();
        let worst = unproven.clone().max_by_key(|claim| claim.streak)?;
        if worst.streak < DOWN || claims.iter().any(|claim| busy(&claim) && claim.begun().is_some()) {
            return None;
        }
        let next_try = unproven.clone().filter_map(|claim| claim.not_before).min();
        let since = unproven.by_ref().filter_map(|claim| claim.failing_since).min()?;
        Some(Down { since, reason: worst.last_error.clone().unwrap_or_default(), next_try })
    }
}

/// The one claim of a feed that may be tried although nobody knows whether the feed works: of those that are due the one
/// that has waited longest, unless one is being tried.
#[must_use]
pub fn turn(claims: &[Seen], health: &Health, now: Timestamp) -> Option<Key> {
    let unproven = claims.iter().filter_map(|seen| {
        let claim = seen.claim.as_ref().ok().filter(|claim| health.is_unproven(claim))?;
        Some((claim, &seen.key))
    });
    let tried = |claim: &Claim| !health.is_probe(claim) || (!claim.owner.is_empty() && claim.lease_expires_at > now);
    if unproven.clone().any(|(claim, _)| tried(claim)) {
        return None;
    }
    let due = unproven.filter(|(claim, _)| claim.is_due(now));
    due.min_by_key(|(claim, _)| claim.failed_at).map(|(_, key)| key.clone())
}

/// When the claim is tried next, of whose feed nobody knows whether it works: not before those that were put off already,
/// and later after each failure of any of them.
#[must_use]
pub fn after_the_others(claims: &[&Claim], claim: &mut Claim, now: Timestamp) -> Timestamp {
    let failing = |other: &&&Claim| other.slot != claim.slot && other.failing_since.is_some() && other.rested.is_none();
    let others = claims.iter().filter(failing);
    let failures = others.clone().map(|other| other.failures.saturating_add(1)).max().unwrap_or_default();
    let latest = others.filter_map(|other| other.not_before).fold(now, Timestamp::max);
    claim.failures = claim.failures.max(failures).max(claim.streak);
    let pause = Pace::Configuration.delay(claim.failures.saturating_sub(1).max(1), claim.batch.as_str());
    later(latest, signed(pause))
}

fn note(bucket: &Bucket, feed: &Feed) -> Result<Key, PortError> {
    let key = format!("{}state/{}/success.json", bucket.state, feed.name);
    Key::new(key).map_err(|error| PortError::new("note success", feed.name.as_str(), PortErrorKind::Invalid, error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::target::config;
    use crate::testing::{ManualClock, MemoryObjects};

    /// Whoever finishes what a dead function had begun comes late, with a success of long ago.
    #[tokio::test]
    async fn an_older_success_takes_no_newer_ones_place() {
        let config = config("f", "f/", "");
        let (objects, feed) = (MemoryObjects::new(&ManualClock::default()), &config.feeds[0]);
        let (bucket, batch) = (&config.bucket, BatchId::of(&[]));
        for (second, noted) in [(5, 5), (9, 9), (7, 9), (9, 9), (10, 10)] {
            let at = Timestamp::from_second(second).unwrap();
            Health::succeeded(&objects, bucket, feed, &batch, at).await;
            let health = Health::read(&objects, bucket, feed).await;
            assert_eq!(health.succeeded_at, Some(Timestamp::from_second(noted).unwrap()), "after {second}");
        }
    }
}
