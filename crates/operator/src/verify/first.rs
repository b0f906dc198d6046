//! The first look: pairs what the ledger says of files with where they are, and counts.
//!
//! A file on its way is claimed, then recorded, then copied, then gone from `incoming/`. So the ledger is read first,
//! then the claims, then `incoming/`, then the copies. Then an entry that was read has its file in `incoming/` or a
//! copy, and only a file that was recorded since has a copy and no entry. Memory holds the ledger (some 300 bytes a
//! file), the copies that have another `ETag` than their files (as many bytes again), and what is in `failed/`. Never
//! judges: what looks wrong is a suspect for the second look.

use std::cell::Cell;
use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use sluice_core::claim::Seen;
use sluice_core::config::{Bucket, Config, Feed};
use sluice_core::destination::Entry;
use sluice_core::object::{File, FileId, Prefix};

use super::account::Account;
use super::claims::Claimed;
use crate::names;

/// Something that looks wrong.
#[derive(Clone, Debug)]
pub(super) struct Suspect {
    pub(super) looks: Looks,
    pub(super) file: File,
}

/// How it looks wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    /// A file that is loaded or claimed, and is not where it should be.
    Misplaced,
    /// A file that the ledger has twice.
    Twice,
    /// An object in `processed/` that no entry belongs to.
    NotRecorded,
    /// An object in `failed/` without a reason, or a reason without an object.
    NotExplained,
}

/// An entry of the ledger, and what was found of its file.
#[derive(Debug)]
struct Row {
    file: File,
    loaded_at: Timestamp,
    incoming: bool,
    failed: bool,
    copies: u64,
    /// Whether a copy with another `ETag` has a name of this file and its size.
    by_name: Cell<bool>,
}

/// The first look at one feed.
#[derive(Debug)]
pub(super) struct FirstLook<'a> {
    config: &'a Config,
    feed: &'a Feed,
    /// The feed's own part of `incoming/`.
    own: Prefix,
    claimed: Claimed,
    /// By key and `ETag`, also where the feed's ledger knows files by their names.
    rows: BTreeMap<FileId, Row>,
    /// Objects in `processed/` that no entry describes exactly.
    unpaired: Vec<File>,
    failed: Vec<File>,
    account: Account,
    suspects: Vec<Suspect>,
}

impl<'a> FirstLook<'a> {
    pub(super) fn new(config: &'a Config, feed: &'a Feed) -> Self {
        let account = Account { feed: feed.name.to_string(), ..Account::default() };
        let (own, claimed, rows) = (config.incoming(feed), Claimed::default(), BTreeMap::new());
        let (unpaired, failed, suspects) = (Vec::new(), Vec::new(), Vec::new());
        Self { config, feed, own, claimed, rows, unpaired, failed, account, suspects }
    }

    /// Takes an entry of the ledger. Files that the feed had under another prefix are not listed, so they do not count.
    pub(super) fn entry(&mut self, entry: Entry) {
        if self.own.strip(&entry.key).is_none() {
            return;
        }
        self.account.recorded += 1;
        if entry.key.as_str().contains('?') && self.feed.identity.of(&entry.key, &entry.etag) != entry.id {
            self.account.unnamed += 1;
            return;
        }
        let (loaded_at, file) = (entry.loaded_at, file_of(entry));
        let row = Row { file, loaded_at, incoming: false, failed: false, copies: 0, by_name: Cell::new(false) };
        match self.rows.entry(row.file.id()) {
            Vacant(place) => {
                place.insert(row);
            }
            Occupied(_) => self.suspects.push(Suspect { looks: Looks::Twice, file: row.file }),
        }
    }

    /// Takes the claims, and what they and resting files hold.
    pub(super) fn claims(&mut self, seen: &[Seen], claimed: Claimed) {
        self.account.claims = seen.len() as u64;
        self.account.in_flight = claimed.len() as u64;
        self.claimed = claimed;
    }

    /// Takes an object in `incoming/`. It waits, unless the ledger knows it or a claim holds it.
    pub(super) fn incoming(&mut self, file: &File) {
        let claimed = self.claimed.see(file);
        let taken = self.own.strip(&file.key).is_some_and(|name| self.feed.takes(name, file.size));
        match self.rows.get_mut(&file.id()).filter(|row| row.file.size == file.size) {
            Some(row) => row.incoming = true,
            None if claimed => {}
            None if taken => {
                self.account.waiting += 1;
                self.account.waiting_bytes += file.size;
            }
            None => self.account.not_taken += 1,
        }
    }

    /// Takes an object in `processed/`.
    pub(super) fn copy(&mut self, file: File) {
        self.account.copies += 1;
        let to = &self.config.bucket.processed;
        if names::is_text(&file.key) && !self.note(to, &file, |row| row.copies += 1) {
            self.unpaired.push(file);
        }
    }

    /// Takes an object in `failed/`.
    pub(super) fn failed(&mut self, file: File) {
        if names::is_text(&file.key) {
            self.note(&self.config.bucket.failed, &file, |row| row.failed = true);
            self.failed.push(file);
        } else {
            self.account.failed += 1;
        }
    }

    /// Changes all rows that describe exactly this object. Answers whether there is one.
    fn note(&mut self, to: &Prefix, object: &File, note: impl Fn(&mut Row)) -> bool {
        let mut noted = false;
        for id in files_of(&self.config.bucket, to, object) {
            let row = self.rows.get_mut(&id);
            if let Some(row) = row.filter(|row| row.file.etag == object.etag && row.file.size == object.size) {
                note(row);
                noted = true;
            }
        }
        noted
    }

    /// The numbers, and what looks wrong, in the order of keys. Entries from before `expired` need no copy.
    pub(super) fn end(mut self, expired: Option<Timestamp>) -> (Account, Vec<Suspect>) {
        self.pair_by_name();
        for row in std::mem::take(&mut self.rows).into_values() {
            self.count(row, expired);
        }
        self.pair_reasons();
        let Self { mut suspects, claimed, account, .. } = self;
        suspects.extend(claimed.unseen().map(|file| Suspect { looks: Looks::Misplaced, file }));
        suspects.sort_by(|one, other| one.file.key.cmp(&other.file.key));
        (account, suspects)
    }

    /// Finds copies with another `ETag` (KMS, uploads in parts) by name and size.
    fn pair_by_name(&mut self) {
        let Bucket { incoming, processed, .. } = &self.config.bucket;
        let homeless = self.rows.values().filter(|row| row.lacks_copy() && !row.incoming && !row.failed);
        let mut plain: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in homeless {
            plain.entry(incoming.strip(&row.file.key).unwrap_or_default()).or_default().push(row);
        }
        // The longest names first: a name with an ETag says which version it is, a path may be that of several
        // versions.
        self.unpaired.sort_by(|one, other| other.key.cmp(&one.key));
        for copy in self.unpaired.drain(..) {
            let of_name = plain.get(processed.strip(&copy.key).unwrap_or_default());
            let of_etag = files_of(&self.config.bucket, processed, &copy);
            let of_etag = of_etag.iter().filter_map(|id| self.rows.get(id));
            let mut rows = of_name.into_iter().flatten().copied().chain(of_etag);
            match rows.find(|row| row.lacks_copy() && row.file.size == copy.size) {
                Some(row) => row.by_name.set(true),
                None => self.suspects.push(Suspect { looks: Looks::NotRecorded, file: copy }),
            }
        }
    }

    fn count(&mut self, row: Row, expired: Option<Timestamp>) {
        let account = &mut self.account;
        let claimed = self.claimed.holds(&row.file);
        account.extra_copies += row.copies.saturating_sub(1);
        let number = if row.incoming {
            claimed.then_some(&mut account.archiving)
        } else if row.failed && (row.lacks_copy() || !claimed) {
            None
        } else if row.lacks_copy() {
            expired.is_some_and(|expired| row.loaded_at <= expired).then_some(&mut account.expired)
        } else if row.by_name.get() {
            Some(&mut account.archived_by_name)
        } else {
            Some(&mut account.archived)
        };
        match number {
            Some(number) => *number += 1,
            None => self.suspects.push(Suspect { looks: Looks::Misplaced, file: row.file }),
        }
    }

    /// An object that has no reason, and has the name of another object's reason, counts as that reason.
    fn pair_reasons(&mut self) {
        let mut files = std::mem::take(&mut self.failed);
        // A reason's name is longer than its file's name. So by the time an object comes, its own reasons have come.
        files.sort_by(|one, other| other.key.cmp(&one.key));
        let keys: HashSet<&str> = files.iter().map(|file| file.key.as_str()).collect();
        let mut explained = HashSet::new();
        for file in &files {
            let of = names::reasoned(file.key.as_str()).into_iter().find(|of| keys.contains(of));
            if explained.contains(file.key.as_str()) {
                self.account.failed += 1;
            } else if let Some(of) = of {
                self.account.reasons += 1;
                explained.insert(of);
            } else {
                self.account.failed += 1;
                self.suspects.push(Suspect { looks: Looks::NotExplained, file: file.clone() });
            }
        }
    }
}

impl Row {
    fn lacks_copy(&self) -> bool {
        self.copies == 0 && !self.by_name.get()
    }
}

/// The file of an entry. The ledger does not say when it was written.
pub(super) fn file_of(entry: Entry) -> File {
    let Entry { key, etag, size, .. } = entry;
    File { key, etag, size, last_modified: Timestamp::UNIX_EPOCH }
}

/// The files that an object under `to` can be the copy of.
fn files_of(bucket: &Bucket, to: &Prefix, object: &File) -> Vec<FileId> {
    let originals = names::originals(bucket, to, object).into_iter().map(|(key, etag)| FileId::of(&key, &etag));
    originals.chain(names::ids(to.strip(&object.key).unwrap_or_default())).collect()
}
