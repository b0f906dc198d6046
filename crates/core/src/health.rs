//! Health: whether a feed works, as far as its claims and its last success tell.
//!
//! A failing claim alone cannot say whether one of its files or the feed is to blame. Another batch that was loaded
//! since can. So while something of the feed is failing, each load leaves a note, `sluice/state/<feed>/success.json`.
//! The note is a hint: losing it costs time, and never rows. Never reads or writes the note while nothing fails.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::BatchId;
use crate::claim::{Claim, Seen};
use crate::config::{Bucket, Feed};
use crate::disposition::{Pace, signed};
use crate::object::Key;
use crate::ports::{Objects, PortError, PortErrorKind, Put, PutIf};
use crate::run::later;

/// How many times writing the note is tried while others write it, too.
const NOTES: usize = 3;

/// How many failures in a row mean that a feed is down, if nothing of it was loaded meanwhile.
pub(crate) const DOWN: u32 = 3;

/// What is known of a feed's last success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// When a batch was loaded and archived while others of the feed were failing.
    succeeded_at: Option<Timestamp>,
    /// Which batch: it proves nothing about itself.
    batch: Option<BatchId>,
}

/// A feed of which nothing works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// When its oldest batch failed first.
    pub since: Timestamp,
    /// The latest error, and what to do.
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

    /// Reads the note. One that cannot be read counts as none.
    pub(crate) async fn read(objects: &impl Objects, bucket: &Bucket, feed: &Feed) -> Self {
        let Ok(key) = note(bucket, feed) else {
            return Self::default();
        };
        let read = objects.get(&key).await.inspect_err(|error| {
            tracing::debug!(feed = %feed.name, %error, "the note of the last success could not be read");
        });
        read.ok().flatten().and_then(|note| serde_json::from_slice(&note.body).ok()).unwrap_or_default()
    }

    /// Notes a success, unless a newer one is noted: a worker that finishes what a dead function began may come long
    /// after others.
    pub(crate) async fn succeeded(
        objects: &impl Objects,
        bucket: &Bucket,
        feed: &Feed,
        batch: &BatchId,
        at: Timestamp,
    ) {
        let success = Self { succeeded_at: Some(at), batch: Some(batch.clone()) };
        for _ in 0..NOTES {
            match success.write(objects, bucket, feed).await {
                Ok(Put::Written(_)) => return,
                // Another worker has just written one, which may be newer.
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
    pub(crate) fn worked_after(&self, claim: &Claim, since: Timestamp) -> bool {
        self.batch.as_ref() != Some(&claim.batch) && self.succeeded_at.is_some_and(|at| at > since)
    }

    /// Whether the claim is failing, and nobody knows whether the feed works. The same evidence decides whether its
    /// files may rest. Otherwise they might never rest, while no other file is tried in their place.
    pub(crate) fn is_unproven(&self, claim: &Claim) -> bool {
        let failing = claim.fails_since().is_some_and(|since| !self.worked_after(claim, since));
        let since_then = claim.failed_at.is_some_and(|at| self.worked_after(claim, at));
        failing && !since_then && claim.rested.is_none() && !claim.vouched
    }

    /// Whether trying the claim would be a probe: a transaction that may fail whatever is in the files.
    pub(crate) fn is_probe(&self, claim: &Claim) -> bool {
        self.is_unproven(claim) && claim.begun().is_none() && claim.question.is_none()
    }

    /// Whether the feed has worked since the claim failed last. Then the claim need not wait any longer.
    pub(crate) fn wakes(&self, claim: &Claim) -> bool {
        claim.not_before.is_some()
            && claim.rested.is_none()
            && claim.failed_at.is_some_and(|at| self.worked_after(claim, at))
    }

    /// Whether nothing of the feed works: a claim has failed `DOWN` times in a row, nothing was loaded since, and no
    /// claim that has not failed is being loaded.
    #[must_use]
    pub fn down(&self, claims: &[&Claim]) -> Option<Down> {
        let unproven = claims.iter().filter(|claim| self.is_unproven(claim));
        let worst = unproven.clone().max_by_key(|claim| claim.streak)?;
        let loads = |claim: &&Claim| {
            claim.failing_since.is_none() && !claim.is_held_back() && !claim.files.is_empty() && claim.begun().is_some()
        };
        if worst.streak < DOWN || claims.iter().any(loads) {
            return None;
        }
        let next_try = unproven.clone().filter_map(|claim| claim.not_before).min();
        let since = unproven.filter_map(|claim| claim.failing_since).min()?;
        Some(Down { since, reason: worst.last_error.clone().unwrap_or_default(), next_try })
    }
}

/// The one claim of a feed that may be tried while nobody knows whether the feed works. Of the claims that are due, it
/// is the one that has waited longest; `None` while another is being tried.
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

/// When the claim is tried next while nobody knows whether its feed works: after those that were put off already, and
/// later with each failure of any of them.
pub(crate) fn after_the_others(claims: &[&Claim], claim: &mut Claim, now: Timestamp) -> Timestamp {
    let failing = |other: &&&Claim| other.slot != claim.slot && other.failing_since.is_some() && other.rested.is_none();
    let others = claims.iter().filter(failing);
    let failures = others.clone().map(|other| other.failures.saturating_add(1)).max().unwrap_or_default();
    let latest = others.filter_map(|other| other.not_before).fold(now, Timestamp::max);
    claim.failures = claim.failures.max(failures).max(claim.streak);
    let pause = Pace::Configuration.delay(claim.failures.saturating_sub(1).max(1), claim.batch.as_str());
    later(latest, signed(pause))
}

fn note(bucket: &Bucket, feed: &Feed) -> Result<Key, PortError> {
    let key = bucket.state.key(&format!("state/{}/success.json", feed.name));
    key.map_err(|error| PortError::new("note success", feed.name.as_str(), PortErrorKind::Invalid, error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::target::config;
    use crate::testing::{ManualClock, MemoryObjects};

    /// A worker that finishes what a dead function had begun comes late, with a success of long ago.
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
