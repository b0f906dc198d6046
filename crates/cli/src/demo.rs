//! `sluice demo`: loads real files through the real functions into SQL tables on this machine, and proves the result.
//!
//! The proof never trusts what it proves: it computes totals from the files and compares them with the tables by SQL.

mod checks;
mod decimal;
mod examples;
mod observe;
mod progress;
mod report;
mod run;
mod source;
mod totals;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use sluice_standin::journal::Mark;

use crate::failure::Failure;
use crate::output::{self, BOLD, DIM, say};
use crate::signals::Stop;
use crate::stack::{LatencyProfile, Stack, Start, binaries, database_names, environment};
use checks::{Facts, of_bucket, of_feed};
use examples::Examples;
use progress::Progress;
use report::{FeedReport, Report, Requests};
use totals::Totals;

/// The prefix of all functions' access keys.
const FUNCTIONS: &str = "fn-";

/// Hints for after the demo.
const NEXT: &str = "\n\
Next:
  sluice local                     the same services, for your own files; it prints what to try
  examples/sluice.toml             the configuration of what you have just seen
  docs/ARCHITECTURE.md             how it works, and what it promises
";

/// Arguments of `sluice demo`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder with sluice.toml, tables.sql, and the files in data/
    #[arg(long, value_name = "DIR", default_value = "examples")]
    examples: PathBuf,
    /// How long requests take
    #[arg(long, value_enum, default_value_t)]
    latency: LatencyProfile,
    /// Where the services listen; 0 takes any free port
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Keep everything running at the end, to look at it, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
    /// Write what the files add up to into data/totals.toml, and run nothing
    #[arg(long, hide = true)]
    write_totals: bool,
}

/// Why a demo ends that Ctrl-C stopped.
const STOPPED: &str = "stopped before the end";

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let examples = Examples::open(&arguments.examples)?;
    if arguments.write_totals {
        say!("wrote {}", examples.write_totals()?.display());
        return Ok(());
    }
    let pinned = examples.pinned()?;
    let binaries = binaries()?;
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let databases = database_names(&examples.project.config.feeds);
    let start = Start { port: arguments.port, data: None, warehouse: None, latency: arguments.latency, databases };
    let stack = tokio::select! {
        stack = Stack::start(start) => stack?,
        () = stop.asked() => return Err(Failure::failed(STOPPED)),
    };
    let report = tokio::select! {
        report = conduct(&stack, &examples, &pinned, binaries) => report,
        () = stop.asked() => Err(Failure::failed(STOPPED)),
    };
    if let Ok(report) = &report {
        show(report, arguments.json);
        if arguments.keep {
            invite(&stack, &examples);
            stop.asked().await;
        }
    }
    stack.shutdown().await;
    if report?.ok { Ok(()) } else { Err(Failure::Said) }
}

/// Loads everything and checks the result.
async fn conduct(
    stack: &Stack,
    examples: &Examples,
    pinned: &BTreeMap<String, Totals>,
    binaries: PathBuf,
) -> Result<Report, Failure> {
    let config = &examples.project.config;
    let deployed = stack.deploy(&examples.project, binaries)?;
    stack.create_tables(&examples.project).await?;
    let progress = Progress::follow(stack, examples);
    progress.say(announcement(stack, examples));
    let begun = Instant::now();
    let course = run::run(stack, &deployed, examples, &progress).await?;
    let seconds = begun.elapsed().as_secs_f64();
    drop(progress);
    let objects = observe::objects(stack, config)?;
    let (mut feeds, mut checks) = (Vec::new(), Vec::new());
    for feed in &config.feeds {
        let (sources, files) = (examples.sources(feed), examples.add_up(feed)?);
        let loaded = observe::loaded(stack, config, feed, &files).await?;
        let quarantined = observe::quarantined(&objects, &config.bucket.failed.join(&feed.prefix));
        feeds.push(FeedReport::new(feed, sources, &course.arrived, &loaded, quarantined));
        let facts = Facts { feed, pinned: pinned.get(feed.name.as_str()), files: &files, loaded: &loaded, sources };
        checks.extend(of_feed(&facts, &config.bucket, &objects));
    }
    let reason = observe::reason(stack, config, &objects);
    checks.extend(of_bucket(&config.bucket, &objects, reason.as_deref()));
    let counts = stack.standin.journal().counts(Mark::default(), FUNCTIONS);
    Ok(Report {
        ok: checks.iter().all(|check| check.ok),
        seconds,
        feeds,
        backlog: course.backlog,
        invocations: course.invocations,
        requests: Requests::of(counts, examples.files()),
        checks,
    })
}

fn announcement(stack: &Stack, examples: &Examples) -> String {
    let files = output::count(examples.files(), "file");
    let bucket = &examples.project.config.bucket;
    let place = format!("s3://{}/{}", bucket.name, bucket.incoming);
    let endpoint = stack.standin.endpoint();
    format!("{BOLD}Dropping {files} into {place}{BOLD:#} {DIM}(services at {endpoint}){DIM:#}")
}

fn show(report: &Report, json: bool) {
    if json {
        output::json(report);
    } else {
        report.print();
        output::line(NEXT);
    }
}

/// Prints how to look at the result.
fn invite(stack: &Stack, examples: &Examples) {
    let endpoint = stack.standin.endpoint();
    let bucket = &examples.project.config.bucket.name;
    output::note("\nEverything is kept running until Ctrl-C:");
    output::note(format_args!("  {}", environment(&endpoint)));
    output::note(format_args!("  aws --endpoint-url {endpoint} s3 ls --recursive s3://{bucket}/"));
    if let Some(warehouse) = stack.standin.redshift() {
        output::note(format_args!("  {}", warehouse.psql()));
    }
}
