//! What the server hands to a service: the whole request and who made it.
//!
//! Never interprets a request; that is each service's own business.

use bytes::Bytes;

/// One request, read to its end, with what the signature says about it.
#[derive(Debug)]
pub(crate) struct Call {
    /// The access key id of the caller.
    #[allow(dead_code, reason = "not every service asks who calls")]
    pub(crate) caller: String,
    /// The Region of the signature scope.
    pub(crate) region: String,
    /// The request with its whole body.
    pub(crate) request: http::Request<Bytes>,
}
