//! A bucket in memory: one map under one lock, so that every conditional call decides and acts in one step.
//!
//! Never answers otherwise than S3 would; one contract suite holds both to the same promises.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::clock::ManualClock;
use super::{key, lock};
use crate::object::{ETag, File, Key, Prefix};
use crate::ports::{
    Clock, Content, Copy, Delete, Deleted, MAX_DELETES, Objects, Page, PortError, PortErrorKind, Put, PutIf, Service,
};

/// A bucket in memory. Clones are the same bucket.
#[derive(Clone, Debug)]
pub struct MemoryObjects {
    // `String` sorts by bytes, which is the order that S3 lists in.
    objects: Arc<Mutex<BTreeMap<String, Object>>>,
    frozen: Arc<Mutex<BTreeSet<Key>>>,
    clock: ManualClock,
    page_size: usize,
}

#[derive(Clone, Debug)]
struct Object {
    file: File,
    body: Arc<[u8]>,
}

impl MemoryObjects {
    /// An empty bucket whose objects are dated by `clock`.
    #[must_use]
    pub fn new(clock: &ManualClock) -> Self {
        Self { objects: Arc::default(), frozen: Arc::default(), clock: clock.clone(), page_size: 1000 }
    }

    /// The same bucket, listed `page_size` objects a page.
    #[must_use]
    pub fn paged(mut self, page_size: usize) -> Self {
        self.page_size = page_size.max(1);
        self
    }

    /// Writes an object as a producer does: overwrites, dated by the clock.
    ///
    /// # Panics
    /// When S3 would not take the key.
    pub fn drop_file(&self, name: &str, body: impl Into<Vec<u8>>) -> File {
        let object = self.object(&key(name), body.into());
        let file = object.file.clone();
        lock(&self.objects).insert(name.to_owned(), object);
        file
    }

    /// Writes an object as an upload in so many parts does: its `ETag` is no hash of its content.
    ///
    /// # Panics
    /// When S3 would not take the key.
    pub fn drop_in_parts(&self, name: &str, parts: usize, body: impl Into<Vec<u8>>) -> File {
        let mut object = self.object(&key(name), body.into());
        object.file.etag = ETag::new(&format!("{}-{parts}", object.file.etag));
        let file = object.file.clone();
        lock(&self.objects).insert(name.to_owned(), object);
        file
    }

    /// From now on a listing shows the object in a storage class that nobody can read.
    pub fn freeze(&self, file: &File) {
        lock(&self.frozen).insert(file.key.clone());
    }

    /// Deletes an object as anyone with the right to might.
    pub fn take_away(&self, name: &str) {
        lock(&self.objects).remove(name);
    }

    /// What a listing would show of the object.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<File> {
        lock(&self.objects).get(name).map(|object| object.file.clone())
    }

    /// The object's content.
    #[must_use]
    pub fn body(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.objects).get(name).map(|object| object.body.to_vec())
    }

    /// All keys that begin with `start`, in order.
    #[must_use]
    pub fn keys(&self, start: &str) -> Vec<String> {
        lock(&self.objects).keys().filter(|key| key.starts_with(start)).cloned().collect()
    }

    fn object(&self, key: &Key, body: Vec<u8>) -> Object {
        let (etag, size) = (etag_of(&body), body.len() as u64);
        let file = File { key: key.clone(), etag, size, last_modified: self.clock.now() };
        Object { file, body: body.into() }
    }
}

impl Objects for MemoryObjects {
    async fn list(&self, prefix: &Prefix, after: Option<&str>) -> Result<Page, PortError> {
        let begin = after.map_or(Bound::Included(prefix.as_str()), Bound::Excluded);
        let objects = lock(&self.objects);
        let mut rest = objects
            .range::<str, _>((begin, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix.as_str()))
            .map(|(_, object)| object.file.clone());
        let page: Vec<File> = rest.by_ref().take(self.page_size).collect();
        let next = rest.next().and(page.last()).map(|file| file.key.to_string());
        let frozen = lock(&self.frozen);
        let (frozen, files): (Vec<File>, Vec<File>) = page.into_iter().partition(|file| frozen.contains(&file.key));
        Ok(Page { files, frozen: frozen.into_iter().map(|file| file.key).collect(), next })
    }

    async fn list_after(&self, prefix: &Prefix, key: &str) -> Result<Page, PortError> {
        // A place in a listing is a key here, and one before the prefix would be before all of it.
        self.list(prefix, Some(key).filter(|key| *key >= prefix.as_str())).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Content>, PortError> {
        let content = |object: &Object| Content { body: object.body.to_vec(), etag: object.file.etag.clone() };
        Ok(lock(&self.objects).get(key.as_str()).map(content))
    }

    async fn head(&self, key: &Key) -> Result<Option<File>, PortError> {
        Ok(self.file(key.as_str()))
    }

    async fn put(&self, key: &Key, body: Vec<u8>, when: PutIf<'_>) -> Result<Put, PortError> {
        let object = self.object(key, body);
        let mut objects = lock(&self.objects);
        let current = objects.get(key.as_str()).map(|object| &object.file.etag);
        let allowed = match when {
            PutIf::Any => true,
            PutIf::Absent => current.is_none(),
            PutIf::Matches(etag) => current == Some(etag),
        };
        if !allowed {
            return Ok(Put::Refused);
        }
        let etag = object.file.etag.clone();
        objects.insert(key.to_string(), object);
        Ok(Put::Written(etag))
    }

    async fn copy(&self, from: &File, to: &Key) -> Result<Copy, PortError> {
        let mut objects = lock(&self.objects);
        let Some(source) = objects.get(from.key.as_str()).cloned() else {
            return Ok(Copy::Gone);
        };
        if source.file.etag != from.etag {
            return Ok(Copy::Replaced(source.file.etag));
        }
        if let Some(occupant) = objects.get(to.as_str()) {
            return Ok(Copy::Occupied(occupant.file.clone()));
        }
        // A copy is made in one piece, also of an upload in parts.
        let file =
            File { key: to.clone(), etag: etag_of(&source.body), last_modified: self.clock.now(), ..source.file };
        objects.insert(to.to_string(), Object { file, ..source });
        Ok(Copy::Copied)
    }

    async fn delete(&self, key: &Key, etag: &ETag) -> Result<Delete, PortError> {
        Ok(delete(&mut lock(&self.objects), key, etag))
    }

    async fn delete_many(&self, doomed: &[(Key, ETag)]) -> Result<Vec<Deleted>, PortError> {
        if doomed.len() > MAX_DELETES {
            let cause = format!("{} objects; at most {MAX_DELETES} in one call", doomed.len());
            return Err(PortError::new(
                Service::Bucket.call("s3:DeleteObjects"),
                "bucket in memory",
                PortErrorKind::Invalid,
                cause,
            ));
        }
        let mut objects = lock(&self.objects);
        Ok(doomed.iter().map(|(key, etag)| Ok(delete(&mut objects, key, etag))).collect())
    }
}

fn delete(objects: &mut BTreeMap<String, Object>, key: &Key, etag: &ETag) -> Delete {
    if objects.get(key.as_str()).is_some_and(|object| object.file.etag != *etag) {
        return Delete::Replaced;
    }
    objects.remove(key.as_str());
    Delete::Deleted
}

/// 32 hexadecimal digits, as the MD5 of S3 has; the same content has the same.
fn etag_of(body: &[u8]) -> ETag {
    let hash: [u8; 32] = Sha256::digest(body).into();
    let half = hash.iter().take(16).fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
    ETag::new(&format!("{half:032x}"))
}
