//! The one place that decides what a failure leads to: which step next, and how soon.
//!
//! Pure. Only bad data leads to quarantine, and nothing leads to giving up.

use std::time::Duration;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use crate::destination::FailureKind;
use crate::ports::PortErrorKind;

/// What a failed transaction leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Ask the ledger which files are in it. Archive those, and go on with the rest.
    AskLedger,
    /// Find the bad files, move them to `failed/`, and go on with the rest.
    Quarantine,
    /// Go on with the files that are still there. If all are, try again at this pace.
    DropMissing(Pace),
    /// Make the ledger, and try again at once.
    CreateLedger,
    /// Try again later. If a file of the batch is the cause, the others get through. No file is quarantined.
    Retry(Pace),
}

/// How soon to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// After a second to a minute: it passes by itself.
    Transient,
    /// After a minute to a quarter of an hour, for ever: somebody has to fix something.
    Configuration,
}

impl From<FailureKind> for Disposition {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::AlreadyLoaded => Self::AskLedger,
            FailureKind::BadData => Self::Quarantine,
            FailureKind::FileMissing => Self::DropMissing(Pace::Transient),
            FailureKind::ObjectMissing => Self::DropMissing(Pace::Configuration),
            FailureKind::LedgerMissing => Self::CreateLedger,
            FailureKind::Transient => Self::Retry(Pace::Transient),
            FailureKind::Configuration | FailureKind::Unknown => Self::Retry(Pace::Configuration),
        }
    }
}

impl From<PortErrorKind> for Pace {
    fn from(kind: PortErrorKind) -> Self {
        match kind {
            PortErrorKind::Throttled | PortErrorKind::Unavailable => Self::Transient,
            PortErrorKind::Denied | PortErrorKind::Missing | PortErrorKind::Invalid | PortErrorKind::TooLarge => {
                Self::Configuration
            }
        }
    }
}

impl Pace {
    /// How long to wait after `failures` failures in a row. It doubles up to the pace's longest. `seed` picks a point
    /// in its upper half, so that what failed together is not retried together.
    #[must_use]
    pub fn delay(self, failures: u32, seed: &str) -> Duration {
        let (first, longest) = match self {
            Self::Transient => (Duration::from_secs(1), Duration::from_mins(1)),
            Self::Configuration => (Duration::from_mins(1), Duration::from_mins(15)),
        };
        let whole = first.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest);
        let hash = Sha256::new().chain_update(seed).chain_update(failures.to_be_bytes()).finalize();
        let spread = f64::from(u16::from_be_bytes([hash[0], hash[1]])) / f64::from(u16::MAX);
        whole.mul_f64(0.5 + spread / 2.0)
    }

    /// After how many failures in a row a file of the batch may be the cause.
    #[must_use]
    pub fn doubts(self) -> u32 {
        match self {
            Self::Transient => 3,
            Self::Configuration => 2,
        }
    }

    /// What an operator reads.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Transient => "it is tried again by itself",
            Self::Configuration => "fix the cause: the files stay where they are, and the load goes on by itself",
        }
    }
}

/// `delay` as a signed duration.
#[must_use]
pub fn signed(delay: Duration) -> SignedDuration {
    SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_their_pace() {
        for failures in 1..40 {
            let transient = Pace::Transient.delay(failures, "batch");
            assert!(transient >= Duration::from_millis(500) && transient <= Duration::from_mins(1), "{transient:?}");
            let configuration = Pace::Configuration.delay(failures, "batch");
            assert!(configuration >= Duration::from_secs(30) && configuration <= Duration::from_mins(15));
        }
        assert!(Pace::Transient.delay(5, "batch") > Pace::Transient.delay(1, "batch"));
        assert_ne!(Pace::Transient.delay(3, "one"), Pace::Transient.delay(3, "another"));
    }

    #[test]
    fn only_bad_data_quarantines() {
        use FailureKind::{AlreadyLoaded, BadData, Configuration, FileMissing, LedgerMissing, ObjectMissing};
        use FailureKind::{Transient, Unknown};
        let missing = [FileMissing, ObjectMissing, LedgerMissing];
        for kind in [AlreadyLoaded, BadData, Transient, Configuration, Unknown].into_iter().chain(missing) {
            assert_eq!(Disposition::from(kind) == Disposition::Quarantine, kind == BadData);
        }
    }
}
