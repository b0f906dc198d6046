//! The scheduler: one queue of events in virtual time, and the tasks that they wake.
//!
//! One thing happens at a time: a port's call takes effect, a reply arrives, a statement takes its next step, a producer
//! acts, a function begins or dies. What comes next is decided by the latencies that the dice give to each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::bucket::Bucket;
use crate::calls::{CallId, Calls};
use crate::clock::Micros;
use crate::lambda::{self, Invocation, Task, TaskId};
use crate::lasting::Lasting;
use crate::oddities::Oddities;
use crate::producers;
use crate::scenario::Scenario;
use crate::states::{self, States};
use crate::trace::Trace;
use crate::truth::Truth;
use crate::warehouse::Warehouse;
use crate::{log, statements};

/// Something that happens at a moment.
#[derive(Debug)]
pub enum Event {
    /// A call takes effect.
    Effect(CallId),
    /// A call's answer arrives.
    Reply(CallId),
    /// A function is invoked.
    Begin(Invocation),
    /// A function is killed, if it still runs.
    Kill(TaskId, &'static str),
    /// A statement takes its next step, unless it was moved since.
    Step(usize, u64),
    /// A producer acts.
    Produce(usize),
}

/// What will happen, in the order of time.
#[derive(Default)]
pub struct Queue {
    order: BinaryHeap<Reverse<(Micros, u64)>>,
    events: HashMap<u64, Event>,
    added: u64,
}

impl Queue {
    pub fn add(&mut self, at: Micros, event: Event) {
        self.added += 1;
        self.order.push(Reverse((at, self.added)));
        self.events.insert(self.added, event);
    }

    /// The next event that happens not later than `until`.
    fn next(&mut self, until: Micros) -> Option<(Micros, Event)> {
        let Reverse((at, _)) = self.order.peek()?;
        if *at > until {
            return None;
        }
        let Reverse((at, number)) = self.order.pop()?;
        Some((at, self.events.remove(&number)?))
    }
}

/// All that there is in a history, but the functions' own futures.
pub struct World {
    pub now: Micros,
    pub scenario: Arc<Scenario>,
    /// From now on nothing goes wrong any more.
    pub calm: bool,
    pub queue: Queue,
    pub calls: Calls,
    pub tasks: BTreeMap<TaskId, Task>,
    pub bucket: Bucket,
    pub warehouse: Warehouse,
    /// What never works, or not yet.
    pub lasting: Lasting,
    pub truth: Truth,
    pub odd: Oddities,
    pub trace: Trace,
    /// How many events there were.
    pub events: u64,
    /// Whether the bucket or the warehouse changed since somebody looked.
    pub changed: bool,
}

/// More events than any history needs that comes to rest: some hundreds are usual.
const MOST_EVENTS: u64 = 50_000;
/// The same where something lasts for days.
const MOST_LASTING_EVENTS: u64 = 200_000;

impl World {
    pub fn after(&mut self, delay: Micros, event: Event) {
        self.queue.add(self.now.saturating_add(delay), event);
    }

    /// Writes a line of the trace, where somebody wants to read it.
    pub fn say(&mut self, who: &str, what: impl FnOnce() -> String) {
        self.trace.line(self.now, who, what);
    }

    /// How far the task's clock is ahead.
    pub fn skew(&self, task: TaskId) -> i64 {
        self.tasks.get(&task).map_or(0, |task| task.skew)
    }
}

/// The world, shared by everything that runs in it.
#[derive(Clone)]
pub struct Sim(Arc<Mutex<World>>);

impl Sim {
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub type Function = Pin<Box<dyn Future<Output = bool>>>;

/// Runs the functions, one call at a time.
pub struct Executor<'s> {
    pub sim: Sim,
    states: Option<&'s States>,
    functions: HashMap<TaskId, Function>,
}

impl<'s> Executor<'s> {
    pub fn new(sim: Sim, states: Option<&'s States>) -> Self {
        Self { sim, states, functions: HashMap::new() }
    }

    /// Runs something as if it were a function, with a caller of its own.
    pub fn add(&mut self, task: TaskId, function: Function) {
        self.functions.insert(task, function);
        self.poll(task);
    }

    /// All that happens until `until`, or until something happened that must not.
    pub fn run_until(&mut self, until: Micros) {
        loop {
            let mut world = self.sim.world();
            if world.truth.violation.is_some() {
                return;
            }
            let Some((at, event)) = world.queue.next(until) else {
                world.now = world.now.max(until);
                return;
            };
            world.now = world.now.max(at);
            world.events += 1;
            let most = if world.scenario.class.lasts() { MOST_LASTING_EVENTS } else { MOST_EVENTS };
            if world.events > most {
                world.truth.violation = Some(format!("no rest after {most} events: {}", world.left()));
                return;
            }
            drop(world);
            self.happen(event);
            if let Some(states) = self.states {
                let mut world = self.sim.world();
                if std::mem::take(&mut world.changed) {
                    states.see(states::of(&world));
                }
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Effect(call) => crate::calls::take_effect(&mut self.sim.world(), call),
            Event::Reply(call) => {
                let woken = crate::calls::reply(&mut self.sim.world(), call);
                if let Some((task, waker)) = woken {
                    // Not under the lock: a waker may lead anywhere.
                    waker.wake();
                    self.poll(task);
                }
            }
            Event::Begin(invocation) => {
                let begun = lambda::begin(&self.sim, invocation);
                if let Some((task, function)) = begun {
                    self.add(task, function);
                }
            }
            Event::Kill(task, why) => {
                if let Some(function) = self.functions.remove(&task) {
                    lambda::died(&mut self.sim.world(), task, why);
                    // Its requests under way are dropped with it; some of them arrive all the same.
                    drop(function);
                    self.sim.world().tasks.remove(&task);
                }
            }
            Event::Step(statement, turn) => statements::step(&mut self.sim.world(), statement, turn),
            Event::Produce(act) => producers::act(&mut self.sim.world(), act),
        }
    }

    fn poll(&mut self, task: TaskId) {
        let Some(function) = self.functions.get_mut(&task) else {
            return;
        };
        let mut context = Context::from_waker(Waker::noop());
        let poll = function.as_mut().poll(&mut context);
        let mut world = self.sim.world();
        for said in log::said() {
            world.was_said(&said);
        }
        if let Poll::Ready(well) = poll {
            self.functions.remove(&task);
            lambda::ended(&mut world, task, well);
            world.tasks.remove(&task);
        }
    }
}
