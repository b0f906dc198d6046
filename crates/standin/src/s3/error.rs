//! Errors of the stored objects, in S3's own terms.
//!
//! One enum for all operations, because S3 uses the same codes for the same conditions everywhere. Never holds an HTTP
//! status.

use std::io;

/// Why an operation on the storage failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The bucket does not exist.
    #[error("bucket `{bucket}` does not exist: create it first")]
    NoSuchBucket {
        /// The requested bucket.
        bucket: String,
    },
    /// S3 does not accept this name for a bucket.
    #[error("`{bucket}` cannot be a bucket: 3 to 63 lowercase letters, digits, dots and dashes")]
    InvalidBucketName {
        /// The requested name.
        bucket: String,
    },
    /// The bucket still holds objects.
    #[error("bucket `{bucket}` is not empty: delete its objects first")]
    BucketNotEmpty {
        /// The bucket to delete.
        bucket: String,
    },
    /// The object does not exist; also the answer to `If-Match` without an object.
    #[error("bucket `{bucket}` has no object `{key}`")]
    NoSuchKey {
        /// The bucket.
        bucket: String,
        /// The requested key.
        key: String,
    },
    /// The key is longer than 1,024 bytes.
    #[error("a key of {len} bytes is too long for S3: at most 1,024")]
    KeyTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A condition did not hold: a rival was faster.
    #[error("`{condition}` does not hold for `{key}` in bucket `{bucket}`")]
    PreconditionFailed {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The name of the condition's header.
        condition: &'static str,
    },
    /// A condition of a form that S3 does not offer for this operation.
    #[error("S3 does not offer {what}")]
    NotImplemented {
        /// The requested form.
        what: &'static str,
    },
    /// There is no such multipart upload, or it is already completed or aborted.
    #[error("there is no multipart upload `{upload}` for `{key}` in bucket `{bucket}`")]
    NoSuchUpload {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The upload's id.
        upload: String,
    },
    /// A part that was never uploaded, or that has a different `ETag`.
    #[error("part {part} of `{key}` was not uploaded, or with another ETag")]
    InvalidPart {
        /// The key.
        key: String,
        /// The part's number.
        part: i32,
    },
    /// Parts must be listed in ascending order.
    #[error("the parts of `{key}` are not in ascending order")]
    InvalidPartOrder {
        /// The key.
        key: String,
    },
    /// A part other than the last is smaller than 5 MiB.
    #[error("part {part} of `{key}` has {size} bytes; every part but the last needs at least 5 MiB")]
    EntityTooSmall {
        /// The key.
        key: String,
        /// The part's number.
        part: i32,
        /// Its size.
        size: u64,
    },
    /// More than S3 copies in one request.
    #[error("The specified copy source is larger than the maximum allowable size for a copy source: {limit}")]
    CopyTooLarge {
        /// The most that one copy may move.
        limit: u64,
    },
    /// A copy of an object onto itself that changes nothing.
    #[error(
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata"
    )]
    CopyOntoItself,
    /// The range lies outside the object.
    #[error("the range lies outside `{key}`, which has {size} bytes")]
    InvalidRange {
        /// The key.
        key: String,
        /// The object's size.
        size: u64,
    },
    /// The object is in an archive: it must be restored before it can be read.
    #[error("The operation is not valid for the object's storage class: `{key}` is in {class}")]
    Archived {
        /// The key.
        key: String,
        /// Its storage class.
        class: String,
    },
    /// There is no such storage class.
    #[error("The storage class you specified is not valid: {class}")]
    NoSuchClass {
        /// The requested class.
        class: String,
    },
    /// A set of tags that S3 does not accept.
    #[error("{reason}")]
    InvalidTag {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The disk failed.
    #[error("cannot {doing}")]
    Io {
        /// The failed action, with the path.
        doing: String,
        /// The disk's error.
        #[source]
        source: io::Error,
    },
}

impl StorageError {
    pub(crate) fn no_such_bucket(bucket: &str) -> Self {
        Self::NoSuchBucket { bucket: bucket.to_owned() }
    }

    pub(crate) fn no_such_key(bucket: &str, key: &str) -> Self {
        Self::NoSuchKey { bucket: bucket.to_owned(), key: key.to_owned() }
    }

    pub(crate) fn failed(bucket: &str, key: &str, condition: &'static str) -> Self {
        Self::PreconditionFailed { bucket: bucket.to_owned(), key: key.to_owned(), condition }
    }

    /// For `map_err`: the disk failed while `doing`.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
