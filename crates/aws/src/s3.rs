//! The bucket: Amazon S3, one file an operation.
//!
//! Each condition goes to S3 with the call, which decides and acts in one step; nothing here looks first and acts after.
//! Where S3 refuses, and the SDK had tried more than once, the refusal may be due to an earlier try of the same call whose
//! reply was lost: then, and only then, what is there is compared with what was sent.

mod attempts;
mod copy;
mod delete;
mod get;
mod list;
mod multipart;
mod put;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime;
use jiff::Timestamp;
use sluice_core::object::{ETag, File, Key, Prefix};
use sluice_core::ports::{Content, Copy, Delete, Deleted, Objects, Page, Part, PortError, PortErrorKind, Put, PutIf};

use crate::error::status;
use crate::lazy::Lazy;

/// A bucket in S3.
#[derive(Clone, Debug)]
pub struct S3Objects {
    client: Lazy<Client>,
    bucket: String,
    copies: Copies,
}

/// How objects are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// The largest object that is copied in one call. S3 allows 5 GiB.
    /// Source: Amazon S3 API Reference, `CopyObject`.
    pub single_at_most: u64,
    /// The size of a part of what is larger. S3 allows 5 MiB to 5 GiB, and 10,000 parts: it grows where they would not do.
    /// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
    pub part: u64,
    /// How many parts are copied at a time.
    pub parts_at_once: usize,
}

impl Default for Copies {
    fn default() -> Self {
        Self { single_at_most: 5 << 30, part: 256 << 20, parts_at_once: 8 }
    }
}

impl S3Objects {
    pub(crate) fn new(client: Lazy<Client>, bucket: &str) -> Self {
        Self { client, bucket: bucket.to_owned(), copies: Copies::default() }
    }

    /// The same bucket, with other limits for copies.
    #[must_use]
    pub fn with_copies(self, copies: Copies) -> Self {
        Self { copies, ..self }
    }

    fn subject(&self, key: &Key) -> String {
        format!("{}/{key}", self.bucket)
    }
}

impl Objects for S3Objects {
    async fn list(&self, prefix: &Prefix, after: Option<&str>) -> Result<Page, PortError> {
        list::list(self, prefix, list::From::Page(after)).await
    }

    async fn list_after(&self, prefix: &Prefix, key: &str) -> Result<Page, PortError> {
        list::list(self, prefix, list::From::Key(key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Content>, PortError> {
        get::get(self, key).await
    }

    async fn read(&self, file: &File, from: u64, length: u64) -> Result<Option<Part>, PortError> {
        get::read(self, file, from, length).await
    }

    async fn head(&self, key: &Key) -> Result<Option<File>, PortError> {
        get::head(self, key).await
    }

    async fn put(&self, key: &Key, body: Vec<u8>, when: PutIf<'_>) -> Result<Put, PortError> {
        put::put(self, key, body, when).await
    }

    async fn copy(&self, from: &File, to: &Key) -> Result<Copy, PortError> {
        if from.size > self.copies.single_at_most {
            return multipart::copy(self, from, to).await;
        }
        copy::copy(self, from, to).await
    }

    async fn delete(&self, key: &Key, etag: &ETag) -> Result<Delete, PortError> {
        delete::one(self, key, etag).await
    }

    async fn delete_many(&self, objects: &[(Key, ETag)]) -> Result<Vec<Deleted>, PortError> {
        delete::many(self, objects).await
    }
}

/// Whether a condition did not hold (412), or another call was changing the object at the same moment (409).
fn refused<E>(error: &SdkError<E>) -> bool {
    matches!(status(error), Some(409 | 412))
}

/// Whether there is no such object, as opposed to no such bucket. Answers to HEAD have no code.
fn no_such_key<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(404) && matches!(error.code(), None | Some("NoSuchKey" | "NotFound"))
}

/// What an answer says of an object. S3 says all of it; an answer that does not cannot be trusted.
fn file(
    operation: &'static str,
    key: &Key,
    etag: Option<&str>,
    size: Option<i64>,
    last_modified: Option<&DateTime>,
) -> Result<File, PortError> {
    let whole = || {
        let modified = last_modified?;
        let nanos = i32::try_from(modified.subsec_nanos()).ok()?;
        let last_modified = Timestamp::new(modified.secs(), nanos).ok()?;
        Some(File { key: key.clone(), etag: ETag::new(etag?), size: u64::try_from(size?).ok()?, last_modified })
    };
    whole().ok_or_else(|| incomplete(operation, key.as_str(), "ETag, size or time"))
}

fn incomplete(operation: &'static str, subject: &str, what: &str) -> PortError {
    let cause = format!("the answer lacks {what}; is this endpoint S3?");
    PortError::new(operation, subject, PortErrorKind::Invalid, cause)
}
