//! Files without rows: loaded, not empty, and nothing of them is in the table.
//!
//! This is no error, and often no mistake; but the producer of a file expects rows. So each batch with such files
//! leaves a note, `sluice/state/<feed>/without-rows/<batch>.json`, which `sluice status` shows. Never decides anything
//! by a note, and never lets one hold up a load.

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

/// The note on a batch.
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
    /// Which, where their heads show it; otherwise some of the batch's files.
    pub files: Vec<Version>,
    /// How many files the batch has.
    pub among: u64,
}

/// A file in one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its key in `incoming/`.
    pub key: Key,
    /// The version of its content.
    pub etag: ETag,
}

/// Leaves the note.
///
/// # Errors
/// When it cannot be written.
pub async fn write(objects: &impl Objects, bucket: &Bucket, feed: &Feed, note: &Note) -> Result<(), PortError> {
    let prefix = prefix(bucket, feed)?;
    let key = prefix.key(&format!("{}.json", note.batch)).map_err(|error| invalid(feed, error))?;
    let body = serde_json::to_vec_pretty(note).map_err(|error| invalid(feed, error))?;
    objects.put(&key, body, PutIf::Any).await.map(drop)
}

/// All notes of a feed, the newest first. Objects that are no notes are skipped.
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
    Prefix::new(format!("{}state/{}/without-rows/", bucket.state, feed.name)).map_err(|error| invalid(feed, error))
}

fn invalid(feed: &Feed, error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::new("note files without rows", feed.name.as_str(), PortErrorKind::Invalid, error)
}
