//! How a transaction ended, as the database remembers it, and what that is to the protocol: the one place that decides.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_core::destination::{Failure, FailureKind, Loaded, Progress, Refusal};
use sluice_core::object::Key;

/// How a transaction ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum End {
    /// All files are loaded, and in the ledger.
    Loaded { rows: u64, milliseconds: u64 },
    /// A file was in the ledger already.
    AlreadyLoaded,
    /// There is no ledger yet.
    NoLedger,
    /// The ledger knows files by another identity than the feed's.
    OtherIdentity,
    /// There is no table to load.
    NoTable,
    /// The planned version of this file is not there any more.
    FileMissing(Key),
    /// These files are bad.
    BadFiles(Vec<(Key, Refusal)>),
}

impl End {
    /// What the protocol makes of it.
    pub(crate) fn progress(self, at: Timestamp) -> Progress {
        use FailureKind::{AlreadyLoaded, BadData, Configuration, FileMissing, LedgerMissing};
        let failed = |kind, message: &str, file| {
            Progress::Failed(Failure { kind, message: message.to_owned(), advice: advice(kind), file, at: Some(at) })
        };
        match self {
            Self::Loaded { rows, milliseconds } => {
                Progress::Loaded(Loaded { rows: Some(rows), at, duration: Duration::from_millis(milliseconds) })
            }
            Self::AlreadyLoaded => failed(AlreadyLoaded, "a file is in the ledger", None),
            Self::NoLedger => failed(LedgerMissing, "there is no ledger", None),
            Self::OtherIdentity => failed(Configuration, "the ledger knows its files by another identity", None),
            Self::NoTable => failed(Configuration, "there is no such table", None),
            Self::FileMissing(key) => failed(FileMissing, "the version that was planned is not there", Some(key)),
            Self::BadFiles(refused) => {
                let first = refused.into_iter().next();
                let (key, message) = first.map(|(key, refusal)| (key, refusal.message)).unzip();
                failed(BadData, message.as_deref().unwrap_or_default(), key)
            }
        }
    }
}

fn advice(kind: FailureKind) -> Option<&'static str> {
    (kind == FailureKind::Configuration).then_some(
        "make the table, with the columns file and line; leave `identity` as it was when the ledger was filled",
    )
}
