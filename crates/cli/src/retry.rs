//! `sluice retry`: makes the next ticks retry what waits after failures.
//!
//! Never loads anything itself: the ticks do.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use sluice_core::ports::Ports as _;
use sluice_core::retry::{Retried, retry};

use crate::deployment;
use crate::failure::Failure;
use crate::output::{self, say};

/// Arguments of `sluice retry`.
#[derive(Debug, Args)]
#[command(after_help = "\
Failing batches and resting files are tried again by themselves, at most every quarter of an hour for each. Once you have \
fixed the cause, this makes the next ticks try them: all batches at once when one of them has been loaded, and one resting \
file a tick. Needs s3:ListBucket, s3:GetObject and s3:PutObject on sluice/claims/.")]
pub(crate) struct Arguments {
    /// The feed's name
    #[arg(value_name = "FEED")]
    feed: String,
    #[command(flatten)]
    deployment: deployment::Arguments,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let deployment = arguments.deployment.open().await?;
    let feed = deployment.feed(&arguments.feed)?;
    let objects = deployment.ports.objects();
    let retried = retry(&deployment.config, objects, feed, Timestamp::now()).await.map_err(Failure::failed)?;
    let Retried { claims, resting } = retried;
    if arguments.json {
        output::json(&json!({"feed": feed.name.as_str(), "batches": claims, "resting": resting}));
    } else if retried == Retried::default() {
        say!("{}: nothing waits to be tried again", feed.name);
    } else {
        let (batches, files) = (output::count(claims as u64, "claim"), output::count(resting as u64, "resting file"));
        say!("{}: the next ticks try {batches} and {files}", feed.name);
    }
    Ok(())
}
