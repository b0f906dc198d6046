//! The operator's command line against a deployment: the real `sluice`, what it prints, and what it leaves.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};
use sluice_standin::deployment::WORKER;
use sluice_standin::faults::{Fault, Rule};
use sluice_standin::redshift::Trouble;
use sluice_tests::{BUCKET, Site, expire_leases, feed, numbers};
use test_case::test_case;
use tokio::process::Command;

struct Operator {
    site: Site,
    config: String,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Operator {
    async fn start(feeds: &str) -> Self {
        let site = Site::start(feeds).await;
        Self { site, config: format!("[bucket]\nname = \"{BUCKET}\"\n{feeds}") }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.site.sluice(arguments)
    }

    async fn says(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).env("SLUICE_CONFIG", &self.config).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    async fn json(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let said = self.says(&[arguments, &["--json"]].concat()).await;
        assert_eq!(said.err, "");
        (said.code, said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// What the operator asked for since the beginning.
    fn asked(&self) -> Vec<String> {
        let journal = self.site.standin.journal().snapshot();
        let mut asked: Vec<String> = journal
            .iter()
            .filter(|entry| entry.caller == "operator")
            .map(sluice_standin::journal::Entry::action)
            .collect();
        asked.sort();
        asked.dedup();
        asked
    }

    async fn stop(self) {
        self.site.stop().await;
    }
}

#[tokio::test]
async fn the_plan_is_what_the_next_tick_does_and_writes_nothing() {
    let operator = Operator::start(&numbers("max_files = 4\nfiles_per_load = 2\norder = \"key\"")).await;
    for number in 0..7 {
        operator.site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},it's\n"));
    }
    let objects = operator.site.keys("");
    let (code, plans) = operator.json(&["plan", "numbers"]).await;
    let plan = &plans[0];
    assert_eq!(code, Some(0));
    assert_eq!(operator.site.keys(""), objects, "nothing is written");
    assert_eq!(operator.asked(), ["s3:ListObjectsV2"], "the warehouse is not asked");
    let said = operator.says(&["plan", "numbers"]).await;
    insta::assert_snapshot!(said.out);

    let planned: Vec<&Value> = plan["batches"].as_array().unwrap().iter().map(|batch| &batch["batch"]).collect();
    let hold = operator.site.standin.redshift().unwrap().hold_copies();
    let tick = operator.site.tick(0).await;
    let claimed: Vec<&Value> = tick["batches"].as_array().unwrap().iter().map(|batch| &batch["batch"]).collect();
    assert_eq!(planned, claimed, "the same batches");
    hold.reached(1).await;
    let said = operator.says(&["plan", "numbers"]).await;
    assert!(said.out.contains("every slot is filled") && said.out.contains("3 files would wait"), "{}", said.out);
    drop(hold);
    operator.site.drain().await;
    let said = operator.says(&["plan", "numbers"]).await;
    assert!(said.out.contains("claims nothing: no file waits"), "{}", said.out);
    // What is in the plan is what was sent.
    let sent = operator.site.sql("SELECT count(*) FROM sys_load_history").await;
    assert!(sent[0][0].is_some());
    let said = operator.says(&["plan", "others"]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no feed \"others\" is configured; there are numbers"), "{}", said.err);
    operator.stop().await;
}

#[tokio::test]
async fn the_status_says_what_waits_what_was_loaded_and_what_is_wrong() {
    let operator = Operator::start(&(numbers("") + &feed("more", "max_files = 1\nfiles_per_load = 1"))).await;
    operator.site.drop_file("numbers/1.csv", "1,x\n");
    operator.site.drop_file("numbers/bad.csv", "no number,x\n");
    operator.site.drain().await;
    operator.site.sql("DROP TABLE more").await;
    operator.site.drop_file("more/1.csv", "1,x\n");
    operator.site.drop_file("more/2.csv", "2,x\n");
    operator.site.tick(1).await;
    operator.site.deployed.idle().await;

    let (code, feeds) = operator.json(&["status"]).await;
    assert_eq!(code, Some(0));
    let (numbers, more) = (&feeds[0], &feeds[1]);
    assert_eq!((&numbers["waiting"], &numbers["failed"], &numbers["in_flight"]), (&json!(0), &json!(1), &json!(0)));
    assert_eq!(numbers["last_hour"]["files_loaded"], json!(1.0));
    assert_eq!(numbers["last_hour"]["files_quarantined"], json!(1.0));
    assert_eq!(numbers["troubles"], json!([]));
    assert_eq!((&more["waiting"], &more["in_flight"], &more["free_slots"]), (&json!(1), &json!(1), &json!(0)));
    assert!(more["troubles"][0]["error"].as_str().unwrap().contains("more"), "{more}");
    assert!(!more["troubles"][0]["next_try"].is_null());

    let said = operator.says(&["status"]).await;
    for part in [
        "numbers: all is loaded\n",
        "last hour  1 files, 1 rows loaded; 0 loads failed; 1 files quarantined\n",
        "failed     1 file in failed/numbers/; sluice errors numbers says why\n",
        "more: loads fail\n",
        "waiting    1 file, 4 B, the oldest for ",
        "in flight  1 file in 1 of 1 slots\n",
        "backlog    ",
        "slot 0     1 file, 1 failure in a row; the next try is in ",
    ] {
        assert!(said.out.contains(part), "{part:?} is not in:\n{}", said.out);
    }
    let read = ["monitoring:GetMetricData", "s3:GetObject", "s3:ListObjectsV2"];
    assert_eq!(operator.asked(), read, "the warehouse is not asked, and nothing is written");

    // Without CloudWatch the rest is told.
    let fault = Rule::new(Fault::Throttle).service("monitoring").caller("operator");
    let rule = operator.site.standin.faults().add(fault);
    let (code, feeds) = operator.json(&["status", "--feed", "numbers"]).await;
    operator.site.standin.faults().remove(rule);
    assert_eq!((code, feeds.len(), &feeds[0]["failed"]), (Some(0), 1, &json!(1)));
    assert!(feeds[0]["history_error"].as_str().unwrap().contains("monitoring:GetMetricData"), "{}", feeds[0]);
    operator.stop().await;
}

/// Of `numbers` one file fails alone; of `more` nothing works. Both wait, for some minutes.
async fn in_trouble() -> Operator {
    let (slots, one_slot) = ("max_files = 4\nfiles_per_load = 2", "max_files = 2\nfiles_per_load = 2");
    let operator = Operator::start(&(numbers(slots) + &feed("more", one_slot))).await;
    let site = &operator.site;
    site.standin.eventbridge().deliver_times(0);
    let redshift = site.standin.redshift().unwrap();
    redshift.spoil("numbers/1.csv", Trouble::Fails("an error of a new kind".to_owned()));
    redshift.spoil("incoming/more/", Trouble::Fails("permission denied for relation more".to_owned()));
    for number in 0..6 {
        site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},x\n"));
        site.drop_file(&format!("more/{number}.csv"), &format!("{number},x\n"));
    }
    for _ in 0..20 {
        expire_leases(site.standin.storage(), BUCKET);
        site.deployed.tick().await.unwrap();
        site.deployed.idle().await;
        let of_numbers = site.keys("sluice/claims/numbers/");
        let rests = of_numbers.len() == 1 && of_numbers[0].contains("/resting/");
        let down = site.published("more", "FeedDown").pop() == Some(1.0);
        if rests && down && site.keys("incoming/numbers/").len() == 1 {
            return operator;
        }
    }
    panic!("nothing rests, or nothing is down: {:#?}", operator.says(&["status"]).await.out);
}

#[tokio::test]
async fn the_status_names_what_rests_and_what_is_down() {
    let operator = in_trouble().await;
    let (code, feeds) = operator.json(&["status"]).await;
    let (numbers, more) = (&feeds[0], &feeds[1]);
    assert_eq!((code, &numbers["down"], &more["resting"]), (Some(0), &json!(null), &json!([])));
    let resting = numbers["resting"].as_array().unwrap();
    assert_eq!(resting.len(), 1, "{numbers}");
    assert_eq!((&resting[0]["key"], &resting[0]["stage"]), (&json!("incoming/numbers/1.csv"), &json!("load")));
    let has = |value: &Value, part: &str| value.as_str().is_some_and(|text| text.contains(part));
    assert!(has(&resting[0]["reason"], "an error of a new kind"), "{numbers}");
    assert!(has(&more["down"]["reason"], "permission denied for relation more"), "{more}");
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    for trouble in [&resting[0], &more["down"]] {
        assert!(time(&trouble["since"]) <= jiff::Timestamp::now(), "{trouble}");
        assert!(time(&trouble["next_try"]) > jiff::Timestamp::now(), "{trouble}");
    }
    assert!(resting[0]["failures"].as_u64() > Some(0), "{numbers}");

    let said = operator.says(&["status"]).await;
    for part in [
        "numbers: all is loaded but 1 file\n",
        "  resting    incoming/numbers/1.csv cannot be loaded, for ",
        "; the next try is in ",
        "ERROR: an error of a new kind; ",
        "             fix the cause; `sluice retry numbers` tries them now\n",
        "more: down: nothing of it can be loaded\n",
        "  down       for ",
        "; `sluice retry more` tries now\n             Query #",
        "ERROR: permission denied for relation more; ",
    ] {
        assert!(said.out.contains(part), "{part:?} is not in:\n{}", said.out);
    }
    println!("{}", said.out);
    let read = ["monitoring:GetMetricData", "s3:GetObject", "s3:ListObjectsV2"];
    assert_eq!(operator.asked(), read, "the warehouse is not asked, and nothing is written");
    operator.stop().await;
}

#[tokio::test]
async fn retry_has_the_next_ticks_try_what_waits() {
    let operator = in_trouble().await;
    let site = &operator.site;
    let redshift = site.standin.redshift().unwrap();
    redshift.unspoil("numbers/1.csv");
    redshift.unspoil("incoming/more/");
    let transactions = || site.requests("redshift-data:BatchExecuteStatement");
    let before = transactions();
    site.deployed.tick().await.unwrap();
    site.deployed.idle().await;
    assert_eq!(transactions(), before, "neither is tried before its time");

    let said = operator.says(&["retry", "numbers"]).await;
    assert_eq!((said.code, &*said.out), (Some(0), "numbers: the next ticks try 0 claims and 1 resting file\n"));
    let (code, said) = operator.json(&["retry", "more"]).await;
    assert_eq!((code, &said[0]["feed"], &said[0]["resting"]), (Some(0), &json!("more"), &json!(0)));
    assert!(said[0]["batches"].as_u64() > Some(0), "{said:?}");
    assert_eq!(transactions(), before, "it loads nothing itself");
    let all: Vec<i64> = (0..6).collect();
    let mut ticks = 0;
    while site.ids("numbers").await != all || site.ids("more").await != all {
        assert!(ticks < 6, "{}", operator.says(&["status"]).await.out);
        site.deployed.tick().await.unwrap();
        site.deployed.idle().await;
        ticks += 1;
    }
    site.drain().await;
    let said = operator.says(&["retry", "more"]).await;
    assert_eq!((said.code, &*said.out), (Some(0), "more: nothing waits to be tried again\n"));
    let (_, said) = operator.json(&["retry", "numbers"]).await;
    assert_eq!(said, [json!({"feed": "numbers", "batches": 0, "resting": 0})]);
    let wrong = operator.says(&["retry", "others"]).await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
    operator.stop().await;
}

#[tokio::test]
async fn init_makes_what_doctor_misses_and_both_leave_nothing() {
    let operator = Operator::start(&numbers("")).await;
    let said = operator.says(&["doctor"]).await;
    assert_eq!(said.code, Some(3), "{}{}", said.out, said.err);
    assert!(
        said.out.contains("✗ the ledger public.sluice_ledger_numbers and its fence may be read and written"),
        "{}",
        said.out
    );
    assert!(said.out.contains("do: run `sluice init`"), "{}", said.out);

    let (code, checks) = operator.json(&["init"]).await;
    assert_eq!(code, Some(0), "{checks:#?}");
    let said = operator.says(&["doctor", "--prove"]).await;
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(
        said.out.contains("with lock and fence, 5 of 5 pairs of transactions loaded their file once"),
        "{}",
        said.out
    );
    let left = operator.site.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'sluice_proof%'").await;
    assert_eq!(left[0][0].as_deref(), Some("0"), "scratch tables are removed");
    assert!(operator.site.keys("sluice/claims/").is_empty(), "and so is the claim");
    for prefix in ["incoming/", "processed/", "failed/"] {
        assert!(operator.site.keys(prefix).is_empty(), "nothing is tried on files: {prefix}");
    }
    println!("{}", said.out);

    // The table is gone; the warehouse does not answer; the bucket does not honour conditions.
    operator.site.sql("DROP TABLE numbers").await;
    let said = operator.says(&["doctor"]).await;
    assert_eq!(said.code, Some(3));
    assert!(said.out.contains("✗ rows may be put into public.numbers"), "{}", said.out);
    assert!(said.out.contains("do: create the table, or GRANT INSERT ON public.numbers"), "{}", said.out);
    let rule = Rule::new(Fault::InternalError).operation("PutObject").caller("operator");
    let rule = operator.site.standin.faults().add(rule);
    let said = operator.says(&["doctor"]).await;
    operator.site.standin.faults().remove(rule);
    assert!(said.out.contains("✗ a claim may be written"), "{}", said.out);
    assert!(
        said.out.contains("do: grant s3:GetObject, s3:PutObject and s3:DeleteObject on the claims"),
        "{}",
        said.out
    );
    operator.stop().await;
}

#[test_case("GetObject", "incoming/", "may be read"; "files cannot be read")]
#[test_case("DeleteObject", "incoming/", "may be emptied"; "files cannot be taken away")]
#[test_case("PutObject", "processed/", "may be written"; "files cannot be archived")]
#[test_case("PutObject", "failed/", "may be written"; "files cannot be quarantined")]
#[test_case("GetObject", "sluice/state/", "may be read"; "hints cannot be read")]
#[test_case("PutObject", "sluice/state/", "may be written"; "hints cannot be written")]
#[tokio::test]
async fn doctor_says_which_right_is_missing(action: &str, prefix: &str, what: &str) {
    let operator = Operator::start(&numbers("")).await;
    operator.says(&["init"]).await;
    let denied = Fault::Answer(403, "AccessDenied", "Access Denied");
    let rule = Rule::new(denied).operation(action).subject(format!("{prefix}doctor-"));
    operator.site.standin.faults().add(rule);
    let (code, checks) = operator.json(&["doctor"]).await;
    let wrong: Vec<_> = checks.iter().filter(|check| check["ok"] == json!(false) && check["type"] == "check").collect();
    assert_eq!((code, wrong.len()), (Some(3), 1), "{checks:#?}");
    assert_eq!(wrong[0]["what"], json!(format!("{prefix} {what}")));
    let remedy = wrong[0]["remedy"].as_str().unwrap();
    assert!(remedy.starts_with(&format!("grant s3:{action} on {prefix}* to the role")), "{remedy}");
    operator.stop().await;
}

#[test_case("S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1"; "the role may not read")]
#[test_case("User arn:aws:redshift:us-east-1:1:dbuser:c/u is not authorized to assume IAM Role arn:aws:iam::1:role/r"; "the role may not be taken")]
#[tokio::test]
async fn doctor_says_what_copy_lacks(error: &str) {
    let operator = Operator::start(&numbers("")).await;
    operator.says(&["init"]).await;
    operator.site.standin.redshift().unwrap().fail_copies(Some(error));
    let (code, checks) = operator.json(&["doctor"]).await;
    let wrong: Vec<_> = checks.iter().filter(|check| check["ok"] == json!(false) && check["type"] == "check").collect();
    assert_eq!((code, wrong.len()), (Some(3), 1), "{checks:#?}");
    assert_eq!(wrong[0]["what"], json!("COPY may read the bucket"));
    assert!(wrong[0]["error"].as_str().unwrap().contains(error), "{}", wrong[0]);
    assert!(operator.site.ids("numbers").await.is_empty());
    operator.stop().await;
}

/// COPY needs another object than its files, and that is missing: no file is to blame, and the words say which it is.
#[tokio::test]
async fn doctor_misses_the_jsonpaths_object() {
    let paths = "s3://landing/paths/numbers.json";
    let json = numbers("").replace("format = \"csv\"", "format = \"json\"");
    let operator = Operator::start(&format!("{json}[feed.redshift.options]\njson = \"{paths}\"\n")).await;
    operator.says(&["init"]).await;
    let (code, checks) = operator.json(&["doctor"]).await;
    let wrong: Vec<_> = checks.iter().filter(|check| check["ok"] == json!(false) && check["type"] == "check").collect();
    assert_eq!((code, wrong.len()), (Some(3), 1), "{checks:#?}");
    assert!(wrong[0]["error"].as_str().unwrap().contains(paths), "{}", wrong[0]);
    let put = |text: &str| operator.site.standin.storage().put(BUCKET, "paths/numbers.json", text.to_owned()).unwrap();
    put(r#"{"jsonpaths": ["$.id", "$.label"]}"#);
    let (code, checks) = operator.json(&["doctor"]).await;
    assert_eq!(code, Some(0), "{checks:#?}");
    operator.stop().await;
}

#[tokio::test]
async fn doctor_sends_a_worker_nowhere() {
    let operator = Operator::start(&numbers("")).await;
    operator.says(&["init"]).await;
    let mut doctor = operator.command(&["doctor"]);
    doctor.env("SLUICE_CONFIG", &operator.config).env("SLUICE_WORKER_FUNCTION", WORKER);
    let output = doctor.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(operator.site.outcomes(WORKER, 0, 1).await, ["gone"]);
    operator.stop().await;
}

#[tokio::test]
async fn a_configuration_is_pushed_when_it_is_right_and_what_changes_is_shown() {
    const TO: &str = "s3://landing/config/sluice.toml";
    let operator = Operator::start(&numbers("")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, &operator.config).unwrap();
    let said = operator.says(&["config", "push", path, TO, "--dry-run"]).await;
    assert_eq!((said.code, operator.site.keys("config/").len()), (Some(0), 0), "{}", said.err);
    let said = operator.says(&["config", "push", path, TO]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("+ name = \"landing\"\n") && said.out.contains("feed numbers: added\n"), "{}", said.out);

    let changed = numbers("max_files = 2\nfiles_per_load = 2") + &feed("more", "");
    std::fs::write(&file, format!("[bucket]\nname = \"{BUCKET}\"\n{changed}")).unwrap();
    let said = operator.says(&["config", "push", path, TO]).await;
    assert!(said.out.contains("+ max_files = 2\n"), "{}", said.out);
    assert!(said.out.contains("feed numbers: changed\nfeed more: added\n"), "{}", said.out);
    let (_, same) = operator.json(&["config", "push", path, TO]).await;
    assert_eq!((&same[0]["changed"], &same[0]["written"]), (&json!(false), &json!(false)));
    std::fs::write(&file, &operator.config).unwrap();
    let (_, back) = operator.json(&["config", "push", path, TO, "--dry-run"]).await;
    assert_eq!(back[0]["feeds"], json!([["numbers", "changed"], ["more", "removed"]]));

    std::fs::write(&file, operator.config.replace("format =", "formats =")).unwrap();
    let before = operator.site.standin.storage().head(BUCKET, "config/sluice.toml").unwrap().etag;
    let said = operator.says(&["config", "push", path, TO]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("formats"), "{}", said.err);
    assert_eq!(operator.site.standin.storage().head(BUCKET, "config/sluice.toml").unwrap().etag, before);
    let said = operator.says(&["config", "push", path, "landing/config"]).await;
    assert_eq!(said.code, Some(2), "{}", said.err);

    // The functions run with it.
    let deployed = operator.command(&["plan", "more", "--config", TO]).output().await.unwrap();
    assert!(deployed.status.success());
    operator.stop().await;
}

#[tokio::test]
async fn shells_and_man_know_every_command() {
    let operator = Operator::start(&numbers("")).await;
    for shell in ["bash", "zsh", "fish"] {
        let said = operator.says(&["completions", shell]).await;
        assert!(said.code == Some(0) && said.out.contains("verify"), "{shell}: {}", said.err);
    }
    let folder = tempfile::tempdir().unwrap();
    let said = operator.says(&["man", "--dir", folder.path().to_str().unwrap()]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    for page in ["sluice.1", "sluice-status.1", "sluice-config-push.1", "sluice-doctor.1"] {
        let text =
            std::fs::read_to_string(folder.path().join(page)).unwrap_or_else(|_| panic!("{page}:\n{}", said.out));
        assert!(text.contains(".TH"), "{page}");
    }
    operator.stop().await;
}
