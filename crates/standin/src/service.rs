//! What the parts of the stand-in agree on: the shape of a call, and nothing about any one service.
//!
//! Each service whose requests are small and whole (Redshift Data, `CloudWatch`, Lambda) implements `Service` and is
//! entered into the `Registry` under the name in its signatures' scope; S3 streams and has a door of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;

/// A body on its way to a client: whole for most services, streamed for S3.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// One request to a service that takes its bodies whole.
#[derive(Debug)]
pub struct Call {
    /// The access key id of the signature: who is calling. For the Runtime API, the instance in the path.
    pub caller: String,
    /// The region of the signature's scope.
    pub region: String,
    /// The request with its whole body.
    pub request: http::Request<Bytes>,
}

/// A service that takes its bodies whole.
pub(crate) trait Service: fmt::Debug + Send + Sync + 'static {
    /// The operation's name for the journal and for faults: `BatchExecuteStatement`.
    fn operation(&self, request: &http::Request<Bytes>) -> Cow<'static, str>;

    /// What the request is about, where there is such a thing: the name of a function.
    fn subject(&self, _request: &http::Request<Bytes>) -> Option<String> {
        None
    }

    /// Whether a request goes on when its client is gone. So it is in AWS; a poll that hands something out must not.
    fn outlives_client(&self, _request: &http::Request<Bytes>) -> bool {
        true
    }

    /// Executes the request.
    fn call(&self, call: Call) -> BoxFuture<'_, http::Response<Bytes>>;
}

/// The name under which the Lambda Runtime API (`/_runtime/<instance>/…`) is entered.
pub(crate) const RUNTIME: &str = "runtime";

/// The services by the names in their signatures' scopes: `redshift-data`, `lambda`, `monitoring`, and [`RUNTIME`].
pub(crate) type Registry = BTreeMap<&'static str, Arc<dyn Service>>;
