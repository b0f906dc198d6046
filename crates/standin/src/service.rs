//! The shape of a call, which all parts of the stand-in share. Never says anything about a single service.
//!
//! A service with small, whole requests (Redshift Data, `CloudWatch`, Lambda) implements `Service` and is registered in
//! the `Registry` under the name in its signatures' scope. S3 streams and has its own entry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;

/// A body that goes to a client: whole for most services, streamed for S3.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// One request to a service that reads whole bodies.
#[derive(Debug)]
pub struct Call {
    /// The access key id of the signature, which identifies the caller. For the Runtime API: the instance in the path.
    pub caller: String,
    /// The region of the signature's scope.
    pub region: String,
    /// The request with its whole body.
    pub request: http::Request<Bytes>,
}

/// A service that reads whole bodies.
pub(crate) trait Service: fmt::Debug + Send + Sync + 'static {
    /// The operation's name for the journal and for faults: `BatchExecuteStatement`.
    fn operation(&self, request: &http::Request<Bytes>) -> Cow<'static, str>;

    /// The subject of the request, if it has one: the name of a function.
    fn subject(&self, _request: &http::Request<Bytes>) -> Option<String> {
        None
    }

    /// Whether a request continues after its client is gone. It does in AWS; but a poll that hands something out must
    /// not.
    fn outlives_client(&self, _request: &http::Request<Bytes>) -> bool {
        true
    }

    /// Executes the request.
    fn call(&self, call: Call) -> BoxFuture<'_, http::Response<Bytes>>;
}

/// The registered name of the Lambda Runtime API (`/_runtime/<instance>/…`).
pub(crate) const RUNTIME: &str = "runtime";

/// The services by the names in their signatures' scopes: `redshift-data`, `lambda`, `monitoring`, and [`RUNTIME`].
pub(crate) type Registry = BTreeMap<&'static str, Arc<dyn Service>>;
