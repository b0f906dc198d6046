//! One history: everybody acts at once and things go wrong; then nothing goes wrong any more, ticks come until all is
//! quiet, and what was promised must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::clock::{MINUTE, Micros};
use crate::lambda::{Input, Invocation};
use crate::oddities::Oddities;
use crate::scenario::Scenario;
use crate::scheduler::{Event, Executor, Queue, Sim, World};
use crate::states::States;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::warehouse::Warehouse;
use crate::{log, statements};

/// How many ticks must be enough, once nothing goes wrong any more.
const TICKS: u64 = 48;
/// How far apart they are. All of them together are shorter than a client token's life.
const TICK: Micros = 5 * MINUTE;

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
        warehouse: Warehouse::new(scenario.ledger),
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

/// Ticks until all is quiet.
fn drain(executor: &mut Executor<'_>) {
    {
        let world = &mut *executor.sim.world();
        world.calm = true;
        world.say("", || "--- from here on nothing goes wrong ---".to_owned());
        statements::hurry(world);
    }
    for number in 0..TICKS {
        let next = {
            let world = &mut *executor.sim.world();
            if world.truth.violation.is_some() || (world.quiet() && world.calls.is_empty() && world.tasks.is_empty()) {
                return;
            }
            let label = world.scenario.dice.about("drain").number(number).label();
            let lister = Invocation::new(label, format!("lister d{number}"), Input::Tick);
            world.after(0, Event::Begin(lister));
            world.now + TICK
        };
        executor.run_until(next);
    }
    let world = &mut *executor.sim.world();
    if !world.quiet() && world.truth.violation.is_none() {
        world.truth.violation = Some(format!("not quiet after {TICKS} ticks: {}", world.left()));
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
