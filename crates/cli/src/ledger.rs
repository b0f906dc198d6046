//! `sluice ledger`: handles a ledger as a whole.
//!
//! Never touches a file or the rows of a table.

use clap::{Args, Subcommand};
use serde_json::json;
use sluice_core::ports::Ports as _;
use sluice_redshift::{Rebuilt, Redshift};

use crate::deployment;
use crate::failure::Failure;
use crate::output;

/// The commands of `sluice ledger`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Convert a feed's ledger to the feed's identity: files known by their version, or by name alone
    Rebuild(Arguments),
}

/// Arguments of `sluice ledger rebuild`.
#[derive(Debug, Args)]
#[command(after_help = "\
Needed after `identity` of a feed was changed: until then its loads wait. While it runs the feed's loads wait as well; \
interrupted, run it again. With identity = \"name\" the newest version of a name stands for it, and entries of older ones \
are taken out. It needs the rights of `sluice init`, and DELETE on the ledger.")]
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

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    let Command::Rebuild(arguments) = command;
    let deployment = arguments.deployment.open().await?;
    let feed = deployment.feed(&arguments.feed)?;
    if Redshift::of(feed).is_none() {
        let (name, kind) = (feed.name.as_str(), feed.target.kind);
        return Err(Failure::misused(format!(
            "{name}: its rows go to {kind}, and only ledgers in Redshift are converted: nothing was done"
        )));
    }
    let rebuilt = deployment.ports.destination().redshift.rebuild_ledger(feed).await.map_err(Failure::failed)?;
    let Rebuilt { entries, converted, dropped } = rebuilt;
    let (name, identity) = (feed.name.as_str(), feed.identity.as_str());
    if arguments.json {
        output::json(&json!({
            "feed": name, "identity": identity, "entries": entries, "converted": converted, "dropped": dropped,
        }));
    } else {
        output::line(format_args!(
            "{name}: the ledger knows files by {identity} now: {converted} of {entries} entries converted, {dropped} older \
             versions taken out"
        ));
    }
    Ok(())
}
