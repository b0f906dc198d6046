//! Completion by event: a COPY that takes longer than its feed waits runs on without a function, and the event of its end
//! brings a worker. The event is a hint: lost, late or repeated, each file is loaded once.

#![allow(missing_docs, clippy::unwrap_used)]

use serde_json::json;
use sluice_standin::deployment::{LISTER, WORKER};
use sluice_standin::redshift::Hold;
use sluice_tests::{Site, numbers};

/// A site that waits for no COPY. It has a ledger, a COPY that is being held, and a worker that has left it.
struct Waiting {
    site: Site,
    hold: Hold,
    /// How often the worker has answered.
    before: usize,
}

async fn waiting(body: &str) -> Waiting {
    let site = Site::start(&numbers("wait_seconds = 0")).await;
    site.drop_file("numbers/0.csv", "0,zero\n");
    site.drain().await;
    let before = site.standin.lambda().reports(WORKER).len();
    let hold = site.standin.redshift().unwrap().hold_copies();
    site.drop_file("numbers/1.csv", body);
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, before, 1).await, ["pending"], "no function waits for it");
    hold.reached(1).await;
    assert_eq!(site.keys("processed/").len(), 1);
    Waiting { site, hold, before: before + 1 }
}

#[tokio::test]
async fn the_event_of_its_end_finishes_a_long_copy_without_another_tick() {
    let Waiting { site, hold, before } = waiting("1,one\n").await;
    let ticks = site.standin.lambda().stats(LISTER).invocations;
    drop(hold);
    assert_eq!(site.outcomes(WORKER, before, 1).await, ["loaded"]);
    assert_eq!((site.ids("numbers").await, site.keys("processed/").len()), (vec![0, 1], 2));
    assert_eq!(site.standin.lambda().stats(LISTER).invocations, ticks);
    site.stop().await;
}

#[tokio::test]
async fn a_lost_event_costs_a_tick_and_no_more() {
    let Waiting { site, hold, before } = waiting("1,one\n").await;
    site.standin.eventbridge().deliver_times(0);
    let mut finished = site.standin.redshift().unwrap().finished();
    let submitted = site.requests("redshift-data:BatchExecuteStatement");
    drop(hold);
    finished.recv().await.unwrap();
    site.deployed.idle().await;
    assert_eq!(site.standin.lambda().reports(WORKER).len(), before, "nobody was told");
    site.tick(0).await;
    assert_eq!(site.outcomes(WORKER, before, 1).await, ["loaded"]);
    assert_eq!(site.ids("numbers").await, [0, 1]);
    assert_eq!(site.requests("redshift-data:BatchExecuteStatement"), submitted, "nothing is submitted again");
    site.stop().await;
}

#[tokio::test]
async fn a_repeated_event_loads_nothing_twice() {
    let Waiting { site, hold, before } = waiting("1,one\n").await;
    site.standin.eventbridge().deliver_times(3);
    drop(hold);
    let outcomes = site.outcomes(WORKER, before, 3).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "loaded").count(), 1, "{outcomes:?}");
    site.drain().await;
    assert_eq!((site.ids("numbers").await, site.keys("processed/").len()), (vec![0, 1], 2));
    site.stop().await;
}

#[tokio::test]
async fn the_event_of_a_failed_copy_leads_to_quarantine_without_another_tick() {
    let Waiting { site, hold, before } = waiting("one,1\n").await;
    drop(hold);
    assert_eq!(site.outcomes(WORKER, before, 1).await, ["quarantined"]);
    assert_eq!(site.keys("failed/"), ["failed/numbers/1.csv", "failed/numbers/1.csv.error.json"]);
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
