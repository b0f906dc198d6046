//! The port with services that exist only in tests, over plain HTTP.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;
use crate::faults::{Fault, Faults, Latency, Rule};
use crate::journal::Journal;
use crate::s3::Storage;
use crate::service::{Call, RUNTIME, Registry, Service};

/// Answers with the caller and the body.
#[derive(Debug)]
struct Echo;

impl Service for Echo {
    fn operation(&self, request: &http::Request<Bytes>) -> Cow<'static, str> {
        let target = request.headers()["x-amz-target"].to_str().unwrap();
        Cow::Owned(target.rsplit('.').next().unwrap().to_owned())
    }

    fn call(&self, call: Call) -> BoxFuture<'_, http::Response<Bytes>> {
        let text = format!("{} in {}: {:?}", call.caller, call.region, call.request.body());
        async { http::Response::new(Bytes::from(text)) }.boxed()
    }
}

/// Never answers; reports when it is called and when it is dropped.
#[derive(Debug)]
struct Poll(mpsc::UnboundedSender<&'static str>);

struct LetGo(mpsc::UnboundedSender<&'static str>);

impl Drop for LetGo {
    fn drop(&mut self) {
        self.0.send("let go").unwrap();
    }
}

impl Service for Poll {
    fn operation(&self, _: &http::Request<Bytes>) -> Cow<'static, str> {
        "Next".into()
    }

    fn outlives_client(&self, _: &http::Request<Bytes>) -> bool {
        false
    }

    fn call(&self, call: Call) -> BoxFuture<'_, http::Response<Bytes>> {
        let guard = LetGo(self.0.clone());
        assert_eq!(call.caller, "worker-1");
        self.0.send("asked").unwrap();
        async move {
            let _guard = guard;
            std::future::pending().await
        }
        .boxed()
    }
}

async fn server(services: Registry) -> (Server, Journal, Faults) {
    let (journal, faults) = (Journal::default(), Faults::new(1, Latency::None));
    let door = Door {
        s3: crate::s3::service::service(Storage::in_memory(), "us-east-1", faults.clone()),
        services,
        journal: journal.clone(),
        faults: faults.clone(),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    (Server::start(listener, door).unwrap(), journal, faults)
}

fn echo() -> Registry {
    let echo: Arc<dyn Service> = Arc::new(Echo);
    BTreeMap::from([("redshift-data", echo)])
}

async fn send(server: &Server, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn exchange(server: &Server, request: &str) -> String {
    let mut answer = String::new();
    send(server, request).await.read_to_string(&mut answer).await.unwrap();
    answer
}

fn signed(service: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\nx-amz-target: RedshiftData.ExecuteStatement\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=fn-worker-1/20261122/eu-west-1/{service}/aws4_request, Signature=0\r\n\r\nhello"
    )
}

#[tokio::test]
async fn a_request_goes_to_the_service_of_its_signature() {
    let (server, journal, _) = server(echo()).await;
    let answer = exchange(&server, &signed("redshift-data")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("fn-worker-1 in eu-west-1: b\"hello\""), "{answer}");
    assert_eq!(journal.snapshot()[0].action(), "redshift-data:ExecuteStatement");
    let answer = exchange(&server, &signed("dynamodb")).await;
    assert!(answer.starts_with("HTTP/1.1 501"), "{answer}");
    assert_eq!(journal.snapshot()[1].action(), "unknown:dynamodb");
    server.shutdown().await;
}

#[tokio::test]
async fn health_is_answered_to_anybody() {
    let (server, journal, _) = server(Registry::new()).await;
    let request = "GET /_sluice/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(exchange(&server, request).await.ends_with("{\"status\":\"ok\"}"));
    assert_eq!(journal.count("-", "Health"), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn faults_speak_the_language_of_the_service_they_strike() {
    let (server, _, faults) = server(echo()).await;
    faults.add(Rule::new(Fault::Throttle).service("redshift-data").first(1));
    let answer = exchange(&server, &signed("redshift-data")).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("ThrottlingException"), "{answer}");
    faults.add(Rule::new(Fault::LoseReply));
    assert_eq!(exchange(&server, &signed("redshift-data")).await, "");
    server.shutdown().await;
}

#[tokio::test]
async fn a_poll_is_let_go_when_its_client_dies_and_when_the_server_stops() {
    let (told, mut tells) = mpsc::unbounded_channel();
    let poll: Arc<dyn Service> = Arc::new(Poll(told));
    let (server, _, _) = server(BTreeMap::from([(RUNTIME, poll)])).await;
    let request = "GET /_runtime/worker-1/2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n";
    let client = send(&server, request).await;
    assert_eq!(tells.recv().await, Some("asked"));
    drop(client);
    assert_eq!(tells.recv().await, Some("let go"));
    let _client = send(&server, request).await;
    assert_eq!(tells.recv().await, Some("asked"));
    server.shutdown().await;
    assert_eq!(tells.recv().await, Some("let go"));
}
