//! What the protocol needs of the world, as small traits that state what they guarantee.
//!
//! An expected race is an answer ([`Put::Refused`], [`Copy::Occupied`]); an error ([`PortError`]) is everything else.
//! Implemented in memory (feature `testing`), on the AWS SDK (`sluice-aws`), and held to it by one contract suite each.
//! Nothing here knows a protocol step.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::measure::Datum;
use crate::object::{ETag, File, Key, Prefix};

pub use crate::port_error::{Operation, PortError, PortErrorKind, Service};

/// The bucket: files, claims and manifests.
///
/// Every call sees what calls that ended before it wrote (S3 is strongly consistent), and each conditional call decides
/// and acts in one step.
pub trait Objects: Send + Sync {
    /// One page of the objects under `prefix`, in the byte order of their keys; `after` is the last page's `next`.
    fn list(&self, prefix: &Prefix, after: Option<&str>) -> impl Future<Output = Result<Page, PortError>> + Send;

    /// The first page of those whose keys come after `key`, which need not be one. Its `next` is for [`Objects::list`].
    fn list_after(&self, prefix: &Prefix, key: &str) -> impl Future<Output = Result<Page, PortError>> + Send {
        async move {
            let mut page = self.list(prefix, None).await?;
            loop {
                page.files.retain(|file| file.key.as_str() > key);
                match page.next.take_if(|_| page.files.is_empty()) {
                    Some(next) => page = self.list(prefix, Some(&next)).await?,
                    None => return Ok(page),
                }
            }
        }
    }

    /// The object's content, or `None` where there is no such object.
    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Content>, PortError>> + Send;

    /// At most `length` bytes of exactly this version, from the byte `from` on, which it has; `None` where the version is
    /// not there any more.
    fn read(
        &self,
        file: &File,
        from: u64,
        length: u64,
    ) -> impl Future<Output = Result<Option<Part>, PortError>> + Send {
        async move {
            let content = self.get(&file.key).await?.filter(|content| content.etag == file.etag);
            let bytes = |number| usize::try_from(number).unwrap_or(usize::MAX);
            Ok(content.map(|content| Part {
                bytes: content.body.into_iter().skip(bytes(from)).take(bytes(length)).collect(),
                hashed: file.etag.may_be_hash(),
            }))
        }
    }

    /// What a listing would show of the object, or `None` where there is no such object.
    fn head(&self, key: &Key) -> impl Future<Output = Result<Option<File>, PortError>> + Send;

    /// Writes the object, if the condition holds at that moment.
    ///
    /// Of several callers with [`PutIf::Absent`] at once, exactly one is told [`Put::Written`].
    /// An error leaves open whether the object was written.
    fn put(&self, key: &Key, body: Vec<u8>, when: PutIf<'_>) -> impl Future<Output = Result<Put, PortError>> + Send;

    /// Copies exactly the version `from` to a key that does not exist yet, with its metadata. Any size.
    ///
    /// Never overwrites, and never copies another version than the one named.
    fn copy(&self, from: &File, to: &Key) -> impl Future<Output = Result<Copy, PortError>> + Send;

    /// Deletes the object while it still has the given `ETag`.
    fn delete(&self, key: &Key, etag: &ETag) -> impl Future<Output = Result<Delete, PortError>> + Send;

    /// Deletes at most [`MAX_DELETES`] objects, each while it still has its `ETag`; answers in the order asked. One that
    /// cannot be deleted keeps none of the others.
    ///
    /// # Errors
    /// When the call as a whole fails: any of them may be deleted.
    fn delete_many(&self, objects: &[(Key, ETag)]) -> impl Future<Output = Result<Vec<Deleted>, PortError>> + Send;
}

/// The most objects of one [`Objects::delete_many`]. Source: Amazon S3 API Reference, `DeleteObjects`.
pub const MAX_DELETES: usize = 1000;

/// A page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most 1,000 objects, in the byte order of their keys.
    pub files: Vec<File>,
    /// The keys of those between them that nobody can read before they are restored.
    /// Source: Amazon S3 User Guide, "Working with archived objects": GLACIER and `DEEP_ARCHIVE`.
    pub frozen: Vec<Key>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// An object with its content.
#[derive(Clone, Debug)]
pub struct Content {
    /// The whole content.
    pub body: Vec<u8>,
    /// Its version.
    pub etag: ETag,
}

/// A part of an object's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the object's `ETag` is a hash of its content, and so the same wherever the content is the same. It is not
    /// where the object was uploaded in parts, or is encrypted by KMS or under a key of its producer's.
    /// Source: Amazon S3 API Reference, "Object".
    pub hashed: bool,
}

/// When a put may take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutIf<'a> {
    /// Whatever is there. Only for content that is the same whoever writes it.
    Any,
    /// While there is no such object.
    Absent,
    /// While the object has this `ETag`.
    Matches(&'a ETag),
}

/// What came of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, with this `ETag`.
    Written(ETag),
    /// The condition did not hold, or somebody else was writing at the same moment. Nothing was written.
    Refused,
}

/// What came of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copy {
    /// It is there.
    Copied,
    /// Another object has that key already; this is what it is.
    Occupied(File),
    /// The source has another `ETag` by now.
    Replaced(ETag),
    /// There is no source any more.
    Gone,
}

/// What came of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// The object is gone now, or was gone already.
    Deleted,
    /// The object has another `ETag` by now, and stays.
    Replaced,
}

/// What came of one of many deletes.
pub type Deleted = Result<Delete, PortError>;

/// Whom the lister hands a claim to.
pub trait Workers: Send + Sync {
    /// Starts a worker on the claim, without waiting for it. At least once, in no order.
    fn dispatch(&self, claim: &Key) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Where measures go.
pub trait Metrics: Send + Sync {
    /// Publishes the data, in one call where the service's limits allow.
    fn publish(&self, data: &[Datum]) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Time, handed in so that tests own it.
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Returns after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// Returns after `duration`, for whoever waits for something else at the same time.
    fn timeout(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.sleep(duration)
    }
}

/// All that a function has of the world.
pub trait Ports: Send + Sync {
    /// The bucket.
    type Objects: Objects;
    /// Where rows go.
    type Destination: crate::destination::Destination;
    /// Who loads what the lister claims.
    type Workers: Workers;
    /// Where measures go.
    type Metrics: Metrics;
    /// Time.
    type Clock: Clock;

    /// The bucket.
    fn objects(&self) -> &Self::Objects;
    /// Where rows go.
    fn destination(&self) -> &Self::Destination;
    /// Who loads what the lister claims.
    fn workers(&self) -> &Self::Workers;
    /// Where measures go.
    fn metrics(&self) -> &Self::Metrics;
    /// Time.
    fn clock(&self) -> &Self::Clock;
}
