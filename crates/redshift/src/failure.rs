//! What Redshift's error texts mean. Pure, and the only place that reads them.
//!
//! Which statement failed is known first: only COPY's own error may speak of files. Then the text is taken apart (`text`),
//! and the part that says what it is looked up in the one table of known texts (`table`). What is not known there means
//! [`FailureKind::Unknown`]: the files stay, the load is tried again slowly, and somebody is told. Nothing unknown ever
//! quarantines a file.
//!
//! Never matches what a text quotes: a key, a value or a name is somebody else's, and says what it likes.

use std::collections::HashMap;

use sluice_core::destination::{Failure, FailureKind, Refusal, Roles};
use sluice_core::object::{File, Key};

use crate::statements::{Description, Status};

#[cfg(any(test, feature = "testing"))]
mod example;
mod named;
mod table;
mod text;

#[cfg(any(test, feature = "testing"))]
pub use example::examples;
pub use table::{Means, OWN_SQL, ROWS, Row, UNKNOWN};
pub use text::Words;

use text::Text;

/// The code that comes with a file that cannot be unpacked.
const CANNOT_INFLATE: i64 = 9001;

/// The codes of Spectrum, which notes what it did not get as well as what is in a file.
const SPECTRUM: std::ops::Range<i64> = 15000..16000;

/// Which statement an error is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// The one that takes the ledger's lock, or that updates its fence.
    Lock,
    /// The one that fails if a file is in the ledger.
    Guard,
    /// COPY.
    Copy,
    /// One of a load, after the guard: the feed's own, or what writes the ledger.
    Load,
    /// Another one, or nobody knows which.
    Other,
}

/// What the failure of a transaction means. It names a file only where COPY does.
#[must_use]
pub fn of_transaction(roles: Roles, description: &Description, bucket: &str, files: &[File]) -> Failure {
    let whole = description.error.as_deref();
    let part = description.parts.iter().position(|part| part.status == Status::Failed);
    let text = part.and_then(|part| description.parts[part].error.as_deref()).or(whole).unwrap_or(NO_TEXT);
    let number = part.or_else(|| text::numbered(whole?.trim_start()).map(|(number, _)| number));
    let of = match number {
        // Both tables are made together: the ledger, which is locked, and its fence, which comes next.
        Some(number) if (roles.lock..roles.guard).contains(&number) => Of::Lock,
        Some(number) if number == roles.guard => Of::Guard,
        Some(number) if number == roles.copy => Of::Copy,
        Some(number) if number > roles.guard => Of::Load,
        _ => Of::Other,
    };
    let mut failure = Failure { message: cut(whole.unwrap_or(text)), ..told(of, description.status, text) };
    if of == Of::Copy {
        failure.file = named::in_text(&failure.message, bucket, files).map(|file| file.key.clone());
    }
    if failure.kind == FailureKind::ObjectMissing && failure.file.is_some() {
        failure.kind = FailureKind::FileMissing;
    }
    failure
}

/// What the failure of a single statement means; `copies`: it is a COPY.
#[must_use]
pub fn of_statement(copies: bool, description: &Description) -> Failure {
    let of = if copies { Of::Copy } else { Of::Other };
    told(of, description.status, description.error.as_deref().unwrap_or(NO_TEXT))
}

const NO_TEXT: &str = "no error text";

fn told(of: Of, status: Status, text: &str) -> Failure {
    let known = table::row(&Text::parse(text));
    let row = match status {
        // Whatever it was doing: somebody stopped it, or a rule of the warehouse did.
        Status::Aborted => {
            let ended = known.filter(|row| matches!(row.means, Means::Passes | Means::ToMend));
            ended.or_else(|| table::row(&Text::parse(table::STOPPED)))
        }
        _ => known,
    };
    let kind = row.map_or(FailureKind::Unknown, |row| kind(row.means, of));
    let advice = match row {
        Some(row) if kind != FailureKind::Unknown || row.means == Means::Value => row.advice,
        _ if of == Of::Load => OWN_SQL,
        _ => UNKNOWN,
    };
    Failure { kind, message: cut(text), advice: Some(advice), file: None, at: None }
}

/// What an error means of this statement.
fn kind(means: Means, of: Of) -> FailureKind {
    match (means, of) {
        (Means::Contents, Of::Copy) => FailureKind::BadData,
        (Means::FileGone, Of::Copy) => FailureKind::FileMissing,
        (Means::ObjectGone, Of::Copy) => FailureKind::ObjectMissing,
        (Means::ZeroDivision, Of::Guard) => FailureKind::AlreadyLoaded,
        (Means::NoRelation, Of::Lock) => FailureKind::LedgerMissing,
        (Means::Passes, _) => FailureKind::Transient,
        (Means::ToMend | Means::NoRelation | Means::Exists, _) => FailureKind::Configuration,
        (Means::Contents | Means::FileGone | Means::ObjectGone | Means::ZeroDivision | Means::Value, _) => {
            FailureKind::Unknown
        }
    }
}

/// The file that COPY's text refuses, with that text; where a columnar COPY had one file only, that one.
#[must_use]
pub fn refused_in(text: &str, bucket: &str, files: &[File]) -> HashMap<Key, Refusal> {
    let parts = Text::parse(text);
    if !table::row(&parts).is_some_and(|row| row.means == Means::Contents) {
        return HashMap::new();
    }
    let refusal = Refusal { code: parts.code, message: cut(text), ..Refusal::default() };
    // Spectrum's text is all that is said; of other formats more is noted elsewhere.
    let only = match files {
        [only] if parts.code.is_some_and(|code| SPECTRUM.contains(&code)) => Some(only),
        _ => None,
    };
    named::in_text(text, bucket, files).or(only).map(|file| (file.key.clone(), refusal)).into_iter().collect()
}

/// The file that a row of `SYS_LOAD_ERROR_DETAIL` names, if what it says is about contents.
#[must_use]
pub fn noted<'f>(name: &str, code: Option<i64>, message: &str, bucket: &str, files: &'f [File]) -> Option<&'f File> {
    let scans = code.is_some_and(|code| SPECTRUM.contains(&code));
    let contents = |row: &Row| row.means == Means::Contents;
    let speaks = !scans || table::row(&Text::noted(code, message)).is_some_and(contents);
    named::in_view(name, bucket, files).filter(|_| speaks)
}

/// The file that a row of `SYS_LOAD_DETAIL` names.
#[must_use]
pub fn read<'f>(name: &str, bucket: &str, files: &'f [File]) -> Option<&'f File> {
    named::in_view(name, bucket, files)
}

/// Whether COPY's text says that it has noted in a system view what is wrong with which file.
#[must_use]
pub fn is_noted(text: &str) -> bool {
    Text::parse(text).says(table::NOTED)
}

/// Whether a text names this file.
#[must_use]
pub fn names(text: &str, bucket: &str, file: &File) -> bool {
    named::in_text(text, bucket, std::slice::from_ref(file)).is_some()
}

/// What is said of a file that cannot be unpacked, where the warehouse has not come as far.
#[must_use]
pub fn damaged(damage: &str) -> Refusal {
    Refusal { code: Some(CANNOT_INFLATE), message: damage.to_owned(), ..Refusal::default() }
}

/// Whether a table could not be made because somebody else was making it at the same moment.
#[must_use]
pub fn made_by_another(failure: &Failure) -> bool {
    means(&failure.message, Means::Exists)
}

/// Whether a guard has divided by zero.
#[must_use]
pub fn is_guarded(failure: &Failure) -> bool {
    means(&failure.message, Means::ZeroDivision)
}

/// Whether there is no such table.
#[must_use]
pub fn is_missing_relation(text: &str) -> bool {
    means(text, Means::NoRelation)
}

fn means(text: &str, means: Means) -> bool {
    table::row(&Text::parse(text)).is_some_and(|row| row.means == means)
}

/// As much of a text as is read by people.
fn cut(text: &str) -> String {
    text.trim().chars().take(1000).collect()
}

#[cfg(test)]
mod tests;
