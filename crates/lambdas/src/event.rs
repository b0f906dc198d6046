//! Translates the events of the functions into the core's types: an event's arrivals, a tick's feeds, a worker's claim.
//!
//! Reads an event field by field from its JSON, not through `aws_lambda_events`. Those types refuse what AWS and
//! S3-compatible stores really send (test events, records without `userIdentity`), and an error of `serde` quotes the
//! content of the wrong field. Never looks at the bucket, and never repeats an event's content: errors name fields
//! only.

use serde_json::Value;
use sluice_core::event::Arrival;
use sluice_core::object::{Key, KeyError};

mod eventbridge;
mod request;
mod s3;
#[cfg(test)]
mod tests;

pub use request::{claim, feeds};

/// The shapes that the loader accepts, for the error that refuses another one.
const ACCEPTED: &str = "an S3 notification, an EventBridge \"Object Created\" event or S3's test event, as it is or in \
                        SQS messages, SNS notifications or SNS notifications in SQS messages";

/// The content of a loader's event, without its envelopes.
#[derive(Debug, Default)]
pub struct Event {
    /// The objects that arrived, in the order of the event.
    pub arrivals: Vec<Arrival>,
    /// Parts that were read and announce nothing to load.
    pub ignored: Vec<Ignored>,
    /// Parts that could not be read, although the rest of the event could.
    pub unreadable: Vec<Unreadable>,
}

/// A part of an event that announces nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Why it is ignored.
    pub reason: &'static str,
    /// The id of the queue message that brought it, if one did.
    pub message_id: Option<String>,
}

/// A part of an event that cannot be read, however often it is delivered.
#[derive(Debug)]
pub struct Unreadable {
    /// Why it cannot be read.
    pub error: EventError,
    /// The id of the queue message that brought it, if one did.
    pub message_id: Option<String>,
}

/// Why an event, or one message of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The event has none of the accepted shapes.
    #[error("the event is {got}; what is accepted is {ACCEPTED}")]
    Shape {
        /// The kind of JSON and its field names.
        got: String,
    },
    /// The text in an envelope is not JSON.
    #[error("{field} is not JSON (line {line}, column {column}); what is accepted in it is {ACCEPTED}")]
    NotJson {
        /// The path of the text.
        field: &'static str,
        /// The line of the error, counted from 1.
        line: usize,
        /// The column of the error, counted from 1.
        column: usize,
    },
    /// A field that names the object is missing, or is not a text.
    #[error("{field} is missing or is not a text; send the event as the service wrote it")]
    Field {
        /// The path of the field.
        field: &'static str,
    },
    /// The key is form-encoded, and the decoded key is not UTF-8.
    #[error("s3.object.key is not UTF-8 once its form encoding is off; S3 writes no such key")]
    KeyEncoding,
    /// The key is not a valid key of S3.
    #[error("the object's key is wrong: {0}")]
    Key(#[from] KeyError),
    /// `feeds` is not a list of names.
    #[error("feeds is {got}; write {{\"feeds\": [\"name\", …]}}, or leave it out for all feeds")]
    Feeds {
        /// The kind of JSON.
        got: String,
    },
    /// `feeds` names a feed that is not configured.
    #[error("feeds names {name:?}, and no such feed is configured; there are {known}")]
    UnknownFeed {
        /// The name.
        name: String,
        /// The names that are configured.
        known: String,
    },
    /// A worker's event without a claim.
    #[error(
        "the event is {got}; a worker takes {{\"claim\": \"<the key of a claim>\"}}, or the end of a statement from EventBridge"
    )]
    Claim {
        /// The kind of JSON and its field names.
        got: String,
    },
    /// A worker's event with a key that cannot be a claim's.
    #[error("claim is not a claim's key; claims are named {prefix}<feed>/<slot>.json")]
    NotAClaim {
        /// The prefix of all claims.
        prefix: String,
    },
}

/// Reads an event of the loader.
///
/// Reads every record of the event that it can. The others are [`Event::unreadable`].
///
/// # Errors
/// When the event as a whole has none of the accepted shapes.
pub fn decode(payload: &Value) -> Result<Event, EventError> {
    let mut event = Event::default();
    match records(payload) {
        Some(records) => records.iter().for_each(|record| event.record(record)),
        None => event.notification(payload, None)?,
    }
    Ok(event)
}

fn records(value: &Value) -> Option<&Vec<Value>> {
    value.get("Records").and_then(Value::as_array)
}

impl Event {
    /// Takes a record as Lambda delivers it: a queue's message, a topic's notification, or S3's own record.
    fn record(&mut self, record: &Value) {
        let message_id = record.get("messageId").and_then(Value::as_str);
        let taken = if record.get("body").is_some() {
            json(record, "body").and_then(|body| self.message(&body, message_id))
        } else if record.get("Sns").is_some() {
            json(record, "Sns.Message").and_then(|message| self.notification(&message, None))
        } else {
            self.s3_record(record, None)
        };
        if let Err(error) = taken {
            self.unreadable.push(Unreadable { error, message_id: message_id.map(str::to_owned) });
        }
    }

    /// Takes a queue message's body: a notification, or one that a topic has wrapped (without raw message delivery).
    fn message(&mut self, body: &Value, message_id: Option<&str>) -> Result<(), EventError> {
        let of_topic = body.get("Type").and_then(Value::as_str) == Some("Notification");
        if of_topic && body.get("Message").is_some() {
            return self.notification(&json(body, "Message")?, message_id);
        }
        self.notification(body, message_id)
    }

    /// Takes what S3 or EventBridge wrote, without envelopes.
    fn notification(&mut self, value: &Value, message_id: Option<&str>) -> Result<(), EventError> {
        if s3::is_test_event(value) {
            self.ignore("S3's test event", message_id);
            return Ok(());
        }
        if eventbridge::is_event(value) {
            return self.eventbridge_event(value, message_id);
        }
        let records = records(value).ok_or_else(|| EventError::Shape { got: shape(value) })?;
        // Takes every record, also after an error, and returns the first error.
        let mut first = Ok(());
        for record in records {
            first = first.and(self.s3_record(record, message_id));
        }
        first
    }

    fn s3_record(&mut self, record: &Value, message_id: Option<&str>) -> Result<(), EventError> {
        if !s3::is_record(record) {
            return Err(EventError::Shape { got: format!("a record that is {}", shape(record)) });
        }
        if !s3::is_arrival(record) {
            self.ignore("not an ObjectCreated event", message_id);
            return Ok(());
        }
        let (bucket, key) = s3::object(record)?;
        self.arrive(bucket, key, message_id);
        Ok(())
    }

    fn eventbridge_event(&mut self, value: &Value, message_id: Option<&str>) -> Result<(), EventError> {
        if eventbridge::is_arrival(value) {
            let (bucket, key) = eventbridge::object(value)?;
            self.arrive(bucket, key, message_id);
            return Ok(());
        }
        if eventbridge::is_of_s3(value) {
            self.ignore("not an Object Created event", message_id);
            return Ok(());
        }
        Err(EventError::Shape { got: "an EventBridge event that is not S3's".to_owned() })
    }

    fn arrive(&mut self, bucket: &str, key: Key, message_id: Option<&str>) {
        let message_id = message_id.map(str::to_owned);
        self.arrivals.push(Arrival { bucket: bucket.to_owned(), key, message_id });
    }

    fn ignore(&mut self, reason: &'static str, message_id: Option<&str>) {
        self.ignored.push(Ignored { reason, message_id: message_id.map(str::to_owned) });
    }
}

/// The text at `path`, such as `s3.bucket.name`.
fn text<'v>(value: &'v Value, path: &'static str) -> Result<&'v str, EventError> {
    let found = path.split('.').try_fold(value, |value, field| value.get(field));
    found.and_then(Value::as_str).ok_or(EventError::Field { field: path })
}

/// The JSON in the text at `path`.
fn json(value: &Value, path: &'static str) -> Result<Value, EventError> {
    let not_json =
        |error: serde_json::Error| EventError::NotJson { field: path, line: error.line(), column: error.column() };
    serde_json::from_str(text(value, path)?).map_err(not_json)
}

/// Describes a value without its content: the kind of JSON, and an object's field names.
fn shape(value: &Value) -> String {
    const NAMES: usize = 12;
    const LETTERS: usize = 40;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(fields) if fields.is_empty() => "an object without fields".to_owned(),
        Value::Object(fields) => {
            let names = fields.keys().take(NAMES).map(|name| name.chars().take(LETTERS).collect::<String>());
            let names = names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            let more = if fields.len() > NAMES { ", …" } else { "" };
            format!("an object with the fields {names}{more}")
        }
    }
}
