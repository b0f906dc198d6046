//! The path of one request: its service, its operation, its faults, its latency, and its entry in the journal.
//!
//! Never answers a client before the journal has the entry, so that a client can count its own requests.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use s3s::service::S3Service;

use super::reply::{Lost, plain, whole};
use super::scope::{Scope, scope};
use crate::faults::{Faults, Moment, Plan, Seen, Then};
use crate::journal::{Entry, Journal};
use crate::s3::operation::operation as s3_operation;
use crate::s3::service::begins_after;
use crate::service::{Body, Call, RUNTIME, Registry, Service};

/// The services behind the port, and what every request passes on its way to them.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) s3: S3Service,
    pub(crate) services: Registry,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
}

/// A request whose service is known.
#[derive(Debug)]
pub(super) struct Admitted {
    seen: Seen,
    target: Target,
    /// The headers that decide the protocol of a refusal.
    headers: HeaderMap,
    at: Timestamp,
    arrived: Instant,
}

#[derive(Debug)]
enum Target {
    S3(http::Request<Incoming>),
    Whole(Arc<dyn Service>, Call),
    /// Answered by the stand-in itself.
    Own(StatusCode, &'static str),
}

impl Admitted {
    pub(super) fn outlives_client(&self) -> bool {
        match &self.target {
            Target::Whole(service, call) => service.outlives_client(&call.request),
            Target::S3(_) | Target::Own(..) => true,
        }
    }
}

impl Door {
    /// Finds the service of a request. Reads the body, except for S3, whose bodies are streamed.
    pub(super) async fn admit(&self, request: http::Request<Incoming>) -> Admitted {
        let (at, arrived) = (Timestamp::now(), Instant::now());
        let (parts, body) = request.into_parts();
        let headers = parts.headers.clone();
        let path = parts.uri.path();
        let (seen, target) = if path.starts_with("/_sluice/") {
            own(path)
        } else if let Some(instance) = instance(path) {
            let scope = Scope { caller: instance.to_owned(), region: String::new(), service: RUNTIME.to_owned() };
            self.whole(scope, parts, body).await
        } else {
            match scope(&parts) {
                Some(scope) if scope.service != "s3" => self.whole(scope, parts, body).await,
                // Without a signature it can only be meant for S3, which refuses it in its own words.
                scope => s3(scope, http::Request::from_parts(parts, body)),
            }
        };
        Admitted { seen, target, headers, at, arrived }
    }

    async fn whole(&self, scope: Scope, parts: http::request::Parts, body: Incoming) -> (Seen, Target) {
        let Scope { caller, region, service: name } = scope;
        let Some((name, service)) = self.services.get_key_value(name.as_str()) else {
            let text = "the stand-in does not offer this service";
            let seen = seen(caller, "unknown", Cow::Owned(name));
            return (seen, Target::Own(StatusCode::NOT_IMPLEMENTED, text));
        };
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                tracing::debug!(%error, "a request ended before its body");
                let seen = seen(caller, name, Cow::Borrowed("Incomplete"));
                return (seen, Target::Own(StatusCode::BAD_REQUEST, "the body is incomplete"));
            }
        };
        let request = http::Request::from_parts(parts, body);
        let (operation, subject) = (service.operation(&request), service.subject(&request));
        let seen = Seen { subject, ..seen(caller.clone(), name, operation) };
        (seen, Target::Whole(Arc::clone(service), Call { caller, region, request }))
    }

    /// Executes the request, unless a fault prevents it.
    pub(super) async fn execute(&self, request: Admitted) -> Result<Response<Body>, Lost> {
        let Admitted { seen, target, headers, at, arrived } = request;
        let record = Record { journal: &self.journal, seen: &seen, at, arrived };
        // Half of the latency comes before the execution and half after it, so that races are as wide as in AWS.
        let half = self.faults.latency(&seen) / 2;
        pause(half).await;
        let plan = self.faults.plan(&seen);
        if let Plan::Refuse(refusal) = &plan {
            pause(half).await;
            let response = refusal.response(seen.service, &headers).map(whole);
            return Ok(record.answered(response, Some(refusal.name())));
        }
        if let Plan::Delay(delay) = &plan {
            pause(*delay).await;
        }
        if plan.loses(Moment::Before, &seen) {
            return Err(record.lost(0, "lost-request"));
        }
        let response = run(target, &self.s3).await;
        if plan.loses(Moment::After, &seen) {
            return Err(record.lost(response.status().as_u16(), "lost-reply"));
        }
        pause(half).await;
        Ok(record.answered(response, None))
    }
}

impl Plan {
    /// Whether the request is lost at this moment; calls the hook if this is the hook's moment.
    fn loses(&self, moment: Moment, seen: &Seen) -> bool {
        match self {
            Self::Lose(at) => *at == moment,
            Self::Call(at, hook) if *at == moment => hook(seen) == Then::Lose,
            _ => false,
        }
    }
}

/// The journal's entry for a request, completed when its outcome is known.
struct Record<'a> {
    journal: &'a Journal,
    seen: &'a Seen,
    at: Timestamp,
    arrived: Instant,
}

impl Record<'_> {
    fn answered(&self, mut response: Response<Body>, fault: Option<&'static str>) -> Response<Body> {
        let id = self.at.as_nanosecond().unsigned_abs();
        if let Ok(id) = HeaderValue::from_str(&format!("{id:016X}")) {
            response.headers_mut().entry("x-amz-request-id").or_insert(id);
        }
        self.enter(response.status().as_u16(), fault);
        response
    }

    fn lost(&self, status: u16, fault: &'static str) -> Lost {
        self.enter(status, Some(fault));
        Lost
    }

    fn enter(&self, status: u16, fault: Option<&'static str>) {
        self.journal.record(Entry {
            at: self.at,
            caller: self.seen.caller.clone(),
            service: self.seen.service,
            operation: self.seen.operation.clone(),
            subject: self.seen.subject.clone(),
            also: self.seen.also.clone(),
            after: self.seen.after.clone(),
            status,
            elapsed: self.arrived.elapsed(),
            fault,
        });
    }
}

async fn run(target: Target, s3: &S3Service) -> Response<Body> {
    match target {
        Target::Own(status, text) => plain(status, text),
        Target::Whole(service, call) => service.call(call).await.map(whole),
        Target::S3(request) => match s3.call(request.map(s3s::Body::from)).await {
            Ok(response) => response.map(|body| body.map_err(io::Error::other).boxed_unsync()),
            Err(error) => {
                tracing::error!(?error, "S3 could not answer");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the stand-in's S3 failed; see its log")
            }
        },
    }
}

fn s3(scope: Option<Scope>, request: http::Request<Incoming>) -> (Seen, Target) {
    let caller = scope.map_or_else(|| "-".to_owned(), |scope| scope.caller);
    let (parts, body) = request.into_parts();
    let (operation, subject, also) = s3_operation(&parts);
    let after = (operation == "ListObjectsV2").then(|| begins_after(&parts)).flatten();
    let request = http::Request::from_parts(parts, body);
    (Seen { subject, also, after, ..seen(caller, "s3", operation) }, Target::S3(request))
}

fn own(path: &str) -> (Seen, Target) {
    let (operation, status, text) = match path {
        "/_sluice/health" => ("Health", StatusCode::OK, "{\"status\":\"ok\"}"),
        _ => ("Unknown", StatusCode::NOT_FOUND, "the stand-in knows /_sluice/health only"),
    };
    (seen("-".to_owned(), "sluice", operation.into()), Target::Own(status, text))
}

/// The instance in `/_runtime/<instance>/…`.
fn instance(path: &str) -> Option<&str> {
    path.strip_prefix("/_runtime/")?.split('/').next()
}

fn seen(caller: String, service: &'static str, operation: Cow<'static, str>) -> Seen {
    Seen { caller, service, operation, subject: None, also: None, after: None }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
