//! Several passes in one invocation: how many, when, and when not.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use jiff::SignedDuration;
use sluice_core::config::Config;
use sluice_core::measure::Metric;
use sluice_core::passes::passes;
use sluice_core::ports::PortErrorKind;
use sluice_core::run::Run;
use sluice_core::testing::world::World;
use sluice_core::testing::{Fault, Faults};

fn config(world: &World, passes_per_minute: i32) -> Config {
    let mut config = world.config.clone();
    config.lister.passes_per_minute = passes_per_minute;
    config
}

fn run(world: &World, timeout_seconds: i64) -> Run {
    let started = world.now();
    Run { owner: "lister".to_owned(), started, deadline: started + SignedDuration::from_secs(timeout_seconds) }
}

/// The seconds, from now on, at which claims are listed, once for each pass.
fn passes_at(world: &World, faults: &Faults, seconds_a_pass: u64) -> std::sync::Arc<std::sync::Mutex<Vec<i64>>> {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (clock, begun, noted) = (world.ports.clock.clone(), world.now(), seen.clone());
    faults.then(move |call| {
        if call.method == "list" && call.subject == "sluice/claims/" {
            use sluice_core::ports::Clock;
            noted.lock().unwrap().push(clock.now().duration_since(begun).as_secs());
            clock.advance(Duration::from_secs(seconds_a_pass));
        }
        None
    });
    seen
}

#[tokio::test]
async fn a_minute_has_as_many_passes_as_configured() {
    let (world, faults) = (World::new(10, 10), Faults::none());
    world.drop_file("a", "one");
    let seen = passes_at(&world, &faults, 0);
    let report = passes(&config(&world, 6), &world.faulty(&faults), &run(&world, 90), None).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 10, 20, 30, 40, 50]);
    // What all of them claimed, and what the last one saw.
    let feed = &report.feeds[0];
    assert_eq!((feed.claimed, feed.listed, feed.unprocessed, feed.in_flight), (1, 1, 0, 1));
}

#[tokio::test]
async fn the_backlog_is_published_once_a_minute() {
    let world = World::new(10, 10);
    passes(&config(&world, 12), &world.ports, &run(&world, 90), None).await.unwrap();
    let calls = world.ports.metrics.calls();
    let backlogs = calls.iter().flatten().filter(|datum| datum.metric == Metric::UnprocessedFiles);
    assert_eq!(backlogs.count(), 1);
    let strays = calls.iter().flatten().filter(|datum| datum.feed.as_str() == "-");
    assert_eq!(strays.count(), 1, "what is of no feed is counted once an hour");
    assert_eq!(world.ports.metrics.last("flights", Metric::UnprocessedFiles), Some(0.0));
}

#[tokio::test]
async fn one_pass_is_the_default_and_whoever_names_feeds_gets_one() {
    let (world, faults) = (World::new(10, 10), Faults::none());
    let seen = passes_at(&world, &faults, 0);
    passes(&world.config, &world.faulty(&faults), &run(&world, 90), None).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [0]);
    let only = ["flights".to_owned()];
    passes(&config(&world, 12), &world.faulty(&faults), &run(&world, 90), Some(&only)).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 0]);
}

#[tokio::test]
async fn no_pass_begins_that_could_not_end_before_the_deadline() {
    let (world, faults) = (World::new(10, 10), Faults::none());
    let seen = passes_at(&world, &faults, 6);
    let run = run(&world, 40);
    passes(&config(&world, 6), &world.faulty(&faults), &run, None).await.unwrap();
    // A fifth of the 40 seconds is kept back; a pass at 30 would end at 36.
    assert_eq!(*seen.lock().unwrap(), [0, 10, 20]);
    assert!(world.now() < run.deadline);
}

#[tokio::test]
async fn passes_that_come_too_late_are_left_out() {
    let (world, faults) = (World::new(10, 10), Faults::none());
    let seen = passes_at(&world, &faults, 12);
    passes(&config(&world, 6), &world.faulty(&faults), &run(&world, 300), None).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 20, 40]);
}

#[tokio::test]
async fn a_later_pass_that_fails_is_followed_by_the_next_and_the_first_one_is_told() {
    let (world, faults) = (World::new(10, 10), Faults::none());
    let mut lists = 0;
    faults.then(move |call| {
        lists += usize::from(call.method == "list" && call.subject == "sluice/claims/");
        (lists == 2).then_some(Fault::Before(PortErrorKind::Unavailable))
    });
    passes(&config(&world, 3), &world.faulty(&faults), &run(&world, 90), None).await.unwrap();
    let listed = |journal: Vec<sluice_core::testing::fault::Call>| {
        journal.iter().filter(|call| call.method == "list" && call.subject == "sluice/claims/").count()
    };
    assert_eq!(listed(faults.journal()), 3);

    faults.then(|_| Some(Fault::Before(PortErrorKind::Unavailable)));
    passes(&config(&world, 3), &world.faulty(&faults), &run(&world, 90), None).await.unwrap_err();
}
