//! COPY of Parquet: files that pyarrow wrote, and what is said and put on record about them.

use test_case::test_case;

use super::support::{Warehouse, warehouse};

/// See `tests/data/README.md`.
const PYARROW: &[u8] = include_bytes!("../data/pyarrow.parquet");
const INT96: &[u8] = include_bytes!("../data/pyarrow-int96.parquet");

const COPY: &str = "COPY t FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST";
const COLUMNS: &str = "id int not null, label varchar(20), small smallint, big bigint, fine boolean, near real, far float8, \
                       price decimal(12,2), day date, at timestamp, moment timestamptz, tags super, place super";

/// A table `t`, and a manifest `m` of these files.
async fn loading(columns: &str, files: &[(&str, &[u8])]) -> Warehouse {
    let warehouse = warehouse().await;
    warehouse.run(&format!("CREATE TABLE t ({columns})")).await;
    for (key, body) in files {
        warehouse.bucket.put(key, body.to_vec());
    }
    warehouse.bucket.manifest("m", &files.iter().map(|(key, _)| *key).collect::<Vec<_>>());
    warehouse
}

#[tokio::test]
async fn every_type_that_pyarrow_writes_and_redshift_has() {
    let warehouse = loading(COLUMNS, &[("in/day=1/f.parquet", PYARROW)]).await;
    warehouse.run(&format!("{COPY} SERIALIZETOJSON")).await;
    assert_eq!(
        warehouse.rows("SELECT * FROM t ORDER BY id").await,
        [
            "1|plain|-32768|-9223372036854775808|t|0.5|0.1|0.01|1969-12-31|1969-12-31 23:59:59.999999|2026-11-23 01:02:03.456+00|[\"a\",\"b\\\"\"]|{\"city\":\"Bern\",\"lat\":46.95}",
            "2|tab\tand\nline|-1|-1|f|-1.25|-1e-300|-12.30|1970-01-01|1970-01-01 00:00:00|2026-11-23 01:02:03.456+00|[]|{\"city\":null,\"lat\":null}",
            "3|é|0|0|t|1e+30|1e+300|9999999999.99|2026-11-23|2026-11-23 01:02:03.456789|2026-11-23 01:02:03.456+00|-|-",
            "4||1|1|f|0|0|0.00|0001-01-01|0001-01-01 00:00:00|2026-11-23 01:02:03.456+00|[\"c\"]|{\"city\":\"é\",\"lat\":0.5}",
            "5|-|-|-|-|-|-|-|-|-|-|[null]|-",
            "6|plain|32767|9223372036854775807|f|NaN|Infinity|-9999999999.99|9999-12-31|9999-12-31 23:59:59|2026-11-23 01:02:03.456+00|[\"d\"]|-",
        ]
    );
    let read = "SELECT file_name, bytes_scanned, lines_scanned, file_etag FROM sys_load_detail";
    let size = PYARROW.len();
    assert_eq!(warehouse.rows(read).await, [format!("s3://b/in/day=1/f.parquet|{size}|6|etag-{size}")]);
    let history = "SELECT status, file_format, loaded_rows, source_file_count, error_count FROM sys_load_history";
    assert_eq!(warehouse.rows(history).await, ["completed|parquet|6|1|0"]);
}

#[tokio::test]
async fn spark_s_old_timestamps_in_gzip_and_pages_of_version_2() {
    let warehouse = loading("id int, label varchar(20), at timestamp", &[("f", INT96)]).await;
    warehouse.run(COPY).await;
    let rows = warehouse.rows("SELECT id, label, at FROM t ORDER BY id").await;
    assert_eq!(rows[0], "1|plain|1969-12-31 23:59:59.999999");
    assert_eq!(rows[2], "3|é|2026-11-23 01:02:03.456789");
    assert_eq!(rows[4], "5|-|-");
    assert_eq!(rows.len(), 6);
}

#[tokio::test]
async fn columns_that_are_listed_are_matched_by_their_place_in_the_list() {
    let warehouse = loading("moment timestamp, n int, s varchar(20), more int default 7", &[("f", INT96)]).await;
    warehouse.run("COPY t (n, s, moment) FROM 's3://b/f' IAM_ROLE default PARQUET").await;
    let first = warehouse.rows("SELECT n, s, moment, more FROM t WHERE n = 1").await;
    assert_eq!(first, ["1|plain|1969-12-31 23:59:59.999999|7"]);
}

#[test_case("id int, label varchar(4), at timestamp", "The length of the data column label is longer than the length defined in the table. Table: 4, Data: 5, File name: https://s3.us-east-1.amazonaws.com/b/f"; "too long")]
#[test_case("id int, label varchar(20) not null, at timestamp", "NULL value in column label, which is defined as NOT NULL in the table"; "null")]
#[test_case("id int, label varchar(20)", "Unmatched number of columns between table and file. Table columns: 2, Data columns: 3, File name: https://s3.us-east-1.amazonaws.com/b/f"; "too many columns")]
#[test_case("id int, label int, at timestamp", "File 'https://s3.us-east-1.amazonaws.com/b/f' has an incompatible Parquet schema for column 's3://b/f.label'. Column type: INT, Parquet schema:\noptional byte_array label [i:1 d:1 r:0]"; "wrong type")]
#[tokio::test]
async fn a_bad_file_fails_the_load_and_is_on_record_by_its_url(columns: &str, context: &str) {
    let warehouse = loading(columns, &[("f", INT96)]).await;
    let error = warehouse.error(COPY).await;
    assert!(error.starts_with("ERROR: Spectrum Scan Error\n  Detail: "), "{error}");
    assert!(error.contains(&format!("  code:      15007\n  context:   {context}\n  query: ")), "{error}");
    let noted = "SELECT trim(file_name), line_number, error_code, trim(error_message) FROM sys_load_error_detail";
    let expected = format!("https://s3.us-east-1.amazonaws.com/b/f|0|15007|{context}");
    assert_eq!(warehouse.rows(noted).await, [expected]);
    assert_eq!(warehouse.rows("SELECT * FROM t").await, [""; 0]);
    let history = "SELECT status, loaded_rows, source_file_count FROM sys_load_history";
    assert_eq!(warehouse.rows(history).await, ["aborted|0|1"]);
}

#[test_case("{}", "File entry does not have 'meta' key."; "nothing")]
#[test_case("{\"meta\": {}}", "File entry does not have 'content_length' key."; "no length")]
#[tokio::test]
async fn a_manifest_must_say_how_long_its_files_are(entry: &str, expected: &str) {
    let warehouse = loading("id int, label varchar(20), at timestamp", &[("f", INT96)]).await;
    let mut entry: serde_json::Value = serde_json::from_str(entry).unwrap();
    entry["url"] = "s3://b/f".into();
    warehouse.bucket.put("m", serde_json::json!({ "entries": [entry] }).to_string());
    let error = warehouse.error(COPY).await;
    assert!(error.starts_with(&format!("ERROR: {expected}\n")) && error.contains("code:      15003"), "{error}");
    entry["meta"] = serde_json::json!({ "content_length": INT96.len() - 1 });
    warehouse.bucket.put("m", serde_json::json!({ "entries": [entry] }).to_string());
    let error = warehouse.error(COPY).await;
    assert!(error.contains("File 'https://s3.us-east-1.amazonaws.com/b/f' has an invalid version number: "), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_there_or_not_to_be_read() {
    let warehouse = loading("id int, label varchar(20), at timestamp", &[("f", INT96)]).await;
    for (key, expected) in [
        ("gone", "ERROR: Mandatory url is not present in manifest file"),
        ("secret/f", "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied"),
    ] {
        warehouse.bucket.manifest("m", &["f", key]);
        let error = warehouse.error(COPY).await;
        assert!(error.starts_with(expected), "{error}");
    }
}
