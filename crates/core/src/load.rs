//! Load: one claimed batch from its files to its end: copy → record → archive, and whatever failures lead to.
//!
//! Every step may be done twice: whoever takes up a claim after a death does the rest. The claim is deleted last. A file
//! leaves `incoming/` only when its rows are committed (or the warehouse refuses it), and that is known from the
//! transaction's status or from the ledger, never from memory.

use std::time::Duration;

use jiff::Timestamp;

use crate::claim::{self, Going, Held, HeldError, Taken};
use crate::config::{Config, Feed};
use crate::copy::{self, StartError};
use crate::destination::{Destination, Loaded, Progress, QueryError, StatementId};
use crate::measure::Datum;
use crate::object::File;
use crate::ports::{Clock, PortError, PortErrorKind, Ports};
use crate::pressure;
use crate::report::{LoadReport, Outcome};
use crate::run::Run;

mod failed;
mod later;
mod tally;
mod versions;

use tally::{End, Tally};

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
        // One that was away when it was noted, and is there again, has a size of its own.
        let mut read = Vec::new();
        for version in &held.claim.read {
            read.push(self.version(version.clone(), &version.etag).await?);
        }
        // A version that was replaced yet again is a new file.
        self.archive_versions(&read, statement).await?;
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
}
