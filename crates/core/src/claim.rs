//! Claim: the object that fills a slot and says who loads which batch.
//!
//! A slot is filled by creating its object where there is none, so however many listers and loaders run, a feed never
//! has more batches in flight than slots (`slots`). A lease is taken by replacing exactly the version that was read. Both only
//! save double work; that no file is loaded twice is the ledger's promise, never this module's.

mod parts;
mod slots;

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::batch::BatchId;
use crate::config::{Bucket, Feed, FeedName};
use crate::destination::StatementId;
use crate::hash;
use crate::object::{ETag, File, Key, KeyError, Prefix, PrefixError};
use crate::ports::{Delete, Objects, PortError, PortErrorKind, Put, PutIf};
use crate::run::{Run, later};

pub use parts::{Going, Resting};
pub use slots::{Free, fill, free_slots, of_feed, place};

/// How long the lister waits for a worker to take a claim before it sends another.
const DISPATCH_GRACE: SignedDuration = SignedDuration::from_secs(45);

/// How many claims are read at once.
const READS_AT_ONCE: usize = 16;

/// A claim as it stands in the bucket. Fields that a newer version adds are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Not to be tried before.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// What went wrong last.
    #[serde(default)]
    pub last_error: Option<String>,
    /// How many times in a row something went wrong; sets the pace of retries.
    #[serde(default)]
    pub failures: u32,
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
    /// Files that are not loaded before their time, and then alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resting: Vec<Resting>,
    /// Nobody has looked yet whether another claim has one of these files. What an older version wrote goes without.
    #[serde(default)]
    pub unchecked: bool,
}

impl Claim {
    /// A claim on `files`, held by nobody: a worker has a while to take it before another is sent.
    #[must_use]
    pub fn offered(feed: &Feed, slot: usize, files: Vec<File>, now: Timestamp) -> Self {
        Self::new(feed, slot, files, now, String::new(), later(now, DISPATCH_GRACE))
    }

    /// A claim on `files`, held by `run` from the beginning.
    #[must_use]
    pub fn held(feed: &Feed, slot: usize, files: Vec<File>, now: Timestamp, run: &Run) -> Self {
        Self::new(feed, slot, files, now, run.owner.clone(), run.lease_expires_at())
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
            not_before: None,
            last_error: None,
            failures: 0,
            read: Vec::new(),
            refused: 0,
            later: Vec::new(),
            suspects: 0,
            resting: Vec::new(),
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

    /// Goes on with other files: a new batch in the same slot.
    pub fn continue_with(&mut self, files: Vec<File>) {
        self.batch = BatchId::of(&files);
        self.files = files;
        self.attempt = 0;
        self.statement_id = None;
        self.not_before = None;
        self.last_error = None;
        self.failures = 0;
        self.read = Vec::new();
    }

    /// Goes on with the same files in another attempt.
    pub fn try_again(&mut self) {
        self.attempt += 1;
        self.statement_id = None;
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_zero(number: &u32) -> bool {
    *number == 0
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

/// A claim that was read, and the version that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its object.
    pub key: Key,
    /// That object's version.
    pub etag: ETag,
    /// What it says; the error's text where that cannot be understood.
    pub claim: Result<Claim, String>,
}

/// Reads all claims under `prefix`: one LIST, and one GET for each.
///
/// # Errors
/// When the list or one of the claims cannot be had.
pub async fn read_all(objects: &impl Objects, prefix: &Prefix) -> Result<Vec<Seen>, PortError> {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = objects.list(prefix, after.as_deref()).await?;
        keys.extend(page.files.into_iter().map(|file| file.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // A claim that was finished since the list was made is no claim any more.
    stream::iter(keys)
        .map(|key| read(objects, key))
        .buffered(READS_AT_ONCE)
        .try_filter_map(async |seen| Ok(seen))
        .try_collect()
        .await
}

async fn read(objects: &impl Objects, key: Key) -> Result<Option<Seen>, PortError> {
    let content = objects.get(&key).await?;
    Ok(content.map(|content| {
        let claim = serde_json::from_slice(&content.body).map_err(|error| error.to_string());
        Seen { key, etag: content.etag, claim }
    }))
}

/// A claim whose lease is ours, and the version of it that we wrote.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its object.
    pub key: Key,
    /// What it says.
    pub claim: Claim,
    etag: ETag,
}

/// What came of taking a lease.
#[derive(Clone, Debug)]
pub enum Taken {
    /// It is ours.
    Held(Box<Held>),
    /// Somebody else holds it.
    Busy,
    /// It is not to be tried before then.
    NotBefore(Timestamp, Option<String>),
    /// There is no such claim: it is finished.
    Gone,
    /// It cannot be understood.
    Unreadable(Box<Seen>),
}

/// Takes the lease of a claim for `run`.
///
/// # Errors
/// When the claim cannot be read, or S3 does not say whether the lease was written.
pub async fn take(objects: &impl Objects, key: &Key, run: &Run, now: Timestamp) -> Result<Taken, PortError> {
    let Some(seen) = read(objects, key.clone()).await? else {
        return Ok(Taken::Gone);
    };
    let Ok(mut claim) = seen.claim.clone() else {
        return Ok(Taken::Unreadable(Box::new(seen)));
    };
    if claim.lease_expires_at > now && !claim.owner.is_empty() && claim.owner != run.owner {
        return Ok(Taken::Busy);
    }
    if let Some(not_before) = claim.not_before.filter(|not_before| *not_before > now) {
        return Ok(Taken::NotBefore(not_before, claim.last_error));
    }
    run.owner.clone_into(&mut claim.owner);
    claim.lease_expires_at = run.lease_expires_at();
    // Two workers that read the same version race here; S3 lets one of them replace it, the other one is told.
    let written = write(objects, key, &claim, PutIf::Matches(&seen.etag)).await?;
    Ok(written.map_or(Taken::Busy, |etag| Taken::Held(Box::new(Held { key: key.clone(), claim, etag }))))
}

/// What can go wrong with a claim that is held.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// Somebody else took it, which they may do once the lease has run out.
    #[error("the claim {0} was taken by another owner")]
    Lost(Key),
    /// S3 does not say whether it was written.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Held {
    /// Writes what the claim says now.
    ///
    /// # Errors
    /// [`HeldError::Lost`] when somebody else has written it; then nothing more may be done with it.
    pub async fn save(&mut self, objects: &impl Objects) -> Result<(), HeldError> {
        match write(objects, &self.key, &self.claim, PutIf::Matches(&self.etag)).await? {
            Some(etag) => {
                self.etag = etag;
                Ok(())
            }
            None => Err(HeldError::Lost(self.key.clone())),
        }
    }

    /// Gives way: files that another claim has as well are left to it. Answers how many.
    ///
    /// Whoever planned them did not see that claim, nor did its planner see this one; and if a producer replaces such a
    /// file at that moment, each would load the same new version under another identity. Every claim is placed first and
    /// looks at the others then, so of two with one file the later one sees the other, or finds it finished and its files
    /// in the ledger. Where both see each other both give way, and the file is planned again.
    ///
    /// # Errors
    /// As [`Held::save`].
    pub async fn give_way(&mut self, objects: &impl Objects, feed: &Prefix) -> Result<usize, HeldError> {
        let claims = read_all(objects, feed).await?;
        let others = claims.iter().filter(|seen| seen.key != self.key).filter_map(|seen| seen.claim.as_ref().ok());
        let theirs: HashSet<&Key> = others.flat_map(Claim::all_files).map(|file| &file.key).collect();
        let all = self.claim.files.len();
        let own: Vec<File> = self.claim.files.iter().filter(|file| !theirs.contains(&file.key)).cloned().collect();
        let given = all - own.len();
        if given > 0 {
            self.claim.continue_with(own);
        }
        // Written before anything is loaded: a claim that was looked at once must keep its files, since a statement that
        // nobody knows of any more may be loading them.
        self.claim.unchecked = false;
        self.save(objects).await?;
        Ok(given)
    }

    /// Lets the lease go, so that the next tick sends a worker (not before `claim.not_before`).
    ///
    /// # Errors
    /// As [`Held::save`].
    pub async fn release(&mut self, objects: &impl Objects, now: Timestamp) -> Result<(), HeldError> {
        self.claim.owner = String::new();
        self.claim.lease_expires_at = now;
        self.save(objects).await
    }

    /// Empties the slot. The last step of all: whatever was to be done with the batch is done.
    ///
    /// # Errors
    /// When S3 does not answer; the next worker on the claim finds nothing left to do and empties the slot.
    pub async fn finish(self, objects: &impl Objects) -> Result<(), HeldError> {
        match objects.delete(&self.key, &self.etag).await? {
            Delete::Deleted => Ok(()),
            Delete::Replaced => Err(HeldError::Lost(self.key)),
        }
    }
}

/// Writes a claim under a condition; `None` where the condition did not hold.
///
/// A reply that is lost leaves the claim written, and the SDK's own retry of the request is then refused by the
/// condition that the first try broke. So whoever is refused, or gets no answer, looks whether what is there is what it
/// wrote.
async fn write(objects: &impl Objects, key: &Key, claim: &Claim, when: PutIf<'_>) -> Result<Option<ETag>, PortError> {
    let body = serde_json::to_vec(claim)
        .map_err(|error| PortError::new("claim", key.as_str(), PortErrorKind::Invalid, error))?;
    let refused = match objects.put(key, body, when).await {
        Ok(Put::Written(etag)) => return Ok(Some(etag)),
        Ok(Put::Refused) => None,
        Err(error) if error.kind == PortErrorKind::Unavailable => Some(error),
        Err(error) => return Err(error),
    };
    let seen = read(objects, key.clone()).await?;
    let ours = seen.filter(|seen| seen.claim.as_ref() == Ok(claim)).map(|seen| seen.etag);
    match (ours, refused) {
        (None, Some(error)) => Err(error),
        (ours, _) => Ok(ours),
    }
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
