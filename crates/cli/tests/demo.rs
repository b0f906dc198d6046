//! `sluice demo`: it proves what is right, and finds what is not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use program::{copy, ended, examples, need_functions, sluice};
use serde_json::Value;

#[test]
fn the_shipped_files_are_loaded_and_proved_right() {
    need_functions();
    let output = sluice().args(["demo", "--json", "--examples"]).arg(examples()).output().unwrap();
    let (code, out, err) = ended(&output);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("no report: {err}"));
    let checks = report["checks"].as_array().unwrap();
    let wrong: Vec<&Value> = checks.iter().filter(|check| check["ok"] != true).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!((code, &report["ok"]), (Some(0), &Value::Bool(true)));
    assert_eq!((&report["feeds"][0]["rows"], &report["feeds"][1]["rows"]), (&80_789.into(), &26_115.into()));
    // X is 30: the backlog falls by as much with each tick.
    let waiting: Vec<&Value> =
        report["backlog"].as_array().unwrap().iter().map(|tick| &tick["waiting"]["flights"]).collect();
    assert_eq!(waiting[..4], [90, 60, 30, 0]);
    assert_eq!(report["feeds"][0]["copies"], 9);
    let copied = report["requests"].as_array().unwrap().iter().find(|of| of["action"] == "s3:CopyObject").unwrap();
    assert_eq!(copied["count"], 126);
}

#[test]
fn an_altered_row_is_found_and_its_total_named() {
    need_functions();
    let folder = tempfile::tempdir().unwrap();
    copy(&examples(), folder.path());
    alter(&folder.path().join("data/flights/2013-01-01.csv.gz"), ",1400,5,15,", ",1401,5,15,");
    let output = sluice().args(["demo", "--examples"]).arg(folder.path()).output().unwrap();
    let (code, out, err) = ended(&output);
    assert_eq!(code, Some(1), "{out}{err}");
    let flights: Vec<&str> = out.lines().filter(|line| line.contains("✗ flights")).collect();
    let [line] = flights[..] else { panic!("{flights:#?} {err}") };
    let words: Vec<&str> = line.split_whitespace().collect();
    let expected = "✗ flights.distance differs: 80,789 numbers, sum 81,343,950 as published, but 80,789 numbers, sum \
                    81,343,951 in the files and the table";
    assert_eq!(words.join(" "), expected);
}

#[test]
fn files_without_totals_are_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    copy(&examples(), folder.path());
    fs::remove_file(folder.path().join("data/totals.toml")).unwrap();
    let output = sluice().args(["demo", "--examples"]).arg(folder.path()).output().unwrap();
    let (code, out, err) = ended(&output);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("totals.toml") && err.contains("sluice demo --write-totals"), "{err}");
}

/// Replaces the one place that `from` has in a compressed file.
fn alter(path: &Path, from: &str, to: &str) {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text.matches(from).count(), 1);
    let mut gzip = GzEncoder::new(File::create(path).unwrap(), Compression::default());
    gzip.write_all(text.replace(from, to).as_bytes()).unwrap();
    gzip.finish().unwrap();
}
