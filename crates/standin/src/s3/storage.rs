//! The objects of the stand-in's S3, in memory or in a folder, under one lock.
//!
//! Every conditional operation checks and acts while it holds the lock, so exactly one of many rivals wins. Never waits
//! for a client, hashes a body or sends one while the lock is held.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::condition::Condition;
use super::content::{Content, Piece};
use super::error::StorageError;
use super::etag::Etag;
use super::extras::{Encryption, Extras};
use super::folder::{Folder, Record};
use super::intake::Intake;
use super::notify::{Created, ObjectCreated, Subscriber};
use super::object::{Headers, ObjectInfo, shared};
use super::state::{Bucket, State};
use super::write::Write;

/// The objects behind the stand-in's S3. A handle: clones share the objects.
///
/// Tests and `sluice local` use it to fill buckets and to look at them without HTTP. S3's clients see every change.
#[derive(Clone, Debug)]
pub struct Storage {
    state: Arc<Mutex<State>>,
    pub(super) folder: Option<Arc<Folder>>,
}

/// How to write an object.
#[derive(Clone, Debug, Default)]
pub struct Put {
    /// The condition on the current object.
    pub condition: Condition,
    /// The headers to keep with the content.
    pub headers: Headers,
    /// Its storage class, encryption and tags.
    pub extras: Extras,
    /// The object's last-modified time: now, unless a test wants an older one.
    pub last_modified: Option<Timestamp>,
}

impl Storage {
    /// An empty storage in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { state: Arc::default(), folder: None }
    }

    /// The storage in `folder`, which is created if it does not exist. A restart drops incomplete multipart uploads.
    pub fn in_folder(folder: &Path) -> Result<Self, StorageError> {
        let (mut folder, records) = Folder::open(folder)?;
        let mut state = State::default();
        for record in records {
            state.replay(record);
        }
        state.count_files();
        folder.compact(&state.records(), &state.files)?;
        Ok(Self { state: Arc::new(Mutex::new(state)), folder: Some(Arc::new(folder)) })
    }

    /// Creates a bucket. An existing one stays as it is.
    pub fn create_bucket(&self, bucket: &str) -> Result<(), StorageError> {
        if !s3s::path::check_bucket_name(bucket) {
            let bucket = bucket.to_owned();
            return Err(StorageError::InvalidBucketName { bucket });
        }
        let mut state = self.lock();
        if state.buckets.contains_key(bucket) {
            return Ok(());
        }
        let created = state.now();
        let bucket = bucket.to_owned();
        self.record(&[Record::Bucket { bucket: bucket.clone(), created }])?;
        state.buckets.insert(bucket, Bucket::new(created));
        Ok(())
    }

    /// The bucket's default encryption. `None`: with keys that S3 manages itself.
    pub fn encryption(&self, bucket: &str) -> Result<Option<Encryption>, StorageError> {
        Ok(self.lock().bucket(bucket)?.encryption.clone())
    }

    /// Sets the bucket's default encryption for new objects.
    pub fn set_encryption(&self, bucket: &str, encryption: Option<Encryption>) -> Result<(), StorageError> {
        let mut state = self.lock();
        state.bucket(bucket)?;
        let record = Record::Encryption { bucket: bucket.to_owned(), encryption: encryption.clone() };
        self.record(&[record])?;
        state.bucket_mut(bucket)?.encryption = encryption;
        Ok(())
    }

    /// Deletes an empty bucket.
    pub fn delete_bucket(&self, bucket: &str) -> Result<(), StorageError> {
        let mut state = self.lock();
        if !state.bucket(bucket)?.objects.is_empty() {
            return Err(StorageError::BucketNotEmpty { bucket: bucket.to_owned() });
        }
        self.record(&[Record::NoBucket { bucket: bucket.to_owned() }])?;
        state.buckets.remove(bucket);
        Ok(())
    }

    /// All buckets with their creation times, by name.
    #[must_use]
    pub fn buckets(&self) -> Vec<(String, Timestamp)> {
        let state = self.lock();
        state.buckets.iter().map(|(name, bucket)| (name.clone(), bucket.created)).collect()
    }

    /// Whether the bucket exists.
    #[must_use]
    pub fn has_bucket(&self, bucket: &str) -> bool {
        self.lock().buckets.contains_key(bucket)
    }

    /// Writes an object, replacing an existing one.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> Result<ObjectInfo, StorageError> {
        self.put_with(bucket, key, body, Put::default())
    }

    /// Writes an object under a condition, with headers, or with another time.
    pub fn put_with(
        &self,
        bucket: &str,
        key: &str,
        body: impl Into<Bytes>,
        put: Put,
    ) -> Result<ObjectInfo, StorageError> {
        let body = body.into();
        let (content, etag) = if self.folder.is_some() {
            let mut intake = self.intake(body.len())?;
            intake.write(&body)?;
            intake.finish()
        } else {
            let etag = Etag::of(&body);
            (Content::from(body), etag)
        };
        self.put_content(bucket, key, content, etag, put)
    }

    /// Writes an object of `size` zeros that takes no space, so that a test can have one of 6 GiB. Its `ETag` depends
    /// only on the size and is not an MD5 of the content.
    pub fn put_hole(&self, bucket: &str, key: &str, size: u64) -> Result<ObjectInfo, StorageError> {
        let content = Content::One(Piece::Hole(size));
        self.put_content(bucket, key, content, hole_etag(size), Put::default())
    }

    /// Everything about an object except its content.
    pub fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StorageError> {
        Ok(self.lock().object(bucket, key)?.info(key))
    }

    /// Deletes an object. Returns whether it existed.
    pub fn remove(&self, bucket: &str, key: &str) -> Result<bool, StorageError> {
        self.remove_if(bucket, key, &Condition::None)
    }

    /// Deletes an object if the condition holds. Returns whether it existed.
    pub fn remove_if(&self, bucket: &str, key: &str, condition: &Condition) -> Result<bool, StorageError> {
        let mut state = self.lock();
        self.remove_locked(&mut state, bucket, key, condition)
    }

    /// Deletes many objects, each under its own condition. The results are in the same order.
    pub(crate) fn remove_many(
        &self,
        bucket: &str,
        objects: &[(String, Condition)],
    ) -> Result<Vec<Result<bool, StorageError>>, StorageError> {
        let mut state = self.lock();
        state.bucket(bucket)?;
        let remove = |(key, condition): &(String, Condition)| self.remove_locked(&mut state, bucket, key, condition);
        Ok(objects.iter().map(remove).collect())
    }

    /// Reports every object that is created in `bucket` under `prefix` from now on. Drop the receiver to stop.
    #[must_use]
    pub fn subscribe(&self, bucket: &str, prefix: &str) -> mpsc::UnboundedReceiver<ObjectCreated> {
        let (sender, events) = mpsc::unbounded_channel();
        self.lock().subscribers.push(Subscriber::new(bucket, prefix, sender));
        events
    }

    /// Prepares for a body that is about to arrive.
    pub(crate) fn intake(&self, expected: usize) -> Result<Intake, StorageError> {
        Intake::new(self.folder.as_ref(), expected)
    }

    /// Writes an object whose content has already arrived.
    pub(crate) fn put_content(
        &self,
        bucket: &str,
        key: &str,
        content: Content,
        etag: Etag,
        put: Put,
    ) -> Result<ObjectInfo, StorageError> {
        let mut state = self.lock();
        self.write(
            &mut state,
            Write {
                bucket,
                key,
                content,
                etag,
                headers: shared(put.headers),
                extras: put.extras,
                condition: &put.condition,
                last_modified: put.last_modified,
                event: Created::Put,
            },
        )
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Changes are recorded before they are made and cannot stop half-way, so a panic elsewhere leaves no
        // inconsistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, records: &[Record]) -> Result<(), StorageError> {
        match &self.folder {
            Some(folder) => folder.append(records),
            None => Ok(()),
        }
    }
}

/// The tag of an object of zeros, which is never hashed.
pub(super) fn hole_etag(size: u64) -> Etag {
    Etag::of(format!("{size} zeros").as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
