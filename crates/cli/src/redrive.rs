//! `sluice redrive`: moves files from `failed/` back to `incoming/`, where they are judged again.

mod print;

use clap::Args;
use jiff::Timestamp;
use sluice_core::ports::Ports;
use sluice_operator::redrive::{Options, redrive};

use crate::deployment;
use crate::failure::Failure;
use crate::selection::Selection;
pub(crate) use print::Printer;

/// Arguments of `sluice redrive`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is overwritten and nothing that is being loaded is touched: what cannot go back now is told, and stays. A run \
that was interrupted is finished by the next one. Needs s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on \
failed/, incoming/ and sluice/redrive/, and s3:GetObject on sluice/claims/.

Exit codes: 0 done; 1 something failed or stays; 2 wrong usage or configuration.")]
pub(crate) struct Arguments {
    /// The feed's name
    #[arg(value_name = "FEED")]
    feed: String,
    #[command(flatten)]
    selection: Selection,
    /// Only say what would be moved
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    deployment: deployment::Arguments,
    /// Print one JSON object a line instead
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let options = Options { dry_run: arguments.dry_run, ..arguments.selection.options(Timestamp::now())? };
    let deployment = arguments.deployment.open().await?;
    let feed = deployment.feed(&arguments.feed)?;
    let (config, ports) = (&deployment.config, &deployment.ports);
    let printer = Printer::new(feed.name.as_str(), arguments.json, options.dry_run);
    let under = config.bucket.failed.join(&feed.prefix);
    let mut tell = |news| printer.news(news);
    let work = Box::pin(redrive(config, ports, feed, &options, &mut tell));
    printer.watch(ports.objects(), &under, &options, work).await
}
