//! Shrinking: a failing history without whatever it does not need to fail.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::history::{Detail, Outcome, run};

/// The same seed with as few oddities as still break the same promise, told in full.
pub fn shrink(seed: u64) -> Outcome {
    let mut without: BTreeSet<u64> = BTreeSet::new();
    let promise = run(seed, Detail::Result).violation.as_deref().map(promise).unwrap_or_default();
    let happened = |seed: u64, without: &BTreeSet<u64>| happened(seed, without, &promise);
    let mut left = happened(seed, &without).unwrap_or_default();
    let mut size = left.len().div_ceil(2);
    while size > 0 {
        let mut smaller = false;
        for chunk in left.clone().chunks(size) {
            let tried: BTreeSet<u64> = without.iter().chain(chunk).copied().collect();
            if happened(seed, &tried).is_some() {
                without = tried;
                smaller = true;
            }
        }
        // What is left may be other oddities than before: those that the removed ones had kept from happening.
        left = happened(seed, &without).unwrap_or_default();
        if size == 1 && !smaller {
            break;
        }
        size = if smaller { left.len().div_ceil(2).min(size) } else { size / 2 };
    }
    run(seed, Detail::Trace(Arc::new(without)))
}

/// Which promise it is, whatever file and number it is about.
fn promise(violation: &str) -> String {
    let is_plain = |word: &&str| word.chars().all(char::is_alphabetic);
    violation.split(' ').filter(is_plain).take(5).collect::<Vec<_>>().join(" ")
}

/// What odd happens in the history without some of it, if it still breaks the promise.
fn happened(seed: u64, without: &BTreeSet<u64>, broken: &str) -> Option<Vec<u64>> {
    let outcome = run(seed, Detail::Oddities(Arc::new(without.clone())));
    outcome.violation.filter(|violation| promise(violation) == broken)?;
    Some(outcome.oddities.into_iter().map(|(label, _)| label).collect())
}

/// The most lines of a trace that are shown: its beginning and its end.
const LINES: usize = 160;

/// The failure as a reader wants it: which promise, what odd it takes, and what happened.
pub fn told(seed: u64, outcome: &Outcome) -> String {
    let violation = outcome.violation.as_deref().unwrap_or("nothing is broken");
    let mut trace = outcome.trace.clone();
    if trace.len() > LINES {
        let cut = trace.len() - LINES;
        trace.splice(LINES / 2..LINES / 2 + cut, [format!("… {cut} lines …")]);
    }
    let odd: Vec<String> = outcome.oddities.iter().map(|(_, name)| format!("  {name}")).collect();
    format!(
        "seed {seed}: {violation}\n\nIt takes:\n{}\n\nWhat happened:\n{}\n\nAgain with SLUICE_SIMULATION_SEED={seed}\n",
        odd.join("\n"),
        trace.join("\n")
    )
}
