//! One history: everybody acts at once and things go wrong; then nothing goes wrong any more, ticks come until all is
//! quiet, and what was promised must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bucket::{Bucket, INCOMING};
use crate::clock::{MINUTE, Micros};
use crate::lambda::{Input, Invocation};
use crate::lasting::Lasting;
use crate::oddities::Oddities;
use crate::scenario::Scenario;
use crate::scenario::settings::{FEEDS, Setting};
use crate::scheduler::{Event, Executor, Queue, Sim, World};
use crate::states::States;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::warehouse::Warehouse;
use crate::{log, producers, statements};

/// How far apart the last ticks are.
const TICK: Micros = 5 * MINUTE;
/// How many of them must be enough once what never worked does.
const HEALED: u64 = 96;

/// What somebody else's objects hold.
pub const OTHER: &str = "somebody else's\n";

/// How a history went.
pub struct Outcome {
    /// Which promise was broken, if any.
    pub violation: Option<String>,
    /// Of how many files nothing was promised, and why.
    pub excused: BTreeMap<String, &'static str>,
    pub deaths: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    pub oddities: Vec<(u64, String)>,
    pub trace: Vec<String>,
}

/// How much is written down.
pub enum Detail {
    /// Whether it went well.
    Result,
    /// What odd happened, without these.
    Oddities(Arc<BTreeSet<u64>>),
    /// Everything, without these.
    Trace(Arc<BTreeSet<u64>>),
}

/// Runs the history of a seed.
pub fn run(seed: u64, detail: Detail) -> Outcome {
    run_counted(seed, detail, None)
}

/// Runs the history of a seed, and notes the states that it goes through.
pub fn run_counted(seed: u64, detail: Detail, states: Option<&States>) -> Outcome {
    log::Listener::install();
    drop(log::said());
    let (odd, trace) = match detail {
        Detail::Result => (Oddities::default(), Trace::default()),
        Detail::Oddities(without) => (Oddities::without(without), Trace::default()),
        Detail::Trace(without) => (Oddities::without(without), Trace::kept()),
    };
    let mut executor = Executor::new(Sim::new(world(seed, odd, trace)), states);
    let end = executor.sim.world().scenario.end;
    executor.run_until(end);
    drain(&mut executor);
    finish(&executor)
}

/// A world in which nothing goes wrong, nothing happens by itself, and nobody has promised anything.
pub fn calm_world() -> World {
    let mut world = empty(Arc::new(Scenario::new(0)), Oddities::default(), Trace::default());
    world.calm = true;
    world.truth.asleep = true;
    world
}

fn empty(scenario: Arc<Scenario>, odd: Oddities, trace: Trace) -> World {
    World {
        now: 0,
        calm: false,
        queue: Queue::default(),
        calls: crate::calls::Calls::default(),
        tasks: BTreeMap::new(),
        bucket: Bucket::new(scenario.page, scenario.hashes),
        warehouse: Warehouse::new(scenario.ledger, scenario.feeds.len()),
        lasting: Lasting::default(),
        truth: Truth::default(),
        odd,
        trace,
        events: 0,
        changed: false,
        scenario,
    }
}

fn world(seed: u64, odd: Oddities, trace: Trace) -> World {
    let scenario = Arc::new(Scenario::new(seed));
    let mut world = empty(Arc::clone(&scenario), odd, trace);
    for key in &scenario.occupied {
        world.bucket.write(key, OTHER.as_bytes().into(), 0);
        world.truth.archived.insert((*key).to_owned());
    }
    for (number, trouble) in scenario.troubles.iter().enumerate() {
        let label = scenario.dice.about("trouble").number(number as u64).label();
        if world.odd.happens(label, || format!("{trouble:?}")) {
            world.lasting.troubles.push(trouble.clone());
        }
    }
    for (number, (at, _)) in scenario.acts.iter().enumerate() {
        world.queue.add(*at, Event::Produce(number));
    }
    for (number, at) in scenario.ticks.iter().enumerate() {
        let label = scenario.dice.about("tick").number(number as u64).label();
        if world.odd.happens(label, || format!("lister {number}")) {
            world.queue.add(*at, Event::Begin(Invocation::new(label, format!("lister {number}"), Input::Tick)));
        }
    }
    world
}

/// Ticks until all is quiet, or until nothing is left to do but what never works. Then there is a new file for each feed,
/// which must be loaded all the same; and then, in some histories, everything works.
fn drain(executor: &mut Executor<'_>) {
    let (lasts, heals, ticks) = {
        let world = &mut *executor.sim.world();
        world.calm = true;
        world.say("", || "--- from here on nothing goes wrong but what never works ---".to_owned());
        statements::hurry(world);
        (world.scenario.class.lasts(), world.scenario.heals, world.scenario.ticks() + world.waiting_ticks())
    };
    let mut number = 0;
    if !lasts {
        tick_until(executor, &mut number, ticks, World::at_rest);
        if producers::send_again(&mut executor.sim.world()) {
            tick_until(executor, &mut number, ticks, World::at_rest);
        }
        return;
    }
    tick_until(executor, &mut number, ticks, World::settled);
    producers::one_more(&mut executor.sim.world());
    tick_until(executor, &mut number, ticks, World::settled);
    if heals {
        let world = &mut *executor.sim.world();
        world.say("", || "--- from here on everything works ---".to_owned());
        world.lasting.troubles.clear();
        statements::hurry(world);
    }
    if heals {
        tick_until(executor, &mut number, HEALED, World::at_rest);
    }
}

impl World {
    /// How many ticks it takes to load what waits, where each loads as many files as may be in flight.
    fn waiting_ticks(&self) -> u64 {
        let ticks = |setting: &Setting| {
            let waiting = self.bucket.under(&format!("{INCOMING}{}/", FEEDS[setting.feed])).count();
            waiting.div_ceil(setting.capacity())
        };
        self.scenario.feeds.iter().map(ticks).max().unwrap_or_default() as u64
    }

    /// Whether nothing happens any more, and nothing is left to do.
    fn at_rest(&self) -> bool {
        self.quiet() && self.calls.is_empty() && self.tasks.is_empty()
    }
}

/// Ticks until all is as it must be, which it must be within so many ticks.
fn tick_until(executor: &mut Executor<'_>, number: &mut u64, within: u64, so: impl Fn(&World) -> bool) {
    let mut left = within;
    while left > 0 {
        let next = {
            let world = &mut *executor.sim.world();
            let more = producers::go_on(world, *number);
            left = if more { within } else { left - 1 };
            if world.truth.violation.is_some() || (!more && so(world)) {
                return;
            }
            if let Some(file) = world.overdue(within * TICK) {
                world.truth.violation = Some(format!("{file} was not loaded within {within} ticks: {}", world.left()));
                return;
            }
            let label = world.scenario.dice.about("drain").number(*number).label();
            let lister = Invocation::new(label, format!("lister d{number}"), Input::Tick);
            world.after(0, Event::Begin(lister));
            world.now + TICK
        };
        *number += 1;
        executor.run_until(next);
    }
    let world = &mut *executor.sim.world();
    if !so(world) && world.truth.violation.is_none() {
        let what = world.unsettled().unwrap_or_else(|| "it is not quiet".to_owned());
        world.truth.violation = Some(format!("{what} after {within} ticks: {}", world.left()));
    }
}

fn finish(executor: &Executor<'_>) -> Outcome {
    let mut world = executor.sim.world();
    if world.truth.violation.is_none() {
        world.check_all();
    }
    let odd = std::mem::take(&mut world.odd);
    Outcome {
        violation: world.truth.violation.take(),
        excused: std::mem::take(&mut world.truth.excused),
        deaths: odd.deaths.clone(),
        oddities: odd.happened(),
        trace: std::mem::take(&mut world.trace).lines(),
    }
}
