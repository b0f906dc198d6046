//! An update of the functions loses nothing that is in flight: claims that an older version wrote are understood, and a
//! batch that the old functions began is finished by the new ones.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use serde_json::Value;
use sluice_standin::deployment::{Deployment, WORKER};
use sluice_tests::{BUCKET, Site, binaries, numbers};
use test_case::test_case;

/// Claims as released versions wrote them. They are never changed; a version that writes other fields adds its own.
const OFFERED: &str = include_str!("../claims/0.1.0-offered.json");
const RUNNING: &str = include_str!("../claims/0.1.0-running.json");
/// The fields that every version writes, and no others.
const LEAST: &str = include_str!("../claims/least.json");
const CLAIM: &str = "sluice/claims/numbers/0.json";

fn etag(site: &Site, key: &str) -> String {
    site.standin.storage().head(BUCKET, key).unwrap().etag
}

#[test_case(OFFERED; "that nobody has taken")]
#[test_case(RUNNING; "of a dead worker, whose statement is forgotten")]
#[test_case(LEAST; "without what later versions added")]
#[tokio::test]
async fn an_old_claim_is_finished_by_the_next_tick(claim: &str) {
    let site = Site::start(&numbers("")).await;
    // The first load makes the ledger, and the event of its first try would bring another worker.
    site.standin.eventbridge().deliver_times(0);
    site.drop_file("numbers/1.csv", "1,one\n");
    let etag = etag(&site, "incoming/numbers/1.csv");
    let claim = claim.replace("$ETAG", &etag).replace("$STATEMENT", "7c5f4b5e-8f3e-4f0a-9d2b-6a1e0f2d3c4b");
    site.standin.storage().put(BUCKET, CLAIM, claim).unwrap();
    let tick = site.tick(0).await;
    assert_eq!((&tick["in_flight"], &tick["claimed"]), (&1.into(), &0.into()), "the claim holds its file: {tick}");
    assert_eq!(site.outcomes(WORKER, 0, 1).await, ["loaded"]);
    site.drain().await;
    assert_eq!((site.ids("numbers").await, site.keys("processed/")), (vec![1], vec!["processed/numbers/1.csv".into()]));
    site.stop().await;
}

#[tokio::test]
async fn a_copy_that_runs_during_an_update_is_finished_by_the_new_functions() {
    let feed = numbers("wait_seconds = 0");
    let site = Site::start(&feed).await;
    site.drop_file("numbers/0.csv", "0,zero\n");
    site.drain().await;
    let before = site.standin.lambda().reports(WORKER).len();
    let hold = site.standin.redshift().unwrap().hold_copies();
    site.drop_file("numbers/1.csv", "1,one\n");
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, before, 1).await, ["pending"]);
    hold.reached(1).await;

    // As if the old functions had written it: an older format, and a statement whose name they chose, without an event.
    let claim: Value = serde_json::from_slice(&site.standin.storage().get(BUCKET, CLAIM).unwrap()).unwrap();
    let statement = claim["statement_id"].as_str().unwrap();
    let old = RUNNING.replace("$ETAG", &etag(&site, "incoming/numbers/1.csv")).replace("$STATEMENT", statement);
    site.standin.storage().put(BUCKET, CLAIM, old).unwrap();
    site.standin.eventbridge().deliver_times(0);
    let config = format!("[bucket]\nname = \"{BUCKET}\"\n{feed}");
    let update = Deployment::new(BUCKET, config, binaries());
    let deployed = site.standin.deploy(&update).unwrap();

    let mut finished = site.standin.redshift().unwrap().finished();
    let submitted = site.requests("redshift-data:BatchExecuteStatement");
    drop(hold);
    finished.recv().await.unwrap();
    deployed.tick().await.unwrap();
    deployed.idle().await;
    assert_eq!(site.ids("numbers").await, [0, 1]);
    assert_eq!(site.requests("redshift-data:BatchExecuteStatement"), submitted, "it is asked for, not run again");
    assert!(site.keys("sluice/claims/").is_empty());
    site.stop().await;
}

/// What is written now is what the newest of the kept claims has: whoever changes the format keeps a claim of it.
#[tokio::test]
async fn the_kept_claims_are_of_the_format_that_is_written() {
    let site = Site::start(&numbers("")).await;
    site.drop_file("numbers/1.csv", "1,one\n");
    let hold = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    let object = site.standin.storage().get(BUCKET, CLAIM).unwrap();
    let written: Value = serde_json::from_slice(&object).unwrap();
    let fields = |claim: &Value| claim.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    for kept in [OFFERED, RUNNING] {
        let kept: Value = serde_json::from_str(kept).unwrap();
        assert_eq!(fields(&kept), fields(&written));
        assert_eq!(fields(&kept["files"][0]), fields(&written["files"][0]));
    }
    drop(hold);
    site.drain().await;
    site.stop().await;
}
