//! `sluice verify`: accounts for every file of a deployment, and reports what is wrong and what will fix it.
//!
//! Never writes, and finds nothing itself: it asks `sluice_operator`, and prints the findings as they come.

mod print;

use std::time::Duration;

use clap::Args;
use sluice_core::config::Feed;
use sluice_operator::verify::{Options, rest, verify};

use crate::deployment::{self, Deployment};
use crate::failure::Failure;
use print::Printer;

/// Arguments of `sluice verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
It reads incoming/, processed/, failed/, sluice/redrive/ and the claims with s3:ListBucket and s3:GetObject, and each \
feed's ledger with SELECT through the Redshift Data API. It changes nothing. Credentials, Region and endpoints are those of the AWS SDK.

Exit codes: 0 all adds up (files that wait or are being loaded do); 3 something does not; 1 something could not be read; \
2 wrong usage or configuration.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    deployment: deployment::Arguments,
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

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let deployment = arguments.deployment.open().await?;
    let feeds = deployment.feeds(&arguments.feed)?;
    let printer = Printer::new(arguments.json);
    Verification { arguments: &arguments, deployment: &deployment, printer }.run(&feeds).await
}

struct Verification<'a> {
    arguments: &'a Arguments,
    deployment: &'a Deployment,
    printer: Printer,
}

impl Verification<'_> {
    /// Verifies every feed, even if another one fails.
    async fn run(mut self, feeds: &[&Feed]) -> Result<(), Failure> {
        let days = self.arguments.processed_days;
        let kept_for = days.map(|days| Duration::from_hours(24 * u64::from(days)));
        let options = Options { kept_for, most: self.arguments.most, ..Options::default() };
        let Deployment { config, ports } = self.deployment;
        for feed in feeds {
            self.printer.begin(Some(feed.name.as_str()));
            let verified = verify(config, ports, feed, options, &mut |news| self.printer.news(&news)).await;
            match verified {
                Ok(account) => self.printer.account(&account),
                Err(error) => self.printer.trouble(&error),
            }
        }
        if self.arguments.feed.is_empty() {
            self.printer.begin(None);
            let rest = rest(config, ports, options.most, &mut |news| self.printer.news(&news)).await;
            match rest {
                Ok(rest) => self.printer.rest(rest),
                Err(error) => self.printer.trouble(&error),
            }
        }
        self.printer.end()
    }
}
