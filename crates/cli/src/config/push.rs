//! `sluice config push`: checks a configuration, shows what changes, and puts it where the functions read it.
//!
//! Never uploads a wrong configuration, and never replaces a version that it has not shown.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use similar::{ChangeTag, TextDiff};
use sluice_aws::{Aws, ConfigOrigin, DESTINATIONS, S3Objects, Settings};
use sluice_core::config::{Config, ConfigError};
use sluice_core::object::{ETag, Key};
use sluice_core::ports::{Content, Objects as _, Put, PutIf};

use crate::failure::Failure;
use crate::output::{self, Foreign, GREEN, RED};

/// Arguments of `sluice config push`.
#[derive(Debug, Args)]
#[command(after_help = "\
The functions read a changed configuration before their next piece of work; batches that are being loaded go on as they \
were planned. If somebody else has changed the object meanwhile, nothing is written.")]
pub(crate) struct Arguments {
    /// The configuration to upload
    file: PathBuf,
    /// Where the functions read it.
    #[arg(
        value_name = "S3_URI",
        env = "SLUICE_CONFIG_URI",
        help = "Where the functions read it: the template's ConfigUri, their SLUICE_CONFIG_URI"
    )]
    to: String,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (text, config) = read(&arguments)?;
    let (bucket, key) = located(&arguments.to)?;
    let objects = bucket_of(&text, &bucket).await?;
    let there = objects.get(&key).await.map_err(Failure::failed)?;
    let before = there.as_ref().map(|content| String::from_utf8_lossy(&content.body).into_owned());
    let changes = Changes { before: before.as_deref().unwrap_or_default(), after: &text };
    let differs = before.as_deref() != Some(&text);
    if !arguments.json {
        changes.print(&config);
    }
    let written = differs && !arguments.dry_run;
    if written {
        put(&objects, &key, &text, there.as_ref(), &arguments.to).await?;
    }
    if arguments.json {
        let feeds = changes.feeds(&config);
        output::json(&json!({"to": arguments.to, "changed": differs, "written": written, "feeds": feeds}));
    } else {
        let to = Foreign(&arguments.to);
        output::line(match (differs, written) {
            (false, _) => format!("{to} is the same already"),
            (true, false) => format!("{to} was not written (--dry-run)"),
            (true, true) => format!("{GREEN}{to} is written{GREEN:#}; the next tick reads it"),
        });
    }
    Ok(())
}

fn read(arguments: &Arguments) -> Result<(String, Config), Failure> {
    let origin = arguments.file.display().to_string();
    let text = std::fs::read_to_string(&arguments.file)
        .map_err(|error| Failure::misused(format!("{origin}: cannot be read: {error}")))?;
    let config = Config::parse(&text, &origin, &DESTINATIONS).map_err(|error: ConfigError| Failure::misused(error))?;
    Ok((text, config))
}

fn located(uri: &str) -> Result<(String, Key), Failure> {
    let wrong = || Failure::misused(format!("{uri:?} is no place in S3: write s3://bucket/key"));
    let (bucket, key) = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    if bucket.is_empty() {
        return Err(wrong());
    }
    Ok((bucket.to_owned(), Key::new(key).map_err(|_| wrong())?))
}

async fn bucket_of(text: &str, bucket: &str) -> Result<S3Objects, Failure> {
    let variable = |name: &str| match name {
        "SLUICE_CONFIG" => Some(text.to_owned()),
        "SLUICE_CONFIG_URI" => None,
        _ => std::env::var(name).ok(),
    };
    let settings = Settings::from_env(variable).map_err(Failure::misused)?;
    debug_assert!(matches!(settings.config, ConfigOrigin::Inline(_)));
    Ok(Aws::load(settings).await.objects(bucket))
}

/// Replaces the version that was read, and no other.
async fn put(objects: &S3Objects, key: &Key, text: &str, there: Option<&Content>, to: &str) -> Result<(), Failure> {
    let etag: Option<&ETag> = there.map(|content| &content.etag);
    let when = etag.map_or(PutIf::Absent, PutIf::Matches);
    match objects.put(key, text.as_bytes().to_vec(), when).await.map_err(Failure::failed)? {
        Put::Written(_) => Ok(()),
        Put::Refused => {
            Err(Failure::failed(format!("somebody has changed {to} meanwhile: nothing was written; push again")))
        }
    }
}

/// The configuration that is there, and the one that replaces it.
struct Changes<'a> {
    before: &'a str,
    after: &'a str,
}

impl Changes<'_> {
    /// How each feed changes.
    fn feeds(&self, after: &Config) -> Vec<(String, &'static str)> {
        // The configuration that is there may be wrong, or of a newer version. Then every feed counts as new.
        let before = Config::parse(self.before, "there", &DESTINATIONS).ok();
        let old = |name: &str| before.as_ref().and_then(|config| config.feed(name));
        let mut feeds: Vec<(String, &'static str)> = Vec::new();
        for feed in &after.feeds {
            let what = match old(feed.name.as_str()) {
                None => "added",
                // No part of a feed has an arbitrary order, so two equal feeds have the same debug text.
                Some(old) if format!("{old:?}") == format!("{feed:?}") => "the same",
                Some(_) => "changed",
            };
            feeds.push((feed.name.to_string(), what));
        }
        let gone =
            before.iter().flat_map(|config| &config.feeds).filter(|feed| after.feed(feed.name.as_str()).is_none());
        feeds.extend(gone.map(|feed| (feed.name.to_string(), "removed")));
        feeds
    }

    fn print(&self, after: &Config) {
        let diff = TextDiff::from_lines(self.before, self.after);
        for change in diff.iter_all_changes() {
            let line = Foreign(change.value().trim_end_matches('\n'));
            match change.tag() {
                ChangeTag::Equal => {}
                ChangeTag::Delete => output::line(format_args!("{RED}- {line}{RED:#}")),
                ChangeTag::Insert => output::line(format_args!("{GREEN}+ {line}{GREEN:#}")),
            }
        }
        for (feed, what) in self.feeds(after) {
            let note = match what {
                "removed" => ": its files wait in incoming/, and its claims stay, until it comes back",
                _ => "",
            };
            output::line(format_args!("feed {feed}: {what}{note}"));
        }
    }
}
