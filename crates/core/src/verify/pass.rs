//! The pass: pairs what the ledger says of files with where they are, in one go and in little memory.
//!
//! A file at path `p` with `ETag` `e` is at `p` in `incoming/`, at `p`, `p.e`, `p.e.2` … in `processed/` or `failed/`, and
//! its entry in the ledger stands at `p.e`. Of the names at which its parts come by, one is always the beginning of the
//! next, and everything between two such names begins with the first. So what waits for its other part is, at each
//! moment, a stack of names that are beginnings of each other: at most as many as a key has bytes.
//!
//! Copies whose names had to be cut are the exception ([`names::is_cut`]): they are looked up one by one.

use std::time::Duration;

use jiff::Timestamp;

use super::account::Account;
use super::claims::Claimed;
use super::names;
use super::streams::{Next, Place};
use crate::config::{Config, Feed};
use crate::destination::Entry;
use crate::object::{ETag, File, FileId, Key};

/// Something that looks wrong.
#[derive(Clone, Debug)]
pub(super) enum Suspect {
    /// A file that is loaded or claimed, and not where it should be.
    File(Identity),
    /// A file that the ledger has twice.
    Twice(Identity),
    /// An object in `processed/` that no entry belongs to.
    Copy(Object),
    /// An object in `failed/` without a reason, or a reason without an object.
    Failed(Object),
}

/// A file, wherever it is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) key: Key,
    pub(super) etag: ETag,
    pub(super) size: u64,
}

impl Identity {
    /// What the feed's ledger knows it by.
    pub(super) fn id(&self, feed: &Feed) -> FileId {
        feed.identity.of(&self.key, &self.etag)
    }
}

/// An object by its name.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) etag: ETag,
    pub(super) size: u64,
}

/// What waits for its other part.
#[derive(Debug)]
struct Waiting {
    name: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Row(Row),
    Object(There),
}

/// An entry of the ledger, and what was found of its file.
#[derive(Clone, Debug)]
struct Row {
    entry: Entry,
    incoming: bool,
    failed: bool,
    copies: u64,
    /// Whether a copy with another `ETag` has a name of this file and its size.
    by_name: bool,
}

/// An object, and what was found of it.
#[derive(Debug)]
struct There {
    place: Place,
    etag: ETag,
    size: u64,
    /// Whether the feed takes it, or has taken it.
    taken: bool,
    /// Whether an entry says exactly this object.
    recorded: bool,
    /// A file without a copy that this object has the name and the size of.
    fits: Option<Box<Row>>,
    /// How many reasons there are of it.
    reasons: u64,
}

/// The pass over one feed.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    config: &'a Config,
    feed: &'a Feed,
    expired_before: Option<Timestamp>,
    claimed: Claimed,
    stack: Vec<Waiting>,
    /// What was counted.
    pub(super) account: Account,
    /// What looks wrong so far, for whoever looks again.
    pub(super) suspects: Vec<Suspect>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        config: &'a Config,
        feed: &'a Feed,
        kept_for: Option<Duration>,
        now: Timestamp,
        claimed: Claimed,
    ) -> Self {
        let expired_before = kept_for.map(|kept_for| now.saturating_sub(kept_for).unwrap_or(Timestamp::MIN));
        let account = Account { feed: feed.name.to_string(), in_flight: claimed.len() as u64, ..Account::default() };
        Self { config, feed, expired_before, claimed, stack: Vec::new(), account, suspects: Vec::new() }
    }

    /// How many objects, entries and claimed files are held.
    pub(super) fn held(&self) -> usize {
        self.stack.len() + self.suspects.len() + self.claimed.len()
    }

    /// Takes what comes next.
    pub(super) fn take(&mut self, next: Next) {
        match next {
            Next::Entry(name, entry) => {
                self.settle(&name);
                self.entry(name, entry);
            }
            Next::Object(place, name, file) => {
                self.settle(&name);
                self.object(place, name, file);
            }
        }
    }

    /// Takes the end.
    pub(super) fn finish(&mut self) {
        while let Some(waiting) = self.stack.pop() {
            self.leave(waiting);
        }
        let unseen = self.claimed.unseen().map(|file| {
            let File { key, etag, size, .. } = file.clone();
            Suspect::File(Identity { key, etag, size })
        });
        self.suspects.extend(unseen);
    }

    /// Lets go of what nothing can follow any more: all whose names are not the beginning of `name`.
    fn settle(&mut self, name: &str) {
        while let Some(waiting) = self.stack.pop_if(|waiting| !name.starts_with(&waiting.name)) {
            self.leave(waiting);
        }
    }

    fn entry(&mut self, name: String, entry: Entry) {
        self.account.recorded += 1;
        if entry.key.as_str().contains('?') && self.feed.identity.of(&entry.key, &entry.etag) != entry.id {
            self.account.unnamed += 1;
            return;
        }
        let twice = |waiting: &Waiting| matches!(&waiting.what, What::Row(row) if row.entry.id == entry.id);
        if self.stack.iter().any(twice) {
            let Entry { key, etag, size, .. } = entry;
            self.suspects.push(Suspect::Twice(Identity { key, etag, size }));
            return;
        }
        let path = self.config.bucket.incoming.strip(&entry.key).unwrap_or_default();
        let mut row = Row { incoming: false, failed: false, copies: 0, by_name: false, entry: entry.clone() };
        for waiting in &mut self.stack {
            if let What::Object(there) = &mut waiting.what
                && waiting.name == path
                && there.etag == entry.etag
                && there.size == entry.size
            {
                there.recorded = true;
                row.note(there.place);
            }
        }
        self.stack.push(Waiting { name, what: What::Row(row) });
    }

    fn object(&mut self, place: Place, name: String, file: File) {
        let File { key, etag, size, .. } = file;
        let mut there = There { place, etag, size, taken: true, recorded: false, fits: None, reasons: 0 };
        if place == Place::Incoming {
            let own = name.strip_prefix(self.feed.prefix.as_str()).unwrap_or_default();
            there.taken = self.claimed.see(&key, &there.etag) || self.feed.takes(own, size);
        }
        if size == 0 && name.ends_with('/') {
            return;
        }
        if !names::is_text(&key) {
            self.unnamed(place, size);
            return;
        }
        if place != Place::Incoming {
            // Copies under their second and later names come after their entry.
            for waiting in self.stack.iter_mut().rev() {
                if let What::Row(row) = &mut waiting.what
                    && row.entry.etag == there.etag
                    && row.entry.size == size
                    && name.strip_prefix(&waiting.name).is_some_and(names::follows)
                {
                    there.recorded = true;
                    row.note(place);
                    break;
                }
            }
        }
        self.stack.push(Waiting { name, what: What::Object(there) });
    }

    /// An object whose entry cannot be recognised, because the ledger cannot hold its key.
    fn unnamed(&mut self, place: Place, size: u64) {
        match place {
            Place::Incoming => {
                self.account.waiting += 1;
                self.account.waiting_bytes += size;
            }
            Place::Processed => self.account.copies += 1,
            Place::Failed => self.account.failed += 1,
        }
    }

    fn leave(&mut self, waiting: Waiting) {
        let Waiting { name, what } = waiting;
        match what {
            What::Row(row) => self.leave_row(row),
            What::Object(there) => match there.place {
                Place::Incoming => self.leave_incoming(&name, &there),
                Place::Processed => self.leave_copy(name, there),
                Place::Failed => self.leave_failed(name, there),
            },
        }
    }

    /// A file that the ledger does not know waits, unless a claim holds it; of one that it knows the entry tells.
    fn leave_incoming(&mut self, name: &str, there: &There) {
        let claimed = self.config.bucket.incoming.key(name).is_ok_and(|key| self.claimed.holds(&key, &there.etag));
        match (there.recorded || claimed, there.taken) {
            (true, _) => {}
            (false, false) => self.account.not_taken += 1,
            (false, true) => {
                self.account.waiting += 1;
                self.account.waiting_bytes += there.size;
            }
        }
    }

    fn leave_copy(&mut self, name: String, there: There) {
        self.account.copies += 1;
        if there.recorded {
            if let Some(row) = there.fits {
                self.homeless(row.entry);
            }
            return;
        }
        if there.fits.is_some() {
            self.account.archived_by_name += 1;
            return;
        }
        // The name bears the ETag that the file had before it was copied.
        for waiting in self.stack.iter_mut().rev() {
            if let What::Row(row) = &mut waiting.what
                && row.lacks_copy()
                && row.entry.size == there.size
                && name.strip_prefix(&waiting.name).is_some_and(names::follows)
            {
                row.by_name = true;
                return;
            }
        }
        let There { etag, size, .. } = there;
        self.suspects.push(Suspect::Copy(Object { name, etag, size }));
    }

    fn leave_failed(&mut self, name: String, there: There) {
        if there.reasons > 0 {
            self.account.failed += 1;
            return;
        }
        // What has no reason itself, and the name of another object's reason, is that.
        if name.ends_with(names::REASON) {
            for waiting in self.stack.iter_mut().rev() {
                if let What::Object(of) = &mut waiting.what
                    && of.place == Place::Failed
                    && names::is_reason_of(&name, &waiting.name)
                {
                    of.reasons += 1;
                    self.account.reasons += 1;
                    return;
                }
            }
        }
        self.account.failed += 1;
        let There { etag, size, .. } = there;
        self.suspects.push(Suspect::Failed(Object { name, etag, size }));
    }

    fn leave_row(&mut self, row: Row) {
        let claimed = self.claimed.holds(&row.entry.key, &row.entry.etag);
        self.account.extra_copies += row.copies.saturating_sub(1);
        match (row.lacks_copy(), claimed) {
            _ if row.incoming && claimed => self.account.archiving += 1,
            _ if row.incoming => self.suspect(row.entry),
            (false, _) if row.failed && !claimed => self.suspect(row.entry),
            (false, _) if row.by_name => self.account.archived_by_name += 1,
            (false, _) => self.account.archived += 1,
            (true, _) if row.failed => self.suspect(row.entry),
            (true, _) => self.find_copy_by_name(row),
        }
    }

    /// The object with the file's first name, if nothing else fits it better.
    fn find_copy_by_name(&mut self, row: Row) {
        let path = self.config.bucket.incoming.strip(&row.entry.key).unwrap_or_default();
        let fits = |waiting: &&mut Waiting| waiting.name == path;
        for waiting in self.stack.iter_mut().rev().filter(fits) {
            if let What::Object(there) = &mut waiting.what
                && there.place == Place::Processed
                && !there.recorded
                && there.fits.is_none()
                && there.size == row.entry.size
            {
                there.fits = Some(Box::new(row));
                return;
            }
        }
        self.homeless(row.entry);
    }

    /// A loaded file without a copy.
    fn homeless(&mut self, entry: Entry) {
        let path = self.config.bucket.incoming.strip(&entry.key).unwrap_or_default();
        let cut = names::is_cut(&self.config.bucket.processed, path, &entry.etag);
        if !cut && self.expired_before.is_some_and(|before| entry.loaded_at <= before) {
            self.account.expired += 1;
        } else {
            self.suspect(entry);
        }
    }

    fn suspect(&mut self, entry: Entry) {
        let Entry { key, etag, size, .. } = entry;
        self.suspects.push(Suspect::File(Identity { key, etag, size }));
    }
}

impl Row {
    fn note(&mut self, place: Place) {
        match place {
            Place::Incoming => self.incoming = true,
            Place::Processed => self.copies += 1,
            Place::Failed => self.failed = true,
        }
    }

    fn lacks_copy(&self) -> bool {
        self.copies == 0 && !self.by_name
    }
}
