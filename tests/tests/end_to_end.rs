//! The three real binaries, driven through the Runtime API, against the stand-in and a real PostgreSQL.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;

use serde_json::json;
use sluice_standin::deployment::{LISTER, LOADER, WORKER};
use sluice_tests::{BUCKET, Site, feed, numbers};

/// One row a file, numbered.
fn drop_numbers(site: &Site, feed: &str, range: std::ops::Range<i64>) {
    for number in range {
        site.drop_file(&format!("{feed}/{number:04}.csv"), &format!("{number},number {number}\n"));
    }
}

#[tokio::test]
async fn scheduled_files_go_through_lister_and_workers_into_the_table() {
    let site = Site::start(&numbers("max_files = 20\nfiles_per_load = 5")).await;
    // The workers see their COPYs end; the events would only bring more of them.
    site.standin.eventbridge().deliver_times(0);
    drop_numbers(&site, "numbers", 0..50);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let feed = site.tick(0).await;
        waiting.push((
            feed["listed"].as_u64().unwrap(),
            feed["claimed"].as_u64().unwrap(),
            feed["unprocessed"].as_u64().unwrap(),
        ));
        site.deployed.idle().await;
    }
    assert_eq!(waiting, [(50, 20, 30), (30, 20, 10), (10, 10, 0)]);
    assert_eq!(site.ids("numbers").await, (0..50).collect::<Vec<_>>());
    assert_eq!(site.keys("processed/numbers/").len(), 50);
    assert!(
        site.keys("incoming/").is_empty() && site.keys("failed/").is_empty() && site.keys("sluice/claims/").is_empty()
    );
    assert_eq!(site.keys("sluice/manifests/numbers/").len(), 10, "one COPY a manifest");
    assert_eq!(
        site.sql("SELECT count(*), count(DISTINCT file) FROM public.sluice_ledger_numbers").await[0],
        [Some("50".into()), Some("50".into())]
    );
    let stats = site.standin.lambda().stats(WORKER);
    assert_eq!((stats.invocations, stats.errors), (10, 0));
    site.stop().await;
}

#[tokio::test]
async fn a_worker_answers_what_it_did() {
    let site = Site::start(&numbers("fan_out = true")).await;
    site.standin.eventbridge().deliver_times(0);
    drop_numbers(&site, "numbers", 0..3);
    site.tick(0).await;
    site.deployed.idle().await;
    let report = site.standin.lambda().reports(WORKER).remove(0);
    let answer = report.answer().unwrap();
    assert_eq!(answer["outcome"], "loaded");
    assert_eq!(
        (&answer["files_loaded"], &answer["rows_loaded"], &answer["files_quarantined"]),
        (&json!(3), &json!(3), &json!(0))
    );
    assert_eq!(answer["feed"], "numbers");
    assert_eq!(answer["batch"].as_str().unwrap().len(), 32);
    assert_eq!(site.work("sluice/claims/numbers/0.json").await["outcome"], "gone");
    site.stop().await;
}

#[tokio::test]
async fn without_fan_out_the_lister_loads_one_batch_after_another() {
    let site = Site::start(&numbers("max_files = 4\nfiles_per_load = 2\nfan_out = false")).await;
    drop_numbers(&site, "numbers", 0..5);
    let feed = site.tick(0).await;
    let outcomes: Vec<_> =
        feed["batches"].as_array().unwrap().iter().map(|batch| batch["load"]["outcome"].clone()).collect();
    assert_eq!(outcomes, ["loaded", "loaded"]);
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [0, 1, 2, 3, 4]);
    assert_eq!(site.requests("lambda:Invoke"), 0);
    site.stop().await;
}

#[tokio::test]
async fn an_event_loads_its_file_at_once() {
    let site =
        Site::with(&numbers("trigger = \"event\""), |deployment| deployment.notify = vec!["incoming/numbers/".into()])
            .await;
    drop_numbers(&site, "numbers", 7..8);
    site.deployed.idle().await;
    // The notification is on its way to Lambda when the put returns; the report says when it was there.
    while site.standin.lambda().reports(LOADER).is_empty() {
        site.standin.lambda().follow().recv().await.unwrap();
    }
    let answer = site.standin.lambda().reports(LOADER)[0].answer().unwrap();
    assert_eq!(answer["files"][0]["outcome"], "loaded", "{answer}");
    assert_eq!(answer["batchItemFailures"], json!([]));
    assert_eq!(site.ids("numbers").await, [7]);
    assert_eq!(site.keys("processed/"), ["processed/numbers/0007.csv"]);
    site.stop().await;
}

#[tokio::test]
async fn a_storm_of_events_never_fills_more_than_the_slots_and_is_drained_by_few_copies() {
    const FILES: i64 = 500;
    const SLOTS: usize = 2;
    let settings = "trigger = \"event\"\nmax_files = 500\nfiles_per_load = 250";
    let site = Site::with(&numbers(settings), |deployment| {
        deployment.notify = vec!["incoming/numbers/".into()];
        deployment.concurrency = 8;
    })
    .await;
    // As long as Redshift takes for a small COPY, or nearly: meanwhile more files arrive.
    site.standin.redshift().unwrap().slow_copies(std::time::Duration::from_millis(500));
    let most = watch_claims(&site);
    drop_numbers(&site, "numbers", 0..FILES);
    let mut reports = site.standin.lambda().follow();
    while site.standin.lambda().reports(LOADER).len() < usize::try_from(FILES).unwrap() {
        reports.recv().await.ok();
    }
    let events = site.standin.lambda().reports(LOADER);
    let outcomes: BTreeSet<String> = events
        .iter()
        .map(|report| report.answer().unwrap()["files"][0]["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert!(outcomes.contains("deferred"), "a storm fills the slots: {outcomes:?}");
    let waiting = site.keys("incoming/").len();
    site.drain().await;
    assert_eq!(site.ids("numbers").await, (0..FILES).collect::<Vec<_>>());
    assert_eq!(site.keys("processed/").len(), 500);
    assert!(most.await.unwrap() <= SLOTS);
    let copies =
        site.sql("SELECT count(*) FROM sys_load_history").await[0][0].clone().unwrap().parse::<usize>().unwrap();
    println!("{FILES} events: {waiting} files left to the lister, {copies} COPYs");
    assert!(copies <= 25, "{copies} COPYs for {FILES} files");
    site.stop().await;
}

/// Counts the claims that there are after each change of the bucket, until the site stops.
fn watch_claims(site: &Site) -> tokio::task::JoinHandle<usize> {
    let storage = site.standin.storage().clone();
    let mut written = storage.subscribe(BUCKET, "");
    tokio::spawn(async move {
        let mut most = 0;
        while let Some(object) = written.recv().await {
            most = most.max(storage.keys_under(BUCKET, "sluice/claims/").map_or(0, |keys| keys.len()));
            if object.key == "processed/numbers/0499.csv" {
                break;
            }
        }
        most
    })
}

#[tokio::test]
async fn an_idle_tick_asks_the_warehouse_nothing() {
    let site = Site::start(&(numbers("") + &feed("more", ""))).await;
    // The first tick of an hour counts what is of no feed.
    site.tick(0).await;
    let mark = site.standin.journal().mark();
    site.tick(0).await;
    let requests = site.standin.journal().counts(mark, "fn-");
    let actions: Vec<_> = requests.iter().filter(|(action, _)| !action.starts_with("runtime:")).collect();
    assert_eq!(
        actions,
        [
            (&"monitoring:PutMetricData".to_owned(), &1),
            (&"s3:GetObject".to_owned(), &1),
            (&"s3:ListObjectsV2".to_owned(), &3)
        ],
        "one LIST for all claims, one for each feed, one call for all metrics, and when strays were counted"
    );
    site.stop().await;
}

#[tokio::test]
async fn odd_keys_work_everywhere() {
    let site = Site::with(&(numbers("") + &feed("events", "trigger = \"event\"")), |deployment| {
        deployment.notify = vec!["incoming/events/".into()];
    })
    .await;
    let longest = format!("{}.csv", "x".repeat(1024 - "incoming/numbers/.csv".len()));
    let names = [
        "with space.csv",
        "a+b.csv",
        "100%.csv",
        "%41.csv",
        "quote's.csv",
        "double\"quote.csv",
        "semi;colon--.csv",
        "ünïcödé-日本.csv",
        "back\\slash.csv",
        "ends in backslash\\",
        "a/b/../c.csv",
        "$1.csv",
        "{brace}.csv",
        "'); DROP TABLE numbers; --.csv",
        longest.as_str(),
    ];
    for (number, name) in names.iter().enumerate() {
        site.drop_file(&format!("numbers/{name}"), &format!("{number},x\n"));
        // The other feed's prefix is one byte shorter: 1,024 bytes there, too.
        let name = if *name == longest { format!("x{name}") } else { (*name).to_owned() };
        site.drop_file(&format!("events/{name}"), &format!("{number},x\n"));
    }
    let all: Vec<i64> = (0..i64::try_from(names.len()).unwrap()).collect();
    site.drain().await;
    assert_eq!(site.ids("numbers").await, all);
    assert_eq!(site.ids("events").await, all);
    assert_eq!(site.keys("processed/").len(), 2 * names.len());
    assert!(site.keys("failed/").is_empty());
    let recorded = site.sql("SELECT object_key FROM public.sluice_ledger_numbers").await;
    let recorded: BTreeSet<_> = recorded.into_iter().map(|row| row[0].clone().unwrap()).collect();
    assert_eq!(recorded, names.iter().map(|name| format!("incoming/numbers/{name}")).collect::<BTreeSet<_>>());
    site.stop().await;
}

#[tokio::test]
async fn bad_files_are_set_aside_with_their_reasons_and_good_ones_are_loaded() {
    let site = Site::start(&numbers("")).await;
    drop_numbers(&site, "numbers", 0..10);
    site.drop_file("numbers/bad.csv", "1000,fine\nnot a number,x\n");
    site.drop_file("numbers/short.csv", "1001\n");
    site.drop_file("numbers/empty.csv", "");
    site.drain().await;
    assert_eq!(site.ids("numbers").await, (0..10).collect::<Vec<_>>());
    let failed = site.keys("failed/");
    assert_eq!(
        failed,
        ["bad", "short"]
            .map(|name| [format!("failed/numbers/{name}.csv"), format!("failed/numbers/{name}.csv.error.json")])
            .concat()
    );
    let reason = site.standin.storage().get(BUCKET, "failed/numbers/bad.csv.error.json").unwrap();
    let reason: serde_json::Value = serde_json::from_slice(&reason).unwrap();
    assert_eq!(
        (&reason["code"], &reason["line"], &reason["column"]),
        (&json!(1207), &json!(2), &json!("id")),
        "{reason}"
    );
    site.stop().await;
}

#[tokio::test]
async fn a_file_that_is_not_gzip_is_set_aside_and_the_others_are_loaded() {
    let site = Site::start(&numbers("")).await;
    for (name, body) in [("a", &b"half a gzip"[..]), ("b", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0][..])] {
        site.standin.storage().put(BUCKET, &format!("incoming/numbers/{name}.csv.gz"), body.to_vec()).unwrap();
    }
    drop_numbers(&site, "numbers", 0..3);
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [0, 1, 2]);
    let failed = site.keys("failed/");
    let expected = ["a", "b"]
        .map(|name| [format!("failed/numbers/{name}.csv.gz"), format!("failed/numbers/{name}.csv.gz.error.json")]);
    assert_eq!(failed, expected.concat());
    site.stop().await;
}

#[tokio::test]
async fn wrong_configuration_stops_start_up_with_an_error_that_says_what_is_wrong() {
    let site = Site::start(&numbers("")).await;
    for (name, binary) in [(LISTER, "lister"), (LOADER, "loader"), (WORKER, "worker")] {
        let function = sluice_standin::lambda::Function::new(name, sluice_tests::binaries().join(binary))
            .with_env("SLUICE_CONFIG", "[bucket]\nname = \"landing\"\nincomming = \"in/\"\n");
        site.standin.lambda().register(function);
        let report = site.deployed.invoke(name, &json!({"claim": "sluice/claims/numbers/0.json"})).await.unwrap();
        let error = report.result.as_ref().unwrap_err().to_string() + &site.logs(name);
        assert!(error.contains("incomming") && error.contains("incoming"), "{name}: {error}");
    }
    site.stop().await;
}
