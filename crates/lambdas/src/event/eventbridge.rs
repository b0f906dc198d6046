//! EventBridge's events: objects created in S3 (their keys are not encoded), statements finished in Redshift.
//!
//! Reads only which object or statement it is. Never reads from an event how a statement ended.

use serde_json::Value;
use sluice_core::object::Key;

use super::{EventError, text};

/// Whether this is an EventBridge event of any kind.
pub(super) fn is_event(value: &Value) -> bool {
    value.get("detail-type").is_some() && value.get("source").is_some()
}

/// Whether it announces an object.
pub(super) fn is_arrival(value: &Value) -> bool {
    is_of_s3(value) && value.get("detail-type").and_then(Value::as_str) == Some("Object Created")
}

pub(super) fn is_of_s3(value: &Value) -> bool {
    value.get("source").and_then(Value::as_str) == Some("aws.s3")
}

/// Whether it announces the end of a statement of the Redshift Data API.
/// Source: Amazon Redshift Management Guide, "Monitoring events for the Amazon Redshift Data API".
pub(super) fn is_statement_end(value: &Value) -> bool {
    value.get("source").and_then(Value::as_str) == Some("aws.redshift-data")
        && value.get("detail-type").and_then(Value::as_str) == Some("Redshift Data Statement Status Change")
}

/// The event's bucket and key.
pub(super) fn object(value: &Value) -> Result<(&str, Key), EventError> {
    let bucket = text(value, "detail.bucket.name")?;
    Ok((bucket, Key::new(text(value, "detail.object.key")?)?))
}
