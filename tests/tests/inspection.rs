//! The look at heads: what COPY would pass over in silence is loaded rightly or set aside, and what brings no row, or is
//! nobody's, is told. The real binaries against the stand-in.

#![allow(missing_docs, clippy::float_cmp, clippy::unwrap_used)]

use std::io::Write as _;

use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sluice_standin::deployment::WORKER;
use sluice_standin::faults::{Fault, Rule};
use sluice_standin::journal::Entry;
use sluice_standin::s3::{Extras, Put};
use sluice_tests::{BUCKET, Site, feed, numbers};

const HEADER: &str = "[feed.redshift.options]\nignoreheader = 1\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()
}

fn put(site: &Site, key: &str, body: impl Into<Vec<u8>>) {
    site.standin.storage().put(BUCKET, key, body.into()).unwrap();
}

fn reason(site: &Site, name: &str) -> Value {
    let key = format!("failed/{name}.error.json");
    serde_json::from_slice(&site.standin.storage().get(BUCKET, &key).unwrap()).unwrap()
}

async fn copies(site: &Site) -> usize {
    site.sql("SELECT count(*) FROM sys_load_history").await[0][0].as_deref().unwrap().parse().unwrap()
}

async fn status(site: &Site, config: &std::path::Path) -> String {
    let output = site.sluice(&["status", "--config", config.to_str().unwrap()]).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

/// How each file looks, and what must become of it: its row, or a word of the reason.
#[tokio::test]
async fn what_is_packed_otherwise_than_it_says_is_loaded_and_what_cannot_be_loaded_is_set_aside() {
    let site = Site::start(&(numbers("max_files = 100\nfiles_per_load = 100") + HEADER)).await;
    site.standin.eventbridge().deliver_times(0);
    let text = |id: i32| format!("id,label\n{id},x\n").into_bytes();
    let loaded: [(&str, Vec<u8>); 8] = [
        ("plain.csv", text(1)),
        ("gzip-without-a-word.csv", gzip(&text(2))),
        ("gzip-in-two-members.csv", [gzip(b"id,label\n3"), gzip(b",x\n")].concat()),
        ("packed.csv.gzip", gzip(&text(4))),
        ("packed.csv.gz", gzip(&text(5))),
        ("a-text.csv.gz", text(6)),
        ("a-text.csv.zst", text(7)),
        ("dos.csv", b"id,label\r\n8,x\r\n".to_vec()),
    ];
    let unfit: [(&str, Vec<u8>, &str); 8] = [
        ("twice.csv.gz", gzip(&gzip(&text(-1))), "packed twice"),
        ("twice-without-a-word.csv", gzip(&gzip(&text(-2))), "packed twice"),
        ("mac.csv", b"id,label\r-3,x\r".to_vec(), "CR alone"),
        ("mac.csv.gz", gzip(b"id,label\r-4,x\r"), "CR alone"),
        ("utf16.csv", utf16("id,label\n-5,x\n"), "UTF-16"),
        ("utf16.csv.gz", gzip(&utf16("id,label\n-6,x\n")), "UTF-16"),
        ("archive.csv", b"PK\x03\x04\x14\0\x08\0\x08\0".to_vec(), "zip archive"),
        ("archive.csv.gz", b"\xfd7zXZ\0\0\x04".to_vec(), "xz file"),
    ];
    let without_rows = [("header.csv", b"id,label\n".to_vec()), ("header.csv.gz", gzip(b"id,label\n"))];
    for (name, body) in loaded.iter().chain(&without_rows) {
        put(&site, &format!("incoming/numbers/{name}"), body.clone());
    }
    for (name, body, _) in &unfit {
        put(&site, &format!("incoming/numbers/{name}"), body.clone());
    }
    put(&site, "incoming/numbers/empty.csv", "");
    site.drain().await;

    assert_eq!(site.ids("numbers").await, (1..=8).collect::<Vec<_>>());
    assert_eq!(site.keys("processed/").len(), loaded.len() + without_rows.len() + 1);
    assert_eq!(site.keys("failed/").len(), 2 * unfit.len(), "{:?}", site.keys("failed/"));
    for (name, body, word) in &unfit {
        let kept = site.standin.storage().get(BUCKET, &format!("failed/numbers/{name}")).unwrap();
        assert_eq!(kept.to_vec(), *body, "{name} is as it was dropped");
        let reason = reason(&site, &format!("numbers/{name}"));
        assert!(reason["message"].as_str().unwrap().contains(word), "{name}: {reason}");
        assert_eq!((&reason["code"], &reason["line"]), (&Value::Null, &Value::Null), "{name}: {reason}");
        assert!(reason["statement_id"].as_str().unwrap().starts_with("inspection-"), "{name}: {reason}");
    }
    // Those called plain, gzip and zstd are planned apart; what its head says otherwise goes by turns.
    let copies = copies(&site).await;
    assert!(copies <= 6, "{copies} COPYs");
    assert_eq!(site.published("numbers", "FilesWithoutRows").iter().sum::<f64>(), 2.0);
    assert_eq!(site.published("numbers", "FilesQuarantined").iter().sum::<f64>(), 8.0);
    site.stop().await;
}

#[tokio::test]
async fn json_arrays_and_parquet_without_a_footer_are_set_aside() {
    let parquet = feed("columns", "").replace("format = \"csv\"", "format = \"parquet\"");
    let json = feed("objects", "").replace("format = \"csv\"", "format = \"json\"");
    let site = Site::start(&(json + &parquet)).await;
    put(&site, "incoming/objects/good.json", "{\"id\": 1}\n{\"id\": 2}");
    put(&site, "incoming/objects/array.json", "[{\"id\": -1},\n{\"id\": -2}]");
    put(&site, "incoming/objects/packed", gzip(b"{\"id\": 3}"));
    put(&site, "incoming/objects/array.json.gz", gzip(b" [{\"id\": -3}]"));
    put(&site, "incoming/columns/cut.parquet", [&b"PAR1"[..], &[0; 100]].concat());
    put(&site, "incoming/columns/short.parquet", "PAR");
    site.drain().await;
    assert_eq!(site.ids("objects").await, [1, 2, 3]);
    for (name, word) in [
        ("objects/array.json", "JSON array"),
        ("objects/array.json.gz", "JSON array"),
        ("columns/cut.parquet", "footer"),
        ("columns/short.parquet", "footer"),
    ] {
        let reason = reason(&site, name);
        assert!(reason["message"].as_str().unwrap().contains(word), "{reason}");
    }
    assert_eq!(site.keys("failed/").len(), 8);
    assert_eq!(copies(&site).await, 2, "what cannot be loaded is not tried");
    site.stop().await;
}

/// One small read a file, of the planned version, and none where nobody wants it.
#[tokio::test]
async fn a_head_is_one_read_and_none_where_the_feed_says_so() {
    let site = Site::start(&(numbers("max_files = 20") + &feed("unseen", "inspect = false"))).await;
    for number in 0..20 {
        site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},x\n"));
        site.drop_file(&format!("unseen/{number}.csv"), &format!("{number},x\n"));
    }
    site.tick(0).await;
    site.deployed.idle().await;
    let reads = |prefix: &str| {
        let journal = site.standin.journal().snapshot();
        let of = format!("{BUCKET}/incoming/{prefix}/");
        let of_it = |entry: &&Entry| entry.subject.as_deref().is_some_and(|subject| subject.starts_with(&of));
        journal.iter().filter(of_it).filter(|entry| entry.action() == "s3:GetObject").count()
    };
    assert_eq!((reads("numbers"), reads("unseen")), (20, 0));
    site.stop().await;
}

/// A head that cannot be read is nobody's fault: the warehouse judges.
#[tokio::test]
async fn what_cannot_be_read_is_left_to_the_warehouse() {
    let site = Site::start(&(numbers("") + HEADER)).await;
    let denied = Fault::Answer(403, "AccessDenied", "Access Denied");
    let denied = Rule::new(denied).service("s3").operation("GetObject");
    site.standin.faults().add(denied.subject("incoming/numbers/a.csv"));
    put(&site, "incoming/numbers/a.csv", "id,label\n1,x\n");
    put(&site, "incoming/numbers/twice.csv", gzip(&gzip(b"id,label\n-1,x\n")));
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [1]);
    assert_eq!(site.keys("failed/").len(), 2);
    site.stop().await;
}

/// What is loaded and brings nothing, what no feed takes, and what is frozen: an operator hears of each.
#[tokio::test]
async fn what_brings_no_row_and_what_nobody_takes_is_told() {
    let text = numbers("include = [\"*.csv\"]") + HEADER;
    let site = Site::start(&text).await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sluice.toml");
    std::fs::write(&config, format!("[bucket]\nname = \"{BUCKET}\"\n{text}")).unwrap();
    put(&site, "incoming/numbers/good.csv", "id,label\n1,x\n");
    put(&site, "incoming/numbers/header.csv", "id,label\n");
    put(&site, "incoming/numbers/REPORT.CSV", "id,label\n-1,x\n");
    put(&site, "incoming/numbers/_SUCCESS", "");
    put(&site, "incoming/order/typo.csv", "-2,x\n");
    put(&site, "incoming/root.csv", "-3,x\n");
    let extras = Extras { storage_class: Some("GLACIER".into()), ..Extras::default() };
    let frozen = Put { extras, ..Put::default() };
    site.standin.storage().put_with(BUCKET, "incoming/numbers/frozen.csv", "id,label\n-4,x\n", frozen).unwrap();
    site.tick(0).await;
    site.deployed.idle().await;

    assert_eq!(site.ids("numbers").await, [1]);
    let left = ["numbers/REPORT.CSV", "numbers/_SUCCESS", "numbers/frozen.csv", "order/typo.csv", "root.csv"];
    assert_eq!(site.keys("incoming/"), left.map(|name| format!("incoming/{name}")));
    assert_eq!(site.published("numbers", "FilesNotTaken"), [2.0]);
    assert_eq!(site.published("-", "FilesNotTaken"), [2.0]);
    assert_eq!(site.published("numbers", "FilesWithoutRows"), [1.0]);
    assert!(site.logs(WORKER).contains("brought no row"), "{}", site.logs(WORKER));
    let said = status(&site, &config).await;
    for word in ["header.csv", "brought no row", "REPORT.CSV", "order/typo.csv", "not taken", "root.csv"] {
        assert!(said.contains(word), "{word}:\n{said}");
    }
    // Not counted again within the hour.
    let answer = site.tick(0).await;
    assert_eq!((&answer["not_taken"], &answer["claimed"]), (&json!(2), &json!(0)));
    assert_eq!(site.published("-", "FilesNotTaken").len(), 1);
    site.stop().await;
}

/// An exception of guarantee 1: the look at a head is of the version that is planned, and COPY reads what is there.
#[tokio::test]
async fn what_takes_the_place_of_a_file_that_was_looked_at_is_not_looked_at() {
    let site = Site::start(&(numbers("") + HEADER)).await;
    put(&site, "incoming/numbers/a.csv", "id,label\n1,one\n");
    let copies = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    copies.reached(1).await;
    put(&site, "incoming/numbers/a.csv", gzip(b"id,label\n2,two\n"));
    drop(copies);
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [0; 0], "it was passed over");
    assert_eq!((site.keys("processed/").len(), site.keys("failed/").len()), (1, 0));
    assert!(site.logs(WORKER).contains("files were loaded that are not empty and brought no row"));
    site.stop().await;
}
