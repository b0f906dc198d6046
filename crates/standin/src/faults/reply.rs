//! How each service reports, in its own protocol, that it is too busy or broken.
//!
//! Never decides when to answer so. Clients recognize these answers and retry them, so the shape must be right.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;

/// An answer that replaces the service's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Throttled,
    InternalError,
    Answer(u16, &'static str, &'static str),
}

/// A refusal: status, error code, message.
type Words = (StatusCode, &'static str, &'static str);

impl Refusal {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttle",
            Self::InternalError => "internal-error",
            Self::Answer(..) => "answer",
        }
    }

    /// The answer of `service` to a request with these headers.
    pub(crate) fn response(self, service: &str, request: &HeaderMap) -> Response<Bytes> {
        let words = self.words(service);
        let cbor = request.get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor");
        let form = request
            .get(CONTENT_TYPE)
            .is_some_and(|form| form.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        match service {
            "s3" => s3(words),
            _ if cbor => rpc_v2_cbor(words),
            _ if form => query(words),
            _ => json(words),
        }
    }

    fn words(self, service: &str) -> Words {
        match (self, service.as_bytes()) {
            (Self::Answer(status, code, message), _) => {
                (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), code, message)
            }
            (Self::Throttled, b"s3") => {
                (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
            }
            (Self::Throttled, b"lambda") => {
                (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
            }
            (Self::Throttled, _) => (StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
            (Self::InternalError, b"s3") => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalError",
                "We encountered an internal error. Please try again.",
            ),
            (Self::InternalError, b"lambda") => {
                (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", "The service encountered an internal error.")
            }
            (Self::InternalError, b"monitoring") => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServiceFault",
                "The request processing has failed because of an unknown error.",
            ),
            (Self::InternalError, _) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerException",
                "The request processing has failed because of an unknown error.",
            ),
        }
    }
}

fn s3((status, code, message): Words) -> Response<Bytes> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>STANDIN</RequestId><HostId>standin</HostId></Error>"
    );
    answer(status, "application/xml", None, body.into())
}

fn query((status, code, message): Words) -> Response<Bytes> {
    let kind = if status.is_server_error() { "Receiver" } else { "Sender" };
    let body = format!(
        "<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>standin</RequestId></ErrorResponse>"
    );
    answer(status, "text/xml", None, body.into())
}

fn json((status, code, message): Words) -> Response<Bytes> {
    let body = json!({"__type": code, "message": message, "Message": message}).to_string();
    answer(status, "application/x-amz-json-1.1", Some(("x-amzn-errortype", code)), body.into())
}

fn rpc_v2_cbor((status, code, message): Words) -> Response<Bytes> {
    let mut body = Vec::new();
    // Writing to a vector cannot fail, and text can always be encoded.
    _ = ciborium::into_writer(&json!({"__type": code, "message": message}), &mut body);
    answer(status, "application/cbor", Some(("smithy-protocol", "rpc-v2-cbor")), body.into())
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    header: Option<(&'static str, &'static str)>,
    body: Bytes,
) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some((name, value)) = header {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_says_slow_down_in_xml() {
        let response = Refusal::Throttled.response("s3", &HeaderMap::new());
        assert_eq!(response.status(), 503);
        assert!(response.body().windows(8).any(|window| window == b"SlowDown"));
    }

    #[test]
    fn the_data_api_says_throttling_exception_in_json() {
        let response = Refusal::Throttled.response("redshift-data", &HeaderMap::new());
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["x-amzn-errortype"], "ThrottlingException");
    }

    #[test]
    fn a_cbor_client_is_answered_in_cbor() {
        let mut headers = HeaderMap::new();
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        let response = Refusal::Throttled.response("monitoring", &headers);
        assert_eq!(response.headers()["smithy-protocol"], "rpc-v2-cbor");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/cbor");
    }
}
