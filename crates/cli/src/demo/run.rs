//! The course of a demo: drops every file, ticks until nothing is waiting, and records what happened.
//!
//! Never looks at what was loaded, and never ticks by the clock: a tick begins when the work of the last one is done.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_core::object::{Key, KeyError};
use sluice_core::ports::{Objects, PortError, PutIf};
use sluice_standin::deployment::Deployed;
use sluice_standin::lambda::{FunctionError, InvokeError};
use sluice_standin::s3::StorageError;

use super::examples::Examples;
use super::progress::Progress;
use super::source::Source;
use crate::stack::Stack;

/// How many files of one feed are uploaded at once.
const UPLOADS_AT_ONCE: usize = 4;

/// How many ticks in a row may move nothing before the demo gives up, and the pause between them.
const PATIENCE: usize = 40;
const PAUSE: Duration = Duration::from_millis(250);

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

/// Why the demo could not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{key} cannot be a key: {source}")]
    Key {
        /// The name that is not a key.
        key: String,
        source: KeyError,
    },
    #[error("cannot drop a file into the bucket")]
    Upload(#[from] PortError),
    #[error("cannot invoke the lister")]
    Invoke(#[from] InvokeError),
    #[error("the lister failed; run the demo with RUST_LOG=sluice_standin=debug to see what the functions print")]
    Lister(#[source] FunctionError),
    #[error("the lister's answer cannot be read")]
    Answer(#[source] serde_json::Error),
    #[error("cannot list the bucket")]
    Bucket(#[from] StorageError),
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
) -> Result<Course, RunError> {
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
    for function in stack.standin.lambda().functions() {
        let invocations = stack.standin.lambda().stats(&function).invocations;
        course.invocations.insert(function, invocations);
    }
    Ok(course)
}

/// Puts the files into the bucket over HTTP, all feeds at the same time.
async fn upload(stack: &Stack, examples: &Examples) -> Result<(), RunError> {
    let bucket = stack.aws.objects(&examples.project.config.bucket.name);
    let put = |source: &Source| {
        let (key, body) = (source.key.clone(), source.body.clone());
        let bucket = &bucket;
        async move {
            let key = Key::new(&key).map_err(|source| RunError::Key { key, source })?;
            bucket.put(&key, body, PutIf::Absent).await?;
            Ok::<_, RunError>(())
        }
    };
    let uploads = examples
        .feeds
        .values()
        .map(|sources| stream::iter(sources).map(put).buffer_unordered(UPLOADS_AT_ONCE).try_collect::<Vec<_>>());
    future::try_join_all(uploads).await?;
    Ok(())
}

async fn tick_until_empty(
    stack: &Stack,
    deployed: &Deployed,
    examples: &Examples,
    progress: &Progress,
    course: &mut Course,
) -> Result<(), RunError> {
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

async fn tick(deployed: &Deployed) -> Result<Tick, RunError> {
    let report = deployed.tick().await?;
    let answer = report.result.as_ref().map_err(|error| RunError::Lister(error.clone()))?;
    serde_json::from_slice(answer).map_err(RunError::Answer)
}

/// How many files of each feed are in `incoming/`.
fn waiting(stack: &Stack, examples: &Examples) -> Result<BTreeMap<String, u64>, StorageError> {
    let config = &examples.project.config;
    let count = |feed| {
        let keys = stack.standin.storage().keys_under(&config.bucket.name, config.incoming(feed).as_str())?;
        Ok(keys.len() as u64)
    };
    config.feeds.iter().map(|feed| Ok((feed.name.to_string(), count(feed)?))).collect()
}

fn since_epoch(at: Timestamp) -> Duration {
    Duration::try_from(at.as_duration()).unwrap_or_default()
}
