//! Copies within the storage: they share the content and move no bytes.
//!
//! Whether the source is still what the caller saw, and whether the destination is free, is decided under the same lock
//! as the copy itself. Never hashes under that lock: a source that came in parts is hashed before, on its content at
//! that time.

use std::collections::BTreeMap;

use super::condition::Condition;
use super::error::StorageError;
use super::etag::Etag;
use super::extras::{Encryption, Extras};
use super::notify::Created;
use super::object::{Headers, Object, ObjectInfo, shared};
use super::reading::ReadConditions;
use super::state::State;
use super::storage::Storage;
use super::write::Write;

/// The most that one `CopyObject` or `UploadPartCopy` may move: 5 GiB, as in S3.
pub(crate) const COPY_LIMIT: u64 = 5 * 1024 * 1024 * 1024;

/// A copy to make.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copy {
    pub(crate) from: (String, String),
    pub(crate) to: (String, String),
    /// Conditions on the source.
    pub(crate) source: ReadConditions,
    /// The condition on the destination.
    pub(crate) condition: Condition,
    /// Replaces the source's headers.
    pub(crate) headers: Option<Headers>,
    /// The storage class of the copy; the source's is not copied.
    pub(crate) storage_class: Option<String>,
    /// The encryption of the copy; the source's is not copied.
    pub(crate) encryption: Option<Encryption>,
    /// Replaces the source's tags.
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

impl Storage {
    /// Copies an object, replacing any object at the destination.
    pub fn copy(&self, from: (&str, &str), to: (&str, &str)) -> Result<ObjectInfo, StorageError> {
        self.copy_with(&Copy {
            from: (from.0.to_owned(), from.1.to_owned()),
            to: (to.0.to_owned(), to.1.to_owned()),
            ..Copy::default()
        })
    }

    /// Copies an object under conditions on both its source and its destination.
    pub(crate) fn copy_with(&self, copy: &Copy) -> Result<ObjectInfo, StorageError> {
        if copy.from == copy.to && copy.changes_nothing() {
            return Err(StorageError::CopyOntoItself);
        }
        let mut state = self.lock();
        let object = copy.check_source(&state)?;
        if object.tag_is_md5() {
            let etag = object.etag;
            return self.write_copy(&mut state, copy, object, etag);
        }
        // The copy is written in one piece, so its tag is the MD5 of the content. The source's tag is not.
        drop(state);
        let reading = self.open(&copy.from.0, &copy.from.1, &copy.source)?;
        let etag = reading.etag(0..reading.object.size)?;
        let mut state = self.lock();
        self.write_copy(&mut state, copy, reading.object.clone(), etag)
    }

    fn write_copy(
        &self,
        state: &mut State,
        copy: &Copy,
        object: Object,
        etag: Etag,
    ) -> Result<ObjectInfo, StorageError> {
        let headers = copy.headers.clone().map_or(object.headers, shared);
        let tags = || object.extras.map(|extras| extras.tags.clone()).unwrap_or_default();
        let extras = Extras {
            storage_class: copy.storage_class.clone(),
            encryption: copy.encryption.clone(),
            tags: copy.tags.clone().unwrap_or_else(tags),
        };
        let write = Write {
            bucket: &copy.to.0,
            key: &copy.to.1,
            content: object.content,
            etag,
            headers,
            extras,
            condition: &copy.condition,
            last_modified: None,
            event: Created::Copy,
        };
        self.write(state, write)
    }
}

impl Copy {
    fn changes_nothing(&self) -> bool {
        self.headers.is_none() && self.storage_class.is_none() && self.encryption.is_none()
    }

    fn check_source(&self, state: &State) -> Result<Object, StorageError> {
        let (bucket, key) = (self.from.0.as_str(), self.from.1.as_str());
        let object = state.object(bucket, key)?;
        self.source.check(bucket, key, object)?;
        object.check_readable(key)?;
        if object.size > COPY_LIMIT {
            return Err(StorageError::CopyTooLarge { limit: COPY_LIMIT });
        }
        Ok(object.clone())
    }
}
