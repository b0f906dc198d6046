//! What is in `processed/`, and its way back: the ledger says which file each object is, and forgets it first.

use std::collections::{HashMap, VecDeque};

use futures_util::stream;
use jiff::Timestamp;
use sluice_core::config::{Config, Feed};
use sluice_core::destination::{Asking, Entry, Ledger, Of};
use sluice_core::object::{ETag, File, FileId, Key, Prefix};
use sluice_core::ports::{Objects, PortError, Ports};

use super::plan::{Folder, Move, Origin};
use super::session::Session;
use super::step::{Step, Way};
use super::{Account, News, Options, RedriveError, Stays, no_ledger};
use crate::listing::Listing;
use crate::verify::names;

/// How many keys the ledger is asked for at once.
const KEYS: usize = 1000;

/// What is asked of a reload.
#[derive(Clone, Debug)]
pub struct Reload {
    /// Which files.
    pub options: Options,
    /// The same in words, as it was asked for: an unfinished reload is gone on with if it was asked for in the same.
    pub asked: String,
    /// Begins another reload, whatever became of an earlier one.
    pub anew: bool,
}

/// Moves the feed's files from `processed/` back to `incoming/`, and out of the ledger, so that they are loaded again.
/// Rows that are in the table stay there.
///
/// # Errors
/// When something failed without which nothing can go on; running it again does the rest.
pub async fn reload<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    asked: &Reload,
    tell: &mut impl FnMut(News),
) -> Result<Account, RedriveError> {
    let folder = Folder::new(&config.bucket, feed)?;
    let session = Session::open(ports, &folder, asked).await?;
    if let Some(begun) = session.continued() {
        tell(News::Continues(begun));
    }
    // As it was meant when it was first asked for: "2h" is another time by now.
    let options = Options { since: session.since(), ..asked.options.clone() };
    let way = Way::new(config, ports, feed, &options, &folder, tell);
    let mut account = Account { feed: feed.name.to_string(), ..Account::default() };
    way.resume(&mut account).await?;
    let archive = Archive::new(ports.objects(), config.bucket.processed.join(&feed.prefix));
    let groups = stream::unfold(Some(archive), async |archive| {
        let mut archive = archive?;
        match archive.some(&options).await {
            Ok(files) => files.map(|files| (Ok((files.len(), files)), Some(archive))),
            Err(error) => Some((Err(error.into()), None)),
        }
    });
    let put_back = async |step: &mut Step, files| way.put_back(step, files, session.until()).await;
    way.walk(groups, put_back, &mut account).await?;
    if account.failed == 0 && account.later == 0 {
        // All is done. That its end is not known must not have it run again, which would be another reload.
        session.close(ports.objects()).await.ok();
    }
    Ok(account)
}

/// The objects of a feed in `processed/`.
struct Archive<'a, O> {
    listing: Listing<'a, O>,
    /// Listed, and not taken yet.
    rest: VecDeque<File>,
}

impl<'a, O: Objects> Archive<'a, O> {
    fn new(objects: &'a O, under: Prefix) -> Self {
        Self { listing: Listing::new(objects, under), rest: VecDeque::new() }
    }

    /// As many as make a step; `None` behind the last.
    async fn some(&mut self, options: &Options) -> Result<Option<Vec<File>>, PortError> {
        let meant = |file: &File| options.since.is_none_or(|since| file.last_modified >= since);
        while self.rest.len() < options.together
            && let Some(page) = self.listing.page().await?
        {
            self.rest.extend(page.into_iter().filter(meant));
        }
        let files: Vec<File> = self.rest.drain(..self.rest.len().min(options.together)).collect();
        Ok(Some(files).filter(|files| !files.is_empty()))
    }
}

/// A file as the ledger knows it.
#[derive(Clone, Debug)]
struct Known {
    key: Key,
    id: FileId,
    loaded_at: Timestamp,
}

impl<P: Ports> Way<'_, P> {
    async fn put_back(&self, step: &mut Step, files: Vec<File>, until: Timestamp) -> Result<(), RedriveError> {
        let known = self.identify(&files).await?;
        let mut moves = Vec::new();
        for (file, known) in files.into_iter().zip(known) {
            let key = known.as_ref().map(|known| known.key.clone());
            let name = match &key {
                Some(key) => self.config.incoming(self.feed).strip(key),
                None => self.config.bucket.processed.join(&self.feed.prefix).strip(&file.key),
            };
            let folder = file.size == 0 && file.key.as_str().ends_with('/');
            if folder || !name.is_some_and(|name| self.options.mean(name, file.last_modified)) {
                step.through += 1;
                continue;
            }
            match known {
                None => step.stays(&file.key, Stays::NotRecorded),
                Some(known) if known.loaded_at.as_second() > until.as_second() => step.account.loaded_since += 1,
                Some(Known { key: to, id, .. }) => {
                    moves.push(Move { from: file, to, recorded: Some(id), reasons: Vec::new(), aside: false });
                }
            }
        }
        self.go(step, Origin::Processed, Some(until), moves).await
    }

    /// Which file each object is the copy of: the likeliest first, since nearly all have their path and their `ETag`.
    async fn identify(&self, files: &[File]) -> Result<Vec<Option<Known>>, RedriveError> {
        let mut known: Vec<Option<Known>> = vec![None; files.len()];
        let candidates: Vec<Vec<(Key, ETag)>> = files.iter().map(|file| self.candidates(file)).collect();
        for likeliest in [true, false] {
            let open = |at: &usize| known[*at].is_none();
            let places: Vec<usize> = (0..files.len()).filter(open).collect();
            let part = |at: usize| if likeliest { ..1.min(candidates[at].len()) } else { ..candidates[at].len() };
            let ids = |at: usize| {
                let cut = if likeliest { Vec::new() } else { self.ids(&files[at]) };
                let named = candidates[at][part(at)].iter().map(|(key, etag)| self.feed.identity.of(key, etag));
                named.chain(cut).collect::<Vec<_>>()
            };
            let asked: Vec<FileId> = places.iter().flat_map(|at| ids(*at)).collect();
            let entries = self.entries(Of::Files(&asked)).await?;
            let entries: HashMap<FileId, Entry> = entries.into_iter().map(|entry| (entry.id, entry)).collect();
            for at in places {
                let found = ids(at).into_iter().find_map(|id| entries.get(&id));
                known[at] = found.and_then(|entry| {
                    let of = |(key, etag): &&(Key, ETag)| self.feed.identity.of(key, etag) == entry.id;
                    let named = candidates[at].iter().find(of).map(|(key, _)| key.clone());
                    // A key with a NUL is not in the ledger as it is.
                    let own =
                        || (self.feed.identity.of(&entry.key, &entry.etag) == entry.id).then(|| entry.key.clone());
                    Some(Known { key: named.or_else(own)?, id: entry.id, loaded_at: entry.loaded_at })
                });
            }
        }
        self.by_name(files, &candidates, &mut known).await?;
        Ok(known)
    }

    /// Copies whose `ETag`s are not those of their files (KMS, uploads in parts): by key and size, where that is one file.
    async fn by_name(
        &self,
        files: &[File],
        candidates: &[Vec<(Key, ETag)>],
        known: &mut [Option<Known>],
    ) -> Result<(), RedriveError> {
        let open: Vec<usize> = (0..files.len()).filter(|at| known[*at].is_none()).collect();
        for some in open.chunks(KEYS / 4) {
            let keys = some.iter().flat_map(|at| candidates[*at].iter().map(|(key, _)| key.clone()));
            let keys: Vec<Key> = keys.collect();
            let entries = self.entries(Of::Keys(&keys)).await?;
            for at in some {
                let plain = candidates[*at].first().map(|(key, _)| key);
                let fits = |entry: &&Entry| {
                    let named = |(key, etag): &(Key, ETag)| entry.key == *key && entry.etag == *etag;
                    entry.size == files[*at].size
                        && (plain == Some(&entry.key) || candidates[*at].iter().skip(1).any(named))
                };
                let mut fitting = entries.iter().filter(fits);
                if let (Some(entry), None) = (fitting.next(), fitting.next()) {
                    known[*at] = Some(Known { key: entry.key.clone(), id: entry.id, loaded_at: entry.loaded_at });
                }
            }
        }
        Ok(())
    }

    fn candidates(&self, file: &File) -> Vec<(Key, ETag)> {
        let bucket = &self.config.bucket;
        let name = bucket.processed.strip(&file.key).unwrap_or_default();
        let named = names::identities(name, &file.etag).into_iter();
        named.filter_map(|(path, etag)| Some((bucket.incoming.key(&path).ok()?, etag))).collect()
    }

    fn ids(&self, file: &File) -> Vec<FileId> {
        names::ids(self.config.bucket.processed.strip(&file.key).unwrap_or_default())
    }

    async fn entries(&self, of: Of<'_>) -> Result<Vec<Entry>, RedriveError> {
        let entries = self.ports.destination().entries(self.feed, of, &Asking::patiently()).await;
        entries.map_err(|source| no_ledger(self.feed, source))
    }
}
