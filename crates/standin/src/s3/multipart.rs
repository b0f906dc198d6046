//! Multipart uploads, and copies in parts for objects that are too large for one copy.
//!
//! Each part keeps its own content. Completing an upload joins them and never moves a byte.
//!
//! One file, because all of it changes one upload, with its tests.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::condition::Condition;
use super::content::{Content, Piece};
use super::copy::COPY_LIMIT;
use super::error::StorageError;
use super::etag::Etag;
use super::extras::{Encryption, Extras};
use super::notify::Created;
use super::object::{Headers, ObjectInfo, shared};
use super::reading::ReadConditions;
use super::state::State;
use super::storage::Storage;
use super::upload::{Part, Upload, UploadName};
use super::write::{Put, Write};

/// An upload that has started.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) id: String,
    pub(crate) encryption: Option<Encryption>,
}

/// An upload as listings show it.
#[derive(Clone, Debug)]
pub(crate) struct UploadInfo {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) started: Timestamp,
}

impl Storage {
    pub(crate) fn start_upload(
        &self,
        bucket: &str,
        key: &str,
        headers: Headers,
        extras: Extras,
    ) -> Result<Started, StorageError> {
        let mut state = self.lock();
        let mut extras = state.encrypted(bucket, extras)?;
        let encryption = extras.encryption.clone();
        extras.encryption.get_or_insert_with(Encryption::s3);
        let started = state.now();
        let id = Uuid::new_v4().simple().to_string();
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            started,
            headers: shared(headers),
            extras,
            parts: BTreeMap::new(),
        };
        state.uploads.insert(id.clone(), upload);
        Ok(Started { id, encryption })
    }

    /// Adds a part whose content has arrived, replacing one with the same number.
    pub(crate) fn put_part(
        &self,
        name: UploadName<'_>,
        number: i32,
        content: Content,
        etag: Etag,
    ) -> Result<Part, StorageError> {
        let mut state = self.lock();
        state.retain(&content);
        let mut part = Part { size: content.len(), content, etag, modified: state.now(), encryption: None };
        match state.upload(name) {
            Ok(upload) => {
                part.encryption = upload.extras.encryption.clone().filter(Encryption::is_kms);
                if part.encryption.is_some() {
                    part.etag = Etag::random();
                }
                if let Some(replaced) = upload.parts.insert(number, part.clone()) {
                    self.release(&mut state, &replaced.content);
                }
                Ok(part)
            }
            Err(error) => {
                self.release(&mut state, &part.content);
                Err(error)
            }
        }
    }

    /// Copies the bytes `range` of an object, or the whole object, as a part.
    pub(crate) fn copy_part(
        &self,
        name: UploadName<'_>,
        number: i32,
        from: (&str, &str),
        source: &ReadConditions,
        range: Option<Range<u64>>,
    ) -> Result<Part, StorageError> {
        let reading = self.open(from.0, from.1, source)?;
        reading.object.check_readable(from.1)?;
        let size = reading.object.size;
        let range = range.unwrap_or(0..size);
        if range.end > size {
            return Err(StorageError::InvalidRange { key: from.1.to_owned(), size });
        }
        if range.end - range.start > COPY_LIMIT {
            return Err(StorageError::CopyTooLarge { limit: COPY_LIMIT });
        }
        let etag = reading.etag(range.clone())?;
        self.put_part(name, number, reading.object.content.slice(range), etag)
    }

    /// Creates the object from the listed parts if the condition holds, and ends the upload.
    pub(crate) fn complete_upload(
        &self,
        name: UploadName<'_>,
        parts: &[(i32, Option<String>)],
        condition: &Condition,
    ) -> Result<ObjectInfo, StorageError> {
        let mut state = self.lock();
        let upload = state.upload(name)?;
        let chosen = upload.choose(parts)?;
        let (headers, extras) = (upload.headers.clone(), upload.extras.clone());
        let pieces: Vec<Piece> = chosen.iter().flat_map(|part| part.content.pieces().iter().cloned()).collect();
        let write = Write {
            bucket: name.bucket,
            key: name.key,
            content: Content::join(pieces),
            etag: Etag::of_parts(chosen.iter().map(|part| &part.etag)),
            headers,
            extras,
            condition,
            last_modified: None,
            event: Created::CompleteMultipartUpload,
        };
        let info = self.write(&mut state, write)?;
        self.forget_upload(&mut state, name.id);
        Ok(info)
    }

    /// Writes an object as if it had been uploaded in these parts, each but the last at least 5 MiB: its `ETag` is that
    /// of a multipart upload. For tests and demos; S3's clients need one request per part.
    pub fn put_in_parts(
        &self,
        bucket: &str,
        key: &str,
        parts: impl IntoIterator<Item = impl Into<Bytes>>,
        put: Put,
    ) -> Result<ObjectInfo, StorageError> {
        let started = self.start_upload(bucket, key, put.headers, put.extras)?;
        let name = UploadName { bucket, key, id: &started.id };
        let mut numbered = Vec::new();
        for (number, body) in (1..).zip(parts) {
            let body = body.into();
            let mut intake = self.intake(body.len())?;
            intake.write(&body)?;
            let (content, etag) = intake.finish();
            let part = self.put_part(name, number, content, etag)?;
            numbered.push((number, Some(part.etag.to_string())));
        }
        self.complete_upload(name, &numbered, &put.condition)
    }

    /// Aborts an upload and discards its parts.
    pub(crate) fn abort_upload(&self, name: UploadName<'_>) -> Result<(), StorageError> {
        let mut state = self.lock();
        state.upload(name)?;
        self.forget_upload(&mut state, name.id);
        Ok(())
    }

    /// The parts of an upload, by number.
    pub(crate) fn parts(&self, name: UploadName<'_>) -> Result<Vec<(i32, Part)>, StorageError> {
        let mut state = self.lock();
        let upload = state.upload(name)?;
        Ok(upload.parts.iter().map(|(number, part)| (*number, part.clone())).collect())
    }

    /// The uploads in progress in `bucket` under `prefix`, by key and start.
    pub(crate) fn uploads(&self, bucket: &str, prefix: &str) -> Result<Vec<UploadInfo>, StorageError> {
        let state = self.lock();
        state.bucket(bucket)?;
        let mut uploads: Vec<_> = state
            .uploads
            .iter()
            .filter(|(_, upload)| upload.bucket == bucket && upload.key.starts_with(prefix))
            .map(|(id, upload)| UploadInfo { key: upload.key.clone(), id: id.clone(), started: upload.started })
            .collect();
        uploads.sort_by(|a, b| (&a.key, a.started).cmp(&(&b.key, b.started)));
        Ok(uploads)
    }

    fn forget_upload(&self, state: &mut State, id: &str) {
        let Some(upload) = state.uploads.remove(id) else {
            return;
        };
        for part in upload.parts.values() {
            self.release(state, &part.content);
        }
    }
}

impl State {
    fn upload(&mut self, name: UploadName<'_>) -> Result<&mut Upload, StorageError> {
        self.bucket(name.bucket)?;
        self.uploads
            .get_mut(name.id)
            .filter(|upload| upload.bucket == name.bucket && upload.key == name.key)
            .ok_or_else(|| StorageError::NoSuchUpload {
                bucket: name.bucket.to_owned(),
                key: name.key.to_owned(),
                upload: name.id.to_owned(),
            })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::upload::MIN_PART;
    use super::*;

    const BUCKET: &str = "landing";

    fn upload(storage: &Storage, sizes: &[u64]) -> (String, Vec<(i32, Option<String>)>) {
        let id = storage.start_upload(BUCKET, "k", Headers::default(), Extras::default()).unwrap().id;
        let name = UploadName { bucket: BUCKET, key: "k", id: &id };
        let parts = (1..).zip(sizes).map(|(number, size)| {
            let body = vec![b'x'; usize::try_from(*size).unwrap()];
            let mut intake = storage.intake(body.len()).unwrap();
            intake.write(&body).unwrap();
            let (content, etag) = intake.finish();
            let part = storage.put_part(name, number, content, etag).unwrap();
            (number, Some(part.etag.to_string()))
        });
        let parts = parts.collect();
        (id, parts)
    }

    fn complete(storage: &Storage, id: &str, parts: &[(i32, Option<String>)]) -> Result<ObjectInfo, StorageError> {
        storage.complete_upload(UploadName { bucket: BUCKET, key: "k", id }, parts, &Condition::None)
    }

    #[test]
    fn parts_are_checked_before_they_are_joined() {
        let storage = Storage::in_memory();
        storage.create_bucket(BUCKET).unwrap();
        let (id, parts) = upload(&storage, &[MIN_PART, 10, 3]);
        let [first, second, third] = <[_; 3]>::try_from(parts).unwrap();
        let too_small = complete(&storage, &id, &[first.clone(), second.clone(), third.clone()]);
        assert!(matches!(too_small, Err(StorageError::EntityTooSmall { part: 2, size: 10, .. })));
        let disordered = complete(&storage, &id, &[second.clone(), first.clone()]);
        assert!(matches!(disordered, Err(StorageError::InvalidPartOrder { .. })));
        let wrong_tag = complete(&storage, &id, &[first.clone(), (2, third.1)]);
        assert!(matches!(wrong_tag, Err(StorageError::InvalidPart { part: 2, .. })));
        let never_sent = complete(&storage, &id, &[first.clone(), (9, None)]);
        assert!(matches!(never_sent, Err(StorageError::InvalidPart { part: 9, .. })));
        let done = complete(&storage, &id, &[first, second]).unwrap();
        assert_eq!(done.size, MIN_PART + 10);
    }

    #[test]
    fn an_object_may_be_put_in_parts_at_once() {
        let storage = Storage::in_memory();
        storage.create_bucket(BUCKET).unwrap();
        let part = Bytes::from(vec![b'x'; 5 * 1024 * 1024]);
        let put = |parts: &[&Bytes]| {
            storage.put_in_parts(BUCKET, "k", parts.iter().copied().cloned(), Put::default()).unwrap().etag
        };
        let etag = put(&[&part, &Bytes::from_static(b"y")]);
        assert!(etag.ends_with("-2"), "{etag}");
        assert_eq!(storage.get(BUCKET, "k").unwrap().last(), Some(&b'y'));
        assert_ne!(put(&[&part]), Etag::of(&part).to_string(), "one part is a part too");
    }

    #[test]
    fn aborted_replaced_and_forgotten_parts_leave_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let files = || walk(&folder.path().join("bodies"));
        let storage = Storage::in_folder(folder.path()).unwrap();
        storage.create_bucket(BUCKET).unwrap();
        let (aborted, _) = upload(&storage, &[3, 3]);
        assert_eq!(files(), 2);
        storage.abort_upload(UploadName { bucket: BUCKET, key: "k", id: &aborted }).unwrap();
        assert_eq!(files(), 0);
        let (id, parts) = upload(&storage, &[MIN_PART, 3, 3]);
        complete(&storage, &id, &parts[..2]).unwrap();
        assert_eq!(files(), 2);
        upload(&storage, &[3]);
        drop(storage);
        let storage = Storage::in_folder(folder.path()).unwrap();
        assert_eq!(files(), 2);
        assert_eq!(storage.get(BUCKET, "k").unwrap().len() as u64, MIN_PART + 3);
    }

    fn walk(bodies: &std::path::Path) -> usize {
        let shards = std::fs::read_dir(bodies).unwrap();
        shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum()
    }
}
