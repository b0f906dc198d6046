//! Preview: what a tick would see of a feed and do with it, without doing anything.
//!
//! The steps are the tick's own ([`backlog`](sluice_core::backlog), [`plan`](sluice_core::plan)), so that it shows what
//! will happen. Never writes, and asks the warehouse nothing.

use std::collections::HashSet;

use jiff::Timestamp;

use sluice_core::backlog::{Backlog, NotTaken, Wanted, older};
use sluice_core::claim::{Claim, Doubt, Slots, Survey, of_feed};
use sluice_core::config::{Config, Feed};
use sluice_core::health::{Down, Health, turn};
use sluice_core::list::Listing;
use sluice_core::object::{File, Key};
use sluice_core::plan::plan;
use sluice_core::ports::{Objects, PortError};
use sluice_core::pressure;

/// What a tick would see of a feed and do with it.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Files under its prefix.
    pub listed: u64,
    /// Files that no claim holds, and that do not rest.
    pub unprocessed: u64,
    /// Their bytes.
    pub unprocessed_bytes: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// Files under its prefix that are not taken.
    pub not_taken: u64,
    /// The first of those, and why.
    pub first_not_taken: Option<(Key, NotTaken)>,
    /// The feed's claims, in the order of their slots.
    pub claims: Vec<Claim>,
    /// Files that fail alone while others are loaded.
    pub resting: Vec<Doubt>,
    /// Why nothing of the feed works, if nothing does.
    pub down: Option<Down>,
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
        claims.filter_map(|claim| {
            let error = claim.last_error.as_deref()?;
            Some(Trouble { claim, failures: claim.failures, next_try: claim.not_before, error })
        })
    }

    /// The files that claims hold.
    pub fn in_flight(&self) -> impl Iterator<Item = &File> {
        self.claims.iter().flat_map(Claim::all_files)
    }
}

/// Reads the deployment's claims and resting files.
///
/// # Errors
/// When they cannot be had.
pub async fn claims(config: &Config, objects: &impl Objects) -> Result<Survey, PortError> {
    Survey::read(objects, &config.bucket, None).await?.whole()
}

/// Looks at a feed as a tick at `now` would that finds these claims.
///
/// # Errors
/// When the files cannot be listed, or a resting file cannot be read.
pub async fn preview(
    config: &Config,
    objects: &impl Objects,
    feed: &Feed,
    survey: &Survey,
    now: Timestamp,
) -> Result<Preview, PortError> {
    let survey = survey.of_feed(feed);
    let own = of_feed(feed, &survey.claims);
    let health = Health::of(objects, &config.bucket, feed, &own).await;
    let held: HashSet<Key> = own.iter().flat_map(|claim| claim.all_files()).map(|file| file.key.clone()).collect();
    let turn = turn(&survey.claims, &health, now);
    let slots = Slots::of(config, feed, &survey, &health, turn.as_ref(), now);
    let effective_max_files = pressure::max_files(feed, &own);
    let resting = survey.resting.iter().map(|resting| resting.id).collect();
    let wanted = Wanted { held, resting, most: slots.room(feed) };
    let waiting = Listing::new(config, objects).waiting(feed, &wanted).await?;
    let oldest = waiting.chosen.iter().map(|file| file.last_modified).fold(waiting.oldest_left, older);
    let batches = plan(feed, waiting.chosen, slots.free.len(), slots.files);
    let free: Vec<usize> = slots.free.iter().map(|free| free.slot).collect();
    let mut claims: Vec<Claim> = own.iter().map(|claim| (*claim).clone()).collect();
    claims.sort_unstable_by_key(|claim| claim.slot);
    Ok(Preview {
        listed: waiting.listed,
        unprocessed: waiting.unprocessed,
        unprocessed_bytes: waiting.unprocessed_bytes,
        oldest,
        not_taken: waiting.not_taken,
        first_not_taken: waiting.first_not_taken,
        down: health.down(&own),
        claims,
        resting: survey.doubts(objects).await?,
        batches: free.iter().copied().zip(batches).collect(),
        free,
        effective_max_files,
    })
}
