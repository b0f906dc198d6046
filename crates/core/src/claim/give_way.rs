//! Giving way: of two claims with one file, the later one leaves it to the other.
//!
//! Two planners at once may not see each other's claims, and both may take one file. If a producer replaces that file
//! at this moment, each claim would load the same new version under another identity. So every claim is placed first,
//! and looks at the others then. Of two with one file, the later one sees the other, or finds it finished and its files
//! in the ledger. If both see each other, both give way, and the file is planned again.
//!
//! A caller that places many claims at once looks once for all of them. Never asks S3 for a claim of the caller's own.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::resting::Resting;
use super::survey::{list, read};
use super::{Claim, Seen};
use crate::config::{Bucket, Feed};
use crate::object::{File, FileId, Key};
use crate::ports::{Objects, PortError};

/// The other claims of a feed, read after the caller has placed its own.
#[derive(Debug)]
pub(crate) struct Others {
    claims: Vec<Seen>,
    resting: HashSet<FileId>,
    /// The transaction of one of them has outlived the function that began it. It may have failed without a word in the
    /// claim.
    left_alone: bool,
}

impl Others {
    /// Reads the feed's claims, without `own`. Does not read those of `known` again whose version is still the same.
    pub(crate) async fn read(
        objects: &impl Objects,
        bucket: &Bucket,
        feed: &Feed,
        known: &[Seen],
        own: &HashSet<Key>,
        now: Timestamp,
    ) -> Result<Self, PortError> {
        // Also if a worker has taken it up since: it will say how the transaction ended after others have looked.
        let is_left_alone =
            |seen: &Seen| seen.claim.as_ref().is_ok_and(|claim| claim.begun().is_some() && claim.is_due(now));
        let mut left_alone = known.iter().any(is_left_alone);
        let known: HashMap<&Key, &Seen> = known.iter().map(|seen| (&seen.key, seen)).collect();
        let (mut claims, mut resting) = (Vec::new(), HashSet::new());
        for file in list(objects, bucket, Some(feed)).await? {
            if let Some(rests) = Resting::of(bucket, &file) {
                resting.insert(rests.id);
            } else if own.contains(&file.key) {
            } else if let Some(seen) = known.get(&file.key).filter(|seen| seen.etag == file.etag) {
                claims.push((*seen).clone());
            } else if let Some(seen) = read(objects, file.key).await? {
                left_alone |= is_left_alone(&seen);
                claims.push(seen);
            }
        }
        Ok(Self { claims, resting, left_alone })
    }

    /// Takes from the claim what others have as well; answers whether it may be loaded.
    ///
    /// It may not if the feed has X files in flight without it: then functions with two configurations have filled
    /// slots at once. Its files are still in `incoming/`, and are planned again.
    #[must_use]
    pub(crate) fn leave_to_them(&self, feed: &Feed, claim: &mut Claim) -> bool {
        let older = |other: &&Claim| (other.created_at, other.slot) < (claim.created_at, claim.slot);
        let in_flight: usize = self.readable().filter(older).map(Claim::in_flight).sum();
        // One file alone takes the place of one that waits in the claim: no more are in flight than before.
        let instead = claim.in_flight() == 1 && !claim.doubted.is_empty();
        if in_flight > 0 && in_flight + claim.in_flight() > feed.max_files && !instead {
            // Doubted files are known to this claim alone, and stay.
            claim.continue_with(Vec::new());
            (claim.rested, claim.unchecked) = (None, false);
            return !claim.doubted.is_empty();
        }
        let theirs: HashSet<&Key> = self.readable().flat_map(Claim::all_files).map(|file| &file.key).collect();
        // The resting file that this claim tries again is its own.
        let rests = |file: &File| self.resting.contains(&file.id()) && claim.rested.as_ref() != Some(file);
        let keeps = |file: &&File| !theirs.contains(&file.key) && !rests(file);
        let own: Vec<File> = claim.files.iter().filter(keeps).cloned().collect();
        if own.len() < claim.files.len() {
            claim.continue_with(own);
            // The resting file goes on resting: another claim has a newer version of it.
            claim.rested = None;
        }
        claim.notes_success |= self.left_alone || self.readable().any(Claim::has_failed);
        // From now on it keeps its files: a statement that no claim names any more may be loading them.
        claim.unchecked = false;
        true
    }

    fn readable(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter().filter_map(|seen| seen.claim.as_ref().ok())
    }
}
