//! A deployment: sets up here, with the real binaries, what the template sets up on AWS.
//!
//! Knows the functions' names, environments and triggers. Never knows what the functions do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::StandIn;
use crate::eventbridge::object_created;
use crate::lambda::{Function, InvokeError, Lambda, Report, SystemClock};
use crate::s3::StorageError;
use crate::schedule::{Running, Schedule};

/// The name of the function that receives S3 events.
pub const LOADER: &str = "sluice-loader";
/// The name of the function that the schedule invokes.
pub const LISTER: &str = "sluice-lister";
/// The name of the function that the lister invokes.
pub const WORKER: &str = "sluice-worker";

/// What to deploy.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The bucket, created if it is missing.
    pub bucket: String,
    /// The configuration, as TOML.
    pub config: String,
    /// The folder that holds the binaries `loader`, `lister` and `worker`.
    pub binaries: PathBuf,
    /// Key prefixes whose new objects are announced to the loader.
    pub notify: Vec<String>,
    /// Whether a process serves more than one invocation.
    pub warm: bool,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// The most workers, and the most loaders, at once.
    pub concurrency: usize,
    /// The most listers at once.
    pub listers: usize,
    /// How long Lambda waits before it retries a failed asynchronous invocation.
    pub retry_delays: Vec<Duration>,
    /// Variables that all three functions get in addition to their own.
    pub environment: Vec<(String, String)>,
}

impl Deployment {
    /// A deployment of these binaries with this configuration: warm, without notifications.
    pub fn new(bucket: impl Into<String>, config: impl Into<String>, binaries: impl Into<PathBuf>) -> Self {
        Self {
            bucket: bucket.into(),
            config: config.into(),
            binaries: binaries.into(),
            notify: Vec::new(),
            warm: true,
            timeout: Duration::from_mins(2),
            concurrency: 4,
            listers: 1,
            retry_delays: vec![Duration::from_mins(1), Duration::from_mins(2)],
            environment: Vec::new(),
        }
    }
}

/// Why a deployment failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A function has not been built.
    #[error("there is no binary {0}: build the functions with `cargo build -p sluice-lambdas`")]
    NoBinary(PathBuf),
    /// The bucket cannot be created.
    #[error("cannot create the bucket")]
    Bucket(#[from] StorageError),
}

/// Deployed functions.
#[derive(Clone, Debug)]
pub struct Deployed {
    lambda: Lambda,
}

impl StandIn {
    /// Deploys the three functions. From now on new objects are announced to the loader, and finished loads to the
    /// worker.
    ///
    /// # Errors
    /// When a binary is missing, or the bucket cannot be created.
    pub fn deploy(&self, deployment: &Deployment) -> Result<Deployed, DeployError> {
        self.storage.create_bucket(&deployment.bucket)?;
        for (name, binary) in [(LOADER, "loader"), (LISTER, "lister"), (WORKER, "worker")] {
            self.lambda.register(function(deployment, name, binary)?);
        }
        for prefix in &deployment.notify {
            self.announce(&deployment.bucket, prefix);
        }
        if let Some(redshift) = &self.redshift {
            let prefix = format!("sluice:{}:", deployment.bucket);
            self.eventbridge.follow(redshift.finished(), prefix, self.lambda.clone(), WORKER, self.region.clone());
        }
        Ok(Deployed { lambda: self.lambda.clone() })
    }

    /// Announces new objects under the prefix to the loader, one event per object, as S3 does through `EventBridge`.
    fn announce(&self, bucket: &str, prefix: &str) {
        let mut created = self.storage.subscribe(bucket, prefix);
        let (lambda, region) = (self.lambda.clone(), self.region.clone());
        // This task ends when the storage that it listens to is dropped.
        tokio::spawn(async move {
            while let Some(object) = created.recv().await {
                let event = object_created(&object, &region);
                if let Err(error) = lambda.deliver(LOADER, event.to_string()) {
                    tracing::debug!(%error, key = object.key, "an event found no function");
                    return;
                }
            }
        });
    }
}

fn function(deployment: &Deployment, name: &str, binary: &str) -> Result<Function, DeployError> {
    let path = deployment.binaries.join(binary);
    if !path.is_file() {
        return Err(DeployError::NoBinary(path));
    }
    let mut function = Function::new(name, path)
        .with_env("SLUICE_CONFIG", &deployment.config)
        .with_env("SLUICE_S3_PATH_STYLE", "true")
        .with_env("SLUICE_WORKER_FUNCTION", WORKER);
    for (variable, value) in &deployment.environment {
        function = function.with_env(variable, value);
    }
    function.warm = deployment.warm;
    function.timeout = deployment.timeout;
    function.retry_delays.clone_from(&deployment.retry_delays);
    // A tick is not retried: the next one comes anyway.
    (function.concurrency, function.retries) = match name {
        LISTER => (Some(deployment.listers), 0),
        _ => (Some(deployment.concurrency), 2),
    };
    Ok(function)
}

impl Deployed {
    /// Invokes the lister on its schedule, starting at once, until the returned value is dropped.
    #[must_use]
    pub fn schedule(&self, every: Duration) -> Running {
        let mut schedule = Schedule::new("sluice-tick", LISTER, every);
        schedule.skip_when_busy = true;
        schedule.start(&self.lambda, Arc::new(SystemClock))
    }

    /// Invokes the lister as its schedule does, and waits for its answer.
    ///
    /// # Errors
    /// When the stand-in is stopping.
    pub async fn tick(&self) -> Result<Arc<Report>, InvokeError> {
        self.invoke(LISTER, &json!({})).await
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// When there is no such function, or the stand-in is stopping.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Arc<Report>, InvokeError> {
        self.lambda.invoke(function, payload.to_string()).await
    }

    /// Waits until no function is running or about to run.
    pub async fn idle(&self) {
        self.lambda.idle().await;
    }
}
