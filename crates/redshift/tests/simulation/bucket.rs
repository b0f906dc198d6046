//! The bucket: one map, every conditional request decided and done in one step, as S3 promises.
//!
//! Held to the contract of `sluice_core::testing::contract`. Beyond it: `*` stands for any `ETag`, as in S3's own
//! conditions, and `ETag`s may be no hashes of the content (KMS, uploads in parts).

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Bound;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use sluice_core::object::{ETag, File, FileId, Key, Prefix};
use sluice_core::ports::{
    Content, Copy, Delete, Deleted, MAX_DELETES, Objects, Page, Part, PortError, PortErrorKind, Put, PutIf,
};

use crate::calls::Caller;
use crate::clock::{Micros, SECOND, stamp};
use crate::dice::Dice;
use crate::lasting::Request;
use crate::scenario::is_packed;
use crate::scheduler::World;

/// Where producers drop the feeds' files.
pub const INCOMING: &str = "incoming/";
pub const CLAIMS: &str = "sluice/claims/";
/// What the lister notes for itself, and can do without.
pub const STATE: &str = "sluice/state/";

#[derive(Clone, Debug)]
pub struct Object {
    pub etag: ETag,
    pub body: Arc<[u8]>,
    pub modified: Timestamp,
}

impl Object {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Its identity as a file.
    pub fn id(&self, key: &str) -> FileId {
        FileId::of(&Key::new(key).expect("a key"), &self.etag)
    }

    fn file(&self, key: Key) -> File {
        File { key, etag: self.etag.clone(), size: self.body.len() as u64, last_modified: self.modified }
    }
}

pub struct Bucket {
    // `String` sorts by bytes, which is the order that S3 lists in.
    pub objects: BTreeMap<String, Object>,
    page: usize,
    /// `ETag`s are hashes of the content.
    hashes: bool,
    written: u64,
}

impl Bucket {
    pub fn new(page: usize, hashes: bool) -> Self {
        Self { objects: BTreeMap::new(), page, hashes, written: 0 }
    }

    /// All objects under `prefix`.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Object)> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.objects.range::<str, _>(from).take_while(move |(key, _)| key.starts_with(prefix))
    }

    pub fn get(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)
    }

    /// Writes an object, whatever is there.
    pub fn write(&mut self, key: &str, body: Arc<[u8]>, now: Micros) -> ETag {
        self.written += 1;
        let text = String::from_utf8_lossy(&body);
        let hash = Dice::new(0).about(&text).label();
        let etag = if self.hashes { format!("{hash:016x}") } else { format!("{hash:08x}-{}", self.written) };
        let etag = ETag::new(&etag);
        // S3 dates objects in whole seconds.
        let object = Object { etag: etag.clone(), body, modified: stamp(now / SECOND * SECOND, 0) };
        self.objects.insert(key.to_owned(), object);
        etag
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> Page {
        let begin = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut rest = self
            .objects
            .range::<str, _>((begin, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(key, object)| Some(object.file(Key::new(key.as_str()).ok()?)));
        let files: Vec<File> = rest.by_ref().take(self.page).collect();
        let next = rest.next().and(files.last()).map(|file| file.key.to_string());
        Page { files, frozen: Vec::new(), next }
    }

    fn put(&mut self, key: &str, body: Arc<[u8]>, when: &Condition, now: Micros) -> Put {
        let current = self.objects.get(key).map(|object| &object.etag);
        let allowed = match when {
            Condition::Any => true,
            Condition::Absent => current.is_none(),
            Condition::Matches(etag) => current == Some(etag),
        };
        if allowed { Put::Written(self.write(key, body, now)) } else { Put::Refused }
    }

    fn copy(&mut self, from: &File, to: &Key, now: Micros) -> Copy {
        let Some(source) = self.objects.get(from.key.as_str()).cloned() else {
            return Copy::Gone;
        };
        if !matches(&source, &from.etag) {
            return Copy::Replaced(source.etag);
        }
        if let Some(occupant) = self.objects.get(to.as_str()) {
            return Copy::Occupied(occupant.file(to.clone()));
        }
        self.write(to.as_str(), source.body, now);
        Copy::Copied
    }

    fn delete(&mut self, key: &str, etag: &ETag) -> Delete {
        if self.objects.get(key).is_some_and(|object| !matches(object, etag)) {
            return Delete::Replaced;
        }
        self.objects.remove(key);
        Delete::Deleted
    }
}

fn matches(object: &Object, etag: &ETag) -> bool {
    etag.as_str() == "*" || object.etag == *etag
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes everything")
}

/// [`PutIf`], owned.
enum Condition {
    Any,
    Absent,
    Matches(ETag),
}

impl Objects for Caller {
    async fn list(&self, prefix: &Prefix, after: Option<&str>) -> Result<Page, PortError> {
        let (prefix, after) = (prefix.to_string(), after.map(str::to_owned));
        self.call("list", prefix.clone(), move |world| Ok(world.bucket.list(&prefix, after.as_deref()))).await
    }

    async fn list_after(&self, prefix: &Prefix, key: &str) -> Result<Page, PortError> {
        self.list(prefix, Some(key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Content>, PortError> {
        let key = key.to_string();
        let content = |object: &Object| Content { body: object.body.to_vec(), etag: object.etag.clone() };
        let got = self.call("get", key.clone(), move |world| {
            world.allowed(Request::Read, &key)?;
            Ok(world.bucket.get(&key).map(|o| Shown(content(o))))
        });
        got.await.map(|content| content.map(|Shown(content)| content))
    }

    async fn read(&self, file: &File, from: u64, length: u64) -> Result<Option<Part>, PortError> {
        let content = self.get(&file.key).await?.filter(|content| content.etag == file.etag);
        // The model keeps contents as they are unpacked.
        let packed = |body: Vec<u8>| {
            if is_packed(file.key.as_str(), &String::from_utf8_lossy(&body)) { gzip(&body) } else { body }
        };
        let bytes = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(content.map(|content| Part {
            bytes: packed(content.body).into_iter().skip(bytes(from)).take(bytes(length)).collect(),
            hashed: !content.etag.as_str().contains('-'),
        }))
    }

    async fn head(&self, key: &Key) -> Result<Option<File>, PortError> {
        let key = key.clone();
        let head = |world: &World, key: &Key| world.bucket.get(key.as_str()).map(|object| object.file(key.clone()));
        self.call("head", key.to_string(), move |world| {
            world.allowed(Request::Read, key.as_str())?;
            Ok(head(world, &key))
        })
        .await
    }

    async fn put(&self, key: &Key, body: Vec<u8>, when: PutIf<'_>) -> Result<Put, PortError> {
        let (key, body) = (key.to_string(), Arc::<[u8]>::from(body));
        let when = match when {
            PutIf::Any => Condition::Any,
            PutIf::Absent => Condition::Absent,
            PutIf::Matches(etag) => Condition::Matches(etag.clone()),
        };
        self.call("put", key.clone(), move |world| {
            let before = world.bucket.get(&key).cloned();
            let put = world.bucket.put(&key, Arc::clone(&body), &when, world.now);
            if matches!(put, Put::Written(_)) {
                world.was_put(&key, before.as_ref());
            }
            Ok(put)
        })
        .await
    }

    async fn copy(&self, from: &File, to: &Key) -> Result<Copy, PortError> {
        let (from, to) = (from.clone(), to.clone());
        self.call("copy", format!("{} to {to}", from.key), move |world| {
            let archive = if to.as_str().starts_with("failed/") { Request::Quarantine } else { Request::Archive };
            world.allowed(archive, from.key.as_str())?;
            let copy = world.bucket.copy(&from, &to, world.now);
            if copy == Copy::Copied {
                world.was_copied(to.as_str());
            }
            Ok(copy)
        })
        .await
    }

    async fn delete(&self, key: &Key, etag: &ETag) -> Result<Delete, PortError> {
        let (key, etag) = (key.to_string(), etag.clone());
        self.call("delete", key.clone(), move |world| world.delete(&key, &etag)).await
    }

    async fn delete_many(&self, objects: &[(Key, ETag)]) -> Result<Vec<Deleted>, PortError> {
        let objects = objects.to_vec();
        let subject = objects.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(" ");
        self.call("delete", subject, move |world| {
            if objects.len() > MAX_DELETES {
                return Err(PortError::new("delete", "the bucket", PortErrorKind::Invalid, "too many at once"));
            }
            Ok(objects.iter().map(|(key, etag)| world.delete(key.as_str(), etag)).collect::<Vec<_>>())
        })
        .await
    }
}

impl World {
    /// Deletes an object for one of the functions.
    fn delete(&mut self, key: &str, etag: &ETag) -> Result<Delete, PortError> {
        self.allowed(Request::Delete, key)?;
        let before = self.bucket.get(key).cloned();
        let delete = self.bucket.delete(key, etag);
        if let (Delete::Deleted, Some(before)) = (delete, before) {
            self.was_deleted(key, &before);
        }
        Ok(delete)
    }

    /// Whether a request about what is at this key is allowed at all.
    fn allowed(&self, request: Request, key: &str) -> Result<(), PortError> {
        if self.lasting.troubles.is_empty() {
            return Ok(());
        }
        let hidden = if request == Request::Read { self.lasting.hidden(self.now, key) } else { None };
        let content = self.bucket.get(key).filter(|_| key.starts_with(INCOMING)).map(Object::text);
        let denied = || self.lasting.denied(self.now, request, key, &content?);
        hidden.or_else(denied).map_or(Ok(()), Err)
    }
}

/// A content that a trace shows as text.
struct Shown(Content);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.etag, String::from_utf8_lossy(&self.0.body))
    }
}
