//! Pressure: how many slots a feed may use while its warehouse is too full to take more.
//!
//! Keeps nothing but claims. A claim whose transaction the warehouse would not take says how often in a row that
//! happened. While there is one, its feed uses half of its slots, a quarter, and so on, but always one. When such a
//! claim is done, the unused slots do not all come back at once. A claim without files holds each of them back for a
//! while, and it ends as every claim does: a worker is sent when its time has come. If such a claim is lost, its slot
//! comes back early.
//!
//! Never gives a feed more slots than it has: holding back only takes slots away, and so X holds in any case.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::claim::{self, Claim, LeaseError, LeasedClaim, slot_key};
use crate::config::{Config, Feed};
use crate::object::Key;
use crate::ports::{Objects, PortError, PortErrorKind};
use crate::run::{CALLS_AT_ONCE, later};

/// How long until the first of the held-back slots is free again, and from each step to the next.
const STEP: SignedDuration = SignedDuration::from_mins(1);
/// In how many steps all of them are free again.
const STEPS: usize = 8;

/// How many slots the feed may use, as far as its claims tell.
pub(crate) fn slots(feed: &Feed, claims: &[&Claim]) -> usize {
    let refused = claims.iter().filter(|claim| claim.statement_id.is_none()).map(|claim| claim.refused).max();
    let held_back = claims.iter().filter(|claim| claim.is_held_back()).count();
    kept(feed, refused.unwrap_or_default()).min(feed.slots().saturating_sub(held_back)).max(1)
}

/// How many files of the feed may be loaded at once, as far as its claims tell: X, or less.
#[must_use]
pub fn max_files(feed: &Feed, claims: &[&Claim]) -> usize {
    match slots(feed, claims) {
        slots if slots >= feed.slots() => feed.max_files,
        slots => slots * feed.files_per_load,
    }
}

/// Empties the slot of a claim whose batch is done. If the warehouse had been too full for it, the slots that were not
/// used meanwhile come free step by step. This one may be among them.
pub(crate) async fn let_go(
    config: &Config,
    objects: &impl Objects,
    feed: &Feed,
    mut held: LeasedClaim,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let keep = kept(feed, held.claim.refused);
    if keep >= feed.slots() {
        return held.finish(objects).await;
    }
    if let Err(error) = hold_back(config, objects, feed, keep, now).await {
        tracing::debug!(feed = %feed.name, %error, "slots were not held back; the feed goes on with all of them");
    }
    if held.claim.slot < keep {
        return held.finish(objects).await;
    }
    held.claim = Claim::held_back(feed, held.claim.slot, now, free_at(feed, held.claim.slot, keep, now));
    held.save(objects).await
}

/// Fills the free slots from `keep` on with claims without files.
async fn hold_back(
    config: &Config,
    objects: &impl Objects,
    feed: &Feed,
    keep: usize,
    now: Timestamp,
) -> Result<(), PortError> {
    let listed = claim::list(objects, &config.bucket, Some(feed)).await?;
    let filled: HashSet<Key> = listed.into_iter().map(|file| file.key).collect();
    let mut free = Vec::new();
    for slot in keep..feed.slots() {
        let key = slot_key(&config.bucket, feed.name.as_str(), slot)
            .map_err(|error| PortError::new("pressure", feed.name.as_str(), PortErrorKind::Invalid, error))?;
        if !filled.contains(&key) {
            free.push((slot, key));
        }
    }
    let places = stream::iter(free).map(async |(slot, key)| {
        let claim = Claim::held_back(feed, slot, now, free_at(feed, slot, keep, now));
        // If a lister was faster and filled it, the slot is used, and held back when that is done.
        claim::place(objects, key, claim).await
    });
    places.buffer_unordered(CALLS_AT_ONCE).for_each(async |_| ()).await;
    Ok(())
}

/// How many of the feed's slots are left after so many refusals in a row: half after one, a quarter after two, an
/// eighth after four. Retries come ever later, so each halving waits longer than the one before.
fn kept(feed: &Feed, refused: u32) -> usize {
    let halvings = refused.checked_ilog2().map_or(0, |log| log + 1).min(usize::BITS - 1);
    (feed.slots() >> halvings).max(1)
}

/// When a slot that is held back is free again: the lower the slot, the sooner.
fn free_at(feed: &Feed, slot: usize, keep: usize, now: Timestamp) -> Timestamp {
    let all = feed.slots().saturating_sub(keep).max(1);
    let step = 1 + slot.saturating_sub(keep) * STEPS / all;
    later(now, STEP * i32::try_from(step).unwrap_or(i32::MAX))
}
