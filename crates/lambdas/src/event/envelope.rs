//! The envelopes of queues and topics: SQS messages, SNS notifications.
//!
//! Takes them off and looks at nothing inside.

use serde_json::Value;

use super::{EventError, json};

/// Whether the record is an SQS message.
pub(super) fn is_queue_message(record: &Value) -> bool {
    record.get("body").is_some()
}

/// The id under which a queue message is given back.
pub(super) fn message_id(record: &Value) -> Option<&str> {
    record.get("messageId").and_then(Value::as_str)
}

/// What an SQS message carries.
pub(super) fn queue_message(record: &Value) -> Result<Value, EventError> {
    json(record, "body")
}

/// Whether the record is what Lambda gets from SNS.
pub(super) fn is_topic_record(record: &Value) -> bool {
    record.get("Sns").is_some()
}

/// What SNS carried to Lambda.
pub(super) fn topic_record(record: &Value) -> Result<Value, EventError> {
    json(record, "Sns.Message")
}

/// Whether a queue message's body is what SNS wraps its messages in.
pub(super) fn is_topic_notification(body: &Value) -> bool {
    body.get("Type").and_then(Value::as_str) == Some("Notification") && body.get("Message").is_some()
}

/// What SNS carried to the queue.
pub(super) fn topic_notification(body: &Value) -> Result<Value, EventError> {
    json(body, "Message")
}
