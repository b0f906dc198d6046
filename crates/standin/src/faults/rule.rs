//! Rules: which requests they match, which of those they strike, and with what fault.
//!
//! An active rule counts the requests that it sees. It never does anything to a request itself.

use std::collections::HashMap;

use super::chance::{mix, unit};
use super::fault::{Fault, Seen};

/// Which of the matching requests a rule strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Always,
    Nth(u64),
    First(u64),
    Fraction(f64),
}

/// Identifies a rule, so that it can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(pub(super) u64);

/// A rule: which requests, when, and what happens to them.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    service: Option<String>,
    operation: Option<String>,
    caller: Option<String>,
    subject: Option<String>,
    also: Option<String>,
    first_caller: bool,
    when: When,
}

/// A rule and what it has seen so far.
#[derive(Debug)]
pub(super) struct Active {
    id: RuleId,
    rule: Rule,
    seen: u64,
    /// The caller of the first request.
    first_caller: Option<String>,
    /// How often each subject was requested. Kept only for fractions.
    asked: HashMap<u64, u64>,
}

impl Rule {
    /// A rule for every request. The methods below narrow it.
    #[must_use]
    pub const fn new(fault: Fault) -> Self {
        Self {
            fault,
            service: None,
            operation: None,
            caller: None,
            subject: None,
            also: None,
            first_caller: false,
            when: When::Always,
        }
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

    /// Only callers whose access key id begins with this.
    #[must_use]
    pub fn caller(mut self, prefix: impl Into<String>) -> Self {
        self.caller = Some(prefix.into());
        self
    }

    /// Only the first of these callers, that is, one process, even if others of its kind run beside it.
    #[must_use]
    pub const fn first_caller(mut self) -> Self {
        self.first_caller = true;
        self
    }

    /// Only requests whose subject contains this.
    #[must_use]
    pub fn subject(mut self, part: impl Into<String>) -> Self {
        self.subject = Some(part.into());
        self
    }

    /// Only requests that also touch something whose name contains this: the source of a copy, the prefix of a list.
    #[must_use]
    pub fn also(mut self, part: impl Into<String>) -> Self {
        self.also = Some(part.into());
        self
    }

    /// Only the `n`th of these requests, counted from 1, starting when the rule is added. Strikes once.
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

    /// About this fraction of these requests, from 0 to 1, decided by the seed.
    #[must_use]
    pub const fn fraction(mut self, fraction: f64) -> Self {
        self.when = When::Fraction(fraction);
        self
    }

    fn is_about(&self, request: &Seen) -> bool {
        let subject = request.subject.as_deref().unwrap_or_default();
        let also = request.also.as_deref().unwrap_or_default();
        self.service.as_deref().is_none_or(|service| service == request.service)
            && self.operation.as_deref().is_none_or(|operation| operation == request.operation)
            && self.caller.as_deref().is_none_or(|prefix| request.caller.starts_with(prefix))
            && self.subject.as_deref().is_none_or(|part| subject.contains(part))
            && self.also.as_deref().is_none_or(|part| also.contains(part))
    }
}

impl Active {
    pub(super) fn new(id: RuleId, rule: Rule) -> Self {
        Self { id, rule, seen: 0, first_caller: None, asked: HashMap::new() }
    }

    pub(super) const fn id(&self) -> RuleId {
        self.id
    }

    /// Whether the rule strikes requests, not objects within them.
    pub(super) fn is_about_requests(&self) -> bool {
        !matches!(self.rule.fault, Fault::RefuseKey(..))
    }

    /// The operation under which this rule sees an object of a `DeleteObjects`: `RefuseKey` sees a `DeleteObjects`, and
    /// a rule about `DeleteObject` with an error of the test's choice sees a `DeleteObject`. No other rule strikes
    /// objects.
    pub(super) fn about_an_object(&self) -> Option<&'static str> {
        match (&self.rule.fault, self.rule.operation.as_deref()) {
            (Fault::RefuseKey(..), _) => Some("DeleteObjects"),
            (Fault::Answer(..), Some("DeleteObject")) => Some("DeleteObject"),
            _ => None,
        }
    }

    /// Counts the request if the rule matches it, and returns the fault if the rule strikes.
    pub(super) fn strike(&mut self, seed: u64, request: &Seen) -> Option<&Fault> {
        let struck = self.rule.is_about(request) && self.is_from(request) && self.strikes(seed, request);
        struck.then_some(&self.rule.fault)
    }

    fn is_from(&mut self, request: &Seen) -> bool {
        !self.rule.first_caller || *self.first_caller.get_or_insert_with(|| request.caller.clone()) == request.caller
    }

    fn strikes(&mut self, seed: u64, request: &Seen) -> bool {
        self.seen += 1;
        match self.rule.when {
            When::Always => true,
            When::Nth(n) => self.seen == n,
            When::First(n) => self.seen <= n,
            When::Fraction(fraction) => {
                let thing = fingerprint(seed ^ mix(self.id.0), request);
                let asked = self.asked.entry(thing).or_default();
                *asked += 1;
                unit(mix(thing ^ mix(*asked))) < fraction
            }
        }
    }
}

/// A number for the subject of a request. It leaves out the caller, because processes get new names in every run.
fn fingerprint(seed: u64, request: &Seen) -> u64 {
    let subject = request.subject.as_deref().unwrap_or_default();
    [request.service, &request.operation, subject].iter().fold(mix(seed), |hash, part| {
        part.bytes().fold(mix(hash), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    })
}
