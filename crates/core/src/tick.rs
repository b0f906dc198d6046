//! The lister's tick: list → plan → claim → dispatch → measure, for every feed.
//!
//! Asks the warehouse nothing itself. Never lets one feed's trouble keep another from its tick, and never claims more
//! than a feed's free slots.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::batch::BatchId;
use crate::claim::{self, Claim, Free, Held, Seen, claims_prefix, free_slots, of_feed};
use crate::config::{Config, Feed};
use crate::list::{Listing, list, older};
use crate::load::load;
use crate::measure::{Datum, Metric, count, float};
use crate::object::{File, Key};
use crate::plan::plan;
use crate::ports::{Clock, PortError, PortErrorKind, Ports, Workers};
use crate::pressure;
use crate::report::LoadReport;
use crate::run::Run;
use crate::work::{discard, publish, resume};

/// How many feeds are listed, and how many workers are sent, at once.
const AT_ONCE: usize = 8;

/// The lister's answer.
#[derive(Clone, Debug, Serialize)]
pub struct TickReport {
    /// One for each feed.
    pub feeds: Vec<FeedReport>,
}

/// What a tick saw of a feed, and did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FeedReport {
    /// Its name.
    pub feed: String,
    /// Files under its prefix.
    pub listed: u64,
    /// Files that this tick claimed.
    pub claimed: u64,
    /// Files held by claims, these included.
    pub in_flight: u64,
    /// Files that no claim holds.
    pub unprocessed: u64,
    /// Their bytes.
    pub unprocessed_bytes: u64,
    /// Seconds since the oldest of them was written; 0 when there is none.
    pub oldest_age_seconds: u64,
    /// The batches that this tick claimed, sent a worker to, or loaded.
    pub batches: Vec<BatchReport>,
    /// Why this feed got no tick, or not a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A batch that a tick moved on.
#[derive(Clone, Debug, Serialize)]
pub struct BatchReport {
    /// Its id.
    pub batch: BatchId,
    /// Its claim.
    pub claim: Key,
    /// How many files it has.
    pub files: u64,
    /// Whether the claim was there before.
    pub resumed: bool,
    /// What came of it, when the lister loaded it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadReport>,
}

/// Whether a tick publishes the backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gauges {
    /// It does.
    Publish,
    /// It does not: another tick of the same minute has done so, and a metric has one value a minute.
    Skip,
}

/// Ticks once: for all feeds, or for those that `only` names.
///
/// # Errors
/// When the claims cannot be read, or `only` names a feed that is not configured: then nothing was done.
pub async fn tick<P: Ports>(
    config: &Config,
    ports: &P,
    run: &Run,
    only: Option<&[String]>,
) -> Result<TickReport, PortError> {
    pass(config, ports, run, only, Gauges::Publish).await
}

pub(crate) async fn pass<P: Ports>(
    config: &Config,
    ports: &P,
    run: &Run,
    only: Option<&[String]>,
    gauges: Gauges,
) -> Result<TickReport, PortError> {
    let feeds = chosen(config, only)?;
    let now = ports.clock().now();
    let claims = readable(ports, read_claims(config, ports).await?).await;
    let ticks = stream::iter(feeds).map(|feed| Tick { config, ports, run, feed, now }.plan_and_claim(&claims));
    let mut planned: Vec<Planned<'_>> = ticks.buffered(AT_ONCE).collect().await;
    dispatch(ports, &mut planned).await;
    // Before any batch is loaded here: a load that takes long must not make the backlog look fresh, or the lister dead.
    if gauges == Gauges::Publish {
        publish(ports, &planned.iter().flat_map(|planned| planned.data(now)).collect::<Vec<_>>()).await;
    }
    // Side by side: a warehouse that hangs holds up its own feed, and no other.
    let here = planned.iter_mut().filter(|planned| !planned.feed.fan_out);
    stream::iter(here).for_each_concurrent(AT_ONCE, |planned| planned.load_here(config, ports, run)).await;
    let reports = planned.into_iter().map(|planned| planned.report).inspect(log).collect();
    Ok(TickReport { feeds: reports })
}

fn chosen<'c>(config: &'c Config, only: Option<&[String]>) -> Result<Vec<&'c Feed>, PortError> {
    let Some(names) = only else {
        return Ok(config.feeds.iter().collect());
    };
    let unknown = |name: &String| {
        let known: Vec<&str> = config.feeds.iter().map(|feed| feed.name.as_str()).collect();
        let problem = format!("no such feed is configured; there are {}", known.join(", "));
        PortError::new("tick", name, PortErrorKind::Invalid, problem)
    };
    names.iter().map(|name| config.feed(name).ok_or_else(|| unknown(name))).collect()
}

async fn read_claims<P: Ports>(config: &Config, ports: &P) -> Result<Vec<Seen>, PortError> {
    let prefix = claims_prefix(&config.bucket)
        .map_err(|error| PortError::new("tick", config.bucket.state.as_str(), PortErrorKind::Invalid, error))?;
    claim::read_all(ports.objects(), &prefix).await
}

/// The claims that can be understood; the others are removed.
async fn readable<P: Ports>(ports: &P, claims: Vec<Seen>) -> Vec<Seen> {
    let (good, bad): (Vec<Seen>, Vec<Seen>) = claims.into_iter().partition(|seen| seen.claim.is_ok());
    for seen in &bad {
        if let Err(error) = discard(ports.objects(), seen).await {
            tracing::error!(claim = %seen.key, %error, "a claim that cannot be read could not be removed either");
        }
    }
    good
}

/// Sends workers to all that is to be loaded by workers.
async fn dispatch<P: Ports>(ports: &P, planned: &mut [Planned<'_>]) {
    let sends = planned.iter_mut().filter(|planned| planned.feed.fan_out).flat_map(|planned| {
        let report = &mut planned.report;
        report.batches.iter().map(|batch| batch.claim.clone()).collect::<Vec<_>>()
    });
    let sends: Vec<Key> = sends.collect();
    stream::iter(&sends)
        .for_each_concurrent(AT_ONCE, async |claim| {
            // The claim stays as it is: the next tick sends again.
            if let Err(error) = ports.workers().dispatch(claim).await {
                tracing::error!(%claim, %error, "no worker was sent; the next tick tries again");
            }
        })
        .await;
}

struct Tick<'a, P> {
    config: &'a Config,
    ports: &'a P,
    run: &'a Run,
    feed: &'a Feed,
    now: Timestamp,
}

/// A feed's tick up to the point where batches move.
struct Planned<'a> {
    feed: &'a Feed,
    report: FeedReport,
    /// Claims of this tick, held by it: to be loaded here.
    held: Vec<Held>,
    /// How many of its files may be loaded at once.
    effective: usize,
}

impl<'a, P: Ports> Tick<'a, P> {
    async fn plan_and_claim(self, claims: &[Seen]) -> Planned<'a> {
        let feed = self.feed;
        let mut planned = Planned {
            feed,
            report: FeedReport { feed: feed.name.to_string(), ..FeedReport::default() },
            held: vec![],
            effective: 0,
        };
        let own = of_feed(feed, claims);
        planned.effective = pressure::max_files(feed, &own);
        planned.report.in_flight = own.iter().map(|claim| claim.all_files().count() as u64).sum();
        planned.report.batches.extend(self.due(claims));
        let held_keys: HashSet<Key> =
            own.iter().flat_map(|claim| claim.all_files()).map(|file| file.key.clone()).collect();
        let free = free_slots(self.config, feed, claims);
        let want = free.len() * feed.files_per_load;
        let prefix = self.config.incoming(feed);
        match list(self.ports.objects(), &prefix, feed, &held_keys, want).await {
            Ok(listing) => self.claim(listing, &free, &mut planned).await,
            Err(error) => planned.report.error = Some(error.to_string()),
        }
        planned
    }

    /// Claims that nobody works on: their worker died, or they were put off until now.
    fn due(&self, claims: &[Seen]) -> Vec<BatchReport> {
        let due = |seen: &Seen| {
            let claim = seen.claim.as_ref().ok()?;
            (claim.feed == self.feed.name.as_str() && claim.is_due(self.now)).then(|| BatchReport {
                batch: claim.batch.clone(),
                claim: seen.key.clone(),
                files: claim.all_files().count() as u64,
                resumed: true,
                load: None,
            })
        };
        claims.iter().filter_map(due).collect()
    }

    /// Plans what was chosen and puts each batch into a free slot.
    async fn claim(&self, listing: Listing, free: &[Free], planned: &mut Planned<'a>) {
        let report = &mut planned.report;
        report.listed = listing.listed;
        report.unprocessed = listing.unprocessed;
        report.unprocessed_bytes = listing.unprocessed_bytes;
        let mut unclaimed: HashMap<Key, Timestamp> =
            listing.chosen.iter().map(|file| (file.key.clone(), file.last_modified)).collect();
        let batches = plan(self.feed, listing.chosen, free.len());
        for (files, slot) in batches.into_iter().zip(free) {
            match self.fill(slot, files).await {
                // Another lister or a loader was faster: the files are planned again at the next tick.
                Ok(None) => {}
                Ok(Some(held)) => {
                    for file in &held.claim.files {
                        unclaimed.remove(&file.key);
                    }
                    planned.claimed(held);
                }
                Err(error) => {
                    planned.report.error = Some(error.to_string());
                    break;
                }
            }
        }
        let oldest = unclaimed.into_values().fold(listing.oldest_left, older);
        planned.report.oldest_age_seconds = oldest.map_or(0, |oldest| age(self.now, oldest));
    }

    async fn fill(&self, free: &Free, files: Vec<File>) -> Result<Option<Held>, PortError> {
        let (feed, now) = (self.feed, self.now);
        let claim = if feed.fan_out {
            Claim::offered(feed, free.slot, files, now)
        } else {
            Claim::held(feed, free.slot, files, now, self.run)
        };
        claim::fill(self.ports.objects(), &self.config.bucket, free, claim).await
    }
}

impl Planned<'_> {
    fn claimed(&mut self, held: Held) {
        let files = &held.claim.files;
        let (number, bytes) = (count(files), files.iter().map(|file| file.size).sum::<u64>());
        self.report.claimed += number;
        self.report.in_flight += number;
        self.report.unprocessed = self.report.unprocessed.saturating_sub(number);
        self.report.unprocessed_bytes = self.report.unprocessed_bytes.saturating_sub(bytes);
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

    /// Loads what is due and what was claimed, one batch after another, while there is time.
    async fn load_here<P: Ports>(&mut self, config: &Config, ports: &P, run: &Run) {
        let mut data = Vec::new();
        let mut held = std::mem::take(&mut self.held).into_iter();
        for batch in &mut self.report.batches {
            let (report, measured) = if batch.resumed {
                if run.wait_left(ports.clock().now()).is_zero() {
                    continue;
                }
                match resume(config, ports, run, &batch.claim).await {
                    Ok(done) => done,
                    Err(error) => {
                        self.report.error = Some(error.to_string());
                        continue;
                    }
                }
            } else if let Some(held) = held.next() {
                let done = load(config, ports, run, self.feed, held).await;
                (done.report, done.data)
            } else {
                continue;
            };
            batch.load = Some(report);
            data.extend(measured);
        }
        publish(ports, &data).await;
    }

    fn data(&self, at: Timestamp) -> Vec<Datum> {
        // What could not be listed is not known; a zero would say that all is well.
        if self.report.error.is_some() && self.report.listed == 0 {
            return Vec::new();
        }
        let report = &self.report;
        [
            (Metric::UnprocessedFiles, report.unprocessed),
            (Metric::UnprocessedBytes, report.unprocessed_bytes),
            (Metric::OldestUnprocessedAge, report.oldest_age_seconds),
            (Metric::InFlightFiles, report.in_flight),
            (Metric::EffectiveMaxFiles, u64::try_from(self.effective).unwrap_or(u64::MAX)),
        ]
        .into_iter()
        .map(|(metric, value)| Datum::one(metric, &self.feed.name, at, float(value)))
        .collect()
    }
}

fn log(report: &FeedReport) {
    let FeedReport { feed, listed, claimed, in_flight, unprocessed, unprocessed_bytes, oldest_age_seconds, .. } =
        report;
    let batches = report.batches.len();
    if let Some(error) = &report.error {
        tracing::error!(
            feed,
            listed,
            claimed,
            in_flight,
            unprocessed,
            error,
            "feed not served; the next tick tries again"
        );
    } else {
        tracing::info!(
            feed,
            listed,
            claimed,
            in_flight,
            unprocessed,
            unprocessed_bytes,
            oldest_age_seconds,
            batches,
            "tick"
        );
    }
}

fn age(now: Timestamp, then: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or_default()
}
