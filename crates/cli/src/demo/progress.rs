//! Shows the progress of a demo on standard error: a line for each tick, and on a terminal a bar for each feed.
//!
//! Never polls: the bucket itself announces every file that moves on.

use std::fmt::Display;

use indicatif::{MultiProgress, ProgressBar};
use sluice_core::config::Feed;
use sluice_core::object::Prefix;
use tokio::task::JoinHandle;

use super::examples::Examples;
use crate::output::{self, DIM, progress};
use crate::stack::Stack;

/// The progress of a demo. Dropping it stops and clears the bars.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: MultiProgress,
    bars: Vec<Bar>,
    follower: JoinHandle<()>,
}

/// The bar of a feed.
#[derive(Clone, Debug)]
struct Bar {
    feed: String,
    /// Where the feed's files go once they are loaded.
    processed: Prefix,
    shown: ProgressBar,
}

impl Progress {
    /// Starts with no file done, and follows the files from now on.
    pub(crate) fn follow(stack: &Stack, examples: &Examples) -> Self {
        let bucket = &examples.project.config.bucket;
        let shown = MultiProgress::with_draw_target(progress::target());
        let bar = |feed: &Feed| Bar {
            feed: feed.name.to_string(),
            processed: bucket.processed.join(&feed.prefix),
            shown: bar(&shown, feed.name.as_str(), examples.sources(feed).len() as u64),
        };
        let bars: Vec<Bar> = examples.project.config.feeds.iter().map(bar).collect();
        let mut processed = stack.standin.storage().subscribe(&bucket.name, bucket.processed.as_str());
        let moved = bars.clone();
        let follower = tokio::spawn(async move {
            while let Some(object) = processed.recv().await {
                let own = |bar: &&Bar| object.key.starts_with(bar.processed.as_str());
                moved.iter().filter(own).for_each(|bar| bar.shown.inc(1));
            }
        });
        Self { shown, bars, follower }
    }

    /// Prints a line about a step.
    pub(crate) fn say(&self, text: impl Display) {
        self.shown.suspend(|| output::note(text));
    }

    /// Prints what a tick did: for each feed, the number of files that it claimed and of those that wait.
    pub(crate) fn ticked<'f>(&self, tick: &str, feeds: impl Iterator<Item = (&'f str, u64, u64)>) {
        let mut words = Vec::new();
        for (feed, claimed, waiting) in feeds {
            for bar in self.bars.iter().filter(|bar| bar.feed == feed) {
                bar.shown.set_message(format!("{waiting} waiting"));
            }
            words.push(format!("{feed}: {claimed} taken, {waiting} waiting"));
        }
        self.say(format_args!("{DIM}{tick:>7}  {}{DIM:#}", words.join("   ")));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.follower.abort();
        self.bars.iter().for_each(|bar| bar.shown.finish_and_clear());
    }
}

fn bar(shown: &MultiProgress, name: &str, files: u64) -> ProgressBar {
    let style = progress::style("  {prefix:<10} {bar:40.cyan/black} {pos:>4}/{len} files  {msg}");
    let bar = shown.add(ProgressBar::new(files)).with_prefix(name.to_owned()).with_style(style);
    // Shows the bar before its first file has moved.
    bar.tick();
    bar
}
