//! COPY: what is loaded, and what is said about what is not.

use std::time::Instant;

use serde_json::json;
use test_case::test_case;

use super::support::{gzip, warehouse, zstd};

const COPY: &str = "COPY t FROM 's3://b/m' IAM_ROLE default CSV MANIFEST";
const FAILED: &str =
    "ERROR: Load into table 't' failed.  Check 'sys_load_error_detail' system table for details.";

#[tokio::test]
async fn a_gzip_csv_listed_by_a_manifest() {
    let warehouse = warehouse().await;
    warehouse
        .bucket
        .put("in/a b+%.csv.gz", gzip(b"n,s\n1,one\n2,\"t,wo\"\n"));
    warehouse.bucket.put("in/b.csv.gz", gzip(b"n,s\nNA,NA\n"));
    warehouse
        .bucket
        .manifest("m", &["in/a b+%.csv.gz", "in/b.csv.gz"]);
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
    assert_eq!(
        warehouse.rows("SELECT * FROM t ORDER BY 1, 2").await,
        ["1|one", "2|t,wo", "3|loaded", "-|-"]
    );
    let read = warehouse.rows("SELECT file_name, lines_scanned, file_etag LIKE 'etag-%' FROM sys_load_detail ORDER BY 1").await;
    assert_eq!(
        read,
        ["s3://b/in/a b+%.csv.gz|3|t", "s3://b/in/b.csv.gz|2|t"]
    );
    assert_eq!(
        warehouse
            .rows("SELECT status, loaded_rows, source_file_count FROM sys_load_history")
            .await,
        ["completed|3|2"]
    );
}
