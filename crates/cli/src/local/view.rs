//! From what services tell to what is of interest: bursts of arrivals as one, ticks that found nothing new not at all.
//!
//! Pure, but for counting; it is told everything and asks nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use sluice_core::config::Config;
use sluice_core::object::Key;
use sluice_standin::deployment::{LISTER, LOADER};
use sluice_standin::lambda::Report;

use super::news::News;
use crate::output::thousands;

/// What has happened so far.
#[derive(Debug)]
pub(super) struct View {
    config: Config,
    /// What has arrived since it was told last, by feed.
    bursts: BTreeMap<Option<String>, (u64, u64)>,
    /// What the last tick said of each feed.
    ticks: BTreeMap<String, FeedTick>,
    /// Files loaded since the start, by feed.
    loaded: BTreeMap<String, u64>,
    /// Files refused since the start, by feed.
    refused: BTreeMap<String, u64>,
}

/// The lister's answer, as far as it is of interest here.
#[derive(Debug, Default, Deserialize)]
struct Tick {
    #[serde(default)]
    feeds: Vec<FeedTick>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct FeedTick {
    feed: String,
    claimed: u64,
    in_flight: u64,
    unprocessed: u64,
    error: Option<String>,
    #[serde(default)]
    batches: Vec<BatchTick>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct BatchTick {
    files: u64,
    /// What came of it, where the lister loads.
    load: Option<Load>,
}

/// The loader's answer.
#[derive(Debug, Default, Deserialize)]
struct Arrivals {
    #[serde(default)]
    files: Vec<Arrival>,
}

#[derive(Debug, Deserialize)]
struct Arrival {
    feed: Option<String>,
    batch: Option<String>,
    outcome: String,
    reason: Option<String>,
}

/// The worker's answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Load {
    feed: String,
    batch: Option<String>,
    outcome: String,
    files_loaded: u64,
    rows_loaded: u64,
    files_quarantined: u64,
    error: Option<String>,
}

impl View {
    /// Nothing has happened yet.
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            bursts: BTreeMap::new(),
            ticks: BTreeMap::new(),
            loaded: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// An object came into being under `incoming/`; it is told with those that come soon after it.
    pub(super) fn arrived(&mut self, key: &str, size: u64) {
        let feed = Key::new(key).ok().and_then(|key| {
            let (feed, name) = self.config.route(&key)?;
            feed.takes(name, size).then(|| feed.name.to_string())
        });
        let (files, bytes) = self.bursts.entry(feed).or_default();
        (*files, *bytes) = (*files + 1, *bytes + size);
    }

    /// What has arrived since the last time.
    pub(super) fn bursts(&mut self) -> Vec<News> {
        let bursts = std::mem::take(&mut self.bursts);
        bursts.into_iter().map(|(feed, (files, bytes))| News::Arrived { feed, files, bytes }).collect()
    }

    /// An object came into being under `processed/`.
    pub(super) fn processed(&mut self, key: &str) {
        if let Some(feed) = self.moved(key, self.config.bucket.processed.as_str()) {
            *self.loaded.entry(feed).or_default() += 1;
        }
    }

    /// An object came into being under `failed/`: a file, or its explanation.
    pub(super) fn failed(&mut self, key: &str) -> Option<News> {
        if key.ends_with(".error.json") {
            return None;
        }
        if let Some(feed) = self.moved(key, self.config.bucket.failed.as_str()) {
            *self.refused.entry(feed).or_default() += 1;
        }
        Some(News::Quarantined { key: key.to_owned() })
    }

    /// The feed whose file has moved from `incoming/` to `key`, which is under `prefix`.
    fn moved(&self, key: &str, prefix: &str) -> Option<String> {
        let path = key.strip_prefix(prefix)?;
        let feed = self.config.feeds.iter().find(|feed| path.starts_with(feed.prefix.as_str()))?;
        Some(feed.name.to_string())
    }

    /// An invocation has ended.
    pub(super) fn reported(&mut self, report: &Report) -> Vec<News> {
        let answer = match &report.result {
            Ok(answer) => answer,
            Err(error) => {
                return vec![News::Failed { who: report.function.clone(), error: error.to_string() }];
            }
        };
        let milliseconds = u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX);
        // An answer that cannot be read is not of a function that this program knows.
        match report.function.as_str() {
            LISTER => serde_json::from_slice(answer).map(|tick| self.ticked(tick, milliseconds)).unwrap_or_default(),
            LOADER => serde_json::from_slice(answer).map(|files| loader(files, milliseconds)).unwrap_or_default(),
            _ => serde_json::from_slice(answer).map(|load| worker(load, milliseconds)).unwrap_or_default(),
        }
    }

    fn ticked(&mut self, tick: Tick, milliseconds: u64) -> Vec<News> {
        let mut news = Vec::new();
        for feed in tick.feeds {
            if let Some(error) = &feed.error {
                news.push(News::Failed { who: feed.feed.clone(), error: error.clone() });
            }
            let last = self.ticks.get(&feed.feed).cloned().unwrap_or_default();
            let now = (feed.claimed, feed.in_flight, feed.unprocessed);
            if now != (last.claimed, last.in_flight, last.unprocessed) {
                news.push(News::Ticked {
                    feed: feed.feed.clone(),
                    claimed: feed.claimed,
                    in_flight: feed.in_flight,
                    waiting: feed.unprocessed,
                });
            }
            let loads = feed.batches.iter().filter_map(|batch| batch.load.clone());
            news.extend(loads.flat_map(|load| worker(load, milliseconds)));
            self.ticks.insert(feed.feed.clone(), feed);
        }
        news
    }

    /// Each feed in a few words; `waiting` says how many files are in `incoming/`.
    pub(super) fn status(&self, waiting: impl Fn(&str) -> u64) -> String {
        let feeds = self.config.feeds.iter().map(|feed| {
            let name = feed.name.as_str();
            let of = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or_default();
            let refused = match of(&self.refused) {
                0 => String::new(),
                refused => format!(", {} refused", thousands(refused)),
            };
            let waiting = waiting(self.config.incoming(feed).as_str());
            format!("{name}: {} waiting, {} loaded{refused}", thousands(waiting), thousands(of(&self.loaded)))
        });
        feeds.collect::<Vec<_>>().join("   ")
    }
}

/// What a worker says of its batch. One that found nothing to do says nothing.
fn worker(load: Load, milliseconds: u64) -> Vec<News> {
    let Load { feed, batch, outcome, files_loaded, rows_loaded, files_quarantined, error } = load;
    if feed.is_empty() {
        return vec![];
    }
    let files = files_loaded + files_quarantined;
    vec![News::Batch { feed, batch, outcome, files, rows: Some(rows_loaded), milliseconds, error }]
}

/// What the loader says of each file, by batch and outcome.
fn loader(arrivals: Arrivals, milliseconds: u64) -> Vec<News> {
    let mut batches: BTreeMap<(String, Option<String>, String, Option<String>), u64> = BTreeMap::new();
    for Arrival { feed, batch, outcome, reason } in arrivals.files {
        if let Some(feed) = feed {
            *batches.entry((feed, batch, outcome, reason)).or_default() += 1;
        }
    }
    let news = |((feed, batch, outcome, error), files)| News::Batch {
        feed,
        batch,
        outcome,
        files,
        rows: None,
        milliseconds,
        error,
    };
    batches.into_iter().map(news).collect()
}
