//! Load: one claimed batch from its files to its end: copy → record → archive, and whatever failures lead to.
//!
//! Every step may be done twice: whoever takes up a claim after a death does the rest. The claim is deleted last. A file
//! leaves `incoming/` only when its rows are committed (or the warehouse refuses it), and that is known from the
//! transaction's status or from the ledger, never from memory.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::archive::{self, Archived};
use crate::claim::{self, Going, Held, HeldError, Taken};
use crate::config::{Config, Feed};
use crate::content;
use crate::copy::{self, StartError};
use crate::destination::{Destination, Failure, FailureKind, Load, Loaded, Progress, QueryError, Refusal, StatementId};
use crate::disposition::{Disposition, Pace, signed};
use crate::measure::{Datum, Metric, count};
use crate::object::{ETag, File, Key};
use crate::ports::{Clock, Objects, PortError, PortErrorKind, Ports};
use crate::pressure;
use crate::quarantine::{Cause, quarantine};
use crate::report::{LoadReport, Outcome};
use crate::run::{Run, later};

mod tally;

use tally::{End, Tally};

/// How often, and how far apart, the warehouse is asked which versions it read before that counts as unknown.
const RECORD_LOOKS: usize = 5;
const RECORD_PAUSE: Duration = Duration::from_secs(2);

/// How many failures in a row that nobody knows raise the doubt that a file brings them about.
const DOUBTS: u32 = 3;

/// How many files are looked at at once.
const HEADS_AT_ONCE: usize = 16;

/// A finished load: the answer, and what is measured of it.
#[derive(Clone, Debug)]
pub struct Done {
    /// The answer.
    pub report: LoadReport,
    /// What is to be published.
    pub data: Vec<Datum>,
}

/// Loads the claimed batch as far as the run's time allows.
///
/// Never fails as a whole: what cannot be done now is left in the claim for whoever comes next, and the report says so.
pub async fn load<P: Ports>(config: &Config, ports: &P, run: &Run, feed: &Feed, held: Held) -> Done {
    let batch = held.claim.batch.clone();
    let files = held.claim.files.len();
    let bytes: u64 = held.claim.files.iter().map(|file| file.size).sum();
    let begun = ports.clock().now();
    let mut loading = Loading { config, ports, run, feed, tally: Tally::default() };
    let end = loading.run(held).await;
    let Loading { mut tally, .. } = loading;
    let report = tally.report(feed, batch, end);
    let data = std::mem::take(&mut tally.data);
    let duration_ms = i64::try_from(ports.clock().now().duration_since(begun).as_millis()).unwrap_or(i64::MAX);
    // What somebody may have to mend is told louder than what goes its way.
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                feed = %report.feed,
                batch = report.batch.as_ref().map(tracing::field::display),
                outcome = report.outcome.as_str(),
                files,
                bytes,
                files_loaded = report.files_loaded,
                rows_loaded = report.rows_loaded,
                files_quarantined = report.files_quarantined,
                duration_ms,
                error = report.error,
                retry_at = report.retry_at.map(tracing::field::display),
                "batch {}", report.outcome.as_str()
            )
        };
    }
    if report.outcome == Outcome::Retry {
        tell!(warn);
    } else {
        tell!(info);
    }
    Done { report, data }
}

struct Loading<'a, P> {
    config: &'a Config,
    ports: &'a P,
    run: &'a Run,
    feed: &'a Feed,
    tally: Tally,
}

/// What a step leads to.
#[allow(clippy::large_enum_variant)] // One at a time, and soon taken apart.
enum Next {
    /// Go on with what the claim says now.
    Again(Held),
    /// It ends here.
    End(End),
}

/// What stops a step.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Held(#[from] HeldError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The warehouse is too full for the transaction.
    #[error(transparent)]
    Full(PortError),
}

impl From<StartError> for StepError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Full(error) => Self::Full(error),
            StartError::Held(error) => Self::Held(error),
        }
    }
}

impl<P: Ports> Loading<'_, P> {
    /// Step by step, until the claim is finished or has to be left.
    async fn run(&mut self, mut held: Held) -> End {
        loop {
            // Kept aside: a step that fails half-way is told in the claim as it was before.
            let before = held.clone();
            match self.step(held).await {
                Ok(Next::Again(next)) => held = next,
                Ok(Next::End(end)) => return end,
                Err(StepError::Held(HeldError::Lost(_))) => return End::Busy,
                Err(error) => match self.put_off(before, &error).await {
                    Next::Again(next) => held = next,
                    Next::End(end) => return end,
                },
            }
        }
    }

    async fn step(&mut self, mut held: Held) -> Result<Next, StepError> {
        if held.claim.is_held_back() {
            held.finish(self.ports.objects()).await?;
            return Ok(Next::End(End::Finished));
        }
        if held.claim.only_rests() {
            // Its time has come, or somebody has set it into the past to have it tried now.
            held.claim.go_on(Timestamp::MAX);
            held.save(self.ports.objects()).await?;
            return Ok(Next::Again(held));
        }
        if held.claim.files.is_empty() {
            return self.done_with(held).await;
        }
        if let (false, Some(statement)) = (held.claim.read.is_empty(), held.claim.statement_id.clone()) {
            return self.settle(held, &statement).await;
        }
        if held.claim.unchecked {
            let claims = claim::feed_prefix(&self.config.bucket, self.feed)
                .map_err(|error| PortError::new("claim", held.key.as_str(), PortErrorKind::Invalid, error))?;
            held.give_way(self.ports.objects(), &claims).await?;
            return Ok(Next::Again(held));
        }
        let statement = copy::start(self.config, self.ports, self.feed, &mut held).await?;
        match copy::wait(self.ports, self.feed, self.run, &statement).await? {
            Progress::Running => self.leave_running(held, &statement).await,
            Progress::Loaded(loaded) => self.loaded(held, &statement, &loaded).await,
            Progress::Failed(failure) => self.failed(held, &statement, failure).await,
            // Nobody knows how it ended but the ledger: another attempt meets the guard if it was committed.
            Progress::Forgotten => {
                held.claim.try_again();
                held.save(self.ports.objects()).await?;
                Ok(Next::Again(held))
            }
        }
    }

    /// The transaction goes on without a function; the event of its end brings a worker, or else the next tick does.
    async fn leave_running(&mut self, mut held: Held, statement: &StatementId) -> Result<Next, StepError> {
        let objects = self.ports.objects();
        held.release(objects, self.ports.clock().now()).await?;
        let now = self.ports.clock().now();
        if self.run.wait_left(now).is_zero() {
            return Ok(Next::End(End::Pending));
        }
        // A worker that the event brought while the lease was still held has found it busy and is gone. So we look once
        // more: what has ended by now is ours, unless another worker was faster.
        match self.ports.destination().poll(self.feed, statement, Duration::ZERO).await {
            Ok(Progress::Running) | Err(_) => Ok(Next::End(End::Pending)),
            Ok(_) => match claim::take(objects, &held.key, self.run, now).await? {
                Taken::Held(held) => Ok(Next::Again(*held)),
                _ => Ok(Next::End(End::Pending)),
            },
        }
    }

    /// The rows are committed: archive the files, then let the claim go.
    async fn loaded(&mut self, mut held: Held, statement: &StatementId, loaded: &Loaded) -> Result<Next, StepError> {
        let files = held.claim.files.clone();
        held.claim.read = self.archive(&files, statement).await?;
        // Counted once it cannot come again: a death before this line leads here a second time.
        let next = if held.claim.read.is_empty() {
            self.done_with(held).await?
        } else {
            held.save(self.ports.objects()).await?;
            self.settle(held, statement).await?
        };
        self.tally.loaded(self.feed, &files, loaded);
        Ok(next)
    }

    /// Other versions than the planned ones are loaded. The ledger learns so before the claim is let go, or those would
    /// be loaded once more, and the planned ones never; and where they still are, they are archived.
    ///
    /// The claim bears them from before the ledger changes: once it has, the guard no longer knows the planned versions,
    /// and nobody must submit them again.
    async fn settle(&mut self, held: Held, statement: &StatementId) -> Result<Next, StepError> {
        let read = |file: &File| held.claim.read.iter().find(|read| read.key == file.key).cloned();
        let pairs: Vec<(File, File)> =
            held.claim.files.iter().filter_map(|file| Some((file.clone(), read(file)?))).collect();
        let both: Vec<File> = pairs.iter().flat_map(|(planned, read)| [planned.clone(), read.clone()]).collect();
        let known = self.ports.destination().loaded(self.feed, &both).await?;
        // Where the planned version is not there any more, the ledger was put right already.
        for (planned, read) in pairs.iter().filter(|(planned, _)| known.contains(&planned.id())) {
            if known.contains(&read.id()) {
                self.twice(planned, read);
            }
        }
        self.ports.destination().amend(self.feed, &pairs).await?;
        // A version that was replaced yet again is a new file.
        self.archive_versions(&held.claim.read, statement).await?;
        self.archive_versions(&held.claim.files, statement).await?;
        self.done_with(held).await
    }

    /// The batch is done with: on with what else the claim holds, or the slot is free.
    async fn done_with(&self, mut held: Held) -> Result<Next, StepError> {
        let (objects, now) = (self.ports.objects(), self.ports.clock().now());
        match held.claim.go_on(now) {
            Going::On => {
                held.save(objects).await?;
                return Ok(Next::Again(held));
            }
            Going::Rests => held.release(objects, now).await?,
            Going::Done => pressure::let_go(self.config, objects, self.feed, held, now).await?,
        }
        Ok(Next::End(End::Finished))
    }

    async fn failed(&mut self, mut held: Held, statement: &StatementId, failure: Failure) -> Result<Next, StepError> {
        match Disposition::from(failure.kind) {
            Disposition::AskLedger => self.archive_loaded(held, statement).await,
            Disposition::Quarantine => self.set_aside(held, statement, &failure).await,
            Disposition::DropMissing => self.drop_missing(held, failure).await,
            Disposition::CreateLedger => {
                self.ports.destination().create_ledger(self.feed).await?;
                held.claim.try_again();
                held.save(self.ports.objects()).await?;
                Ok(Next::Again(held))
            }
            Disposition::Retry(pace) => {
                self.tally.failed(self.feed, self.ports.clock().now());
                held.claim.try_again();
                Ok(self.retry(held, pace, &failure.message, failure.advice).await)
            }
            Disposition::Doubt => self.doubt(held, &failure).await,
        }
    }

    /// Some files are in the ledger: archive those, go on with the others.
    async fn archive_loaded(&mut self, mut held: Held, statement: &StatementId) -> Result<Next, StepError> {
        let ids = self.ports.destination().loaded(self.feed, &held.claim.files).await?;
        let (loaded, rest): (Vec<File>, Vec<File>) =
            held.claim.files.iter().cloned().partition(|file| ids.contains(&file.id()));
        let archived = self.archive_versions(&loaded, statement).await?;
        // Which statement loaded them, nobody knows here: not the one that has just failed on its guard.
        for (file, found) in &archived.replaced {
            self.unknown(None, file, Some(found));
        }
        self.tally.already += count(&loaded);
        if loaded.is_empty() {
            // The guard saw a file that the ledger no longer has: somebody took it out to have it loaded again.
            held.claim.try_again();
        } else {
            held.claim.continue_with(rest);
        }
        held.save(self.ports.objects()).await?;
        Ok(Next::Again(held))
    }

    /// Some files are bad: they go to `failed/`, the others on.
    async fn set_aside(
        &mut self,
        mut held: Held,
        statement: &StatementId,
        failure: &Failure,
    ) -> Result<Next, StepError> {
        let mut refusals = self.refusals(&held, statement, failure).await?;
        let (bad, rest): (Vec<File>, Vec<File>) =
            held.claim.files.iter().cloned().partition(|file| refusals.contains_key(&file.key));
        if bad.is_empty() {
            held.claim.halve();
        } else {
            self.show_lines(&bad, &mut refusals).await;
            let at = self.ports.clock().now();
            let cause = Cause { feed: self.feed.name.as_str(), batch: &held.claim.batch, statement, at };
            let moved = quarantine(self.config, self.ports.objects(), cause, &bad, &refusals).await?;
            self.tally.quarantined(self.feed, at, moved);
            held.claim.without_bad(rest);
        }
        held.save(self.ports.objects()).await?;
        Ok(Next::Again(held))
    }

    /// Puts the line beside each reason that names one: the warehouse's own views do not all have it.
    async fn show_lines(&self, bad: &[File], refusals: &mut HashMap<Key, Refusal>) {
        let wanted = bad.iter().filter_map(|file| Some((file.clone(), refusals.get(&file.key)?.line?)));
        let wanted: Vec<(File, u64)> = wanted.collect();
        let looks = stream::iter(wanted).map(async |(file, number)| {
            let line = content::line(self.ports.objects(), self.feed, &file, number).await;
            (file.key, line)
        });
        let lines: Vec<_> = looks.buffered(HEADS_AT_ONCE).collect().await;
        for (key, line) in lines {
            if let Some(refusal) = refusals.get_mut(&key) {
                refusal.raw_line = refusal.raw_line.take().or(line);
            }
        }
    }

    async fn refusals(
        &self,
        held: &Held,
        statement: &StatementId,
        failure: &Failure,
    ) -> Result<HashMap<Key, Refusal>, StepError> {
        let claim = &held.claim;
        let token = copy::token(self.config, self.feed, held);
        let load = Load { slot: claim.slot, batch: &claim.batch, files: &claim.files, token: &token };
        let mut refusals = self.ports.destination().bad_files(self.feed, &load, statement).await?;
        if let ([only], true) = (claim.files.as_slice(), refusals.is_empty()) {
            let message = failure.message.clone();
            refusals.insert(only.key.clone(), Refusal { message, ..Refusal::default() });
        }
        Ok(refusals)
    }

    /// Some files are not there any more: go on with those that are.
    async fn drop_missing(&mut self, mut held: Held, failure: Failure) -> Result<Next, StepError> {
        let objects = self.ports.objects();
        let looks = stream::iter(held.claim.files.iter().cloned())
            .map(async |file| Ok::<_, PortError>(objects.head(&file.key).await?.map(|_| file)));
        let there: Vec<File> =
            looks.buffered(HEADS_AT_ONCE).try_filter_map(async |file| Ok(file)).try_collect().await?;
        if there.len() == held.claim.files.len() {
            held.claim.try_again();
            return Ok(self.retry(held, Pace::Transient, &failure.message, failure.advice).await);
        }
        held.claim.continue_with(there);
        held.save(objects).await?;
        Ok(Next::Again(held))
    }

    /// Moves files to `processed/`; answers the versions that were loaded in place of planned ones, since a producer
    /// replaced those before they were read.
    async fn archive(&mut self, files: &[File], statement: &StatementId) -> Result<Vec<File>, StepError> {
        let archived = self.archive_versions(files, statement).await?;
        let replaced = archived.replaced.into_iter().map(|(file, found)| (file, Some(found)));
        let other: Vec<_> = replaced.chain(archived.gone.into_iter().map(|file| (file, None))).collect();
        let planned: Vec<File> = other.iter().map(|(file, _)| file.clone()).collect();
        let versions = self.versions(&planned, statement).await?;
        let mut read = Vec::new();
        for (file, found) in other {
            match (versions.get(&file.key), found) {
                // The planned version was loaded: what is there now is a new file, and stays.
                (Some(etag), _) if *etag == file.etag => {}
                (Some(etag), _) => read.push(self.version(file, etag).await?),
                (None, found) => self.unknown(Some(statement), &file, found.as_ref()),
            }
        }
        Ok(read)
    }

    /// Which versions of the files the transaction read. The warehouse's own record may come some seconds after the
    /// commit, and has all files then.
    async fn versions(&self, files: &[File], statement: &StatementId) -> Result<HashMap<Key, ETag>, StepError> {
        if files.is_empty() {
            return Ok(HashMap::new());
        }
        for _ in 1..RECORD_LOOKS {
            let versions = self.ports.destination().versions_read(self.feed, statement, files).await?;
            if files.iter().all(|file| versions.contains_key(&file.key)) {
                return Ok(versions);
            }
            self.ports.clock().sleep(RECORD_PAUSE).await;
        }
        Ok(self.ports.destination().versions_read(self.feed, statement, files).await?)
    }

    /// The version `etag` of a file; as big as the planned one, where it is there no more.
    async fn version(&self, planned: File, etag: &ETag) -> Result<File, PortError> {
        let there = self.ports.objects().head(&planned.key).await?.filter(|there| there.etag == *etag);
        Ok(there.unwrap_or(File { etag: etag.clone(), ..planned }))
    }

    async fn archive_versions(&self, files: &[File], statement: &StatementId) -> Result<Archived, PortError> {
        let (objects, bucket) = (self.ports.objects(), &self.config.bucket);
        let archived = archive::copy(objects, &bucket.incoming, &bucket.processed, files, statement).await?;
        archive::delete(objects, &archived.moved).await?;
        Ok(archived)
    }

    /// Says that nobody can tell which version of a file was loaded.
    fn unknown(&mut self, by: Option<&StatementId>, file: &File, found: Option<&ETag>) {
        tracing::warn!(
            feed = %self.feed.name, key = %file.key, planned_etag = %file.etag,
            found_etag = found.map(tracing::field::display), statement = by.map(tracing::field::display),
            "a file was replaced or taken away during its load, and the warehouse does not say which version it read: \
             compare its rows with the file"
        );
        self.replaced();
    }

    /// Says that a version was loaded which had been loaded before: no guard can see what COPY will find.
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

    /// A call failed: wait a little, or leave the batch for later.
    async fn put_off(&mut self, mut held: Held, error: &StepError) -> Next {
        let advice = match error {
            StepError::Query(QueryError::Failed { failure, .. }) => failure.advice,
            _ => None,
        };
        let pace = match error {
            StepError::Full(error)
            | StepError::Port(error)
            | StepError::Held(HeldError::Port(error))
            | StepError::Query(QueryError::Port(error)) => Pace::from(error.kind),
            StepError::Query(QueryError::Failed { failure, .. }) if failure.kind == FailureKind::Transient => {
                Pace::Transient
            }
            StepError::Query(QueryError::Failed { .. }) => Pace::Configuration,
            StepError::Query(QueryError::Slow(_)) | StepError::Held(HeldError::Lost(_)) => Pace::Transient,
        };
        if matches!(error, StepError::Full(_)) {
            held.claim.refused = held.claim.refused.saturating_add(1);
        }
        self.tally.failed(self.feed, self.ports.clock().now());
        self.retry(held, pace, &error.to_string(), advice).await
    }

    /// Nobody knows this error. If a file brings it about, the others shall get through: after some failures in a row
    /// half of the batch goes on, and the other half is free to be planned anew, until that file is alone. Then it rests,
    /// and its slot is for others. It stays where it is, since only the warehouse's word about a file quarantines it.
    async fn doubt(&mut self, mut held: Held, failure: &Failure) -> Result<Next, StepError> {
        let now = self.ports.clock().now();
        self.tally.failed(self.feed, now);
        let failures = held.claim.failures.saturating_add(1);
        let (objects, advice) = (self.ports.objects(), failure.advice.unwrap_or_default());
        if failures < DOUBTS || (held.claim.files.len() < 2 && !held.claim.may_rest()) {
            held.claim.try_again();
            return Ok(self.retry(held, Pace::Configuration, &failure.message, failure.advice).await);
        }
        if held.claim.files.len() > 1 {
            let half = held.claim.files.len() / 2;
            let files = held.claim.files.drain(..half).collect();
            held.claim.continue_with(files);
            held.claim.failures = failures;
            held.claim.last_error = Some(told(&failure.message, advice));
            held.save(objects).await?;
            return Ok(Next::Again(held));
        }
        held.claim.failures = failures;
        let at = later(now, signed(Pace::Configuration.delay(failures, held.claim.batch.as_str())));
        let error = told(&failure.message, advice);
        held.claim.rest(at, &error);
        match self.done_with(held).await? {
            Next::End(End::Finished) => Ok(Next::End(End::Retry(at, error))),
            next => Ok(next),
        }
    }

    /// Tries again within this run when the pause is short enough, and otherwise leaves the claim for a later one.
    async fn retry(&mut self, mut held: Held, pace: Pace, error: &str, advice: Option<&str>) -> Next {
        held.claim.failures = held.claim.failures.saturating_add(1);
        let delay = pace.delay(held.claim.failures, held.claim.batch.as_str());
        let now = self.ports.clock().now();
        let at = later(now, signed(delay));
        let error = told(error, advice.unwrap_or(pace.advice()));
        held.claim.last_error = Some(error.clone());
        if pace == Pace::Transient && delay < self.run.wait_left(now) / 2 {
            self.ports.clock().sleep(delay).await;
            return match held.save(self.ports.objects()).await {
                Ok(()) => Next::Again(held),
                Err(_) => Next::End(End::Retry(at, error)),
            };
        }
        held.claim.not_before = Some(at);
        // If even this cannot be written, the lease runs out and the claim is taken up as it was.
        match held.release(self.ports.objects(), now).await {
            Err(HeldError::Lost(_)) => Next::End(End::Busy),
            Ok(()) | Err(HeldError::Port(_)) => Next::End(End::Retry(at, error)),
        }
    }
}

/// As much of an error as a claim bears, and what to do about it.
fn told(error: &str, advice: &str) -> String {
    let error: String = error.chars().take(1000).collect();
    format!("{error}; {advice}")
}
