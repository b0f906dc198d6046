//! Answers and refusals before a protocol writes them.
//!
//! Never knows a protocol.

use http::StatusCode;
use jiff::Timestamp;

/// An answer before it is serialized.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// The answer of an operation that returns nothing.
    Nothing,
    Struct(Vec<(&'static str, Self)>),
    Map(Vec<(String, Self)>),
    List(Vec<Self>),
    Text(String),
    Number(f64),
    Time(Timestamp),
}

/// A refusal, for every protocol.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    /// The name in the service model, and the older code that the query protocol uses for it.
    pub(super) names: (&'static str, &'static str),
    pub(super) message: String,
}

impl Refusal {
    /// A required parameter is missing.
    pub(crate) fn missing(message: String) -> Self {
        Self::sender(("MissingRequiredParameterException", "MissingParameter"), message)
    }

    /// A parameter has a value that is not allowed.
    pub(crate) fn value(message: String) -> Self {
        Self::sender(("InvalidParameterValueException", "InvalidParameterValue"), message)
    }

    /// Parameters that cannot be combined.
    pub(crate) fn combination(message: String) -> Self {
        Self::sender(("InvalidParameterCombinationException", "InvalidParameterCombination"), message)
    }

    /// An operation that the stand-in does not have.
    pub(crate) fn unknown_operation(name: &str) -> Self {
        let message = format!(
            "The action {name} is not valid for this web service: the stand-in has PutMetricData, GetMetricStatistics, GetMetricData and ListMetrics."
        );
        Self::sender(("UnknownOperationException", "InvalidAction"), message)
    }

    pub(super) fn malformed(error: &dyn std::error::Error) -> Self {
        Self::sender(("SerializationException", "MalformedInput"), format!("The request cannot be read: {error}"))
    }

    pub(super) fn too_large(size: usize, limit: usize) -> Self {
        let message = format!("The request has {size} bytes; at most {limit} are allowed.");
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::sender(("RequestEntityTooLargeException", "RequestEntityTooLarge"), message)
        }
    }

    fn sender(names: (&'static str, &'static str), message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, names, message }
    }

    pub(super) fn side(&self) -> &'static str {
        if self.status.is_server_error() { "Receiver" } else { "Sender" }
    }
}

/// Seconds since 1970, to the millisecond, as CBOR and JSON write timestamps.
pub(super) fn seconds(at: Timestamp) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of this era are exact")]
    let milliseconds = at.as_millisecond() as f64;
    milliseconds / 1000.0
}
