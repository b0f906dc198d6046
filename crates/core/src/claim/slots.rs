//! Slots: which of a feed's may be filled, and filling one.
//!
//! Never lets a feed have more batches in flight than slots: a slot is filled by creating its object, or by replacing
//! exactly the version of a claim in which nothing but resting files is.

use std::collections::HashMap;

use super::{Claim, Held, Seen, parts::Resting, slot_key, write};
use crate::config::{Bucket, Config, Feed};
use crate::object::{ETag, Key};
use crate::ports::{Objects, PortError, PortErrorKind, PutIf};
use crate::pressure;

/// A slot that may be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    /// Which, from 0.
    pub slot: usize,
    /// Where files rest in it: the version of their claim, and them.
    resting: Option<(ETag, Vec<Resting>)>,
}

/// The slots of `feed` that may be filled: first those that no claim fills, lowest first, then those in which files only
/// rest. Fewer while its warehouse is too full.
#[must_use]
pub fn free_slots(config: &Config, feed: &Feed, claims: &[Seen]) -> Vec<Free> {
    let filled: HashMap<&Key, &Seen> = claims.iter().map(|seen| (&seen.key, seen)).collect();
    let look = |slot| match filled.get(&slot_key(&config.bucket, feed.name.as_str(), slot).ok()?) {
        None => Some(Free { slot, resting: None }),
        Some(seen) => {
            let claim = seen.claim.as_ref().ok().filter(|claim| claim.only_rests() && claim.owner.is_empty())?;
            Some(Free { slot, resting: Some((seen.etag.clone(), claim.resting.clone())) })
        }
    };
    let mut free: Vec<Free> = (0..feed.slots()).filter_map(look).collect();
    free.sort_by_key(|free| free.resting.is_some());
    let own = of_feed(feed, claims);
    let allowed = pressure::slots(feed, &own);
    if allowed < feed.slots() {
        let used = own.iter().filter(|claim| !claim.is_held_back() && !claim.only_rests()).count();
        free.truncate(allowed.saturating_sub(used));
    }
    free
}

/// The claims of `feed`.
#[must_use]
pub fn of_feed<'c>(feed: &Feed, claims: &'c [Seen]) -> Vec<&'c Claim> {
    let readable = claims.iter().filter_map(|seen| seen.claim.as_ref().ok());
    readable.filter(|claim| claim.feed == feed.name.as_str()).collect()
}

/// Fills a slot, if it still may be.
///
/// # Errors
/// When S3 does not say whether the slot was filled.
pub async fn fill(
    objects: &impl Objects,
    bucket: &Bucket,
    free: &Free,
    mut claim: Claim,
) -> Result<Option<Held>, PortError> {
    let key = slot_key(bucket, &claim.feed, free.slot)
        .map_err(|error| PortError::new("claim", claim.feed.clone(), PortErrorKind::Invalid, error))?;
    claim.slot = free.slot;
    match &free.resting {
        None => place(objects, key, claim).await,
        Some((etag, resting)) => {
            claim.resting.clone_from(resting);
            // Whoever else fills it, or takes it because a file in it has rested enough, read the same version.
            let written = write(objects, &key, &claim, PutIf::Matches(etag)).await?;
            Ok(written.map(|etag| Held { key, claim, etag }))
        }
    }
}

/// Fills a slot that no claim fills, if it is still free.
///
/// # Errors
/// When S3 does not say whether the slot was filled.
pub async fn place(objects: &impl Objects, key: Key, claim: Claim) -> Result<Option<Held>, PortError> {
    // The race of two listers, or of a lister and a loader, is decided here: S3 lets one of them create the object.
    let written = write(objects, &key, &claim, PutIf::Absent).await?;
    Ok(written.map(|etag| Held { key, claim, etag }))
}
