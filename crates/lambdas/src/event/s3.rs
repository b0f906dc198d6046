//! S3's own notifications: `Records[]` with form-encoded keys, and the test event.
//!
//! Reads only which object it is. Never trusts the size, `ETag` and time of an event: they are hints, and S3 is asked.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use sluice_core::object::Key;

use super::{EventError, text};

/// Whether this is the event that S3 sends once when a notification is configured. It has no records.
pub(super) fn is_test_event(value: &Value) -> bool {
    value.get("Event").and_then(Value::as_str) == Some("s3:TestEvent")
}

/// Whether this is a record of an S3 notification.
pub(super) fn is_record(record: &Value) -> bool {
    record.get("s3").is_some()
}

/// Whether the record announces an object. S3 writes `ObjectCreated:Put`; some compatible stores write
/// `s3:ObjectCreated:Put`.
pub(super) fn is_arrival(record: &Value) -> bool {
    let name = record.get("eventName").and_then(Value::as_str).unwrap_or_default();
    name.strip_prefix("s3:").unwrap_or(name).starts_with("ObjectCreated:")
}

/// The record's bucket and key.
pub(super) fn object(record: &Value) -> Result<(&str, Key), EventError> {
    let bucket = text(record, "s3.bucket.name")?;
    Ok((bucket, decode_key(text(record, "s3.object.key")?)?))
}

/// Undoes the form encoding of a key: first turns each `+` into a space, then decodes the percent signs.
/// Source: Amazon S3 User Guide, "Event message structure".
fn decode_key(encoded: &str) -> Result<Key, EventError> {
    let spaced = if encoded.contains('+') { Cow::Owned(encoded.replace('+', " ")) } else { Cow::Borrowed(encoded) };
    let key = percent_decode_str(&spaced).decode_utf8().map_err(|_| EventError::KeyEncoding)?;
    Ok(Key::new(key)?)
}
