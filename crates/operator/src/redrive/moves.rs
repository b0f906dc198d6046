//! Carries a plan out: forget, set aside, bring back, clean up.
//!
//! A file is first copied aside and deleted where it was, and only then copied to `incoming/`. The other way round it
//! could be lost: once it is in `incoming/` a worker may take it, be done with it, find the old object in `failed/` or
//! `processed/`, take that for its own copy, and delete the one in `incoming/`, all before we delete the old one.
//! Nothing takes what is kept aside for its own, so whoever deletes never deletes the last copy.

use futures_util::{StreamExt, stream};
use sluice_core::config::{Config, Feed};
use sluice_core::destination::Ledger;
use sluice_core::object::{ETag, File, FileId, Key};
use sluice_core::ports::{Copy, MAX_DELETES, Objects, PortError, PortErrorKind, Ports};

use super::plan::{Folder, Move, Stored};
use super::{ClaimedKeys, RedriveError, Stays, claimed_keys, no_ledger};

/// How many calls that delete are under way at once.
const DELETES_AT_ONCE: usize = 4;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is back in `incoming/`, or was there already.
    Back,
    /// It is not.
    Stays(Stays),
}

/// What became of each file of a plan.
type Ends = Vec<(File, Result<End, PortError>)>;

/// Carries plans out.
#[derive(Clone, Debug)]
pub(super) struct Mover<'a, P> {
    pub(super) config: &'a Config,
    pub(super) ports: &'a P,
    pub(super) feed: &'a Feed,
    pub(super) folder: &'a Folder,
    pub(super) at_once: usize,
}

/// What came of copying a kept file to `incoming/`.
enum Brought {
    /// It is there. To be deleted, in this version, where it was kept.
    There(Option<ETag>),
    /// The same content has the name already: an earlier try of ours, or it was dropped again.
    Same(ETag),
    /// Something else has the name.
    Taken,
}

impl<P: Ports> Mover<'_, P> {
    /// Carries the plan out; answers what became of its files, in their order. What could not be done stays in the plan.
    /// Tells of each file when its copy is in `incoming/`.
    pub(super) async fn carry_out(&self, mut stored: Stored, back: &dyn Fn()) -> Result<Ends, RedriveError> {
        let objects = self.ports.objects();
        self.forget(&stored).await?;
        let mut ends = self.set_aside(&mut stored).await?;
        // From here on nobody who takes this plan up deletes what he finds where the files were: it may be there anew.
        stored.save(objects).await?;
        self.bring_back(&stored, &mut ends, back).await?;
        let ends = ends.into_iter().map(|end| end.unwrap_or(Ok(End::Stays(Stays::Gone))));
        let moves = std::mem::take(&mut stored.plan.moves);
        let mut told = Ends::with_capacity(moves.len());
        for (one, end) in moves.into_iter().zip(ends) {
            told.push((one.from.clone(), end));
            if matches!(told.last(), Some((_, Err(_) | Ok(End::Stays(Stays::InFlight | Stays::Aside))))) {
                stored.plan.moves.push(one);
            }
        }
        if stored.plan.moves.is_empty() {
            objects.delete(&stored.key, &stored.etag).await?;
        } else {
            stored.save(objects).await?;
        }
        Ok(told)
    }

    /// A kept file whose plan is gone.
    pub(super) async fn stray(&self, kept: &File) -> Result<End, PortError> {
        let Some(to) = self.folder.destination(&kept.key) else { return Ok(End::Stays(Stays::Aside)) };
        let brought = self.bring(kept, &to).await?;
        let held = claimed_keys(self.config, self.ports, self.feed).await?;
        let (end, version) = self.settle(kept, &to, brought, &held).await?;
        if let Some(etag) = version {
            self.ports.objects().delete(&kept.key, &etag).await?;
        }
        Ok(end)
    }

    /// Takes files out of the ledger that are still where they were. Before anything is moved: were a file in `incoming/`
    /// first, a worker would find it loaded, and archive it as it is.
    async fn forget(&self, stored: &Stored) -> Result<(), RedriveError> {
        let Some(until) = stored.plan.until else { return Ok(()) };
        let waiting = stored.plan.moves.iter().filter(|one| !one.aside);
        let ids: Vec<FileId> = waiting.filter_map(|one| one.recorded).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.ports.destination().forget(self.feed, &ids, until).await.map_err(|source| no_ledger(self.feed, source))
    }

    /// Copies what is still where it was, and deletes it there.
    async fn set_aside(&self, stored: &mut Stored) -> Result<Vec<Option<Result<End, PortError>>>, RedriveError> {
        let mut ends: Vec<Option<Result<End, PortError>>> = stored.plan.moves.iter().map(|_| None).collect();
        let (id, moves) = (stored.id.as_str(), &stored.plan.moves);
        let waiting: Vec<usize> = (0..moves.len()).filter(|at| !moves[*at].aside).collect();
        let copies = stream::iter(waiting).map(async |at| (at, self.copy_aside(id, &moves[at]).await));
        let answers: Vec<_> = copies.buffer_unordered(self.at_once).collect().await;
        let mut doomed = Vec::new();
        for (at, copied) in answers {
            match copied {
                Ok(true) => doomed.push((at, moves[at].from.key.clone(), moves[at].from.etag.clone())),
                Ok(false) => ends[at] = Some(Ok(End::Stays(Stays::Gone))),
                Err(error) => ends[at] = Some(Err(error)),
            }
        }
        for (at, deleted) in self.delete(doomed).await {
            match deleted {
                Ok(()) => stored.plan.moves[at].aside = true,
                Err(error) => ends[at] = Some(Err(error)),
            }
        }
        Ok(ends)
    }

    /// Whether the file is kept aside now.
    async fn copy_aside(&self, id: &str, one: &Move) -> Result<bool, PortError> {
        let (objects, place) = (self.ports.objects(), self.folder.place(id, one)?);
        match objects.copy(&one.from, &place).await? {
            // Only this plan has that name, and only for this file: copied by whoever died.
            Copy::Copied | Copy::Occupied(_) => Ok(true),
            Copy::Gone | Copy::Replaced(_) => Ok(objects.head(&place).await?.is_some()),
        }
    }

    /// Copies what is kept aside to `incoming/`, then removes it, and its reasons.
    async fn bring_back(
        &self,
        stored: &Stored,
        ends: &mut [Option<Result<End, PortError>>],
        back: &dyn Fn(),
    ) -> Result<(), RedriveError> {
        let moves = &stored.plan.moves;
        let aside: Vec<usize> = (0..moves.len()).filter(|at| moves[*at].aside).collect();
        let copies = stream::iter(aside).map(async |at| {
            let brought = match self.kept(stored, at) {
                Ok(kept) => self.bring(&kept, &moves[at].to).await.map(|brought| (kept, brought)),
                Err(error) => Err(error),
            };
            if matches!(brought, Ok((_, Brought::There(_)))) {
                back();
            }
            (at, brought)
        });
        let answers: Vec<_> = copies.buffer_unordered(self.at_once).collect().await;
        let same =
            |(_, brought): &(usize, Result<(File, Brought), PortError>)| matches!(brought, Ok((_, Brought::Same(_))));
        // Read after the names were found taken, which is what makes their answer count.
        let holders = if answers.iter().any(same) {
            claimed_keys(self.config, self.ports, self.feed).await?
        } else {
            ClaimedKeys::none()
        };
        let mut doomed = Vec::new();
        for (at, brought) in answers {
            let end = match brought {
                Ok((kept, brought)) => {
                    self.settle(&kept, &moves[at].to, brought, &holders).await.map(|end| (kept, end))
                }
                Err(error) => Err(error),
            };
            ends[at] = Some(end.map(|(kept, (end, version))| {
                doomed.extend(version.map(|etag| (at, kept.key, etag)));
                end
            }));
        }
        self.clean_up(moves, doomed, ends).await;
        Ok(())
    }

    fn kept(&self, stored: &Stored, at: usize) -> Result<File, PortError> {
        let one = &stored.plan.moves[at];
        Ok(File { key: self.folder.place(&stored.id, one)?, ..one.from.clone() })
    }

    async fn bring(&self, kept: &File, to: &Key) -> Result<Brought, PortError> {
        let mut kept = kept.clone();
        for _ in 0..3 {
            match self.ports.objects().copy(&kept, to).await? {
                Copy::Copied => return Ok(Brought::There(Some(kept.etag))),
                // Brought back before a death, and removed.
                Copy::Gone => return Ok(Brought::There(None)),
                // Where ETags are not hashes (KMS, uploads in parts) a copy has another one.
                Copy::Replaced(etag) => kept.etag = etag,
                Copy::Occupied(other) if other.etag == kept.etag && other.size == kept.size => {
                    return Ok(Brought::Same(kept.etag));
                }
                Copy::Occupied(_) => return Ok(Brought::Taken),
            }
        }
        Err(PortError::new("redrive", kept.key.as_str(), PortErrorKind::Invalid, "somebody writes this object"))
    }

    /// What it means that `incoming/` has what it has, and which version of the kept file goes now.
    ///
    /// Where it has the same content already, that is as good as ours only if no worker is about to delete it, who has
    /// seen the object that we have deleted. He holds a claim until he is done; so if no claim holds the file, and it is
    /// still there, whoever deletes it has seen that there is no other copy, and makes one first.
    async fn settle(
        &self,
        kept: &File,
        to: &Key,
        brought: Brought,
        holders: &ClaimedKeys,
    ) -> Result<(End, Option<ETag>), PortError> {
        match brought {
            Brought::There(version) => Ok((End::Back, version)),
            Brought::Taken => Ok((End::Stays(Stays::Aside), None)),
            Brought::Same(_) if holders.has(to) => Ok((End::Stays(Stays::InFlight), None)),
            Brought::Same(etag) => match self.ports.objects().head(to).await? {
                Some(there) if there.etag == etag && there.size == kept.size => Ok((End::Back, Some(etag))),
                _ => Ok((End::Stays(Stays::InFlight), None)),
            },
        }
    }

    /// Removes what was kept of the files that are back, then their reasons.
    async fn clean_up(
        &self,
        moves: &[Move],
        doomed: Vec<(usize, Key, ETag)>,
        ends: &mut [Option<Result<End, PortError>>],
    ) {
        for (at, deleted) in self.delete(doomed).await {
            if let Err(error) = deleted {
                ends[at] = Some(Err(error));
            }
        }
        let back = |at: &usize| matches!(ends[*at], Some(Ok(End::Back)));
        let reasons = (0..moves.len()).filter(back).flat_map(|at| moves[at].reasons.iter().map(move |one| (at, one)));
        let reasons = reasons.map(|(at, (key, etag))| (at, key.clone(), etag.clone())).collect();
        for (at, deleted) in self.delete(reasons).await {
            if let Err(error) = deleted {
                ends[at] = Some(Err(error));
            }
        }
    }

    /// Deletes exactly these versions, each for a file of the plan; answers for each.
    async fn delete(&self, doomed: Vec<(usize, Key, ETag)>) -> Vec<(usize, Result<(), PortError>)> {
        let chunks: Vec<Vec<(usize, Key, ETag)>> = doomed.chunks(MAX_DELETES).map(<[_]>::to_vec).collect();
        let deletes = stream::iter(chunks).map(async |chunk| {
            let versions: Vec<(Key, ETag)> = chunk.iter().map(|(_, key, etag)| (key.clone(), etag.clone())).collect();
            let deleted = self.ports.objects().delete_many(&versions).await;
            let ends: Vec<Result<(), PortError>> = match deleted {
                Ok(deleted) => deleted.into_iter().map(|one| one.map(drop)).collect(),
                Err(error) => chunk.iter().map(|_| Err(error.same())).collect(),
            };
            chunk.iter().map(|(at, ..)| *at).zip(ends).collect::<Vec<_>>()
        });
        deletes.buffer_unordered(DELETES_AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().collect()
    }
}

impl ClaimedKeys {
    fn none() -> Self {
        Self(std::collections::HashSet::new())
    }

    fn has(&self, key: &Key) -> bool {
        self.0.contains(key)
    }
}
