//! COPY: what is loaded, and what is said about what is not.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sluice_standin::redshift::{Options, Redshift};
use sluice_standin::s3::{Extras, Put, Storage};
use test_case::test_case;

use super::support::{Warehouse, gzip, warehouse, zstd};

const COPY: &str = "COPY t FROM 's3://b/m' IAM_ROLE default CSV MANIFEST";
const FAILED: &str = "ERROR: Load into table 't' failed.  Check 'sys_load_error_detail' system table for details.";

/// A table `t`, and files `f0`, `f1`, … that the manifest `m` lists.
async fn loading(columns: &str, files: &[&[u8]]) -> Warehouse {
    let warehouse = warehouse().await;
    warehouse.run(&format!("CREATE TABLE t ({columns})")).await;
    let keys: Vec<String> = (0..files.len()).map(|index| format!("f{index}")).collect();
    for (key, body) in keys.iter().zip(files) {
        warehouse.bucket.put(key, body.to_vec());
    }
    warehouse.bucket.manifest("m", &keys.iter().map(String::as_str).collect::<Vec<_>>());
    warehouse
}

async fn errors(warehouse: &Warehouse) -> Vec<String> {
    let sql = "SELECT trim(file_name), line_number, trim(column_name), trim(column_type), trim(column_length), position, error_code, trim(error_message) FROM sys_load_error_detail ORDER BY 1, 2";
    warehouse.rows(sql).await
}

/// S3 gives nobody what lies in an archive, COPY neither, wherever it comes upon it.
#[test_case("GLACIER", "f"; "a file")]
#[test_case("DEEP_ARCHIVE", "f"; "a file in the deep archive")]
#[test_case("GLACIER", "m"; "the manifest")]
#[tokio::test]
async fn what_lies_in_an_archive_is_not_loaded(class: &str, archived: &str) {
    let storage = Storage::in_memory();
    storage.create_bucket("landing").unwrap();
    let redshift = Redshift::start(Options::default(), Arc::new(storage.clone())).await.unwrap();
    let warehouse = Warehouse { redshift: Arc::new(redshift), bucket: Arc::default() };
    warehouse.run("CREATE TABLE t (n int)").await;
    let put = |key: &str, class: Option<&str>| {
        let manifest = r#"{"entries": [{"url": "s3://landing/f", "mandatory": true}]}"#;
        let extras = Extras { storage_class: class.map(str::to_owned), ..Extras::default() };
        let body = if key == "m" { manifest } else { "1\n" };
        storage.put_with("landing", key, body, Put { extras, ..Put::default() }).unwrap();
    };
    let copy = "COPY t FROM 's3://landing/m' IAM_ROLE default CSV MANIFEST";
    for key in ["f", "m"] {
        put(key, (key == archived).then_some(class));
    }
    let error = warehouse.error(copy).await;
    let words = "S3ServiceException:The operation is not valid for the object's storage class,Status 403,Error InvalidObjectState";
    assert!(error.contains(words) && error.contains(archived), "{error}");
    put(archived, Some("GLACIER_IR"));
    warehouse.run(copy).await;
}

#[tokio::test]
async fn a_gzip_csv_listed_by_a_manifest() {
    let warehouse = warehouse().await;
    warehouse.bucket.put("in/a b+%.csv.gz", gzip(b"n,s\n1,one\n2,\"t,wo\"\n"));
    warehouse.bucket.put("in/b.csv.gz", gzip(b"n,s\nNA,NA\n"));
    warehouse.bucket.manifest("m", &["in/a b+%.csv.gz", "in/b.csv.gz"]);
    warehouse.run("CREATE TABLE t (n int, s varchar(9))").await;
    let end = warehouse
        .batch(&[
            "SET statement_timeout TO 60000",
            "COPY public.t FROM 's3://b/m' IAM_ROLE 'arn:aws:iam::1:role/r' FORMAT AS CSV GZIP IGNOREHEADER 1 NULL AS 'NA' REGION 'us-east-1' MANIFEST",
            "INSERT INTO t SELECT pg_last_copy_count(), 'loaded'",
        ])
        .await;
    assert_eq!(end["Status"], "FINISHED", "{end}");
    assert_eq!(end["SubStatements"][1]["ResultRows"], 3);
    assert!(end["SubStatements"][1]["RedshiftQueryId"].as_i64().unwrap() > 0);
    assert_eq!(warehouse.rows("SELECT * FROM t ORDER BY 1, 2").await, ["1|one", "2|t,wo", "3|loaded", "-|-"]);
    let read = warehouse
        .rows("SELECT file_name, lines_scanned, file_etag LIKE 'etag-%' FROM sys_load_detail ORDER BY 1")
        .await;
    assert_eq!(read, ["s3://b/in/a b+%.csv.gz|3|t", "s3://b/in/b.csv.gz|2|t"]);
    assert_eq!(
        warehouse.rows("SELECT status, loaded_rows, source_file_count FROM sys_load_history").await,
        ["completed|3|2"]
    );
}

#[test_case("n int", b"1\nx\n", "n|int4|0|0|1207|Invalid digit, Value 'x', Pos 0, Type: Integer"; "digit")]
#[test_case("n int, m int", b"1,2\n3\n", "n|int4|0|0|1201|Delimiter not found"; "too few columns")]
#[test_case("n int", b"1\n2,3\n", "|||0|1202|Extra column(s) found"; "too many columns")]
#[test_case("n int, s varchar(2)", b"1,ab\n1,\xc3\xa9a\n", "s|varchar|2|2|1204|String length exceeds DDL length"; "length in bytes")]
#[test_case("d date", b"2013-01-01\n2013\n", "d|date|0|0|1205|Invalid Date Format - length must be 10 or more"; "date")]
#[test_case("t timestamp", b"2013-01-01 10:00:00\nsoon\n", "t|timestamp|0|0|1206|Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"; "timestamp")]
#[test_case("f float8", b"1.5\nx\n", "f|float8|0|0|1208|Invalid digit, Value 'x', Pos 0, Type: Double"; "float")]
#[test_case("d decimal(4,2)", b"1.5\n1x\n", "d|numeric|4, 2|1|1209|Invalid digit, Value 'x', Pos 1, Type: Decimal"; "decimal")]
#[test_case("b boolean", b"yes\nmaybe\n", "b|bool|0|0|1210|Unknown boolean format"; "boolean")]
#[test_case("n int, m int", b"1,2\n\n", "|||0|1211|Input line contains no data"; "empty line")]
#[test_case("n int not null", b"1\n\\N\n", "n|int4|0|0|1213|Missing data for not-null field"; "not null")]
#[test_case("s varchar(9)", b"a\n\"b\"c\n", "s|varchar|9|0|1214|Invalid quote formatting for CSV"; "quotes")]
#[test_case("s varchar(9)", b"a\nb\xa4\n", "s|varchar|9|1|1220|String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: a4 (error 3)"; "codepoints")]
#[test_case("n int", b"1\n2147483648\n", "n|int4|0|0|1222|Overflow (Integer valid range -2147483648 to 2147483647)"; "overflow")]
#[test_case("s super", b"1\n{\n", "s|super|0|1|1224|Invalid JSON value for a SUPER column: unexpected end"; "super")]
#[tokio::test]
async fn a_bad_line_fails_the_load_and_is_on_record(columns: &str, file: &[u8], error: &str) {
    let warehouse = loading(columns, &[file]).await;
    assert_eq!(warehouse.error(COPY).await, FAILED);
    // The second line is the bad one in every case.
    assert_eq!(errors(&warehouse).await, [format!("s3://b/f0|2|{error}")]);
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["0"]);
    assert_eq!(warehouse.rows("SELECT status FROM sys_load_history").await, ["aborted"]);
}

#[tokio::test]
async fn the_record_bears_the_query_and_the_session_of_the_statement() {
    let warehouse = loading("n int", &[b"x\n"]).await;
    let end = warehouse.batch(&["SET statement_timeout TO 60000", COPY, "SELECT 1"]).await;
    assert_eq!(end["Error"], format!("Query #2 failed with {FAILED}"));
    let statuses: Vec<_> =
        end["SubStatements"].as_array().unwrap().iter().map(|part| part["Status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["FINISHED", "FAILED", "ABORTED"]);
    let ids = warehouse.rows("SELECT query_id, session_id FROM sys_load_error_detail").await;
    assert_eq!(ids, [format!("{}|{}", end["SubStatements"][1]["RedshiftQueryId"], end["RedshiftPid"])]);
    let raw = warehouse.rows("SELECT trim(raw_line), trim(err_reason) FROM stl_load_errors").await;
    assert_eq!(raw, ["x|Invalid digit, Value 'x', Pos 0, Type: Integer"]);
}

#[tokio::test]
async fn one_pass_without_loading_names_every_bad_line() {
    let warehouse = loading("n int", &[b"1\nx\ny\n", b"2\n", b"z\n3\n"]).await;
    warehouse.run(&format!("{COPY} NOLOAD MAXERROR 100000")).await;
    let lines = warehouse.rows("SELECT trim(file_name), line_number FROM sys_load_error_detail ORDER BY 1, 2").await;
    assert_eq!(lines, ["s3://b/f0|2", "s3://b/f0|3", "s3://b/f2|1"]);
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["0"]);
}

#[tokio::test]
async fn errors_below_the_limit_are_left_out() {
    let warehouse = loading("n int", &[b"1\nx\ny\n2\n"]).await;
    assert_eq!(warehouse.error(&format!("{COPY} MAXERROR 2")).await, FAILED);
    warehouse.run(&format!("{COPY} MAXERROR 3")).await;
    assert_eq!(warehouse.rows("SELECT n FROM t ORDER BY n").await, ["1", "2"]);
}

#[test_case("COPY nowhere FROM 's3://b/m' CSV MANIFEST", "ERROR: Cannot COPY into nonexistent table nowhere"; "table")]
#[test_case("COPY t FROM 's3://b/none' CSV MANIFEST", "ERROR: Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey"; "manifest")]
#[test_case("COPY t FROM 's3://b/none' CSV", "ERROR: The specified S3 prefix 'none' does not exist"; "prefix")]
#[test_case("COPY t FROM 's3://c/none' CSV", "ERROR: S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket"; "bucket")]
#[test_case("COPY t FROM 's3://b/gone' CSV MANIFEST", "ERROR: Mandatory url is not present in manifest file"; "file")]
#[test_case("COPY t FROM 's3://b/closed' CSV MANIFEST", "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied"; "access")]
#[test_case("COPY t FROM 's3://b/m' CSV MANIFEST GZIP", "ERROR: failed to inflate with zlib: invalid or incomplete deflate data."; "not gzip")]
#[test_case("COPY t FROM 's3://b/bad' CSV MANIFEST", "ERROR: Manifest file is not in correct json format"; "broken manifest")]
#[test_case("COPY t FROM 's3://b/m' CSV MANIFEST REGION 'eu-west-1'", "ERROR: S3ServiceException:The bucket you are attempting to access must be addressed using the specified endpoint."; "region")]
#[test_case("COPY t FROM 's3://b/m' CSV MANIFEST SHINY", "ERROR: syntax error at or near \"SHINY\""; "option")]
#[test_case("COPY t FROM 's3://b/m' MANIFEST FORMAT ORC", "ERROR: this stand-in does not do COPY with ORC"; "format")]
#[test_case("COPY t (n, m) FROM 's3://b/m' CSV MANIFEST", "ERROR: column \"m\" of relation \"t\" does not exist"; "column")]
#[tokio::test]
async fn other_failures_say_what_redshift_says(copy: &str, error: &str) {
    let warehouse = loading("n int", &[b"1\n"]).await;
    warehouse.bucket.manifest("gone", &["f0", "vanished"]);
    warehouse.bucket.manifest("closed", &["f0", "secret/f"]);
    warehouse.bucket.put("bad", "{\"entries\": [");
    let said = warehouse.error(copy).await;
    assert!(said.starts_with(error), "{said}");
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["0"]);
    assert_eq!(errors(&warehouse).await, [""; 0]);
}

#[tokio::test]
async fn a_truncated_gzip_names_its_file() {
    let warehouse = loading("n int", &[]).await;
    let whole = gzip(&b"1\n".repeat(10_000));
    warehouse.bucket.put("f.gz", whole.slice(..whole.len() / 2));
    warehouse.bucket.manifest("m", &["f.gz"]);
    let error = warehouse.error(&format!("{COPY} GZIP")).await;
    assert!(error.contains("S3 key being read : s3://b/f.gz"), "{error}");
}

#[tokio::test]
async fn a_file_listed_twice_is_loaded_twice_and_an_optional_one_may_be_missing() {
    let warehouse = loading("n int", &[b"1\n"]).await;
    warehouse.bucket.put(
        "m",
        r#"{"entries": [{"url": "s3://b/f0"}, {"url": "s3://b/f0", "meta": {"content_length": 2}}, {"url": "s3://b/no"}]}"#,
    );
    warehouse.run(COPY).await;
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["2"]);
}

#[tokio::test]
async fn the_columns_that_are_listed_in_their_order_and_defaults_for_the_rest() {
    let warehouse =
        loading("id bigint identity(10, 1), a int default 7, b varchar(9), c super", &[b"x,{\"k\": [1]}\n"]).await;
    warehouse.run("COPY t (b, c) FROM 's3://b/m' CSV QUOTE '^' MANIFEST").await;
    assert_eq!(warehouse.rows("SELECT * FROM t").await, ["10|7|x|{\"k\":[1]}"]);
    warehouse.bucket.put("f0", "5,6,y,\n");
    warehouse.run(&format!("{COPY} EXPLICIT_IDS")).await;
    assert_eq!(warehouse.rows("SELECT * FROM t WHERE id = 5").await, ["5|6|y|-"]);
    let error = warehouse.error("COPY t (id, a) FROM 's3://b/m' CSV MANIFEST").await;
    assert!(error.contains("EXPLICIT_IDS"), "{error}");
}

#[tokio::test]
async fn delimited_text_under_a_prefix_in_zstd() {
    let warehouse = loading("n int, s varchar(9), d date", &[]).await;
    warehouse.bucket.put("in/1", zstd(b"1|a\\|b|\n"));
    warehouse.bucket.put("in/2", zstd(b"2|c|01-02-2013\n3\n"));
    warehouse.bucket.put("in/folder/", "");
    warehouse.run("COPY t FROM 's3://b/in/' ZSTD ESCAPE FILLRECORD DATEFORMAT 'DD-MM-YYYY'").await;
    assert_eq!(warehouse.rows("SELECT * FROM t ORDER BY 1").await, ["1|a|b|-", "2|c|2013-02-01", "3||-"]);
}

#[tokio::test]
async fn json_by_names_and_by_paths() {
    let json = b"{\"n\": 1, \"S\": \"x\\ty\", \"at\": \"2013-01-01T10:00:00Z\"}\n{\"n\": 2.0}\n{\"n\": 3, \"s\": {\"a\": [1, 2]}}\n";
    let warehouse = loading("n decimal(4,1), s varchar(20), at timestamptz", &[json]).await;
    let copy = "COPY t FROM 's3://b/m' MANIFEST TIMEFORMAT 'auto' FORMAT JSON";
    warehouse.run(&format!("{copy} 'auto ignorecase'")).await;
    let loaded = warehouse.rows("SELECT n, s, at FROM t ORDER BY n").await;
    assert_eq!(loaded, ["1.0|x\ty|2013-01-01 10:00:00+00", "2.0|-|-", "3.0|{\"a\": [1, 2]}|-"]);
    warehouse.run("DELETE FROM t").await;
    warehouse.bucket.put("paths", r#"{"jsonpaths": ["$['s']['a']", "$.n"]}"#);
    warehouse.bucket.put("f0", "{\"n\": \"x\"}\n{\"n\": 3, \"s\": {\"a\": 2}}\n");
    warehouse.run("COPY t (n, s) FROM 's3://b/m' MANIFEST JSON 's3://b/paths'").await;
    assert_eq!(warehouse.rows("SELECT n, s FROM t ORDER BY s").await, ["2.0|3", "-|x"]);
}

#[tokio::test]
async fn backslashes_in_names_and_values_arrive_as_they_are() {
    let warehouse = loading("s varchar(40)", &[]).await;
    let key = "in/it's; -- \\\\ é\\.csv";
    warehouse.bucket.put(key, "x\\\n");
    warehouse.bucket.put("m'\\", format!(r#"{{"entries": [{{"url": {:?}}}]}}"#, format!("s3://b/{key}")));
    warehouse.run(r"COPY t FROM 's3://b/m''\\' CSV MANIFEST").await;
    warehouse.run(r"INSERT INTO t VALUES ('a\\'), ('it\'s'), ('c''\\''d')").await;
    assert_eq!(warehouse.rows("SELECT s FROM t ORDER BY s").await, [r"a\", r"c'\'d", "it's", r"x\"]);
    let read = warehouse.rows("SELECT trim(file_name) FROM sys_load_detail").await;
    assert_eq!(read, [format!("s3://b/{key}")]);
}

#[tokio::test]
async fn statement_timeout_ends_a_copy() {
    let warehouse = loading("n int", &[b"1\n"]).await;
    let hold = warehouse.redshift.hold_copies();
    let end = warehouse.batch(&["SET statement_timeout TO 50", COPY]).await;
    let error = end["Error"].as_str().unwrap();
    assert!(
        error.starts_with("Query #2 failed with ERROR: Query (") && error.ends_with(") cancelled on user's request"),
        "{error}"
    );
    drop(hold);
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["0"]);
    let end = warehouse.batch(&["SET statement_timeout TO 50", "SELECT pg_sleep(60)"]).await;
    assert!(end["Error"].as_str().unwrap().ends_with("cancelled on user's request"), "{end}");
}

/// Three months of real flights, into the table of the demo: all of them, and quickly.
#[tokio::test]
async fn a_winter_of_flights() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let warehouse = warehouse().await;
    let tables = fs::read_to_string(examples.join("tables.sql")).unwrap();
    for table in tables.split_inclusive(";\n").filter(|table| table.contains("CREATE")) {
        warehouse.run(table).await;
    }
    let mut keys = Vec::new();
    for entry in fs::read_dir(examples.join("data/flights")).unwrap() {
        let path = entry.unwrap().path();
        let key = format!("incoming/{}", path.file_name().unwrap().to_str().unwrap());
        warehouse.bucket.put(&key, fs::read(path).unwrap());
        keys.push(key);
    }
    warehouse.bucket.manifest("m", &keys.iter().map(String::as_str).collect::<Vec<_>>());
    let begun = Instant::now();
    let copy = "COPY public.flights FROM 's3://b/m' IAM_ROLE default MANIFEST FORMAT AS CSV IGNOREHEADER 1 NULL AS 'NA' TIMEFORMAT AS 'auto' GZIP";
    warehouse.run(copy).await;
    println!("80789 rows in {:?}", begun.elapsed());
    let totals = "SELECT count(*), count(*) - count(dep_time), min(time_hour), max(time_hour) FROM flights";
    assert_eq!(warehouse.rows(totals).await, ["80789|2643|2013-01-01 10:00:00+00|2013-04-01 03:00:00+00"]);
}
