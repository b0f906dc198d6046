//! The state that the storage's lock protects, and how it is restored from a folder's index.
//!
//! A holder of `&mut State` holds the lock. Never checks a condition or touches a disk.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::content::Content;
use super::error::StorageError;
use super::extras::{Encryption, Extras};
use super::folder::Record;
use super::notify::{Created, ObjectCreated, Subscriber};
use super::object::{Object, ObjectInfo};
use super::upload::Upload;

/// Everything that the lock protects.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) uploads: HashMap<String, Upload>,
    pub(super) subscribers: Vec<Subscriber>,
    /// The number of objects, parts and readers of each body file.
    pub(super) files: HashMap<u64, u32>,
    sequence: u64,
    latest: Timestamp,
}

/// One bucket. Its objects are in the byte order of their keys, which is the order of listings.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) created: Timestamp,
    pub(super) objects: BTreeMap<Box<str>, Object>,
    /// The default encryption, if it does not use S3's own keys.
    pub(super) encryption: Option<Encryption>,
}

impl Bucket {
    pub(super) fn new(created: Timestamp) -> Self {
        Self { created, objects: BTreeMap::new(), encryption: None }
    }
}

impl State {
    pub(super) fn bucket(&self, bucket: &str) -> Result<&Bucket, StorageError> {
        self.buckets.get(bucket).ok_or_else(|| StorageError::no_such_bucket(bucket))
    }

    pub(super) fn bucket_mut(&mut self, bucket: &str) -> Result<&mut Bucket, StorageError> {
        self.buckets.get_mut(bucket).ok_or_else(|| StorageError::no_such_bucket(bucket))
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> Result<&Object, StorageError> {
        let objects = &self.bucket(bucket)?.objects;
        objects.get(key).ok_or_else(|| StorageError::no_such_key(bucket, key))
    }

    /// `extras` with the bucket's default encryption, unless they name one. Here, S3's own keys count as no encryption.
    pub(super) fn encrypted(&self, bucket: &str, extras: Extras) -> Result<Extras, StorageError> {
        let default = &self.bucket(bucket)?.encryption;
        let encryption = extras.encryption.or_else(|| default.clone()).filter(Encryption::is_kms);
        Ok(Extras { encryption, ..extras })
    }

    pub(super) fn retain(&mut self, content: &Content) {
        for id in content.files() {
            *self.files.entry(id).or_default() += 1;
        }
    }

    /// The time. It never runs backwards here, so that it gives the order of writes.
    pub(super) fn now(&mut self) -> Timestamp {
        self.latest = self.latest.max(Timestamp::now());
        self.latest
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(super) fn tell(&mut self, bucket: &str, info: &ObjectInfo, sequence: u64, event: Created) {
        if self.subscribers.is_empty() {
            return;
        }
        let created = ObjectCreated::new(bucket, info, sequence, event);
        self.subscribers.retain(|subscriber| subscriber.tell(&created));
    }

    pub(super) fn replay(&mut self, record: Record) {
        match record {
            Record::Bucket { bucket, created } => {
                self.buckets.insert(bucket, Bucket::new(created));
            }
            Record::NoBucket { bucket } => {
                self.buckets.remove(&bucket);
            }
            Record::Encryption { bucket, encryption } => {
                if let Some(bucket) = self.buckets.get_mut(&bucket) {
                    bucket.encryption = encryption;
                }
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

    pub(super) fn count_files(&mut self) {
        let objects = self.buckets.values().flat_map(|bucket| bucket.objects.values());
        for id in objects.flat_map(|object| object.content.files()) {
            *self.files.entry(id).or_default() += 1;
        }
    }

    /// The shortest log that produces this state.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (name, bucket) in &self.buckets {
            records.push(Record::Bucket { bucket: name.clone(), created: bucket.created });
            if bucket.encryption.is_some() {
                records.push(Record::Encryption { bucket: name.clone(), encryption: bucket.encryption.clone() });
            }
            records.extend(bucket.objects.iter().map(|(key, object)| Record::Object {
                bucket: name.clone(),
                key: key.to_string(),
                object: Box::new(object.into()),
            }));
        }
        records
    }
}
