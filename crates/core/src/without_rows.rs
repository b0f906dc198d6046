//! Files without rows: loaded, not empty, and nothing of them is in the table.
//!
//! No error, and often no mistake; but who drops a file expects rows. So each batch that has such files leaves a note for
//! people, `sluice/state/<feed>/without-rows/<batch>.json`, which `sluice status` shows. Nothing is decided by it, and a
//! note that cannot be written holds up no load.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::BatchId;
use crate::config::{Bucket, Feed};
use crate::destination::StatementId;
use crate::object::{ETag, Key, Prefix};
use crate::ports::{Objects, PortError, PortErrorKind, PutIf};

/// How many notes are read at once.
const READS_AT_ONCE: usize = 16;

/// What is told of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The batch.
    pub batch: BatchId,
    /// The transaction that loaded it.
    pub statement_id: StatementId,
    /// When it was committed.
    pub loaded_at: Timestamp,
    /// How many of its files brought no row, at least.
    pub number: u64,
    /// Which, as far as their heads say; where they do not, some of `among`.
    pub files: Vec<Version>,
    /// How many files the batch has.
    pub among: u64,
}

/// A file in one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its key in `incoming/`.
    pub key: Key,
    /// Its content.
    pub etag: ETag,
}

/// Leaves the note.
///
/// # Errors
/// When it cannot be written.
pub async fn write(objects: &impl Objects, bucket: &Bucket, feed: &Feed, note: &Note) -> Result<(), PortError> {
    let prefix = prefix(bucket, feed)?;
    let invalid = |error: Box<dyn std::error::Error + Send + Sync>| {
        PortError::new("note files without rows", feed.name.as_str(), PortErrorKind::Invalid, error)
    };
    let key = prefix.key(&format!("{}.json", note.batch)).map_err(|error| invalid(error.into()))?;
    let body = serde_json::to_vec_pretty(note).map_err(|error| invalid(error.into()))?;
    objects.put(&key, body, PutIf::Any).await.map(drop)
}

/// All notes of a feed, the newest first. What is none is passed over.
///
/// # Errors
/// When they cannot be listed or read.
pub async fn read(objects: &impl Objects, bucket: &Bucket, feed: &Feed) -> Result<Vec<Note>, PortError> {
    let prefix = prefix(bucket, feed)?;
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = objects.list(&prefix, after.as_deref()).await?;
        keys.extend(page.files.into_iter().map(|file| file.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let reads = stream::iter(keys).map(async |key| objects.get(&key).await).buffered(READS_AT_ONCE);
    let found: Vec<_> = reads.try_collect().await?;
    let mut notes: Vec<Note> =
        found.into_iter().flatten().filter_map(|note| serde_json::from_slice(&note.body).ok()).collect();
    notes.sort_by_key(|note| std::cmp::Reverse(note.loaded_at));
    Ok(notes)
}

/// Where a feed's notes are.
///
/// # Errors
/// When the state prefix is too long.
pub fn prefix(bucket: &Bucket, feed: &Feed) -> Result<Prefix, PortError> {
    Prefix::new(format!("{}state/{}/without-rows/", bucket.state, feed.name))
        .map_err(|error| PortError::new("note files without rows", feed.name.as_str(), PortErrorKind::Invalid, error))
}
