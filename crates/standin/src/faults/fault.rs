//! What can happen to a request: the faults, and what each of them makes the server do.
//!
//! Never decides which requests a fault strikes: the rules do.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::reply::Refusal;

/// A request as rules and hooks see it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The access key id of the caller.
    pub caller: String,
    /// The service: `s3`, `redshift-data`, …
    pub service: &'static str,
    /// The operation: `PutObject`, …
    pub operation: Cow<'static, str>,
    /// Its subject: `bucket/key`, or the name of a function.
    pub subject: Option<String>,
    /// What else it touches: the source of a copy, the prefix of a list.
    pub also: Option<String>,
    /// The key after which a list begins. None: it begins with the first key of its prefix.
    pub after: Option<String>,
}

/// What a hook decides about its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Continue as if there were no hook.
    Continue,
    /// Close the connection without an answer. Before the execution, this also means that the request is not executed.
    Lose,
}

/// Called at a request. It must be quick, and may kill the process that sent the request.
pub type Hook = Arc<dyn Fn(&Seen) -> Then + Send + Sync>;

/// When a hook runs, relative to the execution of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request has arrived and has not been executed.
    Before,
    /// The request has been executed and not yet answered.
    After,
}

/// What happens to a request.
#[derive(Clone)]
pub enum Fault {
    /// The service's own answer to too many requests: `SlowDown`, `ThrottlingException`, …
    Throttle,
    /// `InternalError` with status 500; not executed.
    InternalError,
    /// An error of the test's choice: its HTTP status, its code and its message; not executed.
    ///
    /// A rule about the operation `DeleteObject` also strikes the objects of a `DeleteObjects`, each on its own, just
    /// as the permission does. The answer then lists its code and message beside the objects that were deleted.
    Answer(u16, &'static str, &'static str),
    /// An error for one object of a `DeleteObjects`: its code and its message. The other objects of the call are
    /// deleted. A `DeleteObject` of the same key is not struck. The subject of the rule is `bucket/key`, as for a
    /// single delete.
    RefuseKey(&'static str, &'static str),
    /// Executed after this additional time.
    Delay(Duration),
    /// The connection is closed; not executed.
    LoseRequest,
    /// Executed; then the connection is closed without an answer.
    LoseReply,
    /// A hook decides.
    Hook(Moment, Hook),
}

/// What the server must do with a request.
#[derive(Clone)]
pub(crate) enum Plan {
    Proceed,
    Refuse(Refusal),
    Delay(Duration),
    Lose(Moment),
    Call(Moment, Hook),
}

impl Fault {
    /// Answers as if the `ETag` of an object in a `DeleteObjects` did not match, although it does. S3 compares them
    /// there by different rules: public tests of this fail on AWS. A single delete of the same key with the same `ETag`
    /// succeeds.
    /// Source: ceph/s3-tests, whose tests of it are marked as failing on AWS.
    pub const KEY_MISMATCH: Self =
        Self::RefuseKey("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");

    pub(super) fn plan(&self) -> Plan {
        match self {
            Self::Throttle => Plan::Refuse(Refusal::Throttled),
            Self::InternalError => Plan::Refuse(Refusal::InternalError),
            Self::Answer(status, code, message) => Plan::Refuse(Refusal::Answer(*status, code, message)),
            // It strikes an object, not the request.
            Self::RefuseKey(..) => Plan::Proceed,
            Self::Delay(delay) => Plan::Delay(*delay),
            Self::LoseRequest => Plan::Lose(Moment::Before),
            Self::LoseReply => Plan::Lose(Moment::After),
            Self::Hook(moment, hook) => Plan::Call(*moment, Arc::clone(hook)),
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttle => "Throttle",
            Self::InternalError => "InternalError",
            Self::Answer(..) => "Answer",
            Self::RefuseKey(..) => "RefuseKey",
            Self::Delay(_) => "Delay",
            Self::LoseRequest => "LoseRequest",
            Self::LoseReply => "LoseReply",
            Self::Hook(Moment::Before, _) => "Hook(Before)",
            Self::Hook(Moment::After, _) => "Hook(After)",
        })
    }
}
