//! What the parts of the stand-in agree on: the shape of a call, and nothing about any one service.
//!
//! Each service whose requests are small and whole (Redshift Data, CloudWatch, Lambda) offers
//! `async fn call(&self, call: Call) -> http::Response<Bytes>` and
//! `fn operation(request: &http::Request<Bytes>) -> …` for the journal; S3 streams and has a door of its own.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// A body on its way to a client: whole for most services, streamed for S3.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// One request to a service that takes its bodies whole.
#[derive(Debug)]
pub(crate) struct Call {
    /// The access key id of the signature: who is calling.
    pub(crate) caller: String,
    /// The region of the signature's scope.
    pub(crate) region: String,
    /// The request with its whole body.
    pub(crate) request: http::Request<Bytes>,
}
