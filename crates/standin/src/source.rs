//! How the warehouse reads objects: COPY's only access to the stand-in's S3.
//!
//! Never writes, and never lets COPY see more than a reader with `s3:GetObject` would.

use std::io;

use bytes::Bytes;
use jiff::Timestamp;

/// Objects that COPY can read.
pub trait Source: Send + Sync + 'static {
    /// The object's current content, or `None` if the object does not exist.
    ///
    /// # Errors
    /// Only what the disk reports.
    fn read(&self, bucket: &str, key: &str) -> io::Result<Option<SourceObject>>;

    /// The keys that begin with `prefix`, in byte order (COPY without `MANIFEST`), or `None` if the bucket does not
    /// exist.
    ///
    /// # Errors
    /// Only what the disk reports.
    fn keys(&self, bucket: &str, prefix: &str) -> io::Result<Option<Vec<String>>>;
}

/// One object as COPY reads it.
#[derive(Clone, Debug)]
pub struct SourceObject {
    /// The whole content.
    pub body: Bytes,
    /// The `ETag`, without quotes.
    pub etag: String,
    /// When the object was last written.
    pub last_modified: Timestamp,
}
