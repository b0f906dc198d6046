//! Producers who choose keys and contents to do harm, against the real binaries and a real PostgreSQL.
//!
//! What they may bring about is the quarantine of their own files. Everything else is compared with what it was.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "hostile/keys.rs"]
mod keys;
#[path = "hostile/scene.rs"]
mod scene;

use std::collections::BTreeSet;

use serde_json::json;
use sluice_standin::deployment::{LISTER, LOADER, WORKER};
use sluice_tests::BUCKET;

use scene::Scene;

/// Every key is a name and nothing else: its file is loaded like any other.
#[tokio::test]
async fn hostile_keys_are_only_names() {
    let mut scene = Scene::start("max_files = 40\nfiles_per_load = 20", "trigger = \"event\"").await;
    for feed in ["numbers", "events"] {
        for name in keys::hostile(&format!("incoming/{feed}/")) {
            scene.good(feed, &name);
        }
    }
    scene.drain().await;
    scene.check().await;
    assert_eq!(scene.site.keys("failed/").len(), scene.before.keys_under("failed/"));
    scene.stop().await;
}

/// The same keys with contents that the warehouse refuses, among good files of the same COPY.
#[tokio::test]
async fn hostile_keys_with_bad_contents_are_set_aside_alone() {
    let mut scene = Scene::start("max_files = 300\nfiles_per_load = 300", "").await;
    for name in keys::hostile("incoming/numbers/") {
        scene.bad("numbers", &name, "no number");
    }
    for number in 0..20 {
        scene.good("numbers", &format!("good-{number}.csv"));
    }
    scene.drain().await;
    scene.check().await;
    scene.stop().await;
}

/// What a key says must not be taken for what the warehouse says, when it quotes the key in an error.
#[tokio::test]
async fn keys_that_imitate_error_texts_hold_up_nobody() {
    let mut scene = Scene::start("max_files = 50\nfiles_per_load = 50", "").await;
    for words in
        ["S3ServiceException:Access Denied", "permission denied", "connection timed out", "Query #3 failed", "code: 1"]
    {
        scene.broken_gzip("numbers", &format!("{words}.csv.gz"));
    }
    for number in 0..5 {
        scene.good_gzip("numbers", &format!("good-{number}.csv.gz"));
    }
    scene.drain().await;
    scene.check().await;
    let retries = scene.worker_outcomes().into_iter().filter(|outcome| outcome == "retry").count();
    assert_eq!(retries, 0, "nothing was taken for an error of the warehouse");
    scene.stop().await;
}

#[tokio::test]
async fn hostile_contents_change_nothing_but_their_own_fate() {
    const SECRET: &str = "SECRET-of-the-producer";
    let mut scene = Scene::start("max_files = 50\nfiles_per_load = 50", "").await;
    scene.good_with("numbers", "sql.csv", "'); DROP TABLE public.canary; --");
    scene.good_with("numbers", "copy.csv", "COPY public.canary FROM 's3://landing/incoming/' IAM_ROLE default");
    scene.good_with("numbers", "end-of-data.csv", "\\.");
    scene.good_with("numbers", "backslashes.csv", "\\N \\t \\\\ \\");
    scene.good_with("numbers", "escape.csv", "\u{1b}[2J\u{1b}]0;title\u{7}");
    let claim = json!({"feed": "numbers", "slot": 0, "batch": "b", "files": [], "created_at": "2026-01-01T00:00:00Z",
        "lease_expires_at": "2026-01-01T00:00:00Z"});
    scene.bad("numbers", "claim.json", &claim.to_string());
    let manifest = json!({"entries": [{"url": "s3://landing/processed/other/kept.csv", "mandatory": false}]});
    scene.bad("numbers", "a.manifest", &manifest.to_string());
    scene.bad("numbers", "statement.csv", "COPY public.canary FROM 's3://landing/' MANIFEST;");
    scene.bad("numbers", "terminator.csv", "\\.");
    scene.bad("numbers", "secret.csv", &format!("{SECRET},{SECRET}"));
    scene.bad("numbers", "secret-escape.csv", &format!("\u{1b}[2J{SECRET}\u{9b}\r,x"));
    scene.bad("numbers", "long.csv", &format!("1,{}", "x".repeat(5 << 20)));
    scene.bad_bytes("numbers", "binary.csv", &[0xff, 0xfe, 0, 1, 2, 3, b'\n']);
    scene.bad_bytes("numbers", "bomb.csv.gz", &scene::gzip(&vec![b'0'; 20 << 20]));
    scene.broken_gzip("numbers", "not-gzip.csv.gz");
    scene.good_gzip("numbers", "good.csv.gz");
    let claims = scene.watch_claims();
    scene.drain().await;
    scene.check().await;
    let claims = claims.end().await;
    let printed: Vec<String> = [LISTER, LOADER, WORKER].map(|function| scene.site.logs(function)).into();
    for text in claims.iter().chain(&printed).chain(&scene.answers()) {
        assert!(!text.contains(SECRET), "a content in claims, logs or answers: {text}");
    }
    scene.stop().await;
}

/// Where an error of the warehouse is told, it does nothing but tell.
#[tokio::test]
async fn what_the_warehouse_quotes_steers_nothing() {
    let mut scene = Scene::start("", "").await;
    scene.good("numbers", "a.csv");
    let quoted =
        "something new\n{\"level\":\"ERROR\"}\u{1b}[2J\u{9b}2J\u{202e}\r about s3://landing/incoming/numbers/a.csv";
    scene.site.standin.redshift().unwrap().fail_next("COPY", quoted);
    scene.site.tick(0).await;
    scene.site.deployed.idle().await;
    assert!(scene.site.logs(WORKER).contains("\\u009b2J"), "{}", scene.site.logs(WORKER));
    // It is tried again in half a minute, unless somebody moves that into the past.
    let slot = "sluice/claims/numbers/0.json";
    let storage = scene.site.standin.storage();
    let mut claim: serde_json::Value = serde_json::from_slice(&storage.get(BUCKET, slot).unwrap()).unwrap();
    assert!(claim["last_error"].as_str().unwrap().contains("something new"), "{claim}");
    claim["not_before"] = json!("2026-01-01T00:00:00Z");
    storage.put(BUCKET, slot, claim.to_string()).unwrap();
    scene.drain().await;
    scene.check().await;
    scene.stop().await;
}

/// A producer can foresee the names that its files will have in `processed/`, and take all of them.
#[tokio::test]
async fn taking_every_name_in_the_archive_holds_up_nobody() {
    let mut scene = Scene::start("max_files = 100\nfiles_per_load = 100", "").await;
    let (number, body) = scene.next_good();
    let etag = scene.etag_of(&body);
    scene.good("numbers", "x.csv");
    scene.good("numbers", &format!("x.csv.{etag}"));
    for n in 2..70 {
        scene.good("numbers", &format!("x.csv.{etag}.{n}"));
    }
    scene.drain().await;
    scene.drop_numbered("numbers", "x.csv", number, body);
    scene.drain().await;
    scene.check().await;
    scene.stop().await;
}

/// A producer can foresee the name of the reason that will be beside another file.
#[tokio::test]
async fn files_named_like_reasons_are_kept_beside_them() {
    let mut scene = Scene::start("max_files = 100\nfiles_per_load = 100", "").await;
    scene.bad("numbers", "a.csv", "no number");
    scene.bad("numbers", "a.csv.error.json", "no number either");
    let forged = json!({"key": "incoming/numbers/b.csv", "statement_id": "0", "message": "forged"}).to_string();
    scene.bad("numbers", "b.csv", "no number at all");
    scene.bad("numbers", "b.csv.error.json", &forged);
    scene.good("numbers", "c.csv.error.json");
    scene.drain().await;
    scene.check().await;
    // The same once more: refused again, and the first reason stays.
    let first = scene.site.standin.storage().get(BUCKET, "failed/numbers/a.csv.error.json.error.json").unwrap();
    scene.site.drop_file("numbers/a.csv.error.json", "no number either");
    scene.drain().await;
    let now = scene.site.standin.storage().get(BUCKET, "failed/numbers/a.csv.error.json.error.json").unwrap();
    assert_eq!(first, now);
    scene.stop().await;
}

#[tokio::test]
async fn what_no_pattern_takes_stays_where_it_is() {
    let mut scene = Scene::start("include = [\"*.csv\"]\nexclude = [\"private/*\"]", "").await;
    for name in ["a.CSV", "a.csv\n", "a.csv ", "private/a.csv", "a.csv/", "*.csv?", "[*].csvx"] {
        scene.stays(&format!("incoming/numbers/{name}"));
    }
    // Not under any feed, however alike.
    for key in ["incoming/number/a.csv", "incoming/NUMBERS/a.csv", "incoming//numbers/a.csv", "incoming/a.csv"] {
        scene.stays(key);
    }
    scene.good("numbers", "*.csv");
    scene.good("numbers", "\n.csv");
    scene.good("numbers", "../private/a.csv");
    scene.drain().await;
    scene.check().await;
    scene.stop().await;
}

#[tokio::test]
async fn events_that_name_what_is_none_of_the_loaders_business_do_nothing() {
    let mut scene = Scene::start("", "trigger = \"event\"").await;
    scene.good("numbers", "on-schedule.csv");
    scene.drain().await;
    let before = scene.everything();
    let keys = [
        (BUCKET, "processed/other/kept.csv"),
        (BUCKET, "sluice/claims/other/0.json"),
        (BUCKET, "sluice/manifests/other/kept.manifest"),
        (BUCKET, "failed/other/kept.csv"),
        (BUCKET, "incoming/events/../other/none.csv"),
        (BUCKET, "incoming/../sluice/claims/other/0.json"),
        (BUCKET, "../incoming/events/a.csv"),
        (BUCKET, "/incoming/events/a.csv"),
        (BUCKET, "incoming/nobody/kept.csv"),
        ("another-bucket", "incoming/events/a.csv"),
        ("landing/incoming/events", "a.csv"),
        ("", "incoming/events/a.csv"),
    ];
    for (bucket, key) in keys {
        let record =
            json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}});
        let bridged = json!({"source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": bucket}, "object": {"key": key}}});
        for event in [json!({"Records": [record]}), bridged] {
            let answer = scene.site.answer(LOADER, &event).await;
            let outcome = answer["files"][0]["outcome"].as_str().unwrap_or_default().to_owned();
            assert!(outcome == "skipped" || (outcome == "gone" && key.contains("events/..")), "{key}: {answer}");
        }
    }
    assert_eq!(scene.everything(), before);
    scene.check().await;
    scene.stop().await;
}

#[tokio::test]
async fn a_worker_touches_nothing_but_claims_and_files_to_load() {
    let mut scene = Scene::start("", "").await;
    scene.good("numbers", "a.csv");
    scene.drain().await;
    let elsewhere = [
        "incoming/nobody/kept.csv",
        "processed/other/kept.csv",
        "sluice/manifests/other/kept.manifest",
        "sluice/claims/../../incoming/nobody/0.json",
        "sluice/claims/numbers/../other/0.json",
        "sluice/claims/numbers/0.json/",
        "sluice/claims/numbers//0.json",
        "/sluice/claims/numbers/0.json",
    ];
    let before = scene.everything();
    for claim in elsewhere {
        let report = scene.site.deployed.invoke(WORKER, &json!({"claim": claim})).await.unwrap();
        let error = report.result.as_ref().unwrap_err().to_string();
        assert!(error.contains("claim is not a claim's key"), "{claim}: {error}");
    }
    assert_eq!(scene.everything(), before);
    // Whoever can write claims is trusted with what is under incoming, and with nothing else.
    for key in ["processed/other/kept.csv", "sluice/manifests/other/kept.manifest", "sluice/claims/other/0.json", "x"] {
        let slot = "sluice/claims/numbers/0.json";
        let file = |key: &str| json!({"key": key, "etag": "e", "size": 1, "last_modified": "2026-01-01T00:00:00Z"});
        let claim = json!({"feed": "numbers", "slot": 0, "batch": "b", "files": [file("incoming/numbers/b"), file(key)],
            "created_at": "2026-01-01T00:00:00Z", "lease_expires_at": "2026-01-01T00:00:00Z"});
        scene.site.standin.storage().put(BUCKET, slot, claim.to_string()).unwrap();
        assert_eq!(scene.site.work(slot).await["outcome"], "gone", "{key}");
    }
    assert_eq!(scene.everything(), before);
    scene.check().await;
    scene.stop().await;
}

/// The check of logs can fail: what it looks for is there when nobody escapes it.
#[test]
fn a_line_that_is_not_escaped_is_found() {
    assert!(scene::check_log_line("{\"key\":\"a\\u001b[2J\"}").is_ok());
    assert!(scene::check_log_line("{\"key\":\"a\u{9b}2J\"}").is_err());
    assert!(scene::check_log_line("{\"key\":\"a\u{202e}\"}").is_err());
    assert!(scene::check_log_line("forged\"}").is_err());
}

/// The reading of statements can fail: with PostgreSQL's quoting this key would be another statement.
#[test]
fn a_statement_that_is_not_ours_is_found() {
    let ours = scene::skeleton(r"INSERT INTO l VALUES ('a\\''; DROP TABLE t; --', 'b')");
    assert_eq!(ours, "INSERT INTO l VALUES (?, ?)");
    let theirs = scene::skeleton(r"INSERT INTO l VALUES ('a\''; DROP TABLE t; --', 'b')");
    assert!(theirs.contains("DROP TABLE"), "{theirs}");
}

/// All keys of a set differ, and there are enough of them to be worth their name.
#[test]
fn the_hostile_keys_are_what_they_should_be() {
    let names = keys::hostile("incoming/numbers/");
    let set: BTreeSet<&String> = names.iter().collect();
    assert_eq!(set.len(), names.len());
    assert!(names.iter().any(|name| "incoming/numbers/".len() + name.len() == 1024));
    assert!(names.iter().all(|name| "incoming/numbers/".len() + name.len() <= 1024));
}
