//! Which deployment a command is about: its configuration, its bucket and its warehouse, as the environment and `--config`
//! name them.
//!
//! Never changes anything.

use std::sync::Arc;

use clap::Args;
use sluice_aws::{Aws, AwsPorts, ConfigSourceError, RedshiftData, S3Objects, Settings, SettingsError};
use sluice_core::config::{Config, Feed};
use sluice_core::redshift::RedshiftDestination;

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

/// The world of a deployment.
pub(crate) type Ports = AwsPorts<RedshiftDestination<RedshiftData, S3Objects>>;

/// A deployment, as an operator reaches it.
pub(crate) struct Deployment {
    pub(crate) config: Arc<Config>,
    pub(crate) ports: Ports,
}

impl Arguments {
    /// Reads the configuration; asks nobody else yet.
    pub(crate) async fn open(&self) -> Result<Deployment, Failure> {
        let aws = Aws::load(self.settings()?).await;
        let config = aws.config_source().load().await.map_err(not_configured)?;
        let ports = AwsPorts::redshift(&aws, &config.bucket);
        Ok(Deployment { config, ports })
    }

    /// What the environment says, with `--config` for the configuration.
    fn settings(&self) -> Result<Settings, Failure> {
        let named = self.config.as_deref();
        let variable = |name: &str| match (name, named) {
            ("SLUICE_CONFIG_URI", Some(config)) => Some(config.to_owned()),
            ("SLUICE_CONFIG", Some(_)) => None,
            _ => std::env::var(name).ok(),
        };
        Settings::from_env(variable).map_err(|error| match error {
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

impl Deployment {
    /// The feeds of these names; all of them where none is named.
    pub(crate) fn feeds(&self, names: &[String]) -> Result<Vec<&Feed>, Failure> {
        if names.is_empty() {
            return Ok(self.config.feeds.iter().collect());
        }
        names.iter().map(|name| self.feed(name)).collect()
    }

    /// The feed of this name.
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
