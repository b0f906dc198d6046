//! The recipe that loads each file exactly once, and what happens without its first step.

use super::support::{Warehouse, warehouse};

const GUARD: &str = "SELECT 1 / (CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END) FROM ledger WHERE file IN ('f')";
const COPY: &str = "COPY t FROM 's3://b/m' IAM_ROLE default MANIFEST CSV";
const RECORD: &str = "INSERT INTO ledger (file, loaded_at) VALUES ('f', GETDATE())";

async fn with_ledger() -> Warehouse {
    let warehouse = warehouse().await;
    let create = "CREATE TABLE IF NOT EXISTS ledger (file CHAR(64) NOT NULL, loaded_at TIMESTAMP NOT NULL, PRIMARY KEY (file)) DISTKEY (file) SORTKEY (file)";
    warehouse.run(create).await;
    warehouse.run("CREATE TABLE t (n int)").await;
    warehouse.bucket.put("f.csv", "1\n2\n");
    warehouse.bucket.manifest("m", &["f.csv"]);
    warehouse
}

#[tokio::test]
async fn lock_first_loads_once() {
    let warehouse = with_ledger().await;
    let recipe = ["SET statement_timeout TO 60000", "LOCK TABLE ledger", GUARD, COPY, RECORD];
    // The first is inside COPY, with the lock, when the second begins; it lets go only after the second is waiting.
    let hold = warehouse.redshift.hold_copies();
    let first = warehouse.submit(&recipe).await;
    hold.reached(1).await;
    let second = warehouse.submit(&recipe).await;
    while warehouse.rows("SELECT 1 FROM pg_locks WHERE NOT granted").await.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let (first, second) = (warehouse.end_of(&first).await, warehouse.end_of(&second).await);
    assert_eq!(first["Status"], "FINISHED", "{first}");
    assert_eq!(second["Status"], "FAILED", "{second}");
    assert_eq!(second["Error"], "Query #3 failed with ERROR: division by zero");
    assert_eq!(second["SubStatements"][2]["Error"], "ERROR: division by zero");
    assert_eq!(second["SubStatements"][3]["Status"], "ABORTED");
    assert_eq!(warehouse.rows("SELECT n FROM t ORDER BY n").await, ["1", "2"]);
    assert_eq!(warehouse.rows("SELECT count(*) FROM ledger").await, ["1"]);
}

#[tokio::test]
async fn without_lock_the_same_files_are_loaded_twice() {
    let warehouse = with_ledger().await;
    let naive = [GUARD, COPY, RECORD];
    let hold = warehouse.redshift.hold_copies();
    let (first, second) = (warehouse.submit(&naive).await, warehouse.submit(&naive).await);
    hold.reached(2).await;
    drop(hold);
    for id in [first, second] {
        let end = warehouse.end_of(&id).await;
        assert_eq!(end["Status"], "FINISHED", "{end}");
    }
    assert_eq!(warehouse.rows("SELECT n FROM t ORDER BY n").await, ["1", "1", "2", "2"]);
}

#[tokio::test]
async fn lock_after_the_snapshot_does_not_help() {
    let warehouse = with_ledger().await;
    let late = ["SELECT 1 FROM t", "LOCK ledger", GUARD, COPY, RECORD];
    let hold = warehouse.redshift.hold_copies();
    let first = warehouse.submit(&late).await;
    hold.reached(1).await;
    let second = warehouse.submit(&late).await;
    while warehouse.rows("SELECT 1 FROM pg_locks WHERE NOT granted").await.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(hold);
    assert_eq!(warehouse.end_of(&first).await["Status"], "FINISHED");
    assert_eq!(warehouse.end_of(&second).await["Status"], "FINISHED");
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["4"]);
}

#[tokio::test]
async fn writers_of_one_row_get_1023() {
    let warehouse = with_ledger().await;
    warehouse.run("INSERT INTO t VALUES (1)").await;
    let hold = warehouse.redshift.hold_copies();
    let first = warehouse.submit(&["UPDATE t SET n = n + 1", COPY]).await;
    hold.reached(1).await;
    let second = warehouse.submit(&["SELECT n FROM t", "UPDATE t SET n = n + 1"]).await;
    while warehouse.rows("SELECT 1 FROM pg_locks WHERE NOT granted").await.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(hold);
    assert_eq!(warehouse.end_of(&first).await["Status"], "FINISHED");
    let error = warehouse.end_of(&second).await["Error"].as_str().unwrap().to_owned();
    assert!(
        error.starts_with("Query #2 failed with ERROR: 1023 DETAIL: Serializable isolation violation on table - "),
        "{error}"
    );
}

#[tokio::test]
async fn a_failed_batch_leaves_nothing_but_what_truncate_committed() {
    let warehouse = with_ledger().await;
    warehouse.run("INSERT INTO t VALUES (7)").await;
    let end = warehouse.batch(&["INSERT INTO t VALUES (8)", "SELECT * FROM missing"]).await;
    assert_eq!(end["Error"], "Query #2 failed with ERROR: relation \"missing\" does not exist");
    assert_eq!(warehouse.rows("SELECT n FROM t").await, ["7"]);
    let end = warehouse.batch(&["TRUNCATE t", "INSERT INTO t VALUES (8)", "SELECT * FROM missing"]).await;
    assert_eq!(end["Status"], "FAILED");
    assert_eq!(warehouse.rows("SELECT n FROM t").await, [""; 0]);
}
