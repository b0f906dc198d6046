//! The Lambda API over HTTP: `Invoke`, and as much of the rest as a look at the functions needs.
//!
//! Never runs anything itself; it reads requests and writes answers.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    function::{Function, arn},
    report::{InvokeError, Report},
    service::Lambda,
};
use crate::service::Call;

/// The largest event that can be queued.
const EVENT_LIMIT: usize = 1024 * 1024;

/// The largest event of a synchronous invocation.
const REQUEST_LIMIT: usize = 6 * 1024 * 1024 + 100;

impl Lambda {
    /// Answers a signed request to the Lambda API.
    pub(crate) async fn call(&self, call: Call) -> Response<Bytes> {
        answer(self, call).await
    }

    /// The operation that a request to the Lambda API names, as IAM writes it.
    pub(crate) fn operation(request: &Request<Bytes>) -> &'static str {
        operation(request)
    }

    /// The function that a request to the Lambda API names.
    pub(crate) fn subject(request: &Request<Bytes>) -> Option<String> {
        subject(request)
    }
}

async fn answer(lambda: &Lambda, call: Call) -> Response<Bytes> {
    let operation = operation(&call.request);
    let name = match named(&call.request) {
        Ok(name) => name,
        Err(refusal) => return refusal.answer(),
    };
    let answered = match (operation, name) {
        ("Invoke", Some(name)) => invoke(lambda, &call, &name).await,
        ("GetFunction", Some(name)) => {
            configuration(lambda, &call.region, &name).map(|it| reply(StatusCode::OK, &json!({"Configuration": it})))
        }
        ("GetFunctionConfiguration", Some(name)) => {
            configuration(lambda, &call.region, &name).map(|it| reply(StatusCode::OK, &it))
        }
        ("ListFunctions", _) => Ok(list(lambda, &call.region)),
        _ => Err(Refusal::unknown(&call.request)),
    };
    answered.unwrap_or_else(Refusal::answer)
}

fn operation(request: &Request<Bytes>) -> &'static str {
    let segments: Vec<_> = request.uri().path().trim_matches('/').split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::POST, ["2015-03-31", "functions", _, "invocations"]) => "Invoke",
        (&Method::GET, ["2015-03-31", "functions"]) => "ListFunctions",
        (&Method::GET, ["2015-03-31", "functions", _]) => "GetFunction",
        (&Method::GET, ["2015-03-31", "functions", _, "configuration"]) => "GetFunctionConfiguration",
        _ => "Unknown",
    }
}

fn subject(request: &Request<Bytes>) -> Option<String> {
    named(request).ok().flatten()
}

async fn invoke(lambda: &Lambda, call: &Call, name: &str) -> Result<Response<Bytes>, Refusal> {
    let payload = call.request.body().clone();
    match header(&call.request, "x-amz-invocation-type").unwrap_or("RequestResponse") {
        "Event" => {
            check(&payload, "Event", EVENT_LIMIT)?;
            let request_id = lambda.deliver(name, payload)?;
            Ok(respond(StatusCode::ACCEPTED, &request_id, Bytes::new()))
        }
        "RequestResponse" => {
            check(&payload, "RequestResponse", REQUEST_LIMIT)?;
            Ok(answered(&*lambda.invoke(name, payload).await?))
        }
        "DryRun" => {
            configuration(lambda, &call.region, name)?;
            Ok(respond(StatusCode::NO_CONTENT, &Uuid::new_v4().to_string(), Bytes::new()))
        }
        other => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValueException",
            format!("Invocation type {other} is none of Event, RequestResponse, DryRun"),
        )),
    }
}

fn check(payload: &Bytes, kind: &str, limit: usize) -> Result<(), Refusal> {
    if payload.len() > limit {
        let message =
            format!("{} byte payload is too large for the {kind} invocation type (limit {limit} bytes)", payload.len());
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message));
    }
    if payload.is_empty() {
        return Ok(());
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(payload).map(drop).map_err(|error| {
        let message = format!("Could not parse request body into json: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
    })
}

fn answered(report: &Report) -> Response<Bytes> {
    let body = match &report.result {
        Ok(body) => body,
        Err(error) => &error.body,
    };
    let mut response = respond(StatusCode::OK, &report.request_id, body.clone());
    let headers = response.headers_mut();
    headers.insert("x-amz-executed-version", http::HeaderValue::from_static("$LATEST"));
    if report.result.is_err() {
        headers.insert("x-amz-function-error", http::HeaderValue::from_static("Unhandled"));
    }
    response
}

fn configuration(lambda: &Lambda, region: &str, name: &str) -> Result<Value, Refusal> {
    let function = lambda.function(name).ok_or_else(|| InvokeError::NotFound { arn: arn(region, name) })?;
    Ok(describe(&function, region))
}

fn list(lambda: &Lambda, region: &str) -> Response<Bytes> {
    let functions: Vec<_> =
        lambda.functions().iter().filter_map(|name| configuration(lambda, region, name).ok()).collect();
    reply(StatusCode::OK, &json!({"Functions": functions}))
}

fn describe(function: &Function, region: &str) -> Value {
    json!({
        "FunctionName": function.name,
        "FunctionArn": function.arn(region),
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Timeout": function.timeout.as_secs(),
        "MemorySize": function.memory_mb,
        "Version": "$LATEST",
        "State": "Active",
        "PackageType": "Zip",
        "Environment": {"Variables": function.environment},
    })
}

/// The function that the path names: by name, by `name:$LATEST`, or by a full or partial ARN.
fn named(request: &Request<Bytes>) -> Result<Option<String>, Refusal> {
    let Some(segment) = request.uri().path().trim_matches('/').split('/').nth(2) else {
        return Ok(None);
    };
    let decoded = percent_decode_str(segment).decode_utf8_lossy();
    let mut parts = decoded.split(':').skip_while(|part| *part != "function").skip(1);
    let (name, qualifier) = match parts.next() {
        Some(name) => (name, parts.next()),
        None => decoded.split_once(':').map_or((&*decoded, None), |(name, qualifier)| (name, Some(qualifier))),
    };
    match qualifier.or_else(|| query_qualifier(request)) {
        None | Some("$LATEST" | "%24LATEST") => Ok(Some(name.to_owned())),
        Some(other) => {
            let message = format!("Function not found: {name}:{other}; the stand-in only has $LATEST");
            Err(Refusal::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message))
        }
    }
}

fn query_qualifier(request: &Request<Bytes>) -> Option<&str> {
    request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("Qualifier="))
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// A refusal in the shape that SDKs read.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: String) -> Self {
        Self { status, kind, message }
    }

    fn unknown(request: &Request<Bytes>) -> Self {
        let message = format!("the stand-in's Lambda does not know {} {}", request.method(), request.uri().path());
        Self::new(StatusCode::NOT_FOUND, "UnknownOperationException", message)
    }

    fn answer(self) -> Response<Bytes> {
        let side = if self.status.is_server_error() { "Service" } else { "User" };
        let mut document = json!({"Type": side, "Message": self.message, "message": self.message});
        if self.kind == "TooManyRequestsException" {
            document["Reason"] = "ReservedFunctionConcurrentInvocationLimitExceeded".into();
        }
        let mut response = reply(self.status, &document);
        response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(self.kind));
        response
    }
}

impl From<InvokeError> for Refusal {
    fn from(error: InvokeError) -> Self {
        let (status, kind) = match &error {
            InvokeError::NotFound { .. } => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
            InvokeError::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
            InvokeError::Stopping { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException"),
        };
        Self::new(status, kind, error.to_string())
    }
}

fn reply(status: StatusCode, document: &Value) -> Response<Bytes> {
    respond(status, &Uuid::new_v4().to_string(), Bytes::from(document.to_string()))
}

fn respond(status: StatusCode, request_id: &str, body: Bytes) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("x-amzn-requestid", request_id)
        .body(body)
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn post(path: &str) -> Request<Bytes> {
        Request::builder().method(Method::POST).uri(path).body(Bytes::new()).unwrap()
    }

    #[test_case("/2015-03-31/functions/worker/invocations"; "name")]
    #[test_case("/2015-03-31/functions/worker:$LATEST/invocations"; "name and version")]
    #[test_case("/2015-03-31/functions/worker/invocations?Qualifier=$LATEST"; "version in the query")]
    #[test_case("/2015-03-31/functions/000000000000%3Afunction%3Aworker/invocations"; "part of an ARN")]
    #[test_case("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aworker/invocations"; "encoded ARN")]
    #[test_case("/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:worker:$LATEST/invocations"; "ARN with a version")]
    fn a_function_is_found_by(path: &str) {
        assert_eq!(subject(&post(path)).as_deref(), Some("worker"));
        assert_eq!(operation(&post(path)), "Invoke");
    }

    #[test]
    fn other_versions_do_not_exist() {
        let refusal = named(&post("/2015-03-31/functions/worker:7/invocations")).unwrap_err();
        assert_eq!((refusal.status, refusal.kind), (StatusCode::NOT_FOUND, "ResourceNotFoundException"));
    }

    #[test_case(b"", 0 => true; "an empty event is an empty object")]
    #[test_case(b"{\"a\":1}", 7 => true; "at the limit")]
    #[test_case(b"{\"a\":1}", 6 => false; "over the limit")]
    #[test_case(b"{\"a\":", 99 => false; "not JSON")]
    fn an_event_is_accepted(payload: &'static [u8], limit: usize) -> bool {
        check(&Bytes::from_static(payload), "Event", limit).is_ok()
    }
}
