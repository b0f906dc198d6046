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

/// A sample: every seventh crash point, before and after in turns; all of the lister's. `SLUICE_KILLS_STEP=1` tries all.
/// Every other lane is a victim's. The dead are followed by Lambda's own retry of the same invocation, where the lister has
/// none.
#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_survived_while_a_tenth_of_all_requests_is_throttled() {
    const TENTH: f64 = 0.1;
    const SAMPLE: usize = 7;
    let every = std::env::var("SLUICE_KILLS_STEP").map_or(SAMPLE, |step| step.parse().unwrap());
    let begun = Instant::now();
    let victims = [Victim::Lister, Victim::InlineLister, Victim::Loader, Victim::Worker, Victim::WorkerOfReplaced];
    let lanes = Lane::start(2 * victims.len(), TENTH, Heirs::Retries).await;
    let each = lanes.chunks(2).zip(victims).map(async |(lanes, victim)| {
        let step = if victim == Victim::Lister { 1 } else { every };
        let (first, second) = (Points { first: 1, step }, Points { first: 1 + u64::try_from(step / 2).unwrap(), step });
        let (before, after) = tokio::join!(
            lanes[0].kill_at(victim, Moment::Before, first),
            lanes[1].kill_at(victim, Moment::After, second)
        );
        println!("{victim:?}, throttled: killed at {} requests before and {} after", before.points, after.points);
        assert!(before.points >= 4 && after.points >= 4, "{victim:?}: {before:?} {after:?}");
        before.points + after.points
    });
    let points: usize = futures_util::future::join_all(each).await.into_iter().sum();
    let throttled = lanes.iter().map(Lane::throttled).sum::<usize>();
    println!("{points} points; {throttled} requests throttled; {:?}", begun.elapsed());
    assert!(throttled > points, "at least one for each death");
    Lane::stop(lanes).await;
}
