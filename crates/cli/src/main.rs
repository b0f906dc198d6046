//! `sluice`, the operator's command line: the table of contents of its commands.
//!
//! Never does anything itself: each command has its own module, what it prints goes through `output`, and what a failure
//! means to a script is decided in `failure`.

mod config;
mod demo;
mod deployment;
mod errors;
mod failure;
mod local;
mod output;
mod project;
mod redrive;
mod reload;
mod selection;
mod signals;
mod stack;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
    /// Account for every file: ledger, incoming/, processed/, failed/ and claims; say what is wrong and what mends it
    Verify(verify::Arguments),
    /// Say why files are in failed/, grouped by reason
    Errors(errors::Arguments),
    /// Move files from failed/ back to incoming/, to be judged anew
    Redrive(redrive::Arguments),
    /// Load files of processed/ once more: out of the ledger, and back to incoming/
    Reload(reload::Arguments),
    /// Run all of it on this machine: the services, the three functions, the tables
    Local(local::Arguments),
    /// Load real files end to end on this machine, and prove that the result is right
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    log();
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// What the services have to say goes to standard error, as `RUST_LOG` asks for it.
fn log() {
    // A request that S3 refuses is its sender's affair, who is told.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,s3s=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(output::watched()).with_writer(std::io::stderr).init();
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Config(command) => config::run(&command),
        Command::Verify(arguments) => asynchronously(verify::run(arguments)),
        Command::Errors(arguments) => asynchronously(errors::run(arguments)),
        Command::Redrive(arguments) => asynchronously(redrive::run(arguments)),
        Command::Reload(arguments) => asynchronously(reload::run(arguments)),
        Command::Local(arguments) => asynchronously(local::run(arguments)),
        Command::Demo(arguments) => asynchronously(demo::run(arguments)),
    }
}

/// Runs a command that waits for services.
fn asynchronously(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::failed)?.block_on(command)
}
