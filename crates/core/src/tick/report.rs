//! What a tick answers, and the one log line for each feed.

use serde::Serialize;

use crate::batch::BatchId;
use crate::object::Key;
use crate::report::LoadReport;

/// The lister's answer.
#[derive(Clone, Debug, Serialize)]
pub struct TickReport {
    /// One for each feed.
    pub feeds: Vec<FeedReport>,
}

/// What a tick saw of a feed, and did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FeedReport {
    /// Its name.
    pub feed: String,
    /// Files under its prefix.
    pub listed: u64,
    /// Files that this tick claimed.
    pub claimed: u64,
    /// Files held by claims, these included.
    pub in_flight: u64,
    /// Files that no claim holds, and that do not rest.
    pub unprocessed: u64,
    /// Their bytes.
    pub unprocessed_bytes: u64,
    /// Seconds since the oldest of them was written; 0 when there is none.
    pub oldest_age_seconds: u64,
    /// Files under its prefix that it does not take: no pattern of `include` matches them, or they must be restored
    /// first.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_taken: u64,
    /// The listing stopped in time. There may be more files than these counts say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// Files that failed alone. They wait outside of all slots.
    #[serde(skip_serializing_if = "is_zero")]
    pub resting: u64,
    /// Why nothing of the feed works, if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
    /// The batches that this tick claimed, sent a worker to, or loaded.
    pub batches: Vec<BatchReport>,
    /// Why this feed got no tick, or not a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A batch that a tick moved on.
#[derive(Clone, Debug, Serialize)]
pub struct BatchReport {
    /// Its id.
    pub batch: BatchId,
    /// Its claim.
    pub claim: Key,
    /// How many files it has.
    pub files: u64,
    /// Whether the claim was there before.
    pub resumed: bool,
    /// The result, if the lister loaded it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadReport>,
}

/// One line for the feed.
#[allow(clippy::cognitive_complexity, reason = "two macros")]
pub(super) fn log(report: &FeedReport) {
    let FeedReport { feed, listed, claimed, in_flight, unprocessed, unprocessed_bytes, oldest_age_seconds, .. } =
        report;
    let FeedReport { at_least, not_taken, resting, down, .. } = report;
    let batches = report.batches.len();
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                feed,
                listed,
                at_least,
                claimed,
                in_flight,
                unprocessed,
                unprocessed_bytes,
                oldest_age_seconds,
                not_taken,
                resting,
                batches,
                down,
                error = report.error,
                $message
            )
        };
    }
    if report.error.is_some() {
        line!(error, "feed not served; the next tick tries again");
    } else if down.is_some() {
        line!(warn, "feed is down");
    } else {
        line!(info, "tick");
    }
}
