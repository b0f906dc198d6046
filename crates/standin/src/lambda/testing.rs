//! For tests: a server with Lambda and CloudWatch on a free port, a function that obeys its event, and a gate that
//! holds it.

use std::{net::SocketAddr, path::PathBuf, process::Command, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::{Function, Lambda, ManualClock, Options};
use crate::{cloudwatch::CloudWatch, service::Call};

/// A running service that ends when its owner drops it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) lambda: Lambda,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) clock: ManualClock,
    pub(crate) endpoint: String,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|options| options).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(Options) -> Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let clock = ManualClock::at(jiff::Timestamp::now());
        let options = Options { clock: Arc::new(clock.clone()), ..Options::new(&endpoint) };
        let lambda = Lambda::new(change(options));
        let cloudwatch = CloudWatch::new(Arc::new(clock.clone()));
        let handlers = (lambda.clone(), cloudwatch.clone());
        let accepting = tokio::spawn(serve(listener, move |request| {
            let (lambda, cloudwatch) = handlers.clone();
            async move { answer(&lambda, &cloudwatch, request).await }
        }));
        Self { lambda, cloudwatch, clock, endpoint, accepting }
    }

    pub(crate) fn with(self, function: Function) -> Self {
        self.lambda.register(function);
        self
    }

    /// Drops everything, and waits until the server's own handles are gone too.
    pub(crate) async fn accepting_ends(mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    /// Makes one request to the Lambda API.
    pub(crate) async fn post(&self, path: &str, kind: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let request = Request::post(path).header("x-amz-invocation-type", kind).body(body.into()).unwrap();
        self.lambda.call(Call { caller: "tester".to_owned(), region: "us-east-1".to_owned(), request }).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves requests until it is aborted.
pub(crate) async fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Bytes>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Bytes>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                Ok::<_, hyper::Error>(answer(Request::from_parts(parts, body)).await.map(Full::new))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Routes as much as these tests need.
async fn answer(lambda: &Lambda, cloudwatch: &CloudWatch, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().to_owned();
    if path.starts_with("/_runtime/") {
        return lambda.runtime(request).await;
    }
    let call = Call { caller: "tester".to_owned(), region: "us-east-1".to_owned(), request };
    if path.starts_with("/2015-03-31/") {
        return lambda.call(call).await;
    }
    cloudwatch.call(call).await
}

/// The function that does what its event says, with one process per invocation.
pub(crate) fn echo(name: &str) -> Function {
    Function { warm: false, ..Function::new(name, echo_binary()) }
}

/// Cargo builds examples together with tests, except when only the library's tests are requested.
fn echo_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let binary = target.join("examples/echo_function");
    if !binary.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--example", "echo_function", "--target-dir"])
            .arg(target.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(status.unwrap().success(), "the example that tests run as a function cannot be built");
    }
    binary
}

/// Holds invocations until the test releases them.
#[derive(Debug)]
pub(crate) struct Gate(TcpListener);

/// An invocation that is waiting at the gate. It continues when this is dropped.
#[derive(Debug)]
pub(crate) struct Held(TcpStream);

impl Held {
    /// The connection to the function, for a test that outlives the runtime.
    pub(crate) fn into_line(self) -> std::net::TcpStream {
        let line = self.0.into_std().unwrap();
        line.set_nonblocking(false).unwrap();
        line
    }
}

impl Gate {
    pub(crate) async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// The event that sends a function to this gate.
    pub(crate) fn event(&self) -> Bytes {
        let address: SocketAddr = self.0.local_addr().unwrap();
        event(&json!({"do": "wait", "gate": address.to_string()}))
    }

    /// Waits until the next invocation arrives.
    pub(crate) async fn arrival(&self) -> Held {
        Held(self.0.accept().await.unwrap().0)
    }
}

pub(crate) fn event(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

pub(crate) fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}
