//! Races of real processes, each brought about: requests are held where the race is open until everybody is there.
//!
//! Whoever wins, each row is in the table once, each file in one place, and nothing is left.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod deployments;
mod forgotten;
mod replaced;
mod scene;

use serde_json::{Value, json};
use sluice_standin::deployment::{LISTER, LOADER, WORKER};
use sluice_standin::faults::Moment;
use sluice_tests::{BUCKET, Gate, Site, expire_leases, numbers};
use test_case::test_case;

use scene::{CLAIM, Scene, claim_when};

const CLAIMS: &str = "/sluice/claims/";

#[tokio::test(flavor = "multi_thread")]
async fn two_listers_at_the_same_instant_fill_each_slot_once() {
    let scene = Scene::start("max_files = 2\nfiles_per_load = 1\norder = \"key\"").await;
    let site = &scene.site;
    scene.change(LISTER, |lister| lister.concurrency = Some(2));
    scene.drop_numbers(0..4);
    let copies = site.standin.redshift().unwrap().hold_copies();
    // Both have seen that every slot is free and have planned the same files before either writes a claim.
    let gate = Gate::close(&site.standin, Moment::Before, |rule| {
        rule.caller("fn-sluice-lister-").operation("PutObject").subject(CLAIMS)
    });
    let both_there = async {
        gate.reached(2).await;
        gate.open();
    };
    let (one, other, ()) = tokio::join!(site.deployed.tick(), site.deployed.tick(), both_there);
    let claimed = |report: Value| report["feeds"][0]["claimed"].as_u64().unwrap();
    assert_eq!(claimed(one.unwrap().answer().unwrap()) + claimed(other.unwrap().answer().unwrap()), 2);
    assert_eq!(site.keys("sluice/claims/").len(), 2);
    drop(copies);
    scene.drain().await;
    scene.check(0..4).await;
    site.standin.lambda().idle().await;
    assert_eq!(scene.copies().await, 4, "nothing is copied twice");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_on_one_claim_one_finds_it_busy() {
    let scene = Scene::with_ledger("").await;
    let site = &scene.site;
    scene.drop_numbers(1..4);
    scene.offer(0);
    // Both have read the same version of the claim before either takes the lease.
    let gate = Gate::close(&site.standin, Moment::Before, |rule| {
        rule.caller("fn-sluice-worker-").operation("PutObject").subject(CLAIMS)
    });
    for _ in 0..2 {
        site.standin.lambda().deliver(WORKER, json!({"claim": CLAIM}).to_string()).unwrap();
    }
    gate.reached(2).await;
    gate.open();
    let mut outcomes = site.outcomes(WORKER, scene.before, 2).await;
    outcomes.sort();
    assert_eq!(outcomes, ["busy", "loaded"]);
    scene.check(0..4).await;
    assert_eq!(scene.copies().await, 2, "one for the ledger's first file, one for the claim");
    scene.stop().await;
}

/// Both deliveries bear the same request id, and the lease is that id's: both may hold it.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_delivered_twice_loads_once() {
    let scene = Scene::with_ledger("").await;
    let site = &scene.site;
    scene.drop_numbers(1..4);
    site.standin.lambda().deliver_times(WORKER, 2);
    let copies = site.standin.redshift().unwrap().hold_copies();
    let gate = Gate::close(&site.standin, Moment::Before, |rule| {
        rule.caller("fn-sluice-worker-").operation("PutObject").subject(CLAIMS)
    });
    site.tick(0).await;
    gate.reached(2).await;
    gate.open();
    copies.reached(1).await;
    drop(copies);
    let outcomes = site.outcomes(WORKER, scene.before, 2).await;
    println!("XX twice {outcomes:?}");
    assert!(outcomes.contains(&"loaded".to_owned()), "{outcomes:?}");
    scene.drain().await;
    scene.check(0..4).await;
    assert_eq!(scene.copies().await, 2, "one statement for both: {outcomes:?}");
    scene.stop().await;
}

/// Who writes the claim first, where a loader and a lister have planned the same files for the same slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Lister,
    Loader,
}

#[test_case(First::Lister; "where the lister is first the loader takes another slot and one of them gives way")]
#[test_case(First::Loader; "where the loader is first the lister leaves the files to it")]
#[tokio::test(flavor = "multi_thread")]
async fn a_loader_and_a_lister_on_the_same_files_load_them_once(first: First) {
    let scene = Scene::with_ledger("trigger = \"event\"\nmax_files = 6\nfiles_per_load = 3").await;
    let site = &scene.site;
    scene.drop_numbers(1..4);
    let writes = |caller: &'static str| {
        Gate::close(&site.standin, Moment::Before, move |rule| {
            rule.caller(caller).operation("PutObject").subject(CLAIMS)
        })
    };
    let (lister, loader) = (writes("fn-sluice-lister-"), writes("fn-sluice-loader-"));
    let mark = site.standin.journal().mark();
    site.standin.lambda().deliver(LOADER, scene.created().to_string()).unwrap();
    site.standin.lambda().deliver(LISTER, "{}").unwrap();
    lister.reached(1).await;
    loader.reached(1).await;
    let (now, then, caller) = match first {
        First::Lister => (lister, loader, "fn-sluice-lister-"),
        First::Loader => (loader, lister, "fn-sluice-loader-"),
    };
    now.open();
    let written = |entry: &sluice_standin::journal::Entry| entry.caller.starts_with(caller) && is_claim_write(entry);
    site.standin.journal().wait_for(mark, written).await;
    then.open();
    scene.drain().await;
    scene.check(0..4).await;
    assert_eq!(scene.copies_that_loaded().await, 2);
    scene.stop().await;
}

/// Each has read the other's claim before either has given way: both give way, and the next tick plans anew.
#[tokio::test(flavor = "multi_thread")]
async fn where_two_claims_see_each_other_both_give_way_and_the_files_are_planned_again() {
    let scene = Scene::with_ledger("max_files = 6\nfiles_per_load = 3").await;
    let site = &scene.site;
    scene.drop_numbers(1..4);
    scene.offer(0);
    scene.offer(1);
    // The first write takes the lease, the second one gives way; in between the other claim is read.
    let claims = ["numbers/0.json", "numbers/1.json"];
    let gates = claims.map(|claim| {
        Gate::close(&site.standin, Moment::Before, |rule| {
            rule.caller("fn-sluice-worker-").operation("PutObject").subject(format!("{CLAIMS}{claim}")).nth(2)
        })
    });
    for claim in claims {
        let event = json!({"claim": format!("sluice/claims/{claim}")});
        site.standin.lambda().deliver(WORKER, event.to_string()).unwrap();
    }
    for gate in &gates {
        gate.reached(1).await;
    }
    drop(gates);
    site.outcomes(WORKER, scene.before, 2).await;
    assert_eq!(site.keys("incoming/").len(), 3, "both gave way");
    assert!(site.keys("sluice/claims/").is_empty());
    scene.drain().await;
    scene.check(0..4).await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_ends_while_its_copy_runs_and_its_heir_load_once() {
    let scene = Scene::with_ledger("wait_seconds = 60").await;
    let site = &scene.site;
    scene.drop_numbers(1..4);
    let copies = site.standin.redshift().unwrap().hold_copies();
    let mut claims = site.standin.storage().subscribe(BUCKET, "sluice/claims/");
    site.tick(0).await;
    let first = claim_when(site, &mut claims, |claim| !claim["statement_id"].is_null()).await;
    copies.reached(1).await;
    expire_leases(site.standin.storage(), BUCKET);
    site.tick(0).await;
    let heir = claim_when(site, &mut claims, |claim| claim["owner"] != first["owner"]).await;
    assert_eq!(heir["statement_id"], first["statement_id"], "it goes on with the COPY that runs");
    drop(copies);
    let outcomes = site.outcomes(WORKER, scene.before, 2).await;
    println!("XX {outcomes:?}");
    assert!(outcomes.contains(&"loaded".to_owned()), "{outcomes:?}");
    scene.drain().await;
    scene.check(0..4).await;
    assert_eq!(scene.copies().await, 2);
    scene.stop().await;
}

/// The worker's time is too short for the COPY: it leaves it, and whoever comes next finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_outlives_its_worker_is_left_pending_and_loaded_once() {
    let scene = Scene::with_ledger("wait_seconds = 600").await;
    let site = &scene.site;
    scene.change(WORKER, |worker| worker.timeout = std::time::Duration::from_secs(2));
    scene.drop_numbers(1..4);
    let copies = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, scene.before, 1).await, ["pending"]);
    copies.reached(1).await;
    // Nothing is to be had for whoever asks before its end.
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, scene.before + 1, 1).await, ["pending"]);
    drop(copies);
    scene.drain().await;
    scene.check(0..4).await;
    assert_eq!(scene.copies().await, 2, "it is asked for, not run again");
    assert_eq!(site.standin.lambda().stats(WORKER).errors, 0, "no worker was killed at its deadline");
    scene.stop().await;
}

/// Same name, other content: loaded again, beside what the archive has. Same name, same content: not loaded again.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_comes_again_is_loaded_for_each_new_content() {
    let scene = Scene { before: 0, site: Site::start(&numbers("")).await };
    let site = &scene.site;
    for (body, rows) in [("1,one\n", &[1][..]), ("2,two\n", &[1, 2]), ("1,one\n", &[1, 2]), ("2,two\n", &[1, 2])] {
        site.drop_file("numbers/same.csv", body);
        scene.drain().await;
        assert_eq!(site.ids("numbers").await, rows);
        assert_eq!(scene.ledger().await.len(), rows.len());
        let archived: Vec<String> = site.keys("processed/").iter().map(|key| scene.body(key)).collect();
        assert_eq!(archived, ["1,one\n", "2,two\n"][..rows.len()], "nothing is overwritten, nothing is there twice");
    }
    scene.stop().await;
}

fn is_claim_write(entry: &sluice_standin::journal::Entry) -> bool {
    entry.operation == "PutObject" && entry.subject.as_deref().is_some_and(|subject| subject.contains(CLAIMS))
}
