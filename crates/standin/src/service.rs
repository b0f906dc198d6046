//! What every service of the stand-in is handed: one request, with who sent it.
//!
//! Never interprets the request: that is each service's own business.

use bytes::Bytes;

/// One request to a service whose bodies are small enough to be held whole.
#[derive(Debug)]
pub struct Call {
    /// The access key id of the signature: which function instance, or an outside caller.
    pub caller: String,
    /// The region of the signature.
    pub region: String,
    /// The request itself.
    pub request: http::Request<Bytes>,
}
