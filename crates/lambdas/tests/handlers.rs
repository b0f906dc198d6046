//! The three functions in memory: what each sample event does to a bucket and a warehouse, and what is answered.
//!
//! The answers are snapshots: other programs read them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sns::SnsEvent;
use aws_lambda_events::sqs::SqsEvent;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_core::config::{Config, Feed};
use sluice_core::ports::{Clock, PortErrorKind, Ports};
use sluice_core::run::{Run, later};
use sluice_core::testing::{Fault, Faults, ManualClock, MemoryObjects, MemoryWarehouse, TestPorts};
use sluice_lambdas::{Error, lister, loader, worker};
use test_case::test_case;

const EWR: &str = "incoming/weather/EWR-2013-01.csv.gz";
const JFK: &str = "incoming/weather/JFK-2013-01.csv.gz";
const FLIGHTS: &str = "incoming/flights/2013-01-01.csv.gz";
const ODD: &str = "incoming/weather/Zürich & co/50% 'new' + \"old\" 2013-01.csv.gz";

const CONFIG: &str = r#"
[bucket]
name = "sluice-demo"

[[feed]]
name = "flights"
prefix = "flights/"
trigger = "schedule"
max_files = 2
files_per_load = 1

[feed.redshift]
workgroup = "demo"
database = "dev"
table = "public.flights"
format = "csv"
options = { gzip = true }

[[feed]]
name = "weather"
prefix = "weather/"
trigger = "event"
max_files = 2
files_per_load = 1

[feed.redshift]
workgroup = "demo"
database = "dev"
table = "public.weather"
format = "csv"
options = { gzip = true }
"#;

macro_rules! sample {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../events/", $name, ".json"))).unwrap()
    };
}

#[test_case("s3-put", &sample!("s3-put"))]
#[test_case("s3-put-many", &sample!("s3-put-many"))]
#[test_case("s3-put-2-6", &sample!("s3-put-2-6"))]
#[test_case("s3-put-odd-key", &sample!("s3-put-odd-key"))]
#[test_case("s3-other-bucket", &sample!("s3-other-bucket"))]
#[test_case("s3-test", &sample!("s3-test"))]
#[test_case("eventbridge-object-created", &sample!("eventbridge-object-created"))]
#[test_case("sqs-s3", &sample!("sqs-s3"))]
#[test_case("sqs-s3-test", &sample!("sqs-s3-test"))]
#[test_case("sqs-eventbridge", &sample!("sqs-eventbridge"))]
#[test_case("sns-s3", &sample!("sns-s3"))]
#[test_case("sns-eventbridge", &sample!("sns-eventbridge"))]
#[test_case("sqs-sns-s3", &sample!("sqs-sns-s3"))]
#[tokio::test]
async fn the_loader_answers_for_each_file(name: &str, event: &Value) {
    let ports = world();
    let answer = loader::handle(&config(), &ports, &run(&ports), event).await.unwrap();
    insta::assert_json_snapshot!(format!("loader_{name}"), answer);
}

#[tokio::test]
async fn the_loader_loads_a_file_whose_key_was_encoded() {
    let ports = world();
    loader::handle(&config(), &ports, &run(&ports), &sample!("s3-put-odd-key")).await.unwrap();
    let rows = ports.destination.rows(feed(&config(), "weather"));
    assert_eq!(rows, [(ODD.to_owned(), "odd".to_owned())]);
    assert_eq!(ports.objects.file(ODD), None);
    assert_eq!(ports.objects.body(&ODD.replace("incoming/", "processed/")).as_deref(), Some(b"odd".as_slice()));
}

#[tokio::test]
async fn an_event_for_nobody_asks_the_world_nothing() {
    for event in [sample!("s3-test"), sample!("sqs-s3-test"), sample!("s3-other-bucket")] {
        let (ports, faults) = faulty(Faults::none());
        loader::handle(&config(), &ports, &run(&ports), &event).await.unwrap();
        assert!(faults.journal().is_empty(), "{:?}", faults.journal());
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_given_back_and_the_others_are_loaded() {
    let ports = world();
    let mut event = sample!("sqs-s3");
    event["Records"][0]["body"] = json!("not JSON");
    let answer = loader::handle(&config(), &ports, &run(&ports), &event).await.unwrap();
    insta::assert_json_snapshot!("loader_bad_message", answer);
    assert_eq!(ports.destination.rows(feed(&config(), "weather")).len(), 1);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_fails_a_direct_event_once_the_others_are_loaded() {
    let ports = world();
    let mut event = sample!("s3-put-many");
    event["Records"][0]["s3"]["object"]["key"] = json!("%FF");
    let error = loader::handle(&config(), &ports, &run(&ports), &event).await.unwrap_err();
    assert_eq!(error.error_type(), "EventError");
    assert_eq!(ports.destination.rows(feed(&config(), "weather")).len(), 1);
}

#[tokio::test]
async fn an_event_of_another_shape_fails() {
    let ports = world();
    let error = loader::handle(&config(), &ports, &run(&ports), &sample!("schedule")).await.unwrap_err();
    assert!(matches!(error, Error::Event(_)), "{error}");
}

#[tokio::test]
async fn files_that_cannot_be_looked_at_fail_a_direct_event_and_are_given_back_to_a_queue() {
    let down = || Faults::new(|_| Some(Fault::Before(PortErrorKind::Unavailable)));
    let (ports, _) = faulty(down());
    let error = loader::handle(&config(), &ports, &run(&ports), &sample!("s3-put")).await.unwrap_err();
    assert!(matches!(error, Error::Arrive(_)), "{error}");

    let (ports, _) = faulty(down());
    let answer = loader::handle(&config(), &ports, &run(&ports), &sample!("sqs-s3")).await.unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 2);
}

#[test_case("schedule", &sample!("schedule"))]
#[test_case("schedule-rule", &sample!("schedule-rule"))]
#[test_case("schedule-feeds", &sample!("schedule-feeds"))]
#[tokio::test]
async fn the_lister_answers_for_each_feed_and_sends_workers(name: &str, event: &Value) {
    let ports = world();
    let answer = lister::handle(&config(), &ports, &run(&ports), event).await.unwrap();
    let sent = ports.workers.take();
    insta::assert_json_snapshot!(format!("lister_{name}"), json!({"answer": answer, "sent": sent}));
}

#[tokio::test]
async fn a_tick_for_an_unknown_feed_does_nothing() {
    let (ports, faults) = faulty(Faults::none());
    let error = lister::handle(&config(), &ports, &run(&ports), &json!({"feeds": ["flights", "x"]})).await.unwrap_err();
    assert_eq!(error.error_type(), "EventError");
    assert!(faults.journal().is_empty());
}

#[tokio::test]
async fn the_worker_loads_the_claim_that_the_lister_made() {
    let ports = world();
    lister::handle(&config(), &ports, &run(&ports), &sample!("schedule")).await.unwrap();
    let answer = worker::handle(&config(), &ports, &run(&ports), &sample!("worker")).await.unwrap();
    insta::assert_json_snapshot!("worker", answer);
    assert_eq!(ports.destination.rows(feed(&config(), "flights")), [(FLIGHTS.to_owned(), "flights".to_owned())]);

    let again = worker::handle(&config(), &ports, &run(&ports), &sample!("worker")).await.unwrap();
    insta::assert_json_snapshot!("worker_gone", again);
}

#[test_case(FLIGHTS; "a producer's file")]
#[test_case("sluice/manifests/flights/x.json"; "a manifest")]
#[tokio::test]
async fn the_worker_touches_nothing_but_claims(key: &str) {
    let ports = world();
    ports.objects.drop_file("sluice/manifests/flights/x.json", "manifest");
    let before = ports.objects.keys("");
    let error = worker::handle(&config(), &ports, &run(&ports), &json!({"claim": key})).await.unwrap_err();
    assert_eq!(error.error_type(), "EventError");
    assert_eq!(ports.objects.keys(""), before);
}

/// The samples are what AWS sends: the types of `aws_lambda_events`, made from AWS's own documents, read them.
#[test]
fn aws_s_own_types_read_the_samples() {
    for event in [sample!("s3-put"), sample!("s3-put-many"), sample!("s3-put-odd-key"), sample!("s3-other-bucket")] {
        reads::<S3Event>(&event);
    }
    for event in [sample!("sqs-s3"), sample!("sqs-s3-test"), sample!("sqs-eventbridge"), sample!("sqs-sns-s3")] {
        reads::<SqsEvent>(&event);
    }
    for event in [sample!("sns-s3"), sample!("sns-eventbridge")] {
        reads::<SnsEvent>(&event);
    }
    for event in [sample!("eventbridge-object-created"), sample!("schedule"), sample!("schedule-rule")] {
        reads::<EventBridgeEvent>(&event);
    }
    // The reason why events are not read through these types.
    assert!(serde_json::from_value::<S3Event>(sample!("s3-test")).is_err());
}

fn reads<E: DeserializeOwned>(event: &Value) {
    if let Err(error) = E::deserialize(event) {
        panic!("{error}: {event}");
    }
}

/// The files that the samples speak of, in the bucket.
fn world() -> TestPorts {
    let ports = TestPorts::default();
    drop_files(&ports.objects);
    ports
}

/// The same, where the bucket fails as told.
fn faulty(faults: Faults) -> (TestPorts<impl sluice_core::ports::Objects, MemoryWarehouse>, Faults) {
    let clock = ManualClock::default();
    let objects = MemoryObjects::new(&clock);
    drop_files(&objects);
    let warehouse = MemoryWarehouse::new(&objects, &clock);
    (TestPorts::of(faults.over(objects), warehouse, &clock), faults)
}

fn drop_files(objects: &MemoryObjects) {
    for (key, body) in [(EWR, "EWR"), (JFK, "JFK"), (FLIGHTS, "flights"), (ODD, "odd")] {
        objects.drop_file(key, body);
    }
}

fn run<P: Ports>(ports: &P) -> Run {
    let started = ports.clock().now();
    let deadline = later(started, Duration::from_mins(15).try_into().unwrap());
    Run { owner: "11111111-2222-3333-4444-555555555555".to_owned(), started, deadline }
}

fn config() -> Config {
    Config::parse(CONFIG, "the test", &sluice_aws::DESTINATIONS).unwrap()
}

fn feed<'c>(config: &'c Config, name: &str) -> &'c Feed {
    config.feed(name).unwrap()
}
