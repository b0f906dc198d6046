//! The second look: is what looked wrong still wrong?
//!
//! A file on its way is claimed, then recorded, then copied, then gone from `incoming/`, then no longer claimed. So the
//! second look reads in this order: the ledger, the claims, `incoming/`, the copies, and the ledger again. Whatever
//! moves between two reads, a file that was recorded at the first and is not claimed at the second has left `incoming/`
//! before the third; one that is not in `incoming/` at the third is at the fourth where it went; and one that has a
//! copy at the fourth is recorded at the fifth. Only what stays wrong looks wrong here.

mod copies;
mod failed;
mod files;

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_core::archive::plain_names;
use sluice_core::config::{Config, Feed};
use sluice_core::destination::{Asking, Entry, Ledger, Of};
use sluice_core::object::{ETag, File, FileId, Key, Prefix};
use sluice_core::ports::{Objects, PortError, Ports};

use super::claims::{self, Claimed};
use super::finding::{Finding, Kind};
use super::first::{Looks, Suspect};
use super::{VerifyError, no_ledger};
use crate::redrive::plan::Folder;
use copies::Originals;
use files::Whereabouts;

/// How many suspects are looked at at once.
const AT_ONCE: usize = 32;

/// Looks again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again<'a, P> {
    pub(super) config: &'a Config,
    pub(super) ports: &'a P,
    pub(super) feed: &'a Feed,
}

/// What was found of a suspect in the bucket.
enum Found {
    File(Whereabouts),
    Copy(Originals),
    /// Nothing else has to be read.
    Judged(Option<Kind>),
}

impl Found {
    /// The files that the ledger is to be asked about, besides the suspects.
    fn ids(&self) -> &[FileId] {
        match self {
            Self::File(Whereabouts { copy: Copied::ByName(other), .. }) => std::slice::from_ref(other),
            Self::Copy(originals) => &originals.ids,
            Self::File(_) | Self::Judged(_) => &[],
        }
    }
}

/// Whether a file has a copy.
#[derive(Clone, Copy)]
enum Copied {
    No,
    /// With its `ETag` and size.
    Exactly,
    /// Under one of its names, with its size, and with another `ETag`. It may be the copy of another version of the
    /// same path, with the same size: of this one.
    ByName(FileId),
}

/// What a ledger says of some files, and how often.
type Recorded = HashMap<FileId, (Entry, u64)>;

/// What a ledger says of some keys.
type ByKey = HashMap<Key, Vec<Entry>>;

impl<P: Ports> Again<'_, P> {
    /// What is still wrong: one answer for each suspect.
    pub(super) async fn look(&self, suspects: &[Suspect]) -> Result<Vec<Option<Finding>>, VerifyError> {
        let recorded = suspects.iter().filter(|suspect| matches!(suspect.looks, Looks::Misplaced | Looks::Twice));
        let recorded: Vec<FileId> = recorded.map(|suspect| self.id(&suspect.file)).collect();
        let before = self.recorded(recorded.iter()).await?;
        let (_, claimed) = claims::read(self.config, self.ports.objects(), self.feed).await?;
        let found = stream::iter(suspects).map(|suspect| self.find(suspect, &before, &claimed));
        let found: Vec<Found> = found.buffered(AT_ONCE).try_collect().await?;
        let after = self.recorded(recorded.iter().chain(found.iter().flat_map(Found::ids))).await?;
        let by_key = self.by_key(&found, &after).await?;
        let findings = stream::iter(suspects.iter().zip(&found)).map(async |(Suspect { file, .. }, found)| {
            let kind = match found {
                Found::File(whereabouts) => self.judge_file(file, whereabouts, &after),
                Found::Copy(originals) => self.judge_copy(file, originals, &after, &by_key).await?,
                Found::Judged(kind) => *kind,
            };
            Ok::<_, VerifyError>(kind.map(|kind| self.finding(file, kind, &before)))
        });
        let mut findings: Vec<Option<Finding>> = findings.buffered(AT_ONCE).try_collect().await?;
        self.tell_half_way_apart(&mut findings).await?;
        Ok(findings)
    }

    async fn find(&self, suspect: &Suspect, before: &Recorded, claimed: &Claimed) -> Result<Found, PortError> {
        let Suspect { looks, file } = suspect;
        let recorded = before.get(&self.id(file)).map_or(0, |(_, times)| *times);
        match looks {
            Looks::Misplaced => Ok(Found::File(self.find_file(file, recorded, claimed).await?)),
            Looks::Twice => Ok(Found::Judged((recorded > 1).then_some(Kind::RecordedTwice))),
            Looks::NotRecorded => {
                let originals = self.find_originals(file, claimed).await?;
                Ok(originals.map_or(Found::Judged(None), Found::Copy))
            }
            Looks::NotExplained => Ok(Found::Judged(self.judge_failed(file, claimed).await?)),
        }
    }

    async fn recorded(&self, ids: impl Iterator<Item = &FileId>) -> Result<Recorded, VerifyError> {
        let ids: Vec<FileId> = ids.copied().collect::<HashSet<_>>().into_iter().collect();
        let mut recorded = Recorded::new();
        for entry in self.entries(Of::Files(&ids)).await? {
            recorded.entry(entry.id).or_insert((entry, 0)).1 += 1;
        }
        Ok(recorded)
    }

    /// What the ledger says of the keys that copies can be of, where it does not know their files by `ETag`.
    async fn by_key(&self, found: &[Found], after: &Recorded) -> Result<ByKey, VerifyError> {
        let mut keys = HashSet::new();
        for one in found {
            if let Found::Copy(originals) = one
                && !originals.ids.iter().any(|id| after.contains_key(id))
            {
                keys.extend(originals.files.iter().map(|file| file.key.clone()));
            }
        }
        let keys: Vec<Key> = keys.into_iter().collect();
        let mut by_key = ByKey::new();
        for entry in self.entries(Of::Keys(&keys)).await? {
            by_key.entry(entry.key.clone()).or_default().push(entry);
        }
        Ok(by_key)
    }

    async fn entries(&self, of: Of<'_>) -> Result<Vec<Entry>, VerifyError> {
        let entries = self.ports.destination().entries(self.feed, of, &Asking::patiently()).await;
        entries.map_err(|source| no_ledger(self.feed, source))
    }

    /// Marks what a plan of a redrive or a reload speaks of: a file that a reload has taken out of the ledger, and a
    /// reason whose file is set aside, are as they should be.
    ///
    /// A plan is written before anything is done, and goes when all is done. So it is there when it is looked for after
    /// something has been found.
    async fn tell_half_way_apart(&self, findings: &mut [Option<Finding>]) -> Result<(), PortError> {
        let doubtful = |finding: &&mut Finding| matches!(finding.kind, Kind::NotRecorded | Kind::FileMissing);
        let mut doubtful: Vec<&mut Finding> = findings.iter_mut().flatten().filter(doubtful).collect();
        if doubtful.is_empty() {
            return Ok(());
        }
        let plans = Folder::new(&self.config.bucket, self.feed)?.plans(self.ports.objects()).await?;
        let moves = plans.iter().flat_map(|stored| &stored.plan.moves);
        let planned = moves.flat_map(|one| one.reasons.iter().map(|(key, _)| key).chain([&one.from.key]));
        let planned: HashSet<&Key> = planned.collect();
        for finding in doubtful.iter_mut().filter(|finding| planned.contains(&finding.key)) {
            finding.kind = Kind::HalfWay;
        }
        Ok(())
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

    async fn is_there(&self, key: &Key, etag: &ETag) -> Result<bool, PortError> {
        Ok(self.ports.objects().head(key).await?.is_some_and(|there| there.etag == *etag))
    }

    /// The file's copy under `to`. The archive takes the first name that is free, so no copy has a name after a free
    /// one.
    async fn copied(&self, to: &Prefix, file: &File) -> Result<Copied, PortError> {
        let mut copied = Copied::No;
        for name in plain_names(&self.config.bucket.incoming, to, file) {
            match self.ports.objects().head(&name).await? {
                None => break,
                Some(there) if there.etag == file.etag && there.size == file.size => return Ok(Copied::Exactly),
                Some(there) if there.size == file.size && matches!(copied, Copied::No) => {
                    copied = Copied::ByName(self.feed.identity.of(&file.key, &there.etag));
                }
                Some(_) => {}
            }
        }
        Ok(copied)
    }
}
