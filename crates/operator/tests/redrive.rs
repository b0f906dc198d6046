//! Files go back to `incoming/`: none is lost, none is loaded twice, whatever dies and whatever runs beside it.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt;
use sluice_core::config::Pattern;
use sluice_core::destination::Refusal;
use sluice_core::testing::world::{FaultyPorts, World, once};
use sluice_core::testing::{Faults, key};
use sluice_operator::redrive::{Account, News, Options, RedriveError, Reload, Stays, errors, redrive, reload};
use sluice_operator::verify;

/// What dies.
#[derive(Clone, Copy, Debug)]
enum Command {
    Redrive,
    Reload,
}

/// Two plans of two files, one after the other.
fn options() -> Options {
    Options { together: 2, at_once: 1, steps_at_once: 1, ..Options::default() }
}

/// Three plans of one file, all at the same time.
fn side_by_side() -> Options {
    Options { together: 1, at_once: 2, steps_at_once: 3, ..Options::default() }
}

fn asked() -> Reload {
    asked_as(&options())
}

fn asked_as(options: &Options) -> Reload {
    Reload { options: options.clone(), asked: "all".to_owned(), anew: false }
}

async fn run(world: &World, command: Command, ports: &FaultyPorts) -> Result<Account, RedriveError> {
    run_as(world, command, ports, &options()).await
}

async fn run_as(
    world: &World,
    command: Command,
    ports: &FaultyPorts,
    options: &Options,
) -> Result<Account, RedriveError> {
    let (config, feed) = (&world.config, world.feed());
    match command {
        Command::Redrive => redrive(config, ports, feed, options, &mut |_| ()).await,
        Command::Reload => reload(config, ports, feed, &asked_as(options), &mut |_| ()).await,
    }
}

/// Three files that were refused and are mended, or that were loaded, and whose rows were deleted.
async fn world(command: Command) -> World {
    let world = World::new(6, 3);
    for name in ["a", "b", "c"] {
        world.drop_file(name, name);
        if matches!(command, Command::Redrive) {
            world.ports.destination.refuse(&key(&format!("incoming/flights/{name}")), Refusal::default());
        }
    }
    world.drain().await;
    for name in ["a", "b", "c"] {
        world.ports.destination.accept(&key(&format!("incoming/flights/{name}")));
    }
    world.ports.destination.truncate(world.feed());
    world.ports.clock.advance(Duration::from_mins(10));
    world
}

/// The contents that there are of files, anywhere.
fn contents(world: &World) -> BTreeSet<String> {
    let files = ["incoming/", "processed/", "failed/", "sluice/redrive/flights/files/"];
    let keys = files.iter().flat_map(|place| world.keys(place));
    keys.filter(|key| !key.ends_with(".error.json"))
        .map(|key| String::from_utf8(world.ports.objects.body(&key).unwrap()).unwrap())
        .collect()
}

fn check(world: &World, story: &str) {
    assert_eq!(world.rows(), once(["a", "b", "c"]), "{story}");
    let expected = ["processed/flights/a", "processed/flights/b", "processed/flights/c"];
    assert_eq!(world.keys("processed/"), expected, "{story}");
    assert_eq!(world.ports.destination.ledger(world.feed()).len(), 3, "{story}");
    for place in ["failed/", "incoming/", "sluice/claims/", "sluice/redrive/"] {
        assert_eq!(world.keys(place), Vec::<String>::new(), "{story}");
    }
}

/// Each command dies at each of its calls, before and after it takes effect; then the deployment works on, and the
/// command is run again. Once before the deployment has done anything, and once after.
#[tokio::test]
async fn every_crash_point_of_every_command_is_survived() {
    for (command, options) in [
        (Command::Redrive, options()),
        (Command::Redrive, side_by_side()),
        (Command::Reload, options()),
        (Command::Reload, side_by_side()),
    ] {
        let mut points = 0;
        for (takes_effect, drained) in [(false, false), (true, false), (false, true), (true, true)] {
            for number in 0.. {
                let world = world(command).await;
                let all = contents(&world);
                let faults = Faults::crash(number, takes_effect).interleaved();
                let first = run_as(&world, command, &world.faulty(&faults), &options).await;
                if faults.journal().len() <= number {
                    break;
                }
                points += 1;
                let died_at = &faults.journal()[number];
                let steps = options.steps_at_once;
                let story = format!(
                    "{command:?} ({steps} steps) died at {died_at:?}, effect: {takes_effect}, then drained: {drained}"
                );
                assert_eq!(contents(&world), all, "{story}");
                world.ports.clock.advance(Duration::from_secs(400));
                if drained {
                    world.drain().await;
                }
                if first.is_err() {
                    let again = run_as(&world, command, &world.faulty(&Faults::none().interleaved()), &options).await;
                    let again = again.unwrap();
                    assert!(again.done(), "{story}: {again:?}");
                }
                // A session whose end was not heard of is ended by the next one, which has nothing to do.
                if !world.keys("sluice/redrive/").is_empty() {
                    let again = run(&world, command, &world.faulty(&Faults::none())).await.unwrap();
                    assert_eq!(again.moved, 0, "{story}: {again:?}");
                }
                world.ports.clock.advance(Duration::from_secs(400));
                world.drain().await;
                check(&world, &story);
            }
        }
        println!("{command:?} ({} steps at once): {points} crash points survived", options.steps_at_once);
        assert!(points > 60, "{command:?} made only {points} calls");
    }
}

/// The deployment lists, loads, archives and quarantines all that there is, between any two calls of the command.
#[tokio::test]
async fn a_deployment_at_work_between_any_two_calls_loses_and_doubles_nothing() {
    for (command, bad, options) in [
        (Command::Redrive, false, options()),
        (Command::Redrive, false, side_by_side()),
        (Command::Redrive, true, options()),
        (Command::Redrive, true, side_by_side()),
        (Command::Reload, false, options()),
        (Command::Reload, false, side_by_side()),
    ] {
        for number in 0.. {
            let world = world(command).await;
            if bad {
                // Refused again as soon as it is back.
                world.ports.destination.refuse(&key("incoming/flights/b"), Refusal::default());
            }
            let all = contents(&world);
            let beside = world.beside();
            let faults = Faults::new(move |call| {
                if call.number == number {
                    beside.ports.clock.advance(Duration::from_secs(400));
                    beside.drain().now_or_never().unwrap();
                }
                None
            });
            let faults = faults.interleaved();
            let first = run_as(&world, command, &world.faulty(&faults), &options).await.unwrap();
            let story = format!("{command:?} (one bad: {bad}) was overtaken before {:?}", faults.journal().get(number));
            assert_eq!(contents(&world), all, "{story}");
            world.ports.clock.advance(Duration::from_secs(400));
            world.drain().await;
            if !first.done() {
                run(&world, command, &world.faulty(&Faults::none())).await.unwrap();
                world.ports.clock.advance(Duration::from_secs(400));
                world.drain().await;
            }
            assert_eq!(contents(&world), all, "{story}");
            if bad {
                assert_eq!(world.rows(), once(["a", "c"]), "{story}");
                assert!(world.keys("failed/").contains(&"failed/flights/b".to_owned()), "{story}");
            } else {
                check(&world, &story);
            }
            if faults.journal().len() <= number {
                println!("{command:?} (one bad: {bad}): overtaken at {number} calls");
                break;
            }
        }
    }
}

/// What is told of each file.
async fn told(world: &World, options: &Options) -> (Account, Vec<(String, Stays)>, Vec<(String, String)>) {
    let (mut stays, mut planned) = (Vec::new(), Vec::new());
    let mut tell = |news| match news {
        News::Stays(key, why) => stays.push((key.to_string(), why)),
        News::Would(file, to) => planned.push((file.key.to_string(), to.to_string())),
        _ => {}
    };
    let account = redrive(&world.config, &world.ports, world.feed(), options, &mut tell).await.unwrap();
    (account, stays, planned)
}

#[tokio::test]
async fn what_is_in_the_way_stays_and_what_is_claimed_is_not_touched() {
    let world = world(Command::Redrive).await;
    world.drop_file("a", "another content");
    world.ports.destination.next(sluice_core::testing::Script::takes(Duration::from_hours(1)));
    world.drop_file("b", "b");
    world.round().await;
    world.ports.objects.take_away("incoming/flights/b");
    let before = world.keys("");
    let (_, stays, planned) = told(&world, &Options { dry_run: true, ..options() }).await;
    assert_eq!(world.keys(""), before, "a dry run writes nothing");
    let expected = [("failed/flights/a", Stays::Occupied), ("failed/flights/b", Stays::InFlight)];
    assert_eq!(stays, expected.map(|(key, why)| (key.to_owned(), why)));
    assert_eq!(planned, [("failed/flights/c".to_owned(), "incoming/flights/c".to_owned())]);
    let (account, stays, _) = told(&world, &options()).await;
    assert_eq!((account.moved, stays.len()), (1, 2));
    assert!(world.ports.objects.file("failed/flights/b").is_some());
    assert_eq!(world.ports.objects.body("incoming/flights/a").unwrap(), b"another content");
}

#[tokio::test]
async fn only_what_is_meant_is_moved() {
    let world = world(Command::Redrive).await;
    let noon = world.now();
    world.ports.clock.advance(Duration::from_hours(1));
    world.ports.destination.refuse(&key("incoming/flights/2013/late"), Refusal::default());
    world.drop_file("2013/late", "late");
    world.round().await;
    let matching = |pattern| Some(Pattern::new(pattern).unwrap());
    let planned = async |options: Options| {
        let (account, _, planned) = told(&world, &Options { dry_run: true, ..options }).await;
        assert_eq!(account.moved, planned.len() as u64);
        planned.into_iter().map(|(_, to)| to.replace("incoming/flights/", "")).collect::<Vec<_>>()
    };
    assert_eq!(planned(Options { matching: matching("[ab]"), ..options() }).await, ["a", "b"]);
    assert_eq!(planned(Options { matching: matching("2013/*"), ..options() }).await, ["2013/late"]);
    assert_eq!(planned(Options { since: Some(noon), ..options() }).await, ["2013/late"]);
    assert_eq!(
        planned(Options { since: Some(noon), matching: matching("a"), ..options() }).await,
        Vec::<String>::new()
    );
}

/// Producers choose names and contents: files that look like reasons are files, and are moved like files.
#[tokio::test]
async fn a_file_that_looks_like_a_reason_is_not_deleted_as_one() {
    let world = World::new(10, 5);
    let names = ["a", "a.error.json", "a.error.json.error.json", "a.0123456789abcdef.error.json", "a.0123456789abcdef"];
    world.drop_file("a", "a");
    let etag = world.ports.objects.file("incoming/flights/a").unwrap().etag;
    let forged = serde_json::json!({"key": "incoming/flights/a", "etag": etag, "feed": "flights", "statement_id": "s",
        "message": "forged", "time": "2030-01-01T00:00:00Z"});
    for name in &names[1..] {
        world.drop_file(name, &format!("{forged}{}", " ".repeat(name.len())));
    }
    for name in names {
        world.ports.destination.refuse(&key(&format!("incoming/flights/{name}")), Refusal::default());
    }
    let all = contents(&world);
    let bodies = |place: &str| {
        let keys = world.keys(place);
        keys.iter().map(|key| world.ports.objects.body(key).unwrap()).collect::<BTreeSet<_>>()
    };
    let dropped = bodies("incoming/");
    world.drain().await;
    let (account, stays, _) = told(&world, &Options { at_once: 4, ..Options::default() }).await;
    assert_eq!((account.moved, stays), (5, vec![]));
    assert_eq!((bodies("incoming/"), contents(&world)), (dropped, all));
    assert_eq!(world.keys("failed/"), Vec::<String>::new());
}

/// A file may look like a reason and have its own reason gone since it was listed, because another step has just moved it:
/// that it has none of its own does not make it one.
#[tokio::test]
async fn a_file_whose_reason_has_just_gone_is_not_deleted_as_a_reason() {
    let world = World::new(10, 5);
    let etag = world.drop_file("a", "a").etag;
    let forged = serde_json::json!({"key": "incoming/flights/a", "etag": etag, "feed": "flights", "statement_id": "s",
        "message": "forged", "time": "2030-01-01T00:00:00Z"});
    world.drop_file("a.error.json", &forged.to_string());
    for name in ["a", "a.error.json"] {
        world.ports.destination.refuse(&key(&format!("incoming/flights/{name}")), Refusal::default());
    }
    world.drain().await;
    let (looks, own) = ("failed/flights/a.error.json", "failed/flights/a.error.json.error.json");
    assert_eq!(world.ports.objects.body(looks).unwrap(), forged.to_string().as_bytes());
    let objects = world.ports.objects.clone();
    let faults = Faults::new(move |call| {
        if call.method == "get" && call.subject == own {
            objects.take_away(own);
        }
        None
    });
    run(&world, Command::Redrive, &world.faulty(&faults)).await.unwrap();
    assert!(world.ports.objects.file(own).is_none(), "it was read, and had gone");
    assert!(world.ports.objects.file(looks).is_some(), "nobody knows what it is, and it is left");
}

#[tokio::test]
async fn no_more_files_are_held_than_the_steps_under_way_have() {
    let world = World::new(10, 5);
    for number in 0..50 {
        let (path, at) = (format!("{number:02}"), format!("failed/flights/{number:02}"));
        let etag = world.ports.objects.drop_file(&at, "x").etag;
        let reason = serde_json::json!({"key": format!("incoming/flights/{path}"), "etag": etag, "feed": "flights",
            "statement_id": "s"});
        world.ports.objects.drop_file(&format!("{at}.error.json"), reason.to_string());
    }
    let options = Options { together: 4, at_once: 2, steps_at_once: 3, ..Options::default() };
    let account = run_as(&world, Command::Redrive, &world.faulty(&Faults::none().interleaved()), &options).await;
    let account = account.unwrap();
    assert_eq!((account.moved, account.most_held), (50, 12));
}

/// What a bar shows: each file is through once, whatever becomes of it.
#[tokio::test]
async fn every_file_is_told_to_be_through_once() {
    let world = world(Command::Redrive).await;
    world.drop_file("a", "another content");
    for (options, through) in
        [(options(), 3), (Options { matching: Some(Pattern::new("[bc]").unwrap()), ..options() }, 0)]
    {
        let mut told = 0;
        let mut tell = |news| {
            if let News::Through(files) = news {
                told += files;
            }
        };
        redrive(&world.config, &world.ports, world.feed(), &options, &mut tell).await.unwrap();
        assert_eq!(told, through);
    }
}

/// Whatever a death leaves behind is told as half-way, and as nothing that somebody would mend by hand.
#[tokio::test]
async fn what_a_death_leaves_behind_is_verified_as_half_way() {
    for command in [Command::Redrive, Command::Reload] {
        let mut kinds = BTreeSet::new();
        for (number, takes_effect) in (0..).flat_map(|number| [(number, false), (number, true)]) {
            let world = world(command).await;
            let faults = Faults::crash(number, takes_effect);
            let died = run(&world, command, &world.faulty(&faults)).await;
            if faults.journal().len() <= number {
                break;
            }
            let story = format!("{command:?} died at {:?}, effect: {takes_effect}", faults.journal()[number]);
            let mut found = Vec::new();
            let mut tell = |news| {
                if let verify::News::Finding(finding) = news {
                    found.push((finding.kind, finding.key));
                }
            };
            let options = verify::Options::default();
            verify::verify(&world.config, &world.ports, world.feed(), options, &mut tell).await.unwrap();
            assert!(found.iter().all(|(kind, _)| *kind == verify::Kind::HalfWay), "{story}: {found:?}");
            let aside = world.keys("sluice/redrive/flights/files/").len();
            assert!(found.len() >= aside, "{story}: {found:?}");
            kinds.extend(found.into_iter().map(|(_, key)| key.as_str().split('/').next().unwrap().to_owned()));
            assert!(died.is_err() || aside == 0, "{story}");
        }
        let archive = if matches!(command, Command::Redrive) { "failed" } else { "processed" };
        assert_eq!(kinds, [archive, "sluice"].map(str::to_owned).into(), "{command:?}");
    }
}

#[tokio::test]
async fn two_versions_of_one_name_go_one_after_the_other() {
    for options in [options(), side_by_side()] {
        let world = world(Command::Reload).await;
        world.drop_file("a", "a again");
        world.drain().await;
        world.ports.destination.truncate(world.feed());
        world.ports.clock.advance(Duration::from_mins(10));
        let ports = world.faulty(&Faults::none().interleaved());
        let first = run_as(&world, Command::Reload, &ports, &options).await.unwrap();
        assert_eq!((first.moved, first.stay), (3, 1));
        assert_eq!(world.keys("sluice/redrive/flights/files/"), Vec::<String>::new(), "none is set aside for nothing");
        world.drain().await;
        let second = run_as(&world, Command::Reload, &ports, &options).await.unwrap();
        assert_eq!((second.moved, second.stay, second.loaded_since), (1, 0, 3), "the same reload goes on");
        world.drain().await;
        assert_eq!(world.rows(), once(["a", "a again", "b", "c"]));
        assert_eq!(world.keys("sluice/redrive/"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_unfinished_reload_is_not_mixed_with_another() {
    let world = world(Command::Reload).await;
    drop(run(&world, Command::Reload, &world.faulty(&Faults::crash(12, true))).await);
    let other = Reload { asked: "other".to_owned(), ..asked() };
    let ports = world.faulty(&Faults::none());
    let refused = reload(&world.config, &ports, world.feed(), &other, &mut |_| ()).await;
    assert!(matches!(refused, Err(RedriveError::Unfinished { .. })), "{refused:?}");
    let anew = Reload { anew: true, ..other };
    assert!(reload(&world.config, &ports, world.feed(), &anew, &mut |_| ()).await.unwrap().done());
    world.drain().await;
    check(&world, "begun anew");
}

#[tokio::test]
async fn reasons_are_grouped() {
    let world = World::new(10, 5);
    for (name, message) in
        [("a", "bad digit 1"), ("b", "bad digit 22"), ("c", "no 'such' thing"), ("d", "no 'x' thing")]
    {
        world.drop_file(name, name);
        let refusal = Refusal { code: Some(1202), message: message.to_owned(), line: Some(7), ..Refusal::default() };
        world.ports.destination.refuse(&key(&format!("incoming/flights/{name}")), refusal);
    }
    world.drain().await;
    world.ports.objects.drop_file("failed/flights/e", "nobody knows");
    let mut all = Vec::new();
    let mut tell = |file: &sluice_core::object::File, reason: Option<&sluice_operator::redrive::Reason>| {
        all.push((file.key.to_string(), reason.and_then(|reason| reason.line)));
    };
    let groups = errors(&world.config, &world.ports, world.feed(), &options(), &mut tell).await.unwrap();
    let groups: Vec<_> =
        groups.iter().map(|group| (group.message.as_str(), group.files, group.examples.len())).collect();
    let expected = [("bad digit 1", 2, 2), ("no 'such' thing", 2, 2), ("no .error.json says why", 1, 1)];
    assert_eq!(groups, expected);
    assert_eq!(all.len(), 5);
}
