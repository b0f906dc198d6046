//! Carries a plan out: forget, set aside, bring back, clean up.
//!
//! A file is first copied aside and deleted where it was, and only then copied to `incoming/`. The other way round it
//! could be lost. Once it is in `incoming/` a worker may take it, finish it, find the old object in `failed/` or
//! `processed/`, take that for its own copy, and delete the one in `incoming/`, all before we delete the old one.
//! Nothing takes an object that is kept aside for its own, so no delete hits the last copy.

use std::collections::HashSet;
use std::future::ready;

use futures_util::{StreamExt, stream};
use sluice_core::destination::Ledger;
use sluice_core::object::{ETag, File, FileId, Key};
use sluice_core::ports::{Copy, Deleted, MAX_DELETES, Objects, PortError, Ports};

use super::account::{End, Ends, News, Stays};
use super::plan::{Move, Plan, Stored};
use super::run::Run;
use super::{RedriveError, invalid, no_ledger};

/// How many calls that delete are under way at once.
const DELETES_AT_ONCE: usize = 4;

/// How often a copy is tried whose source has another version each time.
const VERSIONS_TRIED: usize = 3;

/// One version of one object.
type Version = (Key, ETag);

/// The result of copying a kept file to `incoming/`.
enum Brought {
    /// It is there. This is what is still kept of it.
    There(Option<Version>),
    /// The same content has the name already: from an earlier try of ours, or because it was dropped again.
    Same(File),
    /// Another object has the name.
    Taken,
}

impl<P: Ports> Run<'_, P> {
    /// Carries the plan out. What could not be done stays in the plan.
    pub(super) async fn carry_out(&self, mut stored: Stored, ends: &mut Ends) -> Result<(), RedriveError> {
        let objects = self.ports.objects();
        self.forget(&stored.plan).await?;
        self.set_aside(&stored.id, &mut stored.plan.moves).await;
        // From here on no run that takes this plan up deletes anything where the files were: a new file may be there.
        stored.save(objects).await?;
        self.bring_back(&stored.id, &mut stored.plan.moves).await?;
        let end = |one: &Move| one.end.clone().unwrap_or(End::Stays(Stays::Gone));
        let carried: Ends = stored.plan.moves.iter().map(|one| (one.from.clone(), end(one))).collect();
        stored.plan.moves.retain(|one| end(one).is_open());
        stored.save(objects).await?;
        let files = carried.len();
        let failed = carried.iter().filter(|(_, end)| matches!(end, End::Failed(_))).count();
        ends.extend(carried);
        if failed == files { Err(RedriveError::Stuck(failed as u64)) } else { Ok(()) }
    }

    /// Brings back a kept file whose plan is gone.
    pub(super) async fn bring_stray(&self, kept: File) -> (File, End) {
        let Some(to) = self.folder.destination(&kept.key) else {
            self.tell(News::Through(1));
            return (kept, End::Stays(Stays::Aside));
        };
        let mut moves = [Move { aside: true, ..Move::new(kept.clone(), to) }];
        let brought = self.bring_back(self.folder.id_of(&kept.key), &mut moves).await;
        let [Move { end, .. }] = moves;
        (kept, brought.map_or_else(|error| End::failed(&error), |()| end.unwrap_or(End::Stays(Stays::Gone))))
    }

    /// Takes files out of the ledger that are still where they were. This comes before any move: a worker that found a
    /// file in `incoming/` loaded would archive it as it is.
    async fn forget(&self, plan: &Plan) -> Result<(), RedriveError> {
        let Some(until) = plan.until else { return Ok(()) };
        let waiting = plan.moves.iter().filter(|one| !one.aside);
        let ids: Vec<FileId> = waiting.filter_map(|one| one.recorded).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.ports.destination().forget(self.feed, &ids, until).await.map_err(|source| no_ledger(self.feed, source))
    }

    /// Copies what is still where it was, and then deletes it there.
    async fn set_aside(&self, id: &str, moves: &mut [Move]) {
        let waiting = moves.iter_mut().filter(|one| !one.aside);
        let calls = stream::iter(waiting).map(async |one| {
            match self.copy_aside(id, one).await {
                Ok(true) => return Some(one),
                Ok(false) => one.end = Some(End::Stays(Stays::Gone)),
                Err(error) => one.end = Some(End::failed(&error)),
            }
            None
        });
        let copied: Vec<&mut Move> = calls.buffer_unordered(self.at_once()).filter_map(ready).collect().await;
        self.delete(copied, |one| vec![(one.from.key.clone(), one.from.etag.clone())]).await;
        for one in moves.iter_mut().filter(|one| one.end.is_none()) {
            one.aside = true;
        }
    }

    /// Whether the file is kept aside now.
    async fn copy_aside(&self, id: &str, one: &Move) -> Result<bool, PortError> {
        let (objects, place) = (self.ports.objects(), self.folder.place(id, one)?);
        match objects.copy(&one.from, &place).await? {
            // Only this plan has that name, and only for this file: a run that died has copied it.
            Copy::Copied | Copy::Occupied(_) => Ok(true),
            Copy::Gone | Copy::Replaced(_) => Ok(objects.head(&place).await?.is_some()),
        }
    }

    /// Copies what is kept aside to `incoming/`, then removes it, and then its reasons.
    async fn bring_back(&self, id: &str, moves: &mut [Move]) -> Result<(), PortError> {
        let kept = moves.iter().filter(|one| one.aside).count();
        self.tell(News::Through((moves.len() - kept) as u64));
        let copies = stream::iter(moves.iter_mut().filter(|one| one.aside)).map(async |one| {
            let brought = self.bring(id, one).await;
            self.tell(News::Through(1));
            (one, brought)
        });
        let brought: Vec<_> = copies.buffer_unordered(self.at_once()).collect().await;
        // Read after the names were found taken: only then do the claims settle anything.
        let claimed = if brought.iter().any(|(_, brought)| matches!(brought, Ok(Brought::Same(_)))) {
            self.claimed().await?
        } else {
            HashSet::new()
        };
        for (one, brought) in brought {
            let settled = match brought {
                Ok(brought) => self.settle(&one.to, brought, &claimed).await,
                Err(error) => Err(error),
            };
            (one.end, one.kept) = match settled {
                Ok((end, kept)) => (Some(end), kept),
                Err(error) => (Some(End::failed(&error)), None),
            };
        }
        self.delete(moves.iter_mut().collect(), |one| one.kept.iter().cloned().collect()).await;
        let back = moves.iter_mut().filter(|one| one.end == Some(End::Back));
        self.delete(back.collect(), |one| one.reasons.clone()).await;
        Ok(())
    }

    async fn bring(&self, id: &str, one: &Move) -> Result<Brought, PortError> {
        let mut kept = File { key: self.folder.place(id, one)?, ..one.from.clone() };
        for _ in 0..VERSIONS_TRIED {
            match self.ports.objects().copy(&kept, &one.to).await? {
                Copy::Copied => return Ok(Brought::There(Some((kept.key, kept.etag)))),
                // A run that died has brought it back, and removed what was kept.
                Copy::Gone => return Ok(Brought::There(None)),
                // Where ETags are not hashes (KMS, uploads in parts) a copy has another one.
                Copy::Replaced(etag) => kept.etag = etag,
                Copy::Occupied(other) if other.etag == kept.etag && other.size == kept.size => {
                    return Ok(Brought::Same(kept));
                }
                Copy::Occupied(_) => return Ok(Brought::Taken),
            }
        }
        Err(invalid("redrive", kept.key.as_str(), "somebody writes this object"))
    }

    /// How a file ends, and which version of what is kept of it goes now.
    ///
    /// The same content in `incoming/` is as good as ours unless a worker is about to delete it, having seen the object
    /// that we have deleted. Such a worker holds a claim until it is done. So if no claim holds the file, and it is
    /// still there, then whoever deletes it has seen that there is no other copy, and makes one first.
    async fn settle(
        &self,
        to: &Key,
        brought: Brought,
        claimed: &HashSet<Key>,
    ) -> Result<(End, Option<Version>), PortError> {
        match brought {
            Brought::There(kept) => Ok((End::Back, kept)),
            Brought::Taken => Ok((End::Stays(Stays::Aside), None)),
            Brought::Same(_) if claimed.contains(to) => Ok((End::Stays(Stays::InFlight), None)),
            Brought::Same(kept) => match self.ports.objects().head(to).await? {
                Some(there) if there.etag == kept.etag && there.size == kept.size => {
                    Ok((End::Back, Some((kept.key, kept.etag))))
                }
                _ => Ok((End::Stays(Stays::InFlight), None)),
            },
        }
    }

    /// Deletes exactly these versions for each move. A move has failed where one of its versions cannot be deleted.
    async fn delete(&self, moves: Vec<&mut Move>, versions: impl Fn(&Move) -> Vec<Version>) {
        let all: Vec<Version> = moves.iter().flat_map(|one| versions(one)).collect();
        let calls = stream::iter(all.chunks(MAX_DELETES)).map(async |chunk| -> Vec<Deleted> {
            match self.ports.objects().delete_many(chunk).await {
                Ok(deleted) => deleted,
                Err(error) => chunk.iter().map(|_| Err(error.same())).collect(),
            }
        });
        let answers: Vec<Vec<Deleted>> = calls.buffered(DELETES_AT_ONCE).collect().await;
        let mut answers = answers.into_iter().flatten();
        for one in moves {
            for deleted in answers.by_ref().take(versions(one).len()) {
                if let Err(error) = deleted {
                    one.end = Some(End::failed(&error));
                }
            }
        }
    }
}
