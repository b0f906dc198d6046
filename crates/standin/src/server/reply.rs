//! Answers that the server makes without a service, and the one that it withholds.
//!
//! Never decides which request gets one.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::service::Body;

/// The reply must not reach the client. Returned as an error, this makes hyper close the connection.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the reply is lost on purpose")]
pub(super) struct Lost;

/// An answer of the stand-in itself.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

pub(super) fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}
