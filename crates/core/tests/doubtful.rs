//! What nobody can say for sure: which version was loaded of a file that cannot be moved, and whether there is a transaction
//! whose submission nobody answered. Until it is known the claim keeps its files.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use sluice_core::claim::{Claim, Doubt, place};
use sluice_core::destination::{FailureKind, Refusal};
use sluice_core::ports::PortErrorKind;
use sluice_core::testing::world::{World, once};
use sluice_core::testing::{Fault, Faults, Script, key};
use sluice_core::work::work;
use test_case::test_case;

const FIRST: &str = "sluice/claims/flights/0.json";

fn claim(world: &World) -> Claim {
    serde_json::from_slice(&world.ports.objects.body(FIRST).unwrap()).unwrap()
}

/// S3 refuses the copy, or even to be looked at, before it says that the version is not there.
#[test_case(&["copy"]; "it may be looked at")]
#[test_case(&["copy", "head"]; "it may not even be looked at")]
#[tokio::test]
async fn a_file_replaced_before_it_was_read_that_cannot_be_archived_is_loaded_once(denied: &'static [&'static str]) {
    let world = World::new(4, 4);
    world.drop_file("a", "old");
    world.drop_file("b", "b");
    world.tick().await;
    world.drop_file("a", "new");
    let faults = Faults::new(move |call| {
        let fails = denied.contains(&call.method) && call.subject == "incoming/flights/a";
        fails.then_some(Fault::Before(PortErrorKind::Denied))
    });
    let ports = world.faulty(&faults);
    for claim in world.ports.workers.take() {
        work(&world.config, &ports, &world.run(), &claim).await.unwrap();
    }
    assert_eq!(world.keys("incoming/"), ["incoming/flights/a"]);
    assert!(world.ports.objects.body(FIRST).is_none(), "it holds up no slot");
    world.ports.clock.advance(Duration::from_mins(20));
    world.drain().await;
    assert_eq!(world.rows(), once(["new", "b"]), "what was read in its place is no new file");
    assert_eq!(world.keys("processed/").len(), 2);
}

/// Once the ledger knows that another version was read, the planned one is not loaded: written back, it is a new file.
#[tokio::test]
async fn a_version_that_is_written_back_while_its_load_is_settled_is_loaded() {
    let world = World::new(4, 4);
    world.drop_file("a", "old");
    world.tick().await;
    world.drop_file("a", "new");
    let (objects, mut amended) = (world.ports.objects.clone(), false);
    let faults = Faults::new(move |call| {
        amended |= call.method == "amend";
        if amended && call.method == "copy" && call.subject == "incoming/flights/a" {
            objects.drop_file("incoming/flights/a", "old");
            amended = false;
        }
        None
    });
    let ports = world.faulty(&faults);
    for claim in world.ports.workers.take() {
        work(&world.config, &ports, &world.run(), &claim).await.unwrap();
    }
    assert_eq!(world.rows(), once(["new"]));
    assert_eq!(world.keys("incoming/"), ["incoming/flights/a"]);
    world.ports.clock.advance(Duration::from_mins(5));
    world.drain().await;
    assert_eq!(world.rows(), once(["new", "old"]));
    assert_eq!(world.keys("processed/").len(), 1);
}

/// What was refused is not what is there by then, though it looks the same.
#[tokio::test]
async fn a_version_that_is_written_back_after_another_was_refused_in_its_place_is_loaded() {
    let world = World::new(4, 4);
    let good = world.drop_file("a", "good");
    world.tick().await;
    world.ports.clock.advance(Duration::from_secs(2));
    world.drop_file("a", "bad");
    world.ports.destination.refuse(&good.key, Refusal { message: "bad".into(), ..Refusal::default() });
    let (objects, warehouse, key) = (world.ports.objects.clone(), world.ports.destination.clone(), good.key.clone());
    let faults = Faults::new(move |call| {
        if call.method == "bad_files" {
            objects.drop_file(key.as_str(), "good");
        } else if call.method == "head" || call.method == "copy" {
            warehouse.accept(&key);
        }
        None
    });
    let ports = world.faulty(&faults);
    for claim in world.ports.workers.take() {
        work(&world.config, &ports, &world.run(), &claim).await.unwrap();
    }
    assert_eq!(world.keys("failed/"), [""; 0], "nothing was said about this version");
    world.ports.clock.advance(Duration::from_mins(5));
    world.drain().await;
    assert_eq!(world.rows(), once(["good"]));
}

/// The reply to a submission was lost, and the next one is refused: the first may have begun a transaction.
#[tokio::test]
async fn while_there_may_be_a_transaction_its_claim_keeps_its_files() {
    let world = World::new(4, 4);
    for name in ["a", "b"] {
        world.drop_file(name, name);
    }
    world.tick().await;
    let sent = world.ports.workers.take().remove(0);
    let mut lost = false;
    let faults = Faults::new(move |call| {
        let first = call.method == "start" && !std::mem::replace(&mut lost, true);
        let fault = if first { Fault::After(PortErrorKind::Unavailable) } else { Fault::Before(PortErrorKind::Denied) };
        (call.method == "start").then_some(fault)
    });
    let ports = world.faulty(&faults);
    for _ in 0..6 {
        work(&world.config, &ports, &world.run(), &sent).await.unwrap();
        assert_eq!(claim(&world).files.len(), 2, "it does not narrow");
        assert!(!claim(&world).may_be_refilled(world.now()));
        world.ports.clock.advance(Duration::from_mins(20));
    }
    world.drain().await;
    assert_eq!(world.rows(), once(["a", "b"]));
    assert_eq!(world.ports.destination.started(), 1, "the transaction is found again");
}

/// Two listers saw the same resting file, and each has put it into a slot.
#[tokio::test]
async fn of_two_claims_that_try_a_resting_file_one_gives_way_and_it_goes_on_resting() {
    let world = World::new(4, 2);
    let file = world.drop_file("a", "a");
    let doubt = Doubt::new(file, sluice_core::batch::BatchId::of(&[]), None, "no", world.now());
    let rests = sluice_core::claim::resting::key(&world.config.bucket, world.feed(), &doubt.file).unwrap();
    let (objects, bucket) = (&world.ports.objects, &world.config.bucket);
    sluice_core::claim::resting::write(objects, bucket, world.feed(), &doubt).await.unwrap();
    let slots = [FIRST, "sluice/claims/flights/1.json"].map(key);
    for (slot, at) in slots.iter().enumerate() {
        let mut claim = Claim::on_resting(world.feed(), slot, doubt.clone(), world.now(), &world.run());
        claim.offer(world.now());
        assert!(place(objects, at.clone(), claim).await.unwrap().is_some());
    }
    assert_eq!(world.work(&slots[1]).await.files_loaded, 0);
    assert!(objects.body(rests.as_str()).is_some(), "it still rests");
    assert_eq!(world.work(&slots[0]).await.files_loaded, 1);
    assert!(objects.body(rests.as_str()).is_none());
    assert_eq!(world.rows(), once(["a"]));
}

/// A claim whose worker could not look at the others: they may have its file, in another version.
#[tokio::test]
async fn a_claim_that_has_not_seen_the_others_puts_nothing_in_doubt() {
    let world = World::new(4, 2);
    let old = world.drop_file("a", "old");
    let new = world.drop_file("a", "new");
    let slots = [FIRST, "sluice/claims/flights/1.json"].map(key);
    for (slot, file) in [old, new].into_iter().enumerate() {
        let mut claim = Claim::held(world.feed(), slot, vec![file], world.now(), &world.run());
        claim.offer(world.now());
        assert!(place(&world.ports.objects, slots[slot].clone(), claim).await.unwrap().is_some());
    }
    let faults = Faults::new(|call| {
        let others = call.method == "list" && call.subject.starts_with("sluice/claims/flights/");
        others.then_some(Fault::Before(PortErrorKind::Denied))
    });
    let ports = world.faulty(&faults);
    for _ in 0..8 {
        work(&world.config, &ports, &world.run(), &slots[0]).await.unwrap();
        let claim = claim(&world);
        assert!(claim.unchecked && claim.failures > 0 && claim.trying.is_none() && claim.doubted.is_empty());
        world.ports.clock.advance(Duration::from_mins(20));
    }
    world.drain().await;
    assert_eq!(world.rows(), once(["new"]));
}

/// The function that began a transaction died before it could say that this failed. Who is claimed and loaded meanwhile leaves
/// the note that the feed works, though nothing of it has failed as far as anybody knows.
#[tokio::test]
async fn a_success_is_noted_where_a_transaction_has_outlived_its_function() {
    let world = World::new(2, 1);
    let cursed = world.drop_file("a", "a");
    world.ports.destination.curse(&cursed.key);
    world.tick().await;
    let sent = world.ports.workers.take().remove(0);
    let mut dead = false;
    let dies = Faults::new(move |call| {
        dead |= call.method == "poll";
        dead.then_some(Fault::Before(PortErrorKind::Unavailable))
    });
    work(&world.config, &world.faulty(&dies), &world.run(), &sent).await.unwrap();
    world.ports.clock.advance(Duration::from_mins(6));
    world.drop_file("b", "b");
    world.tick().await;
    world.work(&key("sluice/claims/flights/1.json")).await;
    assert_eq!(world.rows(), once(["b"]));
    assert_eq!(world.keys("sluice/state/flights/"), ["sluice/state/flights/success.json"]);
}

/// A load that ended in the call that started it is committed. A later step that fails says nothing about its files, even if
/// their load failed before.
#[tokio::test]
async fn what_was_committed_at_once_is_not_narrowed_by_what_fails_later() {
    let world = World::new(4, 4).at_once();
    world.drop_file("a", "old");
    world.drop_file("b", "b");
    world.tick().await;
    world.drop_file("a", "new");
    world.ports.destination.next(Script::fails(FailureKind::Configuration));
    let faults = Faults::new(|call| (call.method == "versions_read").then_some(Fault::Before(PortErrorKind::Invalid)));
    for committed in [false, true] {
        work(&world.config, &world.faulty(&faults), &world.run(), &key(FIRST)).await.unwrap();
        let claim = claim(&world);
        assert_eq!((claim.files.len(), claim.later.len(), claim.doubted.len()), (2, 0, 0), "{claim:?}");
        assert_eq!(claim.statement_id.is_some(), committed, "{claim:?}");
        world.ports.clock.advance(Duration::from_hours(2));
    }
    assert_eq!(world.rows(), once(["new", "b"]));
}
