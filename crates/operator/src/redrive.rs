//! Redrive and reload: files go back to `incoming/`, from `failed/` to be judged again, from `processed/` to be loaded
//! again. Also reports what `failed/` says about why files were refused.
//!
//! ```text
//!   failed/     ──▶ failed    ─┐ moves        run: steps            plan             moves
//!                              ├───────▶ look which can be moved ──▶ write it ──▶ forget, set aside, bring back
//!   processed/  ──▶ processed ─┘           (or only say so)                          │
//!                                                    account ◀── how each file ended ┘
//! ```
//!
//! Never loses a file, never overwrites one, and never touches one that a claim holds, whatever runs at the same time
//! and wherever it dies: running it again does the rest. Why in this order: `docs/decisions/0017-the-way-back.md`.
//! Memory does not grow with the number of files.

mod account;
mod errors;
mod failed;
mod moves;
pub(crate) mod plan;
mod processed;
mod run;
mod session;
mod taken;

use jiff::Timestamp;
use sluice_core::config::{Feed, Pattern};
use sluice_core::destination::QueryError;
use sluice_core::object::{File, Key, Prefix};
use sluice_core::ports::{Objects, PortError, PortErrorKind};

pub use crate::reason::Reason;
pub use account::{Account, News, Stays};
pub use errors::{Group, errors};
pub use failed::redrive;
pub use processed::reload;
pub use session::Reload;

use crate::listing::Listing;
use crate::names::REASON;

/// Which files are meant, and how many are handled at a time.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only files whose names under the feed's prefix match.
    pub matching: Option<Pattern>,
    /// Only files that came to `failed/` or `processed/` then or later.
    pub since: Option<Timestamp>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// How many files make a step. They are planned, and held in memory, together.
    pub together: usize,
    /// How many steps are under way at once, including one whose files are being read.
    pub steps_at_once: usize,
    /// How many calls of one step are under way at once.
    pub at_once: usize,
}

impl Default for Options {
    /// 512 calls at once. S3 takes 3,500 copies and deletes a second, and 5,500 reads, under each prefix that it has
    /// made a partition of. A copy takes about 50 ms, and a step copies for two thirds of its time, so this is about
    /// what one partition takes. Where it is too much, S3 refuses calls, and the SDK retries them. Source: Amazon S3
    /// User Guide, "Best practices design patterns: optimizing Amazon S3 performance".
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

/// About how many files a redrive or a reload with these options will go through, by the names that they have there.
///
/// # Errors
/// When a page cannot be listed.
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

/// Why a run stops early.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// A call failed, and nothing can go on without its answer.
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
    /// All moves of a step failed: so many.
    #[error("none of {0} files could be moved; the failures above say why. Run it again when they are mended")]
    Stuck(u64),
    /// Another run writes the same object.
    #[error("another run works on {0}: let one of them finish, then run it again")]
    Other(Key),
    /// An earlier reload, which was asked for with other arguments, is not finished.
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

/// The ledger gave no answer.
fn no_ledger(feed: &Feed, source: QueryError) -> RedriveError {
    RedriveError::Ledger { ledger: feed.target.ledger.clone(), source: Box::new(source) }
}

/// A key, or the content of an object, is not what it should be.
fn invalid(
    operation: &'static str,
    subject: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> PortError {
    PortError::new(operation, subject, PortErrorKind::Invalid, error)
}
