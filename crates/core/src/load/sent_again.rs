//! Sent again: files whose bytes were loaded before, under the same name and another `ETag`.
//!
//! The same content under the same name is the same file. Mostly its `ETag` says so, but not after an upload in parts,
//! nor under KMS. For such files the ledger is asked which versions of the name it has, and the bytes are compared with
//! the copies of those in `processed/`. A file that cannot be compared, or not in time, is loaded as the new file that
//! it may be. Never counts a file as loaded unless it is the same to the last byte.
//!
//! Costs one HEAD a file if no file of its name was loaded before, and nothing for a small file whose `ETag` is a hash.

use futures_util::future::try_join;
use futures_util::{StreamExt, stream};

use super::{Loading, Next, StepError};
use crate::archive::{self, Archived};
use crate::claim::LeasedClaim;
use crate::config::FileIdentity;
use crate::destination::{Entry, Ledger, Of};
use crate::object::{File, Key};
use crate::ports::{Clock, Objects, PortError, Ports};
use crate::run::{later, within};

/// How many copies are looked for at once.
const HEADS_AT_ONCE: usize = 64;

/// How many files are compared at once, and how many bytes of each: two such parts of a file are in memory.
const COMPARED_AT_ONCE: usize = 2;
const PART: u64 = 4 << 20;

/// The result of the comparison.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Files that were loaded before, each with its copy in `processed/`.
    pub(super) known: Vec<(File, Key)>,
    /// Some could not be compared: another look may find more.
    pub(super) unseen: bool,
}

impl<P: Ports> Loading<'_, P> {
    /// Which of the files were loaded before.
    pub(super) async fn sent_again(&self, held: &LeasedClaim, perhaps_known: &[File]) -> Result<Compared, StepError> {
        let mut compared = Compared::default();
        // A ledger that knows files by name alone knows these, too.
        if perhaps_known.is_empty() || self.feed.identity == FileIdentity::Name {
            return Ok(compared);
        }
        let clock = self.ports.clock();
        // The other half of the time is for the load.
        let time = self.run.wait_left(clock.now()) / 2;
        let until = later(clock.now(), time.try_into().unwrap_or_default());
        let Some(named) = within(clock, until, self.named(perhaps_known, &mut compared.unseen)).await else {
            return Ok(Compared { unseen: true, ..Compared::default() });
        };
        if named.is_empty() {
            return Ok(compared);
        }
        let keys: Vec<Key> = named.iter().map(|file| file.key.clone()).collect();
        let entries = self.ports.destination().entries(self.feed, Of::Keys(&keys), &self.asking(held, "")).await?;
        if within(clock, until, self.compare(&named, &entries, &mut compared)).await.is_none() {
            compared.unseen = true;
        }
        Ok(compared)
    }

    /// The files whose names are taken in `processed/`.
    async fn named(&self, files: &[File], unseen: &mut bool) -> Vec<File> {
        let bucket = &self.config.bucket;
        let looks = stream::iter(files).map(async |file| {
            let names = archive::plain_names(&bucket.incoming, &bucket.processed, file);
            match names.first() {
                Some(name) => (self.ports.objects().head(name).await, file),
                None => (Ok(None), file),
            }
        });
        let mut looks = looks.buffered(HEADS_AT_ONCE);
        let mut named = Vec::new();
        while let Some((look, file)) = looks.next().await {
            *unseen |= look.is_err();
            named.extend(look.ok().flatten().map(|_| file.clone()));
        }
        named
    }

    async fn compare(&self, named: &[File], entries: &[Entry], compared: &mut Compared) {
        let looks = stream::iter(named).map(async |file| (self.copy_of(file, entries).await, file));
        let mut looks = looks.buffer_unordered(COMPARED_AT_ONCE);
        while let Some((look, file)) = looks.next().await {
            match look {
                Ok(copy) => compared.known.extend(copy.map(|copy| (file.clone(), copy))),
                Err(error) => {
                    tracing::debug!(key = %file.key, %error, "a file could not be compared with an earlier one");
                    compared.unseen = true;
                }
            }
        }
    }

    /// The copy of the same content that was loaded under this name.
    async fn copy_of(&self, file: &File, entries: &[Entry]) -> Result<Option<Key>, PortError> {
        let before = |entry: &&Entry| entry.key == file.key && entry.size == file.size && entry.etag != file.etag;
        for entry in entries.iter().filter(before) {
            if let Some(copy) = self.same_content(file, entry).await? {
                tracing::info!(
                    feed = %self.feed.name, key = %file.key, etag = %file.etag, loaded_etag = %entry.etag, %copy,
                    "the same content was loaded before under another ETag; it is not loaded again"
                );
                return Ok(Some(copy));
            }
        }
        Ok(None)
    }

    /// The copy of the ledger's version, if the file is the same.
    async fn same_content(&self, file: &File, entry: &Entry) -> Result<Option<Key>, PortError> {
        let (objects, bucket) = (self.ports.objects(), &self.config.bucket);
        let loaded = File { etag: entry.etag.clone(), ..file.clone() };
        let names = archive::plain_names(&bucket.incoming, &bucket.processed, &loaded);
        // A later version has its ETag in its copy's name, and the first one has the plain name.
        for name in names.iter().take(2).rev() {
            if let Some(copy) = objects.head(name).await? {
                return Ok(is_same(objects, file, &copy).await?.then_some(copy.key));
            }
        }
        Ok(None)
    }

    /// Goes on without files that were loaded before. Their copies are in `processed/`, so nothing is lost.
    pub(super) async fn without_known(
        &mut self,
        mut held: LeasedClaim,
        known: Vec<(File, Key)>,
    ) -> Result<Next, StepError> {
        let files: Vec<File> = known.iter().map(|(file, _)| file.clone()).collect();
        let mut archived = Archived { moved: known, ..Archived::default() };
        archive::delete(self.ports.objects(), &mut archived).await;
        self.tally.already += archived.moved.len() as u64;
        let trouble = self.not_archived(&mut held, archived.unmoved, files.len()).await?;
        let rest = |all: Vec<File>| all.into_iter().filter(|file| !files.contains(file)).collect::<Vec<_>>();
        held.claim.suspects = 0;
        held.claim.later = rest(std::mem::take(&mut held.claim.later));
        let rest = rest(std::mem::take(&mut held.claim.files));
        self.continue_with(held, rest, trouble).await
    }
}

/// Whether two objects have the same bytes.
async fn is_same(objects: &impl Objects, one: &File, other: &File) -> Result<bool, PortError> {
    let mut from = 0;
    while from < one.size && one.size == other.size {
        let (part, same) = try_join(objects.read(one, from, PART), objects.read(other, from, PART)).await?;
        let (Some(part), Some(same)) = (part, same) else { return Ok(false) };
        if part.bytes.is_empty() || part.bytes != same.bytes {
            return Ok(false);
        }
        from += u64::try_from(part.bytes.len()).unwrap_or(u64::MAX);
    }
    Ok(one.size == other.size)
}
