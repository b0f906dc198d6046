//! `sluice local`: runs all of Sluice on this machine, until Ctrl-C.
//!
//! Starts everything, prints hints and shows what happens. Never leaves anything running.

mod hints;
mod news;
mod view;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use crate::failure::Failure;
use crate::project::Project;
use crate::signals::Stop;
use crate::stack::{LatencyProfile, Stack, StackError, Start, binaries, database_names};
use hints::Hints;
use watch::Watch;

/// Arguments of `sluice local`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration; examples/sluice.toml, if it is here, where none is named
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The SQL that makes the tables, if they are missing; tables.sql beside the configuration by default
    #[arg(long, value_name = "FILE")]
    tables: Option<PathBuf>,
    /// Where the services listen; 0 takes any free port
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// The folder that keeps everything for the next start; without it nothing is kept
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A PostgreSQL that is there already: postgres://user:password@host:port/database
    #[arg(long, value_name = "URL")]
    warehouse: Option<String>,
    /// How long requests take
    #[arg(long, value_enum, default_value_t)]
    latency: LatencyProfile,
    /// How often the lister is invoked
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = interval)]
    schedule: Duration,
    /// Start the services without the functions; make bucket and tables only of a configuration that is named
    #[arg(long)]
    services_only: bool,
    /// Print one JSON object a line instead
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let project = project(&arguments)?;
    let binaries = if arguments.services_only { None } else { Some(binaries()?) };
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let start = Start {
        port: arguments.port,
        data: arguments.data.clone(),
        warehouse: arguments.warehouse.clone(),
        latency: arguments.latency,
        databases: database_names(project.as_ref().map_or(&[], |project| &project.config.feeds)),
    };
    let stack = tokio::select! {
        stack = Stack::start(start) => stack?,
        () = stop.asked() => return Ok(()),
    };
    let ended = tokio::select! {
        ended = serve(&stack, project.as_ref(), binaries, &arguments) => ended,
        () = stop.asked() => Ok(()),
    };
    stack.shutdown().await;
    Ok(ended?)
}

fn project(arguments: &Arguments) -> Result<Option<Project>, Failure> {
    if arguments.services_only && arguments.config.is_none() {
        return Ok(None);
    }
    Ok(Some(Project::open(arguments.config.as_deref(), arguments.tables.as_deref())?))
}

/// Sets everything up and shows what happens, forever.
async fn serve(
    stack: &Stack,
    project: Option<&Project>,
    binaries: Option<PathBuf>,
    arguments: &Arguments,
) -> Result<(), StackError> {
    let Some(project) = project else {
        Hints::of(stack, None).print(arguments.json);
        return std::future::pending().await;
    };
    stack.create_bucket(project)?;
    stack.create_tables(project).await?;
    // Begins before the functions are deployed, so that it misses nothing that they do.
    let watch = Watch::begin(stack, &project.config, arguments.json);
    let deployed = binaries.map(|binaries| stack.deploy(project, binaries)).transpose()?;
    Hints::of(stack, Some(project)).print(arguments.json);
    watch.run(deployed, arguments.schedule).await
}

/// A time such as `60s` or `5m`.
fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time with its unit, such as 10s or 5m".to_owned();
    let interval: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(interval).ok().filter(|interval| !interval.is_zero()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("60s" => Ok(Duration::from_mins(1)))]
    #[test_case("500ms" => Ok(Duration::from_millis(500)))]
    #[test_case("1h 30m" => Ok(Duration::from_mins(90)))]
    #[test_case("60" => Err("write a time with its unit, such as 10s or 5m".to_owned()); "no unit")]
    #[test_case("0s" => Err("write a time with its unit, such as 10s or 5m".to_owned()); "no time")]
    #[test_case("-1s" => Err("write a time with its unit, such as 10s or 5m".to_owned()); "below zero")]
    fn intervals(text: &str) -> Result<Duration, String> {
        interval(text)
    }
}
