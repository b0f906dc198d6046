//! A warehouse with a bucket in memory, driven as the SDK drives it: JSON in, JSON out.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use sluice_standin::redshift::{Options, Redshift};
use sluice_standin::service::Call;
use sluice_standin::source::{Source, SourceObject};
use tokio::io::AsyncReadExt as _;

/// The bucket `b`.
#[derive(Debug, Default)]
pub(crate) struct Bucket(Mutex<BTreeMap<String, Bytes>>);

impl Bucket {
    pub(crate) fn put(&self, key: &str, body: impl Into<Bytes>) {
        self.0.lock().unwrap().insert(key.to_owned(), body.into());
    }

    /// A manifest that lists `keys` with their sizes, all of them mandatory.
    pub(crate) fn manifest(&self, name: &str, keys: &[&str]) {
        let size = |key: &&str| self.0.lock().unwrap().get(*key).map_or(0, Bytes::len);
        let entry = |key: &&str| json!({ "url": format!("s3://b/{key}"), "mandatory": true, "meta": { "content_length": size(key) } });
        let entries: Vec<Value> = keys.iter().map(entry).collect();
        self.put(name, json!({ "entries": entries }).to_string());
    }
}

impl Source for Bucket {
    fn read(&self, bucket: &str, key: &str) -> io::Result<Option<SourceObject>> {
        if key.starts_with("secret/") {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let objects = self.0.lock().unwrap();
        let object = (bucket == "b").then(|| objects.get(key)).flatten();
        Ok(object.map(|body| SourceObject {
            body: body.clone(),
            etag: format!("etag-{}", body.len()),
            last_modified: Timestamp::UNIX_EPOCH,
        }))
    }

    fn keys(&self, bucket: &str, prefix: &str) -> io::Result<Option<Vec<String>>> {
        let objects = self.0.lock().unwrap();
        Ok((bucket == "b").then(|| objects.keys().filter(|key| key.starts_with(prefix)).cloned().collect()))
    }
}

pub(crate) struct Warehouse {
    pub(crate) redshift: Arc<Redshift>,
    pub(crate) bucket: Arc<Bucket>,
}

pub(crate) async fn warehouse() -> Warehouse {
    warehouse_with(Options::default()).await
}

pub(crate) async fn warehouse_with(options: Options) -> Warehouse {
    let bucket = Arc::new(Bucket::default());
    let redshift = Redshift::start(options, Arc::clone(&bucket) as Arc<dyn Source>).await.unwrap();
    Warehouse { redshift: Arc::new(redshift), bucket }
}

impl Warehouse {
    /// One request; the status and the body.
    pub(crate) async fn send(&self, operation: &str, body: &Value) -> (u16, Value) {
        let request = http::Request::post("/")
            .header("x-amz-target", format!("RedshiftData.{operation}"))
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let call = Call { caller: "test".to_owned(), region: "us-east-1".to_owned(), request };
        let response = self.redshift.call(call).await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
    }

    pub(crate) async fn ok(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.send(operation, &body).await;
        assert_eq!(status, 200, "{operation} {body}: {answer}");
        answer
    }

    /// The name of the error that the request gets.
    pub(crate) async fn refused(&self, operation: &str, body: Value) -> (String, String) {
        let (status, answer) = self.send(operation, &body).await;
        assert_eq!(status, 400, "{operation} {body}: {answer}");
        (answer["__type"].as_str().unwrap().to_owned(), answer["message"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn submit(&self, sqls: &[&str]) -> String {
        let body = json!({ "Sqls": sqls, "Database": "dev", "WorkgroupName": "w" });
        self.ok("BatchExecuteStatement", body).await["Id"].as_str().unwrap().to_owned()
    }

    /// What `DescribeStatement` says once the statement is over.
    pub(crate) async fn end_of(&self, id: &str) -> Value {
        loop {
            let answer = self.ok("DescribeStatement", json!({ "Id": id, "WaitTimeSeconds": 30 })).await;
            if ["FINISHED", "FAILED", "ABORTED"].contains(&answer["Status"].as_str().unwrap()) {
                return answer;
            }
        }
    }

    /// Runs a batch to its end.
    pub(crate) async fn batch(&self, sqls: &[&str]) -> Value {
        let id = self.submit(sqls).await;
        self.end_of(&id).await
    }

    /// Runs one statement to its end.
    pub(crate) async fn statement(&self, sql: &str) -> Value {
        let body = json!({ "Sql": sql, "Database": "dev", "WorkgroupName": "w" });
        let id = self.ok("ExecuteStatement", body).await["Id"].as_str().unwrap().to_owned();
        self.end_of(&id).await
    }

    /// Runs one statement, which has to succeed.
    pub(crate) async fn run(&self, sql: &str) -> Value {
        let end = self.statement(sql).await;
        assert_eq!(end["Status"], "FINISHED", "{sql}: {end}");
        end
    }

    /// Runs one statement, which has to fail; its error.
    pub(crate) async fn error(&self, sql: &str) -> String {
        let end = self.statement(sql).await;
        assert_eq!(end["Status"], "FAILED", "{sql}: {end}");
        end["Error"].as_str().unwrap().to_owned()
    }

    /// Rows as `a|b`, null as `-`, straight from PostgreSQL.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let rows = self.redshift.query("dev", sql).await.unwrap();
        let text = |field: Option<String>| field.map_or_else(|| "-".to_owned(), |field| field.trim_end().to_owned());
        rows.into_iter().map(|row| row.into_iter().map(text).collect::<Vec<_>>().join("|")).collect()
    }
}

pub(crate) fn gzip(data: &[u8]) -> Bytes {
    let mut packed = Vec::new();
    let mut encoder = async_compression::tokio::bufread::GzipEncoder::new(data);
    encoder.read_to_end(&mut packed).now_or_never().unwrap().unwrap();
    packed.into()
}

pub(crate) fn zstd(data: &[u8]) -> Bytes {
    let mut packed = Vec::new();
    let mut encoder = async_compression::tokio::bufread::ZstdEncoder::new(data);
    encoder.read_to_end(&mut packed).now_or_never().unwrap().unwrap();
    packed.into()
}
