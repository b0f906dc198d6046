//! The Runtime API: how a process gets its events and returns its answers.
//!
//! Never starts or ends a process; it only passes on what processes report.

use std::sync::PoisonError;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    host::{Delivery, Instance, Instances, Message},
    report::FunctionError,
    service::Lambda,
};

/// Lambda's limit for the answer to a synchronous caller. The stand-in applies it to every answer.
const RESPONSE_LIMIT: usize = 6 * 1024 * 1024 + 100;

impl Lambda {
    /// Answers an unsigned request under `/_runtime/`: a process asks for an event or returns an answer.
    pub(crate) async fn runtime(&self, request: Request<Bytes>) -> Response<Bytes> {
        answer(&self.inner.host.instances, request).await
    }
}

/// Answers a request under `/_runtime/<instance>/2018-06-01/runtime/`.
async fn answer(instances: &Instances, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().to_owned();
    let Some((instance, call)) = split(&path) else {
        return refuse(StatusCode::NOT_FOUND, "InvalidPath", &path);
    };
    let Some(instance) = instances.lock().get(instance).cloned() else {
        return refuse(StatusCode::FORBIDDEN, "InvalidInstance", &format!("no instance {instance} is running"));
    };
    match (request.method(), call.split('/').collect::<Vec<_>>().as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(&instance).await,
        (&Method::POST, ["invocation", id, "response"]) => respond(&instance, id, request.body()),
        (&Method::POST, ["invocation", id, "error"]) => {
            done(&instance, id, Err(FunctionError::reported(request.body().clone())))
        }
        (&Method::POST, ["init", "error"]) => {
            pass_on(&instance, Message::InitError(FunctionError::reported(request.body().clone())))
        }
        _ => refuse(StatusCode::NOT_FOUND, "InvalidPath", &path),
    }
}

fn split(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/_runtime/")?.split_once("/2018-06-01/runtime/")
}

/// Holds the request until there is an event.
async fn next(instance: &Instance) -> Response<Bytes> {
    let (sender, delivery) = oneshot::channel();
    if instance.messages.send(Message::Next(sender)).is_err() {
        return gone();
    }
    match delivery.await {
        Ok(delivery) => event(delivery),
        Err(_) => gone(),
    }
}

fn event(delivery: Delivery) -> Response<Bytes> {
    let id = Uuid::new_v4().simple().to_string();
    let trace = format!("Root=1-{}-{};Parent={};Sampled=0", &id[..8], &id[8..], &id[..16]);
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", delivery.request_id)
        .header("lambda-runtime-deadline-ms", delivery.deadline.as_millisecond().to_string())
        .header("lambda-runtime-invoked-function-arn", delivery.arn)
        .header("lambda-runtime-trace-id", trace)
        .body(delivery.payload)
        .unwrap_or_default()
}

fn respond(instance: &Instance, id: &str, body: &Bytes) -> Response<Bytes> {
    if body.len() <= RESPONSE_LIMIT {
        return done(instance, id, Ok(body.clone()));
    }
    let reason = format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes).");
    let error = FunctionError::platform(id, "Function.ResponseSizeTooLarge", &reason);
    let accepted = done(instance, id, Err(error));
    if accepted.status() == StatusCode::ACCEPTED {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &reason);
    }
    accepted
}

fn done(instance: &Instance, id: &str, result: Result<Bytes, FunctionError>) -> Response<Bytes> {
    // Take it, so that a second answer to the same invocation is refused.
    let was_serving = instance.serving.lock().unwrap_or_else(PoisonError::into_inner).take_if(|serving| serving == id);
    if was_serving.is_none() {
        return refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
    }
    pass_on(instance, Message::Done(result))
}

fn pass_on(instance: &Instance, message: Message) -> Response<Bytes> {
    match instance.messages.send(message) {
        Ok(()) => reply(StatusCode::ACCEPTED, &json!({"status": "OK"})),
        Err(_) => gone(),
    }
}

/// The process is about to be killed, so this answer does not matter.
fn gone() -> Response<Bytes> {
    refuse(StatusCode::FORBIDDEN, "InstanceGone", "this instance is being shut down")
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response<Bytes> {
    reply(status, &json!({"errorType": kind, "errorMessage": message}))
}

fn reply(status: StatusCode, document: &serde_json::Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(document.to_string()));
    *response.status_mut() = status;
    response
}
