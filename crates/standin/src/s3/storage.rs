//! The objects of the stand-in's S3, in memory or in a folder, under one lock.
//!
//! Every conditional operation checks and acts while it holds the lock, so of many rivals exactly one wins; nothing
//! waits for a client, and no body is hashed or sent, while it is held.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::condition::Condition;
use super::content::{Content, Piece};
use super::error::StorageError;
use super::etag::Etag;
use super::folder::{Folder, Record};
use super::intake::Intake;
use super::multipart::Upload;
use super::notify::{Created, ObjectCreated, Subscriber};
use super::object::{Headers, Object, ObjectInfo, shared};

/// The longest key, in bytes of UTF-8.
const MAX_KEY: usize = 1024;

/// The objects behind the stand-in's S3. A handle: clones show the same objects.
///
/// Tests and `sluice local` use it to fill buckets and to look at them without HTTP; S3's clients see every change.
#[derive(Clone, Debug)]
pub struct Storage {
    state: Arc<Mutex<State>>,
    pub(super) folder: Option<Arc<Folder>>,
}

/// Everything that the lock protects.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) uploads: HashMap<String, Upload>,
    subscribers: Vec<Subscriber>,
    /// How many objects, parts and readers each body file has.
    files: HashMap<u64, u32>,
    sequence: u64,
    latest: Timestamp,
}

/// One bucket; its objects in the order of their keys' bytes, which is the order of listings.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) created: Timestamp,
    pub(super) objects: BTreeMap<Box<str>, Object>,
}

/// How to write an object.
#[derive(Clone, Debug, Default)]
pub struct Put {
    /// What must hold of the object that is there now.
    pub condition: Condition,
    /// What goes with the content.
    pub headers: Headers,
    /// When the object claims to have been written; now, unless a test wants it older.
    pub last_modified: Option<Timestamp>,
}

/// An object on its way into the index.
pub(super) struct Write<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) content: Content,
    pub(super) etag: Etag,
    pub(super) headers: Option<Arc<Headers>>,
    pub(super) condition: &'a Condition,
    pub(super) last_modified: Option<Timestamp>,
    pub(super) event: Created,
}

impl Storage {
    /// An empty storage in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { state: Arc::default(), folder: None }
    }

    /// The storage in `folder`, which is created where it does not exist. Uploads in parts that were not
    /// completed are not kept over a restart.
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

    /// Creates a bucket; one that exists already stays as it is.
    pub fn create_bucket(&self, bucket: &str) -> Result<(), StorageError> {
        let mut state = self.lock();
        if state.buckets.contains_key(bucket) {
            return Ok(());
        }
        let created = state.now();
        let bucket = bucket.to_owned();
        self.record(&[Record::Bucket { bucket: bucket.clone(), created }])?;
        state.buckets.insert(bucket, Bucket { created, objects: BTreeMap::new() });
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

    /// All buckets with the times of their creation, by name.
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

    /// Writes an object, replacing what is there.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> Result<ObjectInfo, StorageError> {
        self.put_with(bucket, key, body, Put::default())
    }

    /// Writes an object under a condition, with headers, or as if at another time.
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

    /// Writes an object of `size` zeros that takes no room, so that a test can have one of 6 GiB.
    /// Its `ETag` depends on the size only and is no MD5 of the content.
    pub fn put_hole(&self, bucket: &str, key: &str, size: u64) -> Result<ObjectInfo, StorageError> {
        let content = Content::One(Piece::Hole(size));
        self.put_content(bucket, key, content, hole_etag(size), Put::default())
    }

    /// What there is to know about an object.
    pub fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StorageError> {
        Ok(self.lock().object(bucket, key)?.info(key))
    }

    /// Deletes an object; tells whether there was one.
    pub fn remove(&self, bucket: &str, key: &str) -> Result<bool, StorageError> {
        self.remove_if(bucket, key, &Condition::None)
    }

    /// Deletes an object if the condition holds; tells whether there was one.
    pub fn remove_if(&self, bucket: &str, key: &str, condition: &Condition) -> Result<bool, StorageError> {
        let mut state = self.lock();
        self.remove_locked(&mut state, bucket, key, condition)
    }

    /// Deletes many objects, each under its own condition; the answers are in the same order.
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

    /// Tells of every object that is created in `bucket` under `prefix` from now on. Drop the receiver to stop.
    #[must_use]
    pub fn subscribe(&self, bucket: &str, prefix: &str) -> mpsc::UnboundedReceiver<ObjectCreated> {
        let (sender, events) = mpsc::unbounded_channel();
        self.lock().subscribers.push(Subscriber::new(bucket, prefix, sender));
        events
    }

    /// A place for a body that is about to arrive.
    pub(crate) fn intake(&self, expected: usize) -> Result<Intake, StorageError> {
        Intake::new(self.folder.as_ref(), expected)
    }

    /// Writes an object whose content has arrived already.
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
                condition: &put.condition,
                last_modified: put.last_modified,
                event: Created::Put,
            },
        )
    }

    /// The one way an object comes into being: checks the condition, records, replaces, tells the subscribers.
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
        let object = Object {
            size: write.content.len(),
            content: write.content,
            etag: write.etag,
            modified: write.last_modified.unwrap_or_else(|| state.now()),
            sequence: state.next_sequence(),
            headers: write.headers,
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

    fn remove_locked(
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

    /// Throws away a content that has arrived but is not to become an object.
    pub(crate) fn discard(&self, content: &Content) {
        let mut state = self.lock();
        state.retain(content);
        self.release(&mut state, content);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Changes are recorded before they are made and cannot stop half way, so a panic elsewhere leaves nothing torn.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of a content: a file that nothing else lies in is removed.
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

    fn record(&self, records: &[Record]) -> Result<(), StorageError> {
        match &self.folder {
            Some(folder) => folder.append(records),
            None => Ok(()),
        }
    }

    /// As `record`, sparing a storage in memory the making of it.
    fn record_with(&self, record: impl FnOnce() -> Record) -> Result<(), StorageError> {
        match &self.folder {
            Some(folder) => folder.append(&[record()]),
            None => Ok(()),
        }
    }
}

impl State {
    pub(super) fn bucket(&self, bucket: &str) -> Result<&Bucket, StorageError> {
        self.buckets.get(bucket).ok_or_else(|| StorageError::no_such_bucket(bucket))
    }

    fn bucket_mut(&mut self, bucket: &str) -> Result<&mut Bucket, StorageError> {
        self.buckets.get_mut(bucket).ok_or_else(|| StorageError::no_such_bucket(bucket))
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> Result<&Object, StorageError> {
        let objects = &self.bucket(bucket)?.objects;
        objects.get(key).ok_or_else(|| StorageError::no_such_key(bucket, key))
    }

    pub(super) fn retain(&mut self, content: &Content) {
        for id in content.files() {
            *self.files.entry(id).or_default() += 1;
        }
    }

    /// The time, which never runs backwards here, so that the order of writes can be told from it.
    pub(super) fn now(&mut self) -> Timestamp {
        self.latest = self.latest.max(Timestamp::now());
        self.latest
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn tell(&mut self, bucket: &str, info: &ObjectInfo, sequence: u64, event: Created) {
        if self.subscribers.is_empty() {
            return;
        }
        let created = ObjectCreated::new(bucket, info, sequence, event);
        self.subscribers.retain(|subscriber| subscriber.tell(&created));
    }

    fn replay(&mut self, record: Record) {
        match record {
            Record::Bucket { bucket, created } => {
                self.buckets.insert(bucket, Bucket { created, objects: BTreeMap::new() });
            }
            Record::NoBucket { bucket } => {
                self.buckets.remove(&bucket);
            }
            Record::Object { bucket, key, object } => {
                let object = Object::from(*object);
                self.sequence = self.sequence.max(object.sequence);
                if let Some(bucket) = self.buckets.get_mut(&bucket) {
                    bucket.objects.insert(key.into(), object);
                }
            }
            Record::NoObject { bucket, key } => {
                if let Some(bucket) = self.buckets.get_mut(&bucket) {
                    bucket.objects.remove(key.as_str());
                }
            }
        }
    }

    fn count_files(&mut self) {
        let objects = self.buckets.values().flat_map(|bucket| bucket.objects.values());
        for id in objects.flat_map(|object| object.content.files()) {
            *self.files.entry(id).or_default() += 1;
        }
    }

    /// The shortest log that leads to this state.
    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (name, bucket) in &self.buckets {
            records.push(Record::Bucket { bucket: name.clone(), created: bucket.created });
            records.extend(bucket.objects.iter().map(|(key, object)| Record::Object {
                bucket: name.clone(),
                key: key.to_string(),
                object: Box::new(object.into()),
            }));
        }
        records
    }
}

/// The tag of an object of zeros, which nobody hashes.
pub(super) fn hole_etag(size: u64) -> Etag {
    Etag::of(format!("{size} zeros").as_bytes())
}

fn check_key(key: &str) -> Result<(), StorageError> {
    match key.len() {
        len if len > MAX_KEY => Err(StorageError::KeyTooLong { len }),
        _ => Ok(()),
    }
}
