//! Shows the progress of a demo on standard error: a line for each tick, and on a terminal a bar for each feed.
//!
//! Never polls: the bucket itself announces every file that moves on.

use std::collections::BTreeMap;
use std::fmt::Display;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sluice_core::config::Config;
use tokio::task::JoinHandle;

use super::examples::Examples;
use crate::output::{self, DIM};
use crate::stack::Stack;

/// The progress of a demo. Dropping it stops and clears the bars.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: Option<MultiProgress>,
    bars: BTreeMap<String, ProgressBar>,
    follower: JoinHandle<()>,
}

impl Progress {
    /// Starts with no file done, and follows the files from now on.
    pub(crate) fn follow(stack: &Stack, examples: &Examples) -> Self {
        let shown = output::watched().then(MultiProgress::new);
        let bars: BTreeMap<String, ProgressBar> = examples
            .feeds
            .iter()
            .map(|(name, sources)| (name.clone(), bar(shown.as_ref(), name, sources.len() as u64)))
            .collect();
        let follower = tokio::spawn(move_bars(stack, &examples.project.config, &bars));
        Self { shown, bars, follower }
    }

    /// Prints a line about a step.
    pub(crate) fn say(&self, text: impl Display) {
        match &self.shown {
            Some(shown) => shown.suspend(|| output::note(text)),
            None => output::note(text),
        }
    }

    /// Prints what a tick did: for each feed, the number of files that it claimed and of those that wait.
    pub(crate) fn ticked<'f>(&self, tick: &str, feeds: impl Iterator<Item = (&'f str, u64, u64)>) {
        let feeds: Vec<String> = feeds
            .map(|(feed, claimed, waiting)| {
                if let Some(bar) = self.bars.get(feed) {
                    bar.set_message(format!("{waiting} waiting"));
                }
                format!("{feed}: {claimed} taken, {waiting} waiting")
            })
            .collect();
        self.say(format_args!("{DIM}{tick:>7}  {}{DIM:#}", feeds.join("   ")));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.follower.abort();
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
    }
}

fn bar(shown: Option<&MultiProgress>, name: &str, files: u64) -> ProgressBar {
    let Some(shown) = shown else { return ProgressBar::hidden() };
    let bar = shown.add(ProgressBar::new(files));
    let style = ProgressStyle::with_template("  {prefix:<10} {bar:40.cyan/black} {pos:>4}/{len} files  {msg}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    let bar = bar.with_prefix(name.to_owned());
    // Shows the bar before its first file has moved.
    bar.tick();
    bar
}

/// Moves a feed's bar with each of its files that arrives in `processed/`.
fn move_bars(
    stack: &Stack,
    config: &Config,
    bars: &BTreeMap<String, ProgressBar>,
) -> impl Future<Output = ()> + Send + use<> {
    let bucket = &config.bucket;
    let mut processed = stack.standin.storage().subscribe(&bucket.name, bucket.processed.as_str());
    let prefixes: Vec<(String, ProgressBar)> = config
        .feeds
        .iter()
        .filter_map(|feed| {
            Some((bucket.processed.join(&feed.prefix).to_string(), bars.get(feed.name.as_str())?.clone()))
        })
        .collect();
    async move {
        while let Some(object) = processed.recv().await {
            if let Some((_, bar)) = prefixes.iter().find(|(prefix, _)| object.key.starts_with(prefix)) {
                bar.inc(1);
            }
        }
    }
}
