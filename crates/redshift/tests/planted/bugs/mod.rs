//! The bugs: each a change of a line or two of the real source, found by its text.
//!
//! | file | what they are about |
//! |---|---|
//! | `loads` | transactions, the ledger, versions, archive and quarantine |
//! | `claims` | claims, leases, slots, X |
//! | `failures` | narrowing, probing, resting, and the evidence for it |
//! | `lister` | listing, planning, dispatch, and questions to the warehouse |

mod claims;
mod failures;
mod lister;
mod loads;

/// A change of the source.
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    pub(crate) edits: &'static [Edit],
    /// The class of histories that shows it, where the others would take too long.
    pub(crate) class: Option<&'static str>,
    /// Why no history can show it; `None`: one must.
    pub(crate) hidden: Option<&'static str>,
}

/// One place in one file below `src`, which must be there exactly once.
pub(crate) struct Edit {
    pub(crate) file: &'static str,
    pub(crate) find: &'static str,
    pub(crate) put: &'static str,
}

const fn edit(file: &'static str, find: &'static str, put: &'static str) -> Edit {
    Edit { file, find, put }
}

const fn bug(name: &'static str, edits: &'static [Edit]) -> Bug {
    Bug { name, edits, class: None, hidden: None }
}

/// A bug that histories of this class show.
const fn of_class(class: &'static str, name: &'static str, edits: &'static [Edit]) -> Bug {
    Bug { class: Some(class), ..bug(name, edits) }
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Bug> {
    [loads::BUGS, claims::BUGS, failures::BUGS, lister::BUGS].into_iter().flatten()
}
