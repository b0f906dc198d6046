//! Real deaths: the deployed binaries are killed with SIGKILL at each of their requests, once before the stand-in executes
//! it and once after that and before the reply. Then ticks go on, and nothing may be lost, loaded twice, or left.
//!
//! How many requests a function makes is not known here: each is killed at its first, its second, and so on until it
//! ends before it gets that far.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod campaign;
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

/// The fraction of requests that is throttled where something is.
const TENTH: f64 = 0.1;

/// Every so many crash points are a sample, and every so many where requests are throttled; `campaign` tries all.
const SAMPLE: usize = 7;
const SAMPLE_THROTTLED: usize = 20;

#[test_case(Victim::Lister; "the lister that sends workers")]
#[test_case(Victim::InlineLister; "the lister that loads")]
#[test_case(Victim::Loader; "the loader")]
#[test_case(Victim::Worker; "the worker")]
#[test_case(Victim::WorkerOfReplaced; "the worker whose file is replaced")]
#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_crash_points_is_survived(victim: Victim) {
    let lanes = Lane::start(2, 0.0, Heirs::Ticks).await;
    let (before, after) = kill(&lanes, victim, SAMPLE).await;
    assert!(before.points >= 1 && after.points >= 1, "{victim:?}: {before:?} {after:?}");
    Lane::stop(lanes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_survived_while_a_tenth_of_all_requests_is_throttled() {
    survive_throttled(SAMPLE_THROTTLED).await;
}

/// Kills the victim at every `step`th of its requests: in one lane before it is executed, in the other after it. The second
/// one starts half a step later, so that a sample has different points.
async fn kill(lanes: &[Lane], victim: Victim, step: usize) -> (Tried, Tried) {
    let (first, second) = (Points { first: 1, step }, Points { first: 1 + u64::try_from(step / 2).unwrap(), step });
    tokio::join!(lanes[0].kill_at(victim, Moment::Before, first), lanes[1].kill_at(victim, Moment::After, second))
}

/// Every `step`th crash point, before and after in turns; all of the lister's. Two lanes are a victim's. The dead are
/// followed by Lambda's own retry of the same invocation, where the lister has none.
async fn survive_throttled(step: usize) {
    let begun = Instant::now();
    let victims = [Victim::Lister, Victim::InlineLister, Victim::Loader, Victim::Worker, Victim::WorkerOfReplaced];
    let lanes = Lane::start(2 * victims.len(), TENTH, Heirs::Retries).await;
    let each = lanes.chunks(2).zip(victims).map(async |(lanes, victim)| {
        let (before, after) = kill(lanes, victim, if victim == Victim::Lister { 1 } else { step }).await;
        println!("{victim:?}, throttled: killed at {} requests before and {} after", before.points, after.points);
        assert!(before.points >= 2 && after.points >= 2, "{victim:?}: {before:?} {after:?}");
        before.points + after.points
    });
    let points: usize = futures_util::future::join_all(each).await.into_iter().sum();
    let throttled = lanes.iter().map(Lane::throttled).sum::<usize>();
    println!("{points} points; {throttled} requests throttled; {:?}", begun.elapsed());
    assert!(throttled > points, "at least one for each death");
    Lane::stop(lanes).await;
}
