//! Listing: the backlog that is `incoming/` itself. It counts every file under a feed's prefix, and keeps only those
//! that may be loaded now.
//!
//! Memory is bounded by the files kept, not by the backlog. A long listing stops in time, and the next one continues
//! there: a hint under `sluice/state/<feed>/` says where. If the hint is lost, only the order suffers. Never changes a
//! file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backlog::{Backlog, Choice, NotTaken, Waiting, Wanted, older};
use crate::config::{Bucket, Config, Feed, Taken};
use crate::object::{File, Key, Prefix};
use crate::ports::{Clock, Objects, Page, PortError, PortErrorKind, PutIf};
use crate::run::later;

/// How many pages are listed, in a quarter of the time at most, before the hint is read. A short backlog needs none.
const PAGES_BEFORE_HINT: usize = 8;

/// Lists all files under a feed's prefix, page by page, however long that takes.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a, O> {
    config: &'a Config,
    objects: &'a O,
}

impl<'a, O: Objects> Listing<'a, O> {
    /// Lists the deployment's bucket.
    pub fn new(config: &'a Config, objects: &'a O) -> Self {
        Self { config, objects }
    }

    /// A listing that stops at `until`, and continues there the next time.
    pub fn until<C: Clock>(self, clock: &'a C, until: Timestamp) -> TimedListing<'a, O, C> {
        TimedListing { listing: self, clock, until }
    }
}

impl<O: Objects> Backlog for Listing<'_, O> {
    async fn waiting(&self, feed: &Feed, wanted: &Wanted) -> Result<Waiting, PortError> {
        let prefix = self.config.incoming(feed);
        let mut counted = Counted::new(feed, &prefix, wanted);
        let mut after = None;
        loop {
            let page = self.objects.list(&prefix, after.as_deref()).await?;
            counted.add(page, &mut after);
            if after.is_none() {
                return Ok(counted.waiting(false));
            }
        }
    }
}

/// A [`Listing`] that stops in time.
#[derive(Clone, Copy, Debug)]
pub struct TimedListing<'a, O, C> {
    listing: Listing<'a, O>,
    clock: &'a C,
    until: Timestamp,
}

impl<O: Objects, C: Clock> Backlog for TimedListing<'_, O, C> {
    async fn waiting(&self, feed: &Feed, wanted: &Wanted) -> Result<Waiting, PortError> {
        let prefix = self.listing.config.incoming(feed);
        let mut counted = Counted::new(feed, &prefix, wanted);
        let begun = self.clock.now();
        let soon = later(begun, self.until.duration_since(begun) / 4);
        let (mut after, mut pages) = (None, 0);
        loop {
            let page = self.listing.objects.list(&prefix, after.as_deref()).await?;
            pages += 1;
            let last = counted.add(page, &mut after);
            if after.is_none() {
                return Ok(counted.waiting(false));
            }
            if let Some(last) = last.filter(|_| pages == PAGES_BEFORE_HINT || self.clock.now() >= soon) {
                return self.go_round(feed, counted, (last, after)).await;
            }
        }
    }
}

impl<O: Objects, C: Clock> TimedListing<'_, O, C> {
    /// Continues a long listing where the last one stopped, and round to where this one began, while there is time.
    async fn go_round(
        &self,
        feed: &Feed,
        mut counted: Counted<'_>,
        (begun, mut after): (Key, Option<String>),
    ) -> Result<Waiting, PortError> {
        let Listing { config, objects } = self.listing;
        let prefix = config.incoming(feed);
        let hint = Hint::read(objects, &config.bucket, feed).await.after.filter(|hint| *hint >= begun);
        let mut at = begun.clone();
        if let Some(hint) = &hint {
            let page = objects.list_after(&prefix, hint.as_str()).await?;
            at = hint.clone();
            at = counted.add(page, &mut after).unwrap_or(at);
        }
        let mut wrapped = false;
        loop {
            let round = after.is_none() && (hint.is_none() || wrapped);
            if round || self.clock.now() >= self.until {
                // If this one came to the end, the next one begins after the first pages.
                let next = Hint { after: after.is_some().then_some(at) };
                if hint.is_some() || next.after.is_some() {
                    next.write(objects, &config.bucket, feed).await;
                }
                return Ok(counted.waiting(!round));
            }
            let end = hint.as_ref().filter(|_| wrapped || after.is_none());
            let page = if after.is_none() {
                // At the end: continue after the first pages, up to the hint.
                wrapped = true;
                objects.list_after(&prefix, begun.as_str()).await?
            } else {
                objects.list(&prefix, after.as_deref()).await?
            };
            at = counted.add_until(page, &mut after, end).unwrap_or(at);
        }
    }
}

/// Where the last listing stopped before its end.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Hint {
    /// The last key that it saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Key>,
}

impl Hint {
    /// A hint that cannot be read is ignored: the listing continues from its beginning.
    async fn read(objects: &impl Objects, bucket: &Bucket, feed: &Feed) -> Self {
        let read = async { objects.get(&hint_key(bucket, feed)?).await };
        match read.await {
            Ok(content) => content.and_then(|hint| serde_json::from_slice(&hint.body).ok()).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(feed = %feed.name, %error, "where the last listing stopped cannot be read");
                Self::default()
            }
        }
    }

    async fn write(&self, objects: &impl Objects, bucket: &Bucket, feed: &Feed) {
        let write = async {
            let key = hint_key(bucket, feed)?;
            let body = serde_json::to_vec(self)
                .map_err(|error| PortError::new("note listing", key.as_str(), PortErrorKind::Invalid, error))?;
            objects.put(&key, body, PutIf::Any).await
        };
        if let Err(error) = write.await {
            tracing::warn!(feed = %feed.name, %error, "where the listing stopped cannot be noted");
        }
    }
}

fn hint_key(bucket: &Bucket, feed: &Feed) -> Result<Key, PortError> {
    let key = format!("{}state/{}/listing.json", bucket.state, feed.name);
    Key::new(key).map_err(|error| PortError::new("note listing", feed.name.as_str(), PortErrorKind::Invalid, error))
}

/// What was counted and chosen so far.
struct Counted<'a> {
    feed: &'a Feed,
    prefix: &'a Prefix,
    wanted: &'a Wanted,
    waiting: Waiting,
    choice: Choice,
}

impl<'a> Counted<'a> {
    fn new(feed: &'a Feed, prefix: &'a Prefix, wanted: &'a Wanted) -> Self {
        Self { feed, prefix, wanted, waiting: Waiting::default(), choice: Choice::new(feed.order, wanted.most) }
    }

    /// Counts a page, and moves `after` to the next one. Returns the page's last key.
    fn add(&mut self, page: Page, after: &mut Option<String>) -> Option<Key> {
        self.add_until(page, after, None)
    }

    /// The same, up to `end`. Behind it there is no next page.
    fn add_until(&mut self, mut page: Page, after: &mut Option<String>, end: Option<&Key>) -> Option<Key> {
        let last = page.files.last().map(|file| file.key.clone());
        *after = page.next.take();
        if let Some(end) = end.filter(|end| last.as_ref().is_none_or(|last| last >= *end)) {
            page.files.retain(|file| file.key <= *end);
            *after = None;
        }
        for file in page.files {
            self.count(file);
        }
        for key in page.frozen.into_iter().filter(|key| end.is_none_or(|end| key <= end)) {
            if self.prefix.strip(&key).is_some_and(|name| self.feed.takes(name, 1)) {
                self.pass_over(key, NotTaken::Frozen);
            }
        }
        last
    }

    fn pass_over(&mut self, key: Key, why: NotTaken) {
        self.waiting.not_taken += 1;
        self.waiting.first_not_taken.get_or_insert((key, why));
    }

    fn count(&mut self, file: File) {
        let Some(name) = self.prefix.strip(&file.key) else { return };
        match self.feed.judges(name, file.size) {
            Taken::File => {}
            Taken::NoFile => return,
            Taken::NotIncluded => return self.pass_over(file.key, NotTaken::NotIncluded),
        }
        self.waiting.listed += 1;
        let Wanted { held, resting, .. } = self.wanted;
        if held.contains(&file.key) || (!resting.is_empty() && resting.contains(&file.id())) {
            return;
        }
        self.waiting.unprocessed += 1;
        self.waiting.unprocessed_bytes += file.size;
        if let Some(left) = self.choice.offer(file) {
            self.waiting.oldest_left = older(self.waiting.oldest_left, left.last_modified);
        }
    }

    fn waiting(self, at_least: bool) -> Waiting {
        Waiting { chosen: self.choice.into_files(), at_least, ..self.waiting }
    }
}
