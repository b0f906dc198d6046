//! `sluice reload`: takes files out of the ledger and moves them from `processed/` back to `incoming/`, to load them
//! again.
//!
//! Never touches the rows of the earlier load. It says so, and asks first.

use std::io::IsTerminal as _;

use clap::Args;
use jiff::Timestamp;
use sluice_core::config::Feed;
use sluice_core::ports::Ports;
use sluice_operator::redrive::{Options, Reload, reload};

use crate::deployment;
use crate::failure::Failure;
use crate::output::{self, BOLD, Foreign};
use crate::redrive::Printer;
use crate::selection::Selection;

/// Arguments of `sluice reload`.
#[derive(Debug, Args)]
#[command(after_help = "\
THE ROWS OF THE EARLIER LOAD STAY IN THE TABLE: delete or truncate them first, or they are there twice. It asks before it \
begins; where nobody can be asked, --yes is needed. Files that were loaded up to now are meant; a run that was interrupted \
is finished by running it again with the same arguments, which loads nothing twice. Needs s3:ListBucket, s3:GetObject, \
s3:PutObject and s3:DeleteObject on processed/, incoming/ and sluice/redrive/, s3:GetObject on sluice/claims/, and SELECT \
and DELETE on the feed's ledger through the Redshift Data API.

Exit codes: 0 done; 1 something failed or stays; 2 wrong usage or configuration.")]
#[allow(clippy::struct_excessive_bools, reason = "they are flags")]
pub(crate) struct Arguments {
    /// The feed's name
    #[arg(value_name = "FEED")]
    feed: String,
    #[command(flatten)]
    selection: Selection,
    /// Only say what would be moved
    #[arg(long)]
    dry_run: bool,
    /// The rows of the earlier load are deleted, or may be there twice: do not ask
    #[arg(long)]
    yes: bool,
    /// Begin another reload although an earlier one is not finished
    #[arg(long)]
    anew: bool,
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
    if !arguments.dry_run && !arguments.yes {
        confirm(feed, &arguments.selection)?;
    }
    let (config, ports) = (&deployment.config, &deployment.ports);
    let printer = Printer::new(feed.name.as_str(), arguments.json, options.dry_run);
    let under = config.bucket.processed.join(&feed.prefix);
    let asked = Reload { options, asked: arguments.selection.words(), anew: arguments.anew };
    let mut tell = |news| printer.news(news);
    let work = Box::pin(reload(config, ports, feed, &asked, &mut tell));
    printer.watch(ports.objects(), &under, &asked.options, work).await
}

/// Asks whether the rows of the earlier load are deleted.
fn confirm(feed: &Feed, selection: &Selection) -> Result<(), Failure> {
    let table = &feed.target.table;
    let warning = format!(
        "the rows that these files ({}) have in {table} stay there, and come a second time with this reload: delete or \
         truncate them first",
        selection.words()
    );
    if !std::io::stdin().is_terminal() || !output::watched() {
        return Err(Failure::misused(format!("{warning}; then say --yes")));
    }
    output::note(format_args!("{BOLD}{}{BOLD:#}.\nType yes if that is done, or is as you want it:", Foreign(warning)));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(Failure::failed)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::misused("nothing was changed")) }
}
