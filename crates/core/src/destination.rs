//! The port to a warehouse: start the transaction that loads a batch, ask how far it is, and ask the ledger.
//!
//! Never knows SQL. Each destination keeps the promise that matters: rows and ledger change in one transaction, and a
//! batch with a file that is in the ledger changes nothing. This is one file because a destination implements all of
//! it.

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
    /// Does early what the load needs outside of its transaction, while the caller waits for something else. Optional:
    /// [`Loads::start`] does it otherwise.
    fn prepare(&self, _feed: &Feed, _load: &Load<'_>) -> impl Future<Output = Result<(), PortError>> + Send {
        async { Ok(()) }
    }

    /// Starts the one transaction that loads the files and writes them into the ledger. Does not wait for one that runs
    /// by itself. A destination that does the work in this call answers how it ended.
    ///
    /// Two calls with the same `load` (token included) start one transaction, for as long as the destination remembers
    /// tokens. After that, and for another attempt, the ledger ensures that the files are loaded once.
    fn start(&self, feed: &Feed, load: &Load<'_>) -> impl Future<Output = Result<Started, PortError>> + Send;

    /// How far a transaction of these files is. Waits for its end, at most `wait`.
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
    /// Creates the feed's ledger, with all that belongs to it, where there is none. Fails where the ledger knows files
    /// by another identity than the feed's.
    fn create_ledger(&self, feed: &Feed, asking: &Asking) -> impl Future<Output = Result<(), QueryError>> + Send;

    /// Those of the files that the ledger has, by their ids there, with the version in which each was loaded. None
    /// where there is no ledger yet. Waits for a load that holds the ledger.
    fn loaded(
        &self,
        feed: &Feed,
        files: &[File],
        asking: &Asking,
    ) -> impl Future<Output = Result<HashMap<FileId, ETag>, QueryError>> + Send;

    /// Entries of the ledger; none where there is no ledger yet. May wait for loads to end.
    fn entries(
        &self,
        feed: &Feed,
        of: Of<'_>,
        asking: &Asking,
    ) -> impl Future<Output = Result<Vec<Entry>, QueryError>> + Send;

    /// Takes files out of the ledger, so that they can be loaded again: those that were recorded at `until` or before,
    /// to the second. What was recorded later stays. So doing it twice changes nothing more, even if a file was loaded
    /// meanwhile. Waits for loads to end.
    fn forget(
        &self,
        feed: &Feed,
        files: &[FileId],
        until: Timestamp,
    ) -> impl Future<Output = Result<(), QueryError>> + Send;
}

/// Finds out what a transaction does not report by itself, and corrects the ledger. A destination that reads exactly
/// the planned versions, and whose failures name the bad files, has nothing to repair.
pub trait Repairs: Send + Sync {
    /// Which of the batch's files the warehouse refuses, and why, after its transaction failed for bad data.
    ///
    /// Changes no table. May name only some of the bad files: the caller asks for the rest after the next failure. If
    /// the answer is late, the caller asks again with the next [`Asking::look`].
    fn bad_files(
        &self,
        _feed: &Feed,
        _load: &Load<'_>,
        _begun: &Begun,
        _asking: &Asking,
    ) -> impl Future<Output = Result<Refused, QueryError>> + Send {
        async { Ok(Refused::default()) }
    }

    /// Which version of each file the transaction read, where the warehouse knows it.
    fn versions_read(
        &self,
        _feed: &Feed,
        _begun: &Begun,
        files: &[File],
        _asking: &Asking,
    ) -> impl Future<Output = Result<HashMap<Key, ETag>, QueryError>> + Send {
        async { Ok(files.iter().map(|file| (file.key.clone(), file.etag.clone())).collect()) }
    }

    /// Corrects identities in the ledger: what was recorded as the first file of a pair was in truth the second. Doing
    /// it twice changes nothing more. Waits for a load that holds the ledger.
    fn amend(
        &self,
        _feed: &Feed,
        _replaced: &[(File, File)],
        _asking: &Asking,
    ) -> impl Future<Output = Result<(), QueryError>> + Send {
        async { Ok(()) }
    }
}

/// Which entries of a ledger to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// A page of all, in the byte order of their places.
    Page {
        /// The first place.
        from: &'a str,
        /// How many entries to leave out there: those that the last page ended with.
        skip: usize,
        /// The most entries of the page. A page with fewer is the last.
        limit: usize,
    },
    /// Those of these files.
    Files(&'a [FileId]),
    /// Those of these keys, in all versions. At most a few thousand keys.
    Keys(&'a [Key]),
}

/// Reads a whole ledger page by page.
///
/// ```
/// use sluice_core::destination::{Asking, Pages};
/// # use sluice_core::batch::BatchId;
/// # use sluice_core::destination::{Load, Loads};
/// # use sluice_core::testing::{TestPorts, target::config};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let world = TestPorts::default();
/// # let (warehouse, feed) = (world.destination, &config("flights", "flights/", "").feeds[0]);
/// # let files = ["a", "b", "c"].map(|name| world.objects.drop_file(&format!("incoming/flights/{name}"), "1,x\n"));
/// # let batch = BatchId::of(&files);
/// # let load = Load { slot: 0, batch: &batch, files: &files, token: "1", compression: None, prepared: false };
/// # warehouse.start(feed, &load).await?;
///
/// let (mut pages, mut bytes) = (Pages::of(2), 0);
/// while let Some(page) = pages.next(&warehouse, feed, &Asking::patiently()).await? {
///     bytes += page.iter().map(|entry| entry.size).sum::<u64>();
/// }
/// assert_eq!(bytes, 3 * 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pages {
    from: String,
    skip: usize,
    limit: usize,
    ended: bool,
}

impl Pages {
    /// Starts at the beginning, with so many entries a page.
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
            // Several entries may have one place. The next page begins there, behind those that were read.
            self.skip = if place == self.from { self.skip + 1 } else { 1 };
            self.from = place;
        }
        Ok(Some(page))
    }
}

/// A file in a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub id: FileId,
    /// Its key as it was recorded: a NUL, which no warehouse takes in a text, is a `?` there.
    pub key: Key,
    /// The version of its content.
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    /// When the transaction recorded it, to the second.
    pub loaded_at: Timestamp,
}

impl Entry {
    /// Its place in the order of pages: its key, a dot, its `ETag`. The archive names a second version of a path in the
    /// same way. Never ends in a blank, because some warehouses do not compare those.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}.{}", self.key, self.etag)
    }
}

/// A batch to load.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The feed's slot that the batch fills.
    pub slot: usize,
    /// The batch's id.
    pub batch: &'a BatchId,
    /// Its files. Not empty, no key twice.
    pub files: &'a [File],
    /// Differs for every attempt at every batch by every claim.
    pub token: &'a str,
    /// How all of the files are packed.
    pub compression: Option<Compression>,
    /// Whether [`Loads::prepare`] has succeeded for the same load.
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
    /// Its transaction runs by itself: [`Loads::poll`] says how far it is.
    Detached(Begun),
    /// It has ended. If it is asked for later all the same, because a later step failed, [`Loads::poll`] answers the same
    /// end or [`Progress::Forgotten`]: then the ledger tells. The same token gives it the same id, so that what is written
    /// about a bad file is written once.
    Ended(Begun, Result<Loaded, Failure>),
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
    /// Which of its statements does what. `None` if an older version of Sluice started it.
    pub roles: Option<Roles>,
}

/// Which statement of a transaction does what, counted from 0. A claim keeps it with the transaction's id, because the
/// configuration may change while the transaction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Takes the ledger's lock.
    pub lock: usize,
    /// Fails if a file is in the ledger.
    pub guard: usize,
    /// Loads the files.
    pub copy: usize,
}

/// How to ask a question. Several callers with the same token never ask the same question side by side.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    /// The same token and question are asked once, for as long as the destination remembers tokens. `None`: each call
    /// asks.
    pub token: Option<String>,
    /// The name of the question that runs already, and its statement.
    pub noted: Option<(String, StatementId)>,
    /// How often the answer was late before. A question that was answered too early is asked again.
    pub look: usize,
    /// How long to wait for the answer; after that, [`QueryError::Slow`].
    pub wait: Duration,
}

impl Asking {
    /// An operator's question to the ledger. It may wait for a load to end, and for another one to begin.
    #[must_use]
    pub fn patiently() -> Self {
        Self::once(Duration::from_mins(10))
    }

    /// An operator's question: nobody resumes it.
    #[must_use]
    pub fn once(wait: Duration) -> Self {
        Self { wait, ..Self::default() }
    }
}

/// How far a transaction is.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It has not ended.
    Running,
    /// Committed.
    Loaded(Loaded),
    /// Rolled back.
    Failed(Failure),
    /// The destination no longer knows it. Only the ledger shows how it ended.
    Forgotten,
}

impl From<Result<Loaded, Failure>> for Progress {
    fn from(end: Result<Loaded, Failure>) -> Self {
        end.map_or_else(Self::Failed, Self::Loaded)
    }
}

/// A committed load.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Rows, where the destination reports them.
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
    /// The destination's own message, cut to a readable length.
    pub message: String,
    /// What an operator should do, where the message shows what is wrong.
    pub advice: Option<&'static str>,
    /// The one file of the batch that the message names. It need not be the cause.
    pub file: Option<Key>,
    /// When it ended, by the same clock as [`Loaded::at`].
    pub at: Option<Timestamp>,
}

/// Why a transaction was rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A file of the batch is in the ledger.
    AlreadyLoaded,
    /// The warehouse refuses the content of a file.
    BadData,
    /// A file was not there.
    FileMissing,
    /// An object was not there: a file, or something that the feed's options name.
    ObjectMissing,
    /// There is no ledger yet.
    LedgerMissing,
    /// A retry may succeed.
    Transient,
    /// Somebody has to fix something first. Nothing is wrong with the files.
    Configuration,
    /// Unknown. The cause may be the warehouse or the content of a file.
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
        /// Its id.
        statement: StatementId,
        /// Why.
        failure: Failure,
    },
    /// The statement has not ended yet. Asking again with [`Asking::noted`] resumes it.
    #[error("statement {statement} ({what}) has not ended yet")]
    Slow {
        /// The question's name.
        what: String,
        /// Its statement.
        statement: StatementId,
    },
}

/// Which files the warehouse refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Those that it has named so far, with its reasons.
    pub files: HashMap<Key, Refusal>,
    /// It has recorded more errors, and does not show them yet.
    pub late: bool,
}

/// Why the warehouse refuses a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The destination's error code.
    pub code: Option<i64>,
    /// The destination's message.
    pub message: String,
    /// The line in the file, from 1.
    pub line: Option<u64>,
    /// The column.
    pub column: Option<String>,
    /// The text of the line, cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_line: Option<String>,
}
