//! A warehouse that is down for a day: what it costs, and how soon all is loaded once it is back.

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::time::Duration;

use sluice_core::destination::{FailureKind, Refusal};
use sluice_core::measure::Metric;
use sluice_core::ports::{Clock, PortErrorKind, Ports};
use sluice_core::retry::retry;
use sluice_core::testing::world::{World, config, once};
use sluice_core::testing::{Fault, Faults, Script, key};
use sluice_core::tick::tick;
use sluice_core::work::work;
use test_case::test_case;

/// The most transactions that a feed of four slots begins in a day in vain.
const TRANSACTIONS: usize = 150;
/// The most requests that each of its ticks makes on average, the workers' among them.
const REQUESTS_A_TICK: usize = 12;
const FILES: usize = 40;
const DAY: usize = 24 * 60;

#[tokio::test]
async fn a_day_without_a_warehouse_costs_little_and_all_is_loaded_two_ticks_after_it() {
    let world = World::new(FILES, FILES / 4);
    let faults = Faults::none();
    let ports = world.faulty(&faults);
    for number in 0..FILES {
        world.drop_file(&format!("{number:02}"), &number.to_string());
        world.ports.destination.curse(&key(&format!("incoming/flights/{number:02}")));
    }
    let minute = async || {
        tick(&world.config, &ports, &world.run(), None).await.unwrap();
        for claim in ports.workers().take() {
            work(&world.config, &ports, &world.run(), &claim).await.unwrap();
        }
        world.ports.clock.advance(Duration::from_mins(1));
    };
    for _ in 0..DAY {
        minute().await;
    }
    let (transactions, requests) = (world.ports.destination.started(), faults.journal().len());
    println!("a day: {transactions} transactions, {requests} requests");
    assert!(transactions <= TRANSACTIONS, "{transactions} transactions");
    assert!(requests <= REQUESTS_A_TICK * DAY, "{requests} requests");
    assert_eq!(ports.metrics.last("flights", Metric::FeedDown), Some(1.0));
    assert!(world.keys("sluice/claims/flights/resting/").is_empty(), "nothing rests");

    for number in 0..FILES {
        world.ports.destination.accept(&key(&format!("incoming/flights/{number:02}")));
    }
    // By itself within a quarter of an hour; at once where somebody asks for it.
    let retried = retry(&world.config, &world.ports.objects, world.feed(), world.ports.clock.now()).await.unwrap();
    assert_eq!(retried.claims, 4);
    minute().await;
    minute().await;
    assert_eq!(world.rows().len(), FILES);
    assert!(world.keys("sluice/claims/").is_empty());
    minute().await;
    assert_eq!(ports.metrics.last("flights", Metric::FeedDown), Some(0.0));
}

/// What is mended and comes back all the same, such as a ledger that is made where nobody looks, is paced as well.
#[test_case(FailureKind::LedgerMissing; "a ledger that is missing again")]
#[test_case(FailureKind::AlreadyLoaded; "a guard that sees what the ledger has not")]
#[tokio::test]
async fn what_comes_back_after_it_was_mended_is_paced(kind: FailureKind) {
    let world = World::new(4, 4);
    for name in ["a", "b"] {
        world.drop_file(name, name);
    }
    for _ in 0..200 {
        world.ports.destination.next(Script::fails(kind));
    }
    for _ in 0..60 {
        world.round().await;
        world.ports.clock.advance(Duration::from_mins(1));
    }
    let started = world.ports.destination.started();
    assert!((4..=60).contains(&started), "{started} transactions in an hour");
    assert_eq!(world.keys("incoming/").len(), 2);
    world.ports.destination.clear_scripts();
    world.ports.clock.advance(Duration::from_hours(1));
    world.drain().await;
    assert_eq!(world.rows(), once(["a", "b"]));
}

/// X was lowered to what fails alone: one file is tried in the place of one of those all the same.
#[tokio::test]
async fn a_lower_x_leaves_room_for_the_file_that_shows_that_the_feed_works() {
    let mut world = World::with("max_files = 2\nfiles_per_load = 1");
    for name in ["a", "b"] {
        world.drop_file(name, name);
        world.ports.destination.curse(&key(&format!("incoming/flights/{name}")));
    }
    let hour = async |world: &World| {
        for _ in 0..60 {
            world.round().await;
            world.ports.clock.advance(Duration::from_mins(1));
        }
    };
    hour(&world).await;
    assert!(world.rows().is_empty() && world.keys("sluice/claims/flights/resting/").is_empty());
    world.config = config("max_files = 1\nfiles_per_load = 1");
    world.drop_file("c", "c");
    hour(&world).await;
    assert_eq!(world.rows(), once(["c"]));
    assert_eq!(world.keys("sluice/claims/flights/resting/").len(), 2);
}

/// The feed worked after the claim had failed first, and before the file failed that it is left with: that is no word about
/// this file, and others must be tried in its only slot.
#[test_case(true; "noted before the file could not be moved")]
#[test_case(false; "noted after that")]
#[tokio::test]
async fn a_success_between_two_failures_of_a_claim_is_none_after_the_last(noted_before: bool) {
    let world = World::with("max_files = 1\nfiles_per_load = 1");
    let bad = world.drop_file("a", "a");
    world.ports.destination.refuse(&bad.key, Refusal::default());
    let (objects, mut starts) = (world.ports.objects.clone(), 0);
    let faults = Faults::new(move |call| {
        starts += usize::from(call.method == "start");
        if call.method == "start" && starts == 1 {
            return Some(Fault::Before(PortErrorKind::Denied));
        }
        (call.method == "copy" && call.subject == "incoming/flights/a").then_some(Fault::Before(PortErrorKind::Denied))
    });
    let ports = world.faulty(&faults);
    let minute = async || {
        tick(&world.config, &ports, &world.run(), None).await.unwrap();
        for claim in ports.workers().take() {
            work(&world.config, &ports, &world.run(), &claim).await.unwrap();
        }
        world.ports.clock.advance(Duration::from_mins(1));
    };
    minute().await;
    let between = world.ports.clock.now();
    // Committed before the file could not be moved. It may be noted after that: its archive took a while.
    let success = format!(r#"{{"succeeded_at": "{between}", "batch": "{}"}}"#, "0".repeat(32));
    if noted_before {
        world.ports.clock.advance(Duration::from_secs(1));
        objects.drop_file("sluice/state/flights/success.json", success.clone());
    }
    minute().await;
    objects.drop_file("sluice/state/flights/success.json", success);
    for _ in 0..10 {
        minute().await;
    }
    assert!(world.keys("sluice/claims/flights/resting/").is_empty(), "nobody knows");
    world.drop_file("b", "b");
    for _ in 0..60 {
        minute().await;
    }
    assert_eq!(world.rows(), once(["b"]));
    assert_eq!(world.keys("sluice/claims/flights/resting/").len(), 1);
}
