//! Parts: the files of a claim that are not being loaded just now: those that come later, and those that rest.
//!
//! Pure. Never forgets a file: each is being loaded, comes later, rests, or was taken out by whoever knows what became
//! of it. And never loads what rests together with anything else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Claim;
use crate::batch::BatchId;
use crate::object::File;

/// How many files may rest in a claim. More is the warehouse's trouble rather than theirs, and one that cannot rest keeps
/// its slot.
const MOST_RESTING: usize = 8;

/// A file that alone brings about an error which nobody knows. It stays in `incoming/`, and is tried again now and then,
/// alone; meanwhile its slot is for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resting {
    /// Which.
    pub file: File,
    /// When it is tried again.
    pub not_before: Timestamp,
    /// How many times in a row it failed.
    pub failures: u32,
    /// What it failed with last.
    pub error: String,
}

/// What a claim goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// Other files: a new batch in the same slot.
    On,
    /// Nothing before its time.
    Rests,
    /// Nothing: it is done.
    Done,
}

impl Claim {
    /// All files that it holds, whether they are being loaded or not.
    pub fn all_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().chain(&self.later).chain(self.resting.iter().map(|resting| &resting.file))
    }

    /// Whether nothing but resting files is in it: its slot may be filled with others as well.
    #[must_use]
    pub fn only_rests(&self) -> bool {
        self.files.is_empty() && self.later.is_empty() && !self.resting.is_empty()
    }

    /// Goes on with the first half of its files, since nobody can say which of them is bad; the second half comes later.
    pub fn halve(&mut self) {
        let mut first = std::mem::take(&mut self.files);
        let second = first.split_off(first.len() / 2);
        self.suspects = second.len();
        self.later.splice(..0, second);
        self.continue_with(first);
    }

    /// Goes on without bad files that were found.
    pub fn without_bad(&mut self, rest: Vec<File>) {
        // They explain why the batch failed, and those that it was a part of.
        self.suspects = 0;
        self.continue_with(rest);
    }

    /// Whether its only file may rest.
    #[must_use]
    pub fn may_rest(&self) -> bool {
        self.files.len() == 1 && self.resting.len() < MOST_RESTING
    }

    /// Lets its files rest until then.
    pub fn rest(&mut self, not_before: Timestamp, error: &str) {
        let (failures, error) = (self.failures, error.to_owned());
        let files = std::mem::take(&mut self.files).into_iter();
        self.resting.extend(files.map(|file| Resting { file, not_before, failures, error: error.clone() }));
    }

    /// Goes on with what comes next, its files being done with.
    ///
    /// Later files are tried together. Where the first half of a batch that failed was good, the second half is not: so
    /// that is halved before it is tried, which saves a load that is known to fail.
    pub fn go_on(&mut self, now: Timestamp) -> Going {
        let suspects = std::mem::take(&mut self.suspects).min(self.later.len());
        if suspects > 0 {
            let part = (suspects / 2).max(1);
            self.suspects = suspects - part;
            let next = self.later.drain(..part).collect();
            self.go_on_with(next, 0)
        } else if !self.later.is_empty() {
            let next = std::mem::take(&mut self.later);
            self.go_on_with(next, 0)
        } else if let Some(first) = (0..self.resting.len()).min_by_key(|at| self.resting[*at].not_before) {
            if self.resting[first].not_before <= now {
                let Resting { file, failures, .. } = self.resting.remove(first);
                return self.go_on_with(vec![file], failures);
            }
            let Resting { not_before, error, .. } = &self.resting[first];
            (self.not_before, self.last_error) = (Some(*not_before), Some(error.clone()));
            self.files.clear();
            self.batch = BatchId::of(&[]);
            (self.statement_id, self.read, self.refused) = (None, Vec::new(), 0);
            Going::Rests
        } else {
            Going::Done
        }
    }

    fn go_on_with(&mut self, next: Vec<File>, failures: u32) -> Going {
        // The same file may come again alone: a token must not be answered with the statement of its last try.
        let attempt = self.attempt.saturating_add(1);
        self.continue_with(next);
        (self.attempt, self.failures) = (attempt, failures);
        Going::On
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::object::{ETag, Key};

    fn file(number: usize) -> File {
        let key = Key::new(format!("incoming/f/{number}")).unwrap();
        File { key, etag: ETag::new("e"), size: 1, last_modified: Timestamp::UNIX_EPOCH }
    }

    fn claim(files: usize) -> Claim {
        let mut claim: Claim = serde_json::from_value(serde_json::json!({
            "feed": "f", "slot": 0, "batch": BatchId::of(&[]), "files": [],
            "created_at": "2026-01-01T00:00:00Z", "lease_expires_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        claim.continue_with((0..files).map(file).collect());
        claim
    }

    fn numbers(files: &[File]) -> Vec<usize> {
        files.iter().map(|file| file.key.as_str().rsplit('/').next().unwrap().parse().unwrap()).collect()
    }

    /// Loads until nothing is left; answers what was loaded, what was found bad, and by how many loads.
    fn bisect(files: usize, bad: &BTreeSet<usize>) -> (BTreeSet<usize>, BTreeSet<usize>, usize) {
        let (mut claim, mut loaded, mut found, mut loads) = (claim(files), BTreeSet::new(), BTreeSet::new(), 0);
        let now = Timestamp::UNIX_EPOCH;
        loop {
            let held = claim.all_files().count() + loaded.len() + found.len();
            assert_eq!(held, files, "every file is somewhere, and once");
            if claim.files.is_empty() {
                match claim.go_on(now) {
                    Going::On => continue,
                    Going::Rests => unreachable!("nothing rests"),
                    Going::Done => return (loaded, found, loads),
                }
            }
            loads += 1;
            let batch = numbers(&claim.files);
            match (batch.iter().any(|number| bad.contains(number)), batch.as_slice()) {
                (false, _) => {
                    loaded.extend(batch);
                    claim.files.clear();
                }
                (true, [only]) => {
                    found.insert(*only);
                    claim.without_bad(Vec::new());
                }
                (true, _) => claim.halve(),
            }
        }
    }

    proptest! {
        #[test]
        fn halving_finds_the_bad_and_loads_the_good_within_its_bound(
            files in 6_usize..300, bad in proptest::collection::vec(any::<proptest::sample::Index>(), 1..6)
        ) {
            let bad: BTreeSet<usize> = bad.iter().map(|index| index.index(files)).collect();
            let (loaded, found, loads) = bisect(files, &bad);
            prop_assert_eq!(&found, &bad);
            prop_assert_eq!(loaded.len() + found.len(), files);
            let levels = f64::from(u32::try_from(files).unwrap()).log2();
            let (bad, loads) = (f64::from(u32::try_from(bad.len()).unwrap()), f64::from(u32::try_from(loads).unwrap()));
            prop_assert!(loads <= bad * (levels.ceil() + 2.0) + 1.0, "{} loads", loads);
            prop_assert!(files < 16 || loads <= 2.0 * bad * levels, "{} loads", loads);
        }
    }

    #[test]
    fn what_rests_is_tried_alone_each_time_with_a_token_of_its_own() {
        let (mut claim, now) = (claim(2), Timestamp::UNIX_EPOCH);
        let soon = now + SignedDuration::from_mins(1);
        claim.files.truncate(1);
        claim.later = vec![file(1)];
        claim.failures = 3;
        claim.rest(soon, "what is this");
        assert!(!claim.only_rests());
        assert_eq!((claim.go_on(now), numbers(&claim.files), claim.failures), (Going::On, vec![1], 0));
        claim.files.clear();
        assert_eq!((claim.go_on(now), claim.not_before), (Going::Rests, Some(soon)));
        assert!(claim.only_rests() && claim.last_error.as_deref() == Some("what is this"));
        let mut tokens = BTreeSet::new();
        for _ in 0..3 {
            assert_eq!((claim.go_on(soon), numbers(&claim.files), claim.failures), (Going::On, vec![0], 3));
            assert!(tokens.insert(claim.token("b", "d")));
            claim.rest(soon, "again");
        }
        assert_eq!(claim.go_on(soon), Going::On);
        claim.files.clear();
        assert_eq!(claim.go_on(soon), Going::Done);
    }
}
