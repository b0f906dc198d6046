//! All crash points, for `make prove`: `make test` tries a sample of each.

use std::time::Instant;

use test_case::test_case;

use super::lane::{Heirs, Lane, Tried};
use super::scene::Victim;
use super::{kill, survive_throttled};

#[test_case(Victim::Lister, 5; "the lister that sends workers")]
#[test_case(Victim::InlineLister, 50; "the lister that loads")]
#[test_case(Victim::Loader, 30; "the loader")]
#[test_case(Victim::Worker, 30; "the worker")]
#[test_case(Victim::WorkerOfReplaced, 20; "the worker whose file is replaced")]
#[tokio::test(flavor = "multi_thread")]
async fn every_crash_point_is_survived(victim: Victim, at_least: usize) {
    let begun = Instant::now();
    let lanes = Lane::start(2, 0.0, Heirs::Ticks).await;
    let (before, after) = kill(&lanes, victim, 1).await;
    println!(
        "{victim:?}: killed at each of its {} requests before and {} after it was executed; {} ticks at most until all \
         was done; {:?}",
        before.points,
        after.points,
        before.most_ticks.max(after.most_ticks),
        begun.elapsed()
    );
    for Tried { points, .. } in [&before, &after] {
        assert!(*points >= at_least, "{victim:?} made only {points} requests");
    }
    Lane::stop(lanes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_crash_point_is_survived_while_a_tenth_of_all_requests_is_throttled() {
    survive_throttled(1).await;
}
