//! Many histories: one seed after another, on all cores, until so many are done, until time is up, or until one breaks a
//! promise.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::history::{self, Detail};
use crate::scenario::{Class, Scenario};
use crate::states::States;

/// What many histories came to.
#[derive(Default)]
pub struct Totals {
    pub histories: u64,
    /// Histories with a file of which nothing was promised, by reason.
    pub excused: BTreeMap<&'static str, u64>,
    /// Where functions died: function, port's call, before or after its effect.
    pub deaths: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// Different states of bucket, claims and warehouse, where they were counted.
    pub states: Option<u64>,
    /// The lowest seed that broke a promise.
    pub failed: Option<u64>,
}

/// How far to go.
pub struct Limits {
    pub from: u64,
    pub histories: u64,
    pub until: Option<Instant>,
    /// Whether states are counted, which takes time, and how it goes is told every minute.
    pub soak: bool,
    /// Histories of this class only, by its name.
    pub class: Option<String>,
    /// Whether it goes on after a broken promise, and tells each.
    pub all: bool,
}

/// Runs histories on all cores.
pub fn run(limits: &Limits) -> Totals {
    let (next, done) = (AtomicU64::new(limits.from), AtomicU64::new(0));
    let states = limits.soak.then(States::default);
    let totals = Mutex::new(Totals::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let own = worker(limits, &next, &done, states.as_ref());
                totals.lock().unwrap_or_else(PoisonError::into_inner).add(own);
            });
        }
    });
    let mut totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    totals.states = states.map(|states| states.count());
    totals
}

fn worker(limits: &Limits, next: &AtomicU64, done: &AtomicU64, states: Option<&States>) -> Totals {
    let mut totals = Totals::default();
    let begun = Instant::now();
    let mut told = 0;
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= limits.from.saturating_add(limits.histories) || limits.until.is_some_and(|end| Instant::now() >= end)
        {
            return totals;
        }
        if limits.class.as_ref().is_some_and(|class| *class != Class::of(Dice::new(seed)).name()) {
            continue;
        }
        let outcome = history::run_counted(seed, Detail::Result, states);
        totals.histories += 1;
        for reason in outcome.excused.into_values() {
            *totals.excused.entry(reason).or_default() += 1;
        }
        for (point, times) in outcome.deaths {
            *totals.deaths.entry(point).or_default() += times;
        }
        if let Some(broken) = outcome.violation {
            totals.failed = [totals.failed, Some(seed)].into_iter().flatten().min();
            if limits.all {
                println!("{}", seen(seed, &broken));
                continue;
            }
            // Nobody needs to begin another one.
            next.store(u64::MAX / 2, Ordering::Relaxed);
        }
        let all = done.fetch_add(1, Ordering::Relaxed) + 1;
        let minutes = begun.elapsed().as_secs() / 60;
        if limits.soak && minutes > told {
            told = minutes;
            println!("{minutes} minutes: {all} histories, {} states", states.map_or(0, States::count));
        }
    }
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.histories += other.histories;
        for (reason, times) in other.excused {
            *self.excused.entry(reason).or_default() += times;
        }
        for (point, times) in other.deaths {
            *self.deaths.entry(point).or_default() += times;
        }
        self.failed = [self.failed, other.failed].into_iter().flatten().min();
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deaths: u64 = self.deaths.values().sum();
        write!(f, "{} histories, {deaths} deaths at {} crash points", self.histories, self.deaths.len())?;
        if let Some(states) = self.states {
            write!(f, ", about {states} distinct states")?;
        }
        for (reason, times) in &self.excused {
            write!(f, "\nnothing promised of {times} files: {reason}")?;
        }
        Ok(())
    }
}

/// The crash points, one line for each function and call.
pub fn crash_points(totals: &Totals) -> String {
    let mut lines: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for ((function, method, moment), times) in &totals.deaths {
        let line = lines.entry((function, method)).or_insert_with(|| format!("{function:<7} {method:<9}"));
        line.extend([" ", moment, " ", &times.to_string()]);
    }
    lines.into_values().collect::<Vec<_>>().join("\n")
}

/// What a seed is about, and the promise that it breaks.
fn seen(seed: u64, broken: &str) -> String {
    let scenario = Scenario::new(seed);
    let troubles: Vec<String> = scenario.troubles.iter().map(|trouble| format!("{:?}", trouble.what)).collect();
    let broken: String = broken.chars().take(160).collect();
    format!("seed {seed} {} {}: {broken}", scenario.class.name(), troubles.join(" "))
}

/// So many minutes from now.
pub fn in_minutes(minutes: u64) -> Instant {
    Instant::now() + Duration::from_secs(60 * minutes)
}
