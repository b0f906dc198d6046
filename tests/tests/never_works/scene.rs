//! A feed with files that never work, beside a feed that has none; and what must hold of both.
//!
//! Time passes by a test's hand: after each tick every lease and every time to try again is set into the past.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_core::object::File;
use sluice_standin::deployment::{Deployment, LISTER, LOADER, WORKER};
use sluice_standin::redshift::{Redshift, Trouble};
use sluice_tests::{BUCKET, Site, binaries, expire_leases, feed, in_slots, numbers, resting};

pub(crate) use crate::shape::{Shape, Stage};

/// How many files a scene begins with, and how many come later.
pub(crate) const FILES: i64 = 40;
pub(crate) const LATER: i64 = 12;
/// A file in the middle of a batch.
pub(crate) const CULPRIT: i64 = 5;
/// Within so many ticks whatever works has got through.
pub(crate) const SOON: usize = 20;
/// Within so many ticks new files have got through a feed in which some rest, and a feed is well whose cause is gone.
pub(crate) const AT_ONCE: usize = 8;

/// The number of the first file that comes in company, and how many may.
const COMPANY: i64 = 1000;
const MOST_COMPANY: usize = 400;

pub(crate) struct World {
    pub(crate) site: Site,
    config: String,
    ticks: Cell<i64>,
    /// Files that came since to a feed that events load: nothing else shows there that the feed works.
    company: Option<Cell<i64>>,
}

impl World {
    pub(crate) async fn start(shape: Shape) -> Self {
        let world = Self::with(shape.settings(), "", |deployment| {
            if shape == Shape::Event {
                deployment.notify.push("incoming/numbers/".to_owned());
            }
        });
        Self { company: (shape == Shape::Event).then(Cell::default), ..world.await }
    }

    /// A world whose feed has these settings, and these under `[feed.redshift]`.
    pub(crate) async fn with(settings: &str, redshift: &str, change: impl FnOnce(&mut Deployment)) -> Self {
        let feeds = feeds(settings, redshift);
        let site = Site::with(&feeds, |deployment| {
            // A request that always fails takes no longer by being sent again, and a worker gives up after some seconds.
            deployment.environment.push(("AWS_MAX_ATTEMPTS".to_owned(), "1".to_owned()));
            deployment.timeout = Duration::from_secs(6);
            change(deployment);
        })
        .await;
        // Who works on a claim, and when, is seen tick by tick.
        site.standin.eventbridge().deliver_times(0);
        Self { site, config: text(&feeds), ticks: Cell::new(0), company: None }
    }

    pub(crate) fn redshift(&self) -> &Redshift {
        self.site.standin.redshift().unwrap()
    }

    /// An update: the same functions with other settings of the feed.
    pub(crate) fn configure(&mut self, settings: &str, redshift: &str) {
        self.config = text(&feeds(settings, redshift));
        self.deploy();
    }

    /// An update that leaves the feed out.
    pub(crate) fn without_feed(&mut self) {
        self.config = text(&feed("others", ""));
        self.deploy();
    }

    fn deploy(&self) {
        let update = Deployment::new(BUCKET, &self.config, binaries());
        self.site.standin.deploy(&update).unwrap();
    }

    /// Files of one row each, which bear its number.
    pub(crate) fn drop_numbers(&self, range: Range<i64>) {
        for number in range {
            self.drop_number(number, &format!("{number},x\n"));
        }
    }

    pub(crate) fn drop_number(&self, number: i64, body: &str) {
        self.site.drop_file(&name(number), body);
    }

    /// One tick, in which the other feed's file gets through whatever this feed has; then time has passed.
    pub(crate) async fn tick(&self) {
        self.tick_early().await;
        expire_leases(self.site.standin.storage(), BUCKET);
    }

    /// The same where the other feed is no better off.
    pub(crate) async fn tick_alone(&self) {
        self.site.deployed.tick().await.unwrap();
        self.site.deployed.idle().await;
        expire_leases(self.site.standin.storage(), BUCKET);
    }

    /// A tick after which no time has passed.
    pub(crate) async fn tick_early(&self) {
        let number = self.ticks.replace(self.ticks.get() + 1);
        self.site.drop_file(&format!("others/{number}.csv"), &format!("{number},x\n"));
        self.site.answer(LISTER, &json!({})).await;
        self.site.deployed.idle().await;
        let archived = format!("processed/others/{number}.csv");
        assert_eq!(self.site.keys(&archived), [archived], "tick {number}: the other feed is held up; {}", self.story());
    }

    /// Ticks until it holds, so often at most; answers how often.
    pub(crate) async fn within(&self, ticks: usize, what: &str, holds: impl AsyncFn(&Self) -> bool) -> usize {
        self.site.deployed.idle().await;
        for tick in 0..ticks {
            if holds(self).await {
                println!("{what} after {tick} ticks");
                return tick;
            }
            self.tick().await;
        }
        assert!(holds(self).await, "not within {ticks} ticks: {what}; {}", self.story());
        ticks
    }

    /// Whether exactly these numbers are in the table, and exactly those files under `incoming/`.
    pub(crate) async fn is(&self, loaded: &[i64], waiting: &[i64]) -> bool {
        let loaded = loaded.iter().copied().chain(self.came()).collect::<Vec<_>>();
        self.waiting() == keys("incoming/", waiting) && self.site.ids("numbers").await == loaded
    }

    /// The numbers of files that came in company.
    pub(crate) fn came(&self) -> Range<i64> {
        COMPANY..COMPANY + self.company.as_ref().map_or(0, Cell::get)
    }

    /// So many files rest: at once, or where events load, once files have come for longer than two clocks may differ.
    async fn some_rest(&self, count: usize) {
        let Some(company) = &self.company else {
            self.within(AT_ONCE, "the culprits rest", async |world| world.resting().len() == count).await;
            return;
        };
        for _ in 0..MOST_COMPANY {
            if self.resting().len() == count {
                return;
            }
            self.drop_number(COMPANY + company.get(), &format!("{},x\n", COMPANY + company.get()));
            company.set(company.get() + 1);
            self.tick().await;
        }
        panic!("{count} do not rest in company; {}", self.story());
    }

    pub(crate) fn waiting(&self) -> Vec<String> {
        self.site.keys("incoming/numbers/")
    }

    pub(crate) fn in_slots(&self) -> Vec<String> {
        in_slots(self.site.standin.storage(), BUCKET, "numbers")
    }

    pub(crate) fn resting(&self) -> Vec<(String, Value)> {
        resting(self.site.standin.storage(), BUCKET, "numbers")
    }

    /// The feed's metric as it was published last.
    pub(crate) fn metric(&self, metric: &str) -> Option<f64> {
        self.site.published("numbers", metric).pop()
    }

    /// These files rest, at this stage, and in no slot; the metrics say so.
    pub(crate) async fn check_resting(&self, culprits: &[i64], stage: Stage) {
        let story = || self.story();
        // One that is being tried again would be in a slot: it is, and is put off.
        self.within(AT_ONCE, "no slot is filled", async |world| world.in_slots().is_empty()).await;
        self.tick_early().await;
        self.tick_early().await;
        assert_eq!(self.in_slots(), [""; 0], "{}", story());
        let resting = self.resting();
        let mut rest = BTreeSet::new();
        for (id, object) in &resting {
            let file: File = serde_json::from_value(object["file"].clone()).unwrap_or_else(|_| panic!("{object}"));
            assert_eq!(*id, file.id().to_string(), "{object}");
            rest.insert(file.key.as_str().to_owned());
            assert_eq!(object["stage"], stage.name(), "{object}");
            assert!(object.get("statement").is_some_and(|id| id.is_null() || id.is_string()), "{object}");
            assert!(object["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{object}");
            let time = |field: &str| object[field].as_str().unwrap_or_default().parse::<jiff::Timestamp>();
            assert!(time("since").is_ok() && time("next_try").is_ok(), "{object}");
            assert!(object["failures"].as_u64().is_some_and(|failures| failures > 0), "{object}");
        }
        assert_eq!(rest.into_iter().collect::<Vec<_>>(), keys("incoming/", culprits), "{}", story());
        let count = culprits.len() as f64;
        for (metric, value) in
            [("FilesResting", count), ("FeedDown", 0.0), ("UnprocessedFiles", 0.0), ("InFlightFiles", 0.0)]
        {
            assert_eq!(self.metric(metric), Some(value), "{metric}; {}", story());
        }
    }

    /// All but the culprits get through, and those rest; what comes later gets through; and when `heal` has taken the cause
    /// away, the culprits follow.
    pub(crate) async fn only_rest(&self, culprits: &[i64], stage: Stage, heal: impl FnOnce(&Self)) {
        let bad: &[i64] = if stage == Stage::Archive { &[] } else { culprits };
        let all_but = |end: i64, bad: &[i64]| (0..end).filter(|number| !bad.contains(number)).collect::<Vec<_>>();
        // Each further one has to be found, too.
        let soon = SOON + AT_ONCE * (culprits.len() - 1);
        self.within(soon, "the others get through", async |world| world.is(&all_but(FILES, bad), culprits).await).await;
        self.some_rest(culprits.len()).await;
        self.check_resting(culprits, stage).await;
        self.drop_numbers(FILES..FILES + LATER);
        let loaded = all_but(FILES + LATER, bad);
        self.within(AT_ONCE, "later files get through", async |world| world.is(&loaded, culprits).await).await;
        if stage != Stage::Quarantine {
            assert_eq!(self.site.keys("failed/"), [""; 0], "nothing positive is known about a file; {}", self.story());
        }
        heal(self);
        expire_leases(self.site.standin.storage(), BUCKET);
        let refused: &[i64] = if stage == Stage::Quarantine { culprits } else { &[] };
        self.heals(AT_ONCE + culprits.len(), FILES + LATER, refused).await;
    }

    /// Everything gets through, `refused` to `failed/`, and nothing is left.
    pub(crate) async fn heals(&self, ticks: usize, end: i64, refused: &[i64]) {
        let all = (0..end).filter(|number| !refused.contains(number)).collect::<Vec<_>>();
        self.within(ticks, "everything gets through", async |world| world.is(&all, &[]).await).await;
        let all = all.into_iter().chain(self.came()).collect::<Vec<_>>();
        self.within(AT_ONCE, "nothing is left", async |world| world.site.keys("sluice/claims/numbers/").is_empty())
            .await;
        self.tick().await;
        for metric in ["FilesResting", "FeedDown", "UnprocessedFiles", "InFlightFiles"] {
            assert_eq!(self.metric(metric), Some(0.0), "{metric}");
        }
        let archived = self.site.keys("processed/numbers/").into_iter().collect::<BTreeSet<_>>();
        for key in keys("processed/", &all) {
            assert!(archived.contains(&key), "{key} is lost; {}", self.story());
        }
        for key in keys("failed/", refused) {
            assert_eq!(self.site.keys(&key), [key.clone(), format!("{key}.error.json")], "{}", self.story());
        }
        let verified = self.site.sluice(&["verify"]).env("SLUICE_CONFIG", &self.config).output().await.unwrap();
        assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    }

    /// Where everything is, and what was logged last.
    pub(crate) fn story(&self) -> String {
        let read = |key: &String| {
            let body = self.site.standin.storage().get(BUCKET, key).unwrap_or_default();
            format!("{key}: {}", String::from_utf8_lossy(&body))
        };
        let claims = self.site.keys("sluice/claims/").iter().map(read).collect::<Vec<_>>();
        let logs = [LISTER, LOADER, WORKER].map(|function| {
            let lines = self.site.logs(function);
            let lines: Vec<&str> = lines.lines().rev().take(12).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        });
        let failed = self.site.keys("failed/");
        format!("{:?} wait, {failed:?}\n{}\n{}", self.waiting(), claims.join("\n"), logs.join("\n"))
    }

    pub(crate) async fn stop(self) {
        self.site.stop().await;
    }
}

pub(crate) fn name(number: i64) -> String {
    format!("numbers/{number:03}.csv")
}

fn keys(place: &str, numbers: &[i64]) -> Vec<String> {
    numbers.iter().map(|number| place.to_owned() + &name(*number)).collect()
}

fn feeds(settings: &str, redshift: &str) -> String {
    numbers(settings) + redshift + &feed("others", "")
}

fn text(feeds: &str) -> String {
    format!("[bucket]\nname = \"{BUCKET}\"\n{feeds}")
}

/// From now on COPY fails so whenever it is to read one of these files.
pub(crate) fn spoil(world: &World, numbers: &[i64], error: &str) {
    for number in numbers {
        world.redshift().spoil(name(*number), Trouble::Fails(error.to_owned()));
    }
}

pub(crate) fn unspoil(world: &World, numbers: &[i64]) {
    for number in numbers {
        world.redshift().unspoil(&name(*number));
    }
}
