//! What is in `processed/`: finds out from the ledger which file each object is the copy of, and plans its way back.

use std::collections::{HashMap, VecDeque};

use futures_util::stream;
use jiff::Timestamp;
use sluice_core::config::{Config, Feed};
use sluice_core::destination::{Asking, Entry, Ledger, Of};
use sluice_core::object::{ETag, File, FileId, Key, Prefix};
use sluice_core::ports::{Objects, PortError, Ports};

use super::account::{Account, End, Ends, News, Stays};
use super::plan::{Folder, Move, Origin, Plan};
use super::run::Run;
use super::session::{Reload, Session};
use super::{Options, RedriveError, no_ledger};
use crate::listing::Listing;
use crate::names;

/// How many objects the ledger is asked about by key at once. Each can have four keys.
const BY_KEY: usize = 250;

/// Moves the feed's files from `processed/` back to `incoming/`, and out of the ledger, so that they are loaded again.
/// Rows that are in the table stay there.
///
/// # Errors
/// When something failed without which nothing can go on. Running it again does the rest.
pub async fn reload<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    asked: &Reload,
    tell: &mut impl FnMut(News),
) -> Result<Account, RedriveError> {
    let folder = Folder::new(&config.bucket, feed)?;
    let session = Session::open(ports, &folder, asked).await?;
    if session.continued {
        tell(News::Continues(session.until));
    }
    // As it was meant when the reload was first asked for: "2h" is another time by now.
    let options = Options { since: session.since(), ..asked.options.clone() };
    let run = Run::new(config, ports, feed, &options, folder, tell);
    let mut account = run.resume().await?;
    let archive = Archive::new(ports.objects(), config.bucket.processed.join(&feed.prefix), &options);
    let groups = stream::try_unfold(archive, async |mut archive| {
        Ok(archive.next().await?.map(|files| ((files.len(), files), archive)))
    });
    let step = async |files, ends: &mut Ends| {
        let moves = run.moves(run.identify(files).await?, session.until, ends);
        let plan = Plan { feed: feed.name.to_string(), origin: Origin::Processed, until: Some(session.until), moves };
        run.move_back(plan, ends).await
    };
    run.steps(groups, step, &mut account).await?;
    if account.failed == 0 && account.later == 0 {
        // All is done. If the session cannot be closed, that is no reason to run this again: it would be another
        // reload.
        session.close(ports.objects()).await.ok();
    }
    Ok(account)
}

/// The objects of a feed in `processed/`.
struct Archive<'a, O> {
    listing: Listing<'a, O>,
    options: &'a Options,
    /// Listed, and not taken yet.
    rest: VecDeque<File>,
}

impl<'a, O: Objects> Archive<'a, O> {
    fn new(objects: &'a O, under: Prefix, options: &'a Options) -> Self {
        Self { listing: Listing::new(objects, under), options, rest: VecDeque::new() }
    }

    /// As many objects as make a step; `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<File>>, PortError> {
        let Options { since, together, .. } = *self.options;
        while self.rest.len() < together
            && let Some(page) = self.listing.page().await?
        {
            self.rest.extend(page.into_iter().filter(|file| since.is_none_or(|since| file.last_modified >= since)));
        }
        let files: Vec<File> = self.rest.drain(..self.rest.len().min(together)).collect();
        Ok(Some(files).filter(|files| !files.is_empty()))
    }
}

/// An object in `processed/`, and the file that it is the copy of.
struct Archived {
    object: File,
    /// The files that it can be the copy of, likeliest first.
    candidates: Vec<Candidate>,
    /// The ids of files that its name contains.
    named: Vec<FileId>,
    /// What the ledger says of its file, with the file's real key.
    entry: Option<Entry>,
}

/// A file that an object can be the copy of.
struct Candidate {
    key: Key,
    etag: ETag,
    /// What the feed's ledger would know it by.
    id: FileId,
}

impl Archived {
    /// The id that nearly all objects have: that of their own path and `ETag`.
    fn likeliest_id(&self) -> Vec<FileId> {
        self.candidates.iter().take(1).map(|one| one.id).collect()
    }

    fn all_ids(&self) -> Vec<FileId> {
        self.candidates.iter().map(|one| one.id).chain(self.named.iter().copied()).collect()
    }

    /// Whether the entry is that of this copy by key and size. The `ETag` of a copy may be another one (KMS, uploads in
    /// parts), but an `ETag` in its name is that of its file.
    fn fits(&self, entry: &Entry) -> bool {
        let mut candidates = self.candidates.iter();
        let own = candidates.next().is_some_and(|own| own.key == entry.key);
        entry.size == self.object.size && (own || candidates.any(|one| one.key == entry.key && one.etag == entry.etag))
    }
}

impl<P: Ports> Run<'_, P> {
    /// Plans the way back of those objects that are meant, and were loaded before the reload began.
    fn moves(&self, objects: Vec<Archived>, until: Timestamp, ends: &mut Ends) -> Vec<Move> {
        let mut moves = Vec::new();
        for Archived { object, entry, .. } in objects {
            let name = match &entry {
                Some(entry) => self.config.incoming(self.feed).strip(&entry.key),
                None => self.config.bucket.processed.join(&self.feed.prefix).strip(&object.key),
            };
            if names::is_folder(&object) || !name.is_some_and(|name| self.options.mean(name, object.last_modified)) {
                continue;
            }
            match entry {
                None => ends.push((object, End::Stays(Stays::NotRecorded))),
                Some(entry) if entry.loaded_at.as_second() > until.as_second() => ends.push((object, End::LoadedSince)),
                Some(entry) => moves.push(Move { recorded: Some(entry.id), ..Move::new(object, entry.key) }),
            }
        }
        moves
    }

    /// Finds out which file each object is the copy of. What is likeliest is asked first, and the rest of what is left.
    async fn identify(&self, files: Vec<File>) -> Result<Vec<Archived>, RedriveError> {
        let mut objects: Vec<Archived> = files.into_iter().map(|file| self.archived(file)).collect();
        self.ask_by_id(&mut objects, Archived::likeliest_id).await?;
        self.ask_by_id(&mut objects, Archived::all_ids).await?;
        self.ask_by_key(&mut objects).await?;
        Ok(objects)
    }

    fn archived(&self, object: File) -> Archived {
        let bucket = &self.config.bucket;
        let originals = names::originals(bucket, &bucket.processed, &object).into_iter();
        let candidates = originals.map(|(key, etag)| Candidate { id: self.feed.identity.of(&key, &etag), key, etag });
        let named = names::ids(bucket.processed.strip(&object.key).unwrap_or_default());
        Archived { candidates: candidates.collect(), named, entry: None, object }
    }

    async fn ask_by_id(
        &self,
        objects: &mut [Archived],
        ids: impl Fn(&Archived) -> Vec<FileId>,
    ) -> Result<(), RedriveError> {
        let unknown: Vec<&mut Archived> = objects.iter_mut().filter(|one| one.entry.is_none()).collect();
        let asked: Vec<FileId> = unknown.iter().flat_map(|one| ids(one)).collect();
        let entries = self.entries(Of::Files(&asked)).await?;
        let entries: HashMap<FileId, Entry> = entries.into_iter().map(|entry| (entry.id, entry)).collect();
        for one in unknown {
            let entry = ids(one).iter().find_map(|id| entries.get(id));
            one.entry = entry.and_then(|entry| self.with_real_key(entry, &one.candidates));
        }
        Ok(())
    }

    /// A key with a NUL is not in the ledger as it is, so a candidate's key comes before the entry's own.
    fn with_real_key(&self, entry: &Entry, candidates: &[Candidate]) -> Option<Entry> {
        let candidate = candidates.iter().find(|one| one.id == entry.id).map(|one| &one.key);
        let own = || (self.feed.identity.of(&entry.key, &entry.etag) == entry.id).then_some(&entry.key);
        Some(Entry { key: candidate.or_else(own)?.clone(), ..entry.clone() })
    }

    /// Finds copies that do not have the `ETag`s of their files, where exactly one entry fits.
    async fn ask_by_key(&self, objects: &mut [Archived]) -> Result<(), RedriveError> {
        let mut unknown: Vec<&mut Archived> = objects.iter_mut().filter(|one| one.entry.is_none()).collect();
        for some in unknown.chunks_mut(BY_KEY) {
            let keys = some.iter().flat_map(|one| &one.candidates).map(|candidate| candidate.key.clone());
            let entries = self.entries(Of::Keys(&keys.collect::<Vec<_>>())).await?;
            for one in some {
                let mut fitting = entries.iter().filter(|entry| one.fits(entry));
                if let (Some(entry), None) = (fitting.next(), fitting.next()) {
                    one.entry = Some(entry.clone());
                }
            }
        }
        Ok(())
    }

    async fn entries(&self, of: Of<'_>) -> Result<Vec<Entry>, RedriveError> {
        let entries = self.ports.destination().entries(self.feed, of, &Asking::patiently()).await;
        entries.map_err(|source| no_ledger(self.feed, source))
    }
}
