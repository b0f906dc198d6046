//! Versions: archives what was loaded, and finds out what was read where a producer replaced a file meanwhile.
//!
//! Never guesses silently: what nobody can tell is said, and counted.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{Loading, StepError};
use crate::archive::{self, Archived, Unmoved};
use crate::claim::LeasedClaim;
use crate::destination::{Begun, Repairs, StatementId};
use crate::disposition::Pace;
use crate::measure::{Datum, Metric};
use crate::object::{ETag, File, Key};
use crate::ports::{Clock, Objects, PortError, Ports};

/// How often, and how far apart, the warehouse is asked which versions it read before that counts as unknown.
const RECORD_LOOKS: usize = 5;
const RECORD_PAUSE: Duration = Duration::from_secs(2);

/// How many files are looked at at once.
const HEADS_AT_ONCE: usize = 16;

/// How many times in a row a move is tried that S3 was too busy for.
const MOVES: u32 = 3;

impl<P: Ports> Loading<'_, P> {
    /// Moves files to `processed/`; answers the versions that were loaded in place of planned ones, since a producer
    /// replaced those before they were read, and the files that could not be moved.
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

    /// Those of the files that cannot be moved of which another version may have been loaded: S3 refuses a copy before it
    /// says that the version is not there.
    async fn perhaps_replaced(&self, unmoved: &[Unmoved]) -> Vec<File> {
        let objects = self.ports.objects();
        let looks = stream::iter(unmoved.iter().filter(|unmoved| unmoved.copied.is_none()))
            .map(async |unmoved| (objects.head(&unmoved.file.key).await, unmoved.file.clone()));
        let looks: Vec<_> = looks.buffered(HEADS_AT_ONCE).collect().await;
        let same = |there: &Option<File>, file: &File| there.as_ref().is_some_and(|there| there.etag == file.etag);
        let other = looks.into_iter().filter(|(there, file)| !there.as_ref().is_ok_and(|there| same(there, file)));
        other.map(|(_, file)| file).collect()
    }

    /// Which versions of the files the transaction read. The warehouse's own record may come some seconds after the
    /// commit, and has all files then.
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
            // What was answered once may have come too early: each look is another question.
            let mut asking = self.asking(held, &format!(".{look}.{}", self.run.owner));
            asking.noted.take_if(|_| look > 0);
            versions = self.ports.destination().versions_read(self.feed, begun, files, &asking).await?;
            if files.iter().all(|file| versions.contains_key(&file.key)) {
                break;
            }
        }
        Ok(versions)
    }

    /// The version `etag` of a file; as big as the given one, where it is there no more, or may not be looked at.
    pub(super) async fn version(&self, file: File, etag: &ETag) -> Result<File, PortError> {
        let there = match self.ports.objects().head(&file.key).await {
            Err(error) if Pace::from(error.kind) == Pace::Configuration => None,
            there => there?.filter(|there| there.etag == *etag),
        };
        Ok(there.unwrap_or(File { etag: etag.clone(), ..file }))
    }

    /// Moves exactly these versions to `processed/`. What S3 was too busy for is tried again a few times.
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

    /// Says that nobody can tell which version of a file was loaded.
    pub(super) fn unknown(&mut self, by: Option<&StatementId>, file: &File, found: Option<&ETag>) {
        tracing::warn!(
            feed = %self.feed.name, key = %file.key, planned_etag = %file.etag,
            found_etag = found.map(tracing::field::display), statement = by.map(tracing::field::display),
            "a file was replaced or taken away during its load, and the warehouse does not say which version it read: \
             compare its rows with the file"
        );
        self.replaced();
    }

    /// Says that a version was loaded which had been loaded before: no guard can see what COPY will find.
    pub(super) fn twice(&mut self, planned: &File, read: &File) {
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
