//! A feed whose warehouse hangs or is too full troubles nobody but itself.

use std::time::Duration;

use serde_json::json;
use sluice_standin::deployment::LISTER;
use sluice_standin::faults::{Fault, Moment, Rule};
use sluice_tests::{BUCKET, Gate, Site, expire_leases, feed, numbers};
use test_case::test_case;

/// Two feeds, of which the first has a warehouse of its own.
fn two_feeds(settings: &str) -> String {
    numbers(settings).replace("workgroup = \"demo\"", "workgroup = \"slow\"") + &feed("others", settings)
}

fn published(site: &Site, feed: &str, metric: &str) -> Vec<f64> {
    let series = site.standin.cloudwatch().series("Sluice", metric, &[("Feed", feed)]);
    series.iter().map(|datum| datum.value * datum.count).collect()
}

/// Every call to the first feed's warehouse hangs: the other feed ticks, loads and is measured as ever.
/// Where the lister loads and there is one lister at a time, the next tick comes when that one has given up.
#[test_case(true, 1, 3; "with workers")]
#[test_case(false, 1, 1; "where the lister loads")]
#[test_case(false, 3, 3; "where listers load beside each other")]
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_feed_whose_warehouse_hangs_holds_up_no_other(fan_out: bool, listers: usize, rounds: usize) {
    let settings = format!("max_files = 4\nfiles_per_load = 2\nfan_out = {fan_out}");
    let site = Site::with(&two_feeds(&settings), |deployment| {
        (deployment.timeout, deployment.listers) = (Duration::from_mins(5), listers);
    })
    .await;
    let gate = Gate::close(&site.standin, Moment::Before, |rule| rule.service("redshift-data").subject("slow"));
    let mut ticks = Vec::new();
    let all: Vec<i64> = (0..2 * i64::try_from(rounds).unwrap()).collect();
    for round in 0..rounds {
        for number in [2 * round, 2 * round + 1] {
            for feed in ["numbers", "others"] {
                site.drop_file(&format!("{feed}/{number}.csv"), &format!("{number},x\n"));
            }
        }
        let mut loaded = site.standin.storage().subscribe(BUCKET, "processed/others/");
        // A lister that loads may hang with its feed; so nobody waits for it.
        let (deployed, all) = (site.deployed.clone(), json!({}));
        ticks.push(tokio::spawn(async move { deployed.invoke(LISTER, &all).await }));
        for _ in 0..2 {
            let archived = tokio::time::timeout(Duration::from_mins(1), loaded.recv()).await;
            assert!(archived.is_ok(), "round {round}: the other feed is held up");
        }
    }
    gate.reached(1).await;
    assert_eq!(site.ids("others").await, all);
    assert!(site.ids("numbers").await.is_empty());
    for feed in ["numbers", "others"] {
        assert_eq!(published(&site, feed, "UnprocessedFiles").len(), rounds, "{feed}: one value each tick");
    }
    let in_flight = published(&site, "numbers", "InFlightFiles").pop().unwrap();
    assert!((2.0..=4.0).contains(&in_flight), "X, and not more: {in_flight}");

    // What hung goes on, and nothing else has to be done.
    gate.open();
    for tick in ticks {
        tick.await.unwrap().unwrap();
    }
    site.drain().await;
    assert_eq!(site.ids("numbers").await, all);
    let measured: f64 = published(&site, "others", "FilesLoaded").iter().sum();
    assert!(measured >= 2.0 * f64::from(u8::try_from(rounds).unwrap()), "what was loaded is measured: {measured}");
    site.stop().await;
}

/// The Data API takes no more statements: the feed uses fewer slots, says so, and gets them back.
#[tokio::test]
async fn a_warehouse_that_is_too_full_is_asked_for_less() {
    let site = Site::with(&numbers("max_files = 8\nfiles_per_load = 2"), |deployment| {
        deployment.timeout = Duration::from_secs(8);
    })
    .await;
    site.standin.eventbridge().deliver_times(0);
    for number in 0..40 {
        site.drop_file(&format!("numbers/{number:02}.csv"), &format!("{number},x\n"));
    }
    let full = Fault::Answer(400, "ActiveStatementsExceededException", "too many active statements");
    let rule = Rule::new(full).service("redshift-data").operation("BatchExecuteStatement");
    let rule = site.standin.faults().add(rule);
    let tick = async || {
        let claimed = site.tick(0).await["claimed"].as_u64().unwrap();
        site.deployed.idle().await;
        (published(&site, "numbers", "EffectiveMaxFiles").pop().unwrap(), claimed)
    };
    assert_eq!(tick().await, (8.0, 8), "nobody knows yet");
    let (effective, claimed) = tick().await;
    assert!(effective <= 4.0 && claimed == 0, "{effective} {claimed}");
    site.standin.faults().remove(rule);
    // One batch shows that the feed works again, and then the others follow.
    for loaded in [2, 8] {
        expire_leases(site.standin.storage(), BUCKET);
        tick().await;
        assert_eq!(site.ids("numbers").await.len(), loaded, "what was claimed is loaded");
    }
    let (effective, claimed) = tick().await;
    assert!(effective <= 4.0 && claimed <= 4, "not all at once: {effective} {claimed}");
    // What is held back runs out by itself; here nobody waits for it.
    expire_leases(site.standin.storage(), BUCKET);
    tick().await;
    assert_eq!(tick().await.0, 8.0);
    site.drain().await;
    assert_eq!(site.ids("numbers").await, (0..40).collect::<Vec<_>>());
    assert!(site.keys("failed/").is_empty());
    site.stop().await;
}
