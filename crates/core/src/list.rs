//! List: what waits under a feed's prefix. Counts everything it sees, keeps only what may be loaded now.
//!
//! Memory is bounded by the files kept, never by the backlog. A listing that would take too long stops in time and goes on
//! there the next time: a hint under `sluice/state/<feed>/` says where, and losing it costs nothing but order. Never changes
//! a file.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Bucket, Config, Feed, Order, Taken};
use crate::object::{File, FileId, Key, Prefix};
use crate::ports::{Clock, Objects, Page, PortError, PortErrorKind, PutIf};
use crate::run::later;

/// How many pages are listed from the beginning, in a quarter of the time, before the hint is asked for: short backlogs
/// need none.
const PAGES_BEFORE_HINT: usize = 8;

/// What a feed's listing says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files under the prefix, held by claims or not.
    pub listed: u64,
    /// Files that no claim holds, and that do not rest.
    pub unprocessed: u64,
    /// Their bytes.
    pub unprocessed_bytes: u64,
    /// The first of them in the feed's order, as many as asked for.
    pub chosen: Vec<File>,
    /// When the oldest of the others was written.
    pub oldest_left: Option<Timestamp>,
    /// Files that are not taken: none of `include` matches them, or they have to be restored before anybody can read them.
    pub not_taken: u64,
    /// The first of those.
    pub first_not_taken: Option<(Key, NotTaken)>,
    /// It stopped in time: there are at least so many.
    pub at_least: bool,
}

/// Why a file under a feed's prefix is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// No pattern of `include` matches its name.
    NotIncluded,
    /// Its storage class is one that nobody can read before it is restored.
    Frozen,
}

/// Which files are not to be chosen, and how many others are.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Keys that claims hold.
    pub held: HashSet<Key>,
    /// Files that rest.
    pub resting: HashSet<FileId>,
    /// The most files to choose.
    pub most: usize,
}

/// Lists all of the feed's files, page by page, however long that takes.
///
/// # Errors
/// When a page cannot be had; nothing is known then.
pub async fn list_all(
    config: &Config,
    objects: &impl Objects,
    feed: &Feed,
    wanted: &Wanted,
) -> Result<Listing, PortError> {
    let prefix = config.incoming(feed);
    let mut counted = Counted::new(feed, &prefix, wanted);
    let mut after = None;
    loop {
        let page = objects.list(&prefix, after.as_deref()).await?;
        counted.add(page, &mut after);
        if after.is_none() {
            return Ok(counted.listing(false));
        }
    }
}

/// Lists the feed's files, page by page, until all are seen or it is `until`.
///
/// # Errors
/// When a page cannot be had; nothing is known then.
pub async fn list(
    config: &Config,
    objects: &impl Objects,
    clock: &impl Clock,
    feed: &Feed,
    wanted: &Wanted,
    until: Timestamp,
) -> Result<Listing, PortError> {
    let prefix = config.incoming(feed);
    let mut counted = Counted::new(feed, &prefix, wanted);
    let begun = clock.now();
    let soon = later(begun, until.duration_since(begun) / 4);
    let (mut after, mut pages) = (None, 0);
    loop {
        let page = objects.list(&prefix, after.as_deref()).await?;
        pages += 1;
        let last = counted.add(page, &mut after);
        if after.is_none() {
            return Ok(counted.listing(false));
        }
        if let Some(last) = last.filter(|_| pages == PAGES_BEFORE_HINT || clock.now() >= soon) {
            return go_round(config, objects, clock, feed, counted, (last, after), until).await;
        }
    }
}

/// A long backlog: goes on where the last listing stopped, and round to where this one began, while there is time.
async fn go_round(
    config: &Config,
    objects: &impl Objects,
    clock: &impl Clock,
    feed: &Feed,
    mut counted: Counted<'_>,
    (begun, mut after): (Key, Option<String>),
    until: Timestamp,
) -> Result<Listing, PortError> {
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
        if round || clock.now() >= until {
            // The next one begins after the first pages where this one has come to the end.
            let next = Hint { after: after.is_some().then_some(at) };
            if hint.is_some() || next.after.is_some() {
                next.write(objects, &config.bucket, feed).await;
            }
            return Ok(counted.listing(!round));
        }
        let end = hint.as_ref().filter(|_| wrapped || after.is_none());
        let page = if after.is_none() {
            // Round the end: on with what comes after the first pages, up to where the hint began.
            wrapped = true;
            objects.list_after(&prefix, begun.as_str()).await?
        } else {
            objects.list(&prefix, after.as_deref()).await?
        };
        at = counted.add_until(page, &mut after, end).unwrap_or(at);
    }
}

/// Where a listing stopped that did not come to its end.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Hint {
    /// The last key that it saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Key>,
}

impl Hint {
    /// One that cannot be read is none: the listing goes on from the beginning.
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
    listing: Listing,
    choice: Choice,
}

impl<'a> Counted<'a> {
    fn new(feed: &'a Feed, prefix: &'a Prefix, wanted: &'a Wanted) -> Self {
        Self { feed, prefix, wanted, listing: Listing::default(), choice: Choice::new(feed.order, wanted.most) }
    }

    /// Adds a page, and moves `after` on to the next one; answers the page's last key.
    fn add(&mut self, page: Page, after: &mut Option<String>) -> Option<Key> {
        self.add_until(page, after, None)
    }

    /// The same, up to `end`: then there is no next one.
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
        self.listing.not_taken += 1;
        self.listing.first_not_taken.get_or_insert((key, why));
    }

    fn count(&mut self, file: File) {
        let Some(name) = self.prefix.strip(&file.key) else { return };
        match self.feed.judges(name, file.size) {
            Taken::File => {}
            Taken::NoFile => return,
            Taken::NotIncluded => return self.pass_over(file.key, NotTaken::NotIncluded),
        }
        self.listing.listed += 1;
        let Wanted { held, resting, .. } = self.wanted;
        if held.contains(&file.key) || (!resting.is_empty() && resting.contains(&file.id())) {
            return;
        }
        self.listing.unprocessed += 1;
        self.listing.unprocessed_bytes += file.size;
        if let Some(left) = self.choice.offer(file) {
            self.listing.oldest_left = older(self.listing.oldest_left, left.last_modified);
        }
    }

    fn listing(self, at_least: bool) -> Listing {
        Listing { chosen: self.choice.into_files(), at_least, ..self.listing }
    }
}

/// The older of two times, where there are two.
#[must_use]
pub fn older(one: Option<Timestamp>, other: Timestamp) -> Option<Timestamp> {
    Some(one.map_or(other, |one| one.min(other)))
}

/// The first `want` files of all that were offered: a heap whose top is the one to give up next.
struct Choice {
    order: Order,
    want: usize,
    heap: BinaryHeap<Candidate>,
}

impl Choice {
    fn new(order: Order, want: usize) -> Self {
        Self { order, want, heap: BinaryHeap::new() }
    }

    /// Takes the file if it is among the first; answers the one that is not, for it.
    fn offer(&mut self, file: File) -> Option<File> {
        let mut candidate = Candidate { order: self.order, file };
        if self.heap.len() < self.want {
            self.heap.push(candidate);
            return None;
        }
        if let Some(mut last) = self.heap.peek_mut()
            && candidate < *last
        {
            std::mem::swap(&mut *last, &mut candidate);
        }
        Some(candidate.file)
    }

    fn into_files(self) -> Vec<File> {
        self.heap.into_sorted_vec().into_iter().map(|candidate| candidate.file).collect()
    }
}

/// Puts files into a feed's order, oldest first or by key.
pub fn sort(order: Order, files: &mut [File]) {
    files.sort_unstable_by(|a, b| compare(order, a, b));
}

fn compare(order: Order, a: &File, b: &File) -> Ordering {
    match order {
        Order::Oldest => a.last_modified.cmp(&b.last_modified).then_with(|| a.key.cmp(&b.key)),
        Order::Key => a.key.cmp(&b.key),
    }
}

struct Candidate {
    order: Order,
    file: File,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.order, &self.file, &other.file)
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}
