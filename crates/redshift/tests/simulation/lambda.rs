//! Lambda: invocations begin, are killed at their deadline, and are retried, delayed and doubled where they are
//! asynchronous.

use std::sync::Arc;

use jiff::SignedDuration;
use sluice_core::arrive::arrive;
use sluice_core::config::Config;
use sluice_core::event::Arrival;
use sluice_core::measure::Datum;
use sluice_core::object::Key;
use sluice_core::passes::passes;
use sluice_core::ports::{Metrics, PortError, Ports, Workers};
use sluice_core::run::Run;
use sluice_core::work::work;
use sluice_redshift::RedshiftDestination;

use crate::calls::Caller;
use crate::clock::{MILLISECOND, MINUTE, Micros, SECOND, stamp};
use crate::dice::Dice;
use crate::scheduler::{Event, Function, Sim, World};

/// A running function.
pub type TaskId = u64;

/// What a function is invoked with.
#[derive(Clone, Debug)]
pub enum Input {
    Tick,
    Arrive(Vec<Arrival>),
    Work(Key),
}

impl Input {
    pub fn function(&self) -> &'static str {
        match self {
            Self::Tick => "lister",
            Self::Arrive(_) => "loader",
            Self::Work(_) => "worker",
        }
    }

    fn index(&self) -> usize {
        match self {
            Self::Tick => 0,
            Self::Arrive(_) => 1,
            Self::Work(_) => 2,
        }
    }
}

/// An invocation that is to begin.
#[derive(Clone, Debug)]
pub struct Invocation {
    label: u64,
    name: String,
    /// The request id: the same for retries and doubles.
    owner: String,
    input: Input,
    retries: u64,
}

impl Invocation {
    pub fn new(label: u64, name: String, input: Input) -> Self {
        Self { label, owner: name.clone(), name, input, retries: 0 }
    }
}

/// A function that runs.
pub struct Task {
    pub name: String,
    pub owner: String,
    pub input: Input,
    /// How far its clock is ahead, in microseconds.
    pub skew: i64,
    pub dice: Dice,
    /// How many calls it made.
    pub calls: u64,
    /// Which configuration it knows.
    pub config: usize,
    dispatched: u64,
    invocation: Invocation,
}

/// The most that a function's clock differs from the true time; two differ by twice as much at most.
const SKEW: u64 = 2_400_000;

/// Begins the invocation.
pub fn begin(sim: &Sim, invocation: Invocation) -> Option<(TaskId, Function)> {
    let mut world = sim.world();
    let scenario = world.scenario.clone();
    let dice = scenario.dice.number(invocation.label);
    let id = dice.label();
    if world.tasks.contains_key(&id) {
        return None;
    }
    let skew = i64::try_from(dice.about("skew").below(2 * SKEW)).unwrap_or_default() - SKEW.cast_signed();
    let timeout = scenario.timeouts[invocation.input.index()];
    let started = stamp(world.now, skew);
    let run = Run {
        owner: invocation.owner.clone(),
        started,
        deadline: started + SignedDuration::from_micros(timeout.cast_signed()),
    };
    let (name, owner, input) = (invocation.name.clone(), invocation.owner.clone(), invocation.input.clone());
    world.trace.named(id, &name);
    world.say(&name, || format!("begins   {input:?}, its clock {} ms ahead", skew / 1000));
    let (number, config) = scenario.config(world.now);
    let task =
        Task { name, owner, input: input.clone(), skew, dice, calls: 0, config: number, dispatched: 0, invocation };
    world.tasks.insert(id, task);
    let now = world.now;
    world.truth.began(id, number, now);
    world.after(timeout, Event::Kill(id, "is killed at its deadline"));
    let caller = Caller { sim: sim.clone(), task: id };
    Some((id, Box::pin(function(caller, input, run, Arc::clone(config)))))
}

/// What runs; answers whether it ended well.
async fn function(caller: Caller, input: Input, run: Run, config: Arc<Config>) -> bool {
    let destination = RedshiftDestination::new(config.bucket.clone(), caller.clone(), caller.clone());
    let ports = FunctionPorts { caller, destination };
    match input {
        Input::Tick => passes(&config, &ports, &run, None).await.is_ok(),
        Input::Arrive(arrivals) => arrive(&config, &ports, &run, &arrivals).await.is_ok(),
        Input::Work(claim) => work(&config, &ports, &run, &claim).await.is_ok(),
    }
}

/// The function was killed or died.
pub fn died(world: &mut World, task: TaskId, why: &str) {
    world.truth.ended(task, world.now);
    let name = world.trace.name(task);
    world.say(&name, || why.to_owned());
    retry(world, task);
}

/// The function has ended.
pub fn ended(world: &mut World, task: TaskId, well: bool) {
    world.truth.ended(task, world.now);
    let name = world.trace.name(task);
    world.say(&name, || if well { "ends".to_owned() } else { "ends with an error".to_owned() });
    if !well {
        retry(world, task);
    }
}

/// Asynchronous invocations are retried after a minute, and after two more.
fn retry(world: &mut World, task: TaskId) {
    let Some(task) = world.tasks.get(&task) else { return };
    let mut invocation = task.invocation.clone();
    if matches!(invocation.input, Input::Tick) || invocation.retries >= 2 {
        return;
    }
    invocation.retries += 1;
    invocation.label = Dice::new(invocation.label).about("retry").label();
    invocation.name = format!("{}'", invocation.name);
    let delay = MINUTE * invocation.retries;
    if world.odd.happens(invocation.label, || format!("retry of {}", invocation.owner)) {
        world.after(delay, Event::Begin(invocation));
    }
}

impl Workers for Caller {
    async fn dispatch(&self, claim: &Key) -> Result<(), PortError> {
        let (caller, claim) = (self.task, claim.clone());
        self.call("dispatch", claim.to_string(), move |world| {
            send(world, caller, &claim);
            Ok(())
        })
        .await
    }
}

/// Puts an asynchronous invocation of the worker into Lambda's queue: usually it begins once and soon.
fn send(world: &mut World, by: TaskId, claim: &Key) {
    let calm = world.calm;
    let Some(sender) = world.tasks.get_mut(&by) else { return };
    let mut dice = sender.dice.about("dispatch").number(sender.dispatched);
    sender.dispatched += 1;
    let owner = format!("{}.{}", sender.name.replace("lister", "worker"), sender.dispatched);
    let (copies, lost) = (1 + u64::from(dice.one_in(10)), dice.one_in(20));
    if !calm && lost && world.odd.happens(dice.label(), || format!("invocation {owner} is lost")) {
        return;
    }
    for copy in 0..copies {
        let label = dice.number(copy).label();
        if copy > 0 && (calm || !world.odd.happens(label, || format!("invocation {owner} comes twice"))) {
            break;
        }
        let most = dice.number(copy).pick(&[20 * MILLISECOND, 20 * MILLISECOND, SECOND, 3 * MINUTE]);
        let delay: Micros = if calm { MILLISECOND } else { dice.below(most) };
        let name = if copy == 0 { owner.clone() } else { format!("{owner}\"") };
        let invocation =
            Invocation { owner: owner.clone(), ..Invocation::new(label, name, Input::Work(claim.clone())) };
        world.after(delay, Event::Begin(invocation));
    }
}

impl Metrics for Caller {
    async fn publish(&self, data: &[Datum]) -> Result<(), PortError> {
        self.call("publish", format!("{} data", data.len()), |_| Ok(())).await
    }
}

/// All that a function has of the world.
struct FunctionPorts {
    caller: Caller,
    destination: RedshiftDestination<Caller, Caller>,
}

impl Ports for FunctionPorts {
    type Objects = Caller;
    type Destination = RedshiftDestination<Caller, Caller>;
    type Workers = Caller;
    type Metrics = Caller;
    type Clock = Caller;

    fn objects(&self) -> &Caller {
        &self.caller
    }
    fn destination(&self) -> &Self::Destination {
        &self.destination
    }
    fn workers(&self) -> &Caller {
        &self.caller
    }
    fn metrics(&self) -> &Caller {
        &self.caller
    }
    fn clock(&self) -> &Caller {
        &self.caller
    }
}
