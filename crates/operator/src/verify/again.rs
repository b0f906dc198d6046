//! The second look: is what looked wrong still wrong?
//!
//! A file on its way is claimed, then recorded, then copied, then gone from `incoming/`, then not claimed any more. So
//! what is read here is read in this order: the ledger, the claims, `incoming/`, the copies, and the ledger again. Then
//! whatever moves between two reads, a file that was recorded at the first and is not claimed at the second has left
//! `incoming/` before the third; one that is not in `incoming/` at the third is at the fourth where it went; and one that
//! has a copy at the fourth is recorded at the fifth. Only what stays wrong looks wrong here.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_core::archive::plain_names;
use sluice_core::claim::{Seen, Survey};
use sluice_core::config::{Config, Feed};
use sluice_core::destination::{Asking, Entry, Ledger, Of};
use sluice_core::object::{ETag, File, FileId, Key, Prefix};
use sluice_core::ports::{Objects, PortError, Ports};

use super::claims::Claimed;
use super::finding::{Finding, Kind};
use super::first::{Looks, Suspect, file_of};
use super::{VerifyError, no_ledger};
use crate::names;
use crate::reason::Text;

/// How many suspects are looked at at once.
const AT_ONCE: usize = 32;

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
    /// An object in `processed/` that is there.
    Copy(Candidates),
    /// All that there is to say is known.
    Known(Option<Kind>),
}

/// What there was of a file, read in the order above.
struct Whereabouts {
    /// How often.
    recorded: u64,
    claimed: bool,
    incoming: bool,
    copy: Copied,
    failed: bool,
    /// The other version of the path that the copy may be of.
    other: Option<FileId>,
}

/// The files that an object in `processed/` can be the copy of.
struct Candidates {
    files: Vec<File>,
    /// Those that its name bears the ids of.
    ids: Vec<FileId>,
    /// Whether one of the files is claimed, and whether one is in `incoming/`.
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
        let recorded = suspects.iter().filter(|suspect| matches!(suspect.looks, Looks::Misplaced | Looks::Twice));
        let recorded: Vec<FileId> = recorded.map(|suspect| self.id(&suspect.file)).collect();
        let before = self.recorded(recorded.iter().copied()).await?;
        let (_, claimed) = self.read_claims().await?;
        let places = stream::iter(suspects).map(|suspect| self.place(suspect, &before, &claimed));
        let places: Vec<Placed> = places.buffered(AT_ONCE).try_collect().await?;
        let also = places.iter().flat_map(|placed| self.ids(placed));
        let after = self.recorded(recorded.iter().copied().chain(also)).await?;
        let named = self.named(&places, &after).await?;
        let judged = stream::iter(suspects.iter().zip(&places)).map(async |(Suspect { file, .. }, placed)| {
            let kind = match placed {
                Placed::File(found) => self.judge_file(file, found, &after),
                Placed::Copy(of) => self.judge_copy(file, of, &after, &named).await?,
                Placed::Known(kind) => *kind,
            };
            Ok(kind.map(|kind| self.finding(file, kind, &before)))
        });
        judged.buffered(AT_ONCE).try_collect().await
    }

    async fn recorded(&self, ids: impl Iterator<Item = FileId>) -> Result<Recorded, VerifyError> {
        let ids: Vec<FileId> = ids.collect::<HashSet<_>>().into_iter().collect();
        let mut recorded = Recorded::new();
        for entry in self.entries(Of::Files(&ids)).await? {
            recorded.entry(entry.id).or_insert((entry, 0)).1 += 1;
        }
        Ok(recorded)
    }

    async fn place(&self, suspect: &Suspect, before: &Recorded, claimed: &Claimed) -> Result<Placed, PortError> {
        let Suspect { looks, file } = suspect;
        let recorded = before.get(&self.id(file)).map_or(0, |(_, times)| *times);
        match looks {
            Looks::Misplaced => self.place_file(file, recorded, claimed).await,
            Looks::Twice => Ok(Placed::Known((recorded > 1).then_some(Kind::RecordedTwice))),
            Looks::NotRecorded => self.place_copy(file, claimed).await,
            Looks::NotExplained => self.place_failed(file, claimed).await.map(Placed::Known),
        }
    }

    async fn place_file(&self, file: &File, recorded: u64, claimed: &Claimed) -> Result<Placed, PortError> {
        let bucket = &self.config.bucket;
        let incoming = self.is_there(&file.key, &file.etag).await?;
        let copy = self.copied(&bucket.processed, file).await?;
        let failed = matches!(self.copied(&bucket.failed, file).await?, Copied::Exactly);
        let claimed = claimed.holds(file);
        let other = match &copy {
            Copied::ByName(etag) => Some(self.feed.identity.of(&file.key, etag)),
            Copied::No | Copied::Exactly => None,
        };
        Ok(Placed::File(Whereabouts { recorded, claimed, incoming, copy, failed, other }))
    }

    async fn place_copy(&self, copy: &File, claimed: &Claimed) -> Result<Placed, PortError> {
        let bucket = &self.config.bucket;
        let name = bucket.processed.strip(&copy.key).unwrap_or_default();
        let (mut files, mut incoming) = (Vec::new(), false);
        for (key, etag) in names::originals(bucket, &bucket.processed, copy) {
            incoming |= self.is_there(&key, &etag).await?;
            files.push(File { key, etag, ..copy.clone() });
        }
        if !self.is_there(&copy.key, &copy.etag).await? {
            return Ok(Placed::Known(None));
        }
        let claimed = files.iter().any(|file| claimed.holds(file));
        Ok(Placed::Copy(Candidates { files, ids: names::ids(name), claimed, incoming }))
    }

    /// The reason is written after the copy and before the claim lets the file go.
    async fn place_failed(&self, file: &File, claimed: &Claimed) -> Result<Option<Kind>, PortError> {
        let (bucket, objects) = (&self.config.bucket, self.ports.objects());
        let name = bucket.failed.strip(&file.key).unwrap_or_default();
        if claimed.may_bring(bucket, name, &file.etag) {
            return Ok(None);
        }
        let explained = match Key::new(format!("{}{}", file.key, names::REASON)) {
            Ok(reason) => objects.head(&reason).await?.is_some(),
            Err(_) => false,
        };
        if explained || !self.is_there(&file.key, &file.etag).await? {
            return Ok(None);
        }
        for name in names::reasoned(name) {
            if let Ok(key) = bucket.failed.key(name)
                && objects.head(&key).await?.is_some()
            {
                return Ok(None);
            }
        }
        let reason = name.ends_with(names::REASON) && matches!(Text::read(objects, file).await?, Text::Reason(_));
        Ok(Some(if reason { Kind::FileMissing } else { Kind::ReasonMissing }))
    }

    async fn is_there(&self, key: &Key, etag: &ETag) -> Result<bool, PortError> {
        Ok(self.ports.objects().head(key).await?.is_some_and(|there| there.etag == *etag))
    }

    /// The file's copy under `to`. The archive takes the first name that is free, so behind a free one there is none.
    async fn copied(&self, to: &Prefix, file: &File) -> Result<Copied, PortError> {
        let mut copied = Copied::No;
        for name in plain_names(&self.config.bucket.incoming, to, file) {
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

    /// The files that the ledger is to be asked about once more.
    fn ids(&self, placed: &Placed) -> Vec<FileId> {
        match placed {
            Placed::File(found) => found.other.into_iter().collect(),
            Placed::Copy(of) => of.ids.iter().copied().chain(of.files.iter().map(|file| self.id(file))).collect(),
            Placed::Known(_) => Vec::new(),
        }
    }

    /// What the ledger says of the keys that objects can be copies of, where it does not say so of their contents.
    async fn named(&self, places: &[Placed], after: &Recorded) -> Result<HashMap<Key, Vec<Entry>>, VerifyError> {
        let unknown = places.iter().filter(|placed| self.ids(placed).iter().all(|id| !after.contains_key(id)));
        let files = unknown.flat_map(|placed| match placed {
            Placed::Copy(of) => of.files.as_slice(),
            Placed::File(_) | Placed::Known(_) => &[],
        });
        let keys: HashSet<Key> = files.map(|file| file.key.clone()).collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let mut named: HashMap<Key, Vec<Entry>> = HashMap::new();
        for entry in self.entries(Of::Keys(&keys)).await? {
            named.entry(entry.key.clone()).or_default().push(entry);
        }
        Ok(named)
    }

    async fn entries(&self, of: Of<'_>) -> Result<Vec<Entry>, VerifyError> {
        let entries = self.ports.destination().entries(self.feed, of, &Asking::patiently()).await;
        entries.map_err(|source| no_ledger(self.feed, source))
    }

    fn judge_file(&self, file: &File, found: &Whereabouts, after: &Recorded) -> Option<Kind> {
        let Whereabouts { claimed, incoming, failed, .. } = *found;
        let recorded = found.recorded > 0;
        let copied = match &found.copy {
            Copied::No => false,
            Copied::Exactly => true,
            // It may be the copy of another version of the same path, which has the same size.
            Copied::ByName(_) => found.other.is_none_or(|other| !after.contains_key(&other)),
        };
        if claimed {
            let somewhere = incoming || copied || failed || recorded || after.contains_key(&self.id(file));
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
        copy: &File,
        of: &Candidates,
        after: &Recorded,
        named: &HashMap<Key, Vec<Entry>>,
    ) -> Result<Option<Kind>, PortError> {
        if of.ids.iter().any(|id| after.contains_key(id)) {
            return Ok(None);
        }
        for file in &of.files {
            let own = after.get(&self.id(file)).map(|(entry, _)| entry);
            if own.is_some() && file.etag == copy.etag {
                return Ok(None);
            }
            // The ledger knows the path with another content, or the content by another ETag: this is that file's copy,
            // if that file has no copy with its own ETag.
            for entry in own.into_iter().chain(named.get(&file.key).into_iter().flatten()) {
                let other = file_of(entry.clone());
                let copied = self.copied(&self.config.bucket.processed, &other);
                if other.size == copy.size && !matches!(copied.await?, Copied::Exactly) {
                    return Ok(None);
                }
            }
        }
        Ok(match (of.claimed, of.incoming) {
            (true, _) => None,
            (false, true) => Some(Kind::InTwoPlaces),
            (false, false) => Some(Kind::NotRecorded),
        })
    }

    fn finding(&self, file: &File, kind: Kind, before: &Recorded) -> Finding {
        let times = before.get(&self.id(file)).filter(|_| kind == Kind::RecordedTwice);
        let detail = times.map(|(_, times)| format!("{times} times"));
        let File { key, etag, .. } = file.clone();
        Finding { feed: Some(self.feed.name.to_string()), kind, key, etag, detail }
    }

    /// What the feed's ledger knows a file by.
    fn id(&self, file: &File) -> FileId {
        self.feed.identity.of(&file.key, &file.etag)
    }
}
