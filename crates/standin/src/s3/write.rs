//! Writes and deletes under the lock: the condition, the record in the index and the change are one step.
//!
//! Every operation that changes an object goes through here. Never releases the lock between the check and the change.

use std::sync::Arc;

use jiff::Timestamp;

use super::condition::Condition;
use super::content::Content;
use super::error::StorageError;
use super::etag::Etag;
use super::extras::{self, Extras};
use super::folder::Record;
use super::notify::Created;
use super::object::{Headers, Object, ObjectInfo};
use super::state::State;
use super::storage::Storage;

/// The longest key, in bytes of UTF-8.
const MAX_KEY: usize = 1024;

/// An object that is about to enter the index.
pub(super) struct Write<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) content: Content,
    pub(super) etag: Etag,
    pub(super) headers: Option<Arc<Headers>>,
    pub(super) extras: Extras,
    pub(super) condition: &'a Condition,
    pub(super) last_modified: Option<Timestamp>,
    pub(super) event: Created,
}

impl Storage {
    /// The only way to create an object: checks the condition, records, replaces, notifies the subscribers.
    ///
    /// The lock is held from the check to the end, so no rival can come between them.
    pub(super) fn write(&self, state: &mut State, write: Write<'_>) -> Result<ObjectInfo, StorageError> {
        let files = write.content.clone();
        state.retain(&files);
        let written = self.write_retained(state, write);
        if written.is_err() {
            self.release(state, &files);
        }
        written
    }

    fn write_retained(&self, state: &mut State, write: Write<'_>) -> Result<ObjectInfo, StorageError> {
        let Write { bucket, key, .. } = write;
        check_key(key)?;
        let current = state.bucket(bucket)?.objects.get(key).map(|object| object.etag);
        write.condition.check(bucket, key, current.as_ref())?;
        let sequence = state.next_sequence();
        let extras = state.encrypted(bucket, write.extras)?;
        // An object that came in parts has a tag made of their tags, which are not MD5s either.
        let hidden = extras.encryption.is_some() && !write.etag.is_multipart();
        let etag = if hidden { Etag::random() } else { write.etag };
        let object = Object {
            size: write.content.len(),
            content: write.content,
            etag,
            modified: write.last_modified.unwrap_or_else(|| state.now()),
            sequence,
            headers: write.headers,
            extras: extras::shared(extras),
        };
        self.record_with(|| Record::Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            object: Box::new((&object).into()),
        })?;
        let info = object.info(key);
        state.tell(bucket, &info, object.sequence, write.event);
        if let Some(replaced) = state.bucket_mut(bucket)?.objects.insert(key.into(), object) {
            self.release(state, &replaced.content);
        }
        Ok(info)
    }

    /// Deletes an object if the condition holds.
    pub(super) fn remove_locked(
        &self,
        state: &mut State,
        bucket: &str,
        key: &str,
        condition: &Condition,
    ) -> Result<bool, StorageError> {
        let current = state.bucket(bucket)?.objects.get(key).map(|object| object.etag);
        condition.check(bucket, key, current.as_ref())?;
        if current.is_none() {
            return Ok(false);
        }
        self.record_with(|| Record::NoObject { bucket: bucket.to_owned(), key: key.to_owned() })?;
        if let Some(removed) = state.bucket_mut(bucket)?.objects.remove(key) {
            self.release(state, &removed.content);
        }
        Ok(true)
    }

    /// Discards a content that has arrived but will not become an object.
    pub(crate) fn discard(&self, content: &Content) {
        let mut state = self.lock();
        state.retain(content);
        self.release(&mut state, content);
    }

    /// Releases a content: removes a file that holds nothing else.
    pub(super) fn release(&self, state: &mut State, content: &Content) {
        for id in content.files() {
            let Some(count) = state.files.get_mut(&id) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                state.files.remove(&id);
                if let Some(folder) = &self.folder {
                    folder.remove(id);
                }
            }
        }
    }

    /// Writes a change into the index of a folder. A storage in memory never builds the record.
    pub(super) fn record_with(&self, record: impl FnOnce() -> Record) -> Result<(), StorageError> {
        match &self.folder {
            Some(folder) => folder.append(&[record()]),
            None => Ok(()),
        }
    }
}

fn check_key(key: &str) -> Result<(), StorageError> {
    match key.len() {
        len if len > MAX_KEY => Err(StorageError::KeyTooLong { len }),
        _ => Ok(()),
    }
}
