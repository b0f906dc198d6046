//! Faults that tests inject into requests, by rule, repeatable by seed.
//!
//! Decides what happens to a request and when; never does it: the server does. A fraction is drawn from the subject of
//! a request and the number of earlier requests for it, not from the order of arrival. So two runs meet the same faults
//! even if their requests interleave differently.

mod chance;
mod fault;
mod latency;
mod reply;
mod rule;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chance::mix;
pub(crate) use fault::Plan;
pub use fault::{Fault, Hook, Moment, Seen, Then};
pub use latency::Latency;
use rule::Active;
pub use rule::{Rule, RuleId};

/// The active rules and the latency. A handle: clones share the rules.
#[derive(Clone, Debug)]
pub struct Faults {
    seed: u64,
    latency: Arc<Mutex<Latency>>,
    draws: Arc<AtomicU64>,
    rules: Arc<Mutex<Vec<Active>>>,
    last: Arc<AtomicU64>,
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

#[cfg(test)]
mod tests;
