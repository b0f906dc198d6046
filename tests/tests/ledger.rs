//! The ledger recipe at work: two transactions that load the same file at the same moment, under snapshot isolation.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::types::StatusString;
use serde_json::json;
use sluice_standin::deployment::{Deployment, WORKER};
use sluice_standin::s3::{Encryption, Extras, Put};
use sluice_tests::{BUCKET, Site, binaries, numbers};

/// Two claims hold the same files (as those of an older version may for a moment); their workers run at the same time.
#[tokio::test]
async fn two_workers_on_the_same_files_load_them_once() {
    let site = Site::start(&numbers("max_files = 2\nfiles_per_load = 1")).await;
    site.drop_file("numbers/a.csv", "1,one\n");
    let copies = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    // Once it has submitted, the first worker no longer looks for other claims.
    while site.requests("redshift-data:BatchExecuteStatement") < 1 {
        tokio::task::yield_now().await;
    }
    // The second claim: the same file in the other slot, made at another time.
    let claim = site.standin.storage().get(BUCKET, "sluice/claims/numbers/0.json").unwrap();
    let mut claim: serde_json::Value = serde_json::from_slice(&claim).unwrap();
    let now = jiff::Timestamp::now().to_string();
    for (field, value) in [
        ("slot", json!(1)),
        ("created_at", json!(now)),
        ("owner", json!("")),
        ("lease_expires_at", json!(now)),
        ("statement_id", json!(null)),
        // Or the later worker would see the other claim, and give way: here the ledger alone must do.
        ("unchecked", json!(false)),
    ] {
        claim[field] = value;
    }
    site.standin.storage().put(BUCKET, "sluice/claims/numbers/1.json", claim.to_string()).unwrap();
    site.standin.lambda().deliver(WORKER, json!({"claim": "sluice/claims/numbers/1.json"}).to_string()).unwrap();
    // Both transactions are under way before either COPY may begin.
    while site.requests("redshift-data:BatchExecuteStatement") < 2 {
        tokio::task::yield_now().await;
    }
    drop(copies);
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [1]);
    assert_eq!(site.sql("SELECT count(*) FROM public.sluice_ledger_numbers").await[0][0].as_deref(), Some("1"));
    let mut outcomes: Vec<_> = site
        .standin
        .lambda()
        .reports(WORKER)
        .iter()
        .map(|report| report.answer().unwrap()["outcome"].as_str().unwrap().to_owned())
        .collect();
    outcomes.sort();
    assert!(outcomes.contains(&"loaded".to_owned()) && outcomes.contains(&"already_loaded".to_owned()), "{outcomes:?}");
    site.stop().await;
}

const LOCK: &str = "LOCK TABLE public.ledger";
const GUARD: &str = "SELECT 1 / (CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END) FROM public.ledger WHERE file IN ('f')";
const COPY: &str = "COPY public.numbers FROM 's3://landing/data.csv' IAM_ROLE default CSV";
const RECORD: &str = "INSERT INTO public.ledger VALUES ('f')";

/// Runs the statements twice at the same time, as two transactions of which `meet` get as far as COPY before either goes
/// on; answers how often the row is there.
async fn twice(statements: &[&str], meet: usize) -> usize {
    let site = Site::start(&numbers("")).await;
    site.sql("CREATE TABLE public.ledger (file CHAR(64))").await;
    site.standin.storage().put(BUCKET, "data.csv", "1,one\n").unwrap();
    let client = client(&site);
    // Held at COPY, so that whatever may run before it has run in both.
    let copies = site.standin.redshift().unwrap().hold_copies();
    let submit = || {
        client
            .batch_execute_statement()
            .workgroup_name("demo")
            .database("dev")
            .set_sqls(Some(statements.iter().map(ToString::to_string).collect()))
            .send()
    };
    let ids = [submit().await.unwrap().id.unwrap(), submit().await.unwrap().id.unwrap()];
    copies.reached(meet).await;
    drop(copies);
    for id in &ids {
        let mut status = client.describe_statement().id(id).wait_time_seconds(30).send().await.unwrap().status.unwrap();
        while !matches!(status, StatusString::Finished | StatusString::Failed) {
            status = client.describe_statement().id(id).wait_time_seconds(30).send().await.unwrap().status.unwrap();
        }
    }
    let rows = site.ids("numbers").await.len();
    site.stop().await;
    rows
}

fn client(site: &Site) -> Client {
    let endpoint = site.standin.endpoint();
    let http = aws_smithy_http_client::Builder::new().build_http();
    let credentials = aws_sdk_redshiftdata::config::Credentials::new("test", "sluice", None, None, "test");
    let config = aws_sdk_redshiftdata::Config::builder()
        .behavior_version(aws_sdk_redshiftdata::config::BehaviorVersion::latest())
        .region(aws_sdk_redshiftdata::config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .http_client(http)
        .timeout_config(
            aws_config::timeout::TimeoutConfig::builder().operation_timeout(Duration::from_mins(1)).build(),
        );
    Client::from_conf(config.build())
}

#[tokio::test]
async fn with_the_lock_first_the_row_is_there_once() {
    assert_eq!(twice(&[LOCK, GUARD, COPY, RECORD], 1).await, 1);
}

/// The negative control: what everybody writes first is wrong, and the stand-in shows it.
#[tokio::test]
async fn without_the_lock_the_row_is_there_twice() {
    assert_eq!(twice(&[GUARD, COPY, RECORD], 2).await, 2);
}

/// The same bytes under the same name are the same file, however they were uploaded and whatever their `ETag` is.
#[tokio::test]
async fn the_same_bytes_that_are_sent_again_are_loaded_once() {
    let site = Site::start(&numbers("")).await;
    let storage = site.standin.storage();
    let send = async |name: &str, body: &str, upload: Upload| {
        let (key, put) = (format!("incoming/numbers/{name}"), Put::default());
        match upload {
            Upload::Plain => drop(storage.put(BUCKET, &key, body.to_owned()).unwrap()),
            Upload::Parts(bytes) => {
                let parts = body.as_bytes().chunks(bytes).map(<[u8]>::to_vec);
                drop(storage.put_in_parts(BUCKET, &key, parts, put).unwrap());
            }
            Upload::Kms => {
                let extras = Extras { encryption: Some(Encryption::kms()), ..Extras::default() };
                drop(storage.put_with(BUCKET, &key, body.to_owned(), Put { extras, ..put }).unwrap());
            }
        }
        site.drain().await;
    };
    // The last part alone may be smaller than S3's least.
    let (large, small) = (|| Upload::Parts(5 << 20), || Upload::Parts(6 << 20));
    let orders = [
        (3_000, [large(), small()]),
        (3, [Upload::Kms, Upload::Kms]),
        (3, [Upload::Plain, Upload::Kms]),
        (3, [Upload::Kms, small()]),
        (3_000, [large(), Upload::Plain]),
    ];
    for (number, (rows, uploads)) in (0..).zip(orders) {
        let (name, first) = (format!("{number}.csv"), number * 10_000);
        let body = |from: i64, label: &str| -> String {
            (from..from + rows).fold(String::new(), |text, id| text + &format!("{id},{}\n", label.repeat(380)))
        };
        for upload in uploads {
            send(&name, &body(first, "first"), upload).await;
        }
        // Another content is another file; and then both come again.
        for (ids, label) in [(first + rows, "other"), (first, "first"), (first + rows, "other")] {
            send(&name, &body(ids, label), uploads[1]).await;
        }
        let loaded: Vec<i64> = site.ids("numbers").await.into_iter().filter(|id| id / 10_000 == number).collect();
        assert!(loaded.iter().copied().eq(first..first + 2 * rows), "{uploads:?}: {} rows", loaded.len());
    }
    assert_eq!((site.keys("incoming/"), site.keys("failed/")), (Vec::new(), Vec::new()));
    assert!(site.logs(WORKER).contains("the same content was loaded before"), "{}", site.logs(WORKER));
    let config = tempfile::tempdir().unwrap();
    let path = config.path().join("sluice.toml");
    std::fs::write(&path, format!("[bucket]\nname = \"{BUCKET}\"\n{}", numbers(""))).unwrap();
    let verified = site.sluice(&["verify", "--config", path.to_str().unwrap()]).output().await.unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    site.stop().await;
}

/// How a producer's tool uploads a file.
#[derive(Clone, Copy, Debug)]
enum Upload {
    Plain,
    /// So many bytes each.
    Parts(usize),
    Kms,
}

/// The exceptions: where nothing is looked at, where no copy is left to compare with, and a small file whose `ETag` is a hash
/// and was none the first time.
#[tokio::test]
async fn what_is_not_compared_is_another_file() {
    for (settings, removes, hashed) in [("inspect = false", false, false), ("", true, false), ("", false, true)] {
        let site = Site::start(&numbers(settings)).await;
        site.encrypt();
        for _ in 0..2 {
            site.drop_file("numbers/0.csv", "0,zero\n");
            site.drain().await;
            if hashed {
                site.standin.storage().set_encryption(BUCKET, None).unwrap();
            }
            if removes {
                site.standin.storage().remove(BUCKET, "processed/numbers/0.csv").unwrap();
            }
        }
        assert_eq!(site.ids("numbers").await, [0, 0], "{settings} {removes} {hashed}");
        site.stop().await;
    }
}

/// A feed that loads each name once: the same again is archived, another content under the name is set aside.
#[tokio::test]
async fn a_name_is_loaded_once_where_the_feed_says_so() {
    let site = Site::start(&numbers("identity = \"name\"")).await;
    site.drop_file("numbers/a.csv", "1,one\n");
    site.drain().await;
    site.drop_file("numbers/a.csv", "1,one\n");
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [1]);
    assert_eq!(site.keys("failed/"), [""; 0], "the same content is the same file");
    site.drop_file("numbers/a.csv", "2,another\n");
    site.drop_file("numbers/b.csv", "3,three\n");
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [1, 3]);
    let reason = site.standin.storage().get(BUCKET, "failed/numbers/a.csv.error.json").unwrap();
    let reason: serde_json::Value = serde_json::from_slice(&reason).unwrap();
    assert!(reason["message"].as_str().unwrap().contains("a file of this name was loaded before"), "{reason}");
    // The same bytes under another ETag are another version to S3, and the same name here.
    let storage = site.standin.storage();
    let put = || Put { extras: Extras { encryption: Some(Encryption::kms()), ..Extras::default() }, ..Put::default() };
    for _ in 0..2 {
        storage.put_with(BUCKET, "incoming/numbers/c.csv", "4,four\n", put()).unwrap();
        site.drain().await;
    }
    assert_eq!(site.ids("numbers").await, [1, 3, 4]);
    assert_eq!(site.keys("failed/numbers/c").len(), 2);
    site.stop().await;
}

/// Another identity on a ledger with entries is refused, and `sluice ledger rebuild` converts it.
#[tokio::test]
async fn another_identity_waits_until_the_ledger_is_rebuilt() {
    let mut site = Site::start(&numbers("")).await;
    for (name, content) in [("a", "1,one\n"), ("a", "2,two\n"), ("b", "3,three\n")] {
        site.drop_file(&format!("numbers/{name}.csv"), content);
        site.drain().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sluice.toml");
    let text = format!("[bucket]\nname = \"{BUCKET}\"\n{}", numbers("identity = \"name\""));
    std::fs::write(&config, &text).unwrap();
    site.deployed = site.standin.deploy(&Deployment::new(BUCKET, text, binaries())).unwrap();
    site.drop_file("numbers/a.csv", "4,four\n");
    site.drop_file("numbers/c.csv", "5,five\n");
    for _ in 0..4 {
        site.tick(0).await;
        site.deployed.idle().await;
    }
    assert_eq!(site.ids("numbers").await, [1, 2, 3], "nothing is loaded by a ledger that knows other files");
    assert_eq!((site.keys("incoming/").len(), site.keys("failed/").len()), (2, 0));
    assert!(site.logs(WORKER).contains("sluice ledger rebuild"), "{}", site.logs(WORKER));

    let rebuild = ["ledger", "rebuild", "numbers", "--config", config.to_str().unwrap()];
    let said = site.sluice(&rebuild).output().await.unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let out = String::from_utf8(said.stdout).unwrap();
    assert!(out.contains("2 of 3 entries converted, 1 older versions taken out"), "{out}");
    let again = site.sluice(&rebuild).output().await.unwrap();
    assert!(String::from_utf8(again.stdout).unwrap().contains("0 of 2 entries converted, 0 older"));
    let retry = ["retry", "numbers", "--config", config.to_str().unwrap()];
    assert!(site.sluice(&retry).output().await.unwrap().status.success());
    site.drain().await;
    assert_eq!(site.ids("numbers").await, [1, 2, 3, 5]);
    assert_eq!(site.keys("failed/").len(), 2, "a.csv has been loaded before");
    site.stop().await;
}

/// The fence has lost its row: that is put right, and nothing is loaded without it.
#[tokio::test]
async fn a_fence_without_a_row_is_put_right() {
    let site = Site::start(&numbers("")).await;
    site.drop_file("numbers/a.csv", "1,one\n");
    site.drain().await;
    for lost in ["DELETE FROM public.sluice_ledger_numbers_fence", "DROP TABLE public.sluice_ledger_numbers_fence"] {
        site.sql(lost).await;
        site.drop_file(&format!("numbers/{}.csv", &lost[..4]), "2,two\n");
        site.drain().await;
        let row = site.sql("SELECT identity, loads FROM public.sluice_ledger_numbers_fence").await;
        assert_eq!(row, [[Some("version".to_owned()), Some("1".to_owned())]], "{lost}");
    }
    assert_eq!(site.ids("numbers").await, [1, 2, 2]);
    site.stop().await;
}
