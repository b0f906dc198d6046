//! The account of a redrive or a reload: how each file ends, the news while it runs, and the numbers at the end.
//!
//! Never makes a call.

use std::fmt::Display;

use jiff::Timestamp;
use serde::Serialize;
use sluice_core::object::{File, Key};

/// What is reported while a run works.
#[derive(Clone, Debug)]
pub enum News {
    /// An earlier reload, begun at this time, was not finished. This run goes on with it.
    Continues(Timestamp),
    /// An earlier run left so many files half-way. They are finished first.
    Resumes(u64),
    /// This file would go there.
    Would(File, Key),
    /// So many more files are through: back, or known to stay.
    Through(u64),
    /// This file stays.
    Stays(Key, Stays),
    /// This file's move failed, with this error. The others go on.
    Failed(String, String),
}

/// What has become of files, in the order in which it is reported.
pub(super) type Ends = Vec<(File, End)>;

/// What has become of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is back in `incoming/`, or was there already.
    Back,
    /// It would go there, but this is a dry run.
    Would(Key),
    Stays(Stays),
    /// It was loaded after the reload had begun.
    LoadedSince,
    /// With this error.
    Failed(String),
}

impl End {
    pub(super) fn failed(error: &impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Whether the move stays in its plan, for a later run.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Stays(Stays::InFlight | Stays::Aside))
    }
}

/// Why a file is not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// Something has its name in `incoming/`.
    Occupied,
    /// A claim holds it.
    InFlight,
    /// Another object took its name in `incoming/` while it was on its way. It is kept aside.
    Aside,
    /// Somebody else moved or replaced it meanwhile.
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

    /// Whether a later run can move the file.
    fn passes(self) -> bool {
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
    /// Whether all files that were meant are back.
    #[must_use]
    pub fn done(&self) -> bool {
        self.stay == 0 && self.failed == 0
    }

    /// Counts a file. Answers what is to be reported of it.
    pub(super) fn count(&mut self, file: File, end: End) -> Option<News> {
        match end {
            End::Back | End::Would(_) => {
                self.moved += 1;
                self.bytes += file.size;
            }
            End::Stays(why) => {
                self.stay += 1;
                self.later += u64::from(why.passes());
            }
            End::LoadedSince => self.loaded_since += 1,
            End::Failed(_) => self.failed += 1,
        }
        match end {
            End::Back | End::LoadedSince => None,
            End::Would(to) => Some(News::Would(file, to)),
            End::Stays(why) => Some(News::Stays(file.key, why)),
            End::Failed(error) => Some(News::Failed(file.key.into(), error)),
        }
    }
}
