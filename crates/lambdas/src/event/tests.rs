//! What the functions make of each event, from recorded ones. One file, because every event is read by one decoder.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;
use test_case::test_case;

use sluice_core::config::Config;

use super::*;

/// Every character with a meaning, which S3 encodes too. Which others S3 leaves as they are does not matter here.
const FORM: &AsciiSet =
    &CONTROLS.add(b' ').add(b'+').add(b'%').add(b'"').add(b'\'').add(b'\\').add(b'&').add(b'=').add(b':').add(b'#');

const EWR: &str = "incoming/weather/EWR-2013-01.csv.gz";
const JFK: &str = "incoming/weather/JFK-2013-01.csv.gz";
const FIRST: &str = "059f36b4-87a3-44ab-83d2-661975830a7d";
const SECOND: &str = "2e1424d4-f796-459a-8184-9c92662be6da";

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../../events/", $name, ".json"))
    };
}

#[test_case(sample!("s3-put") => vec![(EWR.into(), None)]; "s3")]
#[test_case(sample!("s3-put-2-6") => vec![(EWR.into(), None), (JFK.into(), None)]; "s3 of version 2.6")]
#[test_case(sample!("eventbridge-object-created") => vec![(EWR.into(), None)]; "eventbridge")]
#[test_case(sample!("sns-s3") => vec![(EWR.into(), None)]; "s3 in sns")]
#[test_case(sample!("sns-eventbridge") => vec![(EWR.into(), None)]; "eventbridge in sns")]
#[test_case(sample!("sqs-s3") => vec![(EWR.into(), Some(FIRST.into())), (JFK.into(), Some(SECOND.into()))]; "s3 in sqs")]
#[test_case(sample!("sqs-eventbridge") => vec![(EWR.into(), Some(FIRST.into()))]; "eventbridge in sqs")]
#[test_case(sample!("sqs-sns-s3") => vec![(EWR.into(), Some(FIRST.into()))]; "s3 in sns in sqs")]
#[test_case(sample!("s3-put-odd-key") => vec![
    ("incoming/weather/Zürich & co/50% 'new' + \"old\" 2013-01.csv.gz".into(), None)
]; "odd key")]
fn every_shape_names_its_objects(sample: &str) -> Vec<(String, Option<String>)> {
    let event = decode(&serde_json::from_str(sample).unwrap()).unwrap();
    assert!(event.ignored.is_empty() && event.unreadable.is_empty(), "{event:?}");
    assert!(event.arrivals.iter().all(|arrival| arrival.bucket == "sluice-demo"));
    event.arrivals.into_iter().map(|arrival| (arrival.key.to_string(), arrival.message_id)).collect()
}

#[test_case(sample!("s3-test") => None; "as it is")]
#[test_case(sample!("sqs-s3-test") => Some(FIRST.into()); "in sqs")]
fn a_test_event_is_nothing_to_load(sample: &str) -> Option<String> {
    let event = decode(&serde_json::from_str(sample).unwrap()).unwrap();
    assert!(event.arrivals.is_empty() && event.unreadable.is_empty(), "{event:?}");
    assert_eq!(event.ignored[0].reason, "S3's test event");
    event.ignored[0].message_id.clone()
}

#[test]
fn a_test_event_in_sns_is_nothing_to_load() {
    let event = decode(&in_sns(&serde_json::from_str(sample!("s3-test")).unwrap())).unwrap();
    assert!(event.arrivals.is_empty() && event.unreadable.is_empty());
    assert_eq!(event.ignored.len(), 1);
}

#[test_case("ObjectCreated:Copy" => true)]
#[test_case("ObjectCreated:CompleteMultipartUpload" => true)]
#[test_case("s3:ObjectCreated:Put" => true; "as compatible stores write it")]
#[test_case("ObjectRemoved:Delete" => false)]
#[test_case("ObjectRestore:Completed" => false)]
#[test_case("ObjectAnnotation:Put" => false)]
#[test_case("" => false; "no name")]
fn only_created_objects_arrive(name: &str) -> bool {
    let event = decode(&json!({"Records": [record(name, "b", "k")]})).unwrap();
    assert_eq!(event.arrivals.len() + event.ignored.len(), 1);
    !event.arrivals.is_empty()
}

/// S3 has sent messages of this length since version 2.6.
#[test]
fn a_message_of_64_kb_is_read() {
    let mut body: Value = serde_json::from_str(sample!("s3-put-2-6")).unwrap();
    let room = (64 << 10) - body.to_string().len();
    body["Records"][0]["s3"]["bucket"]["awsGeneratedTags"]["aws:servicecatalog:long"] = json!("x".repeat(room - 40));
    assert!((63 << 10..=64 << 10).contains(&body.to_string().len()));
    let event = decode(&json!({"Records": [message(&body)]})).unwrap();
    assert_eq!((event.arrivals.len(), event.unreadable.len()), (2, 0));
}

#[test]
fn of_eventbridge_only_created_objects_arrive() {
    let mut value: Value = serde_json::from_str(sample!("eventbridge-object-created")).unwrap();
    value["detail-type"] = json!("Object Deleted");
    let event = decode(&value).unwrap();
    assert!(event.arrivals.is_empty());
    assert_eq!(event.ignored[0].reason, "not an Object Created event");
}

#[test]
fn an_eventbridge_key_is_not_decoded() {
    let mut value: Value = serde_json::from_str(sample!("eventbridge-object-created")).unwrap();
    value["detail"]["object"]["key"] = json!("a+b%20c d");
    assert_eq!(decode(&value).unwrap().arrivals[0].key.as_str(), "a+b%20c d");
}

#[test_case(&json!(null), "the event is null; what is accepted is an S3 notification"; "null")]
#[test_case(&json!([1]), "the event is a list;"; "a list")]
#[test_case(&json!({"a": "secret", "b": 1}), "the event is an object with the fields \"a\", \"b\";"; "other fields")]
#[test_case(&json!({}), "the event is an object without fields;"; "no fields")]
#[test_case(&json!({"Records": "secret"}), "the event is an object with the fields \"Records\";"; "records that are none")]
#[test_case(
    &json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": "secret"}),
    "the event is an EventBridge event that is not S3's;"; "a schedule's event"
)]
fn another_shape_is_refused_without_its_contents(event: &Value, expected: &str) {
    let error = decode(event).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test_case(&json!({"messageId": "m", "body": "secret"}), "body is not JSON (line 1, column 1)"; "a body that is text")]
#[test_case(&json!({"messageId": "m", "body": {"a": 1}}), "body is missing or is not a text"; "a body that is JSON")]
#[test_case(&message(&json!({"secretless": 1})), "the event is an object with the fields \"secretless\""; "a body of another shape")]
#[test_case(&message(&json!({"Records": [{"secretless": 1}]})), "the event is a record that is an object"; "a record of another shape")]
#[test_case(&message(&json!({"Type": "Notification", "Message": "secret"})), "Message is not JSON"; "a topic's text")]
#[test_case(&message(&json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]})), "s3.bucket.name is missing"; "no bucket")]
#[test_case(&message(&json!({"Records": [record("ObjectCreated:Put", "b", "%FF")]})), "s3.object.key is not UTF-8"; "no UTF-8")]
#[test_case(&message(&json!({"Records": [record("ObjectCreated:Put", "b", "")]})), "the object's key is wrong: the key is empty"; "an empty key")]
fn a_message_that_cannot_be_read_stops_no_other(bad: &Value, expected: &str) {
    let good = message(&json!({"Records": [record("ObjectCreated:Put", "b", "k")]}));
    let event = decode(&json!({"Records": [bad, good]})).unwrap();
    assert_eq!(event.arrivals.len(), 1);
    assert_eq!(event.unreadable.len(), 1);
    assert_eq!(event.unreadable[0].message_id.as_deref(), Some("m"));
    let error = event.unreadable[0].error.to_string();
    assert!(error.starts_with(expected), "{error}");
    assert!(!error.contains("secret\""), "{error}");
}

#[test]
fn a_bad_record_stops_none_of_its_message() {
    let records = [json!({"s3": 1, "eventName": "ObjectCreated:Put"}), record("ObjectCreated:Put", "b", "k")];
    let event = decode(&json!({"Records": [message(&json!({"Records": records}))]})).unwrap();
    assert_eq!(event.arrivals[0].message_id.as_deref(), Some("m"));
    assert_eq!(event.unreadable.len(), 1);
}

#[test]
fn an_error_names_few_fields() {
    let fields: serde_json::Map<String, Value> =
        (0..100).map(|i| (format!("{i}{}", "x".repeat(500)), json!(1))).collect();
    let error = decode(&Value::Object(fields)).unwrap_err().to_string();
    assert!(error.len() < 1000 && error.contains(", …;"), "{error}");
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(value in any_event()) {
        if let Ok(event) = decode(&value) {
            let told = event.arrivals.len() + event.ignored.len() + event.unreadable.len();
            let asked = records(&value).map_or(1, Vec::len);
            prop_assert!(told >= asked.min(1), "{value} says nothing");
        }
        let _ = feeds(&value, &config());
        let _ = claim(&value, &config());
    }

    #[test]
    fn every_key_comes_through_every_envelope(key in any_key()) {
        let notification = json!({"Records": [record("ObjectCreated:Put", "b", &form_encoded(&key))]});
        let eventbridge = json!({
            "source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": "b"}, "object": {"key": &key}},
        });
        for inner in [notification, eventbridge] {
            let in_queue = json!({"Records": [message(&inner)]});
            let in_both = json!({"Records": [message(&json!({"Type": "Notification", "Message": inner.to_string()}))]});
            for event in [inner.clone(), in_sns(&inner), in_queue, in_both] {
                let event = decode(&event).unwrap();
                prop_assert_eq!(event.arrivals.len(), 1);
                prop_assert_eq!(event.arrivals[0].key.as_str(), &key);
            }
        }
    }
}

#[test_case(&json!({"feeds": ["flights"]}) => Ok(Some(vec!["flights".to_owned()])); "one")]
#[test_case(&json!({"feeds": null}) => Ok(None); "null")]
#[test_case(&json!({}) => Ok(None); "none")]
#[test_case(&json!("tick") => Ok(None); "any event")]
#[test_case(&serde_json::from_str(sample!("schedule")).unwrap() => Ok(None); "a schedule")]
#[test_case(&serde_json::from_str(sample!("schedule-rule")).unwrap() => Ok(None); "a rule")]
#[test_case(&serde_json::from_str(sample!("schedule-feeds")).unwrap() => Ok(Some(vec!["flights".to_owned()])); "a sample")]
#[test_case(&json!({"feeds": "flights"}) => Err("feeds is a text; write {\"feeds\": [\"name\", …]}, or leave it out for all feeds".to_owned()); "a text")]
#[test_case(&json!({"feeds": [1]}) => Err("feeds is a list with a number in it; write {\"feeds\": [\"name\", …]}, or leave it out for all feeds".to_owned()); "a number")]
#[test_case(&json!({"feeds": []}) => Err("feeds is an empty list; write {\"feeds\": [\"name\", …]}, or leave it out for all feeds".to_owned()); "empty")]
#[test_case(&json!({"feeds": ["flihgts"]}) => Err("feeds names \"flihgts\", and no such feed is configured; there are flights".to_owned()); "unknown")]
fn a_tick_is_for_all_feeds_or_for_some(payload: &Value) -> Result<Option<Vec<String>>, String> {
    feeds(payload, &config()).map_err(|error| error.to_string())
}

#[test_case(&serde_json::from_str(sample!("worker")).unwrap() => Ok(Some("sluice/claims/flights/0.json".to_owned())); "a sample")]
#[test_case(&serde_json::from_str(sample!("statement-finished")).unwrap() => Ok(Some("sluice/claims/flights/0.json".to_owned())); "a sample of a statement's end")]
#[test_case(&statement_end("sluice:other:flights:0:b") => Ok(None); "the end of another deployment's load")]
#[test_case(&statement_end("sluice:sluice-demo:flights:../0:b") => Ok(None); "the end of what only looks like a load")]
#[test_case(&json!({"source": "aws.redshift-data", "detail-type": "Redshift Data Statement Status Change"}) => Err("detail.statementName is missing or is not a text; send the event as the service wrote it".to_owned()); "the end of a statement without a name")]
#[test_case(&json!({"claim": 0}) => Err("the event is an object with the fields \"claim\"; a worker takes {\"claim\": \"<the key of a claim>\"}, or the end of a statement from EventBridge".to_owned()); "a number")]
#[test_case(&json!({}) => Err("the event is an object without fields; a worker takes {\"claim\": \"<the key of a claim>\"}, or the end of a statement from EventBridge".to_owned()); "none")]
#[test_case(&json!({"claim": "incoming/flights/a.csv"}) => Err("claim is not a claim's key; claims are named sluice/claims/<feed>/<slot>.json".to_owned()); "a producer's file")]
#[test_case(&json!({"claim": "sluice/claims/../../incoming/flights/0.json"}) => Err("claim is not a claim's key; claims are named sluice/claims/<feed>/<slot>.json".to_owned()); "a path that leads to a producer's file")]
#[test_case(&json!({"claim": "sluice/claims/flights/x/0.json"}) => Err("claim is not a claim's key; claims are named sluice/claims/<feed>/<slot>.json".to_owned()); "deeper")]
#[test_case(&json!({"claim": "sluice/claims/"}) => Err("claim is not a claim's key; claims are named sluice/claims/<feed>/<slot>.json".to_owned()); "the folder")]
fn a_worker_works_on_claims_only(payload: &Value) -> Result<Option<String>, String> {
    claim(payload, &config()).map(|claim| claim.map(String::from)).map_err(|error| error.to_string())
}

fn statement_end(name: &str) -> Value {
    json!({
        "source": "aws.redshift-data",
        "detail-type": "Redshift Data Statement Status Change",
        "detail": {"statementName": name, "state": "FINISHED"},
    })
}

fn record(name: &str, bucket: &str, key: &str) -> Value {
    json!({"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}})
}

fn message(body: &Value) -> Value {
    json!({"messageId": "m", "body": body.to_string()})
}

fn in_sns(message: &Value) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": message.to_string()}}]})
}

fn form_encoded(key: &str) -> String {
    utf8_percent_encode(key, FORM).to_string().replace("%20", "+")
}

/// Keys of any characters up to 1,024 bytes, often of characters that break encodings.
fn any_key() -> impl Strategy<Value = String> {
    let odd =
        prop::sample::select(vec![" ", "%", "+", "%20", "\"", "'", "\\", "/", "ü", "日", "😀", "&", "=", "\u{1}", "a"]);
    let mixed =
        prop::collection::vec(prop_oneof![odd.prop_map(str::to_owned), any::<char>().prop_map(String::from)], 1..256);
    prop_oneof![
        4 => mixed.prop_map(|parts| parts.concat()),
        1 => prop::sample::select(vec!["k", "%", " ", "\\"]).prop_map(|part| part.repeat(1024)),
        1 => Just("ü".repeat(512)),
    ]
}

/// JSON of any shape, made of the field names and texts that the decoder looks for.
fn any_event() -> impl Strategy<Value = Value> {
    let names = vec![
        "Records",
        "body",
        "messageId",
        "Sns",
        "Message",
        "Type",
        "s3",
        "bucket",
        "name",
        "object",
        "key",
        "eventName",
        "detail",
        "detail-type",
        "source",
        "Event",
        "feeds",
        "claim",
        "statementName",
    ];
    let texts = vec![
        "aws.s3",
        "aws.redshift-data",
        "Redshift Data Statement Status Change",
        "Object Created",
        "ObjectCreated:Put",
        "Notification",
        "s3:TestEvent",
        "{\"Records\": [{}]}",
        "%",
        "flights",
        "[",
        "null",
        "sluice/claims/flights/0.json",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(texts).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let field = (prop::sample::select(names.clone()).prop_map(str::to_owned), inner.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            inner.prop_map(|value| json!(value.to_string())),
            prop::collection::vec(field, 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn config() -> Config {
    let text = r#"
        [bucket]
        name = "sluice-demo"
        [[feed]]
        name = "flights"
        prefix = "flights/"
        [feed.redshift]
        workgroup = "w"
        database = "d"
        table = "t"
        iam_role = "default"
        format = "csv"
    "#;
    Config::parse(text, "test", &sluice_aws::DESTINATIONS).unwrap()
}
