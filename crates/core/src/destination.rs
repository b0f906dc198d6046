//! The port to a warehouse, whichever it is: start the transaction that loads a batch, ask how it stands, ask what the
//! ledger knows.
//!
//! Nothing here knows SQL. Each destination keeps the promise that matters: rows and ledger change in one transaction,
//! and a batch of which any file is in the ledger changes nothing.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::BatchId;
use crate::config::{Compression, Feed};
use crate::object::{ETag, File, FileId, Key};
use crate::port_error::PortError;

/// Where a feed's rows go: it loads batches, keeps a ledger, and repairs what only some destinations must.
pub trait Destination: Loads + Ledger + Repairs {}

impl<D: Loads + Ledger + Repairs> Destination for D {}

/// Loads batches: rows and ledger change in one transaction.
pub trait Loads: Send + Sync {
    /// Does beforehand what the load needs that is no part of its transaction, while something else takes its time. Nothing
    /// depends on it: [`Loads::start`] does it where it was not done.
    fn prepare(&self, _feed: &Feed, _load: &Load<'_>) -> impl Future<Output = Result<(), PortError>> + Send {
        async { Ok(()) }
    }

    /// Starts the one transaction that loads the files and writes them into the ledger. One that runs by itself is not
    /// waited for; a destination that does the work in this call answers how it ended.
    ///
    /// The same `load` (token included) asked for twice starts one transaction, for as long as the destination remembers
    /// tokens; after that, and for another attempt, the ledger sees to it that the files are loaded once.
    fn start(&self, feed: &Feed, load: &Load<'_>) -> impl Future<Output = Result<Started, PortError>> + Send;

    /// How a transaction of these files stands; waits for its end, at most `wait`.
    fn poll(
        &self,
        feed: &Feed,
        begun: &Begun,
        files: &[File],
        wait: Duration,
    ) -> impl Future<Output = Result<Progress, PortError>> + Send;
}

/// Keeps the ledger of a feed: which files are loaded.
pub trait Ledger: Send + Sync {
    /// Makes the feed's ledger where there is none, and what belongs to it. Fails where there is one that knows files by
    /// something else than the feed says.
    fn create_ledger(&self, feed: &Feed, asking: &Asking) -> impl Future<Output = Result<(), QueryError>> + Send;

    /// Which of the files the ledger has, by what it knows them by, and in which version each was loaded; none where there
    /// is no ledger yet. Waits for a load that holds the ledger.
    fn loaded(
        &self,
        feed: &Feed,
        files: &[File],
        asking: &Asking,
    ) -> impl Future<Output = Result<HashMap<FileId, ETag>, QueryError>> + Send;

    /// What the ledger says of some files; nothing where there is no ledger yet. May wait for loads to end.
    fn entries(
        &self,
        feed: &Feed,
        of: Of<'_>,
        asking: &Asking,
    ) -> impl Future<Output = Result<Vec<Entry>, QueryError>> + Send;

    /// Takes files out of the ledger, so that they can be loaded again: those of them that were recorded at `until` or
    /// before, to the second. Waits for loads to end. What was recorded later stays, so that doing it twice changes
    /// nothing more, whatever was loaded meanwhile.
    fn forget(
        &self,
        feed: &Feed,
        files: &[FileId],
        until: Timestamp,
    ) -> impl Future<Output = Result<(), QueryError>> + Send;
}

/// Finds out what a transaction does not say by itself, and corrects the ledger. A destination that reads exactly the
/// planned versions, and whose failures name the bad files, has nothing to repair.
pub trait Repairs: Send + Sync {
    /// Which of the batch's files the warehouse refuses, and why, after its transaction failed for bad data.
    ///
    /// Changes no table. May load nothing, and may name some of the bad files only: the rest is asked for again. Where it
    /// is late, it is asked again with the next [`Asking::look`].
    fn bad_files(
        &self,
        _feed: &Feed,
        _load: &Load<'_>,
        _begun: &Begun,
        _asking: &Asking,
    ) -> impl Future<Output = Result<Refused, QueryError>> + Send {
        async { Ok(Refused::default()) }
    }

    /// Which version of each file the transaction read, as far as the warehouse knows.
    fn versions_read(
        &self,
        _feed: &Feed,
        _begun: &Begun,
        files: &[File],
        _asking: &Asking,
    ) -> impl Future<Output = Result<HashMap<Key, ETag>, QueryError>> + Send {
        async { Ok(files.iter().map(|file| (file.key.clone(), file.etag.clone())).collect()) }
    }

    /// Replaces identities in the ledger: what was recorded as the first file of a pair was in truth the second.
    /// Doing it twice changes nothing more. Waits for a load that holds the ledger.
    fn amend(
        &self,
        _feed: &Feed,
        _replaced: &[(File, File)],
        _asking: &Asking,
    ) -> impl Future<Output = Result<(), QueryError>> + Send {
        async { Ok(()) }
    }
}

/// Which entries of a ledger are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// A page of all, in the byte order of their places.
    Page {
        /// The first place.
        from: &'a str,
        /// How many entries are left out there: those that the last page ended with.
        skip: usize,
        /// The most that are answered; fewer are the last.
        limit: usize,
    },
    /// Those of these files.
    Files(&'a [FileId]),
    /// Those of these keys, whatever their contents; not more than a few thousand of them.
    Keys(&'a [Key]),
}

/// A whole ledger, read page by page.
#[derive(Debug)]
pub struct Pages {
    from: String,
    skip: usize,
    limit: usize,
    ended: bool,
}

impl Pages {
    /// From the beginning, with so many entries a page.
    #[must_use]
    pub fn of(limit: usize) -> Self {
        Self { from: String::new(), skip: 0, limit: limit.max(1), ended: false }
    }

    /// The next page, which may be empty; `None` behind the last.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn next(
        &mut self,
        ledger: &impl Ledger,
        feed: &Feed,
        asking: &Asking,
    ) -> Result<Option<Vec<Entry>>, QueryError> {
        if self.ended {
            return Ok(None);
        }
        let of = Of::Page { from: &self.from, skip: self.skip, limit: self.limit };
        let page = ledger.entries(feed, of, asking).await?;
        self.ended = page.len() < self.limit;
        for place in page.iter().map(Entry::place) {
            // Several entries may have one place: the next page begins there, behind those that were seen.
            self.skip = if place == self.from { self.skip + 1 } else { 1 };
            self.from = place;
        }
        Ok(Some(page))
    }
}

/// What a ledger says of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub id: FileId,
    /// Its key as it was recorded: a NUL, which no warehouse takes in a text, is a `?` there.
    pub key: Key,
    /// Which content it had.
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    /// When the transaction recorded it, to the second.
    pub loaded_at: Timestamp,
}

impl Entry {
    /// Where it stands in the order of pages: its key, a dot, its `ETag`, which is also how the archive names a second
    /// version of the same path. Never ends in a blank, which some warehouses do not compare.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}.{}", self.key, self.etag)
    }
}

/// What is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The feed's slot that the batch fills.
    pub slot: usize,
    /// The batch's id.
    pub batch: &'a BatchId,
    /// Its files. Not empty, no key twice.
    pub files: &'a [File],
    /// Tells this attempt at this batch by this claim from all others.
    pub token: &'a str,
    /// How all of the files are packed.
    pub compression: Option<Compression>,
    /// Whether [`Loads::prepare`] has ended well for the same load.
    pub prepared: bool,
}

/// A transaction's id at its destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatementId(pub String);

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a load begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Started {
    /// Its transaction runs by itself: [`Loads::poll`] tells how it stands.
    Detached(Begun),
    /// It has ended: [`Progress::Loaded`] or [`Progress::Failed`]. Nobody asks for it later: after a death before that was
    /// noted, the ledger tells. The same token gives it the same id, that what is written about a bad file is written once.
    Ended(Begun, Progress),
}

impl Started {
    /// The transaction, whether it runs or has ended.
    #[must_use]
    pub fn begun(&self) -> &Begun {
        let (Self::Detached(begun) | Self::Ended(begun, _)) = self;
        begun
    }
}

/// A transaction that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its id.
    pub statement: StatementId,
    /// Which of its statements does what; `None` where an older version started it.
    pub roles: Option<Roles>,
}

/// Which statement of a transaction does what, counted from 0. A claim bears it with the transaction's id: the
/// configuration that shaped the transaction may change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Takes the ledger's lock.
    pub lock: usize,
    /// Fails if a file is in the ledger.
    pub guard: usize,
    /// Loads the files.
    pub copy: usize,
}

/// How a question is asked: the same question is never asked twice side by side, whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    /// The same token and question are asked once, for as long as the destination remembers tokens; none: each call
    /// asks.
    pub token: Option<String>,
    /// The question that is under way already, by its name, and its statement.
    pub noted: Option<(String, StatementId)>,
    /// How often the answer was late before: what was answered too early is asked anew.
    pub look: usize,
    /// How long to wait for the answer; after that, [`QueryError::Slow`].
    pub wait: Duration,
}

/// How long an operator's question may take: it may wait for a load to end, and for another one to begin.
const LONG_PATIENCE: Duration = Duration::from_mins(10);

impl Asking {
    /// A question to the ledger that an operator waits for.
    #[must_use]
    pub fn patiently() -> Self {
        Self::once(LONG_PATIENCE)
    }

    /// A question that nobody takes up again: an operator's.
    #[must_use]
    pub fn once(wait: Duration) -> Self {
        Self { wait, ..Self::default() }
    }
}

/// How a transaction stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Not at its end.
    Running,
    /// Committed.
    Loaded(Loaded),
    /// Rolled back.
    Failed(Failure),
    /// The destination no longer knows it. Only the ledger can tell how it ended.
    Forgotten,
}

/// A committed load.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Rows, where the destination says how many.
    pub rows: Option<u64>,
    /// When it was committed, by the destination's clock.
    pub at: Timestamp,
    /// How long it ran.
    pub duration: Duration,
}

/// A transaction that was rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What can be done about it.
    pub kind: FailureKind,
    /// The destination's own words, cut to a readable length.
    pub message: String,
    /// What an operator should do, where the words say what is wrong.
    pub advice: Option<&'static str>,
    /// The one file of the batch that the words name. That need not mean that it is to blame.
    pub file: Option<Key>,
    /// When it ended, by the same clock that says when others were committed.
    pub at: Option<Timestamp>,
}

/// Why a transaction was rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A file of the batch is in the ledger.
    AlreadyLoaded,
    /// The warehouse refuses what is in some file.
    BadData,
    /// A file was not there.
    FileMissing,
    /// An object was not there: a file, or something that the feed's options name.
    ObjectMissing,
    /// There is no ledger yet.
    LedgerMissing,
    /// It may work when tried again as it is.
    Transient,
    /// Somebody has to mend something first; nothing is wrong with the files.
    Configuration,
    /// Nobody knows. It may be about the warehouse, and it may be about what is in some file.
    Unknown,
}

/// A question to the warehouse that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The call failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The statement failed.
    #[error("statement {statement} failed: {}", failure.message)]
    Failed {
        /// Which.
        statement: StatementId,
        /// Why.
        failure: Failure,
    },
    /// The statement has not ended yet. Asking again with it noted takes it up.
    #[error("statement {statement} ({what}) has not ended yet")]
    Slow {
        /// Which question.
        what: String,
        /// Its statement.
        statement: StatementId,
    },
}

/// Which files the warehouse refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Those that it names by now, with its reasons.
    pub files: HashMap<Key, Refusal>,
    /// It has noted more, and does not show it yet.
    pub late: bool,
}

/// Why the warehouse refuses a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The destination's error code.
    pub code: Option<i64>,
    /// The destination's words.
    pub message: String,
    /// The line in the file, from 1.
    pub line: Option<u64>,
    /// The column.
    pub column: Option<String>,
    /// The line as it stands in the file, cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_line: Option<String>,
}
