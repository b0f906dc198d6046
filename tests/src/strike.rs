//! What tests do to single requests of running functions: kill the process that sent one, or hold one until something
//! else has happened.
//!
//! Works on a runtime of several threads only: whoever is killed or held keeps one of them.

use std::sync::{Arc, Mutex, PoisonError};

use sluice_standin::StandIn;
use sluice_standin::faults::{Fault, Faults, Hook, Moment, Rule, RuleId, Seen, Then};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::block_in_place;

/// Kills the process whose request a rule strikes, before that is executed or after it; it never sees the answer.
#[derive(Debug)]
pub struct Kill {
    faults: Faults,
    rule: RuleId,
    last: Arc<Mutex<Option<Seen>>>,
}

impl Kill {
    /// Kills at the first request of which `narrow` makes a rule.
    #[must_use]
    pub fn at(standin: &StandIn, moment: Moment, narrow: impl FnOnce(Rule) -> Rule) -> Self {
        let last = Arc::<Mutex<Option<Seen>>>::default();
        let (lambda, noted) = (standin.lambda().clone(), Arc::clone(&last));
        let hook: Hook = Arc::new(move |seen| {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen.clone());
            // Waited for: a process that still lived when its connection closes would send its request again.
            block_in_place(|| Handle::current().block_on(lambda.kill(&seen.caller)));
            Then::Lose
        });
        let faults = standin.faults().clone();
        let rule = faults.add(narrow(Rule::new(Fault::Hook(moment, hook))));
        Self { faults, rule, last }
    }

    /// The request that was the process's last; none where nobody was killed.
    #[must_use]
    pub fn last(&self) -> Option<Seen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Kill {
    fn drop(&mut self) {
        self.faults.remove(self.rule);
    }
}

/// Requests that arrive at a closed gate wait there; opening it, or dropping it, lets them go on.
#[derive(Debug)]
pub struct Gate {
    faults: Faults,
    rule: RuleId,
    held: Arc<watch::Sender<usize>>,
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    /// Holds the requests of which `narrow` makes a rule, before they are executed or after it.
    #[must_use]
    pub fn close(standin: &StandIn, moment: Moment, narrow: impl FnOnce(Rule) -> Rule) -> Self {
        let (held, open) = (Arc::new(watch::Sender::new(0)), Arc::new(watch::Sender::new(false)));
        let (arrived, opened) = (Arc::clone(&held), Arc::clone(&open));
        let hook: Hook = Arc::new(move |_| {
            arrived.send_modify(|held| *held += 1);
            let mut opened = opened.subscribe();
            block_in_place(|| Handle::current().block_on(opened.wait_for(|open| *open)).map(drop)).ok();
            Then::Continue
        });
        let faults = standin.faults().clone();
        let rule = faults.add(narrow(Rule::new(Fault::Hook(moment, hook))));
        Self { faults, rule, held, open }
    }

    /// Returns when so many requests have arrived.
    pub async fn reached(&self, requests: usize) {
        // The sender lives in this very struct.
        let _ = self.held.subscribe().wait_for(|held| *held >= requests).await;
    }

    /// Lets go on what is held, and holds nothing any more.
    pub fn open(self) {
        drop(self);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.faults.remove(self.rule);
        self.open.send_replace(true);
    }
}
