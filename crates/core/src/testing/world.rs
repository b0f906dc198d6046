//! A deployment in memory that tests drive by hand: producers, listers, loaders, workers, and what must hold after
//! them.

#![allow(
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use
)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Faults, Faulty, MemoryObjects, MemoryWarehouse, TestPorts, key};
use crate::arrive::{ArriveReport, arrive};
use crate::config::{Config, Feed};
use crate::event::Arrival;
use crate::object::{File, Key};
use crate::ports::{Clock, Ports};
use crate::report::LoadReport;
use crate::run::Run;
use crate::tick::{TickReport, tick};
use crate::work::work;
use jiff::{SignedDuration, Timestamp};

/// How long one invocation may run.
pub const TIMEOUT: Duration = Duration::from_mins(5);

pub type FaultyPorts = TestPorts<Faulty<MemoryObjects>, Faulty<MemoryWarehouse>>;

/// The bucket, the warehouse and the configuration; functions come and go.
pub struct World {
    pub config: Config,
    pub ports: TestPorts,
    invocations: std::cell::Cell<usize>,
}

/// A configuration of one feed, `flights`, with these lines.
#[must_use]
pub fn config(lines: &str) -> Config {
    super::target::config("flights", "flights/", lines)
}

impl World {
    /// A world whose feed takes `max_files` files, `files_per_load` at a time.
    pub fn new(max_files: usize, files_per_load: usize) -> Self {
        Self::with(&format!("max_files = {max_files}\nfiles_per_load = {files_per_load}"))
    }

    pub fn with(lines: &str) -> Self {
        Self::of(config(lines))
    }

    /// A world of this configuration, whose first feed is at `flights/`.
    pub fn of(config: Config) -> Self {
        Self { config, ports: TestPorts::default(), invocations: std::cell::Cell::default() }
    }

    /// The same world, whose warehouse loads in the call that starts a load.
    pub fn at_once(mut self) -> Self {
        self.ports.destination = self.ports.destination.at_once();
        self
    }

    /// The same world, for concurrent work: its invocations have other numbers.
    pub fn beside(&self) -> Self {
        Self { config: self.config.clone(), ports: self.ports.clone(), invocations: std::cell::Cell::new(1000) }
    }

    pub fn feed(&self) -> &Feed {
        &self.config.feeds[0]
    }

    /// A producer writes a file.
    pub fn drop_file(&self, name: &str, body: &str) -> File {
        self.ports.objects.drop_file(&format!("incoming/flights/{name}"), body)
    }

    pub fn run(&self) -> Run {
        self.invocations.set(self.invocations.get() + 1);
        let started = self.ports.clock.now();
        let deadline = started + SignedDuration::try_from(TIMEOUT).expect("a duration");
        Run { owner: format!("request-{}", self.invocations.get()), started, deadline }
    }

    pub async fn tick(&self) -> TickReport {
        tick(&self.config, &self.ports, &self.run(), None).await.expect("a tick")
    }

    pub async fn work(&self, claim: &Key) -> LoadReport {
        work(&self.config, &self.ports, &self.run(), claim).await.expect("a report")
    }

    pub async fn arrive(&self, names: &[&str]) -> ArriveReport {
        let arrivals: Vec<Arrival> = names.iter().map(|name| arrival(name)).collect();
        arrive(&self.config, &self.ports, &self.run(), &arrivals).await.expect("a report")
    }

    /// The same world, seen through faults.
    pub fn faulty(&self, faults: &Faults) -> FaultyPorts {
        let objects = faults.over(self.ports.objects.clone());
        TestPorts::of(objects, faults.over(self.ports.destination.clone()), &self.ports.clock)
    }

    /// A tick, and every worker it sends, one after another.
    pub async fn round(&self) -> Vec<LoadReport> {
        self.tick().await;
        let mut reports = Vec::new();
        for claim in self.ports.workers().take() {
            reports.push(self.work(&claim).await);
        }
        reports
    }

    /// Rounds until nothing is left to do. Fails after many more rounds than are ever needed.
    pub async fn drain(&self) {
        for _ in 0..100 {
            self.round().await;
            if self.keys("incoming/").is_empty() && self.keys("sluice/claims/").is_empty() {
                return;
            }
            self.ports.clock.advance(Duration::from_secs(400));
        }
        panic!("never drained: {:?} {:?}", self.keys("incoming/"), self.keys("sluice/claims/"));
    }

    pub fn keys(&self, start: &str) -> Vec<String> {
        self.ports.objects.keys(start)
    }

    /// The rows of the table, each with how often it is there.
    pub fn rows(&self) -> BTreeMap<String, usize> {
        let mut rows = BTreeMap::new();
        for (_, row) in self.ports.destination.rows(self.feed()) {
            *rows.entry(row).or_default() += 1;
        }
        rows
    }

    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }
}

pub fn arrival(name: &str) -> Arrival {
    Arrival { bucket: "bucket".into(), key: key(&format!("incoming/flights/{name}")), message_id: None }
}

/// Each of these rows once, and no other.
pub fn once<'r>(rows: impl IntoIterator<Item = &'r str>) -> BTreeMap<String, usize> {
    rows.into_iter().map(|row| (row.to_owned(), 1)).collect()
}
