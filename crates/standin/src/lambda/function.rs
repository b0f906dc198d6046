//! What a function is: its binary and the settings that Lambda has for it.
//!
//! Never runs anything.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// The account in every ARN of the stand-in.
pub(crate) const ACCOUNT: &str = "000000000000";

/// A function: a binary that speaks the Runtime API, and how Lambda runs it.
#[derive(Clone, Debug)]
pub struct Function {
    /// The name that invocations use.
    pub name: String,
    /// The `bootstrap` binary.
    pub binary: PathBuf,
    /// Its own environment, which overrides what Lambda sets.
    pub environment: BTreeMap<String, String>,
    /// The longest that one invocation may take.
    pub timeout: Duration,
    /// The memory size that the function sees; nothing enforces it.
    pub memory_mb: u32,
    /// Whether a process also serves later invocations. Otherwise each invocation gets its own process.
    pub warm: bool,
    /// The most invocations at once (reserved concurrency).
    pub concurrency: Option<usize>,
    /// How often an asynchronous event is retried after a function error.
    pub retries: u32,
    /// How long to wait before each retry; later retries use the last one.
    pub retry_delays: Vec<Duration>,
    /// The age at which an asynchronous event is dropped as failed.
    pub maximum_event_age: Duration,
}

impl Function {
    /// A function with Lambda's defaults: two retries, after one and two minutes, and a maximum event age of six hours.
    pub fn new(name: impl Into<String>, binary: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            binary: binary.into(),
            environment: BTreeMap::new(),
            timeout: Duration::from_mins(1),
            memory_mb: 256,
            warm: true,
            concurrency: None,
            retries: 2,
            retry_delays: vec![Duration::from_mins(1), Duration::from_mins(2)],
            maximum_event_age: Duration::from_hours(6),
        }
    }

    /// Adds one variable to the function's environment.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// How long to wait after failed attempt number `attempt` (from 1).
    pub(super) fn retry_delay(&self, attempt: u32) -> Duration {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.retry_delays.get(index).or(self.retry_delays.last()).copied().unwrap_or_default()
    }

    /// The function's ARN.
    pub(crate) fn arn(&self, region: &str) -> String {
        arn(region, &self.name)
    }
}

/// The ARN of a function that need not exist.
pub(crate) fn arn(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}
