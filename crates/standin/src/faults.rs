//! Faults that tests put in the way of requests, by rules, repeatable by a seed.
//!
//! Decides what happens to a request and when; the server does it. A fraction is drawn from what a request is about
//! and how often that was asked before, not from the order of arrival, so two runs meet the same faults however
//! their requests interleave.

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
    /// What it is about: `bucket/key`, the name of a function.
    pub subject: Option<String>,
    /// What else it touches: the source of a copy, the prefix of a list.
    pub also: Option<String>,
    /// After which key a list begins; none: with the first of its prefix.
    pub after: Option<String>,
}

/// What a hook wants done with the request that it was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Go on as if nothing had been.
    Continue,
    /// Close the connection without an answer; before executing, the request is not executed either.
    Lose,
}

/// Called at a request; must be quick, and may kill the process that sent it.
pub type Hook = Arc<dyn Fn(&Seen) -> Then + Send + Sync>;

/// When, seen from the execution of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request has arrived and nothing has been done.
    Before,
    /// The request has been executed and not answered.
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
    /// Where the rule is about the operation `DeleteObject`, as the right to do it is, it strikes the objects of a
    /// `DeleteObjects` too, each alone: its code and message stand in the answer beside the others' success.
    Answer(u16, &'static str, &'static str),
    /// An error for one object of a `DeleteObjects`: its code and its message. The others of the call are deleted, and a
    /// `DeleteObject` of the same key is not struck. The subject of the rule is `bucket/key`, as for a single delete.
    RefuseKey(&'static str, &'static str),
    /// Executed, after so much more time.
    Delay(Duration),
    /// The connection is closed; not executed.
    LoseRequest,
    /// Executed; the connection is closed instead of an answer.
    LoseReply,
    /// A hook decides.
    Hook(Moment, Hook),
}

/// Names a rule, to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

/// The rules in force and the latency. A handle: clones show the same rules.
#[derive(Clone, Debug)]
pub struct Faults {
    seed: u64,
    latency: Arc<Mutex<Latency>>,
    draws: Arc<AtomicU64>,
    rules: Arc<Mutex<Vec<Active>>>,
    last: Arc<AtomicU64>,
}

/// What the server is to do with a request.
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

    /// Puts a rule in force. Of several that strike the same request the first added wins.
    #[allow(clippy::must_use_candidate, reason = "most rules stay until the end of their test")]
    pub fn add(&self, rule: Rule) -> RuleId {
        let id = RuleId(self.last.fetch_add(1, Ordering::Relaxed));
        self.rules().push(Active::new(id, rule));
        id
    }

    /// Takes a rule back.
    pub fn remove(&self, id: RuleId) {
        self.rules().retain(|active| active.id() != id);
    }

    /// Takes all rules back.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// Changes the latency from now on.
    pub fn set_latency(&self, latency: Latency) {
        *self.latency.lock().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    /// How long this request takes on its way and in the service.
    pub(crate) fn latency(&self, seen: &Seen) -> Duration {
        let latency = *self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        let draw = self.draws.fetch_add(1, Ordering::Relaxed);
        latency.of(seen.service, &seen.operation, mix(self.seed ^ mix(draw)))
    }

    /// What is to happen to this request. Every rule about it counts it, whoever strikes.
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

    /// The code and the message with which an object of a `DeleteObjects` is refused, where a rule about it, or about
    /// `DeleteObject`, says so.
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
        // It is no request: rules about any operation, and those that do something else to one, neither strike nor
        // count it.
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
    /// As if the `ETag` of an object in a `DeleteObjects` were not its own, although it is: S3 compares them there by rules
    /// of its own, and public tests of that fail on AWS. Alone, the same key is deleted under the same `ETag`.
    /// Source: ceph/s3-tests, whose tests of it are marked as failing on AWS.
    pub const KEY_MISMATCH: Self =
        Self::RefuseKey("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");

    fn plan(&self) -> Plan {
        match self {
            Self::Throttle => Plan::Refuse(Refusal::Throttled),
            Self::InternalError => Plan::Refuse(Refusal::InternalError),
            Self::Answer(status, code, message) => Plan::Refuse(Refusal::Answer(*status, code, message)),
            // Of an object, and not of the request.
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

/// A number from 0 up to, but without, 1.
fn unit(number: u64) -> f64 {
    let high = u32::try_from(number >> 32).unwrap_or(u32::MAX);
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests;
