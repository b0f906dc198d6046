//! Plans: what a step will do, written down before it does anything, so that a later run can finish it after a death.
//!
//! They are under the state prefix, where no producer can write: `redrive/<feed>/plans/<id>.json`. The files that are
//! on their way are in `redrive/<feed>/files/<id>/…`, under names that say where they go. Never moves a file.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_core::archive::climbs_out;
use sluice_core::config::{Bucket, Feed};
use sluice_core::hash;
use sluice_core::object::{ETag, File, FileId, Key, MAX_KEY_BYTES, Prefix};
use sluice_core::ports::{Clock, Objects, PortError, Ports, Put, PutIf};

use super::account::End;
use super::{RedriveError, invalid};
use crate::listing::Listing;

/// Where files come from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Failed,
    Processed,
}

/// Some files on their way back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) feed: String,
    pub(crate) origin: Origin,
    /// The ledger forgets entries that are not newer than this.
    pub(crate) until: Option<Timestamp>,
    pub(crate) moves: Vec<Move>,
}

/// One file on its way back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Move {
    /// Where it is, or was.
    pub(crate) from: File,
    /// Where it goes.
    pub(crate) to: Key,
    /// Its identity in the ledger.
    #[serde(default)]
    pub(crate) recorded: Option<FileId>,
    /// Why it was refused: deleted when the file is back.
    #[serde(default)]
    pub(crate) reasons: Vec<(Key, ETag)>,
    /// It is kept aside, and gone from where it was.
    #[serde(default)]
    pub(crate) aside: bool,
    /// What has become of it in this run. Not written.
    #[serde(skip)]
    pub(super) end: Option<End>,
    /// What is still kept aside of it, and may go. Not written.
    #[serde(skip)]
    pub(super) kept: Option<(Key, ETag)>,
}

impl Move {
    pub(super) fn new(from: File, to: Key) -> Self {
        Self { from, to, recorded: None, reasons: Vec::new(), aside: false, end: None, kept: None }
    }
}

/// A plan as it is in the bucket.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: String,
    key: Key,
    etag: ETag,
    pub(crate) plan: Plan,
}

/// Where a feed's plans are, and its files that are on their way.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    feed: String,
    incoming: Prefix,
    root: Prefix,
}

impl Folder {
    pub(crate) fn new(bucket: &Bucket, feed: &Feed) -> Result<Self, PortError> {
        let root = Prefix::new(format!("{}redrive/{}/", bucket.state, feed.name))
            .map_err(|error| invalid("redrive", bucket.state.as_str(), error))?;
        Ok(Self { feed: feed.name.to_string(), incoming: bucket.incoming.join(&feed.prefix), root })
    }

    /// The key of this name.
    pub(super) fn key(&self, name: &str) -> Result<Key, PortError> {
        self.root.key(name).map_err(|error| invalid("redrive", name, error))
    }

    fn under(&self, name: &str) -> Result<Prefix, PortError> {
        Prefix::new(format!("{}{name}", self.root)).map_err(|error| invalid("redrive", name, error))
    }

    /// Where a file is kept while it is on its way: under its name, or under its id where the name would be too long.
    pub(super) fn place(&self, id: &str, one: &Move) -> Result<Key, PortError> {
        let named = self.incoming.strip(&one.to).map(|name| format!("{}files/{id}/n/{name}", self.root));
        match named.filter(|named| named.len() <= MAX_KEY_BYTES && !climbs_out(named)) {
            Some(named) => Key::new(named).map_err(|error| invalid("redrive", one.to.as_str(), error)),
            None => self.key(&format!("files/{id}/i/{}", FileId::of(&one.to, &one.from.etag))),
        }
    }

    /// Where the file that is kept under this key goes, as far as the key says so.
    pub(crate) fn destination(&self, kept: &Key) -> Option<Key> {
        let name = self.root.strip(kept)?.strip_prefix("files/")?.split_once('/')?.1.strip_prefix("n/")?;
        self.incoming.key(name).ok()
    }

    /// The id of the plan that a kept file belongs to.
    pub(super) fn id_of<'k>(&self, kept: &'k Key) -> &'k str {
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

    /// `None` where the plan was finished since it was listed.
    async fn read(&self, objects: &impl Objects, under: &Prefix, key: Key) -> Result<Option<Stored>, PortError> {
        let id = under.strip(&key).and_then(|name| name.strip_suffix(".json")).unwrap_or_default().to_owned();
        let Some(content) = objects.get(&key).await? else { return Ok(None) };
        let operation = "redrive: read plan";
        let plan: Plan =
            serde_json::from_slice(&content.body).map_err(|error| invalid(operation, key.as_str(), error))?;
        if plan.feed != self.feed || plan.moves.iter().any(|one| self.incoming.strip(&one.to).is_none()) {
            return Err(invalid(operation, key.as_str(), "it is not a plan for this feed; move it away"));
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
    /// Writes what the plan says now; deletes it where nothing is left to do.
    pub(super) async fn save(&mut self, objects: &impl Objects) -> Result<(), RedriveError> {
        if self.plan.moves.is_empty() {
            objects.delete(&self.key, &self.etag).await?;
            return Ok(());
        }
        let etag = self.etag.clone();
        self.put(objects, PutIf::Matches(&etag)).await
    }

    /// Where the reply to an earlier try was lost, the object is what was sent.
    async fn put(&mut self, objects: &impl Objects, when: PutIf<'_>) -> Result<(), RedriveError> {
        let body =
            serde_json::to_vec(&self.plan).map_err(|error| invalid("redrive: plan", self.key.as_str(), error))?;
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
