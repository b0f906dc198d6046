//! How a test wants a transaction to run and end.

use std::time::Duration;

use crate::destination::FailureKind;

/// How a transaction runs and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Script {
    /// How long it runs, by the test's clock.
    pub takes: Duration,
    /// How it ends.
    pub end: End,
    /// Whether the warehouse forgets it at its end, as the Data API does after 24 hours.
    pub forgotten: bool,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum End {
    /// As ledger and files decide.
    #[default]
    Natural,
    /// Rolled back, also with good files.
    Failed(FailureKind),
}

impl Script {
    /// Runs for `takes`, then ends as ledger and files decide.
    #[must_use]
    pub fn takes(takes: Duration) -> Self {
        Self { takes, ..Self::default() }
    }

    /// Is rolled back at once.
    #[must_use]
    pub fn fails(kind: FailureKind) -> Self {
        Self { end: End::Failed(kind), ..Self::default() }
    }

    /// The same, and forgotten at its end.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { forgotten: true, ..self }
    }
}
