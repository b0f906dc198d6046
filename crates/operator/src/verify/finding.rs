//! What can be wrong, what it means, and what fixes it. All the words are here.

use serde::Serialize;

use sluice_core::object::{ETag, Key};

/// Something that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The feed, where it belongs to one.
    pub feed: Option<String>,
    /// What is wrong.
    pub kind: Kind,
    /// The object's key. For a file that is loaded or claimed, its key in `incoming/`, wherever the file is.
    pub key: Key,
    /// Which content, or which version of a claim.
    pub etag: ETag,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Loaded, and still in `incoming/`.
    NotArchived,
    /// Loaded, and still in `incoming/`, where the feed does not take it any more.
    NotTaken,
    /// In `incoming/` and in `processed/`.
    InTwoPlaces,
    /// Loaded, and nowhere.
    CopyMissing,
    /// In `processed/`, and not in the ledger.
    NotRecorded,
    /// Loaded, and in `failed/`.
    LoadedAndFailed,
    /// Twice in the ledger.
    RecordedTwice,
    /// In `failed/`, without a reason.
    ReasonMissing,
    /// A reason in `failed/`, without its file.
    FileMissing,
    /// On its way back to `incoming/`, by a redrive or a reload that is not finished.
    HalfWay,
    /// In a claim, and nowhere else.
    ClaimedAndGone,
    /// A claim that nobody works on.
    ClaimIdle,
    /// A claim of a feed that is not configured.
    ClaimOfNoFeed,
    /// A claim that cannot be read.
    ClaimUnreadable,
    /// A claim on an object outside of `incoming/`.
    ClaimStray,
    /// A file in `incoming/` that belongs to no feed.
    OfNoFeed,
}

impl Kind {
    /// Its name, as programs read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotArchived => "not_archived",
            Self::NotTaken => "not_taken",
            Self::InTwoPlaces => "in_two_places",
            Self::CopyMissing => "copy_missing",
            Self::NotRecorded => "not_recorded",
            Self::LoadedAndFailed => "loaded_and_failed",
            Self::RecordedTwice => "recorded_twice",
            Self::ReasonMissing => "reason_missing",
            Self::FileMissing => "file_missing",
            Self::HalfWay => "half_way",
            Self::ClaimedAndGone => "claimed_and_gone",
            Self::ClaimIdle => "claim_idle",
            Self::ClaimOfNoFeed => "claim_of_no_feed",
            Self::ClaimUnreadable => "claim_unreadable",
            Self::ClaimStray => "claim_stray",
            Self::OfNoFeed => "of_no_feed",
        }
    }

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NotArchived => "its rows are in the table, it is still in incoming/, and no claim holds it",
            Self::NotTaken => {
                "its rows are in the table, it is still in incoming/, and the feed's include and exclude pass over it"
            }
            Self::InTwoPlaces => "it is in incoming/ and in processed/, and no claim holds it",
            Self::CopyMissing => {
                "its rows are in the table, and it is nowhere in the bucket: its copy was removed, by a lifecycle rule \
                 or by hand, or its producer replaced it before it was archived"
            }
            Self::NotRecorded => {
                "it is in processed/, and not in the ledger: its entry was taken out, or somebody put it there"
            }
            Self::LoadedAndFailed => {
                "its rows are in the table, and it is in failed/: it was refused once, and loaded when it was dropped \
                 again"
            }
            Self::RecordedTwice => "the ledger has it more than once: its rows may be in the table as often",
            Self::ReasonMissing => "it is in failed/, and the .error.json that says why is not",
            Self::FileMissing => "this says why a file is in failed/, and that file is not there",
            Self::HalfWay => {
                "a redrive or a reload is bringing it, or the file that this is the reason of, back to incoming/: one that \
                 runs now, or one that was interrupted"
            }
            Self::ClaimedAndGone => "a claim holds it, it was not loaded, and it is nowhere: its producer took it away",
            Self::ClaimIdle => "nobody works on this claim, and the lister sends no worker",
            Self::ClaimOfNoFeed => "this claim is of a feed that is not in the configuration",
            Self::ClaimUnreadable => "this claim cannot be read",
            Self::ClaimStray => "this claim names a file that is not under incoming/",
            Self::OfNoFeed => "it is in incoming/, and under no feed's prefix: nothing will load it",
        }
    }

    /// What fixes it.
    #[must_use]
    pub fn mend(self) -> &'static str {
        match self {
            Self::NotArchived => "by itself: the next tick finds it loaded and archives it",
            Self::InTwoPlaces => {
                "by itself: the next tick archives it, and loads it only if the ledger does not know it"
            }
            Self::ClaimedAndGone => "by itself: the worker on the claim drops it from the batch",
            Self::ClaimUnreadable => "by itself: the next tick removes it and plans its files anew",
            Self::ClaimStray => "by itself: the next worker on it removes it",
            Self::NotTaken => "move it to processed/, or change the patterns back",
            Self::CopyMissing => {
                "nothing has to be loaded; where processed/ has an expiry, say --processed-days; otherwise find out who \
                 deletes there"
            }
            Self::NotRecorded => {
                "count its rows: if they are in the table, put the entry back; if not, drop the file again under its \
                 old name"
            }
            Self::LoadedAndFailed => "remove it from failed/, and its .error.json",
            Self::RecordedTwice => {
                "count its rows, remove what is double from the table, and the entry from the ledger"
            }
            Self::ReasonMissing => "drop the file again to have it judged anew, or look into the worker's log",
            Self::FileMissing => "remove the .error.json if the file was mended or given up",
            Self::HalfWay => {
                "if none runs now, run sluice redrive or sluice reload for this feed again, whichever it was, with the same \
                 arguments: it finishes what is half-way first, and nothing is lost; do not move or remove anything by hand"
            }
            Self::ClaimIdle => "look whether the lister runs: its schedule, its log, its right to invoke the worker",
            Self::ClaimOfNoFeed => "add the feed again, or delete the claim",
            Self::OfNoFeed => "move it under a feed's prefix, or add a feed",
        }
    }

    /// Whether nobody has to do anything.
    #[must_use]
    pub fn mends_itself(self) -> bool {
        matches!(
            self,
            Self::NotArchived | Self::InTwoPlaces | Self::ClaimedAndGone | Self::ClaimUnreadable | Self::ClaimStray
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mends_itself_says_so() {
        let all = [
            Kind::NotArchived,
            Kind::NotTaken,
            Kind::InTwoPlaces,
            Kind::CopyMissing,
            Kind::NotRecorded,
            Kind::LoadedAndFailed,
            Kind::RecordedTwice,
            Kind::ReasonMissing,
            Kind::FileMissing,
            Kind::HalfWay,
            Kind::ClaimedAndGone,
            Kind::ClaimIdle,
            Kind::ClaimOfNoFeed,
            Kind::ClaimUnreadable,
            Kind::ClaimStray,
            Kind::OfNoFeed,
        ];
        for kind in all {
            assert_eq!(kind.mend().starts_with("by itself: "), kind.mends_itself(), "{kind:?}");
            assert_eq!(serde_json::json!(kind), kind.name());
        }
    }
}
