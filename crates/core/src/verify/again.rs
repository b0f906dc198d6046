//! The second look: is what looked wrong still wrong?
//!
//! A file on its way is claimed, then recorded, then copied, then gone from `incoming/`, then not claimed any more. So
//! what is read here is read in this order: the ledger, the claims, `incoming/`, the copies, and the ledger again. Then
//! whatever moves between two reads, a file that was recorded at the first and is not claimed at the second has left
//! `incoming/` before the third; one that is not in `incoming/` at the third is at the fourth where it went; and one that
//! has a copy at the fourth is recorded at the fifth. Only what stays wrong looks wrong here.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::claims::Claimed;
use super::finding::{Finding, Kind};
use super::pass::{Identity, Object, Suspect};
use super::{VerifyError, names};
use crate::archive::plain_names;
use crate::claim::{Seen, Survey};
use crate::config::{Config, Destination as Target, Feed};
use crate::destination::{Asking, Destination, Entry, Of};
use crate::object::{ETag, File, FileId, Key, Prefix};
use crate::ports::{Objects, PortError, Ports};

/// How many suspects are looked at at once.
const AT_ONCE: usize = 32;

/// The largest object that can be a reason: its texts are cut when they are written.
const REASON_BYTES: u64 = 1 << 20;

/// Looks again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again<'a, P> {
    pub(super) config: &'a Config,
    pub(super) ports: &'a P,
    pub(super) feed: &'a Feed,
}

/// Where a suspect was at the second look.
enum Placed {
    /// A file.
    File(Whereabouts),
    /// An object in `processed/` that is there: the files that it can be the copy of, and the files that its name bears
    /// the ids of.
    Copy(Vec<Candidate>, Vec<FileId>),
    /// A file that the ledger has so often.
    Twice(u64),
    /// All that there is to say is known.
    Known(Option<Kind>),
}

/// What there was of a file, read in the order above.
struct Whereabouts {
    recorded: u64,
    claimed: bool,
    incoming: bool,
    copy: Copied,
    failed: bool,
    /// The other version of the path that the copy may be of.
    other: Option<FileId>,
}

/// A file that an object in `processed/` can be the copy of.
struct Candidate {
    file: Identity,
    claimed: bool,
    incoming: bool,
}

/// Whether a file has a copy.
enum Copied {
    /// It has not.
    No,
    /// With its `ETag` and size.
    Exactly,
    /// Under one of its names, with its size, and with another `ETag`: this one.
    ByName(ETag),
}

/// What a ledger says of some files, and how often.
type Recorded = HashMap<FileId, (Entry, u64)>;

impl<P: Ports> Again<'_, P> {
    /// The feed's claims as they are now, and what they and resting files hold.
    pub(super) async fn read_claims(&self) -> Result<(Vec<Seen>, Claimed), VerifyError> {
        let objects = self.ports.objects();
        let survey = Survey::read(objects, &self.config.bucket, Some(self.feed)).await?.whole()?;
        let resting = survey.doubts(objects).await?;
        let claimed = Claimed::of(self.config, &survey.claims, &resting);
        Ok((survey.claims, claimed))
    }

    /// What is still wrong; one answer for each suspect.
    pub(super) async fn look(&self, suspects: &[Suspect]) -> Result<Vec<Option<Finding>>, VerifyError> {
        let id = |suspect: &Suspect| match suspect {
            Suspect::File(file) | Suspect::Twice(file) => Some(file.id(self.feed)),
            Suspect::Copy(_) | Suspect::Failed(_) => None,
        };
        let before = self.recorded(suspects.iter().filter_map(id).collect()).await?;
        let (_, claimed) = self.read_claims().await?;
        let places = stream::iter(suspects).map(|suspect| self.place(suspect, &before, &claimed));
        let places: Vec<Placed> = places.buffered(AT_ONCE).try_collect().await?;
        let asked = suspects.iter().filter_map(id).chain(places.iter().flat_map(|placed| placed.ids(self.feed)));
        let after = self.recorded(asked.collect()).await?;
        let named = self.named(&places, &after).await?;
        let judged = stream::iter(suspects.iter().zip(&places)).map(|(suspect, placed)| {
            let (after, named) = (&after, &named);
            async move {
                let kind = self.judge(suspect, placed, after, named).await?;
                Ok(kind.and_then(|kind| self.finding(suspect, placed, kind)))
            }
        });
        judged.buffered(AT_ONCE).try_collect().await
    }

    async fn recorded(&self, ids: HashSet<FileId>) -> Result<Recorded, VerifyError> {
        let ids: Vec<FileId> = ids.into_iter().collect();
        let mut recorded = Recorded::new();
        for entry in self.entries(Of::Files(&ids)).await? {
            recorded.entry(entry.id).or_insert((entry, 0)).1 += 1;
        }
        Ok(recorded)
    }

    /// What the ledger says of the keys that objects can be copies of, where it does not say so of their contents.
    async fn named(&self, places: &[Placed], after: &Recorded) -> Result<HashMap<Key, Vec<Entry>>, VerifyError> {
        let unknown = places.iter().filter(|placed| placed.ids(self.feed).iter().all(|id| !after.contains_key(id)));
        let candidates = unknown.flat_map(|placed| match placed {
            Placed::Copy(candidates, _) => candidates.as_slice(),
            Placed::File(_) | Placed::Twice(_) | Placed::Known(_) => &[],
        });
        let keys: HashSet<Key> = candidates.map(|candidate| candidate.file.key.clone()).collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let mut named: HashMap<Key, Vec<Entry>> = HashMap::new();
        for entry in self.entries(Of::Keys(&keys)).await? {
            named.entry(entry.key.clone()).or_default().push(entry);
        }
        Ok(named)
    }

    async fn entries(&self, of: Of<'_>) -> Result<Vec<Entry>, VerifyError> {
        if matches!(of, Of::Files([]) | Of::Keys([])) {
            return Ok(Vec::new());
        }
        self.ports.destination().entries(self.feed, of, &Asking::patiently()).await.map_err(|source| {
            let Target::Redshift(target) = &self.feed.destination;
            VerifyError::Ledger { ledger: target.ledger.to_string(), source: Box::new(source) }
        })
    }

    async fn place(&self, suspect: &Suspect, before: &Recorded, claimed: &Claimed) -> Result<Placed, PortError> {
        match suspect {
            Suspect::File(file) => self.place_file(file, before, claimed).await,
            Suspect::Twice(file) => Ok(Placed::Twice(before.get(&file.id(self.feed)).map_or(0, |(_, times)| *times))),
            Suspect::Copy(object) => self.place_copy(object, claimed).await,
            Suspect::Failed(object) => self.place_failed(object, claimed).await.map(Placed::Known),
        }
    }

    async fn place_file(&self, file: &Identity, before: &Recorded, claimed: &Claimed) -> Result<Placed, PortError> {
        let bucket = &self.config.bucket;
        let incoming = self.is_there(&file.key, &file.etag).await?;
        let copy = self.copied(&bucket.processed, file).await?;
        let failed = matches!(self.copied(&bucket.failed, file).await?, Copied::Exactly);
        let recorded = before.get(&file.id(self.feed)).map_or(0, |(_, times)| *times);
        let claimed = claimed.holds(&file.key, &file.etag);
        let other = match &copy {
            Copied::ByName(etag) => Some(self.feed.identity.of(&file.key, etag)),
            Copied::No | Copied::Exactly => None,
        };
        Ok(Placed::File(Whereabouts { recorded, claimed, incoming, copy, failed, other }))
    }

    async fn place_copy(&self, object: &Object, claimed: &Claimed) -> Result<Placed, PortError> {
        let bucket = &self.config.bucket;
        let mut candidates = Vec::new();
        for (path, etag) in names::identities(&object.name, &object.etag) {
            let Ok(key) = bucket.incoming.key(&path) else { continue };
            let claimed = claimed.holds(&key, &etag);
            let incoming = self.is_there(&key, &etag).await?;
            candidates.push(Candidate { file: Identity { key, etag, size: object.size }, claimed, incoming });
        }
        let there = match bucket.processed.key(&object.name) {
            Ok(key) => self.is_there(&key, &object.etag).await?,
            Err(_) => false,
        };
        Ok(if there { Placed::Copy(candidates, names::ids(&object.name)) } else { Placed::Known(None) })
    }

    /// The reason is written after the copy and before the claim lets the file go.
    async fn place_failed(&self, object: &Object, claimed: &Claimed) -> Result<Option<Kind>, PortError> {
        let (bucket, objects) = (&self.config.bucket, self.ports.objects());
        if claimed.may_bring(bucket, &object.name, &object.etag) {
            return Ok(None);
        }
        let Ok(key) = bucket.failed.key(&object.name) else { return Ok(None) };
        let reason = bucket.failed.key(&format!("{}{}", object.name, names::REASON));
        let explained = match &reason {
            Ok(reason) => objects.head(reason).await?.is_some(),
            Err(_) => false,
        };
        if explained || !self.is_there(&key, &object.etag).await? {
            return Ok(None);
        }
        for name in names::reasoned(&object.name) {
            if let Ok(key) = bucket.failed.key(name)
                && objects.head(&key).await?.is_some()
            {
                return Ok(None);
            }
        }
        let reason = object.name.ends_with(names::REASON) && self.is_reason(&key, object.size).await?;
        Ok(Some(if reason { Kind::FileMissing } else { Kind::ReasonMissing }))
    }

    /// Whether the object says what a reason says.
    async fn is_reason(&self, key: &Key, size: u64) -> Result<bool, PortError> {
        if size > REASON_BYTES {
            return Ok(false);
        }
        let content = self.ports.objects().get(key).await?;
        let value = content.and_then(|content| serde_json::from_slice::<serde_json::Value>(&content.body).ok());
        Ok(value
            .is_some_and(|value| ["key", "etag", "feed", "statement_id"].iter().all(|name| value[name].is_string())))
    }

    async fn is_there(&self, key: &Key, etag: &ETag) -> Result<bool, PortError> {
        Ok(self.ports.objects().head(key).await?.is_some_and(|there| there.etag == *etag))
    }

    /// The file's copy under `to`. The archive takes the first name that is free, so behind a free one there is none.
    async fn copied(&self, to: &Prefix, file: &Identity) -> Result<Copied, PortError> {
        let Identity { key, etag, size } = file.clone();
        let file = File { key, etag, size, last_modified: Timestamp::UNIX_EPOCH };
        let mut copied = Copied::No;
        for name in plain_names(&self.config.bucket.incoming, to, &file) {
            match self.ports.objects().head(&name).await? {
                None => break,
                Some(there) if there.etag == file.etag && there.size == file.size => return Ok(Copied::Exactly),
                Some(there) if there.size == file.size && matches!(copied, Copied::No) => {
                    copied = Copied::ByName(there.etag);
                }
                Some(_) => {}
            }
        }
        Ok(copied)
    }

    async fn judge(
        &self,
        suspect: &Suspect,
        placed: &Placed,
        after: &Recorded,
        named: &HashMap<Key, Vec<Entry>>,
    ) -> Result<Option<Kind>, PortError> {
        match (suspect, placed) {
            (Suspect::File(file), Placed::File(whereabouts)) => Ok(self.judge_file(file, whereabouts, after)),
            (Suspect::Copy(object), Placed::Copy(candidates, ids)) => {
                self.judge_copy(object, candidates, ids, after, named).await
            }
            (_, Placed::Twice(times)) => Ok((*times > 1).then_some(Kind::RecordedTwice)),
            (_, Placed::Known(kind)) => Ok(*kind),
            _ => Ok(None),
        }
    }

    fn judge_file(&self, file: &Identity, found: &Whereabouts, after: &Recorded) -> Option<Kind> {
        let (recorded, claimed, incoming, failed) = (found.recorded > 0, found.claimed, found.incoming, found.failed);
        let copied = match &found.copy {
            Copied::No => false,
            Copied::Exactly => true,
            // It may be the copy of another version of the same path, which has the same size.
            Copied::ByName(_) => found.other.is_none_or(|other| !after.contains_key(&other)),
        };
        if claimed {
            let somewhere = incoming || copied || failed || recorded || after.contains_key(&file.id(self.feed));
            return (!somewhere).then_some(Kind::ClaimedAndGone);
        }
        if !recorded {
            // It was claimed, and its claim is gone since.
            return None;
        }
        let own = self.config.incoming(self.feed);
        let taken = own.strip(&file.key).is_some_and(|name| self.feed.takes(name, file.size));
        match (incoming, copied) {
            (true, _) if !taken => Some(Kind::NotTaken),
            (true, true) => Some(Kind::InTwoPlaces),
            (true, false) => Some(Kind::NotArchived),
            (false, _) if failed => Some(Kind::LoadedAndFailed),
            (false, true) => None,
            (false, false) => Some(Kind::CopyMissing),
        }
    }

    async fn judge_copy(
        &self,
        object: &Object,
        candidates: &[Candidate],
        ids: &[FileId],
        after: &Recorded,
        named: &HashMap<Key, Vec<Entry>>,
    ) -> Result<Option<Kind>, PortError> {
        if ids.iter().any(|id| after.contains_key(id)) {
            return Ok(None);
        }
        for Candidate { file, .. } in candidates {
            let own = after.get(&file.id(self.feed)).map(|(entry, _)| entry);
            if own.is_some() && file.etag == object.etag {
                return Ok(None);
            }
            // The ledger knows the path with another content, or the content by another ETag: this is that file's copy,
            // if that file has no copy with its own ETag.
            for entry in own.into_iter().chain(named.get(&file.key).into_iter().flatten()) {
                let Entry { key, etag, size, .. } = entry.clone();
                let other = Identity { key, etag, size };
                let copied = self.copied(&self.config.bucket.processed, &other);
                if size == object.size && !matches!(copied.await?, Copied::Exactly) {
                    return Ok(None);
                }
            }
        }
        if candidates.iter().any(|candidate| candidate.claimed) {
            return Ok(None);
        }
        let incoming = candidates.iter().any(|candidate| candidate.incoming);
        Ok(Some(if incoming { Kind::InTwoPlaces } else { Kind::NotRecorded }))
    }

    fn finding(&self, suspect: &Suspect, placed: &Placed, kind: Kind) -> Option<Finding> {
        let bucket = &self.config.bucket;
        let (key, etag) = match suspect {
            Suspect::File(file) | Suspect::Twice(file) => (file.key.clone(), file.etag.clone()),
            Suspect::Copy(object) => (bucket.processed.key(&object.name).ok()?, object.etag.clone()),
            Suspect::Failed(object) => (bucket.failed.key(&object.name).ok()?, object.etag.clone()),
        };
        let detail = match placed {
            Placed::Twice(times) => Some(format!("{times} times")),
            Placed::File(_) | Placed::Copy(..) | Placed::Known(_) => None,
        };
        Some(Finding { feed: Some(self.feed.name.to_string()), kind, key, etag, detail })
    }
}

impl Placed {
    /// The files that the ledger is to be asked about once more.
    fn ids(&self, feed: &Feed) -> Vec<FileId> {
        match self {
            Self::File(found) => found.other.into_iter().collect(),
            Self::Copy(candidates, ids) => {
                ids.iter().copied().chain(candidates.iter().map(|candidate| candidate.file.id(feed))).collect()
            }
            Self::Twice(_) | Self::Known(_) => Vec::new(),
        }
    }
}
