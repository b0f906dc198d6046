//! The envelopes of queues and topics: SQS messages, SNS notifications.
//!
//! Removes the envelopes, and never looks at their content.

use serde_json::Value;

use super::{EventError, json};

/// Whether the record is an SQS message.
pub(super) fn is_queue_message(record: &Value) -> bool {
    record.get("body").is_some()
}

/// The id by which a message is returned to its queue.
pub(super) fn message_id(record: &Value) -> Option<&str> {
    record.get("messageId").and_then(Value::as_str)
}

/// The content of an SQS message.
pub(super) fn queue_message(record: &Value) -> Result<Value, EventError> {
    json(record, "body")
}

/// Whether SNS delivered the record to Lambda.
pub(super) fn is_topic_record(record: &Value) -> bool {
    record.get("Sns").is_some()
}

/// The content of a notification that SNS delivered to Lambda.
pub(super) fn topic_record(record: &Value) -> Result<Value, EventError> {
    json(record, "Sns.Message")
}

/// Whether a queue message's body is a notification of SNS, with the message inside.
pub(super) fn is_topic_notification(body: &Value) -> bool {
    body.get("Type").and_then(Value::as_str) == Some("Notification") && body.get("Message").is_some()
}

/// The content of a notification that SNS delivered to a queue.
pub(super) fn topic_notification(body: &Value) -> Result<Value, EventError> {
    json(body, "Message")
}
