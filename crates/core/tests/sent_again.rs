//! Sent again: the same bytes under the same name, whose `ETag` does not say so, and what must never be taken for them.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use sluice_core::destination::Ledger;
use sluice_core::object::File;
use sluice_core::ports::{Clock, PortErrorKind, Ports};
use sluice_core::report::Outcome;
use sluice_core::testing::world::{FaultyPorts, World, once};
use sluice_core::testing::{Fault, Faults};
use sluice_core::tick::tick;
use sluice_core::work::work;
use test_case::test_case;

/// A producer sends a file in so many parts.
fn send(world: &World, name: &str, parts: usize, body: &str) -> File {
    world.ports.objects.drop_in_parts(&format!("incoming/flights/{name}"), parts, body)
}

/// A world that has loaded `a`.
async fn loaded() -> (World, File) {
    let world = World::new(4, 4);
    let first = send(&world, "a", 2, "row");
    world.drain().await;
    (world, first)
}

#[tokio::test]
async fn it_is_taken_away_and_not_loaded() {
    let (world, _) = loaded().await;
    send(&world, "a", 3, "row");
    send(&world, "b", 3, "new");
    let reports = world.round().await;
    assert_eq!((reports[0].outcome, reports[0].files_loaded), (Outcome::Loaded, 1), "the others are loaded");
    send(&world, "a", 4, "row");
    assert_eq!(world.round().await[0].outcome, Outcome::AlreadyLoaded);
    assert_eq!(world.rows(), once(["row", "new"]));
    assert_eq!(world.keys("incoming/"), [""; 0]);
    assert_eq!(world.keys("processed/"), ["processed/flights/a", "processed/flights/b"]);
    assert_eq!(world.keys("sluice/claims/"), [""; 0]);
}

#[tokio::test]
async fn another_content_of_the_same_size_is_loaded() {
    let (world, _) = loaded().await;
    send(&world, "a", 3, "raw");
    world.drain().await;
    // Each of them again.
    for (parts, body) in [(4, "row"), (5, "raw")] {
        send(&world, "a", parts, body);
        world.drain().await;
    }
    assert_eq!(world.rows(), once(["row", "raw"]));
}

/// The ledger decides, and not what lies about in the archive.
#[tokio::test]
async fn what_was_taken_out_of_the_ledger_is_loaded() {
    let (world, first) = loaded().await;
    let now = world.ports.clock.now();
    world.ports.destination.forget(world.feed(), &[first.id()], now).await.unwrap();
    send(&world, "a", 3, "row");
    world.drain().await;
    assert_eq!(world.rows().get("row"), Some(&2), "forgotten to be loaded again");
}

/// In doubt it is loaded: twice, and never not at all.
#[test_case("head"; "the copy cannot be looked for")]
#[test_case("get"; "the copy cannot be read")]
#[tokio::test]
async fn what_cannot_be_compared_is_loaded(method: &'static str) {
    let (world, _) = loaded().await;
    send(&world, "a", 3, "row");
    let faults = Faults::new(move |call| {
        let fails = call.subject == "processed/flights/a" && call.method == method;
        fails.then_some(Fault::Before(PortErrorKind::Denied))
    });
    let ports = world.faulty(&faults);
    round(&world, &ports).await;
    assert_eq!(world.rows().get("row"), Some(&2));
    assert_eq!((world.keys("incoming/").len(), world.keys("processed/").len()), (0, 2));
}

/// It cannot be deleted: that is tried again, and it is not loaded meanwhile.
#[tokio::test]
async fn one_that_cannot_be_taken_away_waits() {
    let (world, _) = loaded().await;
    send(&world, "a", 3, "row");
    let denied = Faults::new(|call| (call.method == "delete_many").then_some(Fault::Before(PortErrorKind::Denied)));
    let ports = world.faulty(&denied);
    for _ in 0..3 {
        round(&world, &ports).await;
        world.ports.clock.advance(Duration::from_mins(20));
    }
    assert_eq!((world.rows(), world.keys("incoming/").len()), (once(["row"]), 1));
    world.drain().await;
    assert_eq!((world.rows(), world.keys("processed/").len()), (once(["row"]), 1));
}

async fn round(world: &World, ports: &FaultyPorts) {
    tick(&world.config, ports, &world.run(), None).await.unwrap();
    for claim in ports.workers().take() {
        work(&world.config, ports, &world.run(), &claim).await.unwrap();
    }
}
