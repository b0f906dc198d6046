//! Faults that tests put in the way of requests, by rules, repeatable by a seed.
//!
//! Decides what happens to a request and when; the server does it. A fraction is drawn from what a request is about
//! and how often that was asked before, not from the order of arrival, so two runs meet the same faults however
//! their requests interleave.

mod latency;
mod reply;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use latency::Latency;
pub(crate) use reply::Refusal;

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
    /// The connection is closed; not executed.
    LoseRequest,
    /// Executed; the connection is closed instead of an answer.
    LoseReply,
    /// A hook decides.
    Hook(Moment, Hook),
}

/// Which of the requests that a rule is about it strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Always,
    Nth(u64),
    First(u64),
    Fraction(f64),
}

/// A rule: which requests, when, and what happens to them.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    service: Option<String>,
    operation: Option<String>,
    caller: Option<String>,
    subject: Option<String>,
    when: When,
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

/// A rule with what it has seen.
#[derive(Debug)]
struct Active {
    id: RuleId,
    rule: Rule,
    seen: u64,
    /// How often each thing was asked for; kept for fractions only.
    asked: HashMap<u64, u64>,
}

/// What the server is to do with a request.
#[derive(Clone)]
pub(crate) enum Plan {
    Proceed,
    Refuse(Refusal),
    Lose(Moment),
    Call(Moment, Hook),
}

impl Rule {
    /// A rule for every request; narrow it down.
    #[must_use]
    pub const fn new(fault: Fault) -> Self {
        Self { fault, service: None, operation: None, caller: None, subject: None, when: When::Always }
    }

    /// Only requests to this service, such as `s3`.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Only this operation, such as `PutObject`.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Only callers whose access key id begins so.
    #[must_use]
    pub fn caller(mut self, prefix: impl Into<String>) -> Self {
        self.caller = Some(prefix.into());
        self
    }

    /// Only requests whose subject contains this.
    #[must_use]
    pub fn subject(mut self, part: impl Into<String>) -> Self {
        self.subject = Some(part.into());
        self
    }

    /// Only the `n`th of these requests, counted from 1 and from when the rule is added; strikes once.
    #[must_use]
    pub const fn nth(mut self, n: u64) -> Self {
        self.when = When::Nth(n);
        self
    }

    /// Only the first `n` of these requests.
    #[must_use]
    pub const fn first(mut self, n: u64) -> Self {
        self.when = When::First(n);
        self
    }

    /// About this fraction of these requests, from 0 to 1, by the seed.
    #[must_use]
    pub const fn fraction(mut self, fraction: f64) -> Self {
        self.when = When::Fraction(fraction);
        self
    }

    fn is_about(&self, seen: &Seen) -> bool {
        let subject = seen.subject.as_deref().unwrap_or_default();
        self.service.as_deref().is_none_or(|service| service == seen.service)
            && self.operation.as_deref().is_none_or(|operation| operation == seen.operation)
            && self.caller.as_deref().is_none_or(|prefix| seen.caller.starts_with(prefix))
            && self.subject.as_deref().is_none_or(|part| subject.contains(part))
    }
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
    pub fn add(&self, rule: Rule) -> RuleId {
        let id = RuleId(self.last.fetch_add(1, Ordering::Relaxed));
        let active = Active { id, rule, seen: 0, asked: HashMap::new() };
        self.rules().push(active);
        id
    }

    /// Takes a rule back.
    pub fn remove(&self, id: RuleId) {
        self.rules().retain(|active| active.id != id);
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
            if active.rule.is_about(seen) && active.strikes(self.seed, seen) && matches!(plan, Plan::Proceed) {
                plan = active.rule.fault.plan();
            }
        }
        plan
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Active>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    fn strikes(&mut self, seed: u64, seen: &Seen) -> bool {
        self.seen += 1;
        match self.rule.when {
            When::Always => true,
            When::Nth(n) => self.seen == n,
            When::First(n) => self.seen <= n,
            When::Fraction(fraction) => {
                let thing = fingerprint(seed ^ mix(self.id.0), seen);
                let asked = self.asked.entry(thing).or_default();
                *asked += 1;
                unit(mix(thing ^ mix(*asked))) < fraction
            }
        }
    }
}

impl Fault {
    fn plan(&self) -> Plan {
        match self {
            Self::Throttle => Plan::Refuse(Refusal::Throttled),
            Self::InternalError => Plan::Refuse(Refusal::InternalError),
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
            Self::LoseRequest => "LoseRequest",
            Self::LoseReply => "LoseReply",
            Self::Hook(Moment::Before, _) => "Hook(Before)",
            Self::Hook(Moment::After, _) => "Hook(After)",
        })
    }
}

/// A number for what a request is about, leaving out who asks: processes are named anew in every run.
fn fingerprint(seed: u64, seen: &Seen) -> u64 {
    let subject = seen.subject.as_deref().unwrap_or_default();
    [seen.service, &seen.operation, subject].iter().fold(mix(seed), |hash, part| {
        part.bytes().fold(mix(hash), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    })
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
