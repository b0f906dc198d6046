//! The deployment that a command is about: its configuration, bucket and warehouse, as the environment and `--config`
//! name them.
//!
//! Never changes anything.

use std::sync::Arc;

use clap::Args;
use sluice_aws::{Aws, ConfigSourceError, DeployedPorts, Settings, SettingsError};
use sluice_core::config::{Config, Feed};

use crate::failure::Failure;

/// The arguments of every command that is about a deployment.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// The configuration.
    #[arg(
        long,
        value_name = "FILE",
        help = "A path or s3://bucket/key; by default what SLUICE_CONFIG_URI or SLUICE_CONFIG says"
    )]
    config: Option<String>,
}

/// A deployment as an operator reaches it.
pub(crate) struct Deployment {
    pub(crate) config: Arc<Config>,
    pub(crate) ports: DeployedPorts,
}

impl Arguments {
    /// Reads the configuration. Calls no other service yet.
    pub(crate) async fn open(&self) -> Result<Deployment, Failure> {
        let aws = Aws::load(self.settings()?).await;
        let config = aws.config_source().load().await.map_err(not_configured)?;
        let ports = DeployedPorts::deployed(&aws, &config.bucket);
        Ok(Deployment { config, ports })
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let named = self.config.as_deref();
        settings(named).map_err(|error| match error {
            SettingsError::NoConfig => Failure::misused(
                "there is no configuration: name it with --config, a path or s3://bucket/key, or set \
                 SLUICE_CONFIG_URI or SLUICE_CONFIG",
            ),
            SettingsError::ConfigUri(uri) if named.is_some() => {
                Failure::misused(format!("--config is {uri:?}: write a path, or s3://bucket/key"))
            }
            error => Failure::misused(error),
        })
    }
}

/// The settings from the environment, with the configuration that `uri` names, if any, in place of theirs.
pub(crate) fn settings(uri: Option<&str>) -> Result<Settings, SettingsError> {
    Settings::from_env(|name| match (name, uri) {
        ("SLUICE_CONFIG_URI", Some(uri)) => Some(uri.to_owned()),
        ("SLUICE_CONFIG", Some(_)) => None,
        _ => std::env::var(name).ok(),
    })
}

impl Deployment {
    /// The feeds of these names, or all feeds if no name is given.
    pub(crate) fn feeds(&self, names: &[String]) -> Result<Vec<&Feed>, Failure> {
        if names.is_empty() {
            return Ok(self.config.feeds.iter().collect());
        }
        names.iter().map(|name| self.feed(name)).collect()
    }

    pub(crate) fn feed(&self, name: &str) -> Result<&Feed, Failure> {
        self.config.feed(name).ok_or_else(|| {
            let known: Vec<&str> = self.config.feeds.iter().map(|feed| feed.name.as_str()).collect();
            Failure::misused(format!("no feed {name:?} is configured; there are {}", known.join(", ")))
        })
    }
}

fn not_configured(error: ConfigSourceError) -> Failure {
    match error {
        ConfigSourceError::Object { .. } => Failure::failed(error),
        ConfigSourceError::File { .. } | ConfigSourceError::Config(_) => Failure::misused(error),
    }
}
