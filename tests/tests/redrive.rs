//! The real `sluice errors`, `sluice redrive` and `sluice reload` against a deployment: files come back, are judged and
//! loaded anew, and nothing else is touched.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use sluice_standin::faults::{Fault, Hook, Moment, Rule, Then};
use sluice_standin::journal::Mark;
use sluice_tests::{BUCKET, Site, numbers, offer};
use tokio::process::Command;

/// A site, and the command line.
struct Operated {
    site: Site,
    config: String,
}

impl Operated {
    async fn start() -> Self {
        let feeds = numbers("max_files = 2000\nfiles_per_load = 1000");
        Self { site: Site::start(&feeds).await, config: format!("[bucket]\nname = \"{BUCKET}\"\n{feeds}") }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.site.sluice(arguments);
        command.env("SLUICE_CONFIG", &self.config);
        command
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    async fn json(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let (code, out, err) = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(err, "");
        (code, out.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// The exit code and the last line.
    async fn ends(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let (code, mut lines) = self.json(arguments).await;
        (code, lines.pop().unwrap())
    }

    fn put(&self, key: &str, body: &str) {
        self.site.standin.storage().put(BUCKET, key, body.to_owned()).unwrap();
    }

    fn drop_numbers(&self, range: std::ops::Range<i64>) {
        for number in range {
            self.site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},x\n"));
        }
    }

    async fn adds_up(&self) {
        let (code, out, _) = self.run(&["verify"]).await;
        assert_eq!(code, Some(0), "{out}");
    }
}

#[tokio::test]
async fn refused_files_come_back_and_are_judged_anew() {
    let operated = Operated::start().await;
    for number in 1..=3 {
        operated.site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},{}\n", "x".repeat(2001)));
    }
    operated.site.drop_file("numbers/bad.csv", "no number,x\n");
    operated.site.drop_file("numbers/it's; -- \u{1b}[2J\\.csv", "none,x\n");
    operated.site.drain().await;
    assert_eq!(operated.site.keys("failed/").len(), 10);

    let (code, out, err) = operated.run(&["errors", "numbers"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("    failed/numbers/bad.csv line 1 column id\n"), "{out}");
    assert!(out.contains("  3 files, 6.0 kB") && !out.contains('\u{1b}'), "{out}");
    assert!(out.contains("numbers: 5 files refused, for 2 reasons"), "{out}");
    let (code, lines) = operated.json(&["errors", "numbers", "--files", "--match", "[1-9].csv"]).await;
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!((code, kinds), (Some(0), vec!["file", "file", "file", "group", "summary"]));
    assert_eq!((&lines[3]["files"], &lines[3]["examples"][0]["line"]), (&json!(3), &json!(1)));

    // A dry run writes nothing.
    let before = operated.site.standin.journal().snapshot().len();
    let (code, summary) = operated.ends(&["redrive", "numbers", "--dry-run"]).await;
    assert_eq!((code, &summary["moved"], &summary["dry_run"]), (Some(0), &json!(5), &json!(true)));
    let journal = operated.site.standin.journal().snapshot();
    let reads = ["ListObjectsV2", "GetObject", "HeadObject"];
    assert!(journal[before..].iter().all(|entry| reads.contains(&entry.operation.as_ref())));

    // The table is mended; what is in the way stays.
    operated.site.sql("ALTER TABLE public.numbers ALTER COLUMN label TYPE VARCHAR(3000)").await;
    operated.put("incoming/numbers/2.csv", "22,y\n");
    let (code, lines) = operated.json(&["redrive", "numbers"]).await;
    assert_eq!(code, Some(1), "{lines:?}");
    let stays = (&lines[0]["type"], &lines[0]["key"], &lines[0]["why"]);
    assert_eq!(stays, (&json!("stays"), &json!("failed/numbers/2.csv"), &json!("occupied")));
    assert_eq!((&lines[1]["moved"], &lines[1]["stay"]), (&json!(4), &json!(1)));
    assert_eq!(operated.site.keys("failed/"), ["failed/numbers/2.csv", "failed/numbers/2.csv.error.json"]);
    operated.site.drain().await;
    assert_eq!(operated.site.ids("numbers").await, [1, 3, 22]);
    assert_eq!(operated.site.keys("failed/").len(), 6, "the bad ones were refused anew");
    let (code, out, _) = operated.run(&["redrive", "numbers", "--match", "2.csv", "--since", "1h"]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.starts_with("numbers: 1 file (2.0 kB) back in incoming/ in "), "{out}");
    operated.site.drain().await;
    assert_eq!(operated.site.ids("numbers").await, [1, 2, 3, 22]);
    assert_eq!(operated.site.keys("sluice/redrive/"), Vec::<String>::new());
    operated.adds_up().await;
    operated.site.stop().await;
}

#[tokio::test]
async fn loaded_files_are_loaded_again() {
    let operated = Operated::start().await;
    operated.drop_numbers(0..20);
    operated.site.drop_file("numbers/it's; -- \\\u{1b}ü.csv", "100,x\n");
    operated.site.drain().await;
    let (code, out, err) = operated.run(&["reload", "numbers"]).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("delete or truncate them first; then say --yes"), "{err}");
    let (code, summary) = operated.ends(&["reload", "numbers", "--match", "1?.csv", "--dry-run"]).await;
    assert_eq!((code, &summary["moved"]), (Some(0), &json!(10)));

    operated.site.sql("DELETE FROM public.numbers WHERE id BETWEEN 10 AND 19").await;
    let (code, summary) = operated.ends(&["reload", "numbers", "--match", "1?.csv", "--yes"]).await;
    assert_eq!((code, &summary["moved"]), (Some(0), &json!(10)), "{summary}");
    assert_eq!(operated.site.keys("incoming/").len(), 10);
    operated.site.drain().await;
    let all: Vec<i64> = (0..20).chain([100]).collect();
    assert_eq!(operated.site.ids("numbers").await, all);
    operated.adds_up().await;

    // One is in the way, one is claimed.
    operated.site.sql("TRUNCATE public.numbers").await;
    operated.site.drop_file("numbers/3.csv", "3,y\n");
    operated.put("incoming/numbers/4.csv", "4,x\n");
    let config = sluice_core::config::Config::parse(&operated.config, "test", &sluice_aws::DESTINATIONS).unwrap();
    offer(operated.site.standin.storage(), &config, 0, &["incoming/numbers/4.csv"]);
    assert!(operated.site.standin.storage().remove(BUCKET, "incoming/numbers/4.csv").unwrap());
    let (code, lines) = operated.json(&["reload", "numbers", "--yes"]).await;
    let stays: Vec<_> = lines.iter().filter(|line| line["type"] == "stays").map(|line| &line["why"]).collect();
    assert_eq!((code, stays), (Some(1), vec![&json!("occupied"), &json!("in_flight")]));
    sluice_tests::expire_leases(operated.site.standin.storage(), BUCKET);
    operated.site.drain().await;
    let (code, out, _) = operated.run(&["reload", "numbers", "--match", "*", "--yes"]).await;
    assert_eq!(code, Some(2), "another reload is not mixed with it: {out}");
    let (code, lines) = operated.json(&["reload", "numbers", "--yes"]).await;
    assert_eq!((code, &lines[0]["type"]), (Some(0), &json!("continues")), "{lines:?}");
    assert_eq!(lines.last().unwrap()["moved"], json!(2));
    operated.site.drain().await;
    let expected: Vec<i64> = (0..4).chain([3]).chain(4..20).chain([100]).collect();
    assert_eq!(operated.site.ids("numbers").await, expected);
    assert_eq!(operated.site.keys("sluice/redrive/"), Vec::<String>::new());
    operated.adds_up().await;
    operated.site.stop().await;
}

#[tokio::test]
async fn wrong_usage_is_told() {
    let operated = Operated::start().await;
    for (arguments, text) in [
        (&["redrive", "others"][..], "no feed \"others\" is configured"),
        (&["redrive", "numbers", "--match", "["], "--match: \"[\""),
        (&["reload", "numbers", "--since", "soon", "--yes"], "write a duration such as 2h or 7d"),
        (&["errors", "numbers", "--match", ""], "the pattern is empty"),
    ] {
        let (code, out, err) = operated.run(arguments).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains(text), "{arguments:?}: {err}");
    }
    let (code, out, _) = operated.run(&["errors", "numbers"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "numbers: nothing is in failed/\n"));
    operated.site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_are_redriven_by_a_command_that_is_killed_half_way() {
    redrive_many(2000).await;
}

/// For `make prove`.
mod campaign {
    /// 267 s of a processor in a build for development, that of the stand-in among them.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_hundred_thousand_files_are_redriven_by_a_command_that_is_killed_half_way() {
        super::redrive_many(100_000).await;
    }
}

/// Killed when three quarters of the copies are made, of which each file has two, and run again.
async fn redrive_many(files: u64) {
    let operated = Operated::start().await;
    let storage = operated.site.standin.storage();
    let mut expected = BTreeMap::new();
    for number in 0..files {
        let (key, failed) = (format!("incoming/numbers/{number}.csv"), format!("failed/numbers/{number}.csv"));
        let etag = storage.put(BUCKET, &failed, format!("{number},x\n")).unwrap().etag;
        let reason = json!({"key": key, "etag": etag, "feed": "numbers", "statement_id": "s", "message": "m"});
        storage.put(BUCKET, &format!("{failed}.error.json"), reason.to_string()).unwrap();
        expected.insert(key, etag);
    }

    let begun = Instant::now();
    let child = operated.command(&["redrive", "numbers", "--json"]).stdout(Stdio::null()).spawn().unwrap();
    let process = child.id().unwrap();
    let (sender, mut struck) = tokio::sync::mpsc::unbounded_channel();
    let kill: Hook = Arc::new(move |_| {
        let killed = std::process::Command::new("kill").args(["-9", &process.to_string()]).status();
        sender.send(killed.is_ok_and(|status| status.success())).ok();
        Then::Lose
    });
    let rule = Rule::new(Fault::Hook(Moment::After, kill)).operation("CopyObject").nth(files * 3 / 2);
    operated.site.standin.faults().add(rule);
    let ended = child.wait_with_output().await.unwrap();
    assert_eq!((ended.status.code(), struck.recv().await), (None, Some(true)), "killed");
    let back = operated.site.keys("incoming/").len();
    let aside = operated.site.keys("sluice/redrive/numbers/files/").len();
    println!("killed after {:.1} s: {back} back, {aside} set aside", begun.elapsed().as_secs_f64());
    assert!(back > 0 && aside > 0);

    let (code, lines) = operated.json(&["redrive", "numbers"]).await;
    assert_eq!((code, lines.len()), (Some(0), 2), "{lines:?}");
    assert_eq!((&lines[0]["type"], &lines[1]["type"]), (&json!("resumes"), &json!("summary")));
    assert!(lines[0]["files"].as_u64().unwrap() >= aside as u64, "{lines:?}");
    assert!(lines[1]["moved"].as_u64().unwrap() >= files - back as u64, "{lines:?}");
    let incoming = storage.list(BUCKET, "incoming/").unwrap();
    let incoming: BTreeMap<String, String> = incoming.into_iter().map(|info| (info.key, info.etag)).collect();
    assert!(incoming == expected, "{} of {} are back as they were", incoming.len(), expected.len());
    assert_eq!(operated.site.keys("failed/").len() + operated.site.keys("sluice/redrive/").len(), 0);
    let seconds = begun.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let rate = files as f64 / seconds;
    println!("{files} files redriven in {seconds:.1} s, {rate:.0} a second");
    let requests = operated.site.standin.journal().counts(Mark::default(), "operator");
    println!("{requests:?}");
    operated.site.stop().await;
}
