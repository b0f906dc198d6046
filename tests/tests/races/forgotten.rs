//! What the Data API forgets: how a statement ended, after 24 hours, and which statement a token stands for, after eight.
//! The ledger does not forget.

use jiff::SignedDuration;
use serde_json::json;
use sluice_standin::deployment::WORKER;
use sluice_standin::faults::Moment;
use sluice_tests::{BUCKET, Kill, expire_leases};
use test_case::test_case;

use crate::scene::{CLAIM, Scene};

/// A worker dies over a load that is committed, or is about to be, and nobody comes for so many hours.
#[test_case("CopyObject", Moment::Before, 25; "the status of a statement that the claim knows")]
#[test_case("BatchExecuteStatement", Moment::After, 9; "the token of a statement that the claim does not know")]
#[test_case("BatchExecuteStatement", Moment::After, 25; "token and status of a statement that the claim does not know")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_settled_by_the_ledger(dies_at: &'static str, moment: Moment, hours: i64) {
    let scene = Scene::with_ledger("").await;
    let site = &scene.site;
    let redshift = site.standin.redshift().unwrap();
    scene.drop_numbers(1..4);
    scene.offer(0);
    let mut finished = redshift.finished();
    let kill = Kill::at(&site.standin, moment, |rule| rule.caller("fn-sluice-worker-").operation(dies_at).first(1));
    let report = site.deployed.invoke(WORKER, &json!({"claim": CLAIM})).await.unwrap();
    assert!(report.result.is_err() && kill.last().is_some(), "{:?}", report.result);
    drop(kill);
    finished.recv().await.unwrap();
    assert_eq!((site.ids("numbers").await.len(), site.keys("incoming/").len()), (4, 3), "committed, and not archived");

    redshift.advance(SignedDuration::from_hours(hours));
    expire_leases(site.standin.storage(), BUCKET);
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, scene.before + 1, 1).await, ["already_loaded"]);
    scene.check(0..4).await;
    scene.stop().await;
}

/// As long as the token is remembered nothing is even tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_no_claim_knows_is_found_by_its_token() {
    let scene = Scene::with_ledger("").await;
    let site = &scene.site;
    scene.drop_numbers(1..4);
    scene.offer(0);
    let kill = Kill::at(&site.standin, Moment::After, |rule| {
        rule.caller("fn-sluice-worker-").operation("BatchExecuteStatement").first(1)
    });
    let report = site.deployed.invoke(WORKER, &json!({"claim": CLAIM})).await.unwrap();
    assert!(report.result.is_err());
    drop(kill);
    site.standin.redshift().unwrap().advance(SignedDuration::from_hours(7));
    expire_leases(site.standin.storage(), BUCKET);
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, scene.before + 1, 1).await, ["loaded"]);
    scene.check(0..4).await;
    assert_eq!(scene.copies().await, 2);
    scene.stop().await;
}
