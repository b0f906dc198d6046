//! Sluice's ports on the official AWS SDK: one adapter per service.
//!
//! ```text
//!   settings ──▶ config_source ──▶ Config         environment, then a file, an object or a variable
//!   Aws ───────▶ ports: s3             Objects     files, claims, manifests
//!                       redshift_data  Statements  of the destination in Redshift
//!                       lambda         Workers     claims go to workers
//!                       cloudwatch     Metrics
//!                       clock          Clock
//!   destinations: where rows may go, a line for each
//!   error: the one place where a failure of the SDK becomes a `PortError`
//! ```
//!
//! Only translates. It contains no step of the protocol, no retries beyond the SDK's own, and no Lambda runtime. All
//! services share one HTTPS client. A service's client is made on first use, so a tick with nothing to load never makes
//! one for the warehouse.

pub mod clock;
pub mod cloudwatch;
pub mod config_source;
pub mod destinations;
mod error;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod fake_http;
pub mod lambda;
mod lazy;
pub mod ports;
pub mod redshift_data;
pub mod s3;
pub mod settings;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient};
use aws_smithy_http_client::tls;

pub use clock::SystemClock;
pub use cloudwatch::CloudWatchMetrics;
pub use config_source::{ConfigSource, ConfigSourceError};
pub use destinations::{DESTINATIONS, DeployedDestination};
pub use lambda::LambdaWorkers;
use lazy::Lazy;
pub use ports::{AwsPorts, DeployedPorts};
pub use redshift_data::RedshiftData;
pub use s3::{Copies, S3Objects};
pub use settings::{ConfigOrigin, Settings, SettingsError};

/// How long one attempt of a call may take. Longer than the Data API may wait ([`redshift_data::LONGEST_WAIT`]).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(40);

/// How many times the SDK tries a call, with its backoff and jitter in between.
const ATTEMPTS: u32 = 5;
/// The variable that sets another number of attempts. Source: AWS SDKs and Tools Reference Guide, retry behavior.
const MAX_ATTEMPTS: &str = "AWS_MAX_ATTEMPTS";

/// An AWS account as this process sees it: credentials, Region, endpoints, one HTTPS client.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
    s3: Lazy<aws_sdk_s3::Client>,
    settings: Settings,
}

/// An endpoint outside AWS, and the credentials to use there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Such as `http://127.0.0.1:4566`.
    pub url: String,
    /// The access key's id. A stand-in tells its callers apart by it.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
    /// The Region to sign for.
    pub region: String,
}

impl Aws {
    /// Loads the account from the environment and the SDK's other sources.
    pub async fn load(settings: Settings) -> Self {
        Self::of(loader(https_client()).load().await, settings)
    }

    /// Uses this endpoint, whatever the environment says.
    pub async fn at(endpoint: Endpoint, settings: Settings) -> Self {
        Self::over(https_client(), endpoint, settings).await
    }

    async fn over(http_client: SharedHttpClient, endpoint: Endpoint, settings: Settings) -> Self {
        let Endpoint { url, access_key_id, secret_access_key, region } = endpoint;
        let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "sluice");
        let loader =
            loader(http_client).endpoint_url(url).region(Region::new(region)).credentials_provider(credentials);
        Self::of(loader.load().await, settings)
    }

    fn of(sdk: SdkConfig, settings: Settings) -> Self {
        let (for_s3, path_style) = (sdk.clone(), settings.s3_path_style);
        Self { s3: Lazy::new(move || s3_client(&for_s3, path_style)), sdk, settings }
    }

    /// The bucket of this name.
    #[must_use]
    pub fn objects(&self, bucket: &str) -> S3Objects {
        S3Objects::new(self.s3.clone(), bucket)
    }

    /// The Redshift Data API.
    #[must_use]
    pub fn statements(&self) -> RedshiftData {
        let sdk = self.sdk.clone();
        RedshiftData::new(Lazy::new(move || aws_sdk_redshiftdata::Client::new(&sdk)))
    }

    /// The function that `SLUICE_WORKER_FUNCTION` names.
    #[must_use]
    pub fn workers(&self) -> LambdaWorkers {
        let sdk = self.sdk.clone();
        let client = Lazy::new(move || aws_sdk_lambda::Client::new(&sdk));
        LambdaWorkers::new(client, self.settings.worker_function.clone())
    }

    /// The metrics in CloudWatch.
    #[must_use]
    pub fn metrics(&self) -> CloudWatchMetrics {
        let sdk = self.sdk.clone();
        CloudWatchMetrics::new(Lazy::new(move || aws_sdk_cloudwatch::Client::new(&sdk)))
    }

    /// The source of the configuration.
    #[must_use]
    pub fn config_source(&self) -> ConfigSource {
        ConfigSource::new(self.settings.config.clone(), self.s3.clone())
    }

    /// The settings that this account was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

fn loader(http_client: SharedHttpClient) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client).timeout_config(timeouts);
    // The environment takes precedence, as everywhere in the SDK.
    match std::env::var_os(MAX_ATTEMPTS) {
        Some(_) => loader,
        None => loader.retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS)),
    }
}

fn https_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

/// Sends and checks checksums only where S3 requires them: objects are small, and TLS protects them in transit.
fn s3_client(sdk: &SdkConfig, path_style: bool) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(sdk)
        .force_path_style(path_style)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    aws_sdk_s3::Client::from_conf(config.build())
}
