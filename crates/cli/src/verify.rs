//! `sluice verify`: accounts for every file of a deployment, and says what is wrong and what will mend it.
//!
//! Reads only. What there is to say comes from the core; here it is asked for and printed, as it is found.

mod print;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sluice_aws::{Aws, AwsPorts, ConfigSourceError, RedshiftData, S3Objects, Settings, SettingsError};
use sluice_core::config::{Config, Feed};
use sluice_core::redshift::RedshiftDestination;
use sluice_core::verify::{Options, rest, verify};

use crate::failure::Failure;
use print::Printer;

/// Arguments of `sluice verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
It reads incoming/, processed/, failed/ and the claims with s3:ListBucket and s3:GetObject, and each feed's ledger with \
SELECT through the Redshift Data API. It changes nothing. Credentials, Region and endpoints are those of the AWS SDK.

Exit codes: 0 all adds up (files that wait or are being loaded do); 3 something does not; 1 something could not be read; \
2 wrong usage or configuration.")]
pub(crate) struct Arguments {
    /// The configuration.
    #[arg(
        long,
        value_name = "FILE",
        help = "A path or s3://bucket/key; by default what SLUICE_CONFIG_URI or SLUICE_CONFIG says"
    )]
    config: Option<String>,
    /// Only this feed; may be repeated. Without it, what is no feed's is looked at too
    #[arg(long, value_name = "NAME")]
    feed: Vec<String>,
    /// The days after which a lifecycle rule removes what is in processed/: older files are not missed there
    #[arg(long, value_name = "DAYS")]
    processed_days: Option<u16>,
    /// The most findings that are told of a feed; what looks wrong after them is only counted
    #[arg(long, value_name = "NUMBER", default_value_t = Options::default().most)]
    most: u64,
    /// Print one JSON object a line instead
    #[arg(long)]
    json: bool,
}

/// The world of a deployment.
type Ports = AwsPorts<RedshiftDestination<RedshiftData, S3Objects>>;

/// Runs it.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let aws = Aws::load(settings(&arguments)?).await;
    let config = aws.config_source().load().await.map_err(not_configured)?;
    let feeds = chosen(&config, &arguments.feed)?;
    let ports = AwsPorts::redshift(&aws, &config.bucket);
    let printer = Printer::new(arguments.json);
    Verification { arguments, config: Arc::clone(&config), ports, printer }.run(&feeds).await
}

/// What the environment says, with `--config` for the configuration.
fn settings(arguments: &Arguments) -> Result<Settings, Failure> {
    let named = arguments.config.as_deref();
    let variable = |name: &str| match (name, named) {
        ("SLUICE_CONFIG_URI", Some(config)) => Some(config.to_owned()),
        ("SLUICE_CONFIG", Some(_)) => None,
        _ => std::env::var(name).ok(),
    };
    Settings::from_env(variable).map_err(|error| match error {
        SettingsError::NoConfig => Failure::misused(
            "there is no configuration: name it with --config, a path or s3://bucket/key, or set SLUICE_CONFIG_URI or \
             SLUICE_CONFIG",
        ),
        SettingsError::ConfigUri(uri) if named.is_some() => {
            Failure::misused(format!("--config is {uri:?}: write a path, or s3://bucket/key"))
        }
        error => Failure::misused(error),
    })
}

fn not_configured(error: ConfigSourceError) -> Failure {
    match error {
        ConfigSourceError::Object { .. } => Failure::failed(error),
        ConfigSourceError::File { .. } | ConfigSourceError::Config(_) => Failure::misused(error),
    }
}

fn chosen<'c>(config: &'c Config, names: &[String]) -> Result<Vec<&'c Feed>, Failure> {
    if names.is_empty() {
        return Ok(config.feeds.iter().collect());
    }
    let unknown = |name: &str| {
        let known: Vec<&str> = config.feeds.iter().map(|feed| feed.name.as_str()).collect();
        Failure::misused(format!("no feed {name:?} is configured; there are {}", known.join(", ")))
    };
    names.iter().map(|name| config.feed(name).ok_or_else(|| unknown(name))).collect()
}

struct Verification {
    arguments: Arguments,
    config: Arc<Config>,
    ports: Ports,
    printer: Printer,
}

impl Verification {
    /// Every feed, whatever becomes of the others.
    async fn run(mut self, feeds: &[&Feed]) -> Result<(), Failure> {
        let days = self.arguments.processed_days;
        let kept_for = days.map(|days| Duration::from_hours(24 * u64::from(days)));
        let options = Options { kept_for, most: self.arguments.most, ..Options::default() };
        for feed in feeds {
            self.printer.begin(Some(feed.name.as_str()));
            let verified = verify(&self.config, &self.ports, feed, options, &mut |news| self.printer.news(&news)).await;
            match verified {
                Ok(account) => self.printer.account(&account),
                Err(error) => self.printer.trouble(&error),
            }
        }
        if self.arguments.feed.is_empty() {
            self.printer.begin(None);
            let rest = rest(&self.config, &self.ports, options.most, &mut |news| self.printer.news(&news)).await;
            match rest {
                Ok(rest) => self.printer.rest(rest),
                Err(error) => self.printer.trouble(&error),
            }
        }
        self.printer.end()
    }
}
