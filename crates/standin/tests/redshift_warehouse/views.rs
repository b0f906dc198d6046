//! The system views: the documented columns and types, and how a session leads to its query.

use sluice_standin::redshift::FileNames;
use test_case::test_case;

use super::support::warehouse;

const DOCUMENTED: &str = include_str!("../data/system-views.txt");

/// Each view with its columns.
fn documented() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut views: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in DOCUMENTED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(column) = line.strip_prefix("    ") {
            views.last_mut().unwrap().1.push(column);
            continue;
        }
        let (view, page) = line.split_once(' ').unwrap();
        assert!(page.starts_with("https://docs.aws.amazon.com/redshift/latest/dg/"), "{line}");
        views.push((view, Vec::new()));
    }
    views
}

#[tokio::test]
async fn the_views_have_the_documented_columns_and_types_and_no_others() {
    let warehouse = warehouse().await;
    for (view, expected) in documented() {
        let sql = format!(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = 'redshift_system.{view}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        );
        let plain = |column: String| {
            let column = column.replace('|', " ").replace(" without time zone", "");
            column.replace("character varying", "varchar")
        };
        let is: Vec<String> = warehouse.rows(&sql).await.into_iter().map(plain).collect();
        assert_eq!(is, expected, "{view}");
    }
    let sql = "SELECT viewname FROM pg_views WHERE schemaname = 'redshift_system' ORDER BY viewname";
    let mut views: Vec<&str> = documented().into_iter().map(|(view, _)| view).collect();
    views.sort_unstable();
    assert_eq!(warehouse.rows(sql).await, views);
}

#[test_case(None, "s3://b/day=1/f", "s3://b/day=1/bad"; "as ever")]
#[test_case(Some(FileNames::Url), "s3://b/day=1/f", "s3://b/day=1/bad"; "with the bucket")]
#[test_case(Some(FileNames::Encoded), "https://s3.us-east-1.amazonaws.com/b/day%3D1/f", "https://s3.us-east-1.amazonaws.com/b/day%3D1/bad"; "encoded")]
#[test_case(Some(FileNames::Key), "day=1/f", "day=1/bad"; "the key alone")]
#[tokio::test]
async fn files_are_named_in_any_of_three_forms(names: Option<FileNames>, good: &str, bad: &str) {
    let warehouse = warehouse().await;
    warehouse.redshift.name_files(names);
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.bucket.put("day=1/f", "1\n");
    warehouse.bucket.put("day=1/bad", "x\n");
    warehouse.run("COPY t FROM 's3://b/day=1/f' CSV").await;
    warehouse.error("COPY t FROM 's3://b/day=1/bad' CSV").await;
    for (view, column) in [("sys_load_detail", "file_name"), ("stl_load_commits", "filename")] {
        let sql = format!("SELECT trim({column}) FROM {view} WHERE {column} LIKE '%/f%'");
        assert_eq!(warehouse.rows(&sql).await, [good], "{view}");
    }
    for (view, column) in [("sys_load_error_detail", "file_name"), ("stl_load_errors", "filename")] {
        assert_eq!(warehouse.rows(&format!("SELECT trim({column}) FROM {view}")).await, [bad], "{view}");
    }
}

#[tokio::test]
async fn a_parquet_file_that_is_refused_can_be_named_otherwise() {
    let warehouse = warehouse().await;
    warehouse.redshift.name_files(Some(FileNames::Key));
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.bucket.put("day=1/f", "no Parquet at all");
    warehouse.bucket.manifest("m", &["day=1/f"]);
    let error = warehouse.error("COPY t FROM 's3://b/m' IAM_ROLE default PARQUET MANIFEST").await;
    assert!(error.contains("'https://s3.us-east-1.amazonaws.com/b/day%3D1/f'"), "{error}");
    assert_eq!(warehouse.rows("SELECT trim(file_name) FROM sys_load_error_detail").await, ["day=1/f"]);
}

/// The column is character(256): of a longer name nobody can tell the end.
#[test_case(FileNames::Url; "with the bucket")]
#[test_case(FileNames::Encoded; "encoded")]
#[test_case(FileNames::Key; "the key alone")]
#[tokio::test]
async fn a_long_name_is_cut_after_256_bytes(names: FileNames) {
    let warehouse = warehouse().await;
    warehouse.redshift.name_files(Some(names));
    warehouse.run("CREATE TABLE t (n int)").await;
    let key = format!("{}é{}", "a".repeat(248), "b".repeat(100));
    warehouse.bucket.put(&key, "1\nx\n");
    warehouse.error(&format!("COPY t FROM 's3://b/{key}' CSV")).await;
    let whole = match names {
        FileNames::Url => format!("s3://b/{key}"),
        FileNames::Encoded => format!("https://s3.us-east-1.amazonaws.com/b/{}", key.replace('é', "%C3%A9")),
        FileNames::Key => key,
    };
    // In the `s3://` form the é would be cut in two, and is left out.
    let expected = &whole[..whole.floor_char_boundary(256)];
    for view in ["sys_load_error_detail", "sys_load_detail"] {
        assert_eq!(warehouse.rows(&format!("SELECT file_name FROM {view}")).await, [expected], "{view}");
    }
}

#[tokio::test]
async fn a_session_leads_to_its_query() {
    let warehouse = warehouse().await;
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.bucket.put("f", "1\nx\n");
    let end = warehouse.batch(&["SET statement_timeout TO 60000", "COPY t FROM 's3://b/f' CSV", "SELECT 1"]).await;
    let session = &end["RedshiftPid"];
    let sql = format!(
        "SELECT query_id, trim(query_type), trim(status), trim(query_text), error_message LIKE '%sys_load_error_detail%' \
         FROM sys_query_history WHERE session_id = {session} ORDER BY query_id"
    );
    let rows = warehouse.rows(&sql).await;
    let copy = end["SubStatements"][1]["RedshiftQueryId"].as_i64().unwrap();
    assert_eq!(
        rows,
        [
            format!("{}|UTILITY|success|SET statement_timeout TO 60000|-", copy - 1),
            format!("{copy}|COPY|failed|COPY t FROM 's3://b/f' CSV|t"),
        ],
        "what never began is not there"
    );
    let joined = format!(
        "SELECT trim(e.error_message) FROM sys_query_history q JOIN sys_load_error_detail e USING (query_id) \
         WHERE q.session_id = {session} AND e.transaction_id = q.transaction_id AND q.end_time >= q.start_time"
    );
    assert_eq!(warehouse.rows(&joined).await, ["Invalid digit, Value 'x', Pos 0, Type: Integer"]);
}

#[tokio::test]
async fn one_transaction_for_a_batch_and_one_for_each_statement_alone() {
    let warehouse = warehouse().await;
    warehouse.batch(&["SELECT 'a'", "SELECT 'a'"]).await;
    warehouse.run("SELECT 'b'").await;
    warehouse.run("SELECT 'b'").await;
    let count =
        "SELECT count(DISTINCT transaction_id), sum(returned_rows) FROM sys_query_history WHERE query_text LIKE";
    assert_eq!(warehouse.rows(&format!("{count} 'SELECT ''a''%'")).await, ["1|2"]);
    assert_eq!(warehouse.rows(&format!("{count} 'SELECT ''b''%'")).await, ["2|2"]);
}

#[tokio::test]
async fn what_was_stopped_is_canceled() {
    let warehouse = warehouse().await;
    let id = warehouse.submit(&["SELECT pg_sleep(600)"]).await;
    while warehouse.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await.is_empty() {
        tokio::task::yield_now().await;
    }
    warehouse.ok("CancelStatement", serde_json::json!({ "Id": id })).await;
    warehouse.end_of(&id).await;
    let sql = "SELECT trim(status), trim(query_type) FROM sys_query_history WHERE query_text LIKE '%pg_sleep%'";
    assert_eq!(warehouse.rows(sql).await, ["canceled|SELECT"]);
}

#[tokio::test]
async fn a_statement_that_sets_a_short_timeout_is_in_the_history_too() {
    let warehouse = warehouse().await;
    warehouse.batch(&["SET statement_timeout TO 1"]).await;
    let sql = "SELECT count(*) FROM sys_query_history WHERE query_text LIKE 'SET%'";
    assert_eq!(warehouse.rows(sql).await, ["1"]);
}
