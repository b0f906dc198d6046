//! Faults that tests inject into requests, by rule, repeatable by seed.
//!
//! Decides what happens to a request and when; never does it: the server does. A fraction is drawn from the subject of
//! a request and the number of earlier requests for it, not from the order of arrival. So two runs meet the same faults
//! even if their requests interleave differently.

mod latency;
mod reply;
mod rule;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use latency::Latency;
pub(crate) use reply::Refusal;
use rule::Active;
pub use rule::Rule;

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

/// Identifies a rule, so that it can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

/// The active rules and the latency. A handle: clones share the rules.
#[derive(Clone, Debug)]
pub struct Faults {
    seed: u64,
    latency: Arc<Mutex<Latency>>,
    draws: Arc<AtomicU64>,
    rules: Arc<Mutex<Vec<Active>>>,
    last: Arc<AtomicU64>,
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

impl Faults {
    pub(crate) fn new(seed: u64, latency: Latency) -> Self {
        Self {
            seed,
            latency: Arc::new(Mutex::new(latency)),
            draws: Arc::default(),
            rules: Arc::default(),
            last: Arc::default(),
        }
    }

    /// Adds a rule. If several rules strike the same request, the one added first wins.
    #[allow(clippy::must_use_candidate, reason = "most rules stay until the end of their test")]
    pub fn add(&self, rule: Rule) -> RuleId {
        let id = RuleId(self.last.fetch_add(1, Ordering::Relaxed));
        self.rules().push(Active::new(id, rule));
        id
    }

    /// Removes a rule.
    pub fn remove(&self, id: RuleId) {
        self.rules().retain(|active| active.id() != id);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// Changes the latency from now on.
    pub fn set_latency(&self, latency: Latency) {
        *self.latency.lock().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    /// The time that this request takes, in transit and in the service.
    pub(crate) fn latency(&self, seen: &Seen) -> Duration {
        let latency = *self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        let draw = self.draws.fetch_add(1, Ordering::Relaxed);
        latency.of(seen.service, &seen.operation, mix(self.seed ^ mix(draw)))
    }

    /// What must happen to this request. Every rule about it counts it, whichever rule strikes.
    pub(crate) fn plan(&self, seen: &Seen) -> Plan {
        let mut plan = Plan::Proceed;
        for active in self.rules().iter_mut().filter(|active| active.is_about_requests()) {
            let fault = active.strike(self.seed, seen);
            if let (Some(fault), Plan::Proceed) = (fault, &plan) {
                plan = fault.plan();
            }
        }
        plan
    }

    /// The code and the message that refuse an object of a `DeleteObjects`, if a rule about it or about `DeleteObject`
    /// strikes.
    pub(crate) fn delete_among_others(
        &self,
        caller: &str,
        bucket: &str,
        key: &str,
    ) -> Option<(&'static str, &'static str)> {
        let seen = |operation: &'static str| Seen {
            caller: caller.to_owned(),
            service: "s3",
            operation: Cow::Borrowed(operation),
            subject: Some(format!("{bucket}/{key}")),
            also: None,
            after: None,
        };
        // An object is not a request. Rules about any operation, and rules whose fault applies to a whole request,
        // neither strike nor count it.
        self.rules().iter_mut().find_map(|active| {
            let operation = active.about_an_object()?;
            match active.strike(self.seed, &seen(operation)) {
                Some(Fault::Answer(_, code, message) | Fault::RefuseKey(code, message)) => Some((*code, *message)),
                _ => None,
            }
        })
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Active>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// Answers as if the `ETag` of an object in a `DeleteObjects` did not match, although it does. S3 compares them
    /// there by different rules: public tests of this fail on AWS. A single delete of the same key with the same `ETag`
    /// succeeds.
    /// Source: ceph/s3-tests, whose tests of it are marked as failing on AWS.
    pub const KEY_MISMATCH: Self =
        Self::RefuseKey("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");

    fn plan(&self) -> Plan {
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

/// `SplitMix64`'s finalizer: spreads neighbouring numbers over all others.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number from 0 (inclusive) to 1 (exclusive).
fn unit(number: u64) -> f64 {
    let high = u32::try_from(number >> 32).unwrap_or(u32::MAX);
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests;
