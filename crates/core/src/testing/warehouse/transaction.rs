//! One transaction: what it read when it began, when it ends, and how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::script::{End, Script};
use crate::config::{Feed, FileIdentity};
use crate::destination::{Entry, Failure, FailureKind, Load, Loaded, Progress, Refusal, StatementId};
use crate::object::{ETag, File, FileId, Key};
use crate::testing::MemoryObjects;

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: StatementId,
    pub(super) feed: String,
    identity: FileIdentity,
    reads: Vec<Read>,
    script: Script,
    begun_at: Timestamp,
    /// `None` while it runs.
    end: Option<Progress>,
}

/// A file of the batch, and what was found under its key.
#[derive(Debug)]
struct Read {
    planned: File,
    found: Option<(ETag, Vec<u8>)>,
}

/// A file's entry in a ledger.
pub(super) fn entry(feed: &Feed, file: &File, loaded_at: Timestamp) -> Entry {
    entry_of(feed.ledger_id(file), file, loaded_at)
}

fn entry_of(id: FileId, file: &File, loaded_at: Timestamp) -> Entry {
    Entry { id, key: file.key.clone(), etag: file.etag.clone(), size: file.size, loaded_at }
}

/// The running transaction that ends first, if its time is over.
pub(super) fn next_due(transactions: &[Transaction], now: Timestamp) -> Option<usize> {
    let running = transactions.iter().enumerate().filter(|(_, one)| !one.ended() && one.ends_at() <= now);
    running.min_by_key(|(_, one)| one.ends_at()).map(|(index, _)| index)
}

impl Transaction {
    /// Reads the files as they are now, also if other versions were planned: COPY cannot ask for a version.
    pub(super) fn begin(
        id: StatementId,
        feed: &Feed,
        load: &Load<'_>,
        script: Script,
        objects: &MemoryObjects,
        begun_at: Timestamp,
    ) -> Self {
        let found = |key: &str| Some((objects.file(key)?.etag, objects.body(key)?));
        let read = |file: &File| Read { planned: file.clone(), found: found(file.key.as_str()) };
        let reads = load.files.iter().map(read).collect();
        Self { id, feed: feed.name.to_string(), identity: feed.identity, reads, script, begun_at, end: None }
    }

    pub(super) fn ended(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn files(&self) -> usize {
        self.reads.len()
    }

    /// How long it still runs.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        if self.ended() { Duration::ZERO } else { self.ends_at().duration_since(now).try_into().unwrap_or_default() }
    }

    pub(super) fn progress(&self) -> Progress {
        self.end.clone().unwrap_or(Progress::Running)
    }

    pub(super) fn forget(&mut self) {
        if self.ended() {
            self.end = Some(Progress::Forgotten);
        }
    }

    /// The identities that it writes into the ledger: the planned ones.
    pub(super) fn ids(&self) -> impl Iterator<Item = FileId> {
        self.reads.iter().map(|read| self.identity.of(&read.planned.key, &read.planned.etag))
    }

    /// What it writes into the ledger.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.reads.iter().zip(self.ids()).map(|(read, id)| entry_of(id, &read.planned, self.ends_at()))
    }

    /// A row for each line that it read.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Key, String)> {
        self.reads.iter().flat_map(|read| {
            let body = read.found.as_ref().map_or(&[][..], |(_, body)| body);
            let lines = String::from_utf8_lossy(body).into_owned();
            lines.lines().map(|line| (read.planned.key.clone(), line.to_owned())).collect::<Vec<_>>()
        })
    }

    /// Which version it read.
    pub(super) fn read(&self, key: &Key) -> Option<ETag> {
        let read = self.reads.iter().find(|read| read.planned.key == *key)?;
        read.found.as_ref().map(|(etag, _)| etag.clone())
    }

    pub(super) fn scripted_failure(&self) -> Option<Failure> {
        match self.script.end {
            End::Natural => None,
            End::Failed(kind) => {
                Some(Failure { kind, message: format!("{kind:?}, says the test"), advice: None, file: None, at: None })
            }
        }
    }

    pub(super) fn missing_file(&self) -> Option<Failure> {
        let missing = self.reads.iter().find(|read| read.found.is_none())?;
        Some(Failure {
            kind: FailureKind::FileMissing,
            message: format!("no file {}", missing.planned.key),
            advice: None,
            file: None,
            at: None,
        })
    }

    pub(super) fn refused(&self, refused: &BTreeMap<Key, Refusal>) -> Option<Failure> {
        let refusal = self.reads.iter().find_map(|read| refused.get(&read.planned.key))?;
        Some(Failure {
            kind: FailureKind::BadData,
            message: refusal.message.clone(),
            advice: None,
            file: None,
            at: None,
        })
    }

    pub(super) fn cursed(&self, cursed: &BTreeSet<Key>) -> Option<Failure> {
        let read = self.reads.iter().find(|read| cursed.contains(&read.planned.key));
        read.map(|_| Failure {
            kind: FailureKind::Unknown,
            message: "what is this".to_owned(),
            advice: None,
            file: None,
            at: None,
        })
    }

    pub(super) fn end(&mut self, failure: Option<Failure>) {
        let rows = Some(self.rows().count() as u64);
        let loaded = Loaded { rows, at: self.ends_at(), duration: self.script.takes };
        let natural = failure.map_or(Progress::Loaded(loaded), Progress::Failed);
        self.end = Some(if self.script.forgotten { Progress::Forgotten } else { natural });
    }

    fn ends_at(&self) -> Timestamp {
        self.begun_at.saturating_add(self.script.takes).unwrap_or(Timestamp::MAX)
    }
}
