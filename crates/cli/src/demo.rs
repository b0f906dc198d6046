//! `sluice demo`: loads real files through the real functions into SQL tables on this machine, and proves the result.
//!
//! The proof never trusts what it proves: it computes totals from the files and compares them with the tables by SQL.

mod checks;
mod decimal;
mod examples;
mod observe;
mod plot;
mod progress;
mod report;
mod run;
mod source;
mod totals;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use sluice_standin::journal::Mark;

use crate::failure::Failure;
use crate::output::{self, BOLD, DIM};
use crate::signals::Stop;
use crate::stack::{LatencyProfile, Stack, Start, binaries, database_names, environment};
use checks::{Check, Facts, of_bucket, of_feed};
use examples::Examples;
use observe::ObserveError;
use progress::Progress;
use report::{FeedReport, Report, Requests};
use run::Course;
use source::SourceError;
use totals::{Pinned, PinnedError, Totals, TotalsError};

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

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Totals(#[from] TotalsError),
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    #[error(transparent)]
    Run(#[from] run::RunError),
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error("adding up the files ended unexpectedly")]
    Adding(#[from] tokio::task::JoinError),
    #[error("stopped before the end")]
    Stopped,
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        Self::failed(error)
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let examples = Arc::new(Examples::open(&arguments.examples)?);
    if arguments.write_totals {
        output::line(format_args!("wrote {}", examples.write_totals()?.display()));
        return Ok(());
    }
    let pinned = examples.pinned().map_err(DemoError::from)?;
    let binaries = binaries()?;
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let databases = database_names(&examples.project.config.feeds);
    let start = Start { port: arguments.port, data: None, warehouse: None, latency: arguments.latency, databases };
    let stack = tokio::select! {
        stack = Stack::start(start) => stack?,
        () = stop.asked() => return Err(DemoError::Stopped.into()),
    };
    let ended = tokio::select! {
        report = conduct(&stack, &examples, &pinned, binaries) => report.map(|report| show(&report, arguments.json)),
        () = stop.asked() => Err(DemoError::Stopped.into()),
    };
    if let (Ok(_), true) = (&ended, arguments.keep) {
        invite(&stack, &examples);
        stop.asked().await;
    }
    stack.shutdown().await;
    if ended? { Ok(()) } else { Err(Failure::Said) }
}

/// Loads everything and checks the result.
async fn conduct(
    stack: &Stack,
    examples: &Arc<Examples>,
    pinned: &Pinned,
    binaries: PathBuf,
) -> Result<Report, Failure> {
    let adding = tokio::task::spawn_blocking({
        let examples = Arc::clone(examples);
        move || examples.add_up()
    });
    let deployed = stack.deploy(&examples.project, binaries)?;
    stack.create_tables(&examples.project).await?;
    let progress = Progress::follow(stack, examples);
    progress.say(announcement(stack, examples));
    let begun = Instant::now();
    let course = run::run(stack, &deployed, examples, &progress).await.map_err(DemoError::from)?;
    let seconds = begun.elapsed().as_secs_f64();
    drop(progress);
    let files = adding.await.map_err(DemoError::from)?.map_err(DemoError::from)?;
    let found = examine(stack, examples, pinned, &files, &course).await.map_err(DemoError::from)?;
    let counts = stack.standin.journal().counts(Mark::default(), FUNCTIONS);
    Ok(Report {
        ok: found.checks.iter().all(|check| check.ok),
        seconds,
        feeds: found.feeds,
        backlog: course.backlog,
        invocations: course.invocations,
        requests: Requests::of(counts, examples.files()),
        checks: found.checks,
    })
}

/// What the demo finds at its end.
struct Found {
    feeds: Vec<FeedReport>,
    checks: Vec<Check>,
}

async fn examine(
    stack: &Stack,
    examples: &Examples,
    pinned: &Pinned,
    files: &BTreeMap<String, Totals>,
    course: &Course,
) -> Result<Found, ObserveError> {
    let config = &examples.project.config;
    let objects = observe::objects(stack, config)?;
    let reason = observe::reason(stack, config, &objects);
    let mut found = Found { feeds: vec![], checks: vec![] };
    for feed in &config.feeds {
        let name = feed.name.as_str();
        let Some(files) = files.get(name) else { continue };
        let sources = examples.sources(feed);
        let loaded = observe::loaded(stack, config, feed, files).await?;
        let failed = config.bucket.failed.join(&feed.prefix);
        let quarantined = observe::quarantined(&objects, &failed);
        found.feeds.push(FeedReport::new(name, sources, &course.arrived, &loaded, quarantined));
        let facts = Facts { feed, pinned: pinned.0.get(name), files, loaded: &loaded, sources };
        found.checks.extend(of_feed(&facts, &config.bucket, &objects));
    }
    found.checks.extend(of_bucket(&config.bucket, &objects, reason.as_deref()));
    Ok(found)
}

fn announcement(stack: &Stack, examples: &Examples) -> String {
    let files = output::count(examples.files(), "file");
    let bucket = &examples.project.config.bucket;
    let place = format!("s3://{}/{}", bucket.name, bucket.incoming);
    let endpoint = stack.standin.endpoint();
    format!("{BOLD}Dropping {files} into {place}{BOLD:#} {DIM}(services at {endpoint}){DIM:#}")
}

/// Prints the report. Returns whether all checks passed.
fn show(report: &Report, json: bool) -> bool {
    if json {
        output::json(report);
    } else {
        report.print();
        output::line(NEXT);
    }
    report.ok
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
