//! Statements run by themselves: step after step, each at a time of its own, whoever looks or does not.

use sluice_core::completion::claim_of;
use sluice_redshift::Status;
use sluice_redshift::failure::{Means, examples};

use crate::calls;
use crate::clock::{MILLISECOND, MINUTE, Micros, SECOND};
use crate::dice::Dice;
use crate::lambda::{Input, Invocation};
use crate::lasting::{DOWN_ERRORS, Down, LONGEST, Look, TIMEOUT};
use crate::scheduler::{Event, World};
use crate::statements::Statement;
use crate::warehouse::sql::Sql;
use crate::warehouse::{Around, Step};

/// What fails by itself, and passes by itself or is mended.
const FAILURES: [&str; 6] = [
    "ERROR: 1023 DETAIL: Serializable isolation violation on table - 100",
    "ERROR: deadlock detected",
    "ERROR: connection reset by peer",
    "ERROR: permission denied for relation t",
    "ERROR: something that nobody has seen before",
    "stopped",
];

/// A file that texts name, though it has done nothing.
const NAMED: &str = "s3://bucket/incoming/f/a";

thread_local! {
    /// Every text that Sluice knows; made once.
    static KNOWN: Vec<(Means, String)> = examples(NAMED).collect();
}

/// Where the statement fails by itself, if it does, and with which text: any that Sluice knows at any statement, but for those
/// that would be a lie there about a file, or about the ledger.
pub(super) fn fate(world: &mut World, dice: Dice, sqls: &[Sql], name: &str) -> Option<(usize, String)> {
    let mut dice = dice.about("fate");
    if world.calm || !dice.one_in(world.scenario.failure_in) {
        return None;
    }
    let (at, usual) = (dice.index(sqls.len() + 1), dice.pick(&FAILURES));
    // What comes after a single statement is told as its own error.
    let lies = |means: Means| match sqls.get(at).or(sqls.first().filter(|_| sqls.len() == 1)) {
        Some(Sql::Copy { .. }) => matches!(means, Means::Contents | Means::FileGone | Means::ObjectGone),
        Some(Sql::Guard { .. }) => means == Means::ZeroDivision,
        _ => false,
    };
    let known = dice.one_in(2).then(|| {
        KNOWN.with(|known| {
            let (means, text) = &known[dice.index(known.len())];
            (!lies(*means)).then(|| text.clone())
        })
    });
    let failure = known.flatten().unwrap_or_else(|| usual.to_owned());
    let happens = world.odd.happens(dice.label(), || format!("{name} fails at statement {}: {failure}", at + 1));
    happens.then_some((at, failure))
}

/// Sets the time of the statement's next step.
pub(super) fn next_step(world: &mut World, number: usize) {
    let (calm, usual) = (world.calm, world.scenario.step);
    let statement = &mut world.warehouse.api.statements[number];
    statement.turn += 1;
    let turn = statement.turn;
    let mut dice = statement.dice.number(turn);
    let delay = if calm { MILLISECOND } else { 1 + dice.below(usual) };
    let delay = delay + lasting(world, number);
    world.after(delay, Event::Step(number, turn));
}

/// How much longer its next step takes because of what lasts.
fn lasting(world: &World, number: usize) -> Micros {
    let statement = &world.warehouse.api.statements[number];
    if world.lasting.troubles.is_empty() {
        return 0;
    }
    if statement.stalled.is_some() {
        return TIMEOUT;
    }
    match statement.sqls.get(statement.at) {
        Some(Sql::Copy { no_load: true, .. }) => match world.lasting.look(statement.feed, world.now) {
            Some(Look::Takes(time)) => time,
            _ => 0,
        },
        Some(Sql::Copy { .. }) => world.lasting.slow(statement.feed, world.now).unwrap_or_default(),
        _ => 0,
    }
}

/// What makes it fail now because of what lasts.
fn broken(world: &World, number: usize) -> Option<String> {
    let statement = &world.warehouse.api.statements[number];
    if statement.stalled.is_some() || world.lasting.troubles.is_empty() {
        return statement.stalled.clone();
    }
    let copies = matches!(statement.sqls.get(statement.at), Some(Sql::Copy { .. }));
    let looks = matches!(statement.sqls.get(statement.at), Some(Sql::Copy { no_load: true, .. }));
    let text = match (world.lasting.down(statement.feed, world.now), world.lasting.look(statement.feed, world.now)) {
        (Some(Down::Refuses), _) => Some(DOWN_ERRORS[0]),
        (Some(Down::Fails(text)), _) => Some(text),
        (Some(Down::FailsAtCopy(text)), _) if copies => Some(text),
        (_, Some(Look::Fails)) if looks => Some("ERROR: something about looking that nobody has seen before"),
        (_, Some(Look::Takes(time))) if looks && time >= LONGEST => Some("ERROR: canceling statement"),
        _ => None,
    };
    text.map(str::to_owned)
}

/// From now on everything ends soon.
pub fn hurry(world: &mut World) {
    let running = |(number, statement): (usize, &Statement)| statement.running().then_some(number);
    let running: Vec<usize> = world.warehouse.api.statements.iter().enumerate().filter_map(running).collect();
    for number in running {
        next_step(world, number);
    }
}

/// The statement goes on.
pub fn step(world: &mut World, number: usize, turn: u64) {
    let statement = &mut world.warehouse.api.statements[number];
    if !statement.running() || statement.turn != turn {
        return;
    }
    let fate = statement.fate.clone();
    if let Some(error) = broken(world, number) {
        return end(world, number, Status::Failed, Some(error));
    }
    let statement = &mut world.warehouse.api.statements[number];
    if let Some((at, failure)) = fate
        && at == statement.at
    {
        let stopped = failure == "stopped";
        return end(world, number, if stopped { Status::Aborted } else { Status::Failed }, Some(failure));
    }
    let Some(sql) = statement.sqls.get(statement.at).cloned() else {
        let mut tx = std::mem::take(&mut statement.tx);
        let committed = world.warehouse.commit(&mut tx);
        world.warehouse.api.statements[number].tx = tx;
        return match committed {
            Ok(()) => {
                world.was_committed(number);
                end(world, number, Status::Finished, None);
            }
            Err(error) => end(world, number, Status::Failed, Some(error)),
        };
    };
    let mut tx = std::mem::take(&mut statement.tx);
    let (views, now) = (world.scenario.views, world.now);
    let around = Around { bucket: &world.bucket, lasting: &world.lasting, views, now };
    let step = world.warehouse.step(number, &mut tx, &sql, &around);
    let statement = &mut world.warehouse.api.statements[number];
    statement.tx = tx;
    match step {
        Step::Waits => world.say("warehouse", || format!("s-{number} waits for the lock")),
        Step::More(what) => {
            world.say("warehouse", || format!("s-{number} {what}"));
            next_step(world, number);
        }
        Step::Stalls(error) => {
            statement.stalled = Some(error);
            world.say("warehouse", || format!("s-{number} does not get on"));
            next_step(world, number);
        }
        Step::Fails(error) => {
            if let Some(files) = world.warehouse.api.statements[number].guarded().cloned() {
                world.truth.was_guarded(&files);
            }
            end(world, number, Status::Failed, Some(error));
        }
        Step::Done(rows) => {
            statement.at += 1;
            statement.rows = rows;
            world.changed = true;
            world.say("warehouse", || format!("s-{number} {sql:?}").chars().take(100).collect());
            next_step(world, number);
        }
    }
}

/// The statement has ended; whoever waits for it, or for its lock, goes on.
fn end(world: &mut World, number: usize, status: Status, error: Option<String>) {
    let now = world.now;
    let statement = &mut world.warehouse.api.statements[number];
    statement.status = status;
    statement.ended = Some(now);
    world.changed = true;
    statement.error.clone_from(&error);
    let feed = statement.feed;
    if status != Status::Finished {
        world.has_failed(number);
    }
    let statement = &mut world.warehouse.api.statements[number];
    let waiters = std::mem::take(&mut statement.waiters);
    world.say("warehouse", || format!("s-{number} ends: {status:?} {}", error.unwrap_or_default()));
    for call in waiters {
        calls::end_wait(world, call);
    }
    tell(world, number);
    for other in world.warehouse.let_go(number, feed) {
        next_step(world, other);
    }
}

/// The event of a statement's end brings a worker: mostly one and soon, sometimes late, twice or never, and sometimes
/// before the end can be seen.
fn tell(world: &mut World, number: usize) {
    let statement = &world.warehouse.api.statements[number];
    let config = world.scenario.config(world.now).1;
    let claim = statement.with_event.then(|| claim_of(config, &statement.name)).flatten();
    let Some(claim) = claim else { return };
    let mut dice = statement.dice.about("event");
    if world.calm || dice.one_in(5) {
        return;
    }
    for copy in 0..=u64::from(dice.one_in(6)) {
        let most = dice.number(copy).pick(&[20 * MILLISECOND, SECOND, SECOND, 5 * MINUTE]);
        let (delay, label) = (dice.below(most), dice.number(copy).label());
        if world.odd.happens(label, || format!("event {copy} of the end of s-{number}")) {
            let name = format!("worker s-{number}.{copy}");
            world.after(delay, Event::Begin(Invocation::new(label, name, Input::Work(claim.clone()))));
        }
    }
}
