//! A port's call: the request travels, takes effect in one step, and the reply travels back; on the way anything may go
//! wrong.
//!
//! The effect belongs to the world, not to its caller: it may come although the caller was told that it failed, and
//! although the caller is dead.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use sluice_core::ports::{PortError, PortErrorKind};

use crate::clock::Micros;
use crate::faults::{self, Fault};
use crate::lambda::TaskId;
use crate::scheduler::{Event, Sim, World};

/// A call's number in its history.
pub type CallId = u64;

/// Whose calls they are: the ports of one invocation.
#[derive(Clone)]
pub struct Caller {
    pub sim: Sim,
    pub task: TaskId,
}

type Effect = Box<dyn FnMut(&mut World) -> String + Send>;

struct Call {
    task: TaskId,
    /// Who makes it, also when the task is gone.
    owner: String,
    method: &'static str,
    subject: String,
    effect: Effect,
    /// How many times it will still take effect.
    pending: u8,
    /// What the caller is told instead of the answer.
    told: Option<PortErrorKind>,
    replied: bool,
    /// Nobody waits for the answer any more.
    orphan: bool,
    /// Whether the request, once it is under way, arrives without its caller.
    survives: bool,
    waker: Option<Waker>,
}

/// All calls under way.
#[derive(Default)]
pub struct Calls {
    calls: HashMap<CallId, Call>,
    made: CallId,
}

impl Calls {
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

impl Caller {
    /// Makes a call. `effect` is what it does to the world, in one step, and its answer.
    pub async fn call<A: Debug + Send + 'static>(
        &self,
        method: &'static str,
        subject: impl Into<String>,
        mut effect: impl FnMut(&mut World) -> Result<A, PortError> + Send + 'static,
    ) -> Result<A, PortError> {
        let subject = subject.into();
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        let effect = Box::new(move |world: &mut World| {
            let result = effect(world);
            let shown = if world.trace.on() { shown(&result) } else { String::new() };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            shown
        });
        let id = begin(&mut self.sim.world(), self.task, method, subject.clone(), effect);
        if let Some(kind) = self.reply(id).await {
            return Err(PortError::new(method, subject, kind, "the simulation says so"));
        }
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.expect("a call is answered after its effect")
    }

    /// Waits for a while, and does nothing.
    pub async fn pause(&self, time: Micros) {
        let id = wait(&mut self.sim.world(), self.task, time);
        self.reply(id).await;
    }

    /// The reply to a call; the error that its caller is told, if any.
    fn reply(&self, id: CallId) -> Reply {
        Reply { sim: self.sim.clone(), id, done: false }
    }
}

fn shown<A: Debug>(result: &Result<A, PortError>) -> String {
    match result {
        Ok(answer) => format!("{answer:?}").chars().take(220).collect(),
        Err(error) => error.to_string(),
    }
}

struct Reply {
    sim: Sim,
    id: CallId,
    done: bool,
}

impl Future for Reply {
    type Output = Option<PortErrorKind>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let sim = self.sim.clone();
        let mut world = sim.world();
        let Some(call) = world.calls.calls.get_mut(&self.id) else {
            return Poll::Pending;
        };
        if !call.replied {
            call.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let told = call.told;
        self.done = true;
        abandon(&mut world, self.id, true);
        Poll::Ready(told)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.done {
            abandon(&mut self.sim.world(), self.id, false);
        }
    }
}

/// Nobody waits for the call any more. What is still under way arrives, or does not.
fn abandon(world: &mut World, id: CallId, replied: bool) {
    let Some(call) = world.calls.calls.get_mut(&id) else {
        return;
    };
    if call.pending > 0 && (replied || call.survives) {
        call.orphan = true;
    } else {
        world.calls.calls.remove(&id);
    }
}

fn begin(world: &mut World, task: TaskId, method: &'static str, subject: String, effect: Effect) -> CallId {
    world.calls.made += 1;
    let id = world.calls.made;
    let owner = world.tasks.get(&task).map(|task| task.owner.clone()).unwrap_or_default();
    let faults::Path { before, after, fault, survives } = faults::path(world, task, method, &subject);
    let (there, back) = (before, before.saturating_add(after));
    let (told, pending, survives) = match fault {
        Fault::None => (None, 1, survives),
        Fault::Before(kind) => (Some(kind), 0, false),
        Fault::After(kind) => (Some(kind), 1, survives),
        Fault::Late(_) => (Some(PortErrorKind::Unavailable), 1, true),
        Fault::Twice => (None, 2, survives),
        Fault::DieBefore => (None, 0, false),
        Fault::DieAfter | Fault::DieLate(_) => (None, 1, true),
    };
    let call = Call {
        task,
        owner,
        method,
        subject,
        effect,
        pending,
        told,
        replied: false,
        orphan: false,
        survives,
        waker: None,
    };
    world.calls.calls.insert(id, call);
    let mut at = |delay, event| world.after(delay, event);
    match fault {
        Fault::None | Fault::After(_) => {
            at(there, Event::Effect(id));
            at(back, Event::Reply(id));
        }
        Fault::Before(_) => at(back, Event::Reply(id)),
        Fault::Late(delay) => {
            at(there, Event::Reply(id));
            at(back.saturating_add(delay), Event::Effect(id));
        }
        Fault::Twice => {
            at(there, Event::Effect(id));
            at(back, Event::Effect(id));
            at(back.saturating_add(after), Event::Reply(id));
        }
        Fault::DieBefore => at(there, Event::Kill(task, "dies before its request is sent")),
        Fault::DieAfter => {
            at(there, Event::Effect(id));
            at(there, Event::Kill(task, "dies before the reply arrives"));
        }
        Fault::DieLate(delay) => {
            at(there, Event::Kill(task, "dies; its request is still under way"));
            at(back.saturating_add(delay), Event::Effect(id));
        }
    }
    id
}

fn wait(world: &mut World, task: TaskId, time: Micros) -> CallId {
    world.calls.made += 1;
    let id = world.calls.made;
    let call = Call {
        task,
        owner: String::new(),
        method: "sleep",
        subject: String::new(),
        effect: Box::new(|_| String::new()),
        pending: 0,
        told: None,
        replied: false,
        orphan: false,
        survives: false,
        waker: None,
    };
    world.calls.calls.insert(id, call);
    world.after(time, Event::Reply(id));
    id
}

/// A wait that may be ended early by [`end_wait`].
pub fn begin_wait(caller: &Caller, time: Micros) -> (CallId, impl Future<Output = Option<PortErrorKind>> + use<>) {
    let id = wait(&mut caller.sim.world(), caller.task, time);
    (id, caller.reply(id))
}

pub fn end_wait(world: &mut World, id: CallId) {
    world.after(0, Event::Reply(id));
}

pub fn take_effect(world: &mut World, id: CallId) {
    let Some(mut call) = world.calls.calls.remove(&id) else {
        return;
    };
    call.pending = call.pending.saturating_sub(1);
    world.truth.actor.clone_from(&call.owner);
    world.truth.task = call.task;
    world.truth.orphan = call.orphan;
    let shown = (call.effect)(world);
    world.truth.actor.clear();
    if world.trace.on() {
        let who = world.trace.name(call.task);
        let note = if call.orphan { " (nobody waits for it any more)" } else { "" };
        world.say(&who, || format!("{:<8} {} -> {shown}{note}", call.method, call.subject));
    }
    if !(call.orphan && call.pending == 0) {
        world.calls.calls.insert(id, call);
    }
}

/// Whom to wake for a reply, and how.
pub fn reply(world: &mut World, id: CallId) -> Option<(TaskId, Waker)> {
    let call = world.calls.calls.get_mut(&id)?;
    if call.replied || call.orphan {
        return None;
    }
    call.replied = true;
    let (task, waker) = (call.task, call.waker.take()?);
    if call.told.is_some() {
        let owner = call.owner.clone();
        world.truth.was_let_down(&owner, world.now);
    }
    let call = world.calls.calls.get_mut(&id)?;
    if let (Some(kind), true) = (call.told, world.trace.on()) {
        let line = format!("{:<8} {} is told: {kind:?}", call.method, call.subject);
        let who = world.trace.name(task);
        world.say(&who, || line);
    }
    Some((task, waker))
}
