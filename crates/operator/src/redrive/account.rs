//! What is told of a redrive or a reload: news while it runs, why files stay, and the numbers at the end.

use jiff::Timestamp;
use serde::Serialize;

use sluice_core::object::{File, Key};

/// What is told meanwhile.
#[derive(Clone, Debug)]
pub enum News {
    /// An earlier reload was not finished; this one goes on with it, and with what was loaded by then.
    Continues(Timestamp),
    /// What an earlier run left half-way is finished first: so many files.
    Resumes(u64),
    /// This file would go there.
    Would(File, Key),
    /// So many more files are through: back, or known to stay.
    Through(u64),
    /// This one stays.
    Stays(Key, Stays),
    /// Something about this failed; the others go on.
    Failed(String, String),
}

/// Why a file is not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// Something has its name in `incoming/`.
    Occupied,
    /// A claim holds it.
    InFlight,
    /// Something took its name in `incoming/` while it was on its way; it is kept aside.
    Aside,
    /// It was moved or replaced by somebody else meanwhile.
    Gone,
    /// The feed's `include` and `exclude` pass over it, so that nothing would load it.
    NotTaken,
    /// Nothing says which file it was: there is no `.error.json`.
    NoReason,
    /// Nothing says which file it was: the ledger has none that it can be.
    NotRecorded,
}

impl Stays {
    /// What it means, and what to do.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Occupied => {
                "another object has its name in incoming/: run this again once that is loaded, or remove it"
            }
            Self::InFlight => "a claim holds it: run this again when it is finished",
            Self::Aside => {
                "another object took its name in incoming/ meanwhile; it is safe under the state prefix, in redrive/: run \
                 this again once that object is loaded"
            }
            Self::Gone => "somebody else has moved or replaced it meanwhile",
            Self::NotTaken => "the feed does not take this name (include, exclude): nothing would load it",
            Self::NoReason => {
                "there is no .error.json that says which file it was: move it by hand, or wait if it has just come"
            }
            Self::NotRecorded => {
                "the ledger has no file that it can be: nothing has to be forgotten; move it by hand to have it loaded"
            }
        }
    }

    /// Whether running it again later can move the file.
    pub(super) fn passes(self) -> bool {
        matches!(self, Self::Occupied | Self::InFlight | Self::Aside)
    }
}

/// The numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The feed's name.
    pub feed: String,
    /// Files back in `incoming/`; with a dry run, those that would be.
    pub moved: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that stay.
    pub stay: u64,
    /// Of them: those that may be moved later.
    pub later: u64,
    /// What failed.
    pub failed: u64,
    /// Files left out, since they were loaded after the reload had begun.
    pub loaded_since: u64,
    /// The most files that were held in memory at once, on their way or looked at.
    pub most_held: usize,
}

impl Account {
    /// Whether all that was meant is done.
    #[must_use]
    pub fn done(&self) -> bool {
        self.stay == 0 && self.failed == 0
    }
    /// The numbers of a step more.
    pub(super) fn add(&mut self, step: &Self) {
        self.moved += step.moved;
        self.bytes += step.bytes;
        self.stay += step.stay;
        self.later += step.later;
        self.failed += step.failed;
        self.loaded_since += step.loaded_since;
    }
}
