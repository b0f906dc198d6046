//! Resting: files that fail alone while others of their feed are loaded, each as an object of its own.
//!
//! A resting file stays where it is, takes no slot, and is tried again now and then. Its object is written before its
//! claim drops it, and deleted when it is done: at every moment one of the two names the file. Never decides what
//! rests.

use jiff::Timestamp;

use super::Doubt;
use crate::config::{Bucket, Feed, FeedName};
use crate::object::{ETag, File, FileId, Key};
use crate::ports::{Objects, PortError, PortErrorKind, Put, PutIf};

/// A resting file as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resting {
    /// The feed's name.
    pub feed: String,
    /// The file.
    pub id: FileId,
    /// Its object.
    pub key: Key,
    /// When that was written: at the file's latest try.
    pub written: Timestamp,
}

impl Resting {
    /// The listed object, if it is a resting file's: `sluice/claims/<feed>/resting/<file id>.json`.
    pub(crate) fn of(bucket: &Bucket, listed: &File) -> Option<Self> {
        let (feed, name) = bucket.state.strip(&listed.key)?.strip_prefix("claims/")?.split_once('/')?;
        let id = FileId::parse(name.strip_prefix("resting/")?.strip_suffix(".json")?)?;
        FeedName::new(feed)?;
        Some(Self { feed: feed.to_owned(), id, key: listed.key.clone(), written: listed.last_modified })
    }
}

/// The object of a resting file.
///
/// # Errors
/// When the state prefix is too long.
pub fn key(bucket: &Bucket, feed: &Feed, file: &File) -> Result<Key, PortError> {
    let key = bucket.state.key(&format!("claims/{}/resting/{}.json", feed.name, file.id()));
    key.map_err(|error| PortError::new("rest", file.key.as_str(), PortErrorKind::Invalid, error))
}

/// Lets the file rest, or notes how its latest try went.
///
/// # Errors
/// When S3 does not say that it was written: then its claim must keep the file.
pub async fn write(objects: &impl Objects, bucket: &Bucket, feed: &Feed, doubt: &Doubt) -> Result<(), PortError> {
    let key = key(bucket, feed, &doubt.file)?;
    objects.put(&key, body(doubt)?, PutIf::Any).await.map(drop)
}

fn body(doubt: &Doubt) -> Result<Vec<u8>, PortError> {
    serde_json::to_vec_pretty(doubt)
        .map_err(|error| PortError::new("rest", doubt.file.key.as_str(), PortErrorKind::Invalid, error))
}

/// Reads a resting file's object, with its version; `None` if it is gone or cannot be understood.
pub(crate) async fn read(objects: &impl Objects, key: &Key) -> Result<Option<(Doubt, ETag)>, PortError> {
    let content = objects.get(key).await?;
    Ok(content.and_then(|content| Some((serde_json::from_slice(&content.body).ok()?, content.etag))))
}

/// Has the file tried as soon as there is a slot; answers whether it still rests.
pub(crate) async fn wake(objects: &impl Objects, key: &Key, now: Timestamp) -> Result<bool, PortError> {
    let Some((mut doubt, etag)) = read(objects, key).await? else {
        return Ok(false);
    };
    doubt.next_try = now;
    Ok(objects.put(key, body(&doubt)?, PutIf::Matches(&etag)).await? != Put::Refused)
}

/// Removes the object of a resting file that cannot be understood: its file is planned again.
pub(crate) async fn discard(objects: &impl Objects, key: &Key) -> Result<(), PortError> {
    if remove(objects, key).await? {
        tracing::error!(resting = %key, "removed a resting file's object that cannot be read; the file is planned again");
    }
    Ok(())
}

/// The file is done, and rests no more.
pub(crate) async fn end(objects: &impl Objects, bucket: &Bucket, feed: &Feed, file: &File) -> Result<(), PortError> {
    // Only the claim that tries the file writes this object, and the caller holds that claim: what is there is ours.
    remove(objects, &key(bucket, feed, file)?).await.map(drop)
}

async fn remove(objects: &impl Objects, key: &Key) -> Result<bool, PortError> {
    let Some(there) = objects.head(key).await? else {
        return Ok(false);
    };
    objects.delete(key, &there.etag).await?;
    Ok(true)
}
