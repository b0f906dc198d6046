//! List: what waits under a feed's prefix. Counts everything, keeps only what may be loaded now.
//!
//! Memory is bounded by the files kept, never by the backlog. Never reads or changes an object.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use jiff::Timestamp;

use crate::config::{Feed, Order};
use crate::object::{File, Key, Prefix};
use crate::ports::{Objects, PortError};

/// What a feed's listing says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files under the prefix, held by claims or not.
    pub listed: u64,
    /// Files that no claim holds.
    pub unprocessed: u64,
    /// Their bytes.
    pub unprocessed_bytes: u64,
    /// The first of them in the feed's order, as many as asked for.
    pub chosen: Vec<File>,
    /// When the oldest of the others was written.
    pub oldest_left: Option<Timestamp>,
}

/// Lists the feed's files, page by page, and chooses at most `want` that `held` does not name.
///
/// # Errors
/// When a page cannot be had; nothing is known then.
pub async fn list(
    objects: &impl Objects,
    prefix: &Prefix,
    feed: &Feed,
    held: &HashSet<Key>,
    want: usize,
) -> Result<Listing, PortError> {
    let mut listing = Listing::default();
    let mut choice = Choice::new(feed.order, want);
    let mut after = None;
    loop {
        let page = objects.list(prefix, after.as_deref()).await?;
        let files = page.files.into_iter();
        for file in files.filter(|file| prefix.strip(&file.key).is_some_and(|name| feed.takes(name, file.size))) {
            listing.listed += 1;
            if held.contains(&file.key) {
                continue;
            }
            listing.unprocessed += 1;
            listing.unprocessed_bytes += file.size;
            if let Some(left) = choice.offer(file) {
                listing.oldest_left = older(listing.oldest_left, left.last_modified);
            }
        }
        after = page.next;
        if after.is_none() {
            listing.chosen = choice.into_files();
            return Ok(listing);
        }
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
