//! Turns each failure of the SDK into a [`PortError`] with its kind. No other place does.
//!
//! Never logs and never decides what happens next.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use sluice_core::ports::{Operation, PortError, PortErrorKind};

/// Makes the error of a failed call of `operation` on `subject`.
pub(crate) fn failed<E>(operation: Operation, subject: impl Into<String>, error: SdkError<E>) -> PortError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let kind = kind(error.code(), status(&error), &error);
    PortError::new(operation, subject, kind, Cause { text: text(&error), source: error.into() })
}

/// The HTTP status of the answer, if there was one.
pub(crate) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// The kind of an error with a code and no status: the error of one object in a call for many.
pub(crate) fn kind_of_code(code: &str) -> PortErrorKind {
    by_code(code).unwrap_or(PortErrorKind::Unavailable)
}

fn kind<E>(code: Option<&str>, status: Option<u16>, error: &SdkError<E>) -> PortErrorKind {
    match error {
        SdkError::ConstructionFailure(_) => PortErrorKind::Invalid,
        SdkError::ServiceError(_) => code.and_then(by_code).unwrap_or_else(|| by_status(status.unwrap_or(500))),
        // There was no answer, or it could not be read.
        _ => PortErrorKind::Unavailable,
    }
}

/// The kind of a known error code, whatever its HTTP status.
///
/// Sources: Amazon S3 API Reference, "Error responses"; the error lists of the Redshift Data, Lambda and CloudWatch API
/// references; the SDK's own list of throttling codes (`aws-runtime`, `retries/classifiers.rs`).
fn by_code(code: &str) -> Option<PortErrorKind> {
    let kind = match code {
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "LimitExceededException"
        | "EC2ThrottledException"
        | "ActiveStatementsExceededException"
        | "ActiveSessionsExceededException"
        | "ActiveWaitingRequestsExceededException" => PortErrorKind::Throttled,
        // Temporary failures. A skewed clock and an expired session count too: both correct themselves.
        "RequestTimeout"
        | "RequestTimeoutException"
        | "RequestTimeTooSkewed"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InternalError"
        | "InternalServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ExecuteStatementException"
        | "BatchExecuteStatementException"
        | "OperationAborted"
        | "ConditionalRequestConflict"
        | "ResourceNotReadyException"
        | "ResourceConflictException" => PortErrorKind::Unavailable,
        "AccessDenied"
        | "AccessDeniedException"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "KMSAccessDeniedException"
        | "KMS.AccessDeniedException" => PortErrorKind::Denied,
        "NoSuchBucket"
        | "NoSuchKey"
        | "NoSuchUpload"
        | "NotFound"
        | "ResourceNotFoundException"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed" => PortErrorKind::Missing,
        "ValidationException" | "InvalidParameterValue" | "InvalidParameterValueException" => PortErrorKind::Invalid,
        _ => return None,
    };
    Some(kind)
}

/// The kind of an answer without a code (answers to HEAD), or with an unknown one.
fn by_status(status: u16) -> PortErrorKind {
    match status {
        // S3 answers 503 when it wants fewer requests.
        429 | 503 => PortErrorKind::Throttled,
        408 | 409 | 500.. => PortErrorKind::Unavailable,
        401 | 403 => PortErrorKind::Denied,
        300..=399 | 404 => PortErrorKind::Missing,
        _ => PortErrorKind::Invalid,
    }
}

/// A failure of the SDK whose text contains the service's message. The SDK's own text is just "service error".
#[derive(Debug)]
struct Cause {
    text: String,
    source: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

fn text<E: ProvideErrorMetadata + StdError + 'static>(error: &SdkError<E>) -> String {
    match error.raw_response() {
        Some(response) => answered(error.code(), error.message(), response),
        None => chain(error),
    }
}

fn answered(code: Option<&str>, message: Option<&str>, response: &HttpResponse) -> String {
    let (code, message) = (code.unwrap_or("no error code"), message.unwrap_or("no message"));
    let id = ["x-amzn-requestid", "x-amz-request-id"].iter().find_map(|name| response.headers().get(name));
    format!("{code}: {message} (HTTP {}, request {})", response.status().as_u16(), id.unwrap_or("without id"))
}

/// The error and all its causes.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_sdk_s3::primitives::SdkBody;
    use sluice_core::ports::Service;
    use test_case::test_case;

    use super::*;

    #[test_case("SlowDown", 503 => PortErrorKind::Throttled)]
    #[test_case("ThrottlingException", 400 => PortErrorKind::Throttled)]
    #[test_case("TooManyRequestsException", 429 => PortErrorKind::Throttled)]
    #[test_case("ActiveStatementsExceededException", 400 => PortErrorKind::Throttled)]
    #[test_case("AccessDenied", 403 => PortErrorKind::Denied)]
    #[test_case("NoSuchBucket", 404 => PortErrorKind::Missing)]
    #[test_case("PermanentRedirect", 301 => PortErrorKind::Missing)]
    #[test_case("ResourceNotFoundException", 400 => PortErrorKind::Missing)]
    #[test_case("ValidationException", 400 => PortErrorKind::Invalid)]
    #[test_case("InternalServerException", 500 => PortErrorKind::Unavailable)]
    #[test_case("ExpiredToken", 400 => PortErrorKind::Unavailable)]
    #[test_case("SomethingNew", 400 => PortErrorKind::Invalid)]
    #[test_case("SomethingNew", 502 => PortErrorKind::Unavailable)]
    #[test_case("SomethingNew", 403 => PortErrorKind::Denied)]
    fn a_service_s_error_is_known_by_code_then_status(code: &str, status: u16) -> PortErrorKind {
        failed(Service::Bucket.call("s3:ListObjectsV2"), "bucket", service_error(code, status)).kind
    }

    #[test]
    fn the_text_says_what_the_service_said() {
        let error = failed(Service::Bucket.call("s3:ListObjectsV2"), "bucket", service_error("AccessDenied", 403));
        let text = error.to_string();
        assert!(text.ends_with("AccessDenied: because (HTTP 403, request ABC)"), "{text}");
    }

    #[test]
    fn no_answer_may_have_taken_effect() {
        let error: SdkError<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error> =
            SdkError::timeout_error("40 s are over");
        let error = failed(Service::Bucket.call("s3:ListObjectsV2"), "bucket", error);
        assert_eq!(error.kind, PortErrorKind::Unavailable);
        assert!(error.to_string().contains("40 s are over"), "{error}");
    }

    fn service_error(code: &str, status: u16) -> SdkError<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error> {
        let metadata = aws_sdk_s3::error::ErrorMetadata::builder().code(code).message("because").build();
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        response.headers_mut().insert("x-amz-request-id", "ABC");
        SdkError::service_error(aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error::generic(metadata), response)
    }
}
