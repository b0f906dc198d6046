//! Verification: what adds up, what does not and is told, and what only looks wrong while it is on its way.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "verify/interleaved.rs"]
mod interleaved;
#[path = "verify/large.rs"]
mod large;

use std::time::Duration;

use sluice_core::destination::Refusal;
use sluice_core::object::FileId;
use sluice_core::ports::{Objects, PutIf};
use sluice_core::testing::key;
use sluice_core::testing::world::World;
use sluice_operator::verify::{Account, Finding, Kind, News, Options, Rest, rest, verify};

/// What is found, and the numbers; with small pages, so that everything lies on the edge of one.
async fn verified(world: &World, options: Options) -> (Vec<Finding>, Account) {
    let mut found = Vec::new();
    let mut ports = world.ports.clone();
    ports.objects = ports.objects.paged(3);
    let options = Options { page: 2, ..options };
    let mut tell = |news| {
        if let News::Finding(finding) = news {
            found.push(finding);
        }
    };
    let account = verify(&world.config, &ports, world.feed(), options, &mut tell).await.unwrap();
    assert_eq!(found.len() as u64, account.findings);
    (found, account)
}

async fn found(world: &World) -> Vec<(Kind, String)> {
    let (found, account) = verified(world, Options::default()).await;
    assert_eq!(account.adds_up(), found.is_empty());
    found.into_iter().map(|finding| (finding.kind, finding.key.into())).collect()
}

async fn rest_of(world: &World) -> (Vec<(Kind, String)>, Rest) {
    let mut found = Vec::new();
    let mut tell = |news| {
        if let News::Finding(finding) = news {
            found.push((finding.kind, finding.key.into()));
        }
    };
    let rest = rest(&world.config, &world.ports, 1, &mut tell).await.unwrap();
    (found, rest)
}

/// Five files, loaded; two that wait.
async fn drained() -> World {
    let world = World::new(4, 2);
    for number in 0..5 {
        world.drop_file(&format!("{number}.csv"), &format!("row {number}"));
    }
    world.drain().await;
    world
}

fn id(world: &World, name: &str, at: &str) -> FileId {
    let etag = world.ports.objects.file(&format!("{at}/flights/{name}")).unwrap().etag;
    FileId::of(&key(&format!("incoming/flights/{name}")), &etag)
}

/// A copy of an object by hand.
async fn put_copy(world: &World, from: &str, to: &str) {
    let body = world.ports.objects.body(from).unwrap();
    world.ports.objects.put(&key(to), body, PutIf::Any).await.unwrap();
}

#[tokio::test]
async fn what_is_drained_adds_up() {
    let world = drained().await;
    world.drop_file("late.csv", "late");
    world.drop_file("later.csv", "later");
    let (found, account) = verified(&world, Options::default()).await;
    assert_eq!(found, []);
    let expected = Account {
        feed: "flights".into(),
        waiting: 2,
        waiting_bytes: 9,
        recorded: 5,
        archived: 5,
        copies: 5,
        ..Account::default()
    };
    assert_eq!(account, expected);
    assert_eq!(rest_of(&world).await, (vec![], Rest::default()));
}

#[tokio::test]
async fn names_that_are_beginnings_of_each_other_are_told_apart() {
    let world = World::new(4, 2);
    let taken = world.drop_file("a", "one").etag;
    world.drain().await;
    let names =
        ["a", "a.csv", "a.csv/b", "a-b", "a b", "a.", "a!", "ä", &format!("a.{taken}"), &format!("a.{taken}.2")];
    for content in ["one", "two", "six", "longer"] {
        for name in names {
            world.drop_file(name, content);
        }
        world.drain().await;
    }
    for (path, parts) in [("x", 60), ("y/../z", 1), ("ü", 95)] {
        world.drop_file(&format!("{}{}", path.repeat(6), "/long name".repeat(parts)), "long");
    }
    world.drop_file(&"x".repeat(1024 - "incoming/flights/".len()), "longest");
    world.drain().await;
    let (found, account) = verified(&world, Options::default()).await;
    assert_eq!(found, []);
    assert_eq!(account.recorded, 44);
    assert_eq!(account.archived + account.settled / 2, account.recorded, "{account:?}");
    assert_eq!(account.copies, 44);
}

#[tokio::test]
async fn loaded_and_not_archived() {
    let world = drained().await;
    put_copy(&world, "processed/flights/3.csv", "incoming/flights/3.csv").await;
    assert_eq!(found(&world).await, [(Kind::InTwoPlaces, "incoming/flights/3.csv".into())]);
    world.ports.objects.take_away("processed/flights/3.csv");
    assert_eq!(found(&world).await, [(Kind::NotArchived, "incoming/flights/3.csv".into())]);
    world.drain().await;
    assert_eq!(found(&world).await, []);
    assert_eq!(world.rows().values().sum::<usize>(), 5);
}

#[tokio::test]
async fn loaded_and_not_taken_any_more() {
    let mut world = drained().await;
    put_copy(&world, "processed/flights/3.csv", "incoming/flights/3.csv").await;
    world.config = sluice_core::testing::world::config("exclude = [\"3.*\"]");
    assert_eq!(found(&world).await, [(Kind::NotTaken, "incoming/flights/3.csv".into())]);
    world.ports.objects.take_away("incoming/flights/3.csv");
    assert_eq!(found(&world).await, []);
}

#[tokio::test]
async fn archived_and_not_recorded() {
    let world = drained().await;
    world.ports.destination.unrecord(world.feed(), &id(&world, "2.csv", "processed"));
    assert_eq!(found(&world).await, [(Kind::NotRecorded, "processed/flights/2.csv".into())]);
    put_copy(&world, "processed/flights/2.csv", "incoming/flights/2.csv").await;
    assert_eq!(found(&world).await, [(Kind::InTwoPlaces, "processed/flights/2.csv".into())]);
    world.drain().await;
    assert_eq!(found(&world).await, []);
}

#[tokio::test]
async fn another_version_of_a_recorded_path_is_no_copy_of_it() {
    let world = drained().await;
    world.drop_file("2.csv", "row two");
    world.drain().await;
    world.ports.destination.unrecord(world.feed(), &id(&world, "2.csv", "processed"));
    assert_eq!(found(&world).await, [(Kind::NotRecorded, "processed/flights/2.csv".into())]);
}

#[tokio::test]
async fn loaded_and_nowhere() {
    let world = drained().await;
    world.ports.objects.take_away("processed/flights/4.csv");
    let missing = [(Kind::CopyMissing, "incoming/flights/4.csv".to_owned())];
    assert_eq!(found(&world).await, missing);
    let kept = |days: u64| Options { kept_for: Some(Duration::from_hours(24 * days)), ..Options::default() };
    assert_eq!(verified(&world, kept(7)).await.0.len(), 1, "it is not as old as that");
    world.ports.clock.advance(Duration::from_hours(24 * 7));
    assert_eq!(found(&world).await, missing, "nobody said that copies expire");
    let (found, account) = verified(&world, kept(7)).await;
    assert_eq!((found, account.expired, account.archived), (vec![], 1, 4));
}

#[tokio::test]
async fn a_copy_whose_name_was_cut_is_found_and_expires_like_any_other() {
    let world = World::new(4, 2);
    let file = world.drop_file(&format!("x{}", "/long name".repeat(98)), "long");
    world.drain().await;
    let (found, account) = verified(&world, Options::default()).await;
    assert_eq!((found, account.archived, account.settled), (vec![], 1, 0));
    world.ports.objects.take_away(&world.keys("processed/")[0]);
    assert_eq!(self::found(&world).await, [(Kind::CopyMissing, file.key.into())]);
    world.ports.clock.advance(Duration::from_hours(24 * 7));
    let kept = Options { kept_for: Some(Duration::from_hours(24 * 7)), ..Options::default() };
    let (found, account) = verified(&world, kept).await;
    assert_eq!((found, account.expired), (vec![], 1));
}

/// As under KMS, where a copy has another `ETag`: here the content is another one of the same size.
#[tokio::test]
async fn a_copy_with_another_etag_is_known_by_name_and_size() {
    let world = drained().await;
    world.drop_file("4.csv", "row x");
    world.drain().await;
    for copy in world.keys("processed/") {
        world.ports.objects.put(&key(&copy), b"other".to_vec(), PutIf::Any).await.unwrap();
    }
    let (found, account) = verified(&world, Options::default()).await;
    assert_eq!(found, []);
    assert_eq!((account.archived, account.archived_by_name, account.settled), (0, 6, 0));
    world.ports.objects.drop_file("processed/flights/1.csv", "another size");
    let found = self::found(&world).await;
    let name = |place: &str| format!("{place}/flights/1.csv");
    assert_eq!(found, [(Kind::CopyMissing, name("incoming")), (Kind::NotRecorded, name("processed"))]);
}

/// As under KMS, again: names that bear an `ETag` say which version they are the copy of; one is left for the mere path.
#[tokio::test]
async fn each_version_of_a_path_has_a_copy_by_name() {
    let world = World::new(4, 2);
    for content in ["one", "two", "six"] {
        for name in ["a", "b", "c", "d"] {
            world.drop_file(name, content);
        }
        world.drain().await;
    }
    for copy in world.keys("processed/") {
        world.ports.objects.drop_file(&copy, "ten");
    }
    let (found, account) = verified(&world, Options::default()).await;
    assert_eq!((found, account.archived_by_name, account.settled), (vec![], 12, 0));
}

/// As under KMS, again: a producer can give a file the name that another file's second copy would have.
#[tokio::test]
async fn a_copy_under_its_own_name_is_no_copy_of_another_file() {
    let world = World::new(4, 2);
    let etag = world.drop_file("a", "one").etag;
    world.drop_file(&format!("a.{etag}.2"), "two");
    world.drain().await;
    world.ports.objects.drop_file(&format!("processed/flights/a.{etag}.2"), "six");
    let (found, account) = verified(&world, Options::default()).await;
    assert_eq!((found, account.archived, account.archived_by_name), (vec![], 1, 1));
    world.ports.objects.take_away("processed/flights/a");
    assert_eq!(self::found(&world).await, [(Kind::CopyMissing, "incoming/flights/a".into())]);
}

#[tokio::test]
async fn refused_files_and_their_reasons() {
    let world = World::new(4, 2);
    for name in ["bad.csv", "good.csv", "bad.csv.error.json"] {
        let file = world.drop_file(name, name);
        if name.starts_with("bad") {
            world.ports.destination.refuse(&file.key, Refusal::default());
        }
    }
    world.drain().await;
    let (found, account) = verified(&world, Options::default()).await;
    assert_eq!((found, account.failed, account.reasons), (vec![], 2, 2));
    world.ports.objects.take_away("failed/flights/bad.csv");
    // What is left: the producer's file with its reason, and the reason of the one that was taken away.
    let left = world.keys("failed/");
    let own = ["failed/flights/bad.csv.error.json", "failed/flights/bad.csv.error.json.error.json"];
    let reason = left.iter().find(|key| !own.contains(&key.as_str())).unwrap();
    assert_eq!(self::found(&world).await, [(Kind::FileMissing, reason.clone())]);
    world.ports.objects.take_away(reason);
    world.ports.objects.take_away("failed/flights/bad.csv.error.json.error.json");
    assert_eq!(self::found(&world).await, [(Kind::ReasonMissing, own[0].to_owned())]);
}

#[tokio::test]
async fn loaded_and_refused() {
    let world = drained().await;
    put_copy(&world, "processed/flights/0.csv", "failed/flights/0.csv").await;
    world.ports.objects.drop_file("failed/flights/0.csv.error.json", "{}");
    assert_eq!(found(&world).await, [(Kind::LoadedAndFailed, "incoming/flights/0.csv".into())]);
}

#[tokio::test]
async fn claimed_and_gone() {
    let world = World::new(4, 2);
    world.drop_file("a.csv", "a");
    world.drop_file("b.csv", "b");
    world.tick().await;
    assert_eq!(found(&world).await, []);
    world.ports.objects.take_away("incoming/flights/a.csv");
    assert_eq!(found(&world).await, [(Kind::ClaimedAndGone, "incoming/flights/a.csv".into())]);
    world.drain().await;
    assert_eq!(found(&world).await, []);
}

#[tokio::test]
async fn a_claim_that_nobody_works_on() {
    let world = World::new(4, 2);
    world.drop_file("a.csv", "a");
    world.tick().await;
    world.ports.clock.advance(Duration::from_mins(15));
    assert_eq!(found(&world).await, [], "it is not due for so long");
    world.ports.clock.advance(Duration::from_mins(1));
    let (told, _) = verified(&world, Options::default()).await;
    assert_eq!(told[0].kind, Kind::ClaimIdle);
    assert_eq!(told[0].detail.as_deref(), Some("since 2013-01-01T00:00:45Z, 1 files"));
    world.drain().await;
    assert_eq!(found(&world).await, []);
}

#[tokio::test]
async fn claims_that_are_wrong() {
    let world = drained().await;
    let claim = "sluice/claims/flights/0.json";
    world.ports.objects.drop_file(claim, "no JSON");
    assert_eq!(found(&world).await, [(Kind::ClaimUnreadable, claim.into())]);
    world.drain().await;
    assert_eq!(found(&world).await, []);
    world.drop_file("x.csv", "x");
    world.tick().await;
    let body = String::from_utf8(world.ports.objects.body(claim).unwrap()).unwrap();
    world.ports.objects.drop_file("sluice/claims/gone/7.json", body.replace("\"flights\"", "\"gone\""));
    assert_eq!(rest_of(&world).await.0, [(Kind::ClaimOfNoFeed, "sluice/claims/gone/7.json".into())]);
    world.ports.objects.drop_file(claim, body.replace("incoming/flights/x.csv", "processed/flights/1.csv"));
    assert_eq!(found(&world).await, [(Kind::ClaimStray, claim.into())]);
}

#[tokio::test]
async fn files_of_no_feed_are_told_and_counted() {
    let world = drained().await;
    for name in ["incoming/typo/a.csv", "incoming/typo/b.csv", "incoming/z.csv"] {
        world.ports.objects.drop_file(name, "x");
    }
    world.ports.objects.drop_file("incoming/folder/", "");
    let (told, rest) = rest_of(&world).await;
    assert_eq!(told, [(Kind::OfNoFeed, "incoming/typo/a.csv".into())]);
    assert_eq!((rest.files, rest.findings), (3, 3));
}

#[tokio::test]
async fn after_enough_findings_the_rest_is_counted() {
    let world = drained().await;
    for number in 0..5 {
        world.ports.objects.take_away(&format!("processed/flights/{number}.csv"));
    }
    let (_, account) = verified(&world, Options { most: 0, ..Options::default() }).await;
    assert_eq!((account.findings, account.unchecked, account.adds_up()), (0, 5, false));
}

#[tokio::test]
async fn a_feed_that_never_loaded_has_nothing_to_account_for() {
    let mut world = World::new(4, 2);
    world.ports.destination = world.ports.destination.clone().without_ledgers();
    world.drop_file("a.csv", "a");
    let (found, account) = verified(&world, Options::default()).await;
    assert_eq!((found, account.waiting, account.recorded), (vec![], 1, 0));
}
