//! The errors of the Data API, as AWS names them.
//!
//! Never about SQL: an SQL error is the state of a statement.

use http::StatusCode;

/// An error as AWS names it.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "ValidationException", message: message.into() }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "ResourceNotFoundException", message: message.into() }
    }

    pub(super) fn full() -> Self {
        let message = "The number of active statements exceeds the limit.".to_owned();
        Self { status: StatusCode::BAD_REQUEST, kind: "ActiveStatementsExceededException", message }
    }
}
