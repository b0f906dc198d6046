//! Resting: files that fail alone while others of their feed are loaded, each as an object of its own.
//!
//! A resting file stays where it is, takes no slot, and is tried again now and then. Its object is written before its
//! claim drops it, and deleted when it is done with: at every moment somebody knows of it. Never decides what rests.

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
    /// When that was written: when it was tried last.
    pub written: Timestamp,
}

impl Resting {
    /// What a listing of claims shows, if it is a resting file: `sluice/claims/<feed>/resting/<file id>.json`.
    #[must_use]
    pub fn of(bucket: &Bucket, listed: &File) -> Option<Self> {
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
    let key = format!("{}claims/{}/resting/{}.json", bucket.state, feed.name, file.id());
    Key::new(key).map_err(|error| PortError::new("rest", file.key.as_str(), PortErrorKind::Invalid, error))
}

/// Lets the file rest, or notes how its last try went.
///
/// # Errors
/// When S3 does not say that it was written: then its claim must keep the file.
pub async fn write(objects: &impl Objects, bucket: &Bucket, feed: &Feed, doubt: &Doubt) -> Result<(), PortError> {
    let key = key(bucket, feed, &doubt.file)?;
    let body = serde_json::to_vec_pretty(doubt)
        .map_err(|error| PortError::new("rest", doubt.file.key.as_str(), PortErrorKind::Invalid, error))?;
    objects.put(&key, body, PutIf::Any).await.map(drop)
}

/// Reads a resting file's object, with its version; `None` where it is gone or cannot be understood.
///
/// # Errors
/// When it cannot be read.
pub async fn read(objects: &impl Objects, key: &Key) -> Result<Option<(Doubt, ETag)>, PortError> {
    let content = objects.get(key).await?;
    Ok(content.and_then(|content| Some((serde_json::from_slice(&content.body).ok()?, content.etag))))
}

/// Has the file tried as soon as there is a slot; answers whether it still rests.
///
/// # Errors
/// When S3 does not answer.
pub async fn wake(objects: &impl Objects, key: &Key, now: Timestamp) -> Result<bool, PortError> {
    let Some((mut doubt, etag)) = read(objects, key).await? else {
        return Ok(false);
    };
    doubt.next_try = now;
    let body = serde_json::to_vec_pretty(&doubt)
        .map_err(|error| PortError::new("rest", key.as_str(), PortErrorKind::Invalid, error))?;
    Ok(objects.put(key, body, PutIf::Matches(&etag)).await? != Put::Refused)
}

/// Removes the object of a resting file that nobody can understand: its file is planned again.
///
/// # Errors
/// When S3 does not answer.
pub async fn discard(objects: &impl Objects, key: &Key) -> Result<(), PortError> {
    if let Some(there) = objects.head(key).await? {
        objects.delete(key, &there.etag).await?;
        tracing::error!(resting = %key, "removed a resting file's object that cannot be read; the file is planned again");
    }
    Ok(())
}

/// The file is done with, and rests no more.
///
/// # Errors
/// When S3 does not answer.
pub async fn end(objects: &impl Objects, bucket: &Bucket, feed: &Feed, file: &File) -> Result<(), PortError> {
    let key = key(bucket, feed, file)?;
    // Whoever writes it holds the claim that tries it, so what is there is ours.
    if let Some(there) = objects.head(&key).await? {
        objects.delete(&key, &there.etag).await?;
    }
    Ok(())
}
