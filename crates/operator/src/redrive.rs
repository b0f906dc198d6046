//! Redrive and reload: files go back to `incoming/`, from `failed/` to be judged anew, from `processed/` to be loaded once
//! more. And what `failed/` says about why.
//!
//! Never loses a file, never overwrites one, and never touches one that a claim holds, whatever runs beside it and
//! wherever it dies: running it again does the rest. What is to be done is written down first (`plan`), and carried out
//! in an order of its own (`moves`); why just so: `docs/decisions/0017-the-way-back.md`. Memory does not grow with the
//! number of files.

mod account;
mod errors;
mod failed;
mod moves;
pub(crate) mod plan;
mod processed;
mod reason;
mod session;
mod step;
mod taken;

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use sluice_core::claim::Survey;
use sluice_core::config::{Config, Feed, Pattern};
use sluice_core::destination::QueryError;
use sluice_core::object::{File, Key, Prefix};
use sluice_core::ports::{Objects, PortError, Ports};

pub use account::{Account, News, Stays};
pub use errors::{Group, errors};
pub use failed::redrive;
pub use processed::{Reload, reload};
pub use reason::Reason;

use crate::listing::Listing;
use crate::verify::names::REASON;
use plan::{Move, Stored};
use step::{Step, Way};

/// Which files are meant, and how they are gone about.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only files whose names under the feed's prefix match.
    pub matching: Option<Pattern>,
    /// Only files that came to `failed/` or `processed/` then or later.
    pub since: Option<Timestamp>,
    /// Only tells what would be done.
    pub dry_run: bool,
    /// How many files make a step: they are planned, and held in memory, together.
    pub together: usize,
    /// How many steps are under way at once, that whose files are being looked for among them.
    pub steps_at_once: usize,
    /// How many calls of one step are under way at once.
    pub at_once: usize,
}

impl Default for Options {
    /// 512 calls at once. S3 takes 3,500 copies and deletes a second, and 5,500 reads, under each prefix that it has made
    /// a partition of; a copy takes about 50 ms, and a step copies for two thirds of its time, so this is about what one
    /// partition takes. What is too much is slowed down, and the SDK tries it again later.
    /// Source: Amazon S3 User Guide, "Best practices design patterns: optimizing Amazon S3 performance".
    fn default() -> Self {
        Self { matching: None, since: None, dry_run: false, together: 4000, steps_at_once: 4, at_once: 128 }
    }
}

impl Options {
    /// Whether a file of this name that came then is meant.
    fn mean(&self, name: &str, came: Timestamp) -> bool {
        self.since.is_none_or(|since| came >= since)
            && self.matching.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

/// How many files a redrive or a reload with these options will go through, about: by the names that they have there.
///
/// # Errors
/// When a page cannot be had.
pub async fn count(
    objects: &impl Objects,
    under: &Prefix,
    options: &Options,
    mut tell: impl FnMut(u64),
) -> Result<u64, PortError> {
    let meant = |file: &&File| {
        let name = under.strip(&file.key).unwrap_or_default();
        !name.ends_with(REASON) && options.mean(name, file.last_modified)
    };
    let (mut listing, mut number) = (Listing::new(objects, under.clone()), 0);
    while let Some(page) = listing.page().await? {
        number += page.iter().filter(meant).count() as u64;
        tell(number);
    }
    Ok(number)
}

/// Why a run ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// A call failed without which nothing can go on.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The ledger gave no answer.
    #[error("the ledger {ledger} cannot be read or changed (SELECT, DELETE and LOCK are what is needed): {source}")]
    Ledger {
        /// Which.
        ledger: String,
        /// Why.
        source: Box<QueryError>,
    },
    /// Nothing of a whole step worked.
    #[error("none of {0} files could be moved; the failures above say why. Run it again when they are mended")]
    Stuck(u64),
    /// Two runs at once.
    #[error("another run works on {0}: let one of them finish, then run it again")]
    Other(Key),
    /// An earlier reload with other arguments is not finished.
    #[error(
        "a reload with other arguments ({asked}), begun {begun}, is not finished: run that again first, or begin anew \
         with --anew; what has been loaded since it began is loaded twice then if it is meant"
    )]
    Unfinished {
        /// The arguments.
        asked: String,
        /// When.
        begun: Timestamp,
    },
}

impl<P: Ports> Way<'_, P> {
    /// Does what earlier runs, or one that was stopped, have left half-way.
    async fn resume(&self, account: &mut Account) -> Result<(), RedriveError> {
        let objects = self.ports.objects();
        // Listed before the plans: what has no plan now has lost it, and is not that of a run that begins just now.
        let aside = self.folder.aside(objects).await?;
        let plans = self.folder.plans(objects).await?;
        let known: HashSet<&str> = plans.iter().map(|stored| stored.id.as_str()).collect();
        let strays: Vec<File> =
            aside.into_iter().filter(|file| !known.contains(self.folder.id_of(&file.key))).collect();
        let files = plans.iter().map(|stored| stored.plan.moves.len()).sum::<usize>() + strays.len();
        if files > 0 {
            self.tell(News::Resumes(files as u64));
        }
        if self.options.dry_run {
            return Ok(());
        }
        let plans = stream::iter(plans).map(|stored| Ok((stored.plan.moves.len(), stored)));
        self.walk(plans, async |step, stored: Stored| self.carry_out(step, stored).await, account).await?;
        let strays = stream::iter(strays).map(|file| Ok((1, file)));
        let bring = async |step: &mut Step, file: File| {
            self.bring_stray(step, &file).await;
            Ok(())
        };
        self.walk(strays, bring, account).await
    }
}

/// The keys that claims hold, and those of files that rest.
struct ClaimedKeys(HashSet<Key>);

impl ClaimedKeys {
    /// Whether a claim holds the file, or one whose copy in `failed/` has the name of the file's reason.
    fn holds(&self, config: &Config, one: &Move) -> bool {
        let named = |key: &Key| config.bucket.incoming.key(config.bucket.failed.strip(key)?).ok();
        self.0.contains(&one.to)
            || one.reasons.iter().any(|(key, _)| named(key).is_some_and(|key| self.0.contains(&key)))
    }
}

async fn claimed_keys<P: Ports>(config: &Config, ports: &P, feed: &Feed) -> Result<ClaimedKeys, PortError> {
    let objects = ports.objects();
    let survey = Survey::read(objects, &config.bucket, Some(feed)).await?.whole()?;
    let rest = survey.doubts(objects).await?.into_iter().map(|doubt| doubt.file.key);
    let claims = survey.claims.iter().filter_map(|seen| seen.claim.as_ref().ok());
    let claimed = claims.flat_map(|claim| claim.all_files().map(|file| file.key.clone()).collect::<Vec<_>>());
    Ok(ClaimedKeys(claimed.chain(rest).collect()))
}

/// An answer that the ledger did not give.
fn no_ledger(feed: &Feed, source: QueryError) -> RedriveError {
    RedriveError::Ledger { ledger: feed.target.ledger.clone(), source: Box::new(source) }
}
