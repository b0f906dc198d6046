//! The port before [`plan`](crate::plan): it knows which files of a feed wait.
//!
//! [`Listing`](crate::list::Listing) is its one implementation: the bucket is its own queue. A backlog says what waits
//! and which files come first. It never says what is loaded: only the ledger does.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};
use std::future::Future;

use jiff::Timestamp;

use crate::config::{Feed, Order};
use crate::object::{File, FileId, Key};
use crate::ports::PortError;

/// Knows which files wait.
pub trait Backlog: Send + Sync {
    /// Counts what waits of the feed, and chooses the first files that may be loaded now.
    ///
    /// A file that is there during the whole call is counted once, unless the answer says [`Waiting::at_least`]. If the
    /// caller loads or holds what was chosen and calls again, it comes to every file.
    ///
    /// # Errors
    /// When the backlog cannot be read. Nothing is known then.
    fn waiting(&self, feed: &Feed, wanted: &Wanted) -> impl Future<Output = Result<Waiting, PortError>> + Send;
}

/// What waits of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
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
    /// Files that the feed does not take: no pattern of `include` matches them, or they must be restored first.
    pub not_taken: u64,
    /// The first of those.
    pub first_not_taken: Option<(Key, NotTaken)>,
    /// It stopped in time. There may be more files than these counts say.
    pub at_least: bool,
}

/// Why a file under a feed's prefix is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// No pattern of `include` matches its name.
    NotIncluded,
    /// Its storage class is one that must be restored before it can be read.
    Frozen,
}

/// Which files may be chosen, and how many.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Keys that claims hold. They are not chosen.
    pub held: HashSet<Key>,
    /// Files that rest. They are not chosen.
    pub resting: HashSet<FileId>,
    /// The most files to choose.
    pub most: usize,
}

/// The older of two times, if there are two.
#[must_use]
pub fn older(one: Option<Timestamp>, other: Timestamp) -> Option<Timestamp> {
    Some(one.map_or(other, |one| one.min(other)))
}

/// The first `want` of all files that were offered. The top of the heap is the one that gives way next.
pub(crate) struct Choice {
    order: Order,
    want: usize,
    heap: BinaryHeap<Candidate>,
}

impl Choice {
    pub(crate) fn new(order: Order, want: usize) -> Self {
        Self { order, want, heap: BinaryHeap::new() }
    }

    /// Takes the file if it is among the first. Returns the file that is not.
    pub(crate) fn offer(&mut self, file: File) -> Option<File> {
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

    pub(crate) fn into_files(self) -> Vec<File> {
        self.heap.into_sorted_vec().into_iter().map(|candidate| candidate.file).collect()
    }
}

/// Sorts files by a feed's order: oldest first, or by key.
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
