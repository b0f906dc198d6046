//! The Data API's operations over HTTP: what each takes, checks and answers, in awsJson1.1.
//!
//! Never turns an SQL error into an HTTP error: an SQL error is the state of a statement.

mod error;
mod execute;
mod fields;
mod list;
mod look;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::warehouse::Redshift;
use crate::service::Call;
use error::ApiError;

const TARGET: &str = "x-amz-target";
const SERVICE: &str = "RedshiftData.";

/// The operation that a request names, for the journal.
#[must_use]
pub fn operation(request: &Request<Bytes>) -> String {
    let target = request.headers().get(TARGET).and_then(|value| value.to_str().ok()).unwrap_or_default();
    target.strip_prefix(SERVICE).unwrap_or("Unknown").to_owned()
}

/// The warehouse that a request names, if it names one.
#[must_use]
pub fn subject(request: &Request<Bytes>) -> Option<String> {
    let body: Value = serde_json::from_slice(request.body()).ok()?;
    let named = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
    named("WorkgroupName").or_else(|| named("ClusterIdentifier"))
}

impl Redshift {
    /// Answers one request of the Data API, from any caller.
    pub async fn call(&self, call: Call) -> Response<Bytes> {
        answer(self, &call.request).await
    }
}

async fn answer(redshift: &Redshift, request: &Request<Bytes>) -> Response<Bytes> {
    let result = dispatch(redshift, request).await;
    let (status, kind, body) = match result {
        Ok(body) => (StatusCode::OK, None, body),
        Err(error) => {
            let mut body = json!({ "__type": error.kind, "message": error.message, "Message": error.message });
            if let (Value::Object(body), "ResourceNotFoundException") = (&mut body, error.kind) {
                body.insert("ResourceId".to_owned(), json!(""));
            }
            (error.status, Some(error.kind), body)
        }
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/x-amz-json-1.1"));
    if let Some(kind) = kind {
        headers.insert("x-amzn-errortype", http::HeaderValue::from_static(kind));
    }
    if let Ok(id) = http::HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

async fn dispatch(redshift: &Redshift, request: &Request<Bytes>) -> Result<Value, ApiError> {
    let operation = operation(request);
    let body = request.body();
    match operation.as_str() {
        "ExecuteStatement" | "BatchExecuteStatement" => {
            execute::execute(redshift, parse(body)?, operation == "BatchExecuteStatement").await
        }
        "DescribeStatement" => look::describe(redshift, &parse(body)?).await,
        "GetStatementResult" => look::result(redshift, &parse(body)?).await,
        "CancelStatement" => look::cancel(redshift, &parse(body)?),
        "ListStatements" => list::list(redshift, &parse(body)?),
        _ => Err(ApiError {
            status: StatusCode::BAD_REQUEST,
            kind: "UnknownOperationException",
            message: format!("{operation} is not an operation of this stand-in"),
        }),
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError {
        status: StatusCode::BAD_REQUEST,
        kind: "SerializationException",
        message: error.to_string(),
    })
}
