//! Whatever is wrong with the warehouse, nothing is quarantined, and all is loaded once it is fixed.

use std::time::Duration;

use serde_json::json;
use sluice_standin::deployment::{LISTER, WORKER};
use sluice_standin::faults::{Fault, Rule};
use sluice_standin::redshift::FileNames;
use sluice_tests::{BUCKET, Site, expire_leases, numbers, resting};
use test_case::test_case;

const FILES: i64 = 6;
/// How many ticks meet the trouble.
const TICKS: u8 = 10;

/// Where the trouble is.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// There is no table.
    NoTable,
    /// COPY fails with this text.
    Sql(&'static str),
    /// The Data API answers like this.
    Api(fn() -> Fault),
}
use Trouble::{Api, NoTable, Sql};

/// What an operator reads of it must hold these words: what it is, and what to do.
#[test_case(NoTable, "create the table"; "the table is missing")]
#[test_case(Sql("S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1\n  Detail: S3 key being read : s3://landing/incoming/numbers/0.csv"), "s3:GetObject"; "the role of COPY may not read")]
#[test_case(Sql("S3ServiceException:The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.,Status 301,Error PermanentRedirect,Rid 0,ExtRid 0,CanRetry 1"), "`region`"; "another Region")]
#[test_case(Sql("permission denied for relation numbers"), "grant"; "the user may not insert")]
#[test_case(Sql("1023 DETAIL: Serializable isolation violation on table - 0, transactions forming the cycle are: 1, 2 (pid:0)"), "another transaction"; "serialisation error")]
#[test_case(Sql("deadlock detected"), "another transaction"; "deadlock")]
#[test_case(Sql("Query (7) cancelled on user's request"), "statement_timeout"; "statement timeout")]
#[test_case(Sql("connection to the warehouse lost: closed"), "paused or down"; "the connection is lost")]
#[test_case(Sql("Spectrum Scan Error: Access throttled\n  Detail: \n  error:  Spectrum Scan Error: Access throttled\n  code:      15001\n  context:   Access throttled by Amazon S3."), "tried again"; "spectrum is throttled")]
#[test_case(Sql("Spectrum Scan Error\n  Detail: \n  error:  Spectrum Scan Error\n  code:      15001\n  context:   HTTP response error code: 503 Message: SlowDown"), "tried again"; "spectrum is told to slow down")]
#[test_case(Sql("Spectrum Scan Error\n  Detail: \n  error:  Spectrum Scan Error\n  code:      15007\n  context:   File 'https://s3.us-east-1.amazonaws.com/landing/incoming/numbers/0.csv': timeout was reached"), "nobody knows this error"; "a timeout that names a file")]
#[test_case(Sql("Number of jsonpaths and the number of columns should match. JSONPath size: 1, Number of columns in table or column list: 2"), "a path for each column"; "too few jsonpaths")]
#[test_case(Sql("S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Rid 0,ExtRid 0,CanRetry 1"), "the jsonpaths object"; "an object is missing and no file")]
#[test_case(Sql("COPY with MANIFEST parameter requires full path of an S3 object.\n  Detail: \n  code: 8001"), "`sluice/manifests/`"; "the manifest cannot be read")]
#[test_case(Sql("Problem reading manifest file - S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0"), "`sluice/manifests/`"; "the manifest is denied")]
#[test_case(Sql("Disk Full\n  Detail: \n  error:  Disk Full\n  code:      1016\n  context:   node: 3"), "no room"; "the disk is full")]
#[test_case(Sql("Query (7) cancelled by WLM abort action of Query Monitoring Rule \"long\"."), "query monitoring rule"; "a rule ends the load")]
#[test_case(Sql("something that nobody has seen before"), "nobody knows this error"; "unknown")]
#[test_case(Api(|| Fault::Answer(400, "ValidationException", "Redshift cluster demo is paused")), "not paused"; "paused")]
#[test_case(Api(|| Fault::Answer(400, "ResourceNotFoundException", "no such workgroup")), "check the name"; "no warehouse")]
#[test_case(Api(|| Fault::Answer(400, "AccessDeniedException", "not authorized to perform: redshift-data:BatchExecuteStatement")), "grant this right"; "the function may not call it")]
#[test_case(Api(|| Fault::Answer(400, "ActiveStatementsExceededException", "too many active statements")), "tried again"; "too many active statements")]
#[test_case(Api(|| Fault::Throttle), "tried again"; "throttling")]
#[test_case(Api(|| Fault::InternalError), "tried again"; "the service is broken")]
#[test_case(Api(|| Fault::LoseRequest), "tried again"; "unreachable")]
#[tokio::test]
async fn trouble_that_is_not_about_a_file_quarantines_nothing_and_passes(trouble: Trouble, says: &str) {
    // So that a worker gives up after some seconds of transient trouble, and its client after one try.
    let site = Site::with(&numbers("max_files = 10\nfiles_per_load = 10"), |deployment| {
        deployment.timeout = Duration::from_secs(8);
        deployment.environment.push(("AWS_MAX_ATTEMPTS".into(), "1".into()));
    })
    .await;
    // What brings it about, and each of its claims, is to be seen tick by tick.
    site.standin.eventbridge().deliver_times(0);
    for number in 0..FILES {
        site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},x\n"));
    }
    if let NoTable = trouble {
        site.sql("DROP TABLE public.numbers").await;
    }
    let rule = match trouble {
        Api(fault) => {
            let rule = Rule::new(fault()).service("redshift-data").operation("BatchExecuteStatement");
            Some(site.standin.faults().add(rule))
        }
        _ => None,
    };
    // More than can be met: what is left of them is taken back.
    if let Sql(error) = trouble {
        site.standin.redshift().unwrap().fail_copies(Some(error));
    }
    for tick in 0..TICKS {
        site.answer(LISTER, &json!({})).await;
        site.deployed.idle().await;
        assert_eq!(site.keys("failed/"), [""; 0], "tick {tick}");
        assert_eq!(site.keys("incoming/").len(), 6, "tick {tick}");
        expire_leases(site.standin.storage(), BUCKET);
    }
    let failed = failures(&site);
    assert!(failed >= f64::from(TICKS), "LoadsFailed is {failed} after {TICKS} ticks");
    let claim = site.standin.storage().get(BUCKET, "sluice/claims/numbers/0.json").unwrap();
    let claim: serde_json::Value = serde_json::from_slice(&claim).unwrap();
    let told = claim["last_error"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains(says), "the claim says {told:?}");
    let lines = site.standin.lambda().logs(WORKER);
    let line = lines.iter().find(|line| line.text.contains("batch retry") && line.text.contains(says));
    assert!(line.is_some(), "no line of the log says {says:?}:\n{}", site.logs(WORKER));

    // The cause is gone; nothing else is done.
    match (trouble, rule) {
        (_, Some(rule)) => site.standin.faults().remove(rule),
        (Sql(_), _) => site.standin.redshift().unwrap().fail_copies(None),
        _ => drop(site.sql("CREATE TABLE public.numbers (id INTEGER NOT NULL, label VARCHAR(2000))").await),
    }
    for _ in 0..6 {
        site.answer(LISTER, &json!({})).await;
        site.deployed.idle().await;
        expire_leases(site.standin.storage(), BUCKET);
    }
    assert_eq!(site.ids("numbers").await, (0..FILES).collect::<Vec<_>>());
    assert!(site.keys("failed/").is_empty() && site.keys("sluice/claims/").is_empty());
    assert_eq!(site.keys("processed/").len(), 6);
    site.stop().await;
}

fn failures(site: &Site) -> f64 {
    let series = site.standin.cloudwatch().series("Sluice", "LoadsFailed", &[("Feed", "numbers")]);
    series.iter().map(|datum| datum.value * datum.count).sum()
}

/// An error of the feed's own SQL that one file brings about, whatever the value that it quotes says: the others get through,
/// and it is never quarantined.
#[test_case("x"; "a value")]
#[test_case("connection reset by peer"; "the words of an outage")]
#[test_case("Spectrum Scan Error"; "the words of bad data")]
#[tokio::test]
async fn a_file_that_brings_about_an_unknown_error_lets_the_others_through(value: &str) {
    let config = numbers("max_files = 32\nfiles_per_load = 16").replace(
        "format = \"csv\"",
        "format = \"csv\"\npost_sql = [\"SELECT CAST(label AS NUMERIC(3)) FROM public.numbers WHERE id = 5\"]",
    );
    let site = Site::start(&config).await;
    site.standin.eventbridge().deliver_times(0);
    for number in 0..16 {
        site.drop_file(
            &format!("numbers/{number:02}.csv"),
            &format!("{number},{}\n", if number == 5 { value } else { "1" }),
        );
    }
    for _ in 0..20 {
        site.answer(LISTER, &json!({})).await;
        site.deployed.idle().await;
        expire_leases(site.standin.storage(), BUCKET);
        if site.keys("incoming/").len() == 1 && !resting(site.standin.storage(), BUCKET, "numbers").is_empty() {
            break;
        }
    }
    assert_eq!(site.ids("numbers").await, (0..16).filter(|number| *number != 5).collect::<Vec<_>>());
    assert_eq!(site.keys("incoming/"), ["incoming/numbers/05.csv"]);
    assert!(site.keys("failed/").is_empty());
    let config = format!("[bucket]\nname = \"{BUCKET}\"\n{config}");
    let said = site.sluice(&["status"]).env("SLUICE_CONFIG", config).output().await.unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("resting    incoming/numbers/05.csv cannot be loaded, for "), "{said}");
    println!("{said}");
    // Its content is put right where it is: a new file.
    site.drop_file("numbers/05.csv", "5,1\n");
    for _ in 0..6 {
        site.answer(LISTER, &json!({})).await;
        site.deployed.idle().await;
        expire_leases(site.standin.storage(), BUCKET);
    }
    assert_eq!(site.ids("numbers").await, (0..16).collect::<Vec<_>>());
    assert!(site.keys("incoming/").is_empty() && site.keys("sluice/claims/").is_empty());
    site.stop().await;
}

/// Statements that are too large in all: the batch goes in halves, and nobody has to know.
#[tokio::test]
async fn what_is_too_large_for_the_data_api_goes_in_halves() {
    let site = Site::start(&numbers("max_files = 400\nfiles_per_load = 400")).await;
    site.drop_file("numbers/first.csv", "0,first\n");
    site.drain().await;
    site.standin.redshift().unwrap().refuse_submissions_over(Some(150_000));
    for number in 1..=400 {
        site.drop_file(&format!("numbers/{number}-{}.csv", "x".repeat(400)), &format!("{number},x\n"));
    }
    site.tick(0).await;
    site.deployed.idle().await;
    assert_eq!(site.ids("numbers").await, (0..=400).collect::<Vec<_>>(), "{}", site.logs(WORKER));
    assert!(site.published("numbers", "LoadsFailed").is_empty());
    site.stop().await;
}

/// The system views name files in three ways; a bad one is found by each of them.
#[test_case(FileNames::Url; "as a URL of S3")]
#[test_case(FileNames::Encoded; "as an encoded address")]
#[test_case(FileNames::Key; "by its key")]
#[tokio::test]
async fn a_bad_file_is_found_however_the_views_name_it(names: FileNames) {
    let site = Site::start(&numbers("")).await;
    site.standin.redshift().unwrap().name_files(Some(names));
    site.drop_file("numbers/day=1/good.csv", "1,x\n");
    site.drop_file("numbers/day=1/ba d+ü.csv", "2,x\nno number,x\n");
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [1]);
    let reason = site.standin.storage().get(BUCKET, "failed/numbers/day=1/ba d+ü.csv.error.json").unwrap();
    let reason: serde_json::Value = serde_json::from_slice(&reason).unwrap();
    assert_eq!(
        (&reason["code"], &reason["line"], &reason["column"]),
        (&json!(1207), &json!(2), &json!("id")),
        "{reason}"
    );
    site.stop().await;
}
