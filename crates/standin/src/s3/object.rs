//! One stored object, and what callers see of it.
//!
//! An object in the index is small, because there may be a million; it never holds its own key.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::content::Content;
use super::error::StorageError;
use super::etag::Etag;
use super::extras::Extras;

/// An object in the index.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) content: Content,
    pub(crate) size: u64,
    pub(crate) etag: Etag,
    pub(crate) modified: Timestamp,
    /// Grows with every write to the storage: the `sequencer` of notifications.
    pub(crate) sequence: u64,
    pub(crate) headers: Option<Arc<Headers>>,
    pub(crate) extras: Option<Arc<Extras>>,
}

/// What a writer says about an object besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Headers {
    /// `Content-Type`; without it S3 answers `binary/octet-stream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// User metadata: the headers `x-amz-meta-…` without that prefix.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The checksum that came with the body, already verified: its algorithm and its base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<(String, String)>,
}

/// Everything about an object except its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// The `ETag`, without quotes.
    pub etag: String,
    /// When it was written, to the nanosecond, which gives the order of writes. S3's clients see whole seconds.
    pub last_modified: Timestamp,
    /// What its writer said about it.
    pub headers: Option<Arc<Headers>>,
    /// Its storage class, encryption and tags, if they differ from those of most objects.
    pub extras: Option<Arc<Extras>>,
}

impl Object {
    /// When it was written, as S3 reports it: in whole seconds.
    pub(crate) fn modified_second(&self) -> Timestamp {
        whole_second(self.modified)
    }

    pub(crate) fn info(&self, key: &str) -> ObjectInfo {
        ObjectInfo {
            key: key.to_owned(),
            size: self.size,
            etag: self.etag.to_string(),
            last_modified: self.modified,
            headers: self.headers.clone(),
            extras: self.extras.clone(),
        }
    }

    /// Whether its tag is the MD5 of its content.
    pub(crate) fn tag_is_md5(&self) -> bool {
        !self.etag.is_multipart() && self.extras.as_ref().is_none_or(|extras| extras.encryption.is_none())
    }

    /// Refuses to read an object that must be restored first.
    pub(crate) fn check_readable(&self, key: &str) -> Result<(), StorageError> {
        match self.extras.as_ref().filter(|extras| extras.is_archived()) {
            None => Ok(()),
            Some(extras) => Err(StorageError::Archived { key: key.to_owned(), class: extras.class().to_owned() }),
        }
    }
}

/// A time truncated to the second.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// `None` if the writer gave no headers: a million objects then take no extra memory.
pub(crate) fn shared(headers: Headers) -> Option<Arc<Headers>> {
    (headers != Headers::default()).then(|| Arc::new(headers))
}
