//! Turns what the services report into news: a burst of arrivals becomes one line, a tick with nothing new becomes
//! none.
//!
//! Pure, except for its counters. It gets every report from the caller, and never asks for anything.
//!
//! One file, because a third of it is the tests of one list of reports.

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
    /// How many files and bytes have arrived since the last news of them, by feed.
    bursts: BTreeMap<Option<String>, (u64, u64)>,
    /// How many files were left to the next tick since the last news of them, by feed.
    deferred: BTreeMap<String, u64>,
    /// What the last tick reported about each feed.
    ticks: BTreeMap<String, FeedTick>,
    /// Files loaded since the start, by feed.
    loaded: BTreeMap<String, u64>,
    /// Files refused since the start, by feed.
    refused: BTreeMap<String, u64>,
}

/// The part of the lister's answer that is needed here.
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
    /// The result of its load, if the lister itself loads.
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
    /// A view in which nothing has happened yet.
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            bursts: BTreeMap::new(),
            deferred: BTreeMap::new(),
            ticks: BTreeMap::new(),
            loaded: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Notes an object created under `incoming/`. The news of it also covers the objects that come soon after it.
    pub(super) fn arrived(&mut self, key: &str, size: u64) {
        let feed = Key::new(key).ok().and_then(|key| {
            let (feed, name) = self.config.route(&key)?;
            feed.takes(name, size).then(|| feed.name.to_string())
        });
        let (files, bytes) = self.bursts.entry(feed).or_default();
        (*files, *bytes) = (*files + 1, *bytes + size);
    }

    /// Takes the news of what has arrived since the last call.
    pub(super) fn bursts(&mut self) -> Vec<News> {
        let bursts = std::mem::take(&mut self.bursts);
        bursts.into_iter().map(|(feed, (files, bytes))| News::Arrived { feed, files, bytes }).collect()
    }

    /// Takes the news of what the loader has left to the next tick since the last call.
    pub(super) fn deferred(&mut self) -> Vec<News> {
        let deferred = std::mem::take(&mut self.deferred);
        deferred.into_iter().map(|(feed, files)| News::Deferred { feed, files }).collect()
    }

    /// Notes an object created under `processed/`.
    pub(super) fn processed(&mut self, key: &str) {
        if let Some(feed) = self.moved(key, self.config.bucket.processed.as_str()) {
            *self.loaded.entry(feed).or_default() += 1;
        }
    }

    /// Notes an object created under `failed/`: a file, or its explanation.
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

    /// Notes an invocation that has ended.
    pub(super) fn reported(&mut self, report: &Report) -> Vec<News> {
        let answer = match &report.result {
            Ok(answer) => answer,
            Err(error) => {
                return vec![News::Failed { who: report.function.clone(), error: error.to_string() }];
            }
        };
        let milliseconds = u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX);
        // An answer that cannot be read is from a function that this program does not know.
        match report.function.as_str() {
            LISTER => serde_json::from_slice(answer).map(|tick| self.ticked(tick, milliseconds)).unwrap_or_default(),
            LOADER => serde_json::from_slice(answer).map(|files| self.loader(files, milliseconds)).unwrap_or_default(),
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

    /// The loader's results for the files, grouped by batch and outcome.
    fn loader(&mut self, arrivals: Arrivals, milliseconds: u64) -> Vec<News> {
        let mut batches: BTreeMap<(String, Option<String>, String, Option<String>), u64> = BTreeMap::new();
        for Arrival { feed, batch, outcome, reason } in arrivals.files {
            match feed {
                Some(feed) if outcome == "deferred" => *self.deferred.entry(feed).or_default() += 1,
                Some(feed) => *batches.entry((feed, batch, outcome, reason)).or_default() += 1,
                None => {}
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

    /// Describes each feed in a few words. `waiting` says how many files are in `incoming/`.
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

/// The news of a worker's batch. A worker that found nothing to do makes no news.
fn worker(load: Load, milliseconds: u64) -> Vec<News> {
    let Load { feed, batch, outcome, files_loaded, rows_loaded, files_quarantined, error } = load;
    if feed.is_empty() {
        return vec![];
    }
    let files = files_loaded + files_quarantined;
    vec![News::Batch { feed, batch, outcome, files, rows: Some(rows_loaded), milliseconds, error }]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use sluice_standin::deployment::WORKER;
    use sluice_standin::lambda::Source;

    use super::*;

    fn view() -> View {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/sluice.toml");
        let text = std::fs::read_to_string(examples).unwrap();
        View::new(Config::parse(&text, examples, &sluice_aws::DESTINATIONS).unwrap())
    }

    fn report(function: &str, answer: &str) -> Report {
        Report {
            function: function.to_owned(),
            request_id: "r".to_owned(),
            source: Source::Event,
            attempt: 1,
            instance: None,
            cold_start: false,
            init: None,
            usage: None,
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::from_millis(7),
            payload: "{}".into(),
            result: Ok(answer.to_owned().into()),
        }
    }

    /// The news as a person reads it.
    fn lines(news: &[News]) -> Vec<String> {
        news.iter().map(|news| anstream::adapter::strip_str(&news.to_string()).to_string()).collect()
    }

    #[test]
    fn a_burst_of_arrivals_is_one_line() {
        let mut view = view();
        view.arrived("incoming/flights/1.csv.gz", 1000);
        view.arrived("incoming/flights/2.csv.gz", 500);
        view.arrived("incoming/flights/2.txt", 1);
        let expected =
            ["1 file arrived that no feed takes; see its prefix and include", "flights: 2 files arrived, 1.5 kB"];
        assert_eq!(lines(&view.bursts()), expected);
        assert_eq!(view.bursts(), []);
    }

    #[test]
    fn what_functions_answer_is_told() {
        let mut view = view();
        let worker = r#"{"feed":"flights","batch":"0123456789abcdef","outcome":"loaded","files_loaded":10,
            "rows_loaded":8973,"files_quarantined":0}"#;
        let retry = r#"{"feed":"flights","batch":"0123456789abcdef","outcome":"retry","files_loaded":0,
            "rows_loaded":0,"files_quarantined":0,"retry_at":"2026-01-01T00:00:00Z","error":"no such table"}"#;
        let busy = r#"{"feed":"","outcome":"busy","files_loaded":0,"rows_loaded":0,"files_quarantined":0}"#;
        let loader = r#"{"files":[
            {"key":"a","feed":"weather","batch":"ff","outcome":"loaded"},
            {"key":"b","feed":"weather","batch":"ff","outcome":"loaded"},
            {"key":"c","feed":"weather","outcome":"deferred"},
            {"key":"d","outcome":"skipped","reason":"not a file of any feed"}],"batchItemFailures":[]}"#;
        let mut news = view.reported(&report(WORKER, worker));
        for (function, answer) in [(WORKER, retry), (WORKER, busy), (LOADER, loader), (LISTER, "no JSON")] {
            news.extend(view.reported(&report(function, answer)));
        }
        news.extend(view.deferred());
        let expected = [
            "flights: loaded batch 01234567: 10 files, 8,973 rows, 7 ms",
            "flights: retry batch 01234567: 7 ms: no such table",
            "weather: loaded batch ff: 2 files, 7 ms",
            "weather: every slot is filled, 1 file left to the next tick",
        ];
        assert_eq!(lines(&news), expected);
    }

    #[test]
    fn a_tick_is_told_when_it_differs_from_the_last() {
        let tick = r#"{"feeds":[{"feed":"flights","listed":90,"claimed":30,"in_flight":30,"unprocessed":60,
            "unprocessed_bytes":1,"oldest_age_seconds":0,"batches":[]}]}"#;
        let mut view = view();
        let first = view.reported(&report(LISTER, tick));
        assert_eq!(lines(&first), ["flights: tick: 30 claimed, 30 in flight, 60 waiting"]);
        assert_eq!(view.reported(&report(LISTER, tick)), []);
    }

    #[test]
    fn the_status_counts_what_moves_on() {
        let mut view = view();
        view.processed("processed/flights/1.csv.gz");
        view.processed("processed/elsewhere/1.csv.gz");
        let refused = view.failed("failed/weather/1.csv.gz");
        assert_eq!(refused, Some(News::Quarantined { key: "failed/weather/1.csv.gz".to_owned() }));
        assert_eq!(view.failed("failed/weather/1.csv.gz.error.json"), None);
        let waiting = |prefix: &str| if prefix == "incoming/flights/" { 1_234 } else { 0 };
        let expected = "flights: 1,234 waiting, 1 loaded   weather: 0 waiting, 0 loaded, 1 refused";
        assert_eq!(view.status(waiting), expected);
    }
}
