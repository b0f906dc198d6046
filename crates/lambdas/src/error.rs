//! Every failure of a start or of an invocation, with a type that alarms and callers can rely on.
//!
//! The only place that turns an error into Lambda's report. Never logs.

use lambda_runtime::Diagnostic;
use sluice_aws::{ConfigSourceError, SettingsError};
use sluice_core::arrive::ArriveError;
use sluice_core::ports::{PortError, Service};

use crate::event::EventError;

/// Why a function did not start, or an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The configuration is wrong, or cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigSourceError),
    /// The configuration needs workers, and the environment names none.
    #[error(
        "feed {feed} has fan_out = true and no worker is known: set SLUICE_WORKER_FUNCTION to its name, or fan_out = false"
    )]
    NoWorker {
        /// The first such feed.
        feed: String,
    },
    /// The event cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Files of an event could not be examined.
    #[error(transparent)]
    Arrive(#[from] ArriveError),
    /// A service failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Error {
    /// The error's type as Lambda reports it. Other programs read it, so it must not change.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            // S3 may be the cause, but the remedy is the same: nothing runs without a configuration.
            Self::Settings(_) | Self::NoWorker { .. } | Self::Config(_) => "ConfigurationError",
            Self::Event(_) => "EventError",
            Self::Arrive(error) => of_service(&error.source),
            Self::Port(error) => of_service(error),
        }
    }
}

fn of_service(error: &PortError) -> &'static str {
    match error.operation.service {
        Service::Bucket => "S3Error",
        Service::Warehouse => "RedshiftError",
        Service::Functions => "LambdaError",
        Service::Metrics => "CloudWatchError",
        // The configuration makes a name too long.
        Service::Nobody => "ConfigurationError",
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.error_type().to_owned(), error_message: error.to_string() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sluice_core::ports::Operation;
    use sluice_core::ports::PortErrorKind;
    use test_case::test_case;

    use super::*;

    #[test_case(Error::Settings(SettingsError::NoConfig) => "ConfigurationError"; "environment")]
    #[test_case(Error::NoWorker { feed: "f".into() } => "ConfigurationError"; "no worker")]
    #[test_case(Error::Event(EventError::KeyEncoding) => "EventError"; "event")]
    #[test_case(port(Service::Bucket.call("s3:ListObjectsV2")).into() => "S3Error"; "s3")]
    #[test_case(Error::Arrive(ArriveError { files: 1, source: port(Service::Bucket.call("s3:HeadObject")) }) => "S3Error"; "arrivals")]
    #[test_case(port(Service::Warehouse.call("redshift-data:DescribeStatement")).into() => "RedshiftError"; "redshift")]
    #[test_case(port("tick").into() => "ConfigurationError"; "the core's own")]
    fn the_type_says_whose_the_error_is(error: Error) -> String {
        Diagnostic::from(error).error_type
    }

    #[test]
    fn the_message_says_what_to_do() {
        let message = Diagnostic::from(Error::from(port(Service::Bucket.call("s3:ListObjectsV2")))).error_message;
        assert_eq!(
            message,
            "s3:ListObjectsV2 on \"landing\": access denied; grant this right to the function's role: no"
        );
    }

    fn port(operation: impl Into<Operation>) -> PortError {
        PortError::new(operation, "landing", PortErrorKind::Denied, "no")
    }
}
