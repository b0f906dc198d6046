//! Oddities: each thing of a history that need not have happened, by name, so that it can be taken out.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::faults::Fault;

/// What went wrong, and what was taken out.
#[derive(Default)]
pub struct Oddities {
    without: Arc<BTreeSet<u64>>,
    seen: HashSet<u64>,
    happened: Vec<(u64, String)>,
    /// Keep the names.
    named: bool,
    /// Deaths by function, method and moment.
    pub deaths: BTreeMap<(&'static str, &'static str, &'static str), u64>,
}

impl Oddities {
    /// A history without these, whose oddities are written down.
    pub fn without(without: Arc<BTreeSet<u64>>) -> Self {
        Self { without, named: true, ..Self::default() }
    }

    /// Whether the oddity happens, unless it was taken out.
    pub fn happens(&mut self, label: u64, name: impl FnOnce() -> String) -> bool {
        if self.without.contains(&label) {
            return false;
        }
        if self.named && self.seen.insert(label) {
            self.happened.push((label, name()));
        }
        true
    }

    pub fn happened(self) -> Vec<(u64, String)> {
        self.happened
    }

    /// Counts the points at which functions die.
    pub fn count(&mut self, function: &'static str, method: &'static str, fault: Fault) {
        let moment = match fault {
            Fault::DieBefore => "before",
            Fault::DieAfter => "after",
            Fault::DieLate(_) => "under way",
            _ => return,
        };
        *self.deaths.entry((function, method, moment)).or_default() += 1;
    }
}
