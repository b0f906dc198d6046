//! `sluice config`: checks a configuration, and uploads it.
//!
//! `check` reports every problem of every file and never touches anything else. The functions run the same check when
//! they start.

mod push;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use sluice_aws::DESTINATIONS;
use sluice_core::config::{Config, ConfigError};

use crate::failure::Failure;
use crate::output::{self, GREEN, Lines};

/// What can be done with configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say everything that is wrong with configurations, without running anything
    Check(CheckArguments),
    /// Check a configuration, show what changes, and put it where the functions read it
    Push(push::Arguments),
}

/// Arguments of `sluice config check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The configurations to check
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Check(arguments) => check(&arguments),
        Command::Push(arguments) => crate::asynchronously(push::run(arguments)),
    }
}

fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let checked: Vec<Checked> = arguments.files.iter().map(|file| Checked::read(file)).collect();
    let right = checked.iter().all(|file| file.ok);
    if arguments.json {
        output::json(&serde_json::json!({"ok": right, "files": checked}));
    } else {
        checked.iter().for_each(Checked::print);
    }
    if right { Ok(()) } else { Err(Failure::SaidMisused) }
}

/// A checked file and its problems.
#[derive(Debug, Serialize)]
struct Checked {
    file: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    feeds: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
    /// For people: each problem on a line that can be read alone.
    #[serde(skip)]
    text: String,
}

/// One problem, as programs read it.
#[derive(Debug, Serialize)]
struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Checked {
    fn read(file: &Path) -> Self {
        let origin = file.display().to_string();
        match std::fs::read_to_string(file) {
            Err(error) => Self::unreadable(origin, &error),
            Ok(text) => match Config::parse(&text, &origin, &DESTINATIONS) {
                Ok(config) => Self::right(origin, &config),
                Err(error) => Self::wrong(origin, &error),
            },
        }
    }

    fn right(file: String, config: &Config) -> Self {
        let feeds: Vec<String> = config.feeds.iter().map(|feed| feed.name.to_string()).collect();
        let count = output::count(feeds.len() as u64, "feed");
        let text = format!("{file}: {GREEN}ok{GREEN:#}: bucket {}, {count}: {}", config.bucket.name, feeds.join(", "));
        Self { file, ok: true, bucket: Some(config.bucket.name.clone()), feeds, problems: vec![], text }
    }

    fn wrong(file: String, error: &ConfigError) -> Self {
        let problems = problems(error);
        Self { file, ok: false, bucket: None, feeds: vec![], problems, text: Lines(error).to_string() }
    }

    fn unreadable(file: String, error: &std::io::Error) -> Self {
        let what = format!("cannot be read: {error}");
        let remedy = "name a file that exists and is UTF-8 text".to_owned();
        let text = Lines(format_args!("{file}: {what}; {remedy}")).to_string();
        let problem = Problem { line: None, column: None, field: None, what, remedy: Some(remedy) };
        Self { file, ok: false, bucket: None, feeds: vec![], problems: vec![problem], text }
    }

    fn print(&self) {
        output::line(&self.text);
    }
}

fn problems(error: &ConfigError) -> Vec<Problem> {
    match error {
        ConfigError::Syntax { line, column, source, .. } => vec![Problem {
            line: Some(*line),
            column: Some(*column),
            field: None,
            what: format!("this is not TOML: {}", source.message().split_whitespace().collect::<Vec<_>>().join(" ")),
            remedy: None,
        }],
        ConfigError::Invalid { problems, .. } => problems.iter().map(Problem::of).collect(),
    }
}

impl Problem {
    fn of(problem: &sluice_core::config::Problem) -> Self {
        Self {
            line: Some(problem.line),
            column: Some(problem.column),
            field: Some(problem.field.clone()),
            what: problem.what.clone(),
            remedy: Some(problem.remedy.clone()),
        }
    }
}
