//! `sluice plan`: shows what the next tick would do with a feed, down to the SQL, without doing it.
//!
//! Never writes, and never asks the warehouse.

use clap::Args;
use serde::Serialize;
use serde_json::json;
use sluice_core::batch::BatchId;
use sluice_core::config::{Config, Feed};
use sluice_core::destination::Load;
use sluice_core::object::File;
use sluice_core::plan::compression;
use sluice_core::ports::Ports as _;
use sluice_operator::preview::{Preview, claims, preview};
use sluice_redshift::{RedshiftFeed, manifest, sql};

use crate::deployment;
use crate::failure::Failure;
use crate::output::{self, BOLD, DIM, Foreign, say};

/// How many files of a batch are shown to a person.
const SHOWN: usize = 5;

/// Arguments of `sluice plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
It lists incoming/ and the claims, and writes nothing. A tick that comes later may find other files; where a \
transaction fails, its files are tried again in smaller batches, which no plan can foresee.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    deployment: deployment::Arguments,
    /// The feed
    feed: String,
    /// Show every file of every batch, and every batch's SQL
    #[arg(long)]
    all: bool,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let deployment = arguments.deployment.open().await?;
    let feed = deployment.feed(&arguments.feed)?;
    let (config, objects) = (&*deployment.config, deployment.ports.objects());
    let claims = claims(config, objects).await.map_err(Failure::failed)?;
    let preview = preview(config, objects, feed, &claims, jiff::Timestamp::now()).await.map_err(Failure::failed)?;
    let batches = preview.batches.iter().map(|(slot, files)| Batch::of(config, feed, *slot, files));
    let batches: Vec<Batch<'_>> = batches.collect::<Result<_, _>>()?;
    if arguments.json {
        output::json(&json!({
            "feed": feed.name.as_str(), "unprocessed": preview.unprocessed,
            "unprocessed_bytes": preview.unprocessed_bytes, "in_flight": preview.in_flight().count(),
            "slots": feed.slots(), "free_slots": preview.free.len(), "batches": batches,
        }));
    } else {
        print(feed, &preview, &batches, arguments.all);
    }
    Ok(())
}

/// A batch as it would be claimed.
#[derive(Serialize)]
struct Batch<'a> {
    slot: usize,
    #[serde(rename = "batch")]
    id: BatchId,
    bytes: u64,
    files: &'a [File],
    statements: Vec<String>,
}

impl<'a> Batch<'a> {
    fn of(config: &Config, feed: &Feed, slot: usize, files: &'a [File]) -> Result<Self, Failure> {
        let id = BatchId::of(files);
        let manifest = manifest::key(&config.bucket, feed, &id).map_err(Failure::failed)?;
        let compression = files.first().and_then(|file| compression(feed, &file.key));
        let load = Load { slot, batch: &id, files, token: "", compression, prepared: false };
        let feed = RedshiftFeed::of(feed).map_err(Failure::failed)?;
        let statements = sql::transaction(&config.bucket.name, feed, &load, &manifest).statements;
        Ok(Self { slot, id, bytes: files.iter().map(|file| file.size).sum(), files, statements })
    }

    fn print(&self, all: bool, sql: bool) {
        let (files, bytes) = (output::count(self.files.len() as u64, "file"), output::bytes(self.bytes));
        say!("{BOLD}batch {}{BOLD:#} in slot {}: {files}, {bytes}", self.id, self.slot);
        let shown = if all { self.files.len() } else { SHOWN };
        for file in self.files.iter().take(shown) {
            say!("    {}  {DIM}{}{DIM:#}", Foreign(&file.key), output::bytes(file.size));
        }
        if self.files.len() > shown {
            say!("    … {} more; --all shows them", self.files.len() - shown);
        }
        if sql {
            output::line("  one transaction:");
            for statement in &self.statements {
                say!("    {};", Foreign(statement));
            }
        }
    }
}

fn print(feed: &Feed, preview: &Preview, batches: &[Batch<'_>], all: bool) {
    let waiting = output::count(preview.unprocessed, "file");
    let (bytes, in_flight) = (output::bytes(preview.unprocessed_bytes), preview.in_flight().count());
    let (free, slots) = (preview.free.len(), feed.slots());
    say!(
        "{BOLD}{}{BOLD:#}: {waiting} waiting, {bytes}; {in_flight} in flight; {free} of {slots} slots free",
        feed.name
    );
    if batches.is_empty() {
        let why = match (preview.unprocessed, free) {
            (0, _) => "no file waits",
            (_, 0) => "every slot is filled: the tick after a batch has ended takes the next files",
            _ => "no batch can be made",
        };
        say!("The next tick claims nothing: {why}.");
    }
    for (batch, at) in batches.iter().zip(0..) {
        batch.print(all, all || at == 0);
    }
    let planned: u64 = batches.iter().map(|batch| batch.files.len() as u64).sum();
    if let left @ 1.. = preview.unprocessed.saturating_sub(planned) {
        say!("{} would wait for later ticks.", output::count(left, "file"));
    }
}
