//! One feed's tick: due work first, then what waits.
//!
//! Never waits for another feed. Writes all of its claims before it looks whether other claims have the same files, and
//! looks once for all of them.
//!
//! One file, because it is one sequence of steps, and each needs what the steps before it found.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::report::{BatchReport, FeedReport};
use super::{Passes, age};
use crate::backlog::{Backlog, Waiting, Wanted, older};
use crate::claim::{self, Claim, Doubt, Free, LeaseError, LeasedClaim, Others, Seen, Slots, Survey, resting};
use crate::config::{Config, Feed};
use crate::destination::StatementId;
use crate::health::{Health, turn};
use crate::list::Listing;
use crate::load::load;
use crate::measure::{Datum, Metric, count, float};
use crate::object::{File, FileId, Key};
use crate::plan::plan;
use crate::ports::{Clock, PortError, Ports, Workers};
use crate::pressure;
use crate::run::{Run, later};
use crate::work::{publish, resume};

/// How many claims are written, and how many workers are sent, at once.
const AT_ONCE: usize = 8;

/// How long the resting files of a feed let other files go first. After that one of them gets the first free slot.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);

/// The most resting files that are read in search of one to try again.
const RESTING_LOOKS: usize = 4;

/// A feed's tick.
pub(super) struct Tick<'a, P> {
    pub(super) config: &'a Config,
    pub(super) ports: &'a P,
    pub(super) run: &'a Run,
    pub(super) feed: &'a Feed,
    pub(super) now: Timestamp,
    /// The feed's own claims and resting files.
    pub(super) survey: Survey,
    pub(super) passes: &'a Passes,
}

/// A feed's tick up to the point where batches move.
pub(super) struct Planned<'a> {
    pub(super) feed: &'a Feed,
    pub(super) report: FeedReport,
    /// Running transactions whose claim was sent to a worker.
    pub(super) sent: Vec<(Key, StatementId)>,
    /// Claims of this tick that the lister loads itself.
    held: Vec<LeasedClaim>,
    /// How many of its files may be loaded at once.
    effective: usize,
    /// How many of the report's batches were sent to workers.
    dispatched: usize,
    /// Whether the claims are known, and whether the files are.
    known: (bool, bool),
}

impl<'a, P: Ports> Tick<'a, P> {
    pub(super) async fn plan_and_claim(self) -> Planned<'a> {
        let mut planned = Planned::of(self.feed);
        let own: Vec<&Claim> = claim::of_feed(self.feed, &self.survey.claims);
        let health = Health::of(self.ports.objects(), &self.config.bucket, self.feed, &own).await;
        planned.effective = pressure::max_files(self.feed, &own);
        let in_flight = own.iter().filter(|claim| claim.rested.is_none()).map(|claim| claim.all_files().count() as u64);
        planned.report.in_flight = in_flight.sum();
        planned.report.resting = self.survey.resting.len() as u64;
        planned.report.down = health.down(&own).map(|down| down.reason);
        let turn = turn(&self.survey.claims, &health, self.now).filter(|_| self.passes.first());
        let (due, alone) = self.due(&health, turn.as_ref()).await;
        self.send(&mut planned, due).await;
        if let Some((key, error)) = self.survey.unread.first() {
            planned.report.error = Some(format!("the claim {key} cannot be read: {error}"));
            return planned;
        }
        planned.known.0 = true;
        let mut slots = Slots::of(self.config, self.feed, &self.survey, &health, turn.as_ref(), self.now);
        let mut due = self.due_resting(&health, turn.as_ref()).await;
        if due.is_some() && self.survey.resting.iter().all(|resting| later(resting.written, PATIENCE) <= self.now) {
            // In a feed that always wants every slot none would ever be tried.
            self.try_resting(&mut planned, &mut slots, due.take(), true).await;
        }
        match self.waiting(&slots).await {
            Ok(waiting) => self.claim(waiting, &mut slots, &mut planned).await,
            Err(error) => planned.report.error = Some(error.to_string()),
        }
        self.try_resting(&mut planned, &mut slots, due, false).await;
        // No other file was tried in its place.
        let taken: HashSet<Key> = planned.report.batches.iter().map(|batch| batch.claim.clone()).collect();
        self.send(&mut planned, alone.into_iter().filter(|seen| !taken.contains(&seen.key)).collect()).await;
        planned
    }

    /// The claims that nobody works on: their worker died, or they waited until now. Second: those whose slot other
    /// files may use first.
    async fn due(&self, health: &Health, turn: Option<&Key>) -> (Vec<Seen>, Vec<Seen>) {
        let (mut due, mut alone) = (Vec::new(), Vec::new());
        for seen in &self.survey.claims {
            let Ok(claim) = &seen.claim else { continue };
            let pending = claim.statement_id.clone().map(|statement| (seen.key.clone(), statement));
            if pending.is_some_and(|pending| self.passes.sent.contains(&pending)) {
                continue;
            }
            if !claim.is_due(self.now) && health.wakes(claim) && claim.lease_expires_at <= self.now {
                // The feed works again: a claim that waited to find out goes on at once.
                match claim::wake(self.ports.objects(), seen, self.now).await {
                    Ok(woken) => due.extend(woken),
                    Err(error) => tracing::warn!(claim = %seen.key, %error, "the claim was not woken"),
                }
            } else if !claim.is_due(self.now) {
            } else if turn == Some(&seen.key) && claim.may_be_refilled(self.now) {
                alone.push(seen.clone());
            } else if !health.is_probe(claim) || turn == Some(&seen.key) {
                due.push(seen.clone());
            }
        }
        (due, alone)
    }

    /// Sends workers to the claims, or notes that the lister loads them itself.
    async fn send(&self, planned: &mut Planned<'a>, claims: Vec<Seen>) {
        for seen in claims {
            let Ok(claim) = seen.claim else { continue };
            planned.sent.extend(claim.statement_id.clone().map(|statement| (seen.key.clone(), statement)));
            planned.report.batches.push(BatchReport {
                batch: claim.batch.clone(),
                claim: seen.key,
                files: claim.all_files().count() as u64,
                resumed: true,
                load: None,
            });
        }
        let unsent = std::mem::replace(&mut planned.dispatched, planned.report.batches.len());
        if self.feed.fan_out {
            let keys: Vec<Key> = planned.report.batches[unsent..].iter().map(|batch| batch.claim.clone()).collect();
            self.dispatch(&keys).await;
        }
    }

    async fn dispatch(&self, claims: &[Key]) {
        let sends = stream::iter(claims).for_each_concurrent(AT_ONCE, async |claim| {
            // The claim stays as it is, and the next tick sends a worker again.
            if let Err(error) = self.ports.workers().dispatch(claim).await {
                tracing::error!(%claim, %error, "no worker was sent; the next tick tries again");
            }
        });
        sends.await;
    }

    /// The resting file to try now. One is tried at a time. While nobody knows whether the feed works, it is tried only
    /// if it is this feed's turn to find out.
    async fn due_resting(&self, health: &Health, turn: Option<&Key>) -> Option<Doubt> {
        let own = claim::of_feed(self.feed, &self.survey.claims);
        let unproven = own.iter().any(|claim| health.is_unproven(claim)) && turn.is_none();
        let busy = unproven || own.iter().any(|claim| claim.rested.is_some());
        if busy || !self.passes.first() {
            return None;
        }
        // If a claim still has one, that one is being tried: its worker died before the claim let the file go.
        let held: HashSet<FileId> = own.iter().flat_map(|claim| claim.all_files()).map(File::id).collect();
        if self.survey.resting.iter().any(|resting| held.contains(&resting.id)) {
            return None;
        }
        let mut resting: Vec<&resting::Resting> = self.survey.resting.iter().collect();
        resting.sort_by_key(|resting| resting.written);
        for resting in resting.into_iter().take(RESTING_LOOKS) {
            match resting::read(self.ports.objects(), &resting.key).await {
                Ok(Some((doubt, _))) if doubt.next_try <= self.now => return Some(doubt),
                Ok(Some(_)) => {}
                Ok(None) => drop(resting::discard(self.ports.objects(), &resting.key).await),
                Err(error) => tracing::warn!(resting = %resting.key, %error, "a resting file cannot be looked at"),
            }
        }
        None
    }

    /// Puts a resting file into a free slot. `first`: before other files, even into the slot of a file that failed
    /// alone.
    async fn try_resting(&self, planned: &mut Planned<'a>, slots: &mut Slots, doubt: Option<Doubt>, first: bool) {
        let free = slots.free.iter().position(|free| slots.files > 0 && (first || free.is_empty()));
        let (Some(doubt), Some(at)) = (doubt, free) else { return };
        let free = slots.free.remove(at);
        slots.files -= 1;
        let claim = Claim::on_resting(self.feed, free.slot, doubt, self.now, self.run);
        match claim::fill(self.ports.objects(), &self.config.bucket, &free, claim).await {
            Ok(None) => {}
            Ok(Some(held)) => self.hand_over(planned, held).await,
            Err(error) => planned.report.error = Some(error.to_string()),
        }
    }

    async fn waiting(&self, slots: &Slots) -> Result<Waiting, PortError> {
        let wanted = Wanted {
            held: claim::of_feed(self.feed, &self.survey.claims)
                .iter()
                .flat_map(|claim| claim.all_files())
                .map(|file| file.key.clone())
                .collect(),
            resting: self.survey.resting.iter().map(|resting| resting.id).collect(),
            most: slots.room(self.feed),
        };
        // The rest of the time is for claims and workers.
        let time = self.run.deadline.duration_since(self.run.started) * 2 / 3;
        let until = later(self.run.started, time);
        let backlog = Listing::new(self.config, self.ports.objects()).until(self.ports.clock(), until);
        backlog.waiting(self.feed, &wanted).await
    }

    /// Plans the chosen files, and puts each batch into a free slot.
    async fn claim(&self, waiting: Waiting, slots: &mut Slots, planned: &mut Planned<'a>) {
        planned.known.1 = true;
        let report = &mut planned.report;
        report.listed = waiting.listed;
        report.unprocessed = waiting.unprocessed;
        report.unprocessed_bytes = waiting.unprocessed_bytes;
        report.at_least = waiting.at_least;
        report.not_taken = waiting.not_taken;
        let mut unclaimed: HashMap<Key, Timestamp> =
            waiting.chosen.iter().map(|file| (file.key.clone(), file.last_modified)).collect();
        let batches = plan(self.feed, waiting.chosen, slots.free.len(), slots.files);
        slots.files -= batches.iter().map(Vec::len).sum::<usize>();
        let wanted: Vec<Free> = slots.free.drain(..batches.len()).collect();
        let fills = stream::iter(batches.into_iter().zip(&wanted)).map(|(files, free)| self.fill(free, files));
        let mut placed = Vec::new();
        for filled in fills.buffered(AT_ONCE).collect::<Vec<_>>().await {
            match filled {
                // Another lister or a loader was faster. The next tick plans the files again.
                Ok(None) => {}
                Ok(Some(held)) => placed.push(held),
                Err(error) => planned.report.error = Some(error.to_string()),
            }
        }
        match self.give_way(placed).await {
            Ok(kept) => {
                for held in kept {
                    for file in &held.claim.files {
                        unclaimed.remove(&file.key);
                    }
                    self.hand_over(planned, held).await;
                }
            }
            // The claims stay as they are. The worker that takes them after their lease has run out looks again.
            Err(error) => planned.report.error = Some(error.to_string()),
        }
        let oldest = unclaimed.into_values().fold(waiting.oldest_left, older);
        planned.report.oldest_age_seconds = oldest.map_or(0, |oldest| age(self.now, oldest));
    }

    async fn fill(&self, free: &Free, files: Vec<File>) -> Result<Option<LeasedClaim>, PortError> {
        let claim = Claim::held(self.feed, free.slot, files, self.now, self.run);
        claim::fill(self.ports.objects(), &self.config.bucket, free, claim).await
    }

    /// Drops files that other claims have, too. Returns the claims that still have files.
    async fn give_way(&self, placed: Vec<LeasedClaim>) -> Result<Vec<LeasedClaim>, PortError> {
        if placed.is_empty() {
            return Ok(placed);
        }
        let objects = self.ports.objects();
        let own: HashSet<Key> = placed.iter().map(|held| held.key.clone()).collect();
        let others = Others::read(objects, &self.config.bucket, self.feed, &self.survey.claims, &own, self.now).await?;
        let mut ends = Vec::new();
        let mut kept = Vec::new();
        for mut held in placed {
            if others.leave_to_them(self.feed, &mut held.claim) && held.claim.all_files().next().is_some() {
                kept.push(held);
            } else {
                ends.push(held);
            }
        }
        let ends = stream::iter(ends).map(|held| held.finish(objects));
        ends.buffer_unordered(AT_ONCE).for_each(async |_| ()).await;
        let saves = stream::iter(kept).map(async |mut held| {
            if self.feed.fan_out {
                held.claim.offer(self.ports.clock().now());
            }
            let saved = held.save(objects).await;
            (held, saved)
        });
        let mut kept = Vec::new();
        for (held, saved) in saves.buffered(AT_ONCE).collect::<Vec<_>>().await {
            match saved {
                Ok(()) => kept.push(held),
                Err(LeaseError::Lost(_)) => {}
                Err(LeaseError::Port(error)) => tracing::warn!(claim = %held.key, %error, "the claim was not written"),
            }
        }
        Ok(kept)
    }

    /// Gives a claim of this tick to a worker, or keeps it for this lister to load.
    async fn hand_over(&self, planned: &mut Planned<'a>, mut held: LeasedClaim) {
        if self.feed.fan_out && !held.claim.owner.is_empty() {
            held.claim.offer(self.ports.clock().now());
            if let Err(error) = held.save(self.ports.objects()).await {
                tracing::warn!(claim = %held.key, %error, "the claim was not written");
                return;
            }
        }
        planned.claimed(held);
        self.send(planned, Vec::new()).await;
    }
}

impl<'a> Planned<'a> {
    fn of(feed: &'a Feed) -> Self {
        Self {
            feed,
            report: FeedReport { feed: feed.name.to_string(), ..FeedReport::default() },
            sent: Vec::new(),
            held: Vec::new(),
            effective: 0,
            dispatched: 0,
            known: (false, false),
        }
    }

    /// The report of a tick that did not end in time. The next one continues what it began.
    pub(super) fn late(feed: &'a Feed) -> Self {
        let mut planned = Self::of(feed);
        planned.report.error = Some("no answer in time; the next tick goes on".to_owned());
        planned
    }

    fn claimed(&mut self, held: LeasedClaim) {
        let files = &held.claim.files;
        let (number, bytes) = (count(files), files.iter().map(|file| file.size).sum::<u64>());
        if held.claim.rested.is_none() {
            self.report.claimed += number;
            self.report.unprocessed = self.report.unprocessed.saturating_sub(number);
            self.report.unprocessed_bytes = self.report.unprocessed_bytes.saturating_sub(bytes);
        }
        if held.claim.rested.is_none() {
            self.report.in_flight += number;
        }
        self.report.batches.push(BatchReport {
            batch: held.claim.batch.clone(),
            claim: held.key.clone(),
            files: number,
            resumed: false,
            load: None,
        });
        if !self.feed.fan_out {
            self.held.push(held);
        }
    }

    /// Loads due and claimed batches one after another, while there is time.
    pub(super) async fn load_here<P: Ports>(mut self, config: &Config, ports: &P, run: &Run) -> FeedReport {
        let mut data = Vec::new();
        for batch in &mut self.report.batches {
            let held = self.held.iter().position(|held| held.key == batch.claim).map(|at| self.held.remove(at));
            let (report, measured) = if let Some(held) = held {
                let done = load(config, ports, run, self.feed, held).await;
                (done.report, done.data)
            } else if run.wait_left(ports.clock().now()).is_zero() {
                continue;
            } else {
                match resume(config, ports, run, &batch.claim).await {
                    Ok(done) => done,
                    Err(error) => {
                        self.report.error = Some(error.to_string());
                        continue;
                    }
                }
            };
            batch.load = Some(report);
            data.extend(measured);
        }
        publish(ports, &data).await;
        self.report
    }

    pub(super) fn data(&self, at: Timestamp) -> Vec<Datum> {
        let report = &self.report;
        let mut all =
            vec![(Metric::FilesResting, report.resting), (Metric::FeedDown, u64::from(report.down.is_some()))];
        // What is not known is not published: a zero would say that all is well.
        if self.known.0 {
            all.push((Metric::InFlightFiles, report.in_flight));
            all.push((Metric::EffectiveMaxFiles, u64::try_from(self.effective).unwrap_or(u64::MAX)));
        }
        if self.known.1 {
            all.push((Metric::UnprocessedFiles, report.unprocessed));
            all.push((Metric::UnprocessedBytes, report.unprocessed_bytes));
            all.push((Metric::OldestUnprocessedAge, report.oldest_age_seconds));
            all.push((Metric::FilesNotTaken, report.not_taken));
        }
        all.into_iter().map(|(metric, value)| Datum::one(metric, &self.feed.name, at, float(value))).collect()
    }
}
