//! The Data API itself: what it takes and refuses, tokens, waiting, results, stopping, forgetting.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use sluice_standin::redshift::Options;
use test_case::test_case;

use super::support::{warehouse, warehouse_with};

fn select(sql: &str) -> Value {
    json!({ "Sql": sql, "Database": "dev", "WorkgroupName": "w" })
}

#[tokio::test]
async fn values_have_the_types_of_their_columns() {
    let warehouse = warehouse().await;
    let sql = "SELECT 1::smallint AS a, 2::bigint AS b, 1.50::numeric(4,2) AS c, 0.5::float8 AS d, true AS e, 'x' AS f, NULL AS g, DATE '2013-01-01' AS h";
    let id = warehouse.ok("ExecuteStatement", select(sql)).await["Id"].clone();
    let end = warehouse.end_of(id.as_str().unwrap()).await;
    assert_eq!(
        (&end["Status"], &end["HasResultSet"], &end["ResultRows"]),
        (&json!("FINISHED"), &json!(true), &json!(1))
    );
    assert_eq!(end["QueryString"], sql);
    let result = warehouse.ok("GetStatementResult", json!({ "Id": id })).await;
    let expected = json!([[
        { "longValue": 1 }, { "longValue": 2 }, { "stringValue": "1.50" }, { "doubleValue": 0.5 }, { "booleanValue": true },
        { "stringValue": "x" }, { "isNull": true }, { "stringValue": "2013-01-01" }
    ]]);
    assert_eq!((&result["Records"], &result["TotalNumRows"]), (&expected, &json!(1)));
    assert_eq!(
        (&result["ColumnMetadata"][1]["name"], &result["ColumnMetadata"][1]["typeName"]),
        (&json!("b"), &json!("int8"))
    );
}

#[tokio::test]
async fn results_come_in_pages() {
    let warehouse = warehouse().await;
    let end = warehouse.run("SELECT generate_series(1, 2500)").await;
    let (mut token, mut sizes) = (Value::Null, Vec::new());
    loop {
        let mut body = json!({ "Id": end["Id"] });
        if token.is_string() {
            body["NextToken"] = token;
        }
        let page = warehouse.ok("GetStatementResult", body).await;
        sizes.push(page["Records"].as_array().unwrap().len());
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(sizes, [1000, 1000, 500]);
}

#[test_case("ExecuteStatement", json!({ "Database": "dev", "WorkgroupName": "w" }), "ValidationException", "Sql must be specified"; "no sql")]
#[test_case("ExecuteStatement", json!({ "Sql": "SELECT 1", "WorkgroupName": "w" }), "ValidationException", "Database must be specified"; "no database")]
#[test_case("ExecuteStatement", json!({ "Sql": "SELECT 1", "Database": "dev" }), "ValidationException", "Either ClusterIdentifier or WorkgroupName must be specified"; "no warehouse")]
#[test_case("ExecuteStatement", json!({ "Sql": "SELECT 1", "Database": "dev", "WorkgroupName": "x" }), "ValidationException", "Redshift endpoint doesn't exist in this region."; "unknown warehouse")]
#[test_case("ExecuteStatement", json!({ "Sql": "SELECT 1; SELECT 2", "Database": "dev", "WorkgroupName": "w" }), "ValidationException", "Each Sql must be a single SQL statement"; "two statements")]
#[test_case("ExecuteStatement", json!({ "Sql": format!("SELECT '{}'", "x".repeat(102_400)), "Database": "dev", "WorkgroupName": "w" }), "ValidationException", "Cannot process query string larger than 100kB"; "too long")]
#[test_case("ExecuteStatement", json!({ "Sql": "SELECT 1", "Database": "dev", "WorkgroupName": "w", "ClientToken": "x".repeat(65) }), "ValidationException", "ClientToken must have length between 1 and 64"; "token")]
#[test_case("ExecuteStatement", json!({ "Sql": "SELECT 1", "Database": "dev", "WorkgroupName": "w", "WaitTimeSeconds": 31 }), "ValidationException", "WaitTimeSeconds must be between 1 and 30"; "wait")]
#[test_case("ExecuteStatement", json!({ "Sql": "SELECT 1", "Database": "dev", "WorkgroupName": "w", "Parameters": [{ "name": "a", "value": "1" }] }), "ValidationException", "Parameters not used in SQL: a"; "parameter")]
#[test_case("BatchExecuteStatement", json!({ "Sqls": [], "Database": "dev", "WorkgroupName": "w" }), "ValidationException", "Sqls must have length between 1 and 40"; "empty batch")]
#[test_case("BatchExecuteStatement", json!({ "Sqls": vec!["SELECT 1"; 41], "Database": "dev", "WorkgroupName": "w" }), "ValidationException", "Sqls must have length between 1 and 40"; "long batch")]
#[test_case("DescribeStatement", json!({ "Id": "nonsense" }), "ValidationException", "Id must satisfy regex pattern"; "bad id")]
#[test_case("DescribeStatement", json!({ "Id": "12345678-1234-1234-1234-123456789012" }), "ResourceNotFoundException", "Query does not exist."; "unknown id")]
#[test_case("DescribeTable", json!({}), "UnknownOperationException", "DescribeTable is not an operation of this stand-in"; "operation")]
#[tokio::test]
async fn what_is_wrong_is_refused_as_aws_refuses_it(operation: &str, body: Value, kind: &str, message: &str) {
    let warehouse = warehouse_with(Options { endpoints: vec!["w".to_owned()], ..Options::default() }).await;
    let refused = warehouse.refused(operation, body).await;
    assert_eq!(refused.0, kind);
    assert!(refused.1.starts_with(message), "{}", refused.1);
}

#[tokio::test]
async fn a_submission_may_be_too_large_in_all() {
    let warehouse = warehouse().await;
    let sql = "SELECT 123456";
    let submit = |sqls: usize| json!({ "Sqls": vec![sql; sqls], "Database": "dev", "WorkgroupName": "w" });
    warehouse.redshift.refuse_submissions_over(Some(2 * sql.len()));
    warehouse.ok("BatchExecuteStatement", submit(2)).await;
    let (kind, message) = warehouse.refused("BatchExecuteStatement", submit(3)).await;
    assert_eq!(kind, "ValidationException");
    assert!(message.starts_with("stand-in: ") && message.contains("39 bytes"), "{message}");
    warehouse.redshift.refuse_submissions_over(None);
    warehouse.ok("BatchExecuteStatement", submit(40)).await;
}

#[tokio::test]
async fn an_unknown_database_is_an_sql_error() {
    let warehouse = warehouse().await;
    let body = json!({ "Sql": "SELECT 1", "Database": "nowhere", "WorkgroupName": "w" });
    let id = warehouse.ok("ExecuteStatement", body).await["Id"].clone();
    assert_eq!(warehouse.end_of(id.as_str().unwrap()).await["Error"], "FATAL: database \"nowhere\" does not exist");
}

#[tokio::test]
async fn databases_that_are_listed_are_made_when_they_are_used() {
    let warehouse =
        warehouse_with(Options { databases: vec!["dev".to_owned(), "other".to_owned()], ..Options::default() }).await;
    let body = json!({ "Sql": "SELECT count(*) FROM sys_load_history", "Database": "other", "ClusterIdentifier": "c", "DbUser": "u" });
    let id = warehouse.ok("ExecuteStatement", body).await["Id"].clone();
    let end = warehouse.end_of(id.as_str().unwrap()).await;
    assert_eq!((&end["Status"], &end["Database"], &end["DbUser"]), (&json!("FINISHED"), &json!("other"), &json!("u")));
}

#[tokio::test]
async fn one_token_is_one_statement_until_it_is_forgotten() {
    static HOURS: AtomicI64 = AtomicI64::new(0);
    static BEGUN: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);
    let clock = Arc::new(|| *BEGUN + jiff::SignedDuration::from_hours(HOURS.load(Ordering::SeqCst)));
    let warehouse = warehouse_with(Options { clock, ..Options::default() }).await;
    warehouse.run("CREATE TABLE t (n int)").await;
    let body = json!({ "Sqls": ["INSERT INTO t VALUES (1)"], "Database": "dev", "WorkgroupName": "w", "ClientToken": "once", "WaitTimeSeconds": 30 });
    let first = warehouse.ok("BatchExecuteStatement", body.clone()).await;
    assert_eq!(first["Status"], "FINISHED");
    HOURS.store(7, Ordering::SeqCst);
    let second = warehouse.ok("BatchExecuteStatement", body.clone()).await;
    assert_eq!(first["Id"], second["Id"]);
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["1"]);
    HOURS.store(8, Ordering::SeqCst);
    let third = warehouse.ok("BatchExecuteStatement", body).await;
    assert_ne!(first["Id"], third["Id"]);
    HOURS.store(24, Ordering::SeqCst);
    let forgotten = warehouse.refused("DescribeStatement", json!({ "Id": first["Id"] })).await;
    assert_eq!(forgotten.0, "ResourceNotFoundException");
    warehouse.ok("DescribeStatement", json!({ "Id": third["Id"] })).await;
}

#[tokio::test]
async fn waiting_ends_with_the_statement_or_with_the_time() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.bucket.put("f", "1\n");
    let hold = warehouse.redshift.hold_copies();
    let copy = json!({ "Sqls": ["COPY t FROM 's3://b/f' CSV"], "Database": "dev", "WorkgroupName": "w", "WaitTimeSeconds": 1 });
    let begun = Instant::now();
    let running = warehouse.ok("BatchExecuteStatement", copy).await;
    assert_eq!(running["Status"], "STARTED");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let result = warehouse.refused("GetStatementResult", json!({ "Id": running["Id"], "WaitTimeSeconds": 1 })).await;
    assert_eq!(result.0, "ResourceNotFoundException");
    let described = json!({ "Id": running["Id"], "WaitTimeSeconds": 30 });
    let ending = warehouse.ok("DescribeStatement", described);
    let release = async { drop(hold) };
    let (end, ()) = tokio::join!(ending, release);
    assert_eq!(end["Status"], "FINISHED");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn cancelling_rolls_back_before_it_says_aborted() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.bucket.put("f", "1\n");
    let hold = warehouse.redshift.hold_copies();
    let id = warehouse.submit(&["INSERT INTO t VALUES (0)", "COPY t FROM 's3://b/f' CSV", "SELECT 1"]).await;
    hold.reached(1).await;
    assert_eq!(warehouse.ok("CancelStatement", json!({ "Id": id })).await, json!({ "Status": true }));
    let end = warehouse.end_of(&id).await;
    assert_eq!(end["Status"], "ABORTED");
    assert_eq!(end["SubStatements"][0]["Status"], "FINISHED");
    assert_eq!(end["SubStatements"][1]["Status"], "ABORTED");
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["0"]);
    assert_eq!(
        warehouse.rows("SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relname = 't'").await,
        [""; 0]
    );
    let again = warehouse.refused("CancelStatement", json!({ "Id": id })).await;
    assert_eq!(again.1, format!("Could not cancel a query that is already in ABORTED state with ID: {id}"));
    drop(hold);
}

#[tokio::test]
async fn a_query_is_interrupted() {
    let warehouse = warehouse().await;
    let id = warehouse.submit(&["SELECT pg_sleep(600)"]).await;
    while warehouse.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await.is_empty() {
        tokio::task::yield_now().await;
    }
    warehouse.ok("CancelStatement", json!({ "Id": id })).await;
    assert_eq!(warehouse.end_of(&id).await["Status"], "ABORTED");
    assert_eq!(warehouse.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await, [""; 0]);
}

#[tokio::test]
async fn auto_commit_keeps_what_succeeded() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (n int)").await;
    let sqls = ["INSERT INTO t VALUES (1)", "SELECT * FROM missing", "INSERT INTO t VALUES (2)"];
    let body = json!({ "Sqls": sqls, "Database": "dev", "WorkgroupName": "w", "ExecutionMode": "AUTO_COMMIT" });
    let id = warehouse.ok("BatchExecuteStatement", body).await["Id"].clone();
    let end = warehouse.end_of(id.as_str().unwrap()).await;
    assert_eq!((&end["Status"], &end["ExecutionMode"]), (&json!("FAILED"), &json!("AUTO_COMMIT")));
    assert_eq!(warehouse.rows("SELECT n FROM t ORDER BY n").await, ["1", "2"]);
}

#[tokio::test]
async fn parameters_are_values_whatever_they_contain() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (n int, s varchar(99))").await;
    let value = "'; DROP TABLE t; -- \\";
    let parameters = json!([{ "name": "n", "value": "7" }, { "name": "s", "value": value }]);
    let body = json!({ "Sql": "INSERT INTO t VALUES (:n, :s)", "Database": "dev", "WorkgroupName": "w", "Parameters": parameters });
    let id = warehouse.ok("ExecuteStatement", body).await["Id"].clone();
    assert_eq!(warehouse.end_of(id.as_str().unwrap()).await["Status"], "FINISHED");
    assert_eq!(warehouse.rows("SELECT * FROM t").await, [format!("7|{value}")]);
}

#[tokio::test]
async fn statements_are_listed_by_name_and_state_and_told_when_they_end() {
    let warehouse = warehouse().await;
    let mut finished = warehouse.redshift.finished();
    for (name, sql) in [("load-1", "SELECT 1"), ("load-2", "SELECT * FROM missing"), ("other", "SELECT 1")] {
        let body = json!({ "Sql": sql, "Database": "dev", "WorkgroupName": "w", "StatementName": name, "WithEvent": name != "other" });
        let id = warehouse.ok("ExecuteStatement", body).await["Id"].clone();
        warehouse.end_of(id.as_str().unwrap()).await;
    }
    let names = async |body: Value| {
        let listed = warehouse.ok("ListStatements", body).await;
        let names = listed["Statements"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["StatementName"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    assert_eq!(names(json!({})).await, ["load-1", "other"]);
    assert_eq!(names(json!({ "Status": "ALL", "StatementName": "load" })).await, ["load-1", "load-2"]);
    assert_eq!(names(json!({ "Status": "FAILED" })).await, ["load-2"]);
    let told = [finished.recv().await.unwrap(), finished.recv().await.unwrap()]
        .map(|event| (event.name.unwrap(), event.state));
    assert_eq!(told, [("load-1".to_owned(), "FINISHED".to_owned()), ("load-2".to_owned(), "FAILED".to_owned())]);
    assert!(finished.try_recv().is_err());
}

#[tokio::test]
async fn too_many_active_statements() {
    let warehouse = warehouse_with(Options { active_statements: 1, ..Options::default() }).await;
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.bucket.put("f", "1\n");
    let hold = warehouse.redshift.hold_copies();
    let id = warehouse.submit(&["COPY t FROM 's3://b/f' CSV"]).await;
    let refused = warehouse.refused("ExecuteStatement", select("SELECT 1")).await;
    assert_eq!(refused.0, "ActiveStatementsExceededException");
    drop(hold);
    warehouse.end_of(&id).await;
    warehouse.run("SELECT 1").await;
}

#[test_case("1023 DETAIL: Serializable isolation violation on table - 100, transactions forming the cycle are: 1, 2 (pid:3)"; "serializable")]
#[test_case("deadlock detected"; "deadlock")]
#[tokio::test]
async fn failures_to_order(error: &str) {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.redshift.fail_next("INSERT INTO t", error);
    let batch = ["SELECT 1", "INSERT INTO t VALUES (1)"];
    assert_eq!(warehouse.batch(&batch).await["Error"], format!("Query #2 failed with ERROR: {error}"));
    assert_eq!(warehouse.batch(&batch).await["Status"], "FINISHED");
}

#[tokio::test]
async fn a_real_deadlock_says_so() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE a (n int)").await;
    warehouse.run("CREATE TABLE b (n int)").await;
    warehouse.bucket.put("f", "1\n");
    let hold = warehouse.redshift.hold_copies();
    let first = warehouse.submit(&["LOCK a", "COPY a FROM 's3://b/f' CSV", "LOCK b"]).await;
    let second = warehouse.submit(&["LOCK b", "COPY b FROM 's3://b/f' CSV", "LOCK a"]).await;
    hold.reached(2).await;
    drop(hold);
    let ends = [warehouse.end_of(&first).await, warehouse.end_of(&second).await];
    let failed: Vec<_> = ends.iter().filter(|end| end["Status"] == "FAILED").collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0]["Error"].as_str().unwrap().starts_with("Query #3 failed with ERROR: deadlock detected"));
}
