//! Bad files, broken warehouses, and feeds that trouble nobody but themselves: the real binaries against the stand-in.
//!
//! Nobody mends anything here but the cause itself, and no command is run.

#![allow(missing_docs, clippy::float_cmp, clippy::unwrap_used)]

#[path = "bad_files/causes.rs"]
mod causes;
#[path = "bad_files/neighbours.rs"]
mod neighbours;
#[path = "bad_files/own_sql.rs"]
mod own_sql;
#[path = "bad_files/parquet.rs"]
mod parquet;

use std::collections::BTreeSet;
use std::io::Write as _;

use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sluice_standin::deployment::WORKER;
use sluice_tests::{BUCKET, Site, numbers};
use test_case::test_case;

const GZIPPED: &str = "[feed.redshift.options]\ngzip = true\nignoreheader = 1\n";

/// What becomes of a file, by its code, line and column, and by the beginning of the line that is shown.
type Fate = (i64, Option<u64>, Option<&'static str>, Option<&'static str>);

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn rows(rows: &[u8]) -> Vec<u8> {
    gzip(&[b"id,label\n", rows].concat())
}

/// Seven files, each bad in a way of its own: name, content, fate.
fn bad_in_seven_ways() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let long = format!("-6,{}\n", "x".repeat(2001));
    let truncated = rows(b"-4,cut off\n");
    vec![
        ("wrong-type", rows(b"-1,fine\nseven,x\n"), (1207, Some(3), Some("id"), Some("seven,x"))),
        ("too-many-columns", rows(b"-2,x,y\n"), (1202, Some(2), None, Some("-2,x,y"))),
        ("no-utf-8", rows(b"-3,\xff\xfe\n"), (1220, Some(2), Some("label"), Some("-3,\u{fffd}\u{fffd}"))),
        ("truncated", truncated[..truncated.len() - 12].to_vec(), (9001, None, None, None)),
        ("not-gzip", b"id,label\n-5,no text\xff\0\n".to_vec(), (9001, None, None, None)),
        ("too-long", rows(long.as_bytes()), (1204, Some(2), Some("label"), Some("-6,xxx"))),
        ("null", rows(b"-7,fine\n,nobody\n"), (1213, Some(3), Some("id"), Some(",nobody"))),
    ]
}

async fn copies(site: &Site) -> usize {
    site.sql("SELECT count(*) FROM sys_load_history").await[0][0].as_deref().unwrap().parse().unwrap()
}

fn put(site: &Site, name: &str, body: Vec<u8>) {
    site.standin.storage().put(BUCKET, &format!("incoming/numbers/{name}.csv.gz"), body).unwrap();
}

/// The order decides which of them ends the first COPY: one that cannot be unpacked, or one that can.
#[test_case(0; "what can be unpacked comes first")]
#[test_case(3; "what cannot be unpacked comes first")]
#[tokio::test]
async fn of_200_files_7_are_bad_in_7_ways_and_193_are_loaded_by_3_copies(first: usize) {
    let site = Site::start(&(numbers("max_files = 300\nfiles_per_load = 300") + GZIPPED)).await;
    // The worker sees its COPYs end; the events would only bring more of them.
    site.standin.eventbridge().deliver_times(0);
    let mut bad = bad_in_seven_ways();
    bad.rotate_left(first);
    for (name, body, _) in &bad {
        put(&site, name, body.clone());
    }
    for number in 0..193 {
        put(&site, &format!("good-{number:03}"), rows(format!("{number},good\n").as_bytes()));
    }
    put(&site, "empty", Vec::new());
    put(&site, "packed-empty", gzip(b""));
    put(&site, "only-a-header", rows(b""));
    let before = jiff::Timestamp::now();
    let feed = site.tick(0).await;
    assert_eq!(feed["claimed"], 203);
    site.deployed.idle().await;

    assert_eq!(site.ids("numbers").await, (0..193).collect::<Vec<_>>());
    assert_eq!(site.keys("processed/").len(), 196);
    assert!(site.keys("incoming/").is_empty() && site.keys("sluice/claims/").is_empty());
    let failed: BTreeSet<String> = site.keys("failed/").into_iter().collect();
    let file = |name: &str| format!("failed/numbers/{name}.csv.gz");
    let expected = bad.iter().flat_map(|(name, ..)| [file(name), file(name) + ".error.json"]).collect();
    assert_eq!(failed, expected);
    for (name, body, (code, line, column, raw_line)) in &bad {
        let storage = site.standin.storage();
        assert_eq!(storage.get(BUCKET, &file(name)).unwrap().to_vec(), *body, "{name} is as it was dropped");
        let reason: Value =
            serde_json::from_slice(&storage.get(BUCKET, &(file(name) + ".error.json")).unwrap()).unwrap();
        assert_eq!(
            (&reason["code"], &reason["line"], &reason["column"]),
            (&json!(code), &json!(line), &json!(column)),
            "{name}: {reason}"
        );
        assert_eq!((&reason["feed"], &reason["batch"]), (&json!("numbers"), &feed["batches"][0]["batch"]), "{name}");
        assert_eq!(reason["key"], format!("incoming/numbers/{name}.csv.gz"));
        assert!(!reason["message"].as_str().unwrap().is_empty(), "{reason}");
        assert_eq!(reason["statement_id"].as_str().unwrap().len(), 36, "{reason}");
        assert!(reason["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() > before, "{reason}");
        let shown = reason["raw_line"].as_str();
        assert_eq!(shown.is_some(), raw_line.is_some(), "{name}: {reason}");
        if let (Some(shown), Some(raw_line)) = (shown, raw_line) {
            assert!(shown.starts_with(raw_line) && shown.chars().count() <= 256, "{name}: {shown}");
        }
    }
    assert!(copies(&site).await <= 3, "{} COPYs", copies(&site).await);
    let answer = site.standin.lambda().reports(WORKER)[0].answer().unwrap();
    assert_eq!((&answer["files_loaded"], &answer["files_quarantined"]), (&json!(196), &json!(7)), "{answer}");
    site.stop().await;
}

/// The warehouse shows what it has refused only a while after it has said so: reasons keep code, line and column.
#[tokio::test]
async fn reasons_are_whole_where_the_system_views_are_late() {
    let site = Site::start(&(numbers("max_files = 10\nfiles_per_load = 10") + GZIPPED)).await;
    site.standin.redshift().unwrap().show_loads_after(std::time::Duration::from_millis(1500));
    put(&site, "bad", rows(b"1,one\nx,two\n"));
    put(&site, "good", rows(b"2,two\n"));
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [2]);
    let reason = site.standin.storage().get(BUCKET, "failed/numbers/bad.csv.gz.error.json").unwrap();
    let reason: Value = serde_json::from_slice(&reason).unwrap();
    assert_eq!(
        (&reason["code"], &reason["line"], &reason["column"]),
        (&json!(1207), &json!(3), &json!("id")),
        "{reason}"
    );
    assert_eq!(reason["raw_line"], "x,two", "{reason}");
    site.stop().await;
}

#[tokio::test]
async fn however_many_gzips_are_broken_3_copies_are_enough() {
    let site = Site::start(&(numbers("max_files = 300\nfiles_per_load = 300") + GZIPPED)).await;
    for number in 0..100 {
        let whole = rows(format!("{number},good\n").as_bytes());
        match number % 4 {
            1 => put(&site, &format!("{number:03}"), whole[..whole.len() - 1 - number % 11].to_vec()),
            2 => put(&site, &format!("{number:03}"), [format!("no text {number}").as_bytes(), b"\xff\0"].concat()),
            _ => put(&site, &format!("{number:03}"), whole),
        }
    }
    site.tick(0).await;
    site.deployed.idle().await;
    assert_eq!(
        site.ids("numbers").await,
        (0..100).filter(|number| ![1, 2].contains(&(number % 4))).collect::<Vec<_>>()
    );
    assert_eq!(site.keys("failed/").len(), 100, "fifty files with their reasons");
    assert!(copies(&site).await <= 3, "{} COPYs", copies(&site).await);
    site.stop().await;
}
