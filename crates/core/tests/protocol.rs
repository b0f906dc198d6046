//! The protocol at work in memory: what each function does when all is well, and what each failure leads to.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use sluice_core::claim::{Claim, Doubt, Stage, place};
use sluice_core::destination::{FailureKind, Refusal};
use sluice_core::measure::Metric;
use sluice_core::object::Key;
use sluice_core::ports::{Clock, PortErrorKind};
use sluice_core::report::Outcome;
use sluice_core::testing::warehouse::Script;
use sluice_core::testing::world::{World, once};
use sluice_core::testing::{Fault, Faults, key};
use sluice_core::work::work;
use test_case::test_case;

fn claims(world: &World) -> Vec<Claim> {
    let keys = world.keys("sluice/claims/").into_iter().filter(|key| !key.contains("/resting/"));
    keys.map(|key| serde_json::from_slice(&world.ports.objects.body(&key).unwrap()).unwrap()).collect()
}

fn resting(world: &World) -> Vec<Doubt> {
    let keys = world.keys("sluice/claims/flights/resting/");
    keys.iter().map(|key| serde_json::from_slice(&world.ports.objects.body(key).unwrap()).unwrap()).collect()
}

/// A batch is planned with one version of `a`, and its transaction, which takes twenty minutes, reads another one; the claim.
async fn loads_in_place_of(world: &World, planned: &str, read: &str) -> Key {
    world.drop_file("a", planned);
    world.tick().await;
    world.drop_file("a", read);
    world.ports.destination.next(Script::takes(Duration::from_mins(20)));
    let claim = world.ports.workers.take().remove(0);
    world.work(&claim).await;
    claim
}

#[tokio::test]
async fn files_go_from_incoming_through_one_transaction_a_batch_to_processed() {
    let world = World::new(20, 10);
    for number in 0..25 {
        world.drop_file(&format!("{number:02}.csv"), &format!("row {number}"));
    }
    let tick = world.tick().await.feeds.remove(0);
    assert_eq!((tick.listed, tick.claimed, tick.in_flight, tick.unprocessed), (25, 20, 20, 5));
    let sent = world.ports.workers.take();
    assert_eq!(sent, [key("sluice/claims/flights/0.json"), key("sluice/claims/flights/1.json")]);
    for claim in &sent {
        let report = world.work(claim).await;
        assert_eq!((report.outcome, report.files_loaded, report.rows_loaded), (Outcome::Loaded, 10, 10));
    }
    assert_eq!(world.ports.destination.started(), 2);
    world.drain().await;
    assert_eq!(world.ports.destination.started(), 3);
    assert_eq!(world.rows().len(), 25);
    assert!(world.rows().values().all(|times| *times == 1));
    assert_eq!(world.keys("processed/flights/").len(), 25);
    assert_eq!(world.ports.metrics.sum("flights", Metric::FilesLoaded), Some(25.0));
    assert_eq!(world.ports.metrics.last("flights", Metric::UnprocessedFiles), Some(0.0));
}

#[tokio::test]
async fn without_fan_out_the_lister_loads_inline() {
    let world = World::with("max_files = 4\nfiles_per_load = 2\nfan_out = false");
    for name in ["a", "b", "c", "d", "e"] {
        world.drop_file(name, name);
    }
    let tick = world.tick().await.feeds.remove(0);
    let outcomes: Vec<_> = tick.batches.iter().map(|batch| batch.load.as_ref().unwrap().outcome).collect();
    assert_eq!(outcomes, [Outcome::Loaded, Outcome::Loaded]);
    assert!(world.ports.workers.take().is_empty());
    world.drain().await;
    assert_eq!(world.rows(), once(["a", "b", "c", "d", "e"]));
}

#[tokio::test]
async fn a_tick_with_nothing_to_do_asks_the_warehouse_nothing_and_publishes_zeros() {
    let world = World::new(10, 10);
    let faults = Faults::none();
    let ports = world.faulty(&faults);
    sluice_core::tick::tick(&world.config, &ports, &world.run(), None).await.unwrap();
    let methods: Vec<_> = faults.journal().iter().map(|call| call.method).collect();
    assert_eq!(methods, ["list", "list"], "one for the claims, one for the files");
    assert_eq!(ports.metrics.calls().len(), 1);
    assert_eq!(ports.metrics.last("flights", Metric::UnprocessedFiles), Some(0.0));
    assert_eq!(ports.metrics.last("flights", Metric::OldestUnprocessedAge), Some(0.0));
}

#[tokio::test]
async fn the_oldest_age_is_that_of_the_oldest_file_that_nobody_holds() {
    let world = World::new(1, 1);
    for name in ["first", "second", "third"] {
        world.drop_file(name, name);
        world.ports.clock.advance(Duration::from_mins(10));
    }
    let tick = world.tick().await.feeds.remove(0);
    assert_eq!((tick.unprocessed, tick.oldest_age_seconds), (2, 1200));
}

#[tokio::test]
async fn a_feed_never_holds_more_than_its_slots() {
    let world = World::new(5, 2);
    for number in 0..9 {
        world.drop_file(&number.to_string(), &number.to_string());
    }
    for _ in 0..3 {
        world.tick().await;
        let held: usize = claims(&world).iter().map(|claim| claim.files.len()).sum();
        assert_eq!(held, 4, "two slots of two files; five files do not fit a third");
    }
}

#[tokio::test]
async fn a_loader_loads_at_once_and_defers_when_every_slot_is_filled() {
    let world = World::with("max_files = 1\nfiles_per_load = 1\ntrigger = \"event\"");
    for name in ["a", "b"] {
        world.drop_file(name, name);
    }
    world.ports.destination.next(Script::takes(Duration::from_hours(1)));
    let first = world.arrive(&["a"]).await.files.remove(0);
    assert_eq!(first.outcome, Outcome::Pending);
    let second = world.arrive(&["b"]).await.files.remove(0);
    assert_eq!(second.outcome, Outcome::Deferred);
    let again = world.arrive(&["a"]).await.files.remove(0);
    assert_eq!(again.outcome, Outcome::Busy, "its own claim holds it");
    world.ports.clock.advance(Duration::from_hours(2));
    world.drain().await;
    assert_eq!(world.rows(), once(["a", "b"]));
    assert_eq!(world.ports.destination.started(), 2);
}

#[tokio::test]
async fn events_that_mean_nothing_are_reported_and_skipped() {
    let world = World::with("trigger = \"event\"\ninclude = [\"*.csv\"]");
    world.drop_file("notes.txt", "x");
    let mut arrivals =
        vec![sluice_core::testing::world::arrival("notes.txt"), sluice_core::testing::world::arrival("gone.csv")];
    arrivals
        .push(sluice_core::event::Arrival { bucket: "other".into(), ..sluice_core::testing::world::arrival("a.csv") });
    arrivals.push(sluice_core::event::Arrival {
        key: key("elsewhere/a.csv"),
        ..sluice_core::testing::world::arrival("a.csv")
    });
    let report = sluice_core::arrive::arrive(&world.config, &world.ports, &world.run(), &arrivals).await.unwrap();
    let outcomes: Vec<_> = report.files.iter().map(|file| file.outcome).collect();
    assert_eq!(outcomes, [Outcome::Skipped, Outcome::Gone, Outcome::Skipped, Outcome::Skipped]);
    assert!(report.files.iter().all(|file| file.reason.is_some()));
    assert_eq!(world.ports.destination.started(), 0);
}

#[tokio::test]
async fn what_the_queue_brought_is_given_back_when_it_cannot_be_looked_at() {
    let world = World::with("trigger = \"event\"");
    let ports = world.faulty(&Faults::new(|_| Some(Fault::Before(PortErrorKind::Unavailable))));
    let queued =
        sluice_core::event::Arrival { message_id: Some("m1".into()), ..sluice_core::testing::world::arrival("a") };
    let report = sluice_core::arrive::arrive(&world.config, &ports, &world.run(), &[queued]).await.unwrap();
    assert_eq!(report.batch_item_failures.len(), 1);
    let direct = [sluice_core::testing::world::arrival("a")];
    sluice_core::arrive::arrive(&world.config, &ports, &world.run(), &direct).await.unwrap_err();
}

#[tokio::test]
async fn the_same_content_under_the_same_name_is_not_loaded_again() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.drain().await;
    world.ports.clock.advance(Duration::from_secs(1));
    world.drop_file("a", "one");
    let report = world.round().await.remove(0);
    assert_eq!(report.outcome, Outcome::AlreadyLoaded);
    world.drain().await;
    assert_eq!(world.rows(), once(["one"]));
    assert_eq!(world.keys("processed/"), ["processed/flights/a"]);
}

#[tokio::test]
async fn new_content_under_the_same_name_is_a_new_file_and_overwrites_nothing() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.drain().await;
    let new = world.drop_file("a", "two");
    world.drain().await;
    assert_eq!(world.rows(), once(["one", "two"]));
    let own = format!("processed/flights/a.{}", new.etag);
    assert_eq!(world.keys("processed/"), ["processed/flights/a", own.as_str()]);
    assert_eq!(world.ports.objects.body("processed/flights/a").unwrap(), b"one");
    assert_eq!(world.ports.objects.body(&own).unwrap(), b"two");
}

#[tokio::test]
async fn a_name_that_only_looks_like_an_archived_version_is_not_taken_for_it() {
    let world = World::new(10, 10);
    let file = world.drop_file("a", "mine");
    world.ports.objects.drop_file("processed/flights/a", "another");
    world.ports.objects.drop_file(&format!("processed/flights/a.{}", file.etag), "a third");
    world.drain().await;
    let kept = format!("processed/flights/a.{}.2", file.etag);
    assert_eq!(world.ports.objects.body(&kept).unwrap(), b"mine");
    assert_eq!(world.keys("processed/").len(), 3);
}

#[tokio::test]
async fn the_longest_keys_find_a_place_in_the_archive() {
    let world = World::new(10, 10);
    let name = |end: &str| format!("{}{end}", "ü".repeat(500)) + &"x".repeat(1024 - "incoming/flights/".len() - 1001);
    let (one, two) = (name("a"), name("b"));
    world.drop_file(&one, "one");
    world.drop_file(&two, "two");
    assert_eq!(world.keys("incoming/")[0].len(), 1024);
    world.drain().await;
    assert_eq!(world.rows(), once(["one", "two"]));
    assert_eq!(world.keys("processed/").len(), 2);
}

#[test_case(FailureKind::Transient)]
#[test_case(FailureKind::Configuration)]
#[test_case(FailureKind::Unknown)]
#[test_case(FailureKind::FileMissing)]
#[test_case(FailureKind::AlreadyLoaded; "a guard that was wrong")]
#[tokio::test]
async fn a_failure_that_is_not_about_a_file_quarantines_nothing_and_passes(kind: FailureKind) {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    for _ in 0..3 {
        world.ports.destination.next(Script::fails(kind));
    }
    world.drain().await;
    assert_eq!(world.rows(), once(["one"]));
    assert!(world.keys("failed/").is_empty());
}

#[tokio::test]
async fn a_configuration_error_is_counted_told_and_tried_again_slowly() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.ports.destination.next(Script::fails(FailureKind::Configuration));
    let report = world.round().await.remove(0);
    assert_eq!(report.outcome, Outcome::Retry);
    assert!(report.error.unwrap().contains("fix the cause"));
    let wait = report.retry_at.unwrap().duration_since(world.now());
    assert!(wait.as_secs() >= 30, "{wait}");
    assert_eq!(world.ports.metrics.sum("flights", Metric::LoadsFailed), Some(1.0));
    assert!(world.round().await.is_empty(), "not before its time");
    let early = world.work(&key("sluice/claims/flights/0.json")).await;
    assert_eq!((early.outcome, early.retry_at), (Outcome::Retry, report.retry_at));
    assert!(claims(&world)[0].last_error.is_some());
}

/// While nobody knows whether the feed works, its batch gets smaller at a slow pace; once a part of it is loaded, the rest is
/// loaded together.
#[tokio::test]
async fn an_error_that_nobody_knows_narrows_its_batch_and_lets_all_through_when_it_has_passed() {
    let world = World::new(16, 16);
    let names: Vec<String> = (0..16).map(|number| format!("{number:02}")).collect();
    for name in &names {
        world.drop_file(name, name);
    }
    for _ in 0..3 {
        world.ports.destination.next(Script::fails(FailureKind::Unknown));
    }
    for left in [16, 8, 4] {
        assert_eq!(world.round().await.remove(0).outcome, Outcome::Retry);
        assert_eq!(claims(&world)[0].files.len(), left);
        assert!(world.round().await.is_empty(), "at a slow pace");
        world.ports.clock.advance(Duration::from_mins(15));
    }
    let report = world.round().await.remove(0);
    assert_eq!((report.outcome, report.files_loaded), (Outcome::Loaded, 16));
    assert_eq!(world.ports.destination.started(), 5);
    assert_eq!(world.rows(), once(names.iter().map(String::as_str)));
    assert!(world.keys("failed/").is_empty() && world.keys("sluice/claims/").is_empty());
}

#[tokio::test]
async fn an_error_that_nobody_knows_in_a_warehouse_without_a_ledger_holds_up_nothing() {
    let mut world = World::new(4, 4);
    world.ports.destination = world.ports.destination.clone().without_ledgers();
    for name in ["a", "b"] {
        world.drop_file(name, name);
    }
    for _ in 0..3 {
        world.ports.destination.next(Script::fails(FailureKind::Unknown));
    }
    world.drain().await;
    assert_eq!(world.rows(), once(["a", "b"]));
}

#[tokio::test]
async fn the_ledger_is_made_when_it_is_missing() {
    let mut world = World::new(10, 10);
    world.ports.destination = world.ports.destination.clone().without_ledgers();
    world.drop_file("a", "one");
    let report = world.round().await.remove(0);
    assert_eq!(report.outcome, Outcome::Loaded, "in the same invocation");
    assert_eq!(world.rows(), once(["one"]));
}

#[tokio::test]
async fn bad_files_go_to_failed_with_their_reason_and_the_others_are_loaded() {
    let world = World::new(10, 10);
    for name in ["a", "bad", "c"] {
        world.drop_file(name, name);
    }
    let refusal = Refusal {
        code: Some(1207),
        message: "Invalid digit".into(),
        line: Some(3),
        column: Some("x".into()),
        raw_line: None,
    };
    world.ports.destination.refuse(&key("incoming/flights/bad"), refusal);
    let report = world.round().await.remove(0);
    assert_eq!((report.outcome, report.files_loaded, report.files_quarantined), (Outcome::Loaded, 2, 1));
    assert_eq!(world.rows(), once(["a", "c"]));
    assert_eq!(world.keys("failed/"), ["failed/flights/bad", "failed/flights/bad.error.json"]);
    let reason = world.ports.objects.body("failed/flights/bad.error.json").unwrap();
    let reason: serde_json::Value = serde_json::from_slice(&reason).unwrap();
    assert_eq!((&reason["code"], &reason["line"], &reason["feed"]), (&1207.into(), &3.into(), &"flights".into()));
    assert!(world.keys("incoming/").is_empty());
}

#[tokio::test]
async fn a_bad_file_that_nobody_can_name_is_found_by_halving() {
    let world = World::new(16, 16);
    let names: Vec<String> = (0..16).map(|number| format!("{number:02}")).collect();
    for name in &names {
        world.drop_file(name, name);
    }
    world.ports.destination.name_at_most(0);
    for bad in ["00", "11"] {
        world.ports.destination.refuse(&key(&format!("incoming/flights/{bad}")), Refusal::default());
    }
    let reports = world.round().await;
    assert_eq!((reports.len(), reports[0].files_loaded, reports[0].files_quarantined), (1, 14, 2), "in one invocation");
    let good = names.iter().map(String::as_str).filter(|name| !["00", "11"].contains(name));
    assert_eq!(world.rows(), once(good));
    assert_eq!(world.keys("failed/").len(), 4);
    assert!(world.keys("incoming/").is_empty() && world.keys("sluice/claims/").is_empty());
}

/// The half that waits for its turn is held: no other claim takes it, and a death does not lose it.
#[tokio::test]
async fn files_whose_turn_comes_later_are_held() {
    let world = World::new(16, 8);
    for number in 0..8 {
        world.drop_file(&number.to_string(), &number.to_string());
    }
    world.ports.destination.name_at_most(0);
    world.ports.destination.refuse(&key("incoming/flights/7"), Refusal::default());
    world.ports.destination.next(Script::fails(FailureKind::BadData));
    world.ports.destination.next(Script::fails(FailureKind::Configuration));
    assert_eq!(world.round().await[0].outcome, Outcome::Retry);
    let claim = claims(&world).remove(0);
    assert_eq!((claim.files.len(), claim.later.len(), claim.suspects), (4, 4, 4));
    let report = world.tick().await;
    assert_eq!((report.feeds[0].claimed, report.feeds[0].in_flight, report.feeds[0].unprocessed), (0, 8, 0));
    world.ports.clock.advance(Duration::from_mins(2));
    let reports = world.round().await;
    assert_eq!((reports[0].files_loaded, reports[0].files_quarantined), (7, 1));
    assert!(world.keys("incoming/").is_empty() && world.keys("sluice/claims/").is_empty());
}

/// What alone fails rests, in no slot: also where there is a single one.
#[tokio::test]
async fn a_file_that_fails_alone_rests_while_others_use_its_slot() {
    let world = World::with("max_files = 4\nfiles_per_load = 4");
    for name in ["a", "b", "c", "d"] {
        world.drop_file(name, name);
    }
    let cursed = key("incoming/flights/c");
    world.ports.destination.curse(&cursed);
    for _ in 0..6 {
        world.round().await;
        world.ports.clock.advance(Duration::from_mins(15));
    }
    assert_eq!(world.rows(), once(["a", "b", "d"]));
    assert_eq!(world.keys("incoming/"), ["incoming/flights/c"]);
    assert!(world.keys("failed/").is_empty(), "it is not quarantined");
    assert!(claims(&world).is_empty(), "it takes no slot");
    assert_eq!(resting(&world).len(), 1);
    assert_eq!(world.ports.metrics.last("flights", Metric::FilesResting), Some(1.0));
    assert_eq!(world.ports.metrics.last("flights", Metric::FeedDown), Some(0.0));

    // Others come: they are loaded by the next tick, whether it is the file's time or not.
    for (number, name) in ["e", "f", "g"].into_iter().enumerate() {
        world.drop_file(name, name);
        world.ports.clock.advance(Duration::from_mins(1));
        world.round().await;
        world.round().await;
        assert_eq!(world.rows().len(), 4 + number, "{name}");
    }
    let failures = resting(&world)[0].failures;
    for _ in 0..3 {
        world.round().await;
        world.ports.clock.advance(Duration::from_mins(15));
    }
    assert!(resting(&world)[0].failures > failures, "it is tried again now and then");
    assert!(claims(&world).is_empty());

    // Its cause is gone: it goes in by itself.
    world.ports.destination.accept(&cursed);
    world.ports.clock.advance(Duration::from_mins(15));
    world.drain().await;
    assert_eq!(world.rows(), once(["a", "b", "c", "d", "e", "f", "g"]));
}

/// A producer replaces a file that rests, and its new version is planned in the tick that tries the old one again: whoever
/// tried both would load the new version under two identities.
#[tokio::test]
async fn a_file_that_rests_gives_way_to_a_claim_on_its_new_version() {
    let world = World::new(8, 4);
    for name in ["a", "b", "c", "d"] {
        world.drop_file(name, name);
    }
    let cursed = key("incoming/flights/c");
    world.ports.destination.curse(&cursed);
    for _ in 0..6 {
        world.round().await;
        world.ports.clock.advance(Duration::from_mins(15));
    }
    assert_eq!((resting(&world).len(), claims(&world).len()), (1, 0));
    world.ports.destination.accept(&cursed);
    world.drop_file("c", "new");
    world.tick().await;
    let (old, new): (Vec<Claim>, Vec<Claim>) = claims(&world).into_iter().partition(|claim| claim.rested.is_some());
    assert_eq!((old.len(), new.len()), (1, 1));
    let started = world.ports.destination.started();
    let report = world.work(&key(&format!("sluice/claims/flights/{}.json", old[0].slot))).await;
    assert_eq!((report.files_loaded, world.ports.destination.started()), (0, started), "{report:?}");
    assert_eq!(resting(&world).len(), 1, "nobody knows yet what becomes of it");
    world.drain().await;
    assert_eq!(world.rows(), once(["a", "b", "new", "d"]));
}

/// While nothing of a feed works nothing rests, and each probe takes another file.
#[tokio::test]
async fn while_a_feed_is_down_nothing_rests_and_each_probe_takes_another_file() {
    let world = World::new(4, 4);
    for name in ["a", "b", "c", "d"] {
        world.drop_file(name, name);
    }
    for _ in 0..12 {
        world.ports.destination.next(Script::fails(FailureKind::Configuration));
    }
    let mut alone = Vec::new();
    for _ in 0..12 {
        world.round().await;
        let claim = claims(&world).remove(0);
        if claim.files.len() == 1 {
            alone.push(claim.files[0].key.to_string());
        }
        world.ports.clock.advance(Duration::from_hours(1));
    }
    assert!(resting(&world).is_empty());
    assert_eq!(world.ports.metrics.last("flights", Metric::FeedDown), Some(1.0));
    assert!(alone.windows(2).all(|two| two[0] != two[1]), "{alone:?}");
    assert_eq!(world.ports.destination.started(), 12, "one probe at a time");
    world.round().await;
    assert_eq!(world.rows(), once(["a", "b", "c", "d"]), "all of them once one is loaded");
    world.round().await;
    assert_eq!(world.ports.metrics.last("flights", Metric::FeedDown), Some(0.0));
}

/// A file that is alone in its feed and fails does not keep the next one from being tried, even in a single slot for a
/// single file.
#[tokio::test]
async fn the_next_file_finds_out_whether_a_lone_failure_is_the_feeds() {
    let world = World::new(1, 1);
    world.drop_file("a", "a");
    let cursed = key("incoming/flights/a");
    world.ports.destination.curse(&cursed);
    for _ in 0..4 {
        world.round().await;
        world.ports.clock.advance(Duration::from_mins(15));
    }
    assert_eq!(world.ports.metrics.last("flights", Metric::FeedDown), Some(1.0));
    assert!(resting(&world).is_empty());
    world.drop_file("b", "b");
    for _ in 0..3 {
        world.round().await;
        world.ports.clock.advance(Duration::from_mins(15));
    }
    assert_eq!(world.rows(), once(["b"]));
    assert_eq!(resting(&world).len(), 1);
    assert_eq!(world.ports.metrics.last("flights", Metric::FeedDown), Some(0.0));
}

/// One object that cannot be moved keeps none of the others, and rests.
#[tokio::test]
async fn a_file_that_cannot_be_archived_rests() {
    let world = World::new(4, 4);
    for name in ["a", "b", "c"] {
        world.drop_file(name, name);
    }
    let faults = Faults::new(|call| {
        let fails = call.method == "copy" && call.subject == "incoming/flights/b";
        fails.then_some(Fault::Before(PortErrorKind::Denied))
    });
    let ports = world.faulty(&faults);
    world.tick().await;
    for claim in world.ports.workers.take() {
        work(&world.config, &ports, &world.run(), &claim).await.unwrap();
    }
    assert_eq!(world.rows(), once(["a", "b", "c"]));
    assert_eq!(world.keys("incoming/"), ["incoming/flights/b"]);
    assert!(claims(&world).is_empty());
    assert_eq!(resting(&world)[0].stage, Stage::Archive);
    // It is never loaded again, and archived once that works.
    world.ports.clock.advance(Duration::from_mins(15));
    world.drain().await;
    assert_eq!(world.rows(), once(["a", "b", "c"]));
    assert_eq!(world.keys("processed/").len(), 3);
}

#[tokio::test]
async fn a_file_that_vanished_does_not_hold_up_the_others() {
    let world = World::new(10, 10);
    for name in ["a", "b"] {
        world.drop_file(name, name);
    }
    world.tick().await;
    world.ports.objects.take_away("incoming/flights/a");
    world.drain().await;
    assert_eq!(world.rows(), once(["b"]));
}

#[tokio::test]
async fn a_copy_that_outlives_the_function_is_resumed_and_loaded_once() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.ports.destination.next(Script::takes(Duration::from_hours(3)));
    let report = world.round().await.remove(0);
    assert_eq!(report.outcome, Outcome::Pending);
    assert_eq!(world.round().await[0].outcome, Outcome::Pending, "the very next tick resumes it");
    world.drain().await;
    assert_eq!((world.rows(), world.ports.destination.started()), (once(["one"]), 1));
}

#[test_case(0; "not at all")]
#[test_case(7; "seven seconds")]
#[tokio::test]
async fn a_copy_is_waited_for_as_long_as_the_feed_says(seconds: u64) {
    let world = World::with(&format!("wait_seconds = {seconds}"));
    world.drop_file("a", "one");
    world.ports.destination.next(Script::takes(Duration::from_mins(1)));
    let begun = world.now();
    assert_eq!(world.round().await[0].outcome, Outcome::Pending);
    assert_eq!(world.now().duration_since(begun).unsigned_abs(), Duration::from_secs(seconds));
    // It holds no lease while it runs: whoever the event brings may go on.
    world.ports.clock.advance(Duration::from_mins(1));
    assert_eq!(world.work(&key("sluice/claims/flights/0.json")).await.outcome, Outcome::Loaded);
    assert_eq!((world.rows(), world.ports.destination.started()), (once(["one"]), 1));
}

#[tokio::test]
async fn a_copy_that_ends_while_its_lease_is_let_go_is_not_left_for_the_next_tick() {
    let world = World::with("wait_seconds = 5");
    world.drop_file("a", "one");
    world.ports.destination.next(Script::takes(Duration::from_secs(6)));
    world.tick().await;
    // The statement ends while S3 takes its time over the release: a worker brought by the event would find the lease
    // held, and go away.
    let (clock, begun) = (world.ports.clock.clone(), world.now());
    let ports = world.faulty(&Faults::new(move |call| {
        if call.method == "put" && clock.now().duration_since(begun).as_secs() == 5 {
            clock.advance(Duration::from_secs(2));
        }
        None
    }));
    let report = work(&world.config, &ports, &world.run(), &key("sluice/claims/flights/0.json")).await.unwrap();
    assert_eq!((report.outcome, report.rows_loaded), (Outcome::Loaded, 1));
    assert_eq!(world.ports.destination.started(), 1);
}

#[tokio::test]
async fn a_statement_that_was_forgotten_is_settled_by_the_ledger() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.ports.destination.next(Script::takes(Duration::from_hours(3)).forgotten());
    world.round().await;
    world.ports.clock.advance(Duration::from_hours(30));
    world.ports.destination.forget_tokens();
    let report = world.round().await.remove(0);
    assert_eq!(report.outcome, Outcome::AlreadyLoaded);
    assert_eq!(world.rows(), once(["one"]));
}

#[tokio::test]
async fn what_a_forgotten_statement_loaded_is_found_by_every_half_of_its_batch() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.drop_file("b", "old");
    world.tick().await;
    world.drop_file("b", "new");
    world.ports.destination.next(Script::takes(Duration::from_mins(20)));
    let claim = world.ports.workers.take().remove(0);
    world.work(&claim).await;
    world.ports.clock.advance(Duration::from_hours(30));
    world.ports.destination.forget_tokens();
    world.ports.destination.forget_statements();
    for _ in 0..3 {
        world.ports.destination.next(Script::fails(FailureKind::Unknown));
    }
    world.drain().await;
    assert_eq!(world.rows()["one"], 1);
    assert_eq!(world.ports.metrics.sum("flights", Metric::FilesReplaced), Some(1.0));
}

#[tokio::test]
async fn a_second_worker_on_a_claim_leaves() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.tick().await;
    let claim = world.ports.workers.take().remove(0);
    world.ports.destination.next(Script::takes(Duration::from_mins(2)));
    // The first worker dies while it waits: its lease goes on.
    let faults = Faults::new(|call| (call.method == "poll").then_some(Fault::Before(PortErrorKind::Denied)));
    faults.then({
        let mut dead = false;
        move |call| {
            dead |= call.method == "poll";
            dead.then_some(Fault::Before(PortErrorKind::Unavailable))
        }
    });
    let ports = world.faulty(&faults);
    let dying = world.run();
    work(&world.config, &ports, &dying, &claim).await.unwrap();
    let mut lease: serde_json::Value =
        serde_json::from_slice(&world.ports.objects.body(claim.as_str()).unwrap()).unwrap();
    // The clock of the memory warehouse moved on while the dead worker waited; put the lease beyond it.
    lease["lease_expires_at"] = (world.now() + jiff::SignedDuration::from_mins(5)).to_string().into();
    world.ports.objects.drop_file(claim.as_str(), serde_json::to_vec(&lease).unwrap());
    assert_eq!(world.work(&claim).await.outcome, Outcome::Busy);
    assert!(world.round().await.is_empty(), "nobody is sent while the lease runs");
    world.drain().await;
    assert_eq!((world.rows(), world.ports.destination.started()), (once(["one"]), 1));
    let gone = world.work(&claim).await;
    assert_eq!((gone.feed.as_str(), gone.outcome), ("flights", Outcome::Gone));
}

#[tokio::test]
async fn a_retry_of_the_same_invocation_takes_up_its_own_lease() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.tick().await;
    let claim = world.ports.workers.take().remove(0);
    let run = world.run();
    let ports = world.faulty(&Faults::crash(3, true));
    work(&world.config, &ports, &run, &claim).await.unwrap();
    let report = work(&world.config, &world.ports, &run, &claim).await.unwrap();
    assert_eq!(report.outcome, Outcome::Loaded);
}

#[tokio::test]
async fn a_file_replaced_after_it_was_read_is_loaded_as_the_new_file_it_is() {
    let world = World::new(10, 10);
    world.drop_file("a", "old");
    world.ports.destination.next(Script::takes(Duration::from_mins(20)));
    world.round().await;
    world.drop_file("a", "new");
    world.ports.clock.advance(Duration::from_mins(30));
    world.drain().await;
    assert_eq!(world.rows(), once(["old", "new"]));
    assert_eq!(world.ports.metrics.sum("flights", Metric::FilesReplaced), None);
}

#[tokio::test]
async fn a_file_replaced_before_it_was_read_is_recorded_as_what_was_read() {
    let world = World::new(10, 10);
    let old = world.drop_file("a", "old");
    world.tick().await;
    let new = world.drop_file("a", "new");
    world.drain().await;
    assert_eq!(world.rows(), once(["new"]));
    let ledger = world.ports.destination.ledger(world.feed());
    assert!(ledger.contains(&new.id()) && !ledger.contains(&old.id()));
    assert_eq!(world.keys("processed/"), ["processed/flights/a"]);
}

#[tokio::test]
async fn a_file_replaced_before_it_was_read_and_deleted_after_it_is_recorded_as_what_was_read() {
    let world = World::new(10, 10);
    loads_in_place_of(&world, "old", "new").await;
    world.ports.objects.take_away("incoming/flights/a");
    world.ports.clock.advance(Duration::from_mins(30));
    world.drain().await;
    assert_eq!(world.rows(), once(["new"]));
    // Now both come again: the one that was read is known, the other one is not.
    for content in ["new", "old"] {
        world.drop_file("a", content);
        world.drain().await;
    }
    assert_eq!(world.rows(), once(["new", "old"]));
}

#[tokio::test]
async fn where_nobody_can_say_which_version_was_read_it_is_said_so() {
    let world = World::new(10, 10);
    world.drop_file("a", "old");
    world.tick().await;
    world.drop_file("a", "new");
    world.ports.destination.hide_versions();
    world.round().await;
    for claim in world.ports.workers.take() {
        world.work(&claim).await;
    }
    assert_eq!(world.ports.metrics.sum("flights", Metric::FilesReplaced), Some(1.0));
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_frees_its_slot_and_loses_nothing() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.ports.objects.drop_file("sluice/claims/flights/0.json", "half a cla");
    world.drain().await;
    assert_eq!(world.rows(), once(["one"]));
}

#[tokio::test]
async fn a_newer_claim_is_understood() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.tick().await;
    let claim = world.ports.workers.take().remove(0);
    let mut json: serde_json::Value =
        serde_json::from_slice(&world.ports.objects.body(claim.as_str()).unwrap()).unwrap();
    json["colour"] = "blue".into();
    json.as_object_mut().unwrap().remove("failures");
    world.ports.objects.drop_file(claim.as_str(), serde_json::to_vec(&json).unwrap());
    assert_eq!(world.work(&claim).await.outcome, Outcome::Loaded);
}

#[tokio::test]
async fn a_lost_reply_to_a_claims_own_write_is_not_taken_for_a_lost_race() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.tick().await;
    let claim = world.ports.workers.take().remove(0);
    let faults = Faults::new(|call| {
        let own = call.method == "put" && call.subject.contains("claims");
        own.then_some(Fault::After(PortErrorKind::Unavailable))
    });
    let ports = world.faulty(&faults);
    let report = work(&world.config, &ports, &world.run(), &claim).await.unwrap();
    assert_eq!(report.outcome, Outcome::Loaded);
}

#[tokio::test]
async fn work_that_failed_to_be_sent_is_sent_by_a_later_tick() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    world.ports.workers.refuse(Some(PortErrorKind::Throttled));
    world.tick().await;
    world.ports.workers.refuse(None);
    assert!(world.ports.workers.take().is_empty());
    world.ports.clock.advance(Duration::from_mins(1));
    world.drain().await;
    assert_eq!(world.rows(), once(["one"]));
}

#[tokio::test]
async fn a_worker_touches_nothing_that_is_not_a_claim() {
    let world = World::new(10, 10);
    world.drop_file("a", "one");
    let key = key("incoming/flights/a");
    work(&world.config, &world.ports, &world.run(), &key).await.unwrap_err();
    assert_eq!(world.keys("incoming/"), [key.as_str()]);
}

#[tokio::test]
async fn of_two_that_fill_a_slot_one_has_it() {
    let world = World::new(10, 10);
    let files = vec![world.drop_file("a", "one")];
    let slot = key("sluice/claims/flights/0.json");
    let claim = || Claim::held(world.feed(), 0, files.clone(), world.now(), &world.run());
    let (first, second) = (claim(), claim());
    assert!(place(&world.ports.objects, slot.clone(), first.clone()).await.unwrap().is_some());
    assert!(place(&world.ports.objects, slot, second).await.unwrap().is_none());
    assert_eq!(claims(&world), [first]);
}

#[tokio::test]
async fn of_two_claims_on_one_file_the_one_that_sees_the_other_gives_way() {
    let world = World::new(4, 2);
    let (old, b) = (world.drop_file("a", "old"), world.drop_file("b", "b"));
    let new = world.drop_file("a", "new");
    // Two listers: one saw the file before its producer replaced it, the other one after that.
    let slots = ["sluice/claims/flights/0.json", "sluice/claims/flights/1.json"].map(key);
    for (slot, files) in [vec![old], vec![new, b]].into_iter().enumerate() {
        let mut claim = Claim::held(world.feed(), slot, files, world.now(), &world.run());
        claim.offer(world.now());
        assert!(place(&world.ports.objects, slots[slot].clone(), claim).await.unwrap().is_some());
    }
    assert_eq!(world.work(&slots[1]).await.files_loaded, 1, "the file that nobody else has");
    assert_eq!(world.work(&slots[0]).await.files_loaded, 1);
    world.drain().await;
    assert_eq!(world.rows(), once(["new", "b"]));
}

#[tokio::test]
async fn a_death_after_the_ledger_learned_what_was_read_loads_nothing_again() {
    let world = World::new(10, 10);
    world.drop_file("a", "old");
    world.tick().await;
    world.drop_file("a", "new");
    let mut dead = false;
    let faults = Faults::new(move |call| {
        let before = dead;
        dead |= call.method == "amend";
        let fault = if before { Fault::Before } else { Fault::After };
        dead.then_some(fault(PortErrorKind::Unavailable))
    });
    let claim = world.ports.workers.take().remove(0);
    work(&world.config, &world.faulty(&faults), &world.run(), &claim).await.unwrap();
    // Nobody came for a day: neither token nor statement is known any more, and the ledger has the new version only.
    world.ports.clock.advance(Duration::from_hours(30));
    world.ports.destination.forget_tokens();
    world.ports.destination.forget_statements();
    world.drain().await;
    assert_eq!(world.rows(), once(["new"]));
    assert_eq!(world.keys("processed/"), ["processed/flights/a"]);
}

/// A version that was away when it was noted has a size that nobody could know then.
#[tokio::test]
async fn a_version_that_was_away_and_came_back_is_archived_once_over_a_death() {
    let world = World::new(10, 10);
    let claim = loads_in_place_of(&world, "planned, and longer", "read").await;
    world.ports.objects.take_away("incoming/flights/a");
    for dies_at in ["amend", "delete_many"] {
        world.ports.clock.advance(Duration::from_mins(30));
        let mut dead = false;
        let faults = Faults::new(move |call| {
            dead |= call.method == dies_at;
            dead.then_some(Fault::Before(PortErrorKind::Unavailable))
        });
        work(&world.config, &world.faulty(&faults), &world.run(), &claim).await.unwrap();
        world.drop_file("a", "read");
    }
    assert_eq!(world.keys("processed/"), ["processed/flights/a"], "copied, and not deleted yet");
    world.drain().await;
    assert_eq!(world.rows(), once(["read"]));
    assert_eq!(world.keys("processed/"), ["processed/flights/a"]);
}

#[tokio::test]
async fn a_version_that_was_loaded_before_and_is_read_in_place_of_another_is_said_to_be_there_twice() {
    let world = World::new(10, 10);
    world.drop_file("a", "old");
    world.drain().await;
    world.drop_file("a", "new");
    world.tick().await;
    world.drop_file("a", "old");
    world.drain().await;
    assert_eq!(world.rows()["old"], 2, "no guard can see what COPY will find");
    assert_eq!(world.ports.metrics.sum("flights", Metric::FilesReplaced), Some(1.0));
}

/// An exception of guarantee 1: for a moment another version was there, and that is the one that was read.
#[tokio::test]
async fn a_version_that_is_put_back_before_it_is_archived_counts_as_loaded_though_another_was_read() {
    let world = World::new(10, 10);
    world.drop_file("a", "planned");
    world.tick().await;
    world.drop_file("a", "other");
    let objects = world.ports.objects.clone();
    let faults = Faults::new(move |call| {
        if call.method == "copy" {
            objects.drop_file("incoming/flights/a", "planned");
        }
        None
    });
    let ports = world.faulty(&faults);
    for claim in world.ports.workers.take() {
        work(&world.config, &ports, &world.run(), &claim).await.unwrap();
    }
    assert_eq!(world.rows(), once(["other"]));
    assert_eq!(world.ports.objects.body("processed/flights/a").unwrap(), b"planned");
    world.drain().await;
    assert_eq!(world.rows(), once(["other"]), "the ledger has the planned one");
    assert_eq!(world.ports.metrics.sum("flights", Metric::FilesReplaced), None, "nothing can be seen of it");
}

/// An exception of guarantee 1: another version was read, and the statement that did it is forgotten.
#[tokio::test]
async fn what_a_forgotten_statement_read_in_place_of_the_planned_version_is_said_to_be_unknown() {
    let world = World::new(10, 10);
    loads_in_place_of(&world, "planned", "other").await;
    world.ports.clock.advance(Duration::from_hours(30));
    world.ports.destination.forget_tokens();
    world.ports.destination.forget_statements();
    world.drain().await;
    assert_eq!(world.rows()["other"], 2, "it is loaded as the new file that it may be");
    assert_eq!(world.ports.metrics.sum("flights", Metric::FilesReplaced), Some(1.0));
}
