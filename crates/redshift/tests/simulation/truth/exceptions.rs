//! The exceptions of `docs/GUARANTEES.md`: when nothing is promised of a file any more, and of no other.
//!
//! Decided by what really happened, never by what Sluice says of it alone: a bug that makes Sluice say more excuses nothing.

use std::collections::BTreeSet;

use sluice_core::claim::Claim;
use sluice_core::object::ETag;

use super::Truth;
use crate::bucket::Object;
use crate::clock::{SECOND, stamp};
use crate::log::Said;
use crate::scenario::MISNAMED;
use crate::scheduler::World;
use crate::statements::Statement;

/// Why nothing may be promised of a file.
const UNKNOWN: &str = "replaced, and read by a statement that nobody knows any more";
const FORGOTTEN: &str = "replaced, and its statement was forgotten before it was asked what it read";
const TWICE: &str = "a version that was loaded before was put in place of the planned one before COPY read it";
const LATE: &str = "put back while a copy of it was still under way that nobody waits for any more";
const UNLOOKED: &str = "away when it was looked at, and put back before it was read";
const UNSEEN: &str = "replaced before it was read, and put back before it was archived";

fn holds(claim: &Claim, key: &str, etag: &ETag) -> bool {
    claim.files.iter().any(|file| file.key.as_str() == key && file.etag == *etag)
}

impl Truth {
    /// The guard found some of these files in the ledger.
    pub fn was_guarded(&mut self, files: &BTreeSet<String>) {
        // Whoever loaded one of them read another version, and nobody could tell the ledger: had its claim known the
        // statement, it would have been settled before anybody came here again.
        for (_, (key, _)) in self.misread.iter().filter(|(file, _)| files.contains(*file)) {
            self.excused.insert(key.clone(), UNKNOWN);
        }
    }
}

impl World {
    /// A producer is about to write this content.
    pub(super) fn may_be_put_back(&mut self, key: &str, content: &str, etag: &ETag) {
        let Some(past) = self.truth.past.get(key) else { return };
        let Some(last) = past.iter().rposition(|other| other == content) else { return };
        if past.last().is_some_and(|last| last != content) {
            self.truth.brought_back.insert(content.to_owned());
        }
        // A, B, and A again while a claim still holds A: nobody can see that B was there in between.
        let between = past[last..].iter().any(|other| other != content && !other.is_empty());
        if between && self.was_read_in_between(key, etag) {
            self.truth.excused.insert(key.to_owned(), UNSEEN);
        }
        // A, away or B at the look, and A again before COPY reads it: nobody has seen how A is packed.
        let away = past[last..].iter().any(|other| other != content);
        if away && content.starts_with(MISNAMED) && self.truth.claims.values().any(|claim| holds(claim, key, etag)) {
            self.truth.excused.insert(key.to_owned(), UNLOOKED);
        }
    }

    /// A function's copy into an archive took effect.
    pub(super) fn may_be_copied_late(&mut self, to: &str) {
        let Some(content) = self.bucket.get(to).map(Object::text) else { return };
        if self.truth.orphan && self.truth.brought_back.contains(&content) {
            let key = self.truth.versions[&content].key.clone();
            self.truth.excused.insert(key, LATE);
        }
    }

    /// A statement was committed that no claim bears, and a submission with its token would begin another one: whoever
    /// submitted it died before noting it, and nobody took its claim up for as long as a token is remembered.
    pub(super) fn may_be_unknown(&mut self, number: usize) {
        let statement = &self.warehouse.api.statements[number];
        let borne = self.truth.claims.values().any(|claim| claim.statement_id.as_ref() == Some(&statement.id()));
        if !borne && self.now >= statement.created + self.scenario.memory.0 {
            for (key, _) in statement.misread() {
                self.truth.excused.insert(key.to_owned(), UNKNOWN);
            }
        }
    }

    /// Whether a claim holds this version, and a statement begun since read another one.
    fn was_read_in_between(&self, key: &str, etag: &ETag) -> bool {
        let holds = |claim: &&Claim| holds(claim, key, etag);
        let url = format!("s3://bucket/{key}");
        let other = |(read, version): &(String, String)| *read == url && version != etag.as_str();
        self.truth.claims.values().filter(holds).any(|claim| {
            let since = |statement: &&Statement| stamp(statement.created, 3_000_000) > claim.created_at;
            self.warehouse.api.statements.iter().filter(since).any(|statement| statement.tx.read.iter().any(other))
        })
    }

    /// What Sluice says of files that were replaced frees it of its promise only where it could not have kept it.
    pub fn was_said(&mut self, said: &Said) {
        let key = &said.key;
        if said.twice && self.truth.brought_back.iter().any(|content| self.truth.versions[content].key == *key) {
            self.truth.excused.insert(key.clone(), TWICE);
        }
        let (now, memory) = (self.now, self.scenario.memory.1);
        let forgotten = |number: usize| {
            self.warehouse.api.statements[number].ended.is_some_and(|ended| now + SECOND >= ended + memory)
        };
        let unknown = self.truth.misread.values().any(|(other, statement)| other == key && forgotten(*statement));
        if !said.twice && unknown {
            self.truth.excused.insert(key.clone(), FORGOTTEN);
        }
    }
}
