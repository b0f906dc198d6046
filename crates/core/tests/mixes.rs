//! Random mixes of good and bad files, and random faults: good files are loaded exactly once, bad ones end in `failed/`,
//! and never the other way round. What nobody can load stays where it is, until it can be.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use sluice_core::claim::Claim;
use sluice_core::destination::{FailureKind, Refusal};
use sluice_core::ports::PortErrorKind;
use sluice_core::testing::world::World;
use sluice_core::testing::{Fault, Faults, Script, key};
use sluice_core::tick::tick;
use sluice_core::work::work;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Good,
    /// The warehouse refuses it.
    Bad,
    /// It makes its load fail, and nobody knows why.
    Cursed,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Fails(Fault),
    /// The function dies, before the call takes effect or after.
    Dies(bool),
}

/// A feed, its files, and what goes wrong.
#[derive(Clone, Debug)]
struct Mix {
    slots: usize,
    files_per_load: usize,
    fan_out: bool,
    /// How many of a batch's bad files the warehouse names at most.
    named: usize,
    files: Vec<Kind>,
    /// In how many calls something goes wrong: what, and how many calls later.
    wrong: Vec<(usize, Wrong)>,
    /// Transactions that fail whatever they load.
    failing: Vec<FailureKind>,
    /// Seconds between ticks.
    pauses: Vec<u64>,
}

fn mix() -> impl Strategy<Value = Mix> {
    use FailureKind::{Configuration, FileMissing, Transient, Unknown};
    use PortErrorKind::{Denied, Throttled, Unavailable};
    let kind = prop_oneof![6 => Just(Kind::Good), 3 => Just(Kind::Bad), 1 => Just(Kind::Cursed)];
    let error = prop_oneof![Just(Throttled), Just(Unavailable), Just(Denied)];
    let wrong = (any::<bool>(), any::<bool>(), error).prop_map(|(dies, after, error)| match (dies, after) {
        (true, after) => Wrong::Dies(after),
        (false, true) => Wrong::Fails(Fault::After(error)),
        (false, false) => Wrong::Fails(Fault::Before(error)),
    });
    let failing = prop_oneof![Just(Transient), Just(Configuration), Just(Unknown), Just(FileMissing)];
    let shape = (1_usize..4, 1_usize..12, any::<bool>(), prop_oneof![Just(0_usize), Just(1), Just(usize::MAX)]);
    let trouble = (
        proptest::collection::vec((1_usize..40, wrong), 0..12),
        proptest::collection::vec(failing, 0..8),
        proptest::collection::vec(1_u64..1200, 1..12),
    );
    (shape, proptest::collection::vec(kind, 1..30), trouble).prop_map(|(shape, files, (wrong, failing, pauses))| {
        let (slots, files_per_load, fan_out, named) = shape;
        let mut files = files;
        // More of them than may rest in a claim hold up others.
        let cursed = files.iter_mut().filter(|kind| **kind == Kind::Cursed);
        cursed.skip(8).for_each(|kind| *kind = Kind::Good);
        Mix { slots, files_per_load, fan_out, named, files, wrong, failing, pauses }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]
    #[test]
    fn good_files_are_loaded_once_and_bad_ones_end_in_failed(mix in mix()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(Trial::new(mix).run())?;
    }
}

struct Trial {
    mix: Mix,
    world: World,
    names: Vec<String>,
}

impl Trial {
    fn new(mix: Mix) -> Self {
        let Mix { slots, files_per_load, fan_out, .. } = mix;
        let max_files = slots * files_per_load;
        let world =
            World::with(&format!("max_files = {max_files}\nfiles_per_load = {files_per_load}\nfan_out = {fan_out}"));
        let names: Vec<String> = (0..mix.files.len()).map(|number| format!("{number:02}")).collect();
        for (name, kind) in names.iter().zip(&mix.files) {
            world.drop_file(name, name);
            let key = key(&format!("incoming/flights/{name}"));
            match kind {
                Kind::Good => {}
                Kind::Bad => world.ports.destination.refuse(&key, Refusal::default()),
                Kind::Cursed => world.ports.destination.curse(&key),
            }
        }
        world.ports.destination.name_at_most(mix.named);
        for kind in &mix.failing {
            world.ports.destination.next(Script::fails(*kind));
        }
        Self { mix, world, names }
    }

    async fn run(self) -> Result<(), TestCaseError> {
        let mut wrong: Vec<(usize, Wrong)> = self.mix.wrong.clone();
        for pause in &self.mix.pauses {
            self.round(&mut wrong).await;
            self.check()?;
            self.world.ports.clock.advance(Duration::from_secs(*pause));
        }
        // Nothing goes wrong any more. What nobody can load holds up nothing else.
        for _ in 0..200 {
            if self.at_rest() {
                break;
            }
            self.world.round().await;
            self.check()?;
            self.world.ports.clock.advance(Duration::from_mins(16));
        }
        let claims: Vec<String> = self.world.keys("sluice/claims/").iter().map(|key| self.body(key)).collect();
        prop_assert!(self.at_rest(), "never at rest: {:?}, {claims:?}", self.world.keys("incoming/"));
        prop_assert_eq!(self.loaded(), self.of(Kind::Good));
        prop_assert_eq!(self.under("incoming/flights/"), self.of(Kind::Cursed));
        for name in self.of(Kind::Cursed) {
            self.world.ports.destination.accept(&key(&format!("incoming/flights/{name}")));
        }
        self.world.drain().await;
        prop_assert_eq!(self.loaded(), &self.of(Kind::Good) | &self.of(Kind::Cursed));
        prop_assert_eq!(self.under("processed/flights/"), &self.of(Kind::Good) | &self.of(Kind::Cursed));
        // A file that was refused by two transactions, since it could not be moved after the first, has a reason of each.
        let failed = self.under("failed/flights/");
        for name in self.of(Kind::Bad) {
            prop_assert!(
                failed.contains(&name) && failed.contains(&format!("{name}.error.json")),
                "{name}: {failed:?}"
            );
        }
        self.check()
    }

    /// A tick and the workers that it sends, while things go wrong.
    async fn round(&self, wrong: &mut Vec<(usize, Wrong)>) {
        let faults = Faults::none();
        let ports = self.world.faulty(&faults);
        let mut function = || {
            let next = (!wrong.is_empty()).then(|| wrong.remove(0));
            let begun = faults.journal().len();
            faults.then(move |call| {
                let (at, what) = next?;
                match (what, call.number.checked_sub(begun + at)?) {
                    (Wrong::Fails(fault), 0) => Some(fault),
                    (Wrong::Fails(_), _) => None,
                    (Wrong::Dies(true), 0) => Some(Fault::After(PortErrorKind::Unavailable)),
                    (Wrong::Dies(_), _) => Some(Fault::Before(PortErrorKind::Unavailable)),
                }
            });
        };
        function();
        drop(tick(&self.world.config, &ports, &self.world.run(), None).await);
        for claim in ports.workers.take() {
            function();
            drop(work(&self.world.config, &ports, &self.world.run(), &claim).await);
        }
    }

    /// What must hold at every moment.
    fn check(&self) -> Result<(), TestCaseError> {
        let rows: BTreeMap<String, usize> = self.world.rows();
        let twice: Vec<&String> = rows.iter().filter(|(_, times)| **times > 1).map(|(row, _)| row).collect();
        prop_assert!(twice.is_empty(), "twice in the table: {twice:?}");
        let failed: BTreeSet<String> = self.under("failed/flights/");
        let refused = self.of(Kind::Bad);
        let wrongly: Vec<&String> =
            failed.iter().filter(|name| !refused.contains(name.split('.').next().unwrap_or_default())).collect();
        prop_assert!(wrongly.is_empty(), "in failed/ and not bad: {wrongly:?}");
        prop_assert!(self.loaded().is_disjoint(&refused), "bad, and in the table");
        prop_assert!(self.under("processed/flights/").is_subset(&self.loaded()), "archived and not loaded");
        let places = [self.under("incoming/flights/"), self.under("processed/flights/"), failed];
        let lost = self.names.iter().find(|name| !places.iter().any(|place| place.contains(*name)));
        prop_assert!(lost.is_none(), "lost: {lost:?}");
        Ok(())
    }

    /// Whether nothing is left but what nobody can load: each file rests, or waits in a claim where nothing else was loaded
    /// that would show that the feed works.
    fn at_rest(&self) -> bool {
        let cursed = self.of(Kind::Cursed);
        let claims = self.world.keys("sluice/claims/").into_iter().filter(|key| !key.contains("/resting/"));
        let waits = |key: String| {
            let body = self.world.ports.objects.body(&key).unwrap();
            let claim = serde_json::from_slice::<Claim>(&body).unwrap();
            claim.all_files().all(|file| cursed.contains(file.key.as_str().rsplit('/').next().unwrap()))
        };
        claims.into_iter().all(waits) && self.under("incoming/flights/") == cursed
    }

    fn body(&self, key: &str) -> String {
        let body = self.world.ports.objects.body(key).unwrap();
        format!("{key}: {}", String::from_utf8_lossy(&body).split_whitespace().collect::<String>())
    }

    fn of(&self, kind: Kind) -> BTreeSet<String> {
        let files = self.names.iter().zip(&self.mix.files);
        files.filter(|(_, other)| **other == kind).map(|(name, _)| name.clone()).collect()
    }

    fn loaded(&self) -> BTreeSet<String> {
        self.world.rows().into_keys().collect()
    }

    fn under(&self, prefix: &str) -> BTreeSet<String> {
        self.world.keys(prefix).iter().filter_map(|key| key.strip_prefix(prefix)).map(str::to_owned).collect()
    }
}
