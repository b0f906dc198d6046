//! Doubt: a file that failed alone, or that an error named, and all that it takes to try it again alone.
//!
//! Pure. A claim keeps this record while nobody can say whether the file or the feed is to blame. Once it is the file,
//! the record moves to an object of its own (`resting`).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::batch::BatchId;
use crate::destination::{Begun, Refusal, Roles, StatementId};
use crate::object::{File, Key};
use crate::run::later;

/// The most characters of a reason: a claim may hold a thousand of them.
const REASON_CHARACTERS: usize = 240;

/// Which step a file fails at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its transaction.
    #[default]
    Load,
    /// Its move to `processed/`: its rows are committed.
    Archive,
    /// Its move to `failed/`: the warehouse refuses its contents.
    Quarantine,
}

impl Stage {
    /// Its name in claims and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Archive => "archive",
            Self::Quarantine => "quarantine",
        }
    }
}

/// A file that is tried alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// The file.
    pub file: File,
    /// The step that fails.
    pub stage: Stage,
    /// The batch it was in when it failed.
    pub batch: BatchId,
    /// The transaction that failed, or that loaded or refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementId>,
    /// Which of that transaction's statements does what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Roles>,
    /// The latest error, and what to do.
    pub reason: String,
    /// When it failed first.
    pub since: Timestamp,
    /// The time before which it is not tried.
    pub next_try: Timestamp,
    /// How many times in a row it failed.
    pub failures: u32,
    /// Another file of the feed was loaded since it failed first.
    #[serde(default)]
    pub vouched: bool,
    /// Its copy, if only the delete fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Key>,
    /// Why the warehouse refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

impl Doubt {
    /// A doubt about `file`, whose transaction failed.
    #[must_use]
    pub fn new(file: File, batch: BatchId, begun: Option<Begun>, reason: &str, since: Timestamp) -> Self {
        let (statement, roles) = begun.map(|begun| (begun.statement, begun.roles)).unzip();
        Self {
            file,
            stage: Stage::Load,
            batch,
            statement,
            roles: roles.flatten(),
            reason: cut(reason),
            since,
            next_try: since,
            failures: 0,
            vouched: false,
            copied: None,
            refusal: None,
        }
    }

    /// It failed again.
    pub(crate) fn fail(&mut self, reason: &str, now: Timestamp, pause: SignedDuration) {
        self.failures = self.failures.saturating_add(1);
        self.reason = cut(reason);
        self.next_try = later(now, pause);
    }
}

fn cut(reason: &str) -> String {
    reason.chars().take(REASON_CHARACTERS).collect()
}
