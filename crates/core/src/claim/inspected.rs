//! Inspected: what the heads of a claim's files said, and which of the files go into one COPY.
//!
//! Pure. COPY takes one compression. So files that are packed otherwise than their names say are loaded apart from the
//! others. Never puts files of two compressions into one batch.

#![allow(clippy::option_option, reason = "none: as its name says; some: otherwise, and then packed or not")]

use super::Claim;
use crate::config::{Compression, Feed};
use crate::inspect::Inspected;
use crate::measure::count;
use crate::object::File;
use crate::plan;

impl Claim {
    /// How its files are packed, if that is not as their names or the feed say.
    pub(crate) fn packing(&self) -> Option<Option<Compression>> {
        self.files.first().and_then(|file| self.packing_of(file))
    }

    /// The compression that COPY is told.
    pub(crate) fn compression(&self, feed: &Feed) -> Option<Compression> {
        let said = |file: &File| plan::compression(feed, &file.key);
        self.packing().unwrap_or_else(|| self.files.first().and_then(said))
    }

    pub(super) fn packing_of(&self, file: &File) -> Option<Option<Compression>> {
        self.packed.get(&file.id()).copied()
    }

    /// Notes what the heads said. The files that go into one COPY with the first go on; the others come later.
    pub(crate) fn was_inspected(&mut self, inspected: &Inspected) {
        self.inspected = true;
        self.packed.extend(&inspected.packed);
        self.without_rows.extend(&inspected.without_rows);
        if inspected.packed.is_empty() {
            return;
        }
        // The batch is cut again, so nobody knows any more where a bad file must be.
        self.suspects = 0;
        self.later.splice(..0, std::mem::take(&mut self.files));
        let first = self.of_a_kind();
        self.go_on_with(first);
    }

    /// Takes the first of the later files, and all that go into one COPY with it.
    pub(super) fn of_a_kind(&mut self) -> Vec<File> {
        let later = std::mem::take(&mut self.later);
        let kind = later.first().map(|file| self.packing_of(file));
        let (these, others) = later.into_iter().partition(|file| Some(self.packing_of(file)) == kind);
        self.later = others;
        these
    }

    /// How many of its files brought no row, at least, if all of them brought `rows`. Their heads say so, or it follows
    /// from the number: each file that is not empty should bring a row.
    pub(crate) fn files_without_rows(&self, rows: Option<u64>) -> u64 {
        let not_empty = self.files.iter().filter(|file| file.size > 0);
        let seen = self.files.iter().filter(|file| self.without_rows.contains(&file.id())).count();
        let seen = u64::try_from(seen).unwrap_or(u64::MAX);
        let missing = rows.map_or(0, |rows| (not_empty.count() as u64).saturating_sub(rows));
        seen.max(missing).min(count(&self.files))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::super::Going;
    use super::*;
    use crate::batch::BatchId;
    use crate::object::{ETag, Key};

    fn file(name: &str) -> File {
        let key = Key::new(format!("incoming/f/{name}")).unwrap();
        File { key, etag: ETag::new("e"), size: 1, last_modified: Timestamp::UNIX_EPOCH }
    }

    fn claim(names: &[&str]) -> Claim {
        let files: Vec<File> = names.iter().map(|name| file(name)).collect();
        serde_json::from_value(serde_json::json!({
            "feed": "f", "slot": 0, "batch": BatchId::of(&files), "files": files,
            "created_at": "2026-01-01T00:00:00Z", "lease_expires_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn each_copy_has_files_that_are_packed_alike() {
        let mut claim = claim(&["a", "b", "c", "d", "e"]);
        let (gzip, plain) = (Some(Compression::Gzip), None);
        let packed = [("b", gzip), ("c", plain), ("e", gzip)].map(|(name, how)| (file(name).id(), how)).into();
        claim.was_inspected(&Inspected { packed, ..Inspected::default() });
        let mut turns = Vec::new();
        loop {
            assert_eq!(claim.batch, BatchId::of(&claim.files));
            let names: String = claim.files.iter().filter_map(|file| file.key.as_str().chars().last()).collect();
            turns.push((names, claim.packing()));
            claim.files.clear();
            if claim.go_on() == Going::Done {
                break;
            }
        }
        let expected = [("ad", None), ("be", Some(gzip)), ("c", Some(plain))];
        assert_eq!(turns, expected.map(|(names, how)| (names.to_owned(), how)));
    }

    /// Halves of a batch that failed have failed with it; files that are packed otherwise were never in it.
    #[test]
    fn what_was_in_no_batch_that_failed_has_not_failed() {
        let mut claim = claim(&["a", "b", "c"]);
        let packed = [(file("c").id(), Some(Compression::Gzip))].into();
        claim.was_inspected(&Inspected { packed, ..Inspected::default() });
        claim.fail("why", Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        claim.halve(false);
        let failed = |claim: &Claim| (claim.files.clone(), claim.failures > 0, claim.failing_since.is_some());
        assert_eq!(failed(&claim), (vec![file("a")], true, true));
        claim.part_loaded();
        assert_eq!(claim.go_on(), Going::On);
        assert_eq!(failed(&claim), (vec![file("b")], true, true), "the other half");
        assert_eq!(claim.go_on(), Going::On);
        assert_eq!(failed(&claim), (vec![file("c")], false, false), "another packing");
        assert!(!claim.vouched);
    }

    /// The same where the one that failed is alone and rests, or waits in doubt: what comes next has not failed, and
    /// what was loaded before it was tried says nothing about it.
    #[test]
    fn what_comes_after_a_file_that_failed_alone_has_not_failed() {
        let (first, then) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(9).unwrap());
        for waits in [false, true] {
            let mut claim = claim(&["a", "b", "c"]);
            let packed = ["b", "c"].map(|name| (file(name).id(), Some(Compression::Gzip))).into();
            claim.was_inspected(&Inspected { packed, ..Inspected::default() });
            claim.fail("why", first, first);
            let doubt = claim.take_alone("why", first, jiff::SignedDuration::ZERO).unwrap();
            if waits {
                claim.doubted.push(doubt);
                assert!(claim.next_probe());
            } else {
                assert_eq!(claim.go_on(), Going::On);
            }
            assert_eq!((&claim.files, claim.fails_since()), (&vec![file("b"), file("c")], None), "in doubt: {waits}");
            claim.fail("why", then, then);
            assert_eq!(claim.fails_since(), Some(then));
            claim.halve(false);
            let doubt = claim.take_alone("why", then, jiff::SignedDuration::ZERO).unwrap();
            assert_eq!(doubt.since, then);
            claim.doubted.push(doubt);
            assert!(claim.next_probe());
            assert_eq!((&claim.files, claim.fails_since()), (&vec![file("c")], Some(then)), "it was in the batch");
        }
    }

    #[test]
    fn files_without_rows_are_seen_or_counted() {
        let mut claim = claim(&["a", "b", "c"]);
        assert_eq!([None, Some(3), Some(2), Some(0)].map(|rows| claim.files_without_rows(rows)), [0, 0, 1, 3]);
        claim.without_rows = vec![file("b").id(), file("elsewhere").id()];
        assert_eq!([None, Some(9), Some(2), Some(1)].map(|rows| claim.files_without_rows(rows)), [1, 1, 1, 2]);
        claim.files[0].size = 0;
        assert_eq!(claim.files_without_rows(Some(2)), 1, "an empty file has no row to bring");
    }
}
