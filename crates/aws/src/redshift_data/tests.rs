//! What the adapter sends to the Data API, and how it reads the answers.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use sluice_core::config::Config;
use sluice_core::destination::StatementId;
use sluice_core::ports::PortErrorKind;
use sluice_redshift::config::{Identity, Redshift, Warehouse};
use sluice_redshift::{Statements, Status, Submission};
use tokio::time::Instant;

use crate::DESTINATIONS;
use crate::fake_http::FakeHttp;

#[tokio::test]
async fn many_statements_are_one_transaction_under_their_token() {
    let http = FakeHttp::answering(&[(200, r#"{"Id": "id-1"}"#)]);
    let id = http.aws().await.statements().submit(&target(), &submission(&["LOCK t", "COPY t"])).await.unwrap();
    assert_eq!(id.0, "id-1");
    let asked = &http.asked()[0];
    assert_eq!(asked.header("x-amz-target"), Some("RedshiftData.BatchExecuteStatement"));
    assert_eq!(
        asked.json(),
        json!({
            "Sqls": ["LOCK t", "COPY t"], "Database": "dev", "WorkgroupName": "analytics",
            "StatementName": "flights", "WithEvent": true, "ClientToken": "token-1",
        })
    );
}

#[tokio::test]
async fn one_statement_is_sent_as_itself_to_a_cluster_with_a_secret() {
    let http = FakeHttp::answering(&[(200, r#"{"Id": "id-1"}"#)]);
    let target = Redshift {
        warehouse: Warehouse::Cluster("main".to_owned()),
        identity: Identity::Secret("arn:secret".to_owned()),
        ..target()
    };
    http.aws().await.statements().submit(&target, &submission(&["SELECT 1"])).await.unwrap();
    let asked = &http.asked()[0];
    assert_eq!(asked.header("x-amz-target"), Some("RedshiftData.ExecuteStatement"));
    assert_eq!(
        asked.json(),
        json!({
            "Sql": "SELECT 1", "Database": "dev", "ClusterIdentifier": "main", "SecretArn": "arn:secret",
            "StatementName": "flights", "WithEvent": true, "ClientToken": "token-1",
        })
    );
}

#[tokio::test]
async fn a_failed_transaction_says_which_part_failed() {
    let answer = r#"{
        "Id": "id-1", "Status": "FAILED", "Error": "Query #2 failed with ERROR: x", "Duration": 1500000000,
        "RedshiftPid": 77, "RedshiftQueryId": 0, "ResultRows": -1, "CreatedAt": 1.5,
        "SubStatements": [
            {"Id": "id-1:1", "Status": "FINISHED", "RedshiftQueryId": -1, "ResultRows": 3},
            {"Id": "id-1:2", "Status": "FAILED", "RedshiftQueryId": 99, "Error": "ERROR: x"},
            {"Id": "id-1:3", "Status": "ABORTED"}
        ]
    }"#;
    let http = FakeHttp::answering(&[(200, answer)]);
    let got = http.aws().await.statements().describe(&id(), Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((got.status, got.duration), (Status::Failed, Duration::from_millis(1500)));
    assert_eq!((got.pid, got.query_id, got.rows), (Some(77), None, None));
    assert_eq!(got.created_at.unwrap().to_string(), "1970-01-01T00:00:01.5Z");
    let parts: Vec<_> = got.parts.iter().map(|part| (part.status, part.query_id)).collect();
    assert_eq!(parts, [(Status::Finished, None), (Status::Failed, Some(99)), (Status::Aborted, None)]);
    assert_eq!((got.parts[0].rows, got.parts[1].error.as_deref()), (Some(3), Some("ERROR: x")));
    assert_eq!(http.asked()[0].json(), json!({ "Id": "id-1" }), "nobody asked it to wait");
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_the_service_s_as_far_as_it_goes_and_no_hot_loop() {
    let running = (200, r#"{"Id": "id-1", "Status": "STARTED"}"#);
    let http = FakeHttp::answering(&[running; 100]);
    let begun = Instant::now();
    let got = http.aws().await.statements().describe(&id(), Duration::from_secs(40)).await.unwrap().unwrap();
    assert_eq!(got.status, Status::Running);
    assert_eq!(begun.elapsed(), Duration::from_secs(40));
    let asked = http.asked();
    assert_eq!(asked[0].json(), json!({ "Id": "id-1", "WaitTimeSeconds": 30 }));
    assert_eq!(asked.len(), 81, "every half second, because this service does not wait, and at the end");
}

#[tokio::test(start_paused = true)]
async fn an_end_ends_the_wait() {
    let running = (200, r#"{"Id": "id-1", "Status": "PICKED"}"#);
    let http = FakeHttp::answering(&[running, (200, r#"{"Id": "id-1", "Status": "FINISHED"}"#)]);
    let got = http.aws().await.statements().describe(&id(), Duration::from_mins(10)).await.unwrap().unwrap();
    assert_eq!((got.status, http.asked().len()), (Status::Finished, 2));
}

#[tokio::test]
async fn a_statement_that_nobody_knows_is_none() {
    let http = FakeHttp::answering(&[(400, r#"{"__type": "ResourceNotFoundException", "Message": "gone"}"#)]);
    assert_eq!(http.aws().await.statements().describe(&id(), Duration::ZERO).await.unwrap(), None);
}

#[tokio::test]
async fn rows_come_page_by_page_as_text() {
    let one = r#"{"Records": [[{"stringValue": "a"}, {"isNull": true}], [{"longValue": 7}, {"booleanValue": true}]],
                  "NextToken": "next"}"#;
    let two = r#"{"Records": [[{"stringValue": ""}, {"doubleValue": 0.5}]]}"#;
    let http = FakeHttp::answering(&[(200, one), (200, two)]);
    let rows = http.aws().await.statements().rows(&StatementId("id-1:3".to_owned())).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [[text("a"), None], [text("7"), text("true")], [text(""), text("0.5")]]);
    assert_eq!(http.asked()[1].json(), json!({ "Id": "id-1:3", "NextToken": "next" }));
}

#[tokio::test]
async fn a_full_warehouse_is_throttling_and_a_wrong_statement_is_not() {
    for (code, kind) in [
        ("ActiveStatementsExceededException", PortErrorKind::Throttled),
        ("ValidationException", PortErrorKind::Invalid),
        ("AccessDeniedException", PortErrorKind::Denied),
        ("ResourceNotFoundException", PortErrorKind::Missing),
    ] {
        let http = FakeHttp::answering(&[(400, &format!(r#"{{"__type": "{code}", "message": "because"}}"#))]);
        let error = http.aws().await.statements().submit(&target(), &submission(&["a", "b"])).await.unwrap_err();
        assert_eq!((error.kind, error.subject.as_str()), (kind, "analytics/dev for flights"));
    }
}

fn id() -> StatementId {
    StatementId("id-1".to_owned())
}

fn submission(statements: &[&str]) -> Submission {
    let statements = statements.iter().map(|sql| (*sql).to_owned()).collect();
    Submission { statements, token: Some("token-1".to_owned()), name: "flights".to_owned(), with_event: true }
}

fn target() -> Redshift {
    let text = "[bucket]\nname = \"landing\"\n[[feed]]\nname = \"flights\"\nprefix = \"f/\"\n\
                [feed.redshift]\nworkgroup = \"analytics\"\ndatabase = \"dev\"\ntable = \"t\"\nformat = \"csv\"\n";
    let config = Config::parse(text, "test", &DESTINATIONS).unwrap();
    Redshift::of(&config.feeds[0]).unwrap().clone()
}
