//! Hints for a person once everything runs: where it is, how to call it, and what to try first.
//!
//! Only prints, and never makes anything: everything that it names is already there.

use std::path::Path;

use serde::Serialize;
use sluice_core::config::{Feed, Trigger};

use crate::output::{self, BOLD, DIM};
use crate::project::Project;
use crate::stack::{ACCESS_KEY, REGION, SECRET_KEY, Stack, environment};

/// Where things are.
#[derive(Debug, Serialize)]
pub(super) struct Hints {
    event: &'static str,
    endpoint: String,
    access_key_id: &'static str,
    secret_access_key: &'static str,
    region: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    psql: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(skip)]
    tries: Vec<String>,
    #[serde(skip)]
    feeds: Vec<String>,
}

impl Hints {
    /// The hints for these services and for what is deployed in them.
    pub(super) fn of(stack: &Stack, project: Option<&Project>) -> Self {
        let endpoint = stack.standin.endpoint();
        Self {
            event: "ready",
            access_key_id: ACCESS_KEY,
            secret_access_key: SECRET_KEY,
            region: REGION,
            psql: stack.standin.redshift().map(sluice_standin::redshift::Redshift::psql),
            config: project.map(|project| project.path.display().to_string()),
            bucket: project.map(|project| project.config.bucket.name.clone()),
            tries: tries(&endpoint, project),
            feeds: project.map(|project| project.config.feeds.iter().map(feed).collect()).unwrap_or_default(),
            endpoint,
        }
    }

    pub(super) fn print(&self, json: bool) {
        if json {
            output::json(self);
            return;
        }
        output::line(format_args!("{BOLD}Sluice runs at {}{BOLD:#}  {DIM}Ctrl-C stops it{DIM:#}", self.endpoint));
        for feed in &self.feeds {
            output::line(format_args!("  {feed}"));
        }
        output::line(format_args!("\n{BOLD}For every program that speaks to it{BOLD:#}"));
        output::line(format_args!("  {}", environment(&self.endpoint)));
        if let Some(psql) = &self.psql {
            output::line(format_args!("\n{BOLD}The tables{BOLD:#}\n  {psql}"));
        }
        output::line(format_args!("\n{BOLD}Try{BOLD:#}"));
        for line in &self.tries {
            output::line(format_args!("  {line}"));
        }
        output::line("");
    }
}

fn feed(feed: &Feed) -> String {
    let when = match feed.trigger {
        Trigger::Schedule => "on schedule",
        Trigger::Event => "at once",
    };
    format!("{} → {}, {when}, at most {} files at a time", feed.name, feed.target.table, feed.max_files)
}

/// Two lines to try: one that drops a file, one that shows where it went.
fn tries(endpoint: &str, project: Option<&Project>) -> Vec<String> {
    let aws = format!("aws --endpoint-url {endpoint}");
    let Some(Project { config, path, .. }) = project else {
        return vec![format!("{aws} s3 mb s3://my-bucket"), format!("{aws} s3 ls")];
    };
    let bucket = &config.bucket.name;
    // A feed that takes files at once shows something at once.
    let feed = config.feeds.iter().find(|feed| feed.trigger == Trigger::Event).or(config.feeds.first());
    let file = feed.and_then(|feed| example(feed, path)).unwrap_or_else(|| "FILE".to_owned());
    let place = feed.map_or_else(|| config.bucket.incoming.clone(), |feed| config.incoming(feed));
    vec![format!("{aws} s3 cp {file} s3://{bucket}/{place}"), format!("{aws} s3 ls --recursive s3://{bucket}/")]
}

/// A file that the feed takes, from the folder beside the configuration where examples keep their files.
fn example(feed: &Feed, config: &Path) -> Option<String> {
    let folder = config.with_file_name("data").join(feed.prefix.as_str());
    let entries = std::fs::read_dir(&folder).ok()?;
    let takes = |name: &String| feed.takes(name, 1);
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(takes);
    Some(folder.join(names.min()?).display().to_string())
}
