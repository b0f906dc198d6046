//! A failed call of any port: what was asked of whom, and what can be done about it.
//!
//! Decides nothing: what a kind leads to, `disposition` says.

use std::error::Error as StdError;
use std::fmt;

/// A call that failed: what was asked of whom, about what, why, and of which kind the failure is.
#[derive(Debug)]
pub struct PortError {
    /// What was asked, and of whom.
    pub operation: Operation,
    /// What it was about: bucket and key, a statement's id, a function's name.
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
    /// Nobody: it failed before a call was made, or in memory.
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
    /// The call is wrong as it stands; repeating it cannot help.
    Invalid,
    /// The call is refused, and may be larger than the service takes: a smaller one may do.
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

    /// The same error once more: one call that failed may be about many things.
    #[must_use]
    pub fn same(&self) -> Self {
        Self::new(self.operation, self.subject.clone(), self.kind, self.source.to_string())
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, subject, kind, source } = self;
        let remedy = match kind {
            PortErrorKind::Throttled => "throttled; it is tried again",
            PortErrorKind::Unavailable => "no usable answer; it is tried again",
            PortErrorKind::Denied => "access denied; grant this right to the function's role",
            PortErrorKind::Missing => "not found; check the name, the account and the Region",
            PortErrorKind::Invalid if operation.service == Service::Warehouse => {
                "refused as invalid; check that the warehouse the feed names is there and not paused"
            }
            PortErrorKind::Invalid => "refused as invalid",
            PortErrorKind::TooLarge => "refused, perhaps for its size; fewer files are sent at once",
        };
        write!(f, "{} on {subject:?}: {remedy}: {source}", operation.name)
    }
}

impl StdError for PortError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}
