//! `--prove`: tries the ledger's recipe in a warehouse, and puts the result into words.

use std::fmt;

use sluice_core::config::Feed;
use sluice_core::ports::Ports as _;
use sluice_redshift::{Proof, Redshift, Trial, Verdict};

use super::Checks;
use crate::deployment::Deployment;

/// Tries the recipe, and reports what the trial shows.
pub(super) async fn check(deployment: &Deployment, feed: &Feed, checks: &mut Checks) {
    if Redshift::of(feed).is_none() {
        return checks.leave_out(feed, "its ledger's recipe is not tried");
    }
    let mark = uuid::Uuid::new_v4().simple().to_string();
    match deployment.ports.destination().redshift.prove(feed, &mark[..8]).await {
        Err(error) => {
            let remedy = "GRANT CREATE ON the ledger's schema to this user; tables sluice_proof_* may be dropped";
            checks.note("the ledger's recipe may be tried", Err(error), remedy);
        }
        Ok(proof) => {
            let (what, remedy) = (said(&proof), remedy(proof.verdict()));
            let shown = if proof.verdict() == Verdict::Holds { Ok(()) } else { Err(Tried(proof)) };
            checks.note(&what, shown, remedy);
        }
    }
}

fn said(proof: &Proof) -> String {
    let Trial { pairs, overlapped, once, .. } = proof.recipe;
    let twice = |trial: &Trial| format!("{} of {}", trial.twice, trial.pairs);
    let Proof { locked, fenced, bare, early, early_locked, .. } = proof;
    format!(
        "with lock and fence, {once} of {pairs} pairs of transactions loaded their file once ({overlapped} overlapped). Loaded \
         twice: with the lock alone {}, with the fence alone {}, with neither {}; and where a snapshot was taken before the \
         lock, {} with the fence and {} without it",
        twice(locked),
        twice(fenced),
        twice(bare),
        twice(early),
        twice(early_locked)
    )
}

fn remedy(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "",
        Verdict::Broken => {
            "the guarantee does not hold in this warehouse: set max_files to files_per_load, and report it"
        }
        Verdict::NotShown => "run it again while the warehouse has free slots in its queue",
    }
}

struct Tried(Proof);

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.verdict() {
            Verdict::NotShown => f.write_str("no two transactions ran at the same time, so nothing is shown"),
            _ => write!(f, "{} files were loaded twice", self.0.recipe.twice),
        }
    }
}
