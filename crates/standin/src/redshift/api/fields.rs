//! Fields that several operations take or answer.
//!
//! Never knows an operation.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::statements::Statement;
use super::error::ApiError;

pub(super) fn waiting(seconds: Option<i64>) -> Result<Option<Duration>, ApiError> {
    match seconds {
        None => Ok(None),
        Some(seconds) if (1..=30).contains(&seconds) => Ok(Some(Duration::from_secs(seconds.unsigned_abs()))),
        Some(_) => Err(ApiError::validation("WaitTimeSeconds must be between 1 and 30")),
    }
}

/// The target of a statement: its database, its warehouse and its user.
pub(super) fn addressed(statement: &Statement) -> Map<String, Value> {
    let submission = &statement.submission;
    let fields = [
        ("Database", Some(&submission.database)),
        ("WorkgroupName", submission.workgroup.as_ref()),
        ("ClusterIdentifier", submission.cluster.as_ref()),
        ("SecretArn", submission.secret.as_ref()),
        ("DbUser", submission.db_user.as_ref()),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
}

/// Seconds since 1970, as awsJson1.1 writes times.
pub(super) fn epoch(time: Timestamp) -> Value {
    let milliseconds = time.as_millisecond();
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of our time are exact in a double")]
    let seconds = milliseconds as f64 / 1000.0;
    json!(seconds)
}

pub(super) fn nanoseconds(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
