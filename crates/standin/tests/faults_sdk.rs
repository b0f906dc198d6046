//! Faults, the journal and notifications as a client of S3 meets them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sdk;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use sdk::{BUCKET, client, client_with, refusal, standin};
use sluice_standin::faults::{Fault, Latency, Moment, Rule, Then};
use test_case::test_case;

fn create(client: &Client, key: &str) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
    client.put_object().bucket(BUCKET).key(key).if_none_match("*").body(Bytes::from("x").into())
}

/// Retries at once, so that tests do not wait.
fn eager() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1))
}

#[tokio::test]
async fn throttling_looks_like_s3s_own_and_is_retried() {
    let standin = standin().await;
    standin.faults().add(Rule::new(Fault::Throttle).operation("PutObject").caller("plain").first(1));
    assert_eq!(refusal(create(&client(&standin, "plain"), "a").send().await), (503, "SlowDown".to_owned()));
    assert!(standin.storage().head(BUCKET, "a").is_err());

    standin.faults().add(Rule::new(Fault::InternalError).operation("PutObject").caller("patient").first(2));
    create(&client_with(&standin, "patient", eager()), "a").send().await.unwrap();
    assert_eq!(standin.journal().count("patient", "PutObject"), 3);
    let faults: Vec<_> = standin.journal().snapshot().iter().map(|entry| (entry.status, entry.fault)).collect();
    let broken = (500, Some("internal-error"));
    assert_eq!(faults, [(503, Some("throttle")), broken, broken, (200, None)]);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_lost_reply_has_been_executed_and_a_lost_request_has_not() {
    let standin = standin().await;
    let client = client(&standin, "me");
    standin.faults().add(Rule::new(Fault::LoseRequest).subject("before"));
    standin.faults().add(Rule::new(Fault::LoseReply).subject("after").first(1));
    for key in ["before", "after"] {
        let lost = create(&client, key).send().await.unwrap_err();
        assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    }
    assert!(standin.storage().head(BUCKET, "before").is_err());
    assert!(standin.storage().head(BUCKET, "after").is_ok());
    // The retry of a lost reply meets its own object.
    assert_eq!(refusal(create(&client, "after").send().await).0, 412);
    let entries = standin.journal().snapshot();
    let statuses: Vec<_> = entries.iter().map(|entry| (entry.status, entry.fault)).collect();
    assert_eq!(statuses, [(0, Some("lost-request")), (200, Some("lost-reply")), (412, None)]);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_hook_runs_at_its_request_and_can_change_the_world() {
    let standin = standin().await;
    let storage = standin.storage().clone();
    let etag = storage.put(BUCKET, "incoming/a", "old").unwrap().etag;
    let replace = Arc::new(move |_: &_| {
        storage.put(BUCKET, "incoming/a", "new").unwrap();
        Then::Continue
    });
    standin.faults().add(Rule::new(Fault::Hook(Moment::Before, replace)).operation("CopyObject").nth(1));
    let client = client(&standin, "fn-worker-1");
    let copy = client.copy_object().bucket(BUCKET).key("processed/a").copy_source(format!("{BUCKET}/incoming/a"));
    assert_eq!(refusal(copy.copy_source_if_match(etag).send().await).0, 412);

    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let kill = Arc::new(move |seen: &sluice_standin::faults::Seen| {
        assert_eq!((seen.caller.as_str(), seen.operation.as_ref()), ("fn-worker-1", "PutObject"));
        counted.fetch_add(1, Ordering::SeqCst);
        Then::Lose
    });
    standin.faults().add(Rule::new(Fault::Hook(Moment::After, kill)).caller("fn-worker-").nth(2));
    create(&client, "1").send().await.unwrap();
    create(&client, "2").send().await.unwrap_err();
    create(&client, "3").send().await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(standin.storage().head(BUCKET, "2").is_ok());
    standin.shutdown().await;
}

#[tokio::test]
async fn one_object_of_many_is_not_deleted_and_the_others_are() {
    let standin = standin().await;
    for key in ["a", "b", "c"] {
        standin.storage().put(BUCKET, key, "x").unwrap();
    }
    let denied = Fault::Answer(403, "AccessDenied", "Access Denied");
    standin.faults().add(Rule::new(denied).operation("DeleteObject").subject(format!("{BUCKET}/b")));
    let object = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder().set_objects(Some(["a", "b", "c"].map(object).to_vec())).build().unwrap();
    let answer = client(&standin, "me").delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    let errors: Vec<_> = answer.errors().iter().map(|error| (error.key().unwrap(), error.code().unwrap())).collect();
    assert_eq!((errors, answer.deleted().len()), (vec![("b", "AccessDenied")], 2));
    assert_eq!(standin.storage().keys_under(BUCKET, "").unwrap(), ["b"]);
    assert_eq!(refusal(client(&standin, "me").delete_object().bucket(BUCKET).key("b").send().await).0, 403);
    standin.shutdown().await;
}

/// S3 may refuse a key of a `DeleteObjects` for its `ETag`, although it is right.
#[test_case(false; "unquoted")]
#[test_case(true; "quoted")]
#[tokio::test]
async fn a_key_that_is_refused_among_others_is_deleted_alone(quoted: bool) {
    let standin = standin().await;
    let etag = ["a", "b", "c"].map(|key| standin.storage().put(BUCKET, key, "x").unwrap().etag)[0].clone();
    let given = if quoted { format!("\"{etag}\"") } else { etag };
    standin.faults().add(Rule::new(Fault::KEY_MISMATCH).subject(format!("{BUCKET}/b")));
    let object = |key: &str| ObjectIdentifier::builder().key(key).e_tag(&given).build().unwrap();
    let delete = Delete::builder().set_objects(Some(["a", "b", "c"].map(object).to_vec())).build().unwrap();
    let client = client(&standin, "me");
    let answer = client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    let errors: Vec<_> = answer.errors().iter().map(|error| (error.key().unwrap(), error.code().unwrap())).collect();
    assert_eq!((errors, answer.deleted().len()), (vec![("b", "PreconditionFailed")], 2));
    assert_eq!(standin.storage().keys_under(BUCKET, "").unwrap(), ["b"]);
    client.delete_object().bucket(BUCKET).key("b").if_match(&given).send().await.unwrap();
    assert_eq!(standin.storage().keys_under(BUCKET, "").unwrap(), [""; 0]);
    standin.shutdown().await;
}

#[tokio::test]
async fn the_journal_says_after_which_key_a_list_began() {
    let standin = standin().await;
    for key in ["in/a", "in/b", "in/c"] {
        standin.storage().put(BUCKET, key, "x").unwrap();
    }
    let client = client(&standin, "me");
    let list = || client.list_objects_v2().bucket(BUCKET).prefix("in/").max_keys(2);
    let page = list().send().await.unwrap();
    list().set_continuation_token(page.next_continuation_token).send().await.unwrap();
    list().start_after("in/a").send().await.unwrap();
    let after: Vec<_> = standin.journal().snapshot().into_iter().map(|entry| entry.after).collect();
    assert_eq!(after, [None, Some("in/b".to_owned()), Some("in/a".to_owned())]);
    standin.shutdown().await;
}

#[tokio::test]
async fn the_journal_says_who_asked_for_what() {
    let standin = standin().await;
    let (worker, lister) = (client(&standin, "fn-worker-1"), client(&standin, "fn-lister-1"));
    create(&worker, "a b/ü").send().await.unwrap();
    let mark = standin.journal().mark();
    lister.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    worker.copy_object().bucket(BUCKET).key("c").copy_source(format!("{BUCKET}/a%20b/%C3%BC")).send().await.unwrap();
    worker.delete_object().bucket(BUCKET).key("a b/ü").send().await.unwrap();

    let first = &standin.journal().snapshot()[0];
    assert_eq!((first.caller.as_str(), first.action().as_str()), ("fn-worker-1", "s3:PutObject"));
    assert_eq!(first.subject.as_deref(), Some("landing/a b/ü"));
    assert_eq!(first.status, 200);
    let counts = standin.journal().counts(mark, "fn-worker-");
    let expected = [("s3:CopyObject".to_owned(), 1), ("s3:DeleteObject".to_owned(), 1)];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(standin.journal().count("fn-lister-", "ListObjectsV2"), 1);
    standin.shutdown().await;
}

#[tokio::test]
async fn subscribers_are_told_of_what_is_created_under_their_prefix() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let mut events = standin.storage().subscribe(BUCKET, "incoming/");
    create(&client, "incoming/a b+c/ü=1.csv").send().await.unwrap();
    create(&client, "elsewhere").send().await.unwrap();
    client
        .copy_object()
        .bucket(BUCKET)
        .key("incoming/d")
        .copy_source(format!("{BUCKET}/elsewhere"))
        .send()
        .await
        .unwrap();
    create(&client, "incoming/d").send().await.unwrap_err();

    let (first, second) = (events.recv().await.unwrap(), events.recv().await.unwrap());
    assert!(events.try_recv().is_err());
    assert_eq!((first.key.as_str(), first.event_name), ("incoming/a b+c/ü=1.csv", "ObjectCreated:Put"));
    assert_eq!((second.key.as_str(), second.event_name), ("incoming/d", "ObjectCreated:Copy"));
    assert!(first.sequencer < second.sequencer);
    let record = first.notification("us-east-1");
    let object = &record["Records"][0]["s3"]["object"];
    assert_eq!(object["key"], "incoming/a+b%2Bc/%C3%BC%3D1.csv");
    assert_eq!(object["size"], 1);
    assert_eq!(object["eTag"], "9dd4e461268c8034f5c8564e155c67a6");
    standin.shutdown().await;
}

#[tokio::test]
async fn a_request_is_executed_though_its_client_is_gone() {
    let standin = standin().await;
    standin.faults().set_latency(Latency::Fixed(Duration::from_millis(40)));
    let mark = standin.journal().mark();
    let client = client(&standin, "fn-worker-1");
    let request = tokio::spawn(create(&client, "a").send());
    // The rule's hook tells when the request has arrived; the client is gone before it is executed.
    let (arrived, arrival) = tokio::sync::oneshot::channel();
    let arrived = std::sync::Mutex::new(Some(arrived));
    let tell = Arc::new(move |_: &_| {
        arrived.lock().unwrap().take().unwrap().send(()).unwrap();
        Then::Continue
    });
    standin.faults().add(Rule::new(Fault::Hook(Moment::Before, tell)).nth(1));
    arrival.await.unwrap();
    request.abort();
    drop(client);
    let entry = standin.journal().wait_for(mark, |entry| entry.operation == "PutObject").await;
    assert_eq!(entry.status, 200);
    assert!(standin.storage().head(BUCKET, "a").is_ok());
    standin.shutdown().await;
}

#[tokio::test]
async fn nothing_is_left_after_a_shutdown() {
    let standin = standin().await;
    let address = standin.address();
    let idle = tokio::net::TcpStream::connect(address).await.unwrap();
    standin.storage().put_hole(BUCKET, "endless", 6 << 30).unwrap();
    let endless = client(&standin, "me").get_object().bucket(BUCKET).key("endless").send().await.unwrap();
    let started = std::time::Instant::now();
    standin.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(endless.body.collect().await.is_err());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    drop(idle);
}
