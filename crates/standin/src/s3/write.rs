//! Writes and deletes under the lock: the condition, the record in the index and the change are one step.
//!
//! Every operation that changes an object goes through here. Never releases the lock between the check and the change.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::condition::Condition;
use super::content::{Content, Piece};
use super::error::StorageError;
use super::etag::Etag;
use super::extras::{self, Extras};
use super::folder::Record;
use super::notify::Created;
use super::object::{Headers, Object, ObjectInfo, shared};
use super::state::State;
use super::storage::Storage;

/// The longest key, in bytes of UTF-8.
const MAX_KEY: usize = 1024;

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
}

/// The tag of an object of zeros, which is never hashed.
pub(super) fn hole_etag(size: u64) -> Etag {
    Etag::of(format!("{size} zeros").as_bytes())
}

fn check_key(key: &str) -> Result<(), StorageError> {
    match key.len() {
        len if len > MAX_KEY => Err(StorageError::KeyTooLong { len }),
        _ => Ok(()),
    }
}
