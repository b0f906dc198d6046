//! Death at every call: each function is killed at each of its calls, once before the call takes effect and once after,
//! and then others go on. Nothing may be lost, loaded twice, or left.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use sluice_core::arrive::arrive;
use sluice_core::destination::Refusal;
use sluice_core::testing::world::{FaultyPorts, World, once};
use sluice_core::testing::{Faults, key};
use sluice_core::tick::tick;
use sluice_core::work::work;

/// What dies.
#[derive(Clone, Copy, Debug)]
enum Function {
    Lister,
    InlineLister,
    Loader,
    Worker,
}

/// Three files, one of them bad, one of them replaced by a producer as soon as it was planned.
fn world(function: Function, at_once: bool) -> World {
    let mut world = match function {
        Function::Loader => World::with("max_files = 6\nfiles_per_load = 3\ntrigger = \"event\""),
        Function::InlineLister => World::with("max_files = 6\nfiles_per_load = 3\nfan_out = false"),
        Function::Lister | Function::Worker => World::new(6, 3),
    };
    if at_once {
        world = world.at_once();
    }
    for name in ["a", "b", "bad"] {
        world.drop_file(name, name);
    }
    world.ports.destination.refuse(&key("incoming/flights/bad"), Refusal::default());
    world
}

async fn invoke(world: &World, function: Function, ports: &FaultyPorts) {
    let run = world.run();
    match function {
        Function::Lister | Function::InlineLister => drop(tick(&world.config, ports, &run, None).await),
        Function::Loader => {
            let arrivals = ["a", "b", "bad"].map(sluice_core::testing::world::arrival);
            drop(arrive(&world.config, ports, &run, &arrivals).await);
        }
        Function::Worker => drop(work(&world.config, ports, &run, &key("sluice/claims/flights/0.json")).await),
    }
}

fn check(world: &World, story: &str) {
    assert_eq!(world.rows(), once(["a", "b"]), "{story}");
    assert_eq!(world.keys("processed/"), ["processed/flights/a", "processed/flights/b"], "{story}");
    assert_eq!(world.keys("failed/"), ["failed/flights/bad", "failed/flights/bad.error.json"], "{story}");
    assert!(world.keys("incoming/").is_empty(), "{story}");
    assert!(world.keys("sluice/claims/").is_empty(), "{story}");
}

#[tokio::test]
async fn every_crash_point_of_every_function_is_survived() {
    survived(false).await;
}

/// The claim never bears such a transaction before it has ended: the ledger alone tells whoever comes after a death.
#[tokio::test]
async fn every_crash_point_is_survived_where_a_load_ends_in_the_call_that_starts_it() {
    survived(true).await;
}

async fn survived(at_once: bool) {
    for function in [Function::Lister, Function::InlineLister, Function::Loader, Function::Worker] {
        let mut points = 0;
        for takes_effect in [false, true] {
            for number in 0.. {
                let world = world(function, at_once);
                if matches!(function, Function::Worker) {
                    world.tick().await;
                }
                let faults = Faults::crash(number, takes_effect);
                invoke(&world, function, &world.faulty(&faults)).await;
                if faults.journal().len() <= number {
                    break;
                }
                points += 1;
                let died_at = faults.journal()[number].clone();
                world.ports.clock.advance(Duration::from_secs(400));
                world.drain().await;
                check(&world, &format!("{function:?} died at {died_at:?}, after its effect: {takes_effect}"));
            }
        }
        println!("{function:?}: {points} crash points survived");
        assert!(points >= 6, "{function:?} made only {points} calls");
    }
}
