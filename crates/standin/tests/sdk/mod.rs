//! The real AWS SDK for Rust, pointed at a stand-in.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use sluice_standin::{Options, StandIn};

/// The bucket that every test has.
pub(crate) const BUCKET: &str = "landing";

/// A stand-in with an empty bucket.
pub(crate) async fn standin() -> StandIn {
    let options = Options { buckets: vec![BUCKET.to_owned()], ..Options::default() };
    StandIn::start(options).await.unwrap()
}

/// A client that calls itself `caller` and does not retry, so that tests see every answer.
pub(crate) fn client(standin: &StandIn, caller: &str) -> Client {
    client_with(standin, caller, RetryConfig::disabled())
}

/// A client that retries as it is told.
pub(crate) fn client_with(standin: &StandIn, caller: &str, retries: RetryConfig) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(standin.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(caller, "sluice", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(retries)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// Status and error code of a refused request.
pub(crate) fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = result.unwrap_err();
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}
