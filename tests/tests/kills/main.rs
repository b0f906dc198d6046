//! Real deaths: the deployed binaries are killed with SIGKILL at each of their requests, once before the stand-in executes
//! it and once after that and before the reply. Then ticks go on, and nothing may be lost, loaded twice, or left.
//!
//! How many requests a function makes is not known here: each is killed at its first, its second, and so on until it
//! ends before it gets that far.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod lane;
mod scene;

use std::time::Instant;

use lane::{Heirs, Lane, Tried};
use scene::Victim;
use sluice_standin::faults::Moment;
use test_case::test_case;

/// Which of the crash points are tried.
#[derive(Clone, Copy)]
struct Points {
    first: u64,
    step: usize,
}

const ALL: Points = Points { first: 1, step: 1 };

#[test_case(Victim::Lister, 5; "the lister that sends workers")]
#[test_case(Victim::InlineLister, 50; "the lister that loads")]
#[test_case(Victim::Loader, 30; "the loader")]
#[test_case(Victim::Worker, 30; "the worker")]
#[test_case(Victim::WorkerOfReplaced, 20; "the worker whose file is replaced")]
#[tokio::test(flavor = "multi_thread")]
async fn every_crash_point_is_survived(victim: Victim, at_least: usize) {
    let begun = Instant::now();
    let lanes = Lane::start(2, 0.0, Heirs::Ticks).await;
    let (before, after) =
        tokio::join!(lanes[0].kill_at(victim, Moment::Before, ALL), lanes[1].kill_at(victim, Moment::After, ALL));
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
