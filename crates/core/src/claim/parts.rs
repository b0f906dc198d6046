//! Parts: how a claim narrows down to the file that never works, and what it goes on with.
//!
//! Pure. Never forgets a file: each one is being loaded, comes later, is in doubt, or is handed to the caller. Never
//! loads a file in doubt together with another.
//!
//! One file, because each way to narrow a claim must leave what the others rely on.

use jiff::{SignedDuration, Timestamp};

use super::{Claim, Doubt, Stage};
use crate::object::{File, Key};

/// How many files that errors name are taken out of a batch before it narrows by halves.
const MOST_SINGLED_OUT: usize = 8;

/// How many files may be in doubt while others are loaded in the same slot: a claim is never larger than 1 MiB.
const MOST_DOUBTED: usize = 250;

/// How many transactions in a row may fail before an earlier success no longer shows that the feed works. Finding one
/// file among a thousand takes eleven.
const LONGEST_STREAK: u32 = 24;

/// What a claim goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Going {
    /// Other files: a new batch in the same slot.
    On,
    /// Nothing: the claim is done.
    Done,
}

impl Claim {
    /// All files that it holds, whether they are being loaded or not.
    pub fn all_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().chain(&self.later).chain(self.doubted.iter().map(|doubt| &doubt.file))
    }

    /// How many files it loads, now or later. Those in doubt wait, and do not count.
    pub(crate) fn in_flight(&self) -> usize {
        self.files.len() + self.later.len()
    }

    /// The claim of an older version as this one understands it: files that rested in it are tried later.
    #[must_use]
    pub(super) fn modern(mut self) -> Self {
        self.later.extend(std::mem::take(&mut self.resting).into_iter().map(|old| old.file));
        self
    }

    /// It failed. `since`: since when, if it did not fail before.
    pub(crate) fn fail(&mut self, reason: &str, now: Timestamp, since: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(since);
        self.failed_at = Some(now);
        self.failed_with = self.files.first().map(File::id).or(self.failed_with);
        self.last_error = Some(reason.to_owned());
        self.streak = self.streak.saturating_add(1);
        if self.vouched && self.streak > LONGEST_STREAK {
            (self.vouched, self.failing_since, self.streak) = (false, Some(since), 0);
            if let Some(doubt) = &mut self.trying {
                (doubt.vouched, doubt.since) = (false, since);
            }
        }
    }

    /// Since when it fails: the one file that it tries alone, or the whole claim.
    pub(crate) fn fails_since(&self) -> Option<Timestamp> {
        self.failing_since.map(|since| self.trying.as_ref().map_or(since, |doubt| doubt.since))
    }

    /// The warehouse took its transaction. From now on the claim waits for something else, and must not keep the feed's
    /// other slots empty for as long as that takes.
    pub(crate) fn was_taken(&mut self) {
        self.refused = 0;
    }

    /// A part of it was loaded: its other files fail although the feed works.
    pub(crate) fn part_loaded(&mut self) {
        self.vouched = self.failing_since.is_some();
        self.streak = 0;
        self.doubted.iter_mut().for_each(|doubt| doubt.vouched = true);
    }

    /// A file in doubt was moved: if others cannot be moved to the same place, the place is not to blame.
    pub(crate) fn moved(&mut self, stage: Stage) {
        self.doubted.iter_mut().filter(|doubt| doubt.stage == stage).for_each(|doubt| doubt.vouched = true);
    }

    /// Whether a success of it is to be noted.
    pub(crate) fn tells_success(&self) -> bool {
        self.notes_success || self.has_failed()
    }

    /// Whether some of it failed, and waits for the next try.
    pub(crate) fn has_failed(&self) -> bool {
        self.failing_since.is_some() || !self.doubted.is_empty()
    }

    /// Goes on with the first half of its files, since nobody can say which of them is bad. The second half comes
    /// later. `certain`: one of them is bad, and the feed works. Then, if the first half is good, the second half is
    /// not.
    pub(crate) fn halve(&mut self, certain: bool) {
        let mut first = std::mem::take(&mut self.files);
        let second = first.split_off(first.len() / 2);
        self.suspects = if certain { second.len() } else { 0 };
        self.later.splice(..0, second);
        self.go_on_with(first);
    }

    /// Bad files were found. They explain why the batch failed, and the larger batches that it was a part of.
    pub(crate) fn found_bad(&mut self) {
        self.suspects = 0;
    }

    /// Takes the file that an error names out of the batch, to be tried alone after the others. Answers whether it
    /// could.
    ///
    /// The file fails since its batch does: a load since then shows for it, too, that the feed works. `since`: since
    /// when, if nothing failed before.
    pub(crate) fn single_out(&mut self, key: &Key, reason: &str, since: Timestamp) -> bool {
        let at = self.files.iter().position(|file| file.key == *key);
        let Some(at) = at.filter(|_| self.files.len() > 1 && self.doubted.len() < MOST_SINGLED_OUT) else {
            return false;
        };
        let mut rest = std::mem::take(&mut self.files);
        let file = rest.remove(at);
        let since = self.failing_since.unwrap_or(since);
        self.doubted.push(self.doubt(file, reason, since));
        self.suspects = 0;
        self.go_on_with(rest);
        true
    }

    /// Takes out the only file, which failed alone.
    pub(crate) fn take_alone(&mut self, reason: &str, now: Timestamp, pause: SignedDuration) -> Option<Doubt> {
        let file = std::mem::take(&mut self.files).into_iter().next();
        let mut doubt = self.trying.take().or_else(|| {
            let doubt = self.doubt(file?, reason, self.failing_since.unwrap_or(now));
            Some(Doubt { vouched: self.vouched, failures: self.failures.saturating_sub(1), ..doubt })
        })?;
        doubt.fail(reason, now, pause);
        self.suspects = 0;
        Some(doubt)
    }

    /// Whether the claim fails, and this file was in no batch of it that did: it is packed otherwise than those were.
    /// What was loaded since they failed says nothing about it.
    fn has_not_failed(&self, file: &File) -> bool {
        let other = |failed| self.packed.get(failed) != self.packed.get(&file.id());
        self.failing_since.is_some() && self.failed_with.as_ref().is_some_and(other)
    }

    /// What it goes on with has not failed.
    fn forget_failure(&mut self) {
        (self.failing_since, self.failed_at, self.failed_with, self.vouched) = (None, None, None, false);
    }

    /// A doubt about one of its files, whose transaction failed.
    pub(crate) fn doubt(&self, file: File, reason: &str, since: Timestamp) -> Doubt {
        Doubt::new(file, self.batch.clone(), self.begun(), reason, since)
    }

    /// Goes on with one file to find out whether the feed works, and each time with another. Those that have not failed
    /// yet are tried together. Answers whether there is one.
    pub(crate) fn next_probe(&mut self) -> bool {
        let Some(next) = self.later.first() else {
            return self.try_next_doubt();
        };
        self.suspects = 0;
        if self.has_not_failed(next) {
            let next = self.of_a_kind();
            self.go_on_with(next);
            // The pace stays that of a feed of which nobody knows whether it works.
            self.forget_failure();
        } else {
            let next = self.later.remove(0);
            self.go_on_with(vec![next]);
        }
        true
    }

    /// Goes on with the first file in doubt, if there is one.
    fn try_next_doubt(&mut self) -> bool {
        if self.doubted.is_empty() {
            return false;
        }
        let doubt = self.doubted.remove(0);
        self.try_doubt(doubt);
        true
    }

    /// Goes on with one file in doubt.
    pub(crate) fn try_doubt(&mut self, doubt: Doubt) {
        self.go_on_with(vec![doubt.file.clone()]);
        self.failures = doubt.failures;
        self.trying = Some(doubt);
    }

    /// Whether it waits, and holds nothing but files that failed alone. Then others may be loaded in its slot, and show
    /// whether the feed works.
    #[must_use]
    pub fn may_be_refilled(&self, now: Timestamp) -> bool {
        self.is_lone()
            && self.not_before.is_some()
            && self.is_due(now)
            && self.owner.is_empty()
            && self.doubted.len() < MOST_DOUBTED
            && self.begun().is_none()
            && self.unsure.is_none()
            && self.question.is_none()
    }

    /// Whether all that it holds has failed alone.
    pub(crate) fn is_lone(&self) -> bool {
        let tried = self.trying.as_ref().is_some_and(|doubt| doubt.failures > 0);
        tried && self.later.is_empty() && self.failing_since.is_some() && self.rested.is_none()
    }

    /// Loads other files in its slot. The file that failed alone is tried after them.
    pub(crate) fn refill(&mut self, files: Vec<File>, now: Timestamp) {
        let (reason, failures) = (self.last_error.clone().unwrap_or_default(), self.failures);
        if let Some(doubt) = self.take_alone(&reason, now, SignedDuration::ZERO) {
            self.doubted.push(doubt);
        }
        self.go_on_with(files);
        // The new files have not failed yet. The pace stays slow, since nobody knows whether the feed works.
        self.failures = failures;
        self.forget_failure();
        (self.unchecked, self.inspected) = (true, false);
    }

    /// Its files are done: goes on with what comes next.
    ///
    /// Later files are tried together. But if the first half of a batch that failed was good, the second half is not.
    /// So it is halved before it is tried, which saves a load that is known to fail.
    pub(crate) fn go_on(&mut self) -> Going {
        let suspects = std::mem::take(&mut self.suspects).min(self.later.len());
        if suspects > 0 {
            let part = (suspects / 2).max(1);
            self.suspects = suspects - part;
            let next = self.later.drain(..part).collect();
            self.go_on_with(next);
        } else if !self.later.is_empty() {
            let new = self.later.first().is_some_and(|next| self.has_not_failed(next));
            let next = self.of_a_kind();
            self.go_on_with(next);
            if new {
                (self.failures, self.streak) = (0, 0);
                self.forget_failure();
            }
        } else if !self.try_next_doubt() {
            return Going::Done;
        }
        Going::On
    }

    /// Goes on with these files. Earlier failures still count, so that the next one narrows at once.
    pub(super) fn go_on_with(&mut self, next: Vec<File>) {
        let (failures, error) = (self.failures, self.last_error.take());
        self.continue_with(next);
        if self.failing_since.is_some() {
            (self.failures, self.last_error) = (failures, error);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::BatchId;
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
        loop {
            let held = claim.all_files().count() + loaded.len() + found.len();
            assert_eq!(held, files, "every file is somewhere, and once");
            if claim.files.is_empty() {
                match claim.go_on() {
                    Going::On => continue,
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
                    claim.found_bad();
                    claim.continue_with(Vec::new());
                }
                (true, _) => claim.halve(true),
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
    fn a_file_that_fails_alone_is_tried_alone_each_time_with_a_token_of_its_own() {
        let (mut claim, now) = (claim(3), Timestamp::UNIX_EPOCH);
        claim.fail("what is this", now, now);
        claim.halve(false);
        assert_eq!((numbers(&claim.files), claim.failures), (vec![0], 1));
        let mut tokens = BTreeSet::new();
        for tried in [1, 2, 0, 1, 2, 0] {
            assert!(tokens.insert(claim.token("b", "d")));
            let doubt = claim.take_alone("again", now, SignedDuration::ZERO).unwrap();
            claim.doubted.push(doubt);
            assert!(claim.next_probe());
            assert_eq!(numbers(&claim.files), [tried], "each probe takes another file");
            assert_eq!(claim.all_files().count(), 3);
        }
        assert_eq!(claim.trying.as_ref().map(|doubt| doubt.failures), Some(2));
    }

    /// Its batch failed before, for a question that nobody answered, and another file was loaded since.
    #[test]
    fn a_file_that_an_error_names_fails_since_its_batch_does() {
        let [first, later] = [10, 20].map(|second| Timestamp::from_second(second).unwrap());
        let mut claim = claim(2);
        claim.fail("no answer", first, first);
        claim.fail("denied", later, later);
        assert!(claim.single_out(&file(1).key, "denied", later));
        assert_eq!(claim.doubted[0].since, first);
    }

    #[test]
    fn the_file_that_an_error_names_goes_alone_after_the_others() {
        let (mut claim, now) = (claim(3), Timestamp::UNIX_EPOCH);
        assert!(claim.single_out(&file(1).key, "denied", now));
        assert_eq!(numbers(&claim.files), [0, 2]);
        claim.part_loaded();
        claim.files.clear();
        assert_eq!((claim.go_on(), numbers(&claim.files)), (Going::On, vec![1]));
        assert!(claim.trying.as_ref().is_some_and(|doubt| doubt.vouched));
        assert!(!claim.single_out(&file(1).key, "denied", now), "it is alone already");
    }

    #[test]
    fn a_success_vouches_for_the_feed_but_not_for_ever() {
        let (mut claim, now) = (claim(2), Timestamp::UNIX_EPOCH);
        claim.fail("no", now, now);
        claim.part_loaded();
        for _ in 0..LONGEST_STREAK {
            claim.fail("no", now, now);
            assert!(claim.vouched);
        }
        claim.fail("no", now, now);
        assert!(!claim.vouched && claim.failing_since.is_some());
    }

    #[test]
    fn others_are_loaded_in_the_slot_of_a_file_that_fails_alone() {
        let (mut claim, now) = (claim(1), Timestamp::from_second(1_800_000_000).unwrap());
        claim.fail("no", now, now);
        let doubt = claim.take_alone("no", now, SignedDuration::ZERO).unwrap();
        claim.doubted.push(doubt);
        claim.next_probe();
        claim.not_before = Some(now);
        assert!(claim.may_be_refilled(now));
        claim.refill(vec![file(7), file(8)], now);
        assert_eq!((numbers(&claim.files), claim.in_flight(), claim.all_files().count()), (vec![7, 8], 2, 3));
        assert!(claim.unchecked && claim.failing_since.is_none());
        claim.files.clear();
        assert_eq!((claim.go_on(), numbers(&claim.files)), (Going::On, vec![0]));
    }
}
