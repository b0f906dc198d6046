//! The course of a demo: drops every file, ticks until nothing is waiting, and records what happened.
//!
//! Never looks at what was loaded, and never ticks by the clock: a tick begins when the work of the last one is done.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_core::config::Feed;
use sluice_core::object::Key;
use sluice_core::ports::{Objects, PutIf};
use sluice_standin::deployment::Deployed;

use super::examples::Examples;
use super::progress::Progress;
use super::source::Source;
use crate::failure::Failure;
use crate::stack::Stack;

/// How many files of one feed are uploaded at once.
const UPLOADS_AT_ONCE: usize = 4;

/// How many ticks in a row may move nothing before the demo gives up, and the pause between them.
const PATIENCE: usize = 40;
const PAUSE: Duration = Duration::from_millis(250);

const LISTER_FAILED: &str =
    "the lister failed; run the demo with RUST_LOG=sluice_standin=debug to see what the functions print";

/// The record of a demo.
#[derive(Debug)]
pub(crate) struct Course {
    /// When each file arrived, since the Unix epoch, by key.
    pub(crate) arrived: BTreeMap<String, Duration>,
    /// How many files were waiting after the upload and after each tick.
    pub(crate) backlog: Vec<Backlog>,
    /// How often each function was invoked.
    pub(crate) invocations: BTreeMap<String, u64>,
}

/// How many files of each feed were waiting at a moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Backlog {
    /// The upload or the tick before it.
    pub(crate) after: String,
    /// The number of files, by feed.
    pub(crate) waiting: BTreeMap<String, u64>,
}

/// The part of the lister's answer that a demo needs.
#[derive(Debug, Deserialize)]
struct Tick {
    feeds: Vec<FeedTick>,
}

#[derive(Debug, Deserialize)]
struct FeedTick {
    feed: String,
    listed: u64,
    claimed: u64,
    in_flight: u64,
    unprocessed: u64,
}

/// Drops all files and ticks until they are gone.
pub(crate) async fn run(
    stack: &Stack,
    deployed: &Deployed,
    examples: &Examples,
    progress: &Progress,
) -> Result<Course, Failure> {
    let config = &examples.project.config;
    let mut arrivals = stack.standin.storage().subscribe(&config.bucket.name, config.bucket.incoming.as_str());
    upload(stack, examples).await?;
    // The loader has begun with the files that were announced to it. It finishes before the first tick, which shows
    // what is left.
    deployed.idle().await;
    let mut course = Course { arrived: BTreeMap::new(), backlog: vec![], invocations: BTreeMap::new() };
    course.backlog.push(Backlog { after: "upload".to_owned(), waiting: waiting(stack, examples)? });
    while let Ok(arrival) = arrivals.try_recv() {
        course.arrived.entry(arrival.key).or_insert(since_epoch(arrival.at));
    }
    tick_until_empty(stack, deployed, examples, progress, &mut course).await?;
    let lambda = stack.standin.lambda();
    let invocations = |function: String| (function.clone(), lambda.stats(&function).invocations);
    course.invocations = lambda.functions().into_iter().map(invocations).collect();
    Ok(course)
}

/// Puts the files into the bucket over HTTP, all feeds at the same time.
async fn upload(stack: &Stack, examples: &Examples) -> Result<(), Failure> {
    let bucket = stack.aws.objects(&examples.project.config.bucket.name);
    let put = async |Source { key, body, .. }: &Source| {
        let wrong = |error| Failure::failed(format!("{key} cannot be a key: {error}"));
        let put = bucket.put(&Key::new(key).map_err(wrong)?, body.clone(), PutIf::Absent).await;
        put.map_err(|error| Failure::because("cannot drop a file into the bucket", error))
    };
    let uploads = examples
        .feeds
        .values()
        .map(|sources| stream::iter(sources).map(&put).buffer_unordered(UPLOADS_AT_ONCE).try_collect::<Vec<_>>());
    future::try_join_all(uploads).await?;
    Ok(())
}

async fn tick_until_empty(
    stack: &Stack,
    deployed: &Deployed,
    examples: &Examples,
    progress: &Progress,
    course: &mut Course,
) -> Result<(), Failure> {
    let mut idle_ticks = 0;
    let mut left = waiting(stack, examples)?;
    for number in 1.. {
        let tick = tick(deployed).await?;
        deployed.idle().await;
        let after = format!("tick {number}");
        progress.ticked(&after, tick.feeds.iter().map(|feed| (feed.feed.as_str(), feed.claimed, feed.unprocessed)));
        let waiting_after = tick.feeds.iter().map(|feed| (feed.feed.clone(), feed.unprocessed)).collect();
        course.backlog.push(Backlog { after, waiting: waiting_after });
        if tick.feeds.iter().all(|feed| feed.listed == 0 && feed.in_flight == 0) {
            return Ok(());
        }
        let before = std::mem::replace(&mut left, waiting(stack, examples)?);
        idle_ticks = if left == before { idle_ticks + 1 } else { 0 };
        match idle_ticks {
            0 => {}
            // The checks name what is left.
            PATIENCE => return Ok(()),
            // A failed load is retried after a while, not at once.
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    Ok(())
}

async fn tick(deployed: &Deployed) -> Result<Tick, Failure> {
    let report = deployed.tick().await.map_err(|error| Failure::because("cannot invoke the lister", error))?;
    let answer = report.result.as_ref().map_err(|error| Failure::because(LISTER_FAILED, error.clone()))?;
    serde_json::from_slice(answer).map_err(|error| Failure::because("the lister's answer cannot be read", error))
}

/// How many files of each feed are in `incoming/`.
fn waiting(stack: &Stack, examples: &Examples) -> Result<BTreeMap<String, u64>, Failure> {
    let config = &examples.project.config;
    let count = |feed: &Feed| {
        let keys = stack.standin.storage().keys_under(&config.bucket.name, config.incoming(feed).as_str());
        let keys = keys.map_err(|error| Failure::because("cannot list the bucket", error))?;
        Ok((feed.name.to_string(), keys.len() as u64))
    };
    config.feeds.iter().map(count).collect()
}

fn since_epoch(at: Timestamp) -> Duration {
    Duration::try_from(at.as_duration()).unwrap_or_default()
}
