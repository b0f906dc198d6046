//! The SQL that Redshift is sent, as text, and what its answers lead to.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use sluice_core::batch::BatchId;
use sluice_core::config::Config;
use sluice_core::destination::{Asking, Begun, FailureKind, Ledger, Load, Loads, Progress, Repairs, StatementId};
use sluice_core::object::{ETag, File};
use sluice_core::plan::compression;
use sluice_core::ports::Clock as _;
use sluice_core::testing::world::World;
use sluice_core::testing::{ManualClock, MemoryObjects, TestPorts, key};
use sluice_core::tick::tick;
use sluice_core::work::work;
use sluice_redshift::testing::{Answer, ScriptedStatements};
use sluice_redshift::{Redshift, RedshiftDestination, RedshiftFeed, RedshiftKind, Submission, sql};
use test_case::test_case;

fn file(name: &str) -> File {
    File {
        key: key(&format!("incoming/flights/{name}")),
        etag: ETag::new("etag"),
        size: 7,
        last_modified: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn full_config() -> Config {
    Config::parse(
        r#"
        [bucket]
        name = "acme-landing"
        [[feed]]
        name = "flights"
        prefix = "flights/"
        [feed.redshift]
        workgroup = "analytics"
        database = "dev"
        table = '"My ""Schema""".flights'
        columns = ["year", "odd \" name"]
        iam_role = "arn:aws:iam::123456789012:role/copy"
        format = "csv"
        pre_sql = ["DELETE FROM public.flights_today"]
        post_sql = ["INSERT INTO public.audit SELECT 1"]
        statement_timeout = "1h"
        [feed.redshift.options]
        ignoreheader = 1
        null_as = '\N'
        quote = "'"
        "#,
        "test",
        &[&RedshiftKind],
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

fn transaction(config: &Config, files: &[File]) -> sql::Transaction {
    let feed = &config.feeds[0];
    let compression = compression(feed, &files[0].key);
    let load = Load { slot: 0, batch: &BatchId::of(files), files, token: "", compression, prepared: false };
    sql::transaction(
        "acme-landing",
        RedshiftFeed::of(feed).unwrap(),
        &load,
        &key("sluice/manifests/flights/b.manifest"),
    )
}

#[test]
fn the_transaction_locks_before_it_looks_and_records_what_it_loads() {
    let config = full_config();
    let transaction = transaction(&config, &[file("it's; -- \\.csv.gz"), file("b.csv.gz")]);
    insta::assert_snapshot!(transaction.statements.join(";\n"));
    assert!(transaction.statements[transaction.roles.lock].starts_with("LOCK"));
    assert!(transaction.statements[transaction.roles.guard].starts_with("SELECT 1 /"));
    assert!(transaction.statements[transaction.roles.copy].starts_with("COPY"));
    assert!(transaction.roles.lock < transaction.roles.guard && transaction.roles.guard < transaction.roles.copy);
}

#[test]
fn forgetting_locks_the_ledger_and_spares_what_is_newer() {
    let config = full_config();
    let target = Redshift::of(&config.feeds[0]).unwrap();
    let files = ["it's; -- \\.csv.gz", "b.csv.gz"].map(|name| file(name).id());
    let until = "2026-11-23T12:00:00.9Z".parse().unwrap();
    let transactions = sql::forget(target, &files, until, Duration::from_mins(5));
    assert_eq!(transactions.len(), 1);
    insta::assert_snapshot!(transactions[0].join(";\n"));
}

#[test]
fn the_largest_batch_with_the_longest_keys_fits_the_data_api() {
    // A backslash is doubled: no key of 1,024 bytes becomes longer in SQL.
    let files: Vec<File> = (0..1000).map(|number| file(&format!("{number:04}{}", "\\".repeat(1003)))).collect();
    assert_eq!(files[0].key.as_str().len(), 1024);
    let transaction = transaction(&full_config(), &files);
    // Two statements of the configuration's own are in it; ten are allowed.
    assert!(transaction.statements.len() + 8 <= 40, "{}", transaction.statements.len());
    for statement in &transaction.statements {
        assert!(statement.len() <= 100_000, "{}", statement.len());
    }
}

#[test]
fn other_statements() {
    let config = full_config();
    let feed = &config.feeds[0];
    let (old, new) = (file("a"), File { etag: ETag::new("new"), ..file("a") });
    let mut statements = sql::create_ledger(RedshiftFeed::of(feed).unwrap());
    statements.push(sql::loaded(RedshiftFeed::of(feed).unwrap(), std::slice::from_ref(&old)));
    statements.extend(sql::amend(RedshiftFeed::of(feed).unwrap(), &[(old, new)]));
    statements.push(sql::load_errors(sql::Trace::Query(7)));
    statements.push(sql::versions_read(sql::Trace::Session(8, 1_700_000_000)));
    insta::assert_snapshot!(statements.join(";\n"));
}

/// COPY's own words where a system view has the reasons.
const SUMMARY: &str = "ERROR: Load into table 't' failed.  Check 'sys_load_error_detail' system table for details.";

fn destination(
    statements: &ScriptedStatements,
) -> (Config, RedshiftDestination<ScriptedStatements, MemoryObjects>, MemoryObjects) {
    let config = sluice_redshift::testing::config("");
    let objects = MemoryObjects::new(&ManualClock::default());
    let destination = RedshiftDestination::new(config.bucket.clone(), statements.clone(), objects.clone());
    (config, destination, objects)
}

#[tokio::test]
async fn a_batch_is_submitted_with_its_manifest_and_token() {
    let statements = ScriptedStatements::new(|submission| {
        let mut answer = Answer::finished(submission).after_polls(1);
        answer.end.parts[5].rows = Some(842);
        answer
    });
    let (config, destination, objects) = destination(&statements);
    let files = [file("a"), file("b")];
    let batch = BatchId::of(&files);
    let load = Load { slot: 0, batch: &batch, files: &files, token: "token-0", compression: None, prepared: false };
    let id = destination.start(&config.feeds[0], &load).await.unwrap().begun().clone();
    let manifest = objects.body(&format!("sluice/manifests/flights/{batch}.manifest")).unwrap();
    assert!(String::from_utf8(manifest).unwrap().contains("s3://bucket/incoming/flights/b"));
    let Submission { token, name, .. } = statements.submitted().remove(0);
    assert_eq!((token.as_deref(), name), (Some("token-0"), format!("sluice:bucket:flights:0:{batch}")));
    let poll = async || destination.poll(&config.feeds[0], &id, &files, Duration::ZERO).await.unwrap();
    assert_eq!(poll().await, Progress::Running);
    let Progress::Loaded(loaded) = poll().await else { panic!("not loaded") };
    assert_eq!(loaded.rows, Some(842));
    statements.forget(&id.statement);
    assert_eq!(poll().await, Progress::Forgotten);
}

#[tokio::test]
async fn bad_files_are_named_by_one_pass_that_loads_nothing() {
    let long = "x".repeat(300);
    let (one, other) = (format!("{long}1.csv"), format!("{long}2.csv"));
    let cut: String = format!("s3://bucket/incoming/flights/{one}").chars().take(256).collect();
    let name = cut.clone();
    let statements = ScriptedStatements::new(move |submission| {
        let sql = &submission.statements[0];
        let mut answer = Answer::finished(submission);
        answer.end.query_id = Some(77);
        if sql.starts_with("SELECT TRIM(file_name), error_code") {
            assert!(sql.contains("query_id = 77"), "{sql}");
            let row = |file| vec![Some(file), Some("1207"), Some("Invalid digit"), Some("3"), Some("year")];
            let rows = [row("s3://bucket/incoming/flights/bad.csv"), row(&name)];
            let rows: Vec<&[Option<&str>]> = rows.iter().map(Vec::as_slice).collect();
            answer = answer.with_rows(0, &rows);
        } else {
            assert!(sql.starts_with("COPY") && sql.ends_with("NOLOAD MAXERROR 100000"), "{sql}");
        }
        answer
    });
    let (config, destination, _) = destination(&statements);
    let files = [file("bad.csv"), file("good.csv"), file(&one), file(&other)];
    let batch = BatchId::of(&files);
    let load = Load { slot: 0, batch: &batch, files: &files, token: "token-0", compression: None, prepared: false };
    let failed = Begun { statement: StatementId("failed".into()), roles: None };
    let bad = destination.bad_files(&config.feeds[0], &load, &failed, &Asking::default()).await.unwrap();
    assert_eq!((bad.files.len(), bad.late), (1, false), "a name that is cut and fits two files names neither");
    let refusal = &bad.files[&files[0].key];
    assert_eq!((refusal.code, refusal.line, refusal.column.as_deref()), (Some(1207), Some(3), Some("year")));
}

#[tokio::test]
async fn where_a_file_is_gone_the_bad_ones_are_those_that_the_load_itself_noted() {
    let statements = ScriptedStatements::new(move |submission| {
        let sql = &submission.statements[0];
        if sql.ends_with("NOLOAD MAXERROR 100000") {
            return Answer::failed(submission, 1, "ERROR: Mandatory url is not present in manifest file");
        }
        let mut answer = Answer::finished(submission);
        if sql.starts_with("SELECT TRIM(file_name), error_code") {
            assert!(sql.contains("query_id = 77"), "{sql}");
            answer = answer.with_rows(0, &[&[Some("s3://bucket/incoming/flights/bad.csv")]]);
        } else {
            answer = Answer::failed(submission, 6, SUMMARY);
            answer.end.parts[5].query_id = Some(77);
        }
        answer
    });
    let (config, destination, _) = destination(&statements);
    let files = [file("bad.csv"), file("good.csv")];
    let batch = BatchId::of(&files);
    let load = Load { slot: 0, batch: &batch, files: &files, token: "token-0", compression: None, prepared: false };
    let failed = destination.start(&config.feeds[0], &load).await.unwrap().begun().clone();
    let bad = destination.bad_files(&config.feeds[0], &load, &failed, &Asking::default()).await.unwrap().files;
    assert_eq!(bad.into_keys().collect::<Vec<_>>(), [files[0].key.clone()]);
}

#[tokio::test]
async fn a_ledger_that_somebody_else_makes_at_the_same_moment_is_made() {
    for (text, made) in [
        ("ERROR: duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"", true),
        ("ERROR: Relation \"sluice_ledger_flights\" already exists", true),
        ("ERROR: permission denied for schema public", false),
    ] {
        let statements = ScriptedStatements::new(move |submission| Answer::failed(submission, 1, text));
        let (config, destination, _) = destination(&statements);
        assert_eq!(destination.create_ledger(&config.feeds[0], &Asking::default()).await.is_ok(), made, "{text}");
    }
}

#[tokio::test]
async fn a_ledger_that_is_not_there_has_no_file() {
    for (text, known) in [
        ("ERROR: relation \"public.sluice_ledger_flights\" does not exist", Some(0)),
        ("ERROR: Relation sluice_ledger_flights does not exist in the database.", Some(0)),
        ("ERROR: permission denied for relation sluice_ledger_flights", None),
    ] {
        let statements = ScriptedStatements::new(move |submission| Answer::failed(submission, 1, text));
        let (config, destination, _) = destination(&statements);
        let loaded = destination.loaded(&config.feeds[0], &[file("a")], &Asking::default()).await;
        assert_eq!(loaded.map(|files| files.len()).ok(), known, "{text}");
    }
}

/// A warehouse whose COPYs refuse the only file, and whose views show why at the `shown`th question of each kind.
fn refuses(shown: usize) -> ScriptedStatements {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    ScriptedStatements::new(move |submission| {
        let sql = &submission.statements[0];
        if submission.statements.len() > 1 {
            let mut failed = Answer::failed(submission, 6, SUMMARY);
            failed.end.parts[5].query_id = Some(7);
            return failed;
        }
        let mut answer = Answer::finished(submission);
        answer.end.query_id = Some(8);
        if !sql.starts_with("SELECT TRIM(file_name), error_code") {
            return answer;
        }
        // Each look asks about the pass and, where that shows nothing, about the load.
        let look = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) / 2;
        let row = ["s3://bucket/incoming/flights/a.csv", "1207", "Invalid digit", "3", "year"].map(Some);
        if look < shown { answer.with_rows(0, &[]) } else { answer.with_rows(0, &[&row]) }
    })
}

/// Views show their rows late: by `looks` looks of two seconds. What is not there after ten seconds is not waited for.
#[test_case(0 => (json!(1207), json!(3), json!("year"), 0); "at once")]
#[test_case(1 => (json!(1207), json!(3), json!("year"), 2); "two seconds late")]
#[test_case(3 => (json!(1207), json!(3), json!("year"), 6); "six seconds late")]
#[test_case(99 => (json!(null), json!(null), json!(null), 8); "never")]
#[tokio::test]
async fn a_reason_has_its_line_though_the_views_are_late(
    looks: usize,
) -> (serde_json::Value, serde_json::Value, serde_json::Value, i64) {
    let world = World::of(sluice_redshift::testing::config("max_files = 10\nfiles_per_load = 10"));
    world.drop_file("a.csv", "1\n");
    let (objects, clock) = (world.ports.objects.clone(), world.ports.clock.clone());
    let destination = RedshiftDestination::new(world.config.bucket.clone(), refuses(looks), objects.clone());
    let ports = TestPorts::of(objects.clone(), destination, &clock);
    tick(&world.config, &ports, &world.run(), None).await.unwrap();
    let before = clock.now();
    work(&world.config, &ports, &world.run(), &key("sluice/claims/flights/0.json")).await.unwrap();
    let reason = objects.body("failed/flights/a.csv.error.json").unwrap();
    let mut reason: serde_json::Value = serde_json::from_slice(&reason).unwrap();
    assert!(reason["message"].as_str().is_some_and(|message| !message.is_empty()));
    let waited = clock.now().duration_since(before).as_secs();
    (reason["code"].take(), reason["line"].take(), reason["column"].take(), waited)
}

/// What COPY misses is a file of the batch, or the jsonpaths object: the text does not say, and the options do.
#[tokio::test]
async fn a_missing_jsonpaths_object_is_named_and_is_the_operators_to_mend() {
    let missing =
        "ERROR: S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Rid 0,ExtRid 0";
    let statements = ScriptedStatements::new(move |submission| {
        Answer::failed(submission, submission.statements.len().min(6), missing)
    });
    let config = r#"
        [bucket]
        name = "bucket"
        [[feed]]
        name = "flights"
        prefix = "flights/"
        [feed.redshift]
        workgroup = "demo"
        database = "dev"
        table = "public.flights"
        format = "json"
        [feed.redshift.options]
        json = "s3://bucket/config/paths.json"
        "#;
    let config = Config::parse(config, "test", &[&RedshiftKind]).unwrap_or_else(|error| panic!("{error}"));
    let objects = MemoryObjects::new(&ManualClock::default());
    let destination = RedshiftDestination::new(config.bucket.clone(), statements, objects);
    let (feed, files) = (&config.feeds[0], [file("a")]);
    let load = Load {
        slot: 0,
        batch: &BatchId::of(&files),
        files: &files,
        token: "token-0",
        compression: None,
        prepared: false,
    };
    let begun = destination.start(feed, &load).await.unwrap().begun().clone();
    let Progress::Failed(failure) = destination.poll(feed, &begun, &files, Duration::ZERO).await.unwrap() else {
        panic!("not failed")
    };
    assert_eq!(failure.kind, FailureKind::ObjectMissing);
    assert!(failure.message.contains("s3://bucket/config/paths.json"), "{}", failure.message);
    assert!(failure.advice.is_some_and(|advice| advice.contains("jsonpaths")));
    assert!(destination.examine_copy(feed, key("incoming/flights/nobody")).await.is_err(), "doctor sees it");
}
