//! `sluice errors`: reports why files are in `failed/`, grouped by reason.
//!
//! Never writes.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use sluice_core::object::File;
use sluice_operator::redrive::{Group, Reason, errors};

use crate::deployment;
use crate::failure::Failure;
use crate::output::{self, BOLD, DIM, Foreign, GREEN, RED, say};
use crate::selection::Selection;

/// Arguments of `sluice errors`.
#[derive(Debug, Args)]
#[command(after_help = "\
It reads failed/ with s3:ListBucket and s3:GetObject, and changes nothing.

Exit codes: 0 it was read, whatever it says; 1 something could not be read; 2 wrong usage or configuration.")]
pub(crate) struct Arguments {
    /// The feed's name
    #[arg(value_name = "FEED")]
    feed: String,
    #[command(flatten)]
    selection: Selection,
    /// Tell every file too, not only some of each group
    #[arg(long)]
    files: bool,
    #[command(flatten)]
    deployment: deployment::Arguments,
    /// Print one JSON object a line instead
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let options = arguments.selection.options(Timestamp::now())?;
    let deployment = arguments.deployment.open().await?;
    let feed = deployment.feed(&arguments.feed)?;
    let mut tell = |file: &File, reason: Option<&Reason>| {
        if arguments.files {
            print_file(file, reason, arguments.json);
        }
    };
    let groups = errors(&deployment.config, &deployment.ports, feed, &options, &mut tell).await;
    print(feed.name.as_str(), &groups.map_err(Failure::failed)?, arguments.json);
    Ok(())
}

fn print_file(file: &File, reason: Option<&Reason>, json: bool) {
    let File { key, size, last_modified, .. } = file;
    if json {
        output::json(&json!({"type": "file", "key": key, "size": size, "since": last_modified, "reason": reason}));
    } else {
        let why = reason.map_or("no .error.json says why", |reason| &reason.message);
        say!("{}: {}", Foreign(key), Foreign(why));
    }
}

fn print(feed: &str, groups: &[Group], json: bool) {
    let files: u64 = groups.iter().map(|group| group.files).sum();
    if json {
        for group in groups {
            output::json_of([json!({"type": "group", "feed": feed}), json!(group)]);
        }
        output::json(&json!({"type": "summary", "feed": feed, "files": files, "groups": groups.len()}));
        return;
    }
    groups.iter().for_each(print_group);
    if files == 0 {
        say!("{BOLD}{feed}{BOLD:#}: {GREEN}nothing is in failed/{GREEN:#}");
        return;
    }
    let (files, reasons) = (output::count(files, "file"), output::count(groups.len() as u64, "reason"));
    say!("{BOLD}{feed}{BOLD:#}: {files} refused, for {reasons}. Once the cause is mended: sluice redrive {feed}");
}

fn print_group(group: &Group) {
    let code = group.code.map(|code| format!("{code} ")).unwrap_or_default();
    let latest = group.latest.map(|at| format!(", the latest {at:.0}")).unwrap_or_default();
    let number = output::count(group.files, "file");
    say!("{RED}{code}{}{RED:#}", Foreign(&group.message));
    say!("  {number}, {}{latest}", output::bytes(group.bytes));
    for example in &group.examples {
        let line = example.line.map(|line| format!(" line {line}")).unwrap_or_default();
        let column = example.column.as_ref().map(|name| format!(" column {}", Foreign(name))).unwrap_or_default();
        say!("    {}{DIM}{line}{column}{DIM:#}", Foreign(&example.key));
    }
    if let more @ 1.. = group.files.saturating_sub(group.examples.len() as u64) {
        say!("    {DIM}and {} more{DIM:#}", output::thousands(more));
    }
}
