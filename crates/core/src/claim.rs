//! Claim: the object that fills a slot and says who loads which batch.
//!
//! This file owns what a claim says. Its modules fill slots, take leases, read claims and narrow them. A claim only
//! saves double work. That no file is loaded twice is the ledger's promise, and never this module's.

mod doubt;
mod give_way;
mod inspected;
mod keys;
mod lease;
mod parts;
pub mod resting;
mod slots;
mod survey;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::batch::BatchId;
use crate::config::{Compression, Feed};
use crate::destination::{Begun, Roles, StatementId};
use crate::hash;
use crate::object::{File, FileId, Prefix};
use crate::run::{Run, later};

pub use doubt::{Doubt, Stage};
pub(crate) use give_way::Others;
pub use keys::{claims_prefix, is_slot_key, slot_key};
pub use lease::LeasedClaim;
pub(crate) use lease::{LeaseError, Taken, take, wake};
pub(crate) use parts::Going;
pub(crate) use slots::fill;
pub use slots::{Free, Slots, of_feed, place};
pub(crate) use survey::list;
pub use survey::{Seen, Survey};

/// How long the lister waits for a worker to take a claim before it sends another.
const DISPATCH_GRACE: SignedDuration = SignedDuration::from_secs(45);

/// A claim as it stands in the bucket. Readers ignore fields that they do not know: a newer version may have written
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "they are fields of JSON")]
pub struct Claim {
    /// The feed's name.
    pub feed: String,
    /// Which of the feed's slots it fills, from 0.
    pub slot: usize,
    /// The id of the batch that `files` are.
    pub batch: BatchId,
    /// The files that are being loaded.
    pub files: Vec<File>,
    /// When the slot was filled.
    pub created_at: Timestamp,
    /// Which attempt this is, from 0.
    #[serde(default)]
    pub attempt: u32,
    /// Who holds the lease; empty: nobody, and any worker may take it.
    #[serde(default)]
    pub owner: String,
    /// From when on anybody may take the lease, and the lister sends a worker.
    pub lease_expires_at: Timestamp,
    /// The transaction that loads the batch, once there is one.
    #[serde(default)]
    pub statement_id: Option<StatementId>,
    /// Which of that transaction's statements does what.
    #[serde(default, skip_serializing_if = "is_default")]
    pub roles: Option<Roles>,
    /// Since when there may be a transaction that the claim does not name: the reply to its submission was lost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: Option<Timestamp>,
    /// A question to the warehouse that is under way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub question: Option<Question>,
    /// How many questions of this attempt failed. The next one is asked with a token of its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub asked: u32,
    /// The time before which it is not tried.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// The latest error, and what to do.
    #[serde(default)]
    pub last_error: Option<String>,
    /// How many times in a row it failed; sets the pace of retries.
    #[serde(default)]
    pub failures: u32,
    /// When it failed first, if it still does: by the warehouse's clock, which also says when others were loaded, or
    /// the latest that it can have been.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failing_since: Option<Timestamp>,
    /// When it failed last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failed_at: Option<Timestamp>,
    /// One file of the batch that failed last. It tells that batch's compression: files of another one were not in it, and
    /// so have not failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failed_with: Option<FileId>,
    /// Transactions of the feed's other batches that ran when it failed. If one of them is committed, the feed works.
    #[serde(default, skip_serializing_if = "is_default")]
    pub beside: Vec<StatementId>,
    /// A part of this claim was loaded since it failed first: the feed works.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vouched: bool,
    /// How many times it failed since a part of it was loaded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub streak: u32,
    /// Another claim of the feed was failing: a success of this one is noted, since it shows that the feed works.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notes_success: bool,
    /// Versions that the transaction read in place of planned ones. They are set only after its commit, and until
    /// ledger and archive know them. The transaction need not be asked for any more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read: Vec<File>,
    /// How many times in a row the warehouse was too full to take its transaction.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refused: u32,
    /// Files that are loaded after those in `files`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub later: Vec<File>,
    /// If `files` are good, there is a bad file among so many of the first of `later`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub suspects: usize,
    /// Files that failed alone, or that an error named. Each is tried alone, after the others; until then they are not
    /// being loaded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub doubted: Vec<Doubt>,
    /// The doubted file that is being tried: the only one of `files`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trying: Option<Doubt>,
    /// The resting file that is being tried again. It keeps its own object until it is done.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rested: Option<File>,
    /// The look for bad files fails, or never ends: halves find them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub blind: bool,
    /// Files that an older version let rest in their claim.
    #[serde(default, skip_serializing)]
    resting: Vec<OldResting>,
    /// The heads of its files were inspected.
    #[serde(default, skip_serializing_if = "is_default")]
    pub inspected: bool,
    /// Its files that are packed otherwise than their names or the feed say, and how; `None`: not packed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub packed: BTreeMap<FileId, Option<Compression>>,
    /// Its files that are not empty, and hold no row.
    #[serde(default, skip_serializing_if = "is_default")]
    pub without_rows: Vec<FileId>,
    /// Whether another claim has one of these files is still to be checked. Older versions did not write this.
    #[serde(default)]
    pub unchecked: bool,
}

/// A question to the warehouse that was not answered in time. The next invocation takes it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Which question.
    pub what: String,
    /// Its statement.
    pub statement_id: StatementId,
    /// How many invocations have waited for it.
    pub waits: u32,
}

/// How older versions kept resting files, before those had objects of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct OldResting {
    file: File,
}

impl Claim {
    /// A claim on `files`, held by `run` from the beginning.
    #[must_use]
    pub fn held(feed: &Feed, slot: usize, files: Vec<File>, now: Timestamp, run: &Run) -> Self {
        Self {
            feed: feed.name.to_string(),
            slot,
            batch: BatchId::of(&files),
            files,
            created_at: now,
            owner: run.owner.clone(),
            lease_expires_at: run.lease_expires_at(),
            unchecked: true,
            ..Self::default()
        }
    }

    /// A claim on a resting file, which is tried once.
    #[must_use]
    pub fn on_resting(feed: &Feed, slot: usize, doubt: Doubt, now: Timestamp, run: &Run) -> Self {
        let mut claim = Self::held(feed, slot, Vec::new(), now, run);
        claim.rested = Some(doubt.file.clone());
        claim.try_doubt(doubt);
        claim
    }

    /// A claim without files, which keeps its slot unused until `free_at`. The worker that takes it then empties the
    /// slot.
    pub(crate) fn held_back(feed: &Feed, slot: usize, now: Timestamp, free_at: Timestamp) -> Self {
        let reason = "no error: the warehouse was too full, and this slot is free again in a while";
        Self {
            feed: feed.name.to_string(),
            slot,
            created_at: now,
            lease_expires_at: now,
            not_before: Some(free_at),
            last_error: Some(reason.to_owned()),
            ..Self::default()
        }
    }

    /// Whether it is a claim without files that keeps its slot unused.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.all_files().next().is_none() && self.not_before.is_some()
    }

    /// Lets the lister's claim go, so that a worker may take it. The worker has a while before another is sent.
    pub fn offer(&mut self, now: Timestamp) {
        self.owner = String::new();
        self.lease_expires_at = later(now, DISPATCH_GRACE);
    }

    /// Whether a worker is to be sent: nobody holds it, and it may be tried.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.lease_expires_at <= now && self.not_before.is_none_or(|not_before| not_before <= now)
    }

    /// The first of its files that does not lie under `incoming`, and so is no file to load.
    ///
    /// Producers cannot write claims. But nothing in a claim may make Sluice load or move its own state, or archived
    /// files.
    #[must_use]
    pub fn stray(&self, incoming: &Prefix) -> Option<&File> {
        self.all_files().find(|file| incoming.strip(&file.key).is_none())
    }

    /// A name for this attempt at this batch by this claim that no other attempt in the account has.
    ///
    /// The claim's age is part of it. A batch may come again after it was finished (redriven, reloaded, dropped again),
    /// and must not be answered with the statement of its earlier load.
    pub(crate) fn token(&self, bucket: &str, destination: &str) -> String {
        let created_at = self.created_at.to_string();
        let hash = hash::of_parts([bucket, destination, self.batch.as_str(), &created_at]);
        format!("{}-{}", hash::hex(&hash[..20]), self.attempt)
    }

    /// The transaction that loads the batch, once there is one.
    pub(crate) fn begun(&self) -> Option<Begun> {
        Some(Begun { statement: self.statement_id.clone()?, roles: self.roles })
    }

    /// Notes the transaction that loads the batch.
    pub(crate) fn began(&mut self, begun: &Begun) {
        self.statement_id = Some(begun.statement.clone());
        self.roles = begun.roles;
        self.unsure = None;
    }

    /// Goes on with other files: a new batch in the same slot. That is another attempt: the same files may come again,
    /// and their token must not be answered with the statement of their last try.
    pub(crate) fn continue_with(&mut self, files: Vec<File>) {
        self.batch = BatchId::of(&files);
        self.files = files;
        self.try_again();
        self.trying = None;
        self.not_before = None;
        self.last_error = None;
        self.failures = 0;
        self.read = Vec::new();
    }

    /// Goes on with the same files in another attempt.
    pub(crate) fn try_again(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
        (self.statement_id, self.roles, self.unsure) = (None, None, None);
        (self.question, self.asked) = (None, 0);
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
