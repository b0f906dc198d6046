//! What the protocol needs of the world, as small traits that state what they guarantee.
//!
//! An expected race is an answer ([`Put::Refused`], [`Copy::Occupied`]); everything else is an error ([`PortError`]).
//! The ports are implemented in memory (feature `testing`) and on the AWS SDK (`sluice-aws`). One contract suite for
//! each port holds both to the same guarantees. Never knows a step of the protocol.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::measure::Datum;
use crate::object::{ETag, File, Key, Prefix};

pub use crate::port_error::{Operation, PortError, PortErrorKind, Service};

/// The bucket: files, claims and manifests.
///
/// Every call sees what calls that ended before it wrote (S3 is strongly consistent). Each conditional call decides and
/// acts in one step.
///
/// A bucket is listed page by page:
///
/// ```
/// use sluice_core::object::Prefix;
/// use sluice_core::ports::{Objects, PortError};
///
/// /// The bytes of all objects under a prefix.
/// async fn stored(objects: &impl Objects, prefix: &Prefix) -> Result<u64, PortError> {
///     let (mut bytes, mut after) = (0, None);
///     loop {
///         let page = objects.list(prefix, after.as_deref()).await?;
///         bytes += page.files.iter().map(|file| file.size).sum::<u64>();
///         after = page.next;
///         if after.is_none() {
///             return Ok(bytes);
///         }
///     }
/// }
/// # use sluice_core::testing::{ManualClock, MemoryObjects};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let bucket = MemoryObjects::new(&ManualClock::default()).paged(2);
/// # ["in/a", "in/b", "in/c", "other/d"].map(|name| bucket.drop_file(name, "1,x\n"));
/// # assert_eq!(stored(&bucket, &Prefix::new("in/")?).await?, 3 * 4);
/// # Ok(())
/// # }
/// ```
pub trait Objects: Send + Sync {
    /// One page of the objects under `prefix`, in the byte order of their keys; `after` is the last page's `next`.
    fn list(&self, prefix: &Prefix, after: Option<&str>) -> impl Future<Output = Result<Page, PortError>> + Send;

    /// The first page of the objects whose keys come after `key`, which need not exist. Its `next` is for
    /// [`Objects::list`].
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

    /// At most `length` bytes of exactly this version, from the byte `from` on, which must exist. `None` where the
    /// version is gone.
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
    /// Of several callers with [`PutIf::Absent`] at once, exactly one gets [`Put::Written`].
    /// After an error the object may have been written or not.
    fn put(&self, key: &Key, body: Vec<u8>, when: PutIf<'_>) -> impl Future<Output = Result<Put, PortError>> + Send;

    /// Copies exactly the version `from` to a key that does not exist yet, with its metadata. Any size.
    ///
    /// Never overwrites, and never copies another version.
    fn copy(&self, from: &File, to: &Key) -> impl Future<Output = Result<Copy, PortError>> + Send;

    /// Deletes the object while it still has the given `ETag`.
    fn delete(&self, key: &Key, etag: &ETag) -> impl Future<Output = Result<Delete, PortError>> + Send;

    /// Deletes at most [`MAX_DELETES`] objects, each while it still has its `ETag`, and answers in the same order. One
    /// that cannot be deleted does not hold up the others.
    ///
    /// # Errors
    /// When the call as a whole fails. Any of them may be deleted then.
    fn delete_many(&self, objects: &[(Key, ETag)]) -> impl Future<Output = Result<Vec<Deleted>, PortError>> + Send;
}

/// The most objects of one [`Objects::delete_many`]. Source: Amazon S3 API Reference, `DeleteObjects`.
pub const MAX_DELETES: usize = 1000;

/// A page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most 1,000 objects, in the byte order of their keys.
    pub files: Vec<File>,
    /// The keys of further objects of the page, which nobody can read before they are restored.
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
    /// Whether the object's `ETag` is a hash of its content, and so the same for the same content. It is not if the
    /// object was uploaded in parts, or is encrypted by KMS or under a key of its producer's. Source: Amazon S3 API
    /// Reference, "Object".
    pub hashed: bool,
}

/// The condition of a put.
///
/// Of several writers that expect the same version, one wins:
///
/// ```
/// use sluice_core::object::Key;
/// use sluice_core::ports::{Objects, Put, PutIf};
/// # use sluice_core::testing::{ManualClock, MemoryObjects};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let bucket = MemoryObjects::new(&ManualClock::default());
///
/// let claim = Key::new("sluice/claims/flights/0.json")?;
/// let Put::Written(etag) = bucket.put(&claim, b"ours".to_vec(), PutIf::Absent).await? else {
///     panic!("somebody else filled the slot");
/// };
/// assert_eq!(bucket.put(&claim, b"theirs".to_vec(), PutIf::Absent).await?, Put::Refused);
///
/// let renewed = bucket.put(&claim, b"renewed".to_vec(), PutIf::Matches(&etag)).await?;
/// assert!(matches!(renewed, Put::Written(_)));
/// assert_eq!(bucket.put(&claim, b"late".to_vec(), PutIf::Matches(&etag)).await?, Put::Refused);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutIf<'a> {
    /// None: overwrites. Only for content that every writer writes in the same way.
    Any,
    /// While there is no such object.
    Absent,
    /// While the object has this `ETag`.
    Matches(&'a ETag),
}

/// How a put ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object has this `ETag` now.
    Written(ETag),
    /// The condition did not hold, or another writer was writing at the same moment. Nothing was written.
    Refused,
}

/// How a copy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copy {
    /// The copy was made.
    Copied,
    /// This object has the key already.
    Occupied(File),
    /// The source has another `ETag` by now.
    Replaced(ETag),
    /// The source is gone.
    Gone,
}

/// How a delete ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// The object is gone now, or was gone already.
    Deleted,
    /// The object has another `ETag` by now, and stays.
    Replaced,
}

/// How one of many deletes ended.
pub type Deleted = Result<Delete, PortError>;

/// Starts workers, to which the lister dispatches claims.
pub trait Workers: Send + Sync {
    /// Starts a worker on the claim, without waiting for it. At least once, in no order.
    fn dispatch(&self, claim: &Key) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Where measures go.
pub trait Metrics: Send + Sync {
    /// Publishes the data, in one call where the service's limits allow.
    fn publish(&self, data: &[Datum]) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Time. Tests have a clock of their own.
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Returns after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// Returns after `duration`, for a caller that waits for something else at the same time.
    fn timeout(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.sleep(duration)
    }
}

/// All ports of a function.
pub trait Ports: Send + Sync {
    /// The bucket.
    type Objects: Objects;
    /// Where rows go.
    type Destination: crate::destination::Destination;
    /// Who loads a claim.
    type Workers: Workers;
    /// Where measures go.
    type Metrics: Metrics;
    /// Time.
    type Clock: Clock;

    /// The bucket.
    fn objects(&self) -> &Self::Objects;
    /// Where rows go.
    fn destination(&self) -> &Self::Destination;
    /// Who loads a claim.
    fn workers(&self) -> &Self::Workers;
    /// Where measures go.
    fn metrics(&self) -> &Self::Metrics;
    /// Time.
    fn clock(&self) -> &Self::Clock;
}
