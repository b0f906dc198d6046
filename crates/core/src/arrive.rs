//! The loader: files that events announce are claimed and loaded at once, while a slot is free.
//!
//! An event is a hint: S3 says what is there, and in which version. What cannot be loaded now stays in `incoming/` for
//! the lister. Never waits for a slot, so that a storm of events does not become a storm of COPYs.

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
use crate::report::Outcome;
use crate::run::{CALLS_AT_ONCE, Run};
use crate::work::publish;

/// The loader's answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ArriveReport {
    /// One for each file that the event announced.
    pub files: Vec<FileReport>,
    /// The queue messages that have to come again.
    #[serde(rename = "batchItemFailures")]
    pub batch_item_failures: Vec<ItemFailure>,
}

/// The answer for an announced file.
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
    /// How it went.
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

/// Some files could not even be looked at, and no queue brings their event again.
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
/// When a file that came without a queue message cannot be looked at. Lambda's own retry brings the event again.
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
                Err(report) => {
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

    fn feed_of(&self, arrival: &Arrival) -> Result<&'a Feed, FileReport> {
        let left =
            |feed, outcome, reason: &str| Err(FileReport::of(&arrival.key, feed, outcome, Some(reason.to_owned())));
        if arrival.bucket != self.config.bucket.name {
            return left(None, Outcome::Skipped, &format!("bucket {:?} is not this deployment's", arrival.bucket));
        }
        let Some((feed, name)) = self.config.route(&arrival.key) else {
            return left(None, Outcome::Skipped, "no feed has this prefix");
        };
        // The size is not known yet. All but a folder's empty marker counts as a file here.
        if !feed.takes(name, u64::from(!name.ends_with('/'))) {
            return left(Some(feed), Outcome::Skipped, "the feed does not include this name");
        }
        match feed.trigger {
            Trigger::Event => Ok(feed),
            Trigger::Schedule => left(Some(feed), Outcome::Deferred, "the feed loads on its schedule"),
        }
    }

    /// Which of the files are there, and in which version.
    async fn look(&mut self, feed: &Feed, keys: Vec<Key>) -> Vec<File> {
        let objects = self.ports.objects();
        let looks = stream::iter(keys).map(async |key| (objects.head(&key).await, key));
        let looks: Vec<_> = looks.buffered(CALLS_AT_ONCE).collect().await;
        let mut files = Vec::new();
        for (look, key) in looks {
            match look {
                Ok(Some(file)) => files.push(file),
                Ok(None) => self.answer(&key, feed, Outcome::Gone, Some("it is not there any more")),
                Err(error) => {
                    self.answer(&key, feed, Outcome::Retry, Some(&error.to_string()));
                    self.errors.insert(key, error);
                }
            }
        }
        files
    }

    /// Puts the files into free slots, batch by batch, and loads each at once.
    async fn load(&mut self, feed: &Feed, files: &[File]) -> Result<(), PortError> {
        for file in files {
            self.answer(&file.key, feed, Outcome::Deferred, None);
        }
        let survey = Survey::read(self.ports.objects(), &self.config.bucket, Some(feed)).await?.whole()?;
        let own = claim::of_feed(feed, &survey.claims);
        let held: HashSet<&Key> = own.iter().flat_map(|claim| claim.all_files()).map(|file| &file.key).collect();
        let rests = |file: &File| survey.resting.iter().any(|resting| resting.id == file.id());
        let (busy, free): (Vec<&File>, Vec<&File>) =
            files.iter().partition(|file| held.contains(&file.key) || rests(file));
        for file in busy {
            self.answer(&file.key, feed, Outcome::Busy, Some("another claim holds it"));
        }
        let health = Health::of(self.ports.objects(), &self.config.bucket, feed, &own).await;
        let slots = Slots::of(self.config, feed, &survey, &health, None, self.ports.clock().now());
        let batches = plan(feed, free.into_iter().cloned().collect(), feed.slots(), slots.files);
        let mut slots = slots.free.into_iter();
        for batch in batches {
            let late = self.run.wait_left(self.ports.clock().now()).is_zero();
            if late || !self.claim_and_load(feed, batch, &mut slots).await? {
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
                for file in &files {
                    let answer = FileReport::of(&file.key, Some(feed), done.report.outcome, done.report.error.clone());
                    self.insert(FileReport { batch: done.report.batch.clone(), ..answer });
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The feed's claims could not be read, or a slot could not be filled: files that were not loaded are to come
    /// again.
    fn fail(&mut self, files: &[File], error: PortError) {
        let reason = error.to_string();
        let mut error = Some(error);
        for file in files {
            let answer = self.answers.get_mut(&(self.config.bucket.name.clone(), file.key.clone()));
            if let Some(answer) = answer.filter(|answer| answer.outcome == Outcome::Deferred) {
                answer.outcome = Outcome::Retry;
                answer.reason = Some(reason.clone());
                self.errors.extend(error.take().map(|error| (file.key.clone(), error)));
            }
        }
    }

    fn answer(&mut self, key: &Key, feed: &Feed, outcome: Outcome, reason: Option<&str>) {
        self.insert(FileReport::of(key, Some(feed), outcome, reason.map(str::to_owned)));
    }

    fn insert(&mut self, report: FileReport) {
        self.answers.insert((self.config.bucket.name.clone(), report.key.clone()), report);
    }

    /// One answer for each arrival, in its order. Messages whose files could not be looked at are given back.
    fn report(mut self, arrivals: &[Arrival]) -> Result<ArriveReport, ArriveError> {
        let mut report = ArriveReport::default();
        let mut lost: Vec<&Key> = Vec::new();
        for arrival in arrivals {
            let Some(answer) = self.answers.get(&(arrival.bucket.clone(), arrival.key.clone())) else {
                continue;
            };
            report.files.push(answer.clone());
            if answer.outcome != Outcome::Retry || answer.batch.is_some() {
                continue;
            }
            let Some(id) = &arrival.message_id else {
                lost.push(&arrival.key);
                continue;
            };
            let failure = ItemFailure { item_identifier: id.clone() };
            if !report.batch_item_failures.contains(&failure) {
                report.batch_item_failures.push(failure);
            }
        }
        match lost.iter().find_map(|key| self.errors.remove(*key)) {
            Some(source) => Err(ArriveError { files: lost.len(), source }),
            None => Ok(report),
        }
    }
}

impl FileReport {
    fn of(key: &Key, feed: Option<&Feed>, outcome: Outcome, reason: Option<String>) -> Self {
        Self { key: key.clone(), feed: feed.map(|feed| feed.name.to_string()), batch: None, outcome, reason }
    }
}
