//! `sluice verify`: accounts for every file of a deployment, and reports what is wrong and what will fix it.
//!
//! Never writes, and finds nothing itself: it asks `sluice_operator`, and prints the findings as they come.

mod print;

use std::time::Duration;

use clap::Args;
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
    let Deployment { config, ports } = &deployment;
    let kept_for = arguments.processed_days.map(|days| Duration::from_hours(24 * u64::from(days)));
    let options = Options { kept_for, most: arguments.most, ..Options::default() };
    let mut printer = Printer::new(arguments.json);
    // Verifies every feed, even if another one fails.
    for feed in deployment.feeds(&arguments.feed)? {
        printer.begin(Some(feed.name.as_str()));
        match verify(config, ports, feed, options, &mut |news| printer.news(&news)).await {
            Ok(account) => printer.account(&account),
            Err(error) => printer.trouble(&error),
        }
    }
    if arguments.feed.is_empty() {
        printer.begin(None);
        match rest(config, ports, options.most, &mut |news| printer.news(&news)).await {
            Ok(rest) => printer.rest(rest),
            Err(error) => printer.trouble(&error),
        }
    }
    printer.end()
}
