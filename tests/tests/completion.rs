//! Completion by event: a COPY that takes longer than its feed waits runs on without a function, and the event of its end
//! brings a worker. The event is a hint: lost, late or repeated, each file is loaded once.

#![allow(missing_docs, clippy::unwrap_used)]

use serde_json::json;
use sluice_standin::deployment::{LISTER, WORKER};
use sluice_tests::{Site, numbers};

/// A site that waits for no COPY, with one file in it.
async fn site_with_a_file(body: &str) -> Site {
    let site = Site::start(&numbers("wait_seconds = 0")).await;
    site.drop_file("numbers/1.csv", body);
    site
}

#[tokio::test]
async fn the_event_of_its_end_finishes_a_long_copy_without_another_tick() {
    let site = site_with_a_file("1,one\n").await;
    let hold = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, 1).await, ["pending"], "no function waits for it");
    hold.reached(1).await;
    assert!(site.keys("processed/").is_empty());
    drop(hold);
    assert_eq!(site.outcomes(WORKER, 2).await, ["pending", "loaded"]);
    assert_eq!((site.ids("numbers").await, site.keys("processed/").len()), (vec![1], 1));
    assert_eq!(site.standin.lambda().stats(LISTER).invocations, 1);
    site.stop().await;
}

#[tokio::test]
async fn a_lost_event_costs_a_tick_and_no_more() {
    let site = site_with_a_file("1,one\n").await;
    site.standin.eventbridge().deliver_times(0);
    let mut finished = site.standin.redshift().unwrap().finished();
    let hold = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, 1).await, ["pending"]);
    drop(hold);
    finished.recv().await.unwrap();
    assert_eq!(site.standin.lambda().stats(WORKER).invocations, 1, "nobody was told");
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, 2).await, ["pending", "loaded"]);
    assert_eq!(site.ids("numbers").await, [1]);
    assert_eq!(site.requests("redshift-data:BatchExecuteStatement"), 2, "one for the missing ledger, one that loads");
    site.stop().await;
}

#[tokio::test]
async fn a_repeated_event_loads_nothing_twice() {
    let site = site_with_a_file("1,one\n").await;
    site.standin.eventbridge().deliver_times(3);
    let hold = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    site.outcomes(WORKER, 1).await;
    drop(hold);
    let mut outcomes = site.outcomes(WORKER, 4).await;
    outcomes.sort_unstable();
    outcomes.retain(|outcome| outcome == "loaded");
    assert_eq!(outcomes, ["loaded"]);
    site.drain().await;
    assert_eq!((site.ids("numbers").await, site.keys("processed/").len()), (vec![1], 1));
    site.stop().await;
}

#[tokio::test]
async fn the_event_of_a_failed_copy_leads_to_quarantine_without_another_tick() {
    let site = site_with_a_file("one,1\n").await;
    let hold = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, 1).await, ["pending"]);
    drop(hold);
    assert_eq!(site.outcomes(WORKER, 2).await, ["pending", "quarantined"]);
    assert_eq!(site.keys("failed/"), ["failed/numbers/1.csv", "failed/numbers/1.csv.error.json"]);
    assert_eq!(site.standin.lambda().stats(LISTER).invocations, 1);
    site.stop().await;
}

#[tokio::test]
async fn the_end_of_somebody_elses_statement_is_nothing_to_do() {
    let site = Site::start(&numbers("")).await;
    let event = |name: &str| {
        json!({
            "source": "aws.redshift-data",
            "detail-type": "Redshift Data Statement Status Change",
            "detail": {"statementName": name, "state": "FINISHED"},
        })
    };
    for (name, outcome) in [
        ("sluice:another-bucket:numbers:0:b", "skipped"),
        ("sluice:landing:numbers:../../incoming/numbers/1.csv:b", "skipped"),
        ("sluice:landing:numbers:0:b", "gone"),
    ] {
        assert_eq!(site.answer(WORKER, &event(name)).await["outcome"], outcome, "{name}");
    }
    site.stop().await;
}
