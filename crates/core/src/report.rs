//! What the functions answer: outcomes by the names that other programs read.
//!
//! Never changes a name: they are part of the interface.

use jiff::Timestamp;
use serde::Serialize;

use crate::batch::BatchId;

/// The outcome for a batch or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Loaded now.
    Loaded,
    /// Loaded before; archived now.
    AlreadyLoaded,
    /// Still running; a later invocation resumes it.
    Pending,
    /// Every slot is filled; the next tick takes the file.
    Deferred,
    /// Another owner holds the lease, or another claim holds the file.
    Busy,
    /// The claim is finished, or the file is gone.
    Gone,
    /// Something failed; it is tried again.
    Retry,
    /// Nothing but bad files.
    Quarantined,
    /// Not a file of any feed.
    Skipped,
}

impl Outcome {
    /// Its name, as answers and logs have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::AlreadyLoaded => "already_loaded",
            Self::Pending => "pending",
            Self::Deferred => "deferred",
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::Retry => "retry",
            Self::Quarantined => "quarantined",
            Self::Skipped => "skipped",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The worker's answer, and that of lister and loader for each batch that they load themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// The feed's name.
    pub feed: String,
    /// The batch, as it was planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// Its outcome.
    pub outcome: Outcome,
    /// Files committed and archived.
    pub files_loaded: u64,
    /// Rows committed.
    pub rows_loaded: u64,
    /// Files moved to `failed/`.
    pub files_quarantined: u64,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl LoadReport {
    /// A report that nothing was done.
    #[must_use]
    pub fn nothing(feed: &str, batch: Option<BatchId>, outcome: Outcome) -> Self {
        Self {
            feed: feed.to_owned(),
            batch,
            outcome,
            files_loaded: 0,
            rows_loaded: 0,
            files_quarantined: 0,
            retry_at: None,
            error: None,
        }
    }
}
