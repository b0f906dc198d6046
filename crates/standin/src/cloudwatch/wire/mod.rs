//! The three protocols of the service: CBOR (today's SDKs), JSON 1.0 and the old query protocol with XML answers.
//!
//! Never interprets an operation: it turns requests into plain trees, and trees into answers.

mod cbor;
mod json;
mod query;
mod tree;

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderValue, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

pub(super) use self::tree::{Node, Refusal};

/// The largest request as it arrives; compressed, it may hold more.
const REQUEST_LIMIT: usize = 1024 * 1024;

/// The most bytes that a compressed request may unpack to.
const UNPACKED_LIMIT: u64 = 64 * 1024 * 1024;

/// The protocol of a caller, which is also the protocol of its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    Cbor,
    Json,
    Query,
}

/// A request, parsed.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) operation: String,
    input: Value,
}

impl Question {
    pub(super) fn input<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        T::deserialize(&self.input).map_err(|error| Refusal::malformed(&error))
    }
}

/// Reads a request. The protocol is known even if the rest is unreadable.
pub(super) fn read(request: &Request<Bytes>) -> (Protocol, Result<Question, Refusal>) {
    let protocol = protocol(request);
    (protocol, question(protocol, request))
}

/// The operation that a request names.
pub(super) fn operation(request: &Request<Bytes>) -> String {
    let named = match protocol(request) {
        Protocol::Cbor => cbor::operation(request).map(ToOwned::to_owned),
        Protocol::Json => json::operation(request).map(ToOwned::to_owned),
        Protocol::Query => body(request).ok().and_then(|body| query::operation(request, &body)),
    };
    named.unwrap_or_else(|| "Unknown".to_owned())
}

/// Writes a refusal, or an answer with the name of its operation.
pub(super) fn write(protocol: Protocol, answer: Result<(String, Node), Refusal>) -> Response<Bytes> {
    let request_id = Uuid::new_v4().to_string();
    let (status, query_error, answer) = match answer {
        Ok(answer) => (StatusCode::OK, None, Ok(answer)),
        Err(refusal) => (
            refusal.status,
            HeaderValue::try_from(format!("{};{}", refusal.names.1, refusal.side())).ok(),
            Err(refusal),
        ),
    };
    let mut response = match protocol {
        Protocol::Cbor => cbor::write(answer),
        Protocol::Json => json::write(answer),
        Protocol::Query => query::write(answer, &request_id),
    };
    *response.status_mut() = status;
    if let (Some(error), false) = (query_error, protocol == Protocol::Query) {
        response.headers_mut().insert("x-amzn-query-error", error);
    }
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("x-amzn-requestid", request_id);
    }
    response
}

fn protocol(request: &Request<Bytes>) -> Protocol {
    let headers = request.headers();
    if headers.get("smithy-protocol").is_some_and(|name| name == "rpc-v2-cbor") {
        Protocol::Cbor
    } else if headers.contains_key("x-amz-target") {
        Protocol::Json
    } else {
        Protocol::Query
    }
}

fn question(protocol: Protocol, request: &Request<Bytes>) -> Result<Question, Refusal> {
    let body = body(request)?;
    let (operation, input) = match protocol {
        Protocol::Cbor => (cbor::operation(request).map(ToOwned::to_owned), cbor::read(&body)?),
        Protocol::Json => (json::operation(request).map(ToOwned::to_owned), json::read(&body)?),
        Protocol::Query => (query::operation(request, &body), query::read(request, &body)),
    };
    let operation = operation.ok_or_else(|| Refusal::unknown_operation(request.uri().path()))?;
    Ok(Question { operation, input: without_nulls(input) })
}

/// The body, unpacked if it is compressed.
fn body(request: &Request<Bytes>) -> Result<Bytes, Refusal> {
    let body = request.body();
    if body.len() > REQUEST_LIMIT {
        return Err(Refusal::too_large(body.len(), REQUEST_LIMIT));
    }
    if request.headers().get("content-encoding").is_none_or(|encoding| encoding != "gzip") {
        return Ok(body.clone());
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(body.as_ref())
        .take(UNPACKED_LIMIT)
        .read_to_end(&mut unpacked)
        .map_err(|error| Refusal::malformed(&error))?;
    Ok(unpacked.into())
}

/// Removes null fields: null means absent.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.into_iter().filter(|(_, it)| !it.is_null()).map(|(name, it)| (name, without_nulls(it))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
