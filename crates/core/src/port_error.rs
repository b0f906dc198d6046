//! A failed call of any port: what was asked of whom, and what can be done about it.
//!
//! Never decides what a kind leads to: [`disposition`](crate::disposition) does.

use std::error::Error as StdError;

/// A call that failed.
///
/// ```
/// use sluice_core::ports::{PortError, PortErrorKind, Service};
///
/// let put = Service::Bucket.call("s3:PutObject");
/// let error = PortError::new(put, "s3://acme/sluice/claims/flights/0.json", PortErrorKind::Denied, "403 Forbidden");
/// assert_eq!(
///     error.to_string(),
///     "s3:PutObject on \"s3://acme/sluice/claims/flights/0.json\": access denied; \
///      grant this right to the function's role: 403 Forbidden"
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{} on {subject:?}: {}: {source}", operation.name, self.remedy())]
pub struct PortError {
    /// What was asked, and of whom.
    pub operation: Operation,
    /// The thing it was about: bucket and key, a statement's id, a function's name.
    pub subject: String,
    /// What can be done about it.
    pub kind: PortErrorKind,
    /// The cause.
    pub source: Box<dyn StdError + Send + Sync>,
}

/// What was asked of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who was asked.
    pub service: Service,
    /// The operation as its service names it, such as `s3:PutObject`.
    pub name: &'static str,
}

/// Who is asked by a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Where files, claims and manifests are.
    Bucket,
    /// Where rows go.
    Warehouse,
    /// Who runs the functions.
    Functions,
    /// Who takes measures.
    Metrics,
    /// No service: it failed before a call was made, or in memory.
    Nobody,
}

impl Service {
    /// An operation of this service.
    #[must_use]
    pub const fn call(self, name: &'static str) -> Operation {
        Operation { service: self, name }
    }
}

impl From<&'static str> for Operation {
    fn from(name: &'static str) -> Self {
        Service::Nobody.call(name)
    }
}

/// What can be done about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortErrorKind {
    /// The service asks for fewer calls, or is full for now.
    Throttled,
    /// The service did not answer, or answered with a failure of its own. The call may have taken effect.
    Unavailable,
    /// The right to the call is missing.
    Denied,
    /// What the call names does not exist: a bucket, a warehouse, a function.
    Missing,
    /// The call is wrong; repeating it cannot help.
    Invalid,
    /// The service refuses the call, perhaps for its size. A smaller one may work.
    TooLarge,
}

impl PortError {
    /// An error of `operation` on `subject`.
    pub fn new(
        operation: impl Into<Operation>,
        subject: impl Into<String>,
        kind: PortErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { operation: operation.into(), subject: subject.into(), kind, source: source.into() }
    }

    /// A second error of the same call, where one failed call is about many things. Its cause is kept as text.
    #[must_use]
    pub fn same(&self) -> Self {
        Self::new(self.operation, self.subject.clone(), self.kind, self.source.to_string())
    }
    /// What the operator should do.
    fn remedy(&self) -> &'static str {
        match self.kind {
            PortErrorKind::Throttled => "throttled; it is tried again",
            PortErrorKind::Unavailable => "no usable answer; it is tried again",
            PortErrorKind::Denied => "access denied; grant this right to the function's role",
            PortErrorKind::Missing => "not found; check the name, the account and the Region",
            PortErrorKind::Invalid if self.operation.service == Service::Warehouse => {
                "refused as invalid; check that the warehouse the feed names is there and not paused"
            }
            PortErrorKind::Invalid => "refused as invalid",
            PortErrorKind::TooLarge => "refused, perhaps for its size; fewer files are sent at once",
        }
    }
}
