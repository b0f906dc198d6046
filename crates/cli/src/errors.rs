//! `sluice errors`: reports why files are in `failed/`, grouped by reason.
//!
//! Never writes.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use sluice_operator::redrive::{Group, errors};

use crate::deployment;
use crate::failure::Failure;
use crate::output::{self, BOLD, DIM, Foreign, GREEN, RED};
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
    let mut tell = |file: &sluice_core::object::File, reason: Option<&sluice_operator::redrive::Reason>| {
        if !arguments.files {
            return;
        }
        if arguments.json {
            let line = json!({"type": "file", "key": file.key, "size": file.size, "since": file.last_modified,
                "reason": reason});
            return output::json(&line);
        }
        let why = reason.map_or_else(|| "no .error.json says why".to_owned(), |reason| reason.message.clone());
        output::line(format_args!("{}: {}", Foreign(&file.key), Foreign(why)));
    };
    let groups = errors(&deployment.config, &deployment.ports, feed, &options, &mut tell).await;
    print(feed.name.as_str(), &groups.map_err(Failure::failed)?, arguments.json);
    Ok(())
}

fn print(feed: &str, groups: &[Group], json: bool) {
    let files: u64 = groups.iter().map(|group| group.files).sum();
    if json {
        for group in groups {
            let Group { code, message, files, bytes, examples, latest } = group;
            output::json(&json!({"type": "group", "feed": feed, "code": code, "message": message, "files": files,
                "bytes": bytes, "latest": latest, "examples": examples}));
        }
        output::json(&json!({"type": "summary", "feed": feed, "files": files, "groups": groups.len()}));
        return;
    }
    for group in groups {
        let code = group.code.map(|code| format!("{code} ")).unwrap_or_default();
        let latest = group.latest.map(|at| format!(", the latest {at:.0}")).unwrap_or_default();
        let number = output::count(group.files, "file");
        output::line(format_args!("{RED}{code}{}{RED:#}", Foreign(&group.message)));
        output::line(format_args!("  {number}, {}{latest}", output::bytes(group.bytes)));
        for example in &group.examples {
            let line = example.line.map(|line| format!(" line {line}")).unwrap_or_default();
            let column = example.column.as_ref().map(|name| format!(" column {}", Foreign(name))).unwrap_or_default();
            output::line(format_args!("    {}{DIM}{line}{column}{DIM:#}", Foreign(&example.key)));
        }
        if let more @ 1.. = group.files.saturating_sub(group.examples.len() as u64) {
            output::line(format_args!("    {DIM}and {} more{DIM:#}", output::thousands(more)));
        }
    }
    if files == 0 {
        output::line(format_args!("{BOLD}{feed}{BOLD:#}: {GREEN}nothing is in failed/{GREEN:#}"));
        return;
    }
    let (files, reasons) = (output::count(files, "file"), output::count(groups.len() as u64, "reason"));
    output::line(format_args!(
        "{BOLD}{feed}{BOLD:#}: {files} refused, for {reasons}. Once the cause is mended: sluice redrive {feed}"
    ));
}
