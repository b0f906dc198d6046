//! `sluice doctor` and `sluice init`: reach each service as the functions do, and report what fails and what to do.
//!
//! Writes only manifests, metrics of zero, and what it removes again: a claim of a feed that does not exist, and with
//! `--prove` two scratch tables. `init` also makes ledgers. Never touches a file.

mod bucket;
mod prove;
mod warehouse;

use std::fmt::Display;

use clap::Args;
use serde_json::json;

use crate::deployment;
use crate::failure::Failure;
use crate::output::{self, BOLD, Foreign, GREEN, Lines, RED, say};

/// Arguments of `sluice doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
It is whoever the AWS SDK's credentials are: run it with a function's role to see what that function may do. It writes a \
claim of a feed that nobody has, manifests and a metric of zero, asks for a COPY of a file that is not there, invokes the \
worker on a claim that is not there (with SLUICE_WORKER_FUNCTION), and wakes the warehouse.

Exit codes: 0 all is well; 3 something is not; 1 the configuration could not be read; 2 wrong usage or configuration.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Try in each warehouse whether the ledger's LOCK does what exactly-once rests on: on scratch tables, with two
    /// transactions at a time
    #[arg(long)]
    prove: bool,
}

/// Arguments of `sluice init`.
#[derive(Debug, Args)]
#[command(after_help = "\
It makes what `sluice doctor` then finds; the functions would make the ledgers too, at their first load. It may be run \
again at any time.

Exit codes: as for `sluice doctor`.")]
pub(crate) struct InitArguments {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
#[group(skip)]
struct Which {
    #[command(flatten)]
    deployment: deployment::Arguments,
    /// Only this feed; may be repeated
    #[arg(long, value_name = "NAME")]
    feed: Vec<String>,
    /// Print one JSON object a line instead
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    check(&arguments.which, false, arguments.prove).await
}

pub(crate) async fn init(arguments: InitArguments) -> Result<(), Failure> {
    check(&arguments.which, true, false).await
}

async fn check(which: &Which, create_ledgers: bool, prove: bool) -> Result<(), Failure> {
    let deployment = which.deployment.open().await?;
    let feeds = deployment.feeds(&which.feed)?;
    let mut checks = Checks { json: which.json, about: String::new(), passed: 0, failed: 0 };
    for feed in feeds.iter().filter(|_| create_ledgers) {
        warehouse::create_ledger(&deployment, feed, &mut checks).await;
    }
    bucket::check(&deployment, &feeds, &mut checks).await;
    for feed in feeds {
        warehouse::check(&deployment, feed, &mut checks).await;
        if prove {
            prove::check(&deployment, feed, &mut checks).await;
        }
    }
    checks.end()
}

/// The checks, each printed as soon as its result is known.
struct Checks {
    json: bool,
    about: String,
    passed: u64,
    failed: u64,
}

impl Checks {
    /// Sets what the next checks are about.
    fn about(&mut self, what: impl Display) {
        self.about = what.to_string();
        if !self.json {
            say!("{BOLD}{}{BOLD:#}", Foreign(&self.about));
        }
    }

    /// Prints the result of one check, and the remedy if it failed. Returns whether it passed.
    fn note(&mut self, what: &str, result: Result<(), impl Display>, remedy: &str) -> bool {
        let error = result.err().map(|error| error.to_string());
        let ok = error.is_none();
        *(if ok { &mut self.passed } else { &mut self.failed }) += 1;
        if self.json {
            let check = json!({"type": "check", "about": self.about, "what": what, "ok": ok});
            let trouble = error.map(|error| json!({"error": error, "remedy": remedy}));
            output::json_of([Some(check), trouble].into_iter().flatten());
        } else if let Some(error) = error {
            say!("  {RED}✗{RED:#} {}\n      {}", Foreign(what), Lines(error));
            say!("      {BOLD}do:{BOLD:#} {}", Foreign(remedy));
        } else {
            say!("  {GREEN}✓{GREEN:#} {}", Foreign(what));
        }
        ok
    }

    fn end(self) -> Result<(), Failure> {
        let Self { json, passed, failed, .. } = self;
        if json {
            output::json(&json!({"type": "summary", "ok": failed == 0, "passed": passed, "failed": failed}));
        } else if failed == 0 {
            say!("{GREEN}all is well{GREEN:#}: {}", output::count(passed, "check"));
        } else {
            say!("{RED}{failed} of {} failed{RED:#}", output::count(passed + failed, "check"));
        }
        if failed == 0 { Ok(()) } else { Err(Failure::SaidWrong) }
    }
}
