//! Preview: what a tick would see of a feed and do with it, without doing anything.
//!
//! The steps are the tick's own ([`list`](crate::list), [`plan`](crate::plan)), so that it shows what will happen. Never
//! writes, and asks the warehouse nothing.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::claim::{self, Claim, Seen, claims_prefix, free_slots};
use crate::config::{Config, Feed};
use crate::list::{list, older};
use crate::object::{File, Key};
use crate::plan::plan;
use crate::ports::{Objects, PortError, PortErrorKind};
use crate::pressure;

/// What a tick would see of a feed and do with it.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Files under its prefix.
    pub listed: u64,
    /// Files that no claim holds.
    pub unprocessed: u64,
    /// Their bytes.
    pub unprocessed_bytes: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// The feed's claims, in the order of their slots.
    pub claims: Vec<Claim>,
    /// The slots that may be filled.
    pub free: Vec<usize>,
    /// X, or less while the warehouse is too full.
    pub effective_max_files: usize,
    /// The batches that would be put into free slots, each with its slot.
    pub batches: Vec<(usize, Vec<File>)>,
}

/// What keeps files of a claim from being loaded.
#[derive(Clone, Debug)]
pub struct Trouble<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// The one file that it is about, where it is about one that rests.
    pub file: Option<&'a File>,
    /// How many times in a row it failed.
    pub failures: u32,
    /// Not tried before.
    pub next_try: Option<Timestamp>,
    /// What went wrong last, and what to do.
    pub error: &'a str,
}

impl Preview {
    /// What keeps claimed files from being loaded, in the order of the slots.
    pub fn troubles(&self) -> impl Iterator<Item = Trouble<'_>> {
        let claims = self.claims.iter().filter(|claim| !claim.is_held_back());
        claims.flat_map(|claim| {
            let whole = claim.last_error.as_deref().filter(|_| !claim.only_rests()).map(|error| Trouble {
                claim,
                file: None,
                failures: claim.failures,
                next_try: claim.not_before,
                error,
            });
            let each = claim.resting.iter().map(move |resting| Trouble {
                claim,
                file: Some(&resting.file),
                failures: resting.failures,
                next_try: Some(resting.not_before),
                error: &resting.error,
            });
            whole.into_iter().chain(each)
        })
    }

    /// The files that claims hold.
    pub fn in_flight(&self) -> impl Iterator<Item = &File> {
        self.claims.iter().flat_map(Claim::all_files)
    }
}

/// Reads the deployment's claims.
///
/// # Errors
/// When they cannot be had.
pub async fn claims(config: &Config, objects: &impl Objects) -> Result<Vec<Seen>, PortError> {
    let prefix = claims_prefix(&config.bucket)
        .map_err(|error| PortError::new("read claims", config.bucket.state.as_str(), PortErrorKind::Invalid, error))?;
    claim::read_all(objects, &prefix).await
}

/// Looks at a feed as a tick would that finds these claims.
///
/// # Errors
/// When the files cannot be listed.
pub async fn preview(
    config: &Config,
    objects: &impl Objects,
    feed: &Feed,
    claims: &[Seen],
) -> Result<Preview, PortError> {
    let own = claims.iter().filter_map(|seen| seen.claim.as_ref().ok());
    let mut own: Vec<Claim> = own.filter(|claim| claim.feed == feed.name.as_str()).cloned().collect();
    own.sort_unstable_by_key(|claim| claim.slot);
    let held: HashSet<Key> = own.iter().flat_map(Claim::all_files).map(|file| file.key.clone()).collect();
    let free: Vec<usize> = free_slots(config, feed, claims).iter().map(|free| free.slot).collect();
    let effective_max_files = pressure::max_files(feed, &own.iter().collect::<Vec<_>>());
    let listing = list(objects, &config.incoming(feed), feed, &held, free.len() * feed.files_per_load).await?;
    let oldest = listing.chosen.iter().map(|file| file.last_modified).fold(listing.oldest_left, older);
    let batches = plan(feed, listing.chosen, free.len());
    Ok(Preview {
        listed: listing.listed,
        unprocessed: listing.unprocessed,
        unprocessed_bytes: listing.unprocessed_bytes,
        oldest,
        claims: own,
        batches: free.iter().copied().zip(batches).collect(),
        free,
        effective_max_files,
    })
}
