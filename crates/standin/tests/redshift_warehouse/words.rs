//! What is said: names, settings, errors and refusals, where they would be `PostgreSQL`'s and not Redshift's.

use serde_json::json;

use super::support::warehouse;

#[tokio::test]
async fn names_in_quotes_are_folded() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE mixed (UserId INT, FirstName VARCHAR(20))").await;
    warehouse.bucket.put("f", "1,Ann\n");
    warehouse.run("COPY \"public\".\"Mixed\" (\"UserId\", \"FirstName\") FROM 's3://b/f' CSV").await;
    let second = "CREATE TABLE \"Second\" (\"UserId\" INT NOT NULL, \"is IT\" VARCHAR(9), PRIMARY KEY (\"UserID\"))";
    warehouse.run(second).await;
    warehouse.run("INSERT INTO Second SELECT \"USERID\", \"FirstName\" FROM \"MIXED\"").await;
    assert_eq!(warehouse.rows("SELECT userid, \"is it\" FROM second").await, ["1|Ann"]);
    let error = warehouse.error("CREATE TABLE \"MIXED\" (n int)").await;
    assert_eq!(error, "ERROR: Relation \"mixed\" already exists");
}

#[tokio::test]
async fn names_of_json_are_compared_with_folded_columns() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (\"UserId\" INT, Name VARCHAR(20))").await;
    for (option, file) in [
        ("auto", r#"{"UserId": 1, "userid": 2, "NAME": "x", "name": "y"}"#),
        ("auto", r#"{"USERID": 3, "Name": "z"}"#),
        ("auto ignorecase", r#"{"USERID": 3, "Name": "z"}"#),
    ] {
        warehouse.bucket.put("f", file);
        warehouse.run(&format!("COPY t FROM 's3://b/f' JSON '{option}'")).await;
    }
    assert_eq!(warehouse.rows("SELECT * FROM t ORDER BY 1, 2").await, ["2|y", "3|z", "-|-"]);
}

#[tokio::test]
async fn a_session_may_keep_the_case_of_names_in_quotes() {
    let warehouse = warehouse().await;
    warehouse.bucket.put("f", "1\n");
    let end = warehouse
        .batch(&[
            "SET LOCAL enable_case_sensitive_identifier TO true",
            "CREATE TABLE \"Kept\" (\"UserId\" INT)",
            "COPY \"Kept\" (\"UserId\") FROM 's3://b/f' CSV",
            "CREATE TABLE kept (userid INT)",
        ])
        .await;
    assert_eq!(end["Status"], "FINISHED", "{end}");
    assert_eq!(warehouse.rows("SELECT \"UserId\" FROM \"Kept\"").await, ["1"]);
    let error = warehouse.error("SELECT \"UserId\" FROM \"Kept\" WHERE n = 1").await;
    assert_eq!(error, "ERROR: column \"n\" does not exist", "the setting is gone, and kept is meant");
}

/// `LOCK` has to come before the snapshot also where names have capitals.
#[tokio::test]
async fn asking_for_the_case_of_names_takes_no_snapshot() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE ledger (file int)").await;
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.bucket.put("f", "1\n");
    let guard = "SELECT 1 / (CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END) FROM \"Ledger\"";
    let copy = "COPY t FROM 's3://b/f' CSV";
    let statements = ["LOCK TABLE \"Ledger\"", guard, copy, "INSERT INTO ledger VALUES (1)"];
    let hold = warehouse.redshift.hold_copies();
    let first = warehouse.submit(&statements).await;
    hold.reached(1).await;
    let second = warehouse.submit(&statements).await;
    while warehouse.rows("SELECT 1 FROM pg_locks WHERE NOT granted").await.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(hold);
    assert_eq!(warehouse.end_of(&first).await["Status"], "FINISHED");
    assert_eq!(warehouse.end_of(&second).await["Error"], "Query #2 failed with ERROR: division by zero");
}

#[tokio::test]
async fn what_it_cannot_do_fails_the_statement_by_name() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (n int)").await;
    for (sql, what) in [
        ("COPY t FROM 's3://b/f' CSV LZOP", "COPY with LZOP"),
        ("COPY t FROM 's3://b/f' CSV BZIP2", "COPY with BZIP2"),
        ("COPY t FROM 's3://b/f' FORMAT ORC", "COPY with ORC"),
        ("COPY t FROM 'dynamodb://t'", "COPY from dynamodb://t, only from s3://bucket/key"),
        ("SET downcase_delimited_identifier TO off", "downcase_delimited_identifier, which is being retired"),
        ("CREATE TABLE u (a varchar(9) COLLATE CASE_INSENSITIVE)", "COLLATE CASE_INSENSITIVE"),
    ] {
        let text = "it is not supported here, although Redshift has it";
        assert_eq!(warehouse.error(sql).await, format!("ERROR: this stand-in does not do {what}: {text}"));
    }
}

#[tokio::test]
async fn no_text_of_postgresql_s_passes_for_redshift_s() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (n smallint NOT NULL)").await;
    warehouse.run("INSERT INTO t VALUES (1)").await;
    for (sql, expected) in [
        ("SELECT * FROM missing", "relation \"missing\" does not exist"),
        ("SELECT nothing FROM t", "column \"nothing\" does not exist"),
        ("SELECT 1 / (n - 1) FROM t", "division by zero"),
        ("SELECT CAST('x' AS int)", "invalid input syntax for integer: \"x\""),
        ("INSERT INTO t (n) VALUES (NULL)", "Cannot insert a NULL value into column n"),
        ("CREATE TABLE t (n int)", "Relation \"t\" already exists"),
        ("INSERT INTO t VALUES (100000)", "smallint out of range"),
        ("CREATE TABLE u (n int) WITH (fillfactor = 1)", "syntax error at or near \"WITH\""),
        ("SELECT CAST('1e-50' AS real)", "stand-in: \"1e-50\" is out of range for type real"),
        ("SELECT json_parse('{')", "stand-in: invalid input syntax for type json"),
        ("SELECT json_parse('{\"a\":\"\\\\u0000\"}') ->> 'a'", "stand-in: unsupported Unicode escape sequence"),
        ("SELECT chr(0)", "stand-in: null character not permitted"),
        ("SELECT json_parse('1') = json_parse('1')", "stand-in: operator does not exist: json = json"),
    ] {
        let error = warehouse.error(sql).await;
        assert!(error.starts_with(&format!("ERROR: {expected}")), "{sql}: {error}");
    }
}

/// A column of a type that Redshift has not: nobody but `PostgreSQL` can judge its values.
#[tokio::test]
async fn what_only_postgresql_refuses_is_marked_as_the_stand_in_s() {
    let warehouse = warehouse().await;
    warehouse.rows("CREATE TABLE odd (a inet)").await;
    warehouse.bucket.put("f", "x\n");
    let error = warehouse.error("COPY odd FROM 's3://b/f' CSV").await;
    let text = "ERROR: stand-in: COPY let through what PostgreSQL refuses: invalid input syntax for type inet: \"x\"";
    assert!(error.starts_with(text), "{error}");
    assert_eq!(warehouse.rows("SELECT * FROM sys_load_error_detail").await, [""; 0]);
}

#[tokio::test]
async fn redshift_s_settings_are_taken_and_end_with_their_transaction() {
    let warehouse = warehouse().await;
    let show = "SHOW enable_result_cache_for_session";
    let id = warehouse.submit(&["SET LOCAL enable_result_cache_for_session TO off", show]).await;
    assert_eq!(warehouse.end_of(&id).await["Status"], "FINISHED");
    let result = warehouse.ok("GetStatementResult", json!({ "Id": format!("{id}:2") })).await;
    assert_eq!(result["Records"][0][0]["stringValue"], "off");
    let error = warehouse.error("SET enable_nonsense TO off").await;
    assert_eq!(error, "ERROR: unrecognized configuration parameter \"enable_nonsense\"");
}
