//! One feed whose warehouse hangs, and its neighbours: their ticks, their loads and their measures go on.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use sluice_standin::deployment::{LISTER, WORKER};
use sluice_tests::{BUCKET, Site, feed, numbers};
use test_case::test_case;

/// `numbers` comes first in the configuration, and its COPY does not end.
#[test_case("fan_out = true"; "where workers load")]
#[test_case("fan_out = false\nwait_seconds = 600"; "where the lister loads")]
#[tokio::test]
async fn a_feed_whose_warehouse_hangs_holds_up_no_other(settings: &'static str) {
    let site = Site::start(&(numbers(settings) + &feed("more", settings) + &feed("most", settings))).await;
    // The ledgers are made by the first loads.
    for feed in ["numbers", "more", "most"] {
        site.drop_file(&format!("{feed}/0.csv"), "0,x\n");
    }
    site.drain().await;
    let hold = site.standin.redshift().unwrap().hold_copies_into("numbers");
    let mut loaded = site.standin.storage().subscribe(BUCKET, "processed/mo");
    for feed in ["numbers", "more", "most"] {
        site.drop_file(&format!("{feed}/1.csv"), "1,x\n");
    }
    site.standin.lambda().deliver(LISTER, "{}").unwrap();
    hold.reached(1).await;
    for _ in 0..2 {
        loaded.recv().await.unwrap();
    }
    assert_eq!((site.ids("more").await, site.ids("most").await), (vec![0, 1], vec![0, 1]));
    assert_eq!(site.keys("incoming/"), ["incoming/numbers/1.csv"], "it hangs still");
    // Zero is published as zero, by the tick and before any load: each feed has as many values as any other.
    let backlogs = ["numbers", "more", "most"].map(|feed| {
        let series = site.standin.cloudwatch().series("Sluice", "UnprocessedFiles", &[("Feed", feed)]);
        series.len()
    });
    assert!(backlogs[0] > 0 && backlogs.iter().all(|values| *values == backlogs[0]), "{backlogs:?}");
    drop(hold);
    site.deployed.idle().await;
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [0, 1]);
    assert_eq!(site.standin.lambda().stats(LISTER).errors + site.standin.lambda().stats(WORKER).errors, 0);
    site.stop().await;
}

/// A feed whose warehouse is not there at all is told, and the tick of the others is whole.
#[tokio::test]
async fn a_feed_without_a_table_fails_alone() {
    let settings = "fan_out = false";
    let site = Site::start(&(numbers(settings) + &feed("more", settings))).await;
    site.sql("DROP TABLE numbers").await;
    for feed in ["numbers", "more"] {
        site.drop_file(&format!("{feed}/1.csv"), "1,x\n");
    }
    site.tick(0).await;
    assert_eq!(site.ids("more").await, [1]);
    assert_eq!((site.keys("incoming/").len(), site.keys("failed/").len()), (1, 0));
    let failed = site.standin.cloudwatch().series("Sluice", "LoadsFailed", &[("Feed", "numbers")]);
    assert!(!failed.is_empty());
    site.stop().await;
}
