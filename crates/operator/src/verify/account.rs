//! The numbers of a feed at a verification. Never judges: what is wrong is a finding.

use serde::Serialize;

/// What there is of a feed, and whether it adds up.
///
/// Files are counted as the first look saw them. One that moved meanwhile may be counted twice, or not at all.
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
    /// Of them: archived, by key and `ETag`.
    pub archived: u64,
    /// Of them: archived, by name and size. The copy has another `ETag` (KMS, uploads in parts).
    pub archived_by_name: u64,
    /// Of them: on their way, with a claim.
    pub archiving: u64,
    /// Of them: without a copy, and so old that a lifecycle rule may have removed it.
    pub expired: u64,
    /// Of them: with a key that the warehouse cannot hold as text, so that nobody knows where they are.
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
    /// What looked wrong at the first look and not at the second: it had moved.
    pub settled: u64,
    /// What is wrong.
    pub findings: u64,
    /// Of them: those that nobody has to fix.
    pub mends_itself: u64,
    /// What looked wrong at the first look, and was not looked at again after so many findings.
    pub unchecked: u64,
}

impl Account {
    /// Whether all adds up.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.findings == 0 && self.unchecked == 0
    }
}
