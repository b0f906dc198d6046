//! What may go wrong with one port's call, and how long it takes.

use sluice_core::ports::PortErrorKind;

use crate::clock::{MILLISECOND, MINUTE, Micros, SECOND};
use crate::dice::Dice;
use crate::lambda::TaskId;
use crate::scheduler::World;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It fails and has no effect.
    Before(PortErrorKind),
    /// It takes effect, and the caller is told that it failed.
    After(PortErrorKind),
    /// The caller is told that it failed, and it takes effect afterwards, after so long.
    Late(Micros),
    /// The first reply is lost, and the SDK makes the call once more: its caller sees the second answer.
    Twice,
    /// The caller dies, and the call has no effect.
    DieBefore,
    /// It takes effect, and the caller dies.
    DieAfter,
    /// The caller dies, and it takes effect after so long.
    DieLate(Micros),
}

/// How a call goes.
pub struct Path {
    /// How long the request is under way.
    pub before: Micros,
    /// How long the reply is.
    pub after: Micros,
    pub fault: Fault,
    /// Whether a request under way arrives although its caller is dead.
    pub survives: bool,
}

/// How the task's next call goes.
pub fn path(world: &mut World, task: TaskId, method: &'static str, subject: &str) -> Path {
    let scenario = world.scenario.clone();
    let Some(caller) = world.tasks.get_mut(&task) else {
        return Path { before: 1, after: 1, fault: Fault::None, survives: false };
    };
    let mut dice = caller.dice.number(caller.calls);
    caller.calls += 1;
    let (kind, name) = (caller.input.function(), caller.name.clone());
    let most = if world.calm { 5 * MILLISECOND } else { scenario.latency };
    let mut path = Path {
        before: 1 + dice.below(most),
        after: 1 + dice.below(most),
        fault: Fault::None,
        survives: dice.one_in(2),
    };
    path.before += world.lasting.delay(world.now, method, subject);
    if world.calm {
        return path;
    }
    let label = dice.label();
    if dice.one_in(scenario.slow_in) {
        let most = dice.pick(&[5 * SECOND, 40 * SECOND, 10 * MINUTE]);
        let pause = dice.below(most.min(scenario.longest_pause()));
        if world.odd.happens(label ^ 1, || format!("{name} is slow at {method} {subject}")) {
            let side = if dice.one_in(2) { &mut path.before } else { &mut path.after };
            *side += pause;
        }
    }
    // What a submission comes to is hardest to know.
    let fault_in = if method == "submit" { scenario.fault_in.div_ceil(4) } else { scenario.fault_in };
    if dice.one_in(fault_in) {
        let fault = fault(&mut dice, scenario.longest_pause());
        if world.odd.happens(label, || format!("{name}: {fault:?} at {method} {subject}")) {
            path.fault = fault;
            world.odd.count(kind, method, fault);
        }
    }
    path
}

fn fault(dice: &mut Dice, longest: Micros) -> Fault {
    let most = dice.pick(&[SECOND, 10 * SECOND, 2 * MINUTE]);
    let delay = dice.below(most.min(longest));
    match dice.below(16) {
        0 => Fault::Before(PortErrorKind::Throttled),
        1 => Fault::Before(PortErrorKind::Denied),
        2 | 3 => Fault::Before(PortErrorKind::Unavailable),
        4..=6 => Fault::After(PortErrorKind::Unavailable),
        7 => Fault::Late(delay),
        8 | 9 => Fault::Twice,
        10 | 11 => Fault::DieBefore,
        12..=14 => Fault::DieAfter,
        _ => Fault::DieLate(delay),
    }
}
