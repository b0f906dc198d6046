//! Versions: archives what was loaded, and finds out which version was read if a producer replaced a file meanwhile.
//!
//! Never guesses silently: what nobody can know is logged, and counted.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{Loading, Next, StepError};
use crate::archive::{self, Archived, Unmoved};
use crate::claim::LeasedClaim;
use crate::destination::{Begun, Ledger, Repairs, StatementId};
use crate::disposition::Pace;
use crate::measure::{Datum, Metric};
use crate::object::{ETag, File, Key};
use crate::ports::{Clock, Objects, PortError, Ports};
use crate::run::CALLS_AT_ONCE;

/// How often, and how far apart, the warehouse is asked which versions it read. After that they count as unknown.
const RECORD_LOOKS: usize = 5;
const RECORD_PAUSE: Duration = Duration::from_secs(2);

/// How many times in a row a move is tried while S3 is too busy for it.
const MOVES: u32 = 3;

impl<P: Ports> Loading<'_, P> {
    /// Moves files to `processed/`. Answers the versions that were loaded in place of planned ones, since a producer
    /// had replaced those, and the files that could not be moved.
    pub(super) async fn archive(
        &mut self,
        files: &[File],
        held: &LeasedClaim,
        begun: &Begun,
    ) -> Result<(Vec<File>, Vec<Unmoved>), StepError> {
        let mut archived = self.archive_versions(files, &begun.statement).await;
        let doubtful = self.perhaps_replaced(&archived.unmoved).await;
        let replaced = archived.replaced.into_iter().map(|(file, found)| (file, Some(found)));
        let other: Vec<_> = replaced.chain(archived.gone.into_iter().map(|file| (file, None))).collect();
        let planned: Vec<File> = other.iter().map(|(file, _)| file).chain(&doubtful).cloned().collect();
        let versions = self.versions(&planned, held, begun).await?;
        let mut read = Vec::new();
        for file in doubtful {
            if let Some(etag) = versions.get(&file.key).filter(|etag| **etag != file.etag) {
                archived.unmoved.retain(|unmoved| unmoved.file != file);
                read.push(self.version(file, etag).await?);
            }
        }
        for (file, found) in other {
            match (versions.get(&file.key), found) {
                // The planned version was loaded: what is there now is a new file, and stays.
                (Some(etag), _) if *etag == file.etag => {}
                (Some(etag), _) => read.push(self.version(file, etag).await?),
                (None, found) => self.unknown(Some(&begun.statement), &file, found.as_ref()),
            }
        }
        Ok((read, archived.unmoved))
    }

    /// The files that cannot be moved, and of which another version may have been loaded: S3 may refuse a copy before
    /// it says that the version is not there.
    async fn perhaps_replaced(&self, unmoved: &[Unmoved]) -> Vec<File> {
        let uncopied = unmoved.iter().filter(|unmoved| unmoved.copied.is_none());
        let looks = self.look(uncopied.map(|unmoved| unmoved.file.clone()).collect()).await;
        let same = |(file, there): &(File, Result<Option<File>, PortError>)| {
            there.as_ref().is_ok_and(|there| there.as_ref().is_some_and(|there| there.etag == file.etag))
        };
        looks.into_iter().filter(|look| !same(look)).map(|(file, _)| file).collect()
    }

    /// What is there now under the key of each of the files.
    pub(super) async fn look(&self, files: Vec<File>) -> Vec<(File, Result<Option<File>, PortError>)> {
        let objects = self.ports.objects();
        let looks = stream::iter(files).map(async |file: File| {
            let there = objects.head(&file.key).await;
            (file, there)
        });
        looks.buffered(CALLS_AT_ONCE).collect().await
    }

    /// Which versions of the files the transaction read. The warehouse's own record may come some seconds after the
    /// commit, and then it has all files.
    async fn versions(
        &self,
        files: &[File],
        held: &LeasedClaim,
        begun: &Begun,
    ) -> Result<HashMap<Key, ETag>, StepError> {
        if files.is_empty() {
            return Ok(HashMap::new());
        }
        let mut versions = HashMap::new();
        for look in 0..RECORD_LOOKS {
            if look > 0 {
                self.ports.clock().sleep(RECORD_PAUSE).await;
            }
            // An answer may have come too early: each look is another question.
            let mut asking = self.asking(held, &format!(".{look}.{}", self.run.owner));
            asking.noted.take_if(|_| look > 0);
            versions = self.ports.destination().versions_read(self.feed, begun, files, &asking).await?;
            if files.iter().all(|file| versions.contains_key(&file.key)) {
                break;
            }
        }
        Ok(versions)
    }

    /// The version `etag` of a file. If that is gone or may not be looked at, its size is taken from `file`.
    async fn version(&self, file: File, etag: &ETag) -> Result<File, PortError> {
        let there = match self.ports.objects().head(&file.key).await {
            Err(error) if Pace::from(error.kind) == Pace::Configuration => None,
            there => there?.filter(|there| there.etag == *etag),
        };
        Ok(there.unwrap_or(File { etag: etag.clone(), ..file }))
    }

    /// Other versions than the planned ones are loaded: records that in the ledger, and archives those that are still
    /// there. This happens before the claim is let go: or those versions would be loaded again, and the planned ones
    /// never.
    ///
    /// The claim names them before the ledger changes. After that the guard no longer knows the planned versions, and
    /// nobody may submit those again.
    pub(super) async fn settle(&mut self, mut held: LeasedClaim, begun: &Begun) -> Result<Next, StepError> {
        let (mut pairs, mut versions) = (Vec::new(), Vec::new());
        for file in &held.claim.files {
            match held.claim.read.iter().find(|read| read.key == file.key) {
                // The planned version is not loaded: if a producer writes it back, it is a new file.
                Some(read) => pairs.push((file.clone(), read.clone())),
                None => versions.push(file.clone()),
            }
        }
        let both: Vec<File> = pairs.iter().flat_map(|(planned, read)| [planned.clone(), read.clone()]).collect();
        let asking = self.asking(&held, "");
        let known = self.ports.destination().loaded(self.feed, &both, &asking).await?;
        for (planned, read) in &pairs {
            let ids = [planned, read].map(|file| self.feed.ledger_id(file));
            // A ledger that knows files by name alone has one id for both. If the planned version is not in the ledger
            // any more, the ledger was amended before.
            if ids[0] != ids[1] && ids.iter().all(|id| known.contains_key(id)) {
                self.twice(planned, read);
            }
        }
        self.ports.destination().amend(self.feed, &pairs, &asking).await?;
        // A version that was away when it was noted, and is there again, has a size of its own.
        for version in &held.claim.read {
            versions.push(self.version(version.clone(), &version.etag).await?);
        }
        // A version that was replaced again is a new file.
        let archived = self.archive_versions(&versions, &begun.statement).await;
        if let Some(trouble) = self.not_archived(&mut held, archived.unmoved, versions.len()).await? {
            (held.claim.files, held.claim.read) = (Vec::new(), Vec::new());
            return Ok(self.stuck(held, trouble).await);
        }
        held.claim.part_loaded();
        self.done_with(held).await
    }

    /// Moves exactly these versions to `processed/`. If S3 is too busy for some, tries those again a few times.
    pub(super) async fn archive_versions(&self, files: &[File], statement: &StatementId) -> Archived {
        let (objects, bucket) = (self.ports.objects(), &self.config.bucket);
        let mut all = Archived::default();
        let mut left = files.to_vec();
        for attempt in 1..=MOVES {
            let mut archived = archive::archive(objects, &bucket.incoming, &bucket.processed, &left, statement).await;
            all.moved.append(&mut archived.moved);
            all.gone.append(&mut archived.gone);
            all.replaced.append(&mut archived.replaced);
            let busy = |unmoved: &Unmoved| Pace::from(unmoved.error.kind) == Pace::Transient;
            let pause = Pace::Transient.delay(attempt, statement.0.as_str());
            let time = self.run.wait_left(self.ports.clock().now()) > pause;
            let (again, never): (Vec<Unmoved>, Vec<Unmoved>) =
                archived.unmoved.into_iter().partition(|one| busy(one) && attempt < MOVES && time);
            all.unmoved.extend(never);
            if again.is_empty() {
                break;
            }
            left = again.into_iter().map(|unmoved| unmoved.file).collect();
            self.ports.clock().sleep(pause).await;
        }
        all
    }

    /// Reports that nobody can know which version of a file was loaded.
    pub(super) fn unknown(&mut self, by: Option<&StatementId>, file: &File, found: Option<&ETag>) {
        tracing::warn!(
            feed = %self.feed.name, key = %file.key, planned_etag = %file.etag,
            found_etag = found.map(tracing::field::display), statement = by.map(tracing::field::display),
            "a file was replaced or taken away during its load, and the warehouse does not say which version it read: \
             compare its rows with the file"
        );
        self.replaced();
    }

    /// Reports that a version was loaded which had been loaded before: no guard can see what COPY will find.
    fn twice(&mut self, planned: &File, read: &File) {
        tracing::warn!(
            feed = %self.feed.name, key = %planned.key, planned_etag = %planned.etag, read_etag = %read.etag,
            "a file was replaced before it was read, by a version that had been loaded before: \
             its rows are in the table twice"
        );
        self.replaced();
    }

    fn replaced(&mut self) {
        let at = self.ports.clock().now();
        self.tally.data.push(Datum::one(Metric::FilesReplaced, &self.feed.name, at, 1.0));
    }
}
