//! Strays: files under `incoming/` that are of no feed, such as those under a prefix with a typo.
//!
//! Nobody loads them, and without this count nobody would notice them. They are counted about once an hour, when all
//! other work of an invocation is done, and by `sluice status`. The count jumps over the files of feeds, so that it
//! costs no more than the strays. Never moves or deletes a file.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::{Config, FeedName, is_lost};
use crate::measure::{Datum, Metric, float};
use crate::object::{Key, Prefix};
use crate::ports::{Clock, Objects, PortError, PortErrorKind, Ports, PutIf};
use crate::run::{Run, within};
use crate::work::publish;

/// How often they are counted.
const EVERY: SignedDuration = SignedDuration::from_mins(59);

/// How many are reported by name.
const NAMED: usize = 3;

/// The files of no feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// How many files.
    pub number: u64,
    /// The first of them.
    pub first: Vec<Key>,
}

/// The latest count: `sluice/state/not-taken.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    at: Timestamp,
    files: u64,
    first: Vec<Key>,
}

/// Counts them and publishes how many, unless that was done within the last hour. After a failure the next tick tries
/// again.
pub(crate) async fn count_hourly<P: Ports>(config: &Config, ports: &P, run: &Run) {
    let counts = within(ports.clock(), run.wait_until(), count_if_due(config, ports));
    if let Some(Err(error)) = counts.await {
        tracing::warn!(%error, "files of no feed could not be counted; the next tick tries again");
    }
}

async fn count_if_due<P: Ports>(config: &Config, ports: &P) -> Result<(), PortError> {
    let (objects, now) = (ports.objects(), ports.clock().now());
    let note = note(config)?;
    let last = objects.get(&note).await?.and_then(|last| serde_json::from_slice::<Counted>(&last.body).ok());
    if last.is_some_and(|last| now.duration_since(last.at) < EVERY) {
        return Ok(());
    }
    let Strays { number, first } = count(config, objects).await?;
    if number > 0 {
        let first = first.first().map(tracing::field::display);
        tracing::warn!(
            files_not_taken = number,
            first,
            "files under incoming/ are of no feed; sluice status names them"
        );
    }
    publish(ports, &[Datum::one(Metric::FilesNotTaken, &FeedName::none(), now, float(number))]).await;
    let body = serde_json::to_vec(&Counted { at: now, files: number, first })
        .map_err(|error| PortError::new("note strays", note.as_str(), PortErrorKind::Invalid, error))?;
    objects.put(&note, body, PutIf::Any).await.map(drop)
}

fn note(config: &Config) -> Result<Key, PortError> {
    let key = config.bucket.state.key("state/not-taken.json");
    key.map_err(|error| PortError::new("note strays", "not-taken.json", PortErrorKind::Invalid, error))
}

/// Counts the files under `incoming/` that are of no feed.
///
/// # Errors
/// When a page cannot be listed.
pub async fn count(config: &Config, objects: &impl Objects) -> Result<Strays, PortError> {
    let incoming = &config.bucket.incoming;
    let (mut strays, mut passed) = (Strays::default(), HashSet::new());
    let mut page = objects.list(incoming, None).await?;
    loop {
        let mut jump = None;
        for file in page.files {
            if let Some((feed, _)) = config.route(&file.key) {
                if passed.insert(&feed.name) {
                    jump = Some(last_under(&config.incoming(feed)));
                    break;
                }
            } else if incoming.strip(&file.key).is_some_and(|name| is_lost(name, file.size)) {
                strays.number += 1;
                if strays.first.len() < NAMED {
                    strays.first.push(file.key);
                }
            }
        }
        page = match (jump, page.next) {
            (Some(last), _) => objects.list_after(incoming, &last).await?,
            (None, Some(next)) => objects.list(incoming, Some(&next)).await?,
            (None, None) => return Ok(strays),
        };
    }
}

/// A place behind all names under the prefix that anybody uses. Names behind it would be listed one by one.
fn last_under(prefix: &Prefix) -> String {
    format!("{prefix}\u{10ffff}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::target::config;
    use crate::testing::{ManualClock, MemoryObjects};

    #[tokio::test]
    async fn what_is_of_no_feed_is_counted_without_listing_what_is() {
        let config = config("f", "b/f/", "");
        let bucket = MemoryObjects::new(&ManualClock::default()).paged(2);
        for number in 0..9 {
            bucket.drop_file(&format!("incoming/b/f/{number}"), "1");
        }
        for stray in ["incoming/a", "incoming/b/f", "incoming/b/f0", "incoming/b/ff/1", "incoming/c/d/e"] {
            bucket.drop_file(stray, "1");
        }
        bucket.drop_file("incoming/b/f/\u{10ffff}x", "1");
        bucket.drop_file("incoming/c/_SUCCESS", "");
        bucket.drop_file("incoming/c/", "");
        bucket.drop_file("processed/a", "1");
        let strays = count(&config, &bucket).await.unwrap();
        assert_eq!(strays.number, 5);
        assert_eq!(
            strays.first.iter().map(Key::as_str).collect::<Vec<_>>(),
            ["incoming/a", "incoming/b/f", "incoming/b/f0"]
        );
    }
}
