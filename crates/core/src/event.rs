//! What events say once their envelopes are off: which objects arrived.
//!
//! Decoding is done where the envelopes are known (the functions); nothing here parses.

use crate::object::Key;

/// An object that somebody says has arrived. A hint: whether it is there, and as what, S3 is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arrival {
    /// The bucket that the event names.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: Key,
    /// The queue message that brought it, where one did: what is reported back when it has to come again.
    pub message_id: Option<String>,
}
