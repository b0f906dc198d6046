//! Redrive and reload: files go back to `incoming/`, from `failed/` to be judged anew, from `processed/` to be loaded once
//! more. And what `failed/` says about why.
//!
//! Never loses a file, never overwrites one, and never touches one that a claim holds, whatever runs beside it and
//! wherever it dies: running it again does the rest. What is to be done is written down first (`plan`), and carried out
//! in an order of its own (`moves`); why just so: `docs/decisions/0017-the-way-back.md`. Memory does not grow with the
//! number of files.

mod errors;
mod failed;
mod listing;
mod moves;
mod plan;
mod processed;
mod reason;
mod session;

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::claim::{feed_prefix, read_all};
use crate::config::{Config, Destination as Target, Feed, Pattern};
use crate::destination::QueryError;
use crate::object::{File, Key, Prefix};
use crate::ports::{Objects, PortError, PortErrorKind, Ports};

pub use errors::{Group, errors};
pub use failed::redrive;
pub use processed::{Reload, reload};
pub use reason::Reason;

use crate::verify::names::REASON;
use listing::Listing;
use moves::Mover;
use plan::{Folder, Move, Origin, Plan, Stored};

/// Which files are meant, and how they are gone about.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only files whose names under the feed's prefix match.
    pub matching: Option<Pattern>,
    /// Only files that came to `failed/` or `processed/` then or later.
    pub since: Option<Timestamp>,
    /// Only tells what would be done.
    pub dry_run: bool,
    /// How many files are planned, and held in memory, together.
    pub together: usize,
    /// How many calls are under way at once.
    pub at_once: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { matching: None, since: None, dry_run: false, together: 4000, at_once: 128 }
    }
}

impl Options {
    /// Whether a file of this name that came then is meant.
    fn mean(&self, name: &str, came: Timestamp) -> bool {
        self.since.is_none_or(|since| came >= since)
            && self.matching.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

/// What is told meanwhile.
#[derive(Clone, Debug)]
pub enum News {
    /// An earlier reload was not finished; this one goes on with it, and with what was loaded by then.
    Continues(Timestamp),
    /// What an earlier run left half-way is finished first: so many files.
    Resumes(u64),
    /// This file would go there.
    Would(File, Key),
    /// So many more files are back.
    Moved(u64),
    /// This one stays.
    Stays(Key, Stays),
    /// Something about this failed; the others go on.
    Failed(String, String),
}

/// Why a file is not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// Something has its name in `incoming/`.
    Occupied,
    /// A claim holds it.
    InFlight,
    /// Something took its name in `incoming/` while it was on its way; it is kept aside.
    Aside,
    /// It was moved or replaced by somebody else meanwhile.
    Gone,
    /// The feed's `include` and `exclude` pass over it, so that nothing would load it.
    NotTaken,
    /// Nothing says which file it was: there is no `.error.json`.
    NoReason,
    /// Nothing says which file it was: the ledger has none that it can be.
    NotRecorded,
}

impl Stays {
    /// What it means, and what to do.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Occupied => {
                "another object has its name in incoming/: run this again once that is loaded, or remove it"
            }
            Self::InFlight => "a claim holds it: run this again when it is finished",
            Self::Aside => {
                "another object took its name in incoming/ meanwhile; it is safe under the state prefix, in redrive/: run \
                 this again once that object is loaded"
            }
            Self::Gone => "somebody else has moved or replaced it meanwhile",
            Self::NotTaken => "the feed does not take this name (include, exclude): nothing would load it",
            Self::NoReason => {
                "there is no .error.json that says which file it was: move it by hand, or wait if it has just come"
            }
            Self::NotRecorded => {
                "the ledger has no file that it can be: nothing has to be forgotten; move it by hand to have it loaded"
            }
        }
    }

    /// Whether running it again later can move the file.
    fn passes(self) -> bool {
        matches!(self, Self::Occupied | Self::InFlight | Self::Aside)
    }
}

/// The numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The feed's name.
    pub feed: String,
    /// Files back in `incoming/`; with a dry run, those that would be.
    pub moved: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that stay.
    pub stay: u64,
    /// Of them: those that may be moved later.
    pub later: u64,
    /// What failed.
    pub failed: u64,
    /// Files left out, since they were loaded after the reload had begun.
    pub loaded_since: u64,
    /// The most files that were held in memory at once.
    pub most_held: usize,
}

impl Account {
    /// Whether all that was meant is done.
    #[must_use]
    pub fn done(&self) -> bool {
        self.stay == 0 && self.failed == 0
    }
}

/// How many objects there are to look at before a redrive or a reload is through; reasons are not counted.
///
/// # Errors
/// When a page cannot be had.
pub async fn count(objects: &impl Objects, under: &Prefix, mut tell: impl FnMut(u64)) -> Result<u64, PortError> {
    let (mut listing, mut number) = (Listing::new(objects, under.clone()), 0);
    while let Some(page) = listing.page().await? {
        number += page.iter().filter(|file| !file.key.as_str().ends_with(REASON)).count() as u64;
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
        source: QueryError,
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

/// A run over one feed.
struct Running<'a, P, T> {
    config: &'a Config,
    ports: &'a P,
    feed: &'a Feed,
    options: &'a Options,
    folder: Folder,
    tell: &'a mut T,
    account: Account,
}

impl<'a, P: Ports, T: FnMut(News)> Running<'a, P, T> {
    fn new(
        config: &'a Config,
        ports: &'a P,
        feed: &'a Feed,
        options: &'a Options,
        tell: &'a mut T,
    ) -> Result<Self, PortError> {
        let folder = Folder::new(&config.bucket, feed)?;
        let account = Account { feed: feed.name.to_string(), ..Account::default() };
        Ok(Self { config, ports, feed, options, folder, tell, account })
    }

    /// Does what an earlier run, or one that was stopped, has left half-way.
    async fn resume(&mut self) -> Result<(), RedriveError> {
        // Listed before the plans: what has no plan now has lost it, and is not that of a run that begins just now.
        let aside = self.folder.aside(self.ports.objects()).await?;
        let plans = self.folder.plans(self.ports.objects()).await?;
        let known: HashSet<String> = plans.iter().map(|stored| stored.id.clone()).collect();
        let strays: Vec<File> =
            aside.into_iter().filter(|file| !known.contains(self.folder.id_of(&file.key))).collect();
        let files = plans.iter().map(|stored| stored.plan.moves.len()).sum::<usize>() + strays.len();
        if files > 0 {
            (self.tell)(News::Resumes(files as u64));
        }
        if self.options.dry_run {
            return Ok(());
        }
        for stored in plans {
            self.carry_out(stored).await?;
        }
        let mover = self.mover();
        for file in strays {
            let ended = mover.stray(&file).await;
            self.take(file.key.as_str(), &file, ended);
        }
        Ok(())
    }

    /// Writes down what is to be done, and does it.
    async fn go(&mut self, origin: Origin, until: Option<Timestamp>, moves: Vec<Move>) -> Result<(), RedriveError> {
        self.account.most_held = self.account.most_held.max(moves.len());
        let moves = self.admit(moves).await?;
        if self.options.dry_run {
            for one in moves {
                self.account.moved += 1;
                self.account.bytes += one.from.size;
                (self.tell)(News::Would(one.from, one.to));
            }
            return Ok(());
        }
        if moves.is_empty() {
            return Ok(());
        }
        let plan = Plan { feed: self.feed.name.to_string(), origin, until, moves };
        let stored = self.folder.write(self.ports, plan).await?;
        self.carry_out(stored).await
    }

    async fn carry_out(&mut self, stored: Stored) -> Result<(), RedriveError> {
        let (before, files) = (self.account.clone(), stored.plan.moves.len());
        let mover = self.mover();
        let all = stored.plan.moves.clone();
        let ended = mover.carry_out(stored).await?;
        for (one, end) in all.iter().zip(ended) {
            self.take(one.from.key.as_str(), &one.from, end);
        }
        (self.tell)(News::Moved(self.account.moved - before.moved));
        let failed = self.account.failed - before.failed;
        if failed == files as u64 { Err(RedriveError::Stuck(failed)) } else { Ok(()) }
    }

    fn mover(&self) -> Mover<'a, P> {
        Mover {
            config: self.config,
            ports: self.ports,
            feed: self.feed,
            folder: self.folder.clone(),
            at_once: self.options.at_once,
        }
    }

    /// Counts what became of a file, and tells what is not as it was meant.
    fn take(&mut self, subject: &str, file: &File, end: Result<moves::End, PortError>) {
        match end {
            Ok(moves::End::Back) => {
                self.account.moved += 1;
                self.account.bytes += file.size;
            }
            Ok(moves::End::Stays(why)) => self.stays(&file.key, why),
            Err(error) => self.failed(subject, &error),
        }
    }

    fn stays(&mut self, key: &Key, why: Stays) {
        self.account.stay += 1;
        self.account.later += u64::from(why.passes());
        (self.tell)(News::Stays(key.clone(), why));
    }

    fn failed(&mut self, subject: &str, error: &PortError) {
        self.account.failed += 1;
        (self.tell)(News::Failed(subject.to_owned(), error.to_string()));
    }

    /// Leaves out what cannot be moved now.
    ///
    /// First what is in `incoming/`, then the claims: a file that was not in `incoming/` at the first look and is in no
    /// claim at the second is nobody's to work on any more.
    async fn admit(&mut self, moves: Vec<Move>) -> Result<Vec<Move>, RedriveError> {
        let mut free = Vec::with_capacity(moves.len());
        let mut names = HashSet::new();
        let mut distinct = Vec::new();
        for one in moves {
            let name = self.config.incoming(self.feed).strip(&one.to).map(str::to_owned);
            if name.is_none_or(|name| !self.feed.takes(&name, one.from.size)) {
                self.stays(&one.from.key, Stays::NotTaken);
                continue;
            }
            if names.insert(one.to.clone()) {
                distinct.push(one);
            } else {
                self.stays(&one.from.key, Stays::Occupied);
            }
        }
        let objects = self.ports.objects();
        let looks = stream::iter(distinct).map(async |one| {
            let there = objects.head(&one.to).await;
            (one, there)
        });
        let mut looks = std::pin::pin!(looks.buffered(self.options.at_once));
        while let Some((one, there)) = looks.next().await {
            match there? {
                None => free.push(one),
                Some(_) => self.stays(&one.from.key, Stays::Occupied),
            }
        }
        if free.is_empty() {
            return Ok(free);
        }
        let held = held(self.config, self.ports, self.feed).await?;
        let (held, free): (Vec<Move>, Vec<Move>) = free.into_iter().partition(|one| held.holds(self.config, one));
        for one in held {
            self.stays(&one.from.key, Stays::InFlight);
        }
        Ok(free)
    }
}

/// The keys that claims hold.
struct Held(HashSet<Key>);

impl Held {
    /// Whether a claim holds the file, or one whose copy in `failed/` has the name of the file's reason.
    fn holds(&self, config: &Config, one: &Move) -> bool {
        let named = |key: &Key| config.bucket.incoming.key(config.bucket.failed.strip(key)?).ok();
        self.0.contains(&one.to)
            || one.reasons.iter().any(|(key, _)| named(key).is_some_and(|key| self.0.contains(&key)))
    }
}

async fn held<P: Ports>(config: &Config, ports: &P, feed: &Feed) -> Result<Held, PortError> {
    let prefix = feed_prefix(&config.bucket, feed)
        .map_err(|error| PortError::new("claims", config.bucket.state.as_str(), PortErrorKind::Invalid, error))?;
    let seen = read_all(ports.objects(), &prefix).await?;
    let claims = seen.into_iter().filter_map(|seen| seen.claim.ok());
    Ok(Held(claims.flat_map(|claim| claim.all_files().map(|file| file.key.clone()).collect::<Vec<_>>()).collect()))
}

/// An answer that the ledger did not give.
fn no_ledger(feed: &Feed, source: QueryError) -> RedriveError {
    let Target::Redshift(target) = &feed.destination;
    RedriveError::Ledger { ledger: target.ledger.to_string(), source }
}
