//! `sluice config push`: checks a configuration, shows what changes, and puts it where the functions read it.
//!
//! Never uploads a wrong configuration, and never replaces a version that it has not shown.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use similar::{ChangeTag, TextDiff};
use sluice_aws::{Aws, ConfigOrigin, DESTINATIONS, S3Objects, SettingsError};
use sluice_core::config::{Config, Feed};
use sluice_core::object::Key;
use sluice_core::ports::{Content, Objects as _, Put, PutIf};

use crate::deployment::settings;
use crate::failure::Failure;
use crate::output::{self, Foreign, GREEN, RED, say};

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
    let Arguments { file, to, dry_run, json } = arguments;
    let (text, config) = read(&file)?;
    let (objects, key) = located(&to).await?;
    let there = objects.get(&key).await.map_err(Failure::failed)?;
    let before = there.as_ref().map(|content| String::from_utf8_lossy(&content.body).into_owned());
    let differs = before.as_ref() != Some(&text);
    let before = before.unwrap_or_default();
    let feeds = feeds(&before, &config);
    if !json {
        print_changes(&before, &text, &feeds);
    }
    let written = differs && !dry_run;
    if written {
        put(&objects, &key, text, there.as_ref(), &to).await?;
    }
    if json {
        output::json(&json!({"to": to, "changed": differs, "written": written, "feeds": feeds}));
        return Ok(());
    }
    let to = Foreign(&to);
    match (differs, written) {
        (false, _) => say!("{to} is the same already"),
        (true, false) => say!("{to} was not written (--dry-run)"),
        (true, true) => say!("{GREEN}{to} is written{GREEN:#}; the next tick reads it"),
    }
    Ok(())
}

/// The configuration to upload, as text and checked.
fn read(file: &Path) -> Result<(String, Config), Failure> {
    let origin = file.display().to_string();
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Failure::misused(format!("{origin}: cannot be read: {error}")))?;
    let config = Config::parse(&text, &origin, &DESTINATIONS).map_err(Failure::misused)?;
    Ok((text, config))
}

/// The bucket and the key that the URI names.
async fn located(uri: &str) -> Result<(S3Objects, Key), Failure> {
    let wrong = || Failure::misused(format!("{uri:?} is no place in S3: write s3://bucket/key"));
    let settings = settings(Some(uri)).map_err(|error| match error {
        SettingsError::PathStyle(_) => Failure::misused(error),
        _ => wrong(),
    })?;
    let ConfigOrigin::Object { bucket, key } = settings.config.clone() else { return Err(wrong()) };
    let key = Key::new(key).map_err(|_| wrong())?;
    Ok((Aws::load(settings).await.objects(&bucket), key))
}

/// Replaces the version that was read, and no other.
async fn put(objects: &S3Objects, key: &Key, text: String, there: Option<&Content>, to: &str) -> Result<(), Failure> {
    let when = there.map_or(PutIf::Absent, |content| PutIf::Matches(&content.etag));
    match objects.put(key, text.into_bytes(), when).await.map_err(Failure::failed)? {
        Put::Written(_) => Ok(()),
        Put::Refused => {
            Err(Failure::failed(format!("somebody has changed {to} meanwhile: nothing was written; push again")))
        }
    }
}

/// How each feed changes.
fn feeds(before: &str, after: &Config) -> Vec<(String, &'static str)> {
    // The configuration that is there may be wrong, or of a newer version. Then every feed counts as new.
    let before = Config::parse(before, "there", &DESTINATIONS).ok();
    let change = |feed: &Feed| match before.as_ref().and_then(|config| config.feed(feed.name.as_str())) {
        None => "added",
        // No part of a feed has an arbitrary order, so two equal feeds have the same debug text.
        Some(old) if format!("{old:?}") == format!("{feed:?}") => "the same",
        Some(_) => "changed",
    };
    let kept = after.feeds.iter().map(|feed| (feed.name.to_string(), change(feed)));
    let old = before.iter().flat_map(|config| &config.feeds);
    let removed = old.filter(|feed| after.feed(feed.name.as_str()).is_none());
    kept.chain(removed.map(|feed| (feed.name.to_string(), "removed"))).collect()
}

fn print_changes(before: &str, after: &str, feeds: &[(String, &str)]) {
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let line = Foreign(change.value().trim_end_matches('\n'));
        match change.tag() {
            ChangeTag::Equal => {}
            ChangeTag::Delete => say!("{RED}- {line}{RED:#}"),
            ChangeTag::Insert => say!("{GREEN}+ {line}{GREEN:#}"),
        }
    }
    for (feed, what) in feeds {
        let note = match *what {
            "removed" => ": its files wait in incoming/, and its claims stay, until it comes back",
            _ => "",
        };
        say!("feed {feed}: {what}{note}");
    }
}
