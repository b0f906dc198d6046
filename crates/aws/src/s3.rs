//! The bucket: Amazon S3, one file per operation.
//!
//! Each condition goes to S3 with the call, and S3 decides and acts in one step. Nothing here checks first and acts
//! later. When S3 refuses a call that the SDK tried more than once, the cause may be an earlier try of the same call:
//! it took effect, and its reply was lost. Then, and only then, the adapter compares what is there with what it sent.

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
use sluice_core::ports::{
    Content, Copy, Delete, Deleted, Objects, Operation, Page, Part, PortError, PortErrorKind, Put, PutIf,
};

use crate::error::status;
use crate::lazy::Lazy;

/// A bucket in S3.
#[derive(Clone, Debug)]
pub struct S3Objects {
    client: Lazy<Client>,
    bucket: String,
    copies: Copies,
}

/// Limits for copying objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// The largest object, in bytes, that is copied in one call. S3 allows 5 GiB.
    /// Source: Amazon S3 API Reference, `CopyObject`.
    pub single_at_most: u64,
    /// The size of a part, in bytes, when a larger object is copied. S3 allows 5 MiB to 5 GiB, and 10,000 parts: the
    /// size grows if 10,000 parts would not be enough.
    /// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
    pub part: u64,
    /// How many parts are copied at once.
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

/// Whether the object does not exist, as opposed to the bucket. Answers to HEAD have no code.
fn no_such_key<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(404) && matches!(error.code(), None | Some("NoSuchKey" | "NotFound"))
}

/// Reads an object's properties from an answer. S3 always sends all of them; an answer without one cannot be trusted.
fn file(
    operation: Operation,
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

fn incomplete(operation: Operation, subject: &str, what: &str) -> PortError {
    let cause = format!("the answer lacks {what}; is this endpoint S3?");
    PortError::new(operation, subject, PortErrorKind::Invalid, cause)
}
