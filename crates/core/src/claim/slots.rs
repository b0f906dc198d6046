//! Slots: which of a feed's slots may be filled, with how many files, and how one is filled.
//!
//! Never lets a feed have more than X files in flight. A slot is filled by creating its object. Or it is filled by
//! replacing exactly the version of a claim that waits with nothing but files that failed alone. X counts files: a
//! claim that is larger than today's `files_per_load` also blocks the slots after its own.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::lease::write;
use super::{Claim, LeasedClaim, Seen, Survey, slot_key};
use crate::config::{Bucket, Config, Feed};
use crate::health::Health;
use crate::object::Key;
use crate::ports::{Objects, PortError, PortErrorKind, PutIf};
use crate::pressure;

/// What a feed may take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// The slots that may be filled, the first ones first.
    pub free: Vec<Free>,
    /// The most files that all of them together may take.
    pub files: usize,
}

/// A slot that may be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    /// Which, from 0.
    pub slot: usize,
    /// The claim in it, if that waits with files that failed alone.
    waiting: Option<Box<Seen>>,
}

impl Free {
    /// Whether no claim fills it.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }
}

impl Slots {
    /// The slots of `feed` that may be filled: those that no claim fills, or else the one in which files wait that
    /// failed alone. They are fewer while the warehouse is too full, and one at most while nobody knows whether the
    /// feed works. `turn`: the claim that may be tried then.
    #[must_use]
    pub fn of(
        config: &Config,
        feed: &Feed,
        survey: &Survey,
        health: &Health,
        turn: Option<&Key>,
        now: Timestamp,
    ) -> Self {
        let own = of_feed(feed, &survey.claims);
        let refillable = |seen: &&Seen| {
            let claim = seen.claim.as_ref().ok().filter(|claim| claim.feed == feed.name.as_str());
            turn == Some(&seen.key) && claim.is_some_and(|claim| claim.may_be_refilled(now))
        };
        let waiting = survey.claims.iter().find(refillable);
        let in_flight: usize = own.iter().map(|claim| claim.in_flight()).sum();
        let mut files = feed.max_files.saturating_sub(in_flight);
        let blocked = blocked(feed, &own);
        let filled: BTreeSet<&Key> =
            survey.claims.iter().map(|seen| &seen.key).chain(survey.unread.iter().map(|(key, _)| key)).collect();
        let empty = |slot: &usize| {
            let key = slot_key(&config.bucket, feed.name.as_str(), *slot);
            !blocked.contains(slot) && key.is_ok_and(|key| !filled.contains(&key))
        };
        let mut free: Vec<Free> = (0..feed.slots()).filter(empty).map(|slot| Free { slot, waiting: None }).collect();
        let allowed = pressure::slots(feed, &own);
        if allowed < feed.slots() {
            let used = own.iter().filter(|claim| !claim.is_held_back()).count();
            free.truncate(allowed.saturating_sub(used));
        }
        if let Some(seen) = waiting.filter(|_| free.is_empty() || files == 0)
            && let Ok(claim) = &seen.claim
        {
            // What waits in it is not loaded while others are: one file takes its place, even if X was lowered.
            files = (feed.max_files + claim.in_flight()).saturating_sub(in_flight).max(1);
            free = vec![Free { slot: claim.slot, waiting: Some(Box::new(seen.clone())) }];
        }
        if health.down(&own).is_some() {
            // Other files only help to find out whether the feed works, once all that failed was tried alone.
            let failing = own.iter().filter(|claim| claim.failing_since.is_some());
            free.truncate(usize::from(failing.clone().all(|claim| claim.is_lone())));
        }
        Self { free, files }
    }

    /// The most files that the free slots take together.
    #[must_use]
    pub fn room(&self, feed: &Feed) -> usize {
        self.files.min(self.free.len() * feed.files_per_load)
    }
}

/// The slots that claims larger than `files_per_load` block after their own.
fn blocked(feed: &Feed, claims: &[&Claim]) -> BTreeSet<usize> {
    let more = |claim: &&&Claim| claim.in_flight().div_ceil(feed.files_per_load).saturating_sub(1);
    claims.iter().flat_map(|claim| (1..=more(&claim)).map(|next| claim.slot + next)).collect()
}

/// The claims of `feed`.
#[must_use]
pub fn of_feed<'c>(feed: &Feed, claims: &'c [Seen]) -> Vec<&'c Claim> {
    let readable = claims.iter().filter_map(|seen| seen.claim.as_ref().ok());
    readable.filter(|claim| claim.feed == feed.name.as_str()).collect()
}

/// Fills a slot; `None` if it may not be filled any more.
pub(crate) async fn fill(
    objects: &impl Objects,
    bucket: &Bucket,
    free: &Free,
    mut claim: Claim,
) -> Result<Option<LeasedClaim>, PortError> {
    let key = slot_key(bucket, &claim.feed, free.slot)
        .map_err(|error| PortError::new("claim", claim.feed.clone(), PortErrorKind::Invalid, error))?;
    claim.slot = free.slot;
    let Some(waiting) = &free.waiting else {
        return place(objects, key, claim).await;
    };
    let Ok(mut refilled) = waiting.claim.clone() else {
        return Ok(None);
    };
    refilled.refill(claim.files, claim.created_at);
    (refilled.trying, refilled.rested, refilled.unchecked) = (claim.trying, claim.rested, claim.unchecked);
    (refilled.owner, refilled.lease_expires_at) = (claim.owner, claim.lease_expires_at);
    // Others may fill it, or take it because its time has come. S3 lets one of those who read this version replace it.
    let written = write(objects, &key, &refilled, PutIf::Matches(&waiting.etag)).await?;
    Ok(written.map(|etag| LeasedClaim { key, claim: refilled, etag }))
}

/// Fills a slot that no claim fills; `None` if it is not free any more.
///
/// # Errors
/// When S3 does not say whether the slot was filled.
pub async fn place(objects: &impl Objects, key: Key, claim: Claim) -> Result<Option<LeasedClaim>, PortError> {
    // Two listers, or a lister and a loader, race here. S3 lets one of them create the object.
    let written = write(objects, &key, &claim, PutIf::Absent).await?;
    Ok(written.map(|etag| LeasedClaim { key, claim, etag }))
}
