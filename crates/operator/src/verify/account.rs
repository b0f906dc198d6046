//! The numbers of a feed.

use serde::Serialize;

/// What there is of a feed, and whether it adds up.
///
/// It is counted as it was first seen; a file that moved meanwhile may be counted twice, or under none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The feed's name.
    pub feed: String,
    /// Files in `incoming/` that no claim holds and the ledger does not know.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Files that claims hold.
    pub in_flight: u64,
    /// Objects under the feed's prefix that it does not take.
    pub not_taken: u64,
    /// Entries of the ledger.
    pub recorded: u64,
    /// Of them: archived, as key and `ETag` say.
    pub archived: u64,
    /// Of them: archived as far as name and size say; the copy has another `ETag` (KMS, uploads in parts).
    pub archived_by_name: u64,
    /// Of them: on their way, with a claim.
    pub archiving: u64,
    /// Of them: so old that their copies may have been removed, and were.
    pub expired: u64,
    /// Of them: with a key that no text of the warehouse can hold, so that it cannot be told where they are.
    pub unnamed: u64,
    /// Objects in `processed/`.
    pub copies: u64,
    /// Of them: second copies of a file, which a death between copying and deleting may leave.
    pub extra_copies: u64,
    /// Files in `failed/`.
    pub failed: u64,
    /// Their reasons.
    pub reasons: u64,
    /// Claims.
    pub claims: u64,
    /// What looked wrong at first, and did not when it was looked at once more: it had moved.
    pub settled: u64,
    /// What is wrong.
    pub findings: u64,
    /// Of them: mended by themselves.
    pub mends_itself: u64,
    /// What looked wrong after so many findings that it was not looked at once more.
    pub unchecked: u64,
}

impl Account {
    /// Whether all adds up.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.findings == 0 && self.unchecked == 0
    }
}
