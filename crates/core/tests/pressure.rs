//! A warehouse that is too full: the feed uses fewer slots, and gets them back step by step.

#![allow(missing_docs, clippy::float_cmp, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_core::claim::Claim;
use sluice_core::measure::Metric;
use sluice_core::ports::{PortErrorKind, Ports};
use sluice_core::testing::world::{FaultyPorts, World};
use sluice_core::testing::{Fault, Faults};
use sluice_core::tick::tick;
use sluice_core::work::work;

/// A world whose warehouse refuses as many submissions as are asked for.
struct Full {
    world: World,
    ports: FaultyPorts,
    refusals: Arc<AtomicUsize>,
}

impl Full {
    fn new(max_files: usize, files_per_load: usize) -> Self {
        let world = World::new(max_files, files_per_load);
        let refusals = Arc::<AtomicUsize>::default();
        let left = Arc::clone(&refusals);
        let faults = Faults::new(move |call| {
            let refuse = call.method == "start" && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
            refuse.then_some(Fault::Before(PortErrorKind::Throttled))
        });
        let ports = world.faulty(&faults);
        Self { world, ports, refusals }
    }

    fn drop_files(&self, files: std::ops::Range<usize>) {
        for number in files {
            self.world.drop_file(&format!("{number:03}"), &number.to_string());
        }
    }

    /// A minute: a tick, and what it sends. Answers how many files may be loaded at once, and how many were claimed.
    async fn minute(&self) -> (f64, u64) {
        self.world.ports.clock.advance(Duration::from_mins(1));
        let report = tick(&self.world.config, &self.ports, &self.world.run(), None).await.unwrap();
        let effective = self.ports.metrics.last("flights", Metric::EffectiveMaxFiles).unwrap();
        for claim in self.ports.workers().take() {
            work(&self.world.config, &self.ports, &self.world.run(), &claim).await.unwrap();
        }
        (effective, report.feeds[0].claimed)
    }

    fn claims(&self) -> Vec<Claim> {
        let keys = self.world.keys("sluice/claims/");
        keys.iter().map(|key| serde_json::from_slice(&self.world.ports.objects.body(key).unwrap()).unwrap()).collect()
    }
}

fn less(left: usize) -> Option<usize> {
    left.checked_sub(1)
}

#[tokio::test]
async fn slots_are_halved_and_come_back_step_by_step() {
    let full = Full::new(8, 1);
    full.drop_files(0..200);
    full.refusals.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(full.minute().await, (8.0, 8), "nobody knows yet");
    assert!(full.claims().iter().all(|claim| claim.refused > 0 && claim.files.len() == 1));
    let (effective, claimed) = full.minute().await;
    assert!(effective <= 4.0 && claimed == 0, "{effective} {claimed}");
    full.refusals.store(0, Ordering::SeqCst);
    let mut seen = Vec::new();
    while full.claims().iter().any(|claim| claim.refused > 0) {
        seen.push(full.minute().await.0);
    }
    let mut after = Vec::new();
    for _ in 0..12 {
        let (effective, claimed) = full.minute().await;
        assert!(f64::from(u32::try_from(claimed).unwrap()) <= effective, "{claimed} claimed, {effective} allowed");
        after.push(effective);
    }
    assert!(after.is_sorted() && after[0] < 8.0, "it comes back step by step: {seen:?} {after:?}");
    assert!(after.windows(2).all(|two| two[1] - two[0] <= 2.0), "and not at once: {after:?}");
    assert!(after[10..] == [8.0, 8.0], "and wholly: {after:?}");
    full.world.drain().await;
    assert_eq!(full.world.rows().len(), 200);
    assert!(full.world.rows().values().all(|times| *times == 1));
}

#[tokio::test]
async fn one_refusal_halves_once() {
    let full = Full::new(1000, 250);
    full.drop_files(0..10);
    full.refusals.store(1, Ordering::SeqCst);
    assert_eq!(full.minute().await.0, 1000.0);
    // It was loaded in the same run; the upper half of the slots is held back.
    assert_eq!(full.claims().iter().map(|claim| (claim.slot, claim.files.len())).collect::<Vec<_>>(), [(2, 0), (3, 0)]);
    assert_eq!(full.minute().await.0, 500.0);
}

#[tokio::test]
async fn a_feed_with_one_slot_keeps_it() {
    let full = Full::new(10, 10);
    full.drop_files(0..10);
    full.refusals.store(3, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(full.minute().await.0, 10.0);
    }
    full.world.drain().await;
    assert_eq!(full.world.rows().len(), 10);
}

/// A death between holding slots back and letting go of the claim.
#[tokio::test]
async fn what_is_held_back_is_given_back_whoever_dies() {
    let full = Full::new(8, 1);
    full.drop_files(0..1);
    full.refusals.store(1, Ordering::SeqCst);
    full.minute().await;
    assert_eq!(full.claims().len(), 4);
    // Nobody is left but the lister and the workers that it sends.
    for _ in 0..12 {
        full.minute().await;
    }
    assert!(full.claims().is_empty());
}
