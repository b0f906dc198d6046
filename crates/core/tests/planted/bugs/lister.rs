//! Bugs of listing, planning and dispatch, and of questions to the warehouse.

use super::{Bug, edit};

pub(super) const BUGS: &[Bug] = &[Bug {
    name: "the plan takes a key twice",
    edits: &[edit("plan.rs", "files.dedup_by(|b, a| a.key == b.key);", "")],
    class: None,
    hidden: Some("no list and no event names a key twice by then; this is a second line of defence"),
}];
