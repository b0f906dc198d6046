//! The PostgreSQL behind the warehouse: kept, shared, and never left behind.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sluice_standin::redshift::{Options, Server};

use super::support::{warehouse, warehouse_with};

#[tokio::test]
async fn a_kept_warehouse_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { server: Server::Kept(folder.path().to_owned()), ..Options::default() };
    let first = warehouse_with(options()).await;
    first.run("CREATE TABLE t (n int)").await;
    first.bucket.put("f", "1\n");
    let copied = first.run("COPY t FROM 's3://b/f' CSV").await;
    first.redshift.shutdown().await;
    let second = warehouse_with(options()).await;
    assert_eq!(second.rows("SELECT n FROM t").await, ["1"]);
    let next = second.run("SELECT 1").await;
    assert!(next["RedshiftQueryId"].as_i64() > copied["RedshiftQueryId"].as_i64(), "{next} after {copied}");
}

/// What an older stand-in left behind under the names of today's views.
#[tokio::test]
async fn a_kept_warehouse_gets_the_views_of_today_and_keeps_what_is_built_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { server: Server::Kept(folder.path().to_owned()), ..Options::default() };
    let first = warehouse_with(options()).await;
    let old = "DROP VIEW redshift_system.sys_load_detail; CREATE TABLE redshift_system.sys_load_detail (query_id int); \
               COMMENT ON SCHEMA redshift_system IS 'older'";
    first.rows(old).await;
    first.redshift.shutdown().await;
    let second = warehouse_with(options()).await;
    assert_eq!(second.rows("SELECT count(file_etag) FROM sys_load_detail").await, ["0"]);
    second.rows("CREATE VIEW mine AS SELECT file_name FROM sys_load_detail").await;
    second.redshift.shutdown().await;
    let third = warehouse_with(options()).await;
    assert_eq!(third.rows("SELECT count(*) FROM mine").await, ["0"]);
}

#[tokio::test]
async fn a_server_that_somebody_else_runs() {
    let owner = warehouse().await;
    let options = Options { server: Server::Url(owner.redshift.url()), ..Options::default() };
    let guest = warehouse_with(options).await;
    guest.run("CREATE TABLE t (n int)").await;
    guest.bucket.put("f", "1\n");
    guest.run("COPY t FROM 's3://b/f' CSV").await;
    assert_eq!(owner.rows("SELECT n FROM public.t").await, ["1"]);
    guest.redshift.shutdown().await;
    owner.run("SELECT 1").await;
}

#[tokio::test]
async fn after_a_shutdown_nobody_answers() {
    let warehouse = warehouse().await;
    let port = port(&warehouse.redshift.url());
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    warehouse.redshift.shutdown().await;
    TcpStream::connect(("127.0.0.1", port)).unwrap_err();
}

/// What [`the_server_ends_with_a_process_that_is_killed`] kills: says where its server is, and waits.
#[tokio::test]
#[ignore = "run by another test"]
async fn waits_to_be_killed() {
    let warehouse = warehouse().await;
    println!("\nserver {}", warehouse.redshift.url());
    std::future::pending::<()>().await;
}

#[test]
fn the_server_ends_with_a_process_that_is_killed() {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "server::waits_to_be_killed"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let url = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("server ").map(str::to_owned)).unwrap();
    TcpStream::connect(("127.0.0.1", port(&url))).unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port(&url))).is_ok() {
        assert!(Instant::now() < deadline, "the server at {url} is still there");
        std::thread::yield_now();
    }
}

fn port(url: &str) -> u16 {
    let (_, address) = url.rsplit_once('@').unwrap();
    address.split(['/', ':']).nth(1).unwrap().parse().unwrap()
}
