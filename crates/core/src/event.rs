//! What an event says: which objects arrived.
//!
//! Never parses: the functions know the envelopes, and decode them.

use crate::object::Key;

/// An object that an event names. It is a hint: S3 is asked whether the object is there, and in which version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arrival {
    /// The bucket that the event names.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: Key,
    /// The queue message that brought it, if one did. It is reported back when the message has to come again.
    pub message_id: Option<String>,
}
