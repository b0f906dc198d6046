//! The whole protocol under a seeded scheduler and a virtual clock.

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
mod log;
mod oddities;
mod producers;
mod scenario;
mod scheduler;
mod shrink;
mod statements;
mod trace;
mod truth;
mod warehouse;

#[test]
fn histories() {
    let from: u64 = std::env::var("SLUICE_SIMULATION_SEED").map_or(0, |seed| seed.parse().unwrap());
    let count: u64 = std::env::var("SLUICE_SIMULATION_HISTORIES").map_or(100, |n| n.parse().unwrap());
    let mut excused = 0;
    for seed in from..from + count {
        let outcome = history::run(seed, history::Detail::Result);
        excused += u64::from(!outcome.excused.is_empty());
        if outcome.violation.is_some() {
            panic!("{}", shrink::told(seed, &shrink::shrink(seed)));
        }
    }
    println!("{count} histories, {excused} with an excused file");
}
