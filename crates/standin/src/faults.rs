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
    Answer(u16, &'static str, &'static str),
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
        for active in self.rules().iter_mut() {
            let fault = active.strike(self.seed, seen);
            if let (Some(fault), Plan::Proceed) = (fault, &plan) {
                plan = fault.plan();
            }
        }
        plan
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Active>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn plan(&self) -> Plan {
        match self {
            Self::Throttle => Plan::Refuse(Refusal::Throttled),
            Self::InternalError => Plan::Refuse(Refusal::InternalError),
            Self::Answer(status, code, message) => Plan::Refuse(Refusal::Answer(*status, code, message)),
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
mod tests {
    use super::*;

    fn seen(operation: &'static str, subject: &str) -> Seen {
        Seen {
            caller: "fn-worker-1".to_owned(),
            service: "s3",
            operation: operation.into(),
            subject: Some(subject.to_owned()),
            also: None,
        }
    }

    fn struck(faults: &Faults, seen: &Seen) -> bool {
        !matches!(faults.plan(seen), Plan::Proceed)
    }

    #[test]
    fn a_rule_strikes_only_what_it_is_about() {
        let faults = Faults::new(1, Latency::None);
        faults.add(
            Rule::new(Fault::Throttle).service("s3").operation("PutObject").caller("fn-worker-").subject("claims/"),
        );
        assert!(struck(&faults, &seen("PutObject", "b/sluice/claims/0.json")));
        assert!(!struck(&faults, &seen("GetObject", "b/sluice/claims/0.json")));
        assert!(!struck(&faults, &seen("PutObject", "b/incoming/1")));
        let outsider = Seen { caller: "me".to_owned(), ..seen("PutObject", "b/sluice/claims/0.json") };
        assert!(!struck(&faults, &outsider));
    }

    #[test]
    fn the_nth_request_is_struck_once() {
        let faults = Faults::new(1, Latency::None);
        let rule = faults.add(Rule::new(Fault::LoseReply).nth(3));
        let struck: Vec<bool> = (0..5).map(|_| struck(&faults, &seen("PutObject", "b/k"))).collect();
        assert_eq!(struck, [false, false, true, false, false]);
        faults.remove(rule);
        faults.add(Rule::new(Fault::LoseReply).first(1));
        assert!(matches!(faults.plan(&seen("PutObject", "b/k")), Plan::Lose(Moment::After)));
        assert!(matches!(faults.plan(&seen("PutObject", "b/k")), Plan::Proceed));
    }

    #[test]
    fn of_the_first_caller_the_requests_of_others_are_not_counted() {
        let faults = Faults::new(1, Latency::None);
        faults.add(Rule::new(Fault::LoseReply).caller("fn-worker-").first_caller().nth(2));
        let by = |caller: &str| struck(&faults, &Seen { caller: caller.to_owned(), ..seen("PutObject", "b/k") });
        let struck = ["me", "fn-worker-1", "fn-worker-2", "fn-worker-2", "fn-worker-1", "fn-worker-1"].map(by);
        assert_eq!(struck, [false, false, false, false, true, false]);
    }

    #[test]
    fn a_fraction_depends_on_the_seed_and_not_on_the_order() {
        let keys: Vec<String> = (0..1000).map(|i| format!("b/{i}")).collect();
        let run = |seed, keys: &mut dyn Iterator<Item = &String>| {
            let faults = Faults::new(seed, Latency::None);
            faults.add(Rule::new(Fault::InternalError).fraction(0.1));
            let mut struck: Vec<&String> = keys.filter(|key| struck(&faults, &seen("PutObject", key))).collect();
            struck.sort();
            struck.into_iter().cloned().collect::<Vec<_>>()
        };
        let forwards = run(7, &mut keys.iter());
        assert_eq!(forwards, run(7, &mut keys.iter().rev()));
        assert_ne!(forwards, run(8, &mut keys.iter()));
        assert!((60..140).contains(&forwards.len()), "{}", forwards.len());
    }

    #[test]
    fn a_retry_is_drawn_anew() {
        let faults = Faults::new(7, Latency::None);
        faults.add(Rule::new(Fault::InternalError).fraction(0.5));
        let draws: Vec<bool> = (0..64).map(|_| struck(&faults, &seen("PutObject", "b/k"))).collect();
        assert!(draws.contains(&true) && draws.contains(&false));
    }
}
