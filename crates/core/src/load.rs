//! Load: takes one claimed batch to its end: inspect → copy → record → archive, and whatever failures lead to.
//!
//! Every step may be done twice: after a death the next worker on the claim does the rest. The claim is deleted last. A
//! file leaves `incoming/` only when its rows are committed, or when the warehouse refuses it. Never decides that from
//! memory: the transaction's status says it, or the ledger does.
//!
//! One file, because it is the one place where all steps meet.

use std::collections::HashSet;
use std::time::Duration;

use crate::batch::BatchId;
use crate::claim::{self, Going, LeaseError, LeasedClaim, Others, Stage, Taken, resting};
use crate::config::{Config, Feed};
use crate::copy;
use crate::destination::{Asking, Begun, Loaded, Loads, Progress, QueryError, Started};
use crate::health::Health;
use crate::measure::Datum;
use crate::object::File;
use crate::ports::{Clock, PortError, PortErrorKind, Ports};
use crate::pressure;
use crate::report::LoadReport;
use crate::run::Run;

mod failed;
mod inspected;
mod moves;
mod pause;
mod sent_again;
mod tally;
mod trouble;
mod versions;

use tally::{End, Tally};
use trouble::Trouble;

/// How long an invocation waits for the answer to a question. The next one takes it up again.
const QUESTION_WAIT: Duration = Duration::from_mins(1);

/// A finished load: the answer, and what is measured of it.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The answer.
    pub report: LoadReport,
    /// What is to be published.
    pub data: Vec<Datum>,
}

/// Loads the claimed batch as far as the run's time allows.
///
/// Never fails as a whole: what cannot be done now stays in the claim for the next worker, and the report says so.
pub(crate) async fn load<P: Ports>(config: &Config, ports: &P, run: &Run, feed: &Feed, held: LeasedClaim) -> Done {
    let files = held.claim.files.len();
    let bytes: u64 = held.claim.files.iter().map(|file| file.size).sum();
    let tally = Tally::of(feed, held.claim.batch.clone());
    let begun = ports.clock().now();
    let mut loading =
        Loading { config, ports, run, feed, tally, repairs: 0, prepared: None, ended: None, no_reasons: false };
    let end = loading.run(held).await;
    let done = loading.tally.end(end);
    tally::log(&done.report, files, bytes, ports.clock().now().duration_since(begun));
    done
}

struct Loading<'a, P> {
    config: &'a Config,
    ports: &'a P,
    run: &'a Run,
    feed: &'a Feed,
    tally: Tally,
    /// How many times this run repaired what had failed, and tried again at once.
    repairs: u32,
    /// The batch whose load was prepared while its files were inspected.
    prepared: Option<BatchId>,
    /// How the transaction that the claim names ended, if it ended in the call that started it.
    ended: Option<Progress>,
    /// The warehouse's record of reasons did not come in this run, although it was waited for.
    no_reasons: bool,
}

/// What a step leads to.
#[allow(clippy::large_enum_variant)] // There is one at a time, and it is soon taken apart.
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
    /// The transaction could not be started, or its start had no usable answer.
    #[error(transparent)]
    Start(PortError),
}

impl<P: Ports> Loading<'_, P> {
    /// Step by step, until the claim is finished or has to be left.
    async fn run(&mut self, mut held: LeasedClaim) -> End {
        loop {
            // If the step fails half-way, the error is dealt with in the claim as it was before.
            let before = held.clone();
            // Boxed: each holds the futures of all that it may lead to.
            let next = match Box::pin(self.step(held)).await {
                Ok(next) => next,
                Err(StepError::Lease(LeaseError::Lost(_))) => Next::End(End::Busy),
                Err(StepError::Query(QueryError::Slow { what, statement })) => {
                    self.ask_later(before, what, statement).await
                }
                // If there may be a transaction, it has all of these files: then they stay together.
                Err(StepError::Start(error))
                    if error.kind == PortErrorKind::TooLarge
                        && before.claim.files.len() > 1
                        && before.claim.unsure.is_none() =>
                {
                    self.in_halves(before).await
                }
                Err(error) => Box::pin(self.trouble(before, Trouble::of_step(&error))).await,
            };
            match next {
                Next::Again(next) => held = next,
                Next::End(end) => return end,
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
            let started = copy::start(self.config, self.ports, self.feed, &held.claim, prepared).await;
            let started = started.map_err(StepError::Start)?;
            held.claim.began(started.begun());
            return match started {
                // A death before the claim is written costs nothing: the next worker submits with the same token, and
                // is given the same statement. If the token is forgotten by then, the guard finds the files in the
                // ledger.
                Started::Detached(_) => self.save(held).await,
                // For the same reason what has ended is not written. It is a step of its own: if a later step fails, the
                // claim must name the transaction, or its files would count as failed.
                Started::Ended(_, end) => {
                    self.ended = Some(end.into());
                    Ok(Next::Again(held))
                }
            };
        };
        let progress = match self.ended.take() {
            Some(progress) => progress,
            None => copy::wait(self.ports, self.feed, self.run, &begun, &held.claim.files).await?,
        };
        match progress {
            Progress::Running => self.leave_running(held, &begun).await,
            Progress::Loaded(loaded) => self.loaded(held, &begun, &loaded).await,
            Progress::Failed(failure) => self.failed(held, &begun, failure).await,
            // Only the ledger knows how it ended. If it was committed, another attempt meets the guard.
            Progress::Forgotten => {
                held.claim.try_again();
                self.save(held).await
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
        self.save(held).await
    }

    /// The transaction goes on without a function. The event of its end brings a worker, or else the next tick does.
    async fn leave_running(&mut self, mut held: LeasedClaim, begun: &Begun) -> Result<Next, StepError> {
        let objects = self.ports.objects();
        held.release(objects, self.ports.clock().now()).await?;
        let now = self.ports.clock().now();
        if self.run.wait_left(now).is_zero() {
            return Ok(Next::End(End::Pending));
        }
        // A worker that the event brought while we still held the lease has found it busy and is gone. So we look once
        // more: if the transaction has ended by now, its claim is ours, unless another worker is faster.
        match self.ports.destination().poll(self.feed, begun, &held.claim.files, Duration::ZERO).await {
            Ok(Progress::Running) | Err(_) => Ok(Next::End(End::Pending)),
            Ok(_) => match claim::take(objects, &held.key, self.run, now).await? {
                Taken::Leased(held) => Ok(Next::Again(*held)),
                _ => Ok(Next::End(End::Pending)),
            },
        }
    }

    /// The rows are committed: archives the files, then lets the claim go.
    async fn loaded(&mut self, held: LeasedClaim, begun: &Begun, loaded: &Loaded) -> Result<Next, StepError> {
        let files = held.claim.files.clone();
        let without_rows = held.claim.files_without_rows(loaded.rows);
        if without_rows > 0 {
            self.note_without_rows(&held, begun, loaded, without_rows).await;
        }
        let next = self.archive_committed(held, begun, Some(loaded)).await?;
        // Counted only now, when it cannot come again: after a death before this line it is loaded a second time.
        self.tally.loaded(self.feed, &files, loaded, without_rows);
        Ok(next)
    }

    /// Moves the claim's files to `processed/`: `begun` has committed their rows. `loaded`: it ended in this run.
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
            return self.save(held).await;
        }
        if loaded.is_some() {
            held.claim.part_loaded();
        } else if moved {
            held.claim.moved(Stage::Archive);
        }
        self.done_with(held).await
    }

    /// Some files of the batch are done or in doubt: goes on with the `rest` of them. If none is left, goes on with
    /// what else the claim holds, or waits because of `trouble`.
    async fn continue_with(
        &mut self,
        mut held: LeasedClaim,
        rest: Vec<File>,
        trouble: Option<Trouble>,
    ) -> Result<Next, StepError> {
        if !rest.is_empty() {
            held.claim.continue_with(rest);
            return self.save(held).await;
        }
        held.claim.files.clear();
        match trouble {
            Some(trouble) => Ok(self.stuck(held, trouble).await),
            None => self.done_with(held).await,
        }
    }

    /// The batch is done: goes on with what else the claim holds, or empties the slot.
    async fn done_with(&self, mut held: LeasedClaim) -> Result<Next, StepError> {
        let (objects, now) = (self.ports.objects(), self.ports.clock().now());
        if let Some(file) = held.claim.rested.take() {
            // Loaded, refused or gone: it rests no more.
            resting::end(objects, &self.config.bucket, self.feed, &file).await?;
        }
        if held.claim.go_on() == Going::On {
            return self.save(held).await;
        }
        pressure::let_go(self.config, objects, self.feed, held, now).await?;
        Ok(Next::End(End::Finished))
    }

    /// Writes the claim, and goes on with what it says.
    async fn save(&self, mut held: LeasedClaim) -> Result<Next, StepError> {
        held.save(self.ports.objects()).await?;
        Ok(Next::Again(held))
    }

    /// How a question about the claim is asked. `again`: tells it from the same question that was asked before.
    fn asking(&self, held: &LeasedClaim, again: &str) -> Asking {
        let claim = &held.claim;
        let noted = claim.question.as_ref().map(|known| (known.what.clone(), known.statement_id.clone()));
        let token = format!("{}?{}{again}", copy::token(self.config, self.feed, claim), claim.asked);
        let wait = self.run.wait_left(self.ports.clock().now()).min(QUESTION_WAIT);
        Asking { token: Some(token), noted, look: 0, wait }
    }
}
