//! `sluice`, the operator's command line: the table of contents of its commands.
//!
//! Never does anything itself: each command has its own module, `output` prints, and `failure` decides what a failure
//! means to a script.

mod config;
mod demo;
mod deployment;
mod doctor;
mod errors;
mod failure;
mod ledger;
mod local;
mod manual;
mod output;
mod plan;
mod project;
mod redrive;
mod reload;
mod retry;
mod selection;
mod signals;
mod stack;
mod status;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use failure::Failure;

/// Loads the files that producers drop into S3 into a SQL warehouse, each exactly once.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, propagate_version = true, after_help = failure::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check and handle configurations
    #[command(subcommand)]
    Config(config::Command),
    /// What waits, what is loading, what was loaded and what is wrong, feed by feed
    Status(status::Arguments),
    /// What the next tick would do with a feed, down to the SQL, without doing it
    Plan(plan::Arguments),
    /// Account for every file: ledger, incoming/, processed/, failed/ and claims; say what is wrong and what mends it
    Verify(verify::Arguments),
    /// Reach each service as the functions do; say what fails and what to do
    Doctor(doctor::Arguments),
    /// Make the ledgers, and check every right that the functions need
    Init(doctor::InitArguments),
    /// Say why files are in failed/, grouped by reason
    Errors(errors::Arguments),
    /// Move files from failed/ back to incoming/, to be judged anew
    Redrive(redrive::Arguments),
    /// Load files of processed/ once more: out of the ledger, and back to incoming/
    Reload(reload::Arguments),
    /// Handle a ledger as a whole
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Try failing batches and resting files now, once their cause is fixed
    Retry(retry::Arguments),
    /// Run all of it on this machine: the services, the three functions, the tables
    Local(local::Arguments),
    /// Load real files end to end on this machine, and prove that the result is right
    Demo(demo::Arguments),
    /// Print what a shell completes these commands with
    Completions(manual::CompletionsArguments),
    /// Print the manual page
    Man(manual::ManArguments),
}

fn main() -> ExitCode {
    log();
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Logs what the services report to standard error, as `RUST_LOG` says.
fn log() {
    // `s3s` is off: a request that S3 refuses concerns only its sender, who gets the error.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,s3s=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(output::watched()).with_writer(std::io::stderr).init();
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Config(command) => config::run(command),
        Command::Status(arguments) => asynchronously(status::run(arguments)),
        Command::Plan(arguments) => asynchronously(plan::run(arguments)),
        Command::Verify(arguments) => asynchronously(verify::run(arguments)),
        Command::Errors(arguments) => asynchronously(errors::run(arguments)),
        Command::Redrive(arguments) => asynchronously(redrive::run(arguments)),
        Command::Reload(arguments) => asynchronously(reload::run(arguments)),
        Command::Ledger(command) => asynchronously(ledger::run(command)),
        Command::Retry(arguments) => asynchronously(retry::run(arguments)),
        Command::Local(arguments) => asynchronously(local::run(arguments)),
        Command::Demo(arguments) => asynchronously(demo::run(arguments)),
        Command::Doctor(arguments) => asynchronously(doctor::run(arguments)),
        Command::Init(arguments) => asynchronously(doctor::init(arguments)),
        Command::Completions(arguments) => manual::completions(&arguments, Cli::command()),
        Command::Man(arguments) => manual::man(&arguments, Cli::command()),
    }
}

/// Runs a command that waits for services.
fn asynchronously(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::failed)?.block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }
}
