//! The services other than S3, registered under the names in their signatures.
//!
//! Never does more than pass calls on; each service lives in its own folder.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};

use crate::cloudwatch::CloudWatch;
use crate::lambda::Lambda;
use crate::redshift::{self, Redshift};
use crate::service::{Call, RUNTIME, Registry, Service};

/// All services that this stand-in has.
pub(crate) fn registry(redshift: Option<&Arc<Redshift>>, lambda: &Lambda, cloudwatch: &CloudWatch) -> Registry {
    let mut registry = Registry::new();
    if let Some(redshift) = redshift {
        registry.insert("redshift-data", Arc::new(DataApi(Arc::clone(redshift))));
    }
    registry.insert("monitoring", Arc::new(Monitoring(cloudwatch.clone())));
    registry.insert("lambda", Arc::new(Functions(lambda.clone())));
    registry.insert(RUNTIME, Arc::new(Runtime(lambda.clone())));
    registry
}

#[derive(Debug)]
struct DataApi(Arc<Redshift>);

impl Service for DataApi {
    fn operation(&self, request: &Request<Bytes>) -> Cow<'static, str> {
        redshift::operation(request).into()
    }

    fn subject(&self, request: &Request<Bytes>) -> Option<String> {
        redshift::subject(request)
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Response<Bytes>> {
        self.0.call(call).boxed()
    }
}

#[derive(Debug)]
struct Monitoring(CloudWatch);

impl Service for Monitoring {
    fn operation(&self, request: &Request<Bytes>) -> Cow<'static, str> {
        CloudWatch::operation(request).into()
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Response<Bytes>> {
        self.0.call(call).boxed()
    }
}

#[derive(Debug)]
struct Functions(Lambda);

impl Service for Functions {
    fn operation(&self, request: &Request<Bytes>) -> Cow<'static, str> {
        Lambda::operation(request).into()
    }

    fn subject(&self, request: &Request<Bytes>) -> Option<String> {
        Lambda::subject(request)
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Response<Bytes>> {
        self.0.call(call).boxed()
    }
}

/// The Runtime API, which the functions' own processes call.
#[derive(Debug)]
struct Runtime(Lambda);

impl Service for Runtime {
    fn operation(&self, request: &Request<Bytes>) -> Cow<'static, str> {
        match request.uri().path().rsplit('/').next() {
            Some("next") => "Next",
            Some("response") => "Response",
            _ => "Error",
        }
        .into()
    }

    /// A dead process must not receive an event, so its poll ends with it.
    fn outlives_client(&self, request: &Request<Bytes>) -> bool {
        !request.uri().path().ends_with("/next")
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Response<Bytes>> {
        self.0.runtime(call.request).boxed()
    }
}
