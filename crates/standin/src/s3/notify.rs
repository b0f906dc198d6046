//! Notifications of created objects, and their format in S3.
//!
//! Subscribers are notified while the storage's lock is held, so in the order of the writes. S3 itself promises no
//! order, and at least one delivery. Never waits for a subscriber.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::object::ObjectInfo;

/// Characters that S3 leaves unencoded in the key of a notification; a space becomes `+`.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b' ');

/// How an object was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    Put,
    Copy,
    CompleteMultipartUpload,
}

impl Created {
    const fn event_name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
        }
    }
}

/// The creation of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectCreated {
    /// Its bucket.
    pub bucket: String,
    /// Its key, not encoded.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its `ETag`, without quotes.
    pub etag: String,
    /// Grows with every write; hexadecimal, as in S3.
    pub sequencer: String,
    /// `ObjectCreated:Put`, `ObjectCreated:Copy` or `ObjectCreated:CompleteMultipartUpload`.
    pub event_name: &'static str,
    /// When it was written.
    pub at: Timestamp,
}

impl ObjectCreated {
    pub(crate) fn new(bucket: &str, info: &ObjectInfo, sequence: u64, event: Created) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key: info.key.clone(),
            size: info.size,
            etag: info.etag.clone(),
            sequencer: format!("{sequence:018X}"),
            event_name: event.event_name(),
            at: info.last_modified,
        }
    }

    /// How the object was created, in `EventBridge`'s words.
    pub(crate) fn reason(&self) -> &'static str {
        match self.event_name {
            "ObjectCreated:Copy" => "CopyObject",
            "ObjectCreated:CompleteMultipartUpload" => "CompleteMultipartUpload",
            _ => "PutObject",
        }
    }

    /// The record of this event in the form that S3 sends to Lambda, SQS and SNS. Put it into `{"Records": […]}`.
    #[must_use]
    pub fn record(&self, region: &str) -> Value {
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": region,
            "eventTime": format!("{:.3}", self.at),
            "eventName": self.event_name,
            "userIdentity": {"principalId": "AWS:AIDASLUICESTANDIN"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {
                "x-amz-request-id": self.sequencer,
                "x-amz-id-2": self.sequencer,
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "standin",
                "bucket": {
                    "name": self.bucket,
                    "ownerIdentity": {"principalId": "SLUICESTANDIN"},
                    "arn": format!("arn:aws:s3:::{}", self.bucket),
                },
                "object": {
                    "key": encoded_key(&self.key),
                    "size": self.size,
                    "eTag": self.etag,
                    "sequencer": self.sequencer,
                },
            },
        })
    }

    /// A complete notification of only this event.
    #[must_use]
    pub fn notification(&self, region: &str) -> Value {
        json!({"Records": [self.record(region)]})
    }
}

/// The key in the form of notifications: form-encoded, except for slashes.
fn encoded_key(key: &str) -> String {
    utf8_percent_encode(key, KEY).to_string().replace(' ', "+")
}

/// A subscriber to new objects.
#[derive(Debug)]
pub(super) struct Subscriber {
    bucket: String,
    prefix: String,
    events: mpsc::UnboundedSender<ObjectCreated>,
}

impl Subscriber {
    pub(super) fn new(bucket: &str, prefix: &str, events: mpsc::UnboundedSender<ObjectCreated>) -> Self {
        Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), events }
    }

    /// Sends the event if the subscriber wants it. Returns `false` if the subscriber is gone.
    pub(super) fn tell(&self, created: &ObjectCreated) -> bool {
        if created.bucket != self.bucket || !created.key.starts_with(&self.prefix) {
            return !self.events.is_closed();
        }
        self.events.send(created.clone()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_shape_of_s3s_own() {
        let created = ObjectCreated {
            bucket: "landing".to_owned(),
            key: "incoming/a b.csv".to_owned(),
            size: 1024,
            etag: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            sequencer: "000000000000000001".to_owned(),
            event_name: "ObjectCreated:Put",
            at: Timestamp::UNIX_EPOCH,
        };
        let notification = created.notification("eu-west-1");
        let record = &notification["Records"][0];
        assert_eq!(record["eventVersion"], "2.1");
        assert_eq!(record["eventTime"], "1970-01-01T00:00:00.000Z");
        assert_eq!(record["awsRegion"], "eu-west-1");
        assert_eq!(record["s3"]["bucket"]["arn"], "arn:aws:s3:::landing");
        let object = json!({
            "key": "incoming/a+b.csv",
            "size": 1024,
            "eTag": "d41d8cd98f00b204e9800998ecf8427e",
            "sequencer": "000000000000000001",
        });
        assert_eq!(record["s3"]["object"], object);
    }

    #[test]
    fn keys_are_spelled_as_forms_spell_them() {
        assert_eq!(encoded_key("a b+c=d:e%/ü*~"), "a+b%2Bc%3Dd%3Ae%25/%C3%BC*%7E");
    }
}
