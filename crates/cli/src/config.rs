//! `sluice config`: checks a configuration, and uploads it.
//!
//! `check` reports every problem of every file and never touches anything else. The functions run the same check when
//! they start.

mod push;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sluice_aws::DESTINATIONS;
use sluice_core::config::{Config, ConfigError, Problem};

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
        let files: Vec<&Value> = checked.iter().map(|file| &file.json).collect();
        output::json(&json!({"ok": right, "files": files}));
    } else {
        for file in &checked {
            output::line(&file.text);
        }
    }
    if right { Ok(()) } else { Err(Failure::SaidMisused) }
}

/// The result for one file.
struct Checked {
    ok: bool,
    json: Value,
    /// For people: each problem on a line that can be read alone.
    text: String,
}

impl Checked {
    fn read(file: &Path) -> Self {
        let origin = file.display().to_string();
        match std::fs::read_to_string(file) {
            Err(error) => Self::unreadable(&origin, &error),
            Ok(text) => match Config::parse(&text, &origin, &DESTINATIONS) {
                Ok(config) => Self::right(&origin, &config),
                Err(error) => Self::wrong(&origin, &problems(&error), error),
            },
        }
    }

    fn right(file: &str, config: &Config) -> Self {
        let bucket = &config.bucket.name;
        let feeds: Vec<&str> = config.feeds.iter().map(|feed| feed.name.as_str()).collect();
        let count = output::count(feeds.len() as u64, "feed");
        let text = format!("{file}: {GREEN}ok{GREEN:#}: bucket {bucket}, {count}: {}", feeds.join(", "));
        Self { ok: true, json: json!({"file": file, "ok": true, "bucket": bucket, "feeds": feeds}), text }
    }

    fn wrong(file: &str, problems: &[Value], text: impl Display) -> Self {
        let json = json!({"file": file, "ok": false, "problems": problems});
        Self { ok: false, json, text: Lines(text).to_string() }
    }

    fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let what = format!("cannot be read: {error}");
        let remedy = "name a file that exists and is UTF-8 text";
        let problem = json!({"what": what, "remedy": remedy});
        Self::wrong(file, &[problem], format_args!("{file}: {what}; {remedy}"))
    }
}

/// The problems as programs read them. A field that is not known is left out.
fn problems(error: &ConfigError) -> Vec<Value> {
    match error {
        ConfigError::Syntax { line, column, source, .. } => {
            let message = source.message().split_whitespace().collect::<Vec<_>>().join(" ");
            vec![json!({"line": line, "column": column, "what": format!("this is not TOML: {message}")})]
        }
        ConfigError::Invalid { problems, .. } => problems.iter().map(problem).collect(),
    }
}

fn problem(problem: &Problem) -> Value {
    let Problem { line, column, field, what, remedy } = problem;
    json!({"line": line, "column": column, "field": field, "what": what, "remedy": remedy})
}
