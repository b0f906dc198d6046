//! Claim: the object that fills a slot and says who loads which batch.
//!
//! What it says, and under which key. A slot is filled by creating its object where there is none (`slots`); a lease is
//! taken by replacing exactly the version that was read (`lease`). Both only save double work: that no file is loaded
//! twice is the ledger's promise, never this module's.

mod doubt;
mod give_way;
mod inspected;
mod lease;
mod parts;
pub mod resting;
mod slots;
mod survey;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::batch::BatchId;
use crate::config::{Bucket, Compression, Feed, FeedName};
use crate::destination::{Begun, Roles, StatementId};
use crate::hash;
use crate::object::{File, FileId, Key, KeyError, Prefix, PrefixError};
use crate::run::{Run, later};

pub use doubt::{Doubt, Stage};
pub use give_way::Others;
pub use lease::{LeaseError, LeasedClaim, Taken, take, wake};
pub use parts::Going;
pub use slots::{Free, Slots, fill, of_feed, place};
pub use survey::{Seen, Survey};

/// How long the lister waits for a worker to take a claim before it sends another.
const DISPATCH_GRACE: SignedDuration = SignedDuration::from_secs(45);

/// A claim as it stands in the bucket. Fields that a newer version adds are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "they are fields of JSON")]
pub struct Claim {
    /// The feed's name.
    pub feed: String,
    /// Which of the feed's slots it fills, from 0.
    pub slot: usize,
    /// The batch in it.
    pub batch: BatchId,
    /// The batch's files.
    pub files: Vec<File>,
    /// When the slot was filled.
    pub created_at: Timestamp,
    /// Which attempt at the batch this is, from 0.
    #[serde(default)]
    pub attempt: u32,
    /// Who holds the lease; empty: nobody, whoever comes first may take it.
    #[serde(default)]
    pub owner: String,
    /// From when on anybody may take it, and the lister sends a worker.
    pub lease_expires_at: Timestamp,
    /// The transaction that loads the batch, once there is one.
    #[serde(default)]
    pub statement_id: Option<StatementId>,
    /// Which of that transaction's statements does what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Roles>,
    /// Since when there may be a transaction that it does not bear: the reply to its submission was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsure: Option<Timestamp>,
    /// A question to the warehouse that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// How many questions of this attempt failed: each time it is another question.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asked: u32,
    /// Not to be tried before.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// What went wrong last.
    #[serde(default)]
    pub last_error: Option<String>,
    /// How many times in a row something went wrong; sets the pace of retries.
    #[serde(default)]
    pub failures: u32,
    /// When something went wrong first, if nothing has been put right since: by the clock that says when others were loaded,
    /// or as late as it can have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// When something went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// A file of the batch that failed last: what is packed otherwise was not in that batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_with: Option<FileId>,
    /// Transactions of the feed's other batches that ran when something went wrong: one that ends well shows that the feed
    /// works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<StatementId>,
    /// A part of this claim was loaded since something went wrong first: the feed works.
    #[serde(default, skip_serializing_if = "is_false")]
    pub vouched: bool,
    /// How many transactions failed since a part of it was loaded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub streak: u32,
    /// Whoever loads it leaves a note that the feed works: something of the feed is failing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notes_success: bool,
    /// Versions that the transaction read in place of planned ones. Only ever there once it is committed, and until
    /// ledger and archive know: the transaction need not be asked for any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<File>,
    /// How many times in a row the warehouse was too full to take its transaction.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u32,
    /// Files whose turn comes when those in `files` are done with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<File>,
    /// How many of the first of `later` have a bad file among them if `files` have none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub suspects: usize,
    /// Files that failed alone, or that an error named: each is tried alone, after the others. They are not being loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubted: Vec<Doubt>,
    /// The one of them that is being tried: the only one of `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trying: Option<Doubt>,
    /// The resting file that is tried again: it has an object of its own until it is done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rested: Option<File>,
    /// The look for bad files fails, or never ends: halves find them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blind: bool,
    /// Files that an older version let rest in their claim.
    #[serde(default, skip_serializing)]
    resting: Vec<OldResting>,
    /// The heads of its files were looked at.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inspected: bool,
    /// Those of its files that are packed otherwise than their names or the feed say, and how; `None`: not at all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packed: BTreeMap<FileId, Option<Compression>>,
    /// Those of its files that are not empty, and hold no row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_rows: Vec<FileId>,
    /// Nobody has looked yet whether another claim has one of these files. What an older version wrote goes without.
    #[serde(default)]
    pub unchecked: bool,
}

/// A question to the warehouse that was not answered in time, and is taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Which question.
    pub what: String,
    /// Its statement.
    pub statement_id: StatementId,
    /// How many invocations have waited for it.
    pub waits: u32,
}

/// How versions before resting files had objects of their own kept them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct OldResting {
    file: File,
}

impl Claim {
    /// A claim on `files`, held by `run` from the beginning.
    #[must_use]
    pub fn held(feed: &Feed, slot: usize, files: Vec<File>, now: Timestamp, run: &Run) -> Self {
        Self::new(feed, slot, files, now, run.owner.clone(), run.lease_expires_at())
    }

    /// A claim on a resting file, which is tried once.
    #[must_use]
    pub fn on_resting(feed: &Feed, slot: usize, doubt: Doubt, now: Timestamp, run: &Run) -> Self {
        let mut claim = Self::held(feed, slot, Vec::new(), now, run);
        claim.rested = Some(doubt.file.clone());
        claim.try_doubt(doubt);
        claim
    }

    fn new(
        feed: &Feed,
        slot: usize,
        files: Vec<File>,
        now: Timestamp,
        owner: String,
        lease_expires_at: Timestamp,
    ) -> Self {
        Self {
            feed: feed.name.to_string(),
            slot,
            batch: BatchId::of(&files),
            files,
            created_at: now,
            attempt: 0,
            owner,
            lease_expires_at,
            statement_id: None,
            roles: None,
            unsure: None,
            question: None,
            asked: 0,
            not_before: None,
            last_error: None,
            failures: 0,
            failing_since: None,
            failed_at: None,
            failed_with: None,
            beside: Vec::new(),
            vouched: false,
            streak: 0,
            notes_success: false,
            read: Vec::new(),
            refused: 0,
            later: Vec::new(),
            suspects: 0,
            doubted: Vec::new(),
            trying: None,
            rested: None,
            blind: false,
            resting: Vec::new(),
            inspected: false,
            packed: BTreeMap::new(),
            without_rows: Vec::new(),
            unchecked: true,
        }
    }

    /// A claim on nothing, which keeps its slot from being used until `free_at`; whoever takes it up then empties it.
    #[must_use]
    pub fn held_back(feed: &Feed, slot: usize, now: Timestamp, free_at: Timestamp) -> Self {
        let mut claim = Self::new(feed, slot, Vec::new(), now, String::new(), now);
        claim.not_before = Some(free_at);
        claim.last_error = Some("no error: the warehouse was too full, and this slot is free again in a while".into());
        claim.unchecked = false;
        claim
    }

    /// Whether it is a claim on nothing that keeps its slot from being used.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.all_files().next().is_none() && self.not_before.is_some()
    }

    /// Lets the lister's claim go, so that a worker may take it: it has a while before another is sent.
    pub fn offer(&mut self, now: Timestamp) {
        self.owner = String::new();
        self.lease_expires_at = later(now, DISPATCH_GRACE);
    }

    /// Whether a worker is to be sent: nobody holds it, and it may be tried.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.lease_expires_at <= now && self.not_before.is_none_or(|not_before| not_before <= now)
    }

    /// The first of its files that is no file to load, since it does not lie under `incoming`.
    ///
    /// Producers cannot write claims; but nothing that is written into one may make Sluice load or move its own state, or
    /// what is archived.
    #[must_use]
    pub fn stray(&self, incoming: &Prefix) -> Option<&File> {
        self.all_files().find(|file| incoming.strip(&file.key).is_none())
    }

    /// Tells this attempt at this batch by this claim from all others, everywhere in the account.
    ///
    /// The claim's age is part of it: a batch that comes again after it was finished (redriven, reloaded, dropped again)
    /// must not be answered with the statement of its former life.
    #[must_use]
    pub fn token(&self, bucket: &str, destination: &str) -> String {
        let created_at = self.created_at.to_string();
        let hash = hash::of_parts([bucket, destination, self.batch.as_str(), &created_at]);
        format!("{}-{}", hash::hex(&hash[..20]), self.attempt)
    }

    /// The transaction that loads the batch, once there is one.
    #[must_use]
    pub fn begun(&self) -> Option<Begun> {
        Some(Begun { statement: self.statement_id.clone()?, roles: self.roles })
    }

    /// Notes the transaction that loads the batch.
    pub fn began(&mut self, begun: &Begun) {
        self.statement_id = Some(begun.statement.clone());
        self.roles = begun.roles;
        self.unsure = None;
    }

    /// Goes on with other files: a new batch in the same slot. The same files may come again, and a token must not be
    /// answered with the statement of their last try.
    pub fn continue_with(&mut self, files: Vec<File>) {
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
    pub fn try_again(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
        self.forget_statement();
    }

    fn forget_statement(&mut self) {
        (self.statement_id, self.roles, self.unsure) = (None, None, None);
        (self.question, self.asked) = (None, 0);
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

/// Where the claims of a deployment are.
///
/// # Errors
/// When the state prefix is too long.
pub fn claims_prefix(bucket: &Bucket) -> Result<Prefix, PrefixError> {
    Prefix::new(format!("{}claims/", bucket.state))
}

/// Where the claims of a feed are.
///
/// # Errors
/// When the state prefix is too long.
pub fn feed_prefix(bucket: &Bucket, feed: &Feed) -> Result<Prefix, PrefixError> {
    Prefix::new(format!("{}claims/{}/", bucket.state, feed.name))
}

/// The object that fills a slot.
///
/// # Errors
/// When the state prefix is too long.
pub fn slot_key(bucket: &Bucket, feed: &str, slot: usize) -> Result<Key, KeyError> {
    Key::new(format!("{}claims/{feed}/{slot}.json", bucket.state))
}

/// Whether a claim can have this key: one of [`slot_key`]'s, of a feed that is configured or was.
#[must_use]
pub fn is_slot_key(bucket: &Bucket, key: &Key) -> bool {
    let name = bucket.state.strip(key).and_then(|name| name.strip_prefix("claims/"));
    let Some((feed, slot)) = name.and_then(|name| name.strip_suffix(".json")).and_then(|name| name.split_once('/'))
    else {
        return false;
    };
    let number = slot.parse::<usize>().is_ok_and(|number| number.to_string() == slot);
    FeedName::new(feed).is_some() && number
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("sluice/claims/flights/0.json" => true; "the first slot")]
    #[test_case("sluice/claims/a-feed_of-old/12.json" => true; "another feed")]
    #[test_case("sluice/claims/flights/00.json" => false; "not as it is written")]
    #[test_case("sluice/claims/flights/+1.json" => false; "a sign")]
    #[test_case("sluice/claims/flights/0.json.json" => false; "two endings")]
    #[test_case("sluice/claims/flights/0" => false; "no ending")]
    #[test_case("sluice/claims/0.json" => false; "no feed")]
    #[test_case("sluice/claims//0.json" => false; "a feed without a name")]
    #[test_case("sluice/claims/flights/x/0.json" => false; "deeper")]
    #[test_case("sluice/claims/../../incoming/flights/0.json" => false; "a path that leads elsewhere")]
    #[test_case("sluice/claims/../0.json" => false; "dots for a feed")]
    #[test_case("incoming/sluice/claims/flights/0.json" => false; "a producer's")]
    #[test_case("sluice/manifests/flights/0.json" => false; "a manifest")]
    fn claims_have_names_of_their_own(key: &str) -> bool {
        let prefix = |name: &str| Prefix::new(name).unwrap();
        let (incoming, processed) = (prefix("incoming/"), prefix("processed/"));
        let bucket =
            Bucket { name: "b".into(), incoming, processed, failed: prefix("failed/"), state: prefix("sluice/") };
        is_slot_key(&bucket, &Key::new(key).unwrap())
    }
}
