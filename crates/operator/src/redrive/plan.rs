//! What is to be done, written down before it is done, so that whoever comes after a death knows it.
//!
//! Under the state prefix, where no producer can write: `redrive/<feed>/plans/<id>.json`, and the files that are on their
//! way in `redrive/<feed>/files/<id>/…`, by names that say where they go.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_core::archive::climbs_out;
use sluice_core::config::{Bucket, Feed};
use sluice_core::hash;
use sluice_core::object::{ETag, File, FileId, Key, MAX_KEY_BYTES, Prefix};
use sluice_core::ports::{Clock, Objects, PortError, PortErrorKind, Ports, Put, PutIf};

use super::RedriveError;
use crate::listing::Listing;

/// Where files come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Failed,
    Processed,
}

/// Some files on their way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) feed: String,
    pub(crate) origin: Origin,
    /// Entries of the ledger that are not newer are taken out.
    pub(crate) until: Option<Timestamp>,
    pub(crate) moves: Vec<Move>,
}

/// One file on its way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Move {
    /// Where it is, or was.
    pub(crate) from: File,
    /// Where it goes.
    pub(crate) to: Key,
    /// Its identity in the ledger.
    #[serde(default, with = "digits")]
    pub(crate) recorded: Option<FileId>,
    /// Why it was refused: goes when the file is back.
    #[serde(default)]
    pub(crate) reasons: Vec<(Key, ETag)>,
    /// It is kept aside, and gone from where it was.
    #[serde(default)]
    pub(crate) aside: bool,
}

/// A plan as it is in the bucket.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) key: Key,
    pub(crate) etag: ETag,
    pub(crate) plan: Plan,
}

/// Where plans are, and files that are on their way.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    feed: String,
    incoming: Prefix,
    root: Prefix,
}

impl Folder {
    pub(crate) fn new(bucket: &Bucket, feed: &Feed) -> Result<Self, PortError> {
        let root = format!("{}redrive/{}/", bucket.state, feed.name);
        let root = Prefix::new(root)
            .map_err(|error| PortError::new("redrive", bucket.state.as_str(), PortErrorKind::Invalid, error))?;
        Ok(Self { feed: feed.name.to_string(), incoming: bucket.incoming.join(&feed.prefix), root })
    }

    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Result<Key, PortError> {
        self.root.key(name).map_err(|error| PortError::new("redrive", name, PortErrorKind::Invalid, error))
    }

    fn under(&self, name: &str) -> Result<Prefix, PortError> {
        Prefix::new(format!("{}{name}", self.root))
            .map_err(|error| PortError::new("redrive", name, PortErrorKind::Invalid, error))
    }

    /// Where a file is kept while it is on its way: its name, or its id where that would be too long.
    pub(crate) fn place(&self, id: &str, one: &Move) -> Result<Key, PortError> {
        let named = self.incoming.strip(&one.to).map(|name| format!("{}files/{id}/n/{name}", self.root));
        match named.filter(|named| named.len() <= MAX_KEY_BYTES && !climbs_out(named)) {
            Some(named) => Key::new(named)
                .map_err(|error| PortError::new("redrive", one.to.as_str(), PortErrorKind::Invalid, error)),
            None => self.key(&format!("files/{id}/i/{}", FileId::of(&one.to, &one.from.etag))),
        }
    }

    /// Where what is kept under this key goes, as far as the key says so.
    pub(crate) fn destination(&self, kept: &Key) -> Option<Key> {
        let name = self.root.strip(kept)?.strip_prefix("files/")?.split_once('/')?.1.strip_prefix("n/")?;
        self.incoming.key(name).ok()
    }

    /// The plan that a kept file belongs to.
    pub(crate) fn id_of<'k>(&self, kept: &'k Key) -> &'k str {
        let name = self.root.strip(kept).and_then(|name| name.strip_prefix("files/"));
        name.and_then(|name| name.split_once('/')).map_or("", |(id, _)| id)
    }

    /// All files that are kept aside.
    pub(crate) async fn aside(&self, objects: &impl Objects) -> Result<Vec<File>, PortError> {
        Listing::new(objects, self.under("files/")?).all().await
    }

    /// All plans of this feed.
    pub(crate) async fn plans(&self, objects: &impl Objects) -> Result<Vec<Stored>, PortError> {
        let under = self.under("plans/")?;
        let keys = Listing::new(objects, under.clone()).all().await?;
        let read = stream::iter(keys).map(|file| self.read(objects, &under, file.key));
        read.buffered(4).try_filter_map(async |stored| Ok(stored)).try_collect().await
    }

    async fn read(&self, objects: &impl Objects, under: &Prefix, key: Key) -> Result<Option<Stored>, PortError> {
        let id = under.strip(&key).and_then(|name| name.strip_suffix(".json")).unwrap_or_default().to_owned();
        // One that is finished since it was listed is no plan any more.
        let Some(content) = objects.get(&key).await? else { return Ok(None) };
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
            PortError::new("redrive: read plan", key.as_str(), PortErrorKind::Invalid, error)
        };
        let plan: Plan = serde_json::from_slice(&content.body).map_err(|error| wrong(error.into()))?;
        if plan.feed != self.feed || plan.moves.iter().any(|one| self.incoming.strip(&one.to).is_none()) {
            return Err(wrong("it is not a plan for this feed; move it away".into()));
        }
        Ok(Some(Stored { id, key, etag: content.etag, plan }))
    }

    /// Writes a new plan.
    pub(super) async fn write<P: Ports>(&self, ports: &P, plan: Plan) -> Result<Stored, RedriveError> {
        let now = ports.clock().now().as_nanosecond().to_string();
        let keys = plan.moves.iter().map(|one| one.from.key.as_str());
        let id = hash::hex(&hash::of_parts(keys.chain([now.as_str()]))[..8]);
        let key = self.key(&format!("plans/{id}.json"))?;
        let mut stored = Stored { id, key, etag: ETag::new(""), plan };
        stored.put(ports.objects(), PutIf::Absent).await?;
        Ok(stored)
    }
}

impl Stored {
    /// Writes what the plan says now.
    pub(super) async fn save(&mut self, objects: &impl Objects) -> Result<(), RedriveError> {
        let etag = self.etag.clone();
        self.put(objects, PutIf::Matches(&etag)).await
    }

    /// A reply that is lost leaves it written; then what is there is what was sent.
    async fn put(&mut self, objects: &impl Objects, when: PutIf<'_>) -> Result<(), RedriveError> {
        let body = serde_json::to_vec(&self.plan)
            .map_err(|error| PortError::new("redrive: plan", self.key.as_str(), PortErrorKind::Invalid, error))?;
        if let Put::Written(etag) = objects.put(&self.key, body.clone(), when).await? {
            self.etag = etag;
            return Ok(());
        }
        match objects.get(&self.key).await? {
            Some(there) if there.body == body => {
                self.etag = there.etag;
                Ok(())
            }
            _ => Err(RedriveError::Other(self.key.clone())),
        }
    }
}

/// An identity as its digits.
mod digits {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use sluice_core::object::FileId;

    #[allow(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(id: &Option<FileId>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FileId>, D::Error> {
        let digits = Option::<String>::deserialize(deserializer)?;
        let read = |digits: String| FileId::parse(&digits).ok_or_else(|| D::Error::custom("not 64 digits"));
        digits.map(read).transpose()
    }
}
