//! The loader: files that events announce are claimed and loaded at once, while a slot is free.
//!
//! An event is a hint. What is there, and in which version, S3 is asked; what cannot be loaded now is left in
//! `incoming/` for the lister. Never waits for a slot: that is what keeps a storm of events from being a storm of COPYs.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::batch::BatchId;
use crate::claim::{self, Claim, Free, Slots, Survey};
use crate::config::{Config, Feed, Trigger};
use crate::event::Arrival;
use crate::health::Health;
use crate::load::load;
use crate::measure::Datum;
use crate::object::{File, Key};
use crate::plan::plan;
use crate::ports::{Clock, Objects, PortError, Ports};
use crate::report::{LoadReport, Outcome};
use crate::run::Run;
use crate::work::publish;

/// How many objects are looked at at once.
const HEADS_AT_ONCE: usize = 16;

/// The loader's answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ArriveReport {
    /// One for each file that the event announced.
    pub files: Vec<FileReport>,
    /// The queue messages that have to come again.
    #[serde(rename = "batchItemFailures")]
    pub batch_item_failures: Vec<ItemFailure>,
}

/// What became of an announced file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Its key.
    pub key: Key,
    /// The feed that takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// The batch that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A queue message that has to come again.
/// Source: AWS Lambda Developer Guide, "Implementing partial batch responses".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemFailure {
    /// The message's id.
    #[serde(rename = "itemIdentifier")]
    pub item_identifier: String,
}

/// Some files could not even be looked at, and no queue will bring their event again by itself.
#[derive(Debug, thiserror::Error)]
#[error("{files} of the event's files could not be looked at: {source}")]
pub struct ArriveError {
    /// How many.
    pub files: usize,
    /// The first reason.
    pub source: PortError,
}

/// Loads the files that arrived.
///
/// # Errors
/// When a file that no queue message brought cannot be looked at: Lambda's own retry brings the event again.
pub async fn arrive<P: Ports>(
    config: &Config,
    ports: &P,
    run: &Run,
    arrivals: &[Arrival],
) -> Result<ArriveReport, ArriveError> {
    let mut arriving = Arriving { config, ports, run, answers: HashMap::new(), errors: HashMap::new(), data: vec![] };
    let wanted = arriving.route(arrivals);
    for (feed, keys) in wanted {
        let files = arriving.look(feed, keys).await;
        if !files.is_empty()
            && let Err(error) = arriving.load(feed, &files).await
        {
            arriving.fail(&files, error);
        }
    }
    publish(ports, &arriving.data).await;
    arriving.report(arrivals)
}

struct Arriving<'a, P> {
    config: &'a Config,
    ports: &'a P,
    run: &'a Run,
    answers: HashMap<(String, Key), FileReport>,
    errors: HashMap<Key, PortError>,
    data: Vec<Datum>,
}

impl<'a, P: Ports> Arriving<'a, P> {
    /// Sorts the arrivals by feed; answers at once for those that no feed takes from events.
    fn route(&mut self, arrivals: &[Arrival]) -> Vec<(&'a Feed, Vec<Key>)> {
        let mut wanted: Vec<(&Feed, Vec<Key>)> = Vec::new();
        let mut seen = HashSet::new();
        for arrival in arrivals.iter().filter(|arrival| seen.insert((&arrival.bucket, &arrival.key))) {
            match self.feed_of(arrival) {
                Err((outcome, feed, reason)) => {
                    let report = FileReport { feed, reason: Some(reason), ..file_report(&arrival.key, None, outcome) };
                    self.answers.insert((arrival.bucket.clone(), arrival.key.clone()), report);
                }
                Ok(feed) => match wanted.iter_mut().find(|(other, _)| other.name == feed.name) {
                    Some((_, keys)) => keys.push(arrival.key.clone()),
                    None => wanted.push((feed, vec![arrival.key.clone()])),
                },
            }
        }
        wanted
    }

    fn feed_of(&self, arrival: &Arrival) -> Result<&'a Feed, (Outcome, Option<String>, String)> {
        let skipped = |reason: String| (Outcome::Skipped, None, reason);
        if arrival.bucket != self.config.bucket.name {
            return Err(skipped(format!("bucket {:?} is not this deployment's", arrival.bucket)));
        }
        let Some((feed, name)) = self.config.route(&arrival.key) else {
            return Err(skipped("no feed has this prefix".to_owned()));
        };
        // The size is not known yet; anything but a folder's empty marker counts as a file here.
        if !feed.takes(name, u64::from(!name.ends_with('/'))) {
            return Err((
                Outcome::Skipped,
                Some(feed.name.to_string()),
                "the feed does not include this name".to_owned(),
            ));
        }
        match feed.trigger {
            Trigger::Event => Ok(feed),
            Trigger::Schedule => {
                let reason = "the feed loads on its schedule".to_owned();
                Err((Outcome::Deferred, Some(feed.name.to_string()), reason))
            }
        }
    }

    /// Which of the files are there, and in which version.
    async fn look(&mut self, feed: &Feed, keys: Vec<Key>) -> Vec<File> {
        let objects = self.ports.objects();
        let looks = stream::iter(keys).map(async |key| (objects.head(&key).await, key));
        let looks: Vec<_> = looks.buffered(HEADS_AT_ONCE).collect().await;
        let mut files = Vec::new();
        for (look, key) in looks {
            match look {
                Ok(Some(file)) => files.push(file),
                Ok(None) => {
                    let reason = Some("it is not there any more".to_owned());
                    self.answer(FileReport { reason, ..file_report(&key, Some(feed), Outcome::Gone) });
                }
                Err(error) => {
                    self.answer(FileReport {
                        reason: Some(error.to_string()),
                        ..file_report(&key, Some(feed), Outcome::Retry)
                    });
                    self.errors.insert(key, error);
                }
            }
        }
        files
    }

    /// Puts the files into free slots, batch by batch, and loads each at once.
    async fn load(&mut self, feed: &Feed, files: &[File]) -> Result<(), PortError> {
        for file in files {
            self.answer(file_report(&file.key, Some(feed), Outcome::Deferred));
        }
        let survey = Survey::read(self.ports.objects(), &self.config.bucket, Some(feed)).await?.whole()?;
        let own = claim::of_feed(feed, &survey.claims);
        let held: HashSet<&Key> = own.iter().flat_map(|claim| claim.all_files()).map(|file| &file.key).collect();
        let rests = |file: &File| survey.resting.iter().any(|resting| resting.id == file.id());
        let (busy, free): (Vec<&File>, Vec<&File>) =
            files.iter().partition(|file| held.contains(&file.key) || rests(file));
        for file in busy {
            let reason = Some("another claim holds it".to_owned());
            self.answer(FileReport { reason, ..file_report(&file.key, Some(feed), Outcome::Busy) });
        }
        let health = Health::of(self.ports.objects(), &self.config.bucket, feed, &own).await;
        let slots = Slots::of(self.config, feed, &survey, &health, None, self.ports.clock().now());
        let files = slots.files;
        let mut slots = slots.free.into_iter();
        for batch in plan(feed, free.into_iter().cloned().collect(), feed.slots(), files) {
            if self.run.wait_left(self.ports.clock().now()).is_zero() {
                break;
            }
            if !self.claim_and_load(feed, batch, &mut slots).await? {
                break;
            }
        }
        Ok(())
    }

    /// Fills the first slot that is still free; answers whether there was one.
    async fn claim_and_load(
        &mut self,
        feed: &Feed,
        files: Vec<File>,
        slots: &mut impl Iterator<Item = Free>,
    ) -> Result<bool, PortError> {
        for free in slots {
            let claim = Claim::held(feed, free.slot, files.clone(), self.ports.clock().now(), self.run);
            // Somebody else may have filled it since the claims were listed; then the next one.
            if let Some(held) = claim::fill(self.ports.objects(), &self.config.bucket, &free, claim).await? {
                let done = load(self.config, self.ports, self.run, feed, held).await;
                self.data.extend(done.data);
                self.loaded(feed, &files, &done.report);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn loaded(&mut self, feed: &Feed, files: &[File], report: &LoadReport) {
        for file in files {
            self.answer(FileReport {
                batch: report.batch.clone(),
                reason: report.error.clone(),
                ..file_report(&file.key, Some(feed), report.outcome)
            });
        }
    }

    fn fail(&mut self, files: &[File], error: PortError) {
        let reason = error.to_string();
        let mut error = Some(error);
        for file in files {
            let answer = self.answers.get_mut(&(self.config.bucket.name.clone(), file.key.clone()));
            if let Some(answer) = answer.filter(|answer| answer.outcome == Outcome::Deferred) {
                answer.outcome = Outcome::Retry;
                answer.reason = Some(reason.clone());
                if let Some(error) = error.take() {
                    self.errors.insert(file.key.clone(), error);
                }
            }
        }
    }

    fn answer(&mut self, report: FileReport) {
        self.answers.insert((self.config.bucket.name.clone(), report.key.clone()), report);
    }

    /// One answer for each arrival, in its order; messages whose files could not be looked at are given back.
    fn report(mut self, arrivals: &[Arrival]) -> Result<ArriveReport, ArriveError> {
        let mut report = ArriveReport::default();
        let mut lost: Vec<&Key> = Vec::new();
        for arrival in arrivals {
            let Some(answer) = self.answers.get(&(arrival.bucket.clone(), arrival.key.clone())) else {
                continue;
            };
            report.files.push(answer.clone());
            let unseen = answer.outcome == Outcome::Retry && answer.batch.is_none();
            match &arrival.message_id {
                Some(id) if unseen => {
                    let failure = ItemFailure { item_identifier: id.clone() };
                    if !report.batch_item_failures.contains(&failure) {
                        report.batch_item_failures.push(failure);
                    }
                }
                None if unseen => lost.push(&arrival.key),
                _ => {}
            }
        }
        let first = lost.iter().find_map(|key| self.errors.remove(*key));
        match first {
            Some(source) => Err(ArriveError { files: lost.len(), source }),
            None => Ok(report),
        }
    }
}

fn file_report(key: &Key, feed: Option<&Feed>, outcome: Outcome) -> FileReport {
    FileReport { key: key.clone(), feed: feed.map(|feed| feed.name.to_string()), batch: None, outcome, reason: None }
}
