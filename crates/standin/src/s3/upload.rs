//! Multipart uploads in progress: their parts, and which of them make an object.
//!
//! Never touches the lock or a disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::content::Content;
use super::error::StorageError;
use super::etag::Etag;
use super::extras::{Encryption, Extras};
use super::object::Headers;

/// The minimum size of every part but the last.
pub(super) const MIN_PART: u64 = 5 * 1024 * 1024;

/// An upload in progress.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) started: Timestamp,
    pub(super) headers: Option<Arc<Headers>>,
    /// Fixed when the upload starts: a later change of the bucket's encryption has no effect.
    pub(super) extras: Extras,
    pub(super) parts: BTreeMap<i32, Part>,
}

/// A part of an upload.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) content: Content,
    pub(crate) size: u64,
    pub(crate) etag: Etag,
    pub(crate) modified: Timestamp,
    /// The upload's encryption. `None`: with keys that S3 manages itself.
    pub(crate) encryption: Option<Encryption>,
}

/// Identifies an upload: its bucket, its key and its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UploadName<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) id: &'a str,
}

impl Upload {
    /// The parts that the client lists, checked as S3 checks them.
    pub(super) fn choose(&self, listed: &[(i32, Option<String>)]) -> Result<Vec<Part>, StorageError> {
        if listed.is_empty() || !listed.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(StorageError::InvalidPartOrder { key: self.key.clone() });
        }
        let mut chosen = Vec::with_capacity(listed.len());
        for (position, (number, etag)) in listed.iter().enumerate() {
            let part = self
                .parts
                .get(number)
                .filter(|part| etag.as_ref().is_none_or(|etag| part.etag.matches(etag)))
                .ok_or_else(|| StorageError::InvalidPart { key: self.key.clone(), part: *number })?;
            if part.size < MIN_PART && position + 1 < listed.len() {
                return Err(StorageError::EntityTooSmall { key: self.key.clone(), part: *number, size: part.size });
            }
            chosen.push(part.clone());
        }
        Ok(chosen)
    }
}
