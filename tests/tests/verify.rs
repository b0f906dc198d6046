//! The real `sluice verify` against a deployment: what is broken by hand is told, what mends itself is mended by the next
//! tick, and a deployment at work gives no false alarm.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::process::Output;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sluice_standin::deployment::WORKER;
use sluice_standin::faults::Moment;
use sluice_tests::{BUCKET, Kill, Site, feed, numbers};
use tokio::process::Command;

const CLAIM: &str = "sluice/claims/numbers/0.json";

/// A site, and the command line that verifies it.
struct Verified {
    site: Site,
    config: String,
}

impl Verified {
    async fn start(feeds: &str) -> Self {
        Self::with(feeds, |_| ()).await
    }

    async fn with(feeds: &str, change: impl FnOnce(&mut sluice_standin::deployment::Deployment)) -> Self {
        let site = Site::with(feeds, change).await;
        Self { site, config: format!("[bucket]\nname = \"{BUCKET}\"\n{feeds}") }
    }

    /// `sluice verify`, with the configuration in the environment.
    fn command(&self) -> Command {
        self.command_of("verify")
    }

    fn command_of(&self, name: &str) -> Command {
        let mut command = self.site.sluice(&[name]);
        command.env("SLUICE_CONFIG", &self.config);
        command
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        ended(self.command().args(arguments).output().await.unwrap())
    }

    /// The exit code, and kind and key of each finding.
    async fn found(&self) -> (Option<i32>, Vec<(String, String)>) {
        let (code, lines) = self.json(&[]).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let findings = lines.iter().filter(|line| line["type"] == "finding");
        (code, findings.map(|finding| (text(&finding["kind"]), text(&finding["key"]))).collect())
    }

    async fn json(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let (code, out, err) = self.run(&[&["--json"], arguments].concat()).await;
        assert_eq!(err, "");
        (code, out.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// One finding is told, and nothing else.
    async fn tells(&self, kind: &str, key: &str) {
        assert_eq!(self.found().await, (Some(3), vec![(kind.to_owned(), key.to_owned())]));
    }

    async fn adds_up(&self) {
        assert_eq!(self.found().await, (Some(0), vec![]));
    }

    fn put(&self, key: &str, body: &str) {
        self.site.standin.storage().put(BUCKET, key, body.to_owned()).unwrap();
    }

    fn copy(&self, from: &str, to: &str) {
        self.site.standin.storage().copy((BUCKET, from), (BUCKET, to)).unwrap();
    }

    fn remove(&self, key: &str) {
        assert!(self.site.standin.storage().remove(BUCKET, key).unwrap());
    }

    fn get(&self, key: &str) -> String {
        String::from_utf8(self.site.standin.storage().get(BUCKET, key).unwrap().to_vec()).unwrap()
    }

    fn drop_numbers(&self, range: std::ops::Range<i64>) {
        for number in range {
            self.site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},x\n"));
        }
    }

    /// The claim in the first slot, with some fields replaced.
    fn change_claim(&self, fields: &Value) {
        let mut claim: Value = serde_json::from_str(&self.get(CLAIM)).unwrap();
        for (name, value) in fields.as_object().unwrap() {
            claim[name] = value.clone();
        }
        self.put(CLAIM, &claim.to_string());
    }
}

fn ended(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_drained_deployment_adds_up() {
    let verified = Verified::start(&(numbers("") + &feed("more", ""))).await;
    verified.adds_up().await;
    verified.drop_numbers(0..5);
    verified.site.drop_file("numbers/bad.csv", "no number,x\n");
    verified.site.drain().await;
    verified.site.drop_file("more/late.csv", "1,x\n");

    let (code, out, err) = verified.run(&[]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let expected = "\
numbers: all adds up
  incoming   0 files waiting
  claims     0 claims
  ledger     5 files, 5 archived
  processed  5 files
  failed     1 file, 1 reasons
more: all adds up
  incoming   1 file waiting, 4 B
  claims     0 claims
  ledger     0 files
  processed  0 files
  failed     0 files
";
    assert_eq!(out, expected);

    let (code, lines) = verified.json(&["--feed", "more"]).await;
    assert_eq!((code, lines.len()), (Some(0), 2), "{lines:?}");
    let numbers = (&lines[0]["type"], &lines[0]["feed"], &lines[0]["waiting"], &lines[1]["type"]);
    assert_eq!(numbers, (&json!("feed"), &json!("more"), &json!(1), &json!("summary")));

    // The configuration from S3, and from a file that is not there.
    verified.put("config/sluice.toml", &verified.config);
    let from = format!("s3://{BUCKET}/config/sluice.toml");
    assert_eq!(verified.run(&["--config", &from]).await.0, Some(0));
    assert_eq!(verified.run(&["--config", "/nowhere/sluice.toml"]).await.0, Some(2));
    let (code, _, err) = verified.run(&["--feed", "others"]).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("no feed \"others\" is configured; there are numbers, more"), "{err}");
    let read_only =
        ["ListObjectsV2", "GetObject", "HeadObject", "ExecuteStatement", "DescribeStatement", "GetStatementResult"];
    let journal = verified.site.standin.journal().snapshot();
    let others =
        journal.iter().filter(|entry| entry.caller == "operator" && !read_only.contains(&entry.operation.as_ref()));
    assert_eq!(others.count(), 0, "a verification only reads");
    verified.site.stop().await;
}

#[tokio::test]
async fn what_an_interrupted_redrive_has_set_aside_is_told_with_what_mends_it() {
    let verified = Verified::start(&numbers("")).await;
    let kept = "sluice/redrive/numbers/files/0123456789abcdef/n/1.csv";
    verified.put(kept, "1,x\n");
    verified.tells("half_way", kept).await;
    let (_, out, _) = verified.run(&[]).await;
    assert!(out.contains("mended if none runs now, run sluice redrive or sluice reload"), "{out}");
    assert!(out.contains("n/1.csv  (on its way to incoming/numbers/1.csv)"), "{out}");
    let mut redrive = verified.command_of("redrive");
    let (code, out, err) = ended(redrive.arg("numbers").output().await.unwrap());
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(verified.site.keys("sluice/"), Vec::<String>::new());
    verified.site.drain().await;
    assert_eq!(verified.site.ids("numbers").await, [1]);
    verified.adds_up().await;
}

#[tokio::test]
async fn trouble_is_told_and_is_no_finding() {
    let mut verified = Verified::start(&(numbers("") + &feed("more", ""))).await;
    verified.drop_numbers(0..1);
    verified.site.drain().await;
    verified.site.sql("ALTER TABLE public.sluice_ledger_numbers RENAME COLUMN etag TO tag").await;
    let (code, out, _) = verified.run(&[]).await;
    assert_eq!(code, Some(1));
    assert!(out.contains("numbers: cannot be verified: the ledger public.sluice_ledger_numbers"), "{out}");
    assert!(out.contains("more: all adds up"), "one feed's trouble is not another's: {out}");
    verified.config = verified.config.replace(BUCKET, "elsewhere");
    let (code, out, _) = verified.run(&[]).await;
    assert_eq!(code, Some(1));
    assert!(out.contains("NoSuchBucket"), "{out}");
    verified.site.stop().await;
}

#[tokio::test]
async fn what_is_broken_by_hand_is_told() {
    let verified = Verified::start(&numbers("")).await;
    verified.drop_numbers(0..4);
    verified.site.drop_file("numbers/bad.csv", "no number,x\n");
    verified.site.drain().await;
    verified.adds_up().await;

    // Mended by the next tick.
    verified.copy("processed/numbers/0.csv", "incoming/numbers/0.csv");
    verified.tells("in_two_places", "incoming/numbers/0.csv").await;
    verified.remove("processed/numbers/0.csv");
    verified.tells("not_archived", "incoming/numbers/0.csv").await;
    verified.site.drain().await;
    verified.adds_up().await;
    verified.put(CLAIM, "no claim");
    verified.tells("claim_unreadable", CLAIM).await;
    verified.site.drain().await;
    verified.adds_up().await;

    // For an operator.
    verified.site.sql("CREATE TABLE kept AS SELECT * FROM sluice_ledger_numbers WHERE object_key LIKE '%/1.csv'").await;
    verified.site.sql("DELETE FROM sluice_ledger_numbers WHERE object_key LIKE '%/1.csv'").await;
    verified.tells("not_recorded", "processed/numbers/1.csv").await;
    verified.site.sql("INSERT INTO sluice_ledger_numbers SELECT * FROM kept").await;
    verified.adds_up().await;
    verified.site.sql("ALTER TABLE sluice_ledger_numbers DROP CONSTRAINT IF EXISTS sluice_ledger_numbers_pkey").await;
    verified.site.sql("INSERT INTO sluice_ledger_numbers SELECT * FROM kept").await;
    verified.tells("recorded_twice", "incoming/numbers/1.csv").await;
    verified.site.sql("DELETE FROM sluice_ledger_numbers WHERE object_key LIKE '%/1.csv'").await;
    verified.site.sql("INSERT INTO sluice_ledger_numbers SELECT * FROM kept").await;
    verified.adds_up().await;

    let reason = verified.get("failed/numbers/bad.csv.error.json");
    verified.remove("failed/numbers/bad.csv.error.json");
    verified.tells("reason_missing", "failed/numbers/bad.csv").await;
    verified.remove("failed/numbers/bad.csv");
    verified.adds_up().await;
    verified.put("failed/numbers/bad.csv.error.json", &reason);
    verified.tells("file_missing", "failed/numbers/bad.csv.error.json").await;
    verified.remove("failed/numbers/bad.csv.error.json");
    verified.copy("processed/numbers/2.csv", "failed/numbers/2.csv");
    verified.put("failed/numbers/2.csv.error.json", &reason);
    verified.tells("loaded_and_failed", "incoming/numbers/2.csv").await;
    verified.remove("failed/numbers/2.csv");
    verified.remove("failed/numbers/2.csv.error.json");
    verified.adds_up().await;

    verified.remove("processed/numbers/3.csv");
    verified.tells("copy_missing", "incoming/numbers/3.csv").await;
    assert_eq!(verified.run(&["--processed-days", "30"]).await.0, Some(3), "it is not as old as that");
    verified.site.sql("UPDATE sluice_ledger_numbers SET loaded_at = loaded_at - INTERVAL '31 days'").await;
    let (code, lines) = verified.json(&["--processed-days", "30"]).await;
    assert_eq!((code, &lines[0]["expired"]), (Some(0), &json!(1)));
    verified.site.stop().await;
}

#[tokio::test]
async fn claims_and_what_is_no_feeds() {
    let verified = Verified::with(&numbers(""), |deployment| deployment.retry_delays = vec![]).await;
    verified.site.standin.eventbridge().deliver_times(0);
    let hold = verified.site.standin.redshift().unwrap().hold_copies();
    verified.drop_numbers(0..2);
    verified.site.tick(0).await;
    hold.reached(1).await;
    // The ledger is locked until the load ends; the second claim is for a feed that is not configured any more.
    drop(hold);
    verified.site.deployed.idle().await;
    verified.adds_up().await;

    // A claim on a file that its producer has taken away; its worker was never sent.
    let etag = verified.site.standin.storage().head(BUCKET, "processed/numbers/0.csv").unwrap().etag;
    let long_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let claim = json!({
        "feed": "numbers", "slot": 0, "batch": "0".repeat(32), "created_at": long_ago, "lease_expires_at": long_ago,
        "files": [{"key": "incoming/numbers/9.csv", "etag": etag, "size": 4, "last_modified": long_ago}],
    });
    verified.put(CLAIM, &claim.to_string());
    let (code, mut findings) = verified.found().await;
    findings.sort();
    let text = |kind: &str, key: &str| (kind.to_owned(), key.to_owned());
    let expected = vec![text("claim_idle", CLAIM), text("claimed_and_gone", "incoming/numbers/9.csv")];
    assert_eq!((code, findings), (Some(3), expected));
    verified.change_claim(&json!({"lease_expires_at": Timestamp::now() + SignedDuration::from_hours(1)}));
    verified.tells("claimed_and_gone", "incoming/numbers/9.csv").await;
    verified.change_claim(&json!({"files": [{
        "key": "processed/numbers/1.csv", "etag": etag, "size": 4, "last_modified": long_ago}]}));
    verified.tells("claim_stray", CLAIM).await;
    verified.change_claim(&json!({"lease_expires_at": long_ago}));
    verified.site.drain().await;
    verified.adds_up().await;

    let foreign = "sluice/claims/gone/0.json";
    verified.put(foreign, &claim.to_string().replace("\"numbers\"", "\"gone\""));
    verified.tells("claim_of_no_feed", foreign).await;
    verified.remove(foreign);

    // What a producer chooses does not steer the terminal of who reads of it.
    verified.put("incoming/typo/\u{1b}[2J\u{202e}\r\nnumbers: all adds up", "x");
    let mut command = verified.command();
    command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    let (code, out, _) = ended(command.output().await.unwrap());
    assert_eq!(code, Some(3));
    assert!(out.contains("incoming/typo/\\u{1b}[2J\\u{202e}\\r\\nnumbers: all adds up"), "{out:?}");
    assert!(!out.contains("\u{1b}[2J") && !out.contains(['\u{202e}', '\r']), "{out:?}");
    verified.site.stop().await;
}

/// A worker that is killed at each of its requests after the rows are committed: what it leaves is in flight, and when
/// its claim is lost too, it is told, and the next tick mends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_leaves_nothing_that_is_not_told() {
    let verified = Verified::start(&numbers("")).await;
    let lambda = verified.site.standin.lambda();
    let mut worker = (*lambda.function(WORKER).unwrap()).clone();
    worker.retries = 0;
    lambda.register(worker);
    verified.site.standin.eventbridge().deliver_times(0);
    verified.drop_numbers(100..101);
    verified.site.drain().await;
    let mut told = Vec::new();
    let deaths = [
        ("CopyObject", Moment::Before),
        ("CopyObject", Moment::After),
        ("DeleteObjects", Moment::Before),
        ("DeleteObjects", Moment::After),
        ("DeleteObject", Moment::Before),
    ];
    for ((operation, moment), number) in deaths.into_iter().zip(0..) {
        let kill = Kill::at(&verified.site.standin, moment, |rule| rule.operation(operation).caller("fn-").first(1));
        verified.drop_numbers(number..number + 1);
        verified.site.tick(0).await;
        verified.site.deployed.idle().await;
        assert!(kill.last().is_some(), "nobody was killed at {operation}");
        drop(kill);
        verified.adds_up().await;
        verified.remove(CLAIM);
        told.push(verified.found().await.1.pop().map(|(kind, _)| kind));
        verified.site.drain().await;
        verified.adds_up().await;
    }
    let told: Vec<Option<&str>> = told.iter().map(Option::as_deref).collect();
    let expected = [Some("not_archived"), Some("in_two_places"), Some("in_two_places"), None, None];
    assert_eq!(told, expected);
    assert_eq!(verified.site.ids("numbers").await, [0, 1, 2, 3, 4, 100]);
    assert!(!verified.site.standin.lambda().reports(WORKER).is_empty());
    verified.site.stop().await;
}

#[tokio::test]
async fn a_deployment_at_work_gives_no_false_alarm() {
    let settings = "trigger = \"event\"\nmax_files = 40\nfiles_per_load = 10";
    let verified =
        Verified::with(&numbers(settings), |deployment| deployment.notify = vec!["incoming/numbers/".into()]).await;
    let work = async {
        for tenth in 0..10 {
            verified.drop_numbers(tenth * 40..tenth * 40 + 40);
            verified.site.drain().await;
        }
    };
    let verify = async {
        let (mut times, mut settled) = (0, 0);
        loop {
            let (code, lines) = verified.json(&[]).await;
            assert_eq!(code, Some(0), "{lines:#?}");
            times += 1;
            settled += lines[0]["settled"].as_u64().unwrap();
            if lines[0]["recorded"] == json!(400) {
                break (times, settled);
            }
        }
    };
    let ((), (times, settled)) = tokio::join!(work, verify);
    println!("{times} verifications, {settled} suspects that were in order at the second look");
    assert!(times > 2);
    verified.site.stop().await;
}
