//! Load: one claimed batch from its files to its end: inspect → copy → record → archive, and whatever failures lead to.
//!
//! Every step may be done twice: whoever takes up a claim after a death does the rest. The claim is deleted last. A file
//! leaves `incoming/` only when its rows are committed (or the warehouse refuses it), and that is known from the
//! transaction's status or from the ledger, never from memory.

use std::collections::HashSet;
use std::time::Duration;

use crate::batch::BatchId;
use crate::claim::{self, Going, LeaseError, LeasedClaim, Others, Stage, Taken, resting};
use crate::config::{Config, Feed};
use crate::copy::{self, StartError};
use crate::destination::{Asking, Begun, Ledger, Loaded, Loads, Progress, QueryError, Repairs, Started};
use crate::health::Health;
use crate::measure::Datum;
use crate::object::File;
use crate::ports::{Clock, PortError, Ports};
use crate::pressure;
use crate::report::{LoadReport, Outcome};
use crate::run::Run;

mod failed;
mod inspected;
mod moves;
mod sent_again;
mod tally;
mod trouble;
mod versions;

use tally::{End, Tally};
use trouble::Trouble;

/// How long an invocation waits for the answer to a question. It is taken up again by the next one.
const QUESTION_WAIT: Duration = Duration::from_mins(1);

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
pub async fn load<P: Ports>(config: &Config, ports: &P, run: &Run, feed: &Feed, held: LeasedClaim) -> Done {
    let batch = held.claim.batch.clone();
    let files = held.claim.files.len();
    let bytes: u64 = held.claim.files.iter().map(|file| file.size).sum();
    let begun = ports.clock().now();
    let mut loading =
        Loading { config, ports, run, feed, tally: Tally::default(), mended: 0, prepared: None, no_reasons: false };
    let end = loading.run(held).await;
    let Loading { mut tally, .. } = loading;
    let report = tally.report(feed, batch, end);
    let data = std::mem::take(&mut tally.data);
    let duration_ms = i64::try_from(ports.clock().now().duration_since(begun).as_millis()).unwrap_or(i64::MAX);
    // Retries are logged at warn.
    macro_rules! log {
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
        log!(warn);
    } else {
        log!(info);
    }
    Done { report, data }
}

struct Loading<'a, P> {
    config: &'a Config,
    ports: &'a P,
    run: &'a Run,
    feed: &'a Feed,
    tally: Tally,
    /// How many times what failed was mended in this run, and tried again at once.
    mended: u32,
    /// The batch whose load was prepared while its files were looked at.
    prepared: Option<BatchId>,
    /// The warehouse's record of reasons did not come in this run, however long it was waited for.
    no_reasons: bool,
}

/// What a step leads to.
#[allow(clippy::large_enum_variant)] // One at a time, and soon taken apart.
enum Next {
    /// Go on with what the claim says now.
    Again(LeasedClaim),
    /// It ends here.
    End(End),
}

/// What stops a step.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The warehouse is too full for the transaction.
    #[error(transparent)]
    Full(PortError),
    /// The transaction is refused, perhaps since it has too many files.
    #[error(transparent)]
    TooLarge(PortError),
    /// There may be a transaction that the claim does not bear.
    #[error(transparent)]
    Unknown(PortError),
}

impl From<StartError> for StepError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Full(error) => Self::Full(error),
            StartError::Refused(error) => Self::Port(error),
            StartError::TooLarge(error) => Self::TooLarge(error),
            StartError::Unknown(error) => Self::Unknown(error),
            StartError::Lease(error) => Self::Lease(error),
        }
    }
}

impl<P: Ports> Loading<'_, P> {
    /// Step by step, until the claim is finished or has to be left.
    async fn run(&mut self, mut held: LeasedClaim) -> End {
        loop {
            // Kept aside: a step that fails half-way is told in the claim as it was before.
            let before = held.clone();
            // Boxed: each holds the futures of all that it may lead to.
            match Box::pin(self.step(held)).await {
                Ok(Next::Again(next)) => held = next,
                Ok(Next::End(end)) => return end,
                Err(StepError::Lease(LeaseError::Lost(_))) => return End::Busy,
                Err(error) => {
                    let next = match error {
                        StepError::Query(QueryError::Slow { what, statement }) => {
                            self.ask_later(before, what, statement).await
                        }
                        // Where there may be a transaction it has all of these files.
                        StepError::TooLarge(_) if before.claim.files.len() > 1 && before.claim.unsure.is_none() => {
                            self.in_halves(before).await
                        }
                        error => Box::pin(self.trouble(before, Trouble::of_step(&error))).await,
                    };
                    match next {
                        Next::Again(next) => held = next,
                        Next::End(end) => return end,
                    }
                }
            }
        }
    }

    async fn step(&mut self, mut held: LeasedClaim) -> Result<Next, StepError> {
        if held.claim.is_held_back() {
            held.finish(self.ports.objects()).await?;
            return Ok(Next::End(End::Finished));
        }
        if held.claim.files.is_empty() {
            return self.done_with(held).await;
        }
        if let (false, Some(begun)) = (held.claim.read.is_empty(), held.claim.begun()) {
            return self.settle(held, &begun).await;
        }
        if held.claim.unchecked {
            return self.give_way(held).await;
        }
        if held.claim.trying.as_ref().is_some_and(|doubt| doubt.stage != Stage::Load) {
            return self.move_again(held).await;
        }
        let Some(begun) = held.claim.begun() else {
            if self.feed.inspect && !held.claim.inspected {
                return self.inspect(held).await;
            }
            let prepared = self.prepared.take().is_some_and(|batch| batch == held.claim.batch);
            return match copy::start(self.config, self.ports, self.feed, &mut held, prepared).await? {
                Started::Detached(_) => Ok(Next::Again(held)),
                Started::Ended(begun, progress) => self.stands(held, &begun, progress).await,
            };
        };
        let progress = copy::wait(self.ports, self.feed, self.run, &begun, &held.claim.files).await?;
        self.stands(held, &begun, progress).await
    }

    /// Goes on as the transaction stands.
    async fn stands(&mut self, mut held: LeasedClaim, begun: &Begun, progress: Progress) -> Result<Next, StepError> {
        match progress {
            Progress::Running => self.leave_running(held, begun).await,
            Progress::Loaded(loaded) => self.loaded(held, begun, &loaded).await,
            Progress::Failed(failure) => self.failed(held, begun, failure).await,
            // Nobody knows how it ended but the ledger: another attempt meets the guard if it was committed.
            Progress::Forgotten => {
                held.claim.try_again();
                held.save(self.ports.objects()).await?;
                Ok(Next::Again(held))
            }
        }
    }

    /// Leaves to other claims what they have as well.
    async fn give_way(&mut self, mut held: LeasedClaim) -> Result<Next, StepError> {
        let objects = self.ports.objects();
        let own = HashSet::from([held.key.clone()]);
        let others = Others::read(objects, &self.config.bucket, self.feed, &[], &own, self.ports.clock().now()).await?;
        if !others.leave_to_them(self.feed, &mut held.claim) {
            held.finish(objects).await?;
            return Ok(Next::End(End::Finished));
        }
        held.save(objects).await?;
        Ok(Next::Again(held))
    }

    /// The transaction goes on without a function; the event of its end brings a worker, or else the next tick does.
    async fn leave_running(&mut self, mut held: LeasedClaim, begun: &Begun) -> Result<Next, StepError> {
        let objects = self.ports.objects();
        held.release(objects, self.ports.clock().now()).await?;
        let now = self.ports.clock().now();
        let files = &held.claim.files;
        if self.run.wait_left(now).is_zero() {
            return Ok(Next::End(End::Pending));
        }
        // A worker that the event brought while the lease was still held has found it busy and is gone. So we look once
        // more: what has ended by now is ours, unless another worker was faster.
        match self.ports.destination().poll(self.feed, begun, files, Duration::ZERO).await {
            Ok(Progress::Running) | Err(_) => Ok(Next::End(End::Pending)),
            Ok(_) => match claim::take(objects, &held.key, self.run, now).await? {
                Taken::Leased(held) => Ok(Next::Again(*held)),
                _ => Ok(Next::End(End::Pending)),
            },
        }
    }

    /// The rows are committed: archive the files, then let the claim go.
    async fn loaded(&mut self, held: LeasedClaim, begun: &Begun, loaded: &Loaded) -> Result<Next, StepError> {
        let files = held.claim.files.clone();
        let without_rows = held.claim.files_without_rows(loaded.rows);
        if without_rows > 0 {
            self.tell_without_rows(&held, begun, loaded, without_rows).await;
        }
        let next = self.archive_committed(held, begun, Some(loaded)).await?;
        // Counted once it cannot come again: a death before this line leads here a second time.
        self.tally.loaded(self.feed, &files, loaded, without_rows);
        Ok(next)
    }

    /// Moves the claim's files to `processed/`, whose rows `begun` has committed; `loaded`: just now.
    async fn archive_committed(
        &mut self,
        mut held: LeasedClaim,
        begun: &Begun,
        loaded: Option<&Loaded>,
    ) -> Result<Next, StepError> {
        let files = held.claim.files.clone();
        let (read, unmoved) = self.archive(&files, &held, begun).await?;
        held.claim.read = read;
        let moved = unmoved.is_empty();
        if let Some(trouble) = self.not_archived(&mut held, unmoved, files.len()).await? {
            return Ok(self.stuck(held, trouble).await);
        }
        if let (Some(loaded), true) = (loaded, held.claim.tells_success()) {
            let (objects, batch) = (self.ports.objects(), &held.claim.batch);
            Health::succeeded(objects, &self.config.bucket, self.feed, batch, loaded.at).await;
        }
        if !held.claim.read.is_empty() {
            held.claim.began(begun);
            held.save(self.ports.objects()).await?;
            return Ok(Next::Again(held));
        }
        if loaded.is_some() {
            held.claim.part_loaded();
        } else if moved {
            held.claim.moved(Stage::Archive);
        }
        self.done_with(held).await
    }

    /// Other versions than the planned ones are loaded. The ledger learns so before the claim is let go, or those would
    /// be loaded once more, and the planned ones never; and where they still are, they are archived.
    ///
    /// The claim bears them from before the ledger changes: once it has, the guard no longer knows the planned versions,
    /// and nobody must submit them again.
    async fn settle(&mut self, mut held: LeasedClaim, begun: &Begun) -> Result<Next, StepError> {
        let read = |file: &File| held.claim.read.iter().find(|read| read.key == file.key).cloned();
        let pairs: Vec<(File, File)> =
            held.claim.files.iter().filter_map(|file| Some((file.clone(), read(file)?))).collect();
        let both: Vec<File> = pairs.iter().flat_map(|(planned, read)| [planned.clone(), read.clone()]).collect();
        let asking = self.asking(&held, "");
        let known = self.ports.destination().loaded(self.feed, &both, &asking).await?;
        // Where the planned version is not there any more, the ledger was put right already.
        let has = |file: &File| known.contains_key(&self.feed.ledger_id(file));
        // Where a name is all that the ledger knows, both are one to it.
        let two = |planned: &File, read: &File| self.feed.ledger_id(planned) != self.feed.ledger_id(read);
        let twice: Vec<&(File, File)> =
            pairs.iter().filter(|(planned, read)| has(planned) && has(read) && two(planned, read)).collect();
        for (planned, read) in twice {
            self.twice(planned, read);
        }
        self.ports.destination().amend(self.feed, &pairs, &asking).await?;
        // The planned ones of those are not loaded: what a producer writes back is a new file.
        let mut versions: Vec<File> = held.claim.files.iter().filter(|file| read(file).is_none()).cloned().collect();
        // One that was away when it was noted, and is there again, has a size of its own.
        for version in &held.claim.read {
            versions.push(self.version(version.clone(), &version.etag).await?);
        }
        // A version that was replaced yet again is a new file.
        let archived = self.archive_versions(&versions, &begun.statement).await;
        let all = versions.len();
        if let Some(trouble) = self.not_archived(&mut held, archived.unmoved, all).await? {
            (held.claim.files, held.claim.read) = (Vec::new(), Vec::new());
            return Ok(self.stuck(held, trouble).await);
        }
        held.claim.part_loaded();
        self.done_with(held).await
    }

    /// The batch is done with: on with what else the claim holds, or the slot is free.
    async fn done_with(&self, mut held: LeasedClaim) -> Result<Next, StepError> {
        let (objects, now) = (self.ports.objects(), self.ports.clock().now());
        if let Some(file) = held.claim.rested.take() {
            // Loaded, refused or gone: it rests no more.
            resting::end(objects, &self.config.bucket, self.feed, &file).await?;
        }
        if held.claim.go_on() == Going::On {
            held.save(objects).await?;
            return Ok(Next::Again(held));
        }
        pressure::let_go(self.config, objects, self.feed, held, now).await?;
        Ok(Next::End(End::Finished))
    }

    /// How a question about the claim is asked. `again`: tells it from the same question asked before.
    fn asking(&self, held: &LeasedClaim, again: &str) -> Asking {
        let claim = &held.claim;
        let noted = claim.question.as_ref().map(|known| (known.what.clone(), known.statement_id.clone()));
        let token = format!("{}?{}{again}", copy::token(self.config, self.feed, claim), claim.asked);
        let wait = self.run.wait_left(self.ports.clock().now()).min(QUESTION_WAIT);
        Asking { token: Some(token), noted, look: 0, wait }
    }
}
