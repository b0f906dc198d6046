//! A deterministic simulation of the whole protocol: listers, loaders, workers and producers as interleaved tasks under a
//! seeded scheduler and a virtual clock, on an S3 and a Redshift whose every call can be late, fail, lose its reply, or be
//! where its caller dies.
//!
//! The code that runs is the code that is deployed, down to the SQL: only S3, the Data API and Lambda are modelled.
//!
//! | file | what it owns |
//! |---|---|
//! | `history` | one history, from its seed to its verdict |
//! | `scenario`, `dice` | who acts when, and every other choice |
//! | `scheduler`, `clock` | the queue of events, and time |
//! | `calls`, `faults`, `oddities` | one call of a port, and what goes wrong with it |
//! | `lambda`, `producers` | who acts |
//! | `lasting` | what never works, or not for days |
//! | `bucket`, `statements`, `warehouse` | what they act upon |
//! | `truth`, `log` | what must hold |
//! | `trace`, `shrink` | a failure as a reader wants it |
//! | `many`, `states` | many histories at once |
//!
//! | variable | what it does |
//! |---|---|
//! | `SLUICE_SIMULATION_SEED` | runs this history only, and tells it |
//! | `SLUICE_SIMULATION_FROM` | the first seed |
//! | `SLUICE_SIMULATION_HISTORIES` | how many histories |
//! | `SLUICE_SIMULATION_MINUTES` | for how long `soak` runs |
//! | `SLUICE_SIMULATION_CLASS` | histories of this class only: `usual`, `copy`, `down`, … |
//! | `SLUICE_SIMULATION_ALL` | goes on after a broken promise, and tells each |

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod bucket;
mod calls;
mod clock;
mod dice;
mod faults;
mod history;
mod lambda;
mod lasting;
mod log;
mod many;
mod oddities;
mod producers;
mod scenario;
mod scheduler;
mod shrink;
mod statements;
mod states;
mod trace;
mod truth;
mod warehouse;

use std::sync::{Arc, Mutex};

use calls::Caller;
use clock::HOUR;
use history::Detail;
use many::{Limits, Totals};
use scheduler::{Executor, Sim};
use sluice_core::testing::{contract, prefix};

/// How many histories every run of the tests goes through.
const HISTORIES: u64 = 20_000;

#[test]
fn every_history_keeps_every_promise() {
    if let Some(seed) = variable("SLUICE_SIMULATION_SEED") {
        return tell(seed);
    }
    let histories = variable("SLUICE_SIMULATION_HISTORIES").unwrap_or(HISTORIES);
    judge(&many::run(&Limits { from: from(), histories, until: None, soak: false, class: class(), all: all() }));
}

#[test]
#[ignore = "runs until stopped, or for SLUICE_SIMULATION_MINUTES or SLUICE_SIMULATION_HISTORIES"]
fn soak() {
    let until = variable("SLUICE_SIMULATION_MINUTES").map(many::in_minutes);
    let histories = variable("SLUICE_SIMULATION_HISTORIES").unwrap_or(u64::MAX / 4);
    let totals = many::run(&Limits { from: from(), histories, until, soak: true, class: class(), all: all() });
    println!("{}", many::crash_points(&totals));
    judge(&totals);
}

#[test]
fn a_seed_is_one_history() {
    for seed in 0..50 {
        let told = || history::run(seed, Detail::Trace(Arc::default())).trace;
        let differs = told().into_iter().zip(told()).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
    }
}

#[test]
fn the_bucket_keeps_the_contract_of_every_bucket() {
    let sim = Sim::new(history::calm_world());
    let caller = Caller { sim: sim.clone(), task: 0 };
    let report = Arc::new(Mutex::new(None));
    let done = Arc::clone(&report);
    let suite = async move {
        *done.lock().unwrap() = Some(contract::objects(&caller, &prefix("contract/")).await);
        true
    };
    let mut executor = Executor::new(sim, None);
    executor.add(0, Box::pin(suite));
    executor.run_until(HOUR);
    let report = report.lock().unwrap().take().unwrap();
    assert_eq!(report.failures(), []);
}

#[test]
fn histories_are_not_all_alike() {
    let totals = many::run(&Limits { from: 0, histories: 2000, until: None, soak: true, class: None, all: false });
    assert!(totals.states.unwrap() > 20_000, "{totals}");
    for function in ["lister", "loader", "worker"] {
        let points = totals.deaths.keys().filter(|(of, ..)| *of == function).count();
        assert!(points >= 15, "{function} dies at {points} points only");
    }
}

fn judge(totals: &Totals) {
    println!("{totals}");
    if let Some(seed) = totals.failed {
        panic!("{}", shrink::told(seed, &shrink::shrink(seed)));
    }
}

/// Tells the history of one seed: shrunk, if it breaks a promise.
fn tell(seed: u64) {
    let failed = history::run(seed, Detail::Result).violation.is_some();
    assert!(!failed, "{}", shrink::told(seed, &shrink::shrink(seed)));
    println!("{}", shrink::told(seed, &history::run(seed, Detail::Trace(Arc::default()))));
}

fn from() -> u64 {
    variable("SLUICE_SIMULATION_FROM").unwrap_or_default()
}

fn class() -> Option<String> {
    std::env::var("SLUICE_SIMULATION_CLASS").ok()
}

fn all() -> bool {
    std::env::var_os("SLUICE_SIMULATION_ALL").is_some()
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a whole number")))
}
