//! The objects of the stand-in's S3, in memory or in a folder, under one lock.
//!
//! Every conditional operation checks and acts while it holds the lock, so exactly one of many rivals wins. Never waits
//! for a client, hashes a body or sends one while the lock is held.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::error::StorageError;
use super::extras::Encryption;
use super::folder::{Folder, Record};
use super::intake::Intake;
use super::notify::{ObjectCreated, Subscriber};
use super::object::ObjectInfo;
use super::state::{Bucket, State};

/// The objects behind the stand-in's S3. A handle: clones share the objects.
///
/// Tests and `sluice local` use it to fill buckets and to look at them without HTTP. S3's clients see every change.
#[derive(Clone, Debug)]
pub struct Storage {
    state: Arc<Mutex<State>>,
    pub(super) folder: Option<Arc<Folder>>,
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
        self.record_with(|| Record::Bucket { bucket: bucket.clone(), created })?;
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
        self.record_with(|| Record::Encryption { bucket: bucket.to_owned(), encryption: encryption.clone() })?;
        state.bucket_mut(bucket)?.encryption = encryption;
        Ok(())
    }

    /// Deletes an empty bucket.
    pub fn delete_bucket(&self, bucket: &str) -> Result<(), StorageError> {
        let mut state = self.lock();
        if !state.bucket(bucket)?.objects.is_empty() {
            return Err(StorageError::BucketNotEmpty { bucket: bucket.to_owned() });
        }
        self.record_with(|| Record::NoBucket { bucket: bucket.to_owned() })?;
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

    /// Everything about an object except its content.
    pub fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StorageError> {
        Ok(self.lock().object(bucket, key)?.info(key))
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

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Changes are recorded before they are made and cannot stop half-way, so a panic elsewhere leaves no
        // inconsistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a change into the index of a folder. A storage in memory never builds the record.
    pub(super) fn record_with(&self, record: impl FnOnce() -> Record) -> Result<(), StorageError> {
        match &self.folder {
            Some(folder) => folder.append(&[record()]),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
