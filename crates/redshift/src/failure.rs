//! What Redshift's error texts mean. Pure, and the only place that reads them.
//!
//! First comes the statement that failed: only COPY's own error may speak of files. Then the text is taken apart
//! (`text`), and looked up in the one table of known texts (`table`). A text that is not there means
//! [`FailureKind::Unknown`]: the files stay, the load is retried slowly, and the report says so. Nothing unknown ever
//! quarantines a file.
//!
//! Never matches what a text quotes: a key, a value or a name may contain anything.

use std::collections::HashMap;

use sluice_core::destination::{Failure, FailureKind, Refusal, Roles};
use sluice_core::object::{File, Key};

use crate::config::RedshiftFeed;
use crate::statements::{Description, Status};

mod named;
mod table;
#[cfg(any(test, feature = "testing"))]
mod testing;
mod text;

pub(crate) use named::{in_text, in_view};
pub use table::{Means, OWN_SQL, ROWS, Row, UNKNOWN};
#[cfg(any(test, feature = "testing"))]
pub use testing::examples;
pub use text::Words;

use text::Text;

/// The codes of Spectrum, which notes outages as well as what is wrong in a file.
const SPECTRUM: std::ops::Range<i64> = 15000..16000;

/// The statement that an error comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// It takes the ledger's lock, or updates its fence.
    Lock,
    /// It fails if a file is in the ledger.
    Guard,
    /// COPY.
    Copy,
    /// Another one after the guard: the feed's own, or one that writes the ledger.
    Load,
    /// Any other, or an unknown one.
    Other,
}

/// What the failure of a transaction means. It names a file only if COPY does.
pub(crate) fn of_transaction(roles: Roles, description: &Description, bucket: &str, files: &[File]) -> Failure {
    let whole = description.error.as_deref();
    let part = description.parts.iter().position(|part| part.status == Status::Failed);
    let text = part.and_then(|part| description.parts[part].error.as_deref()).or(whole).unwrap_or(NO_TEXT);
    let number = part.or_else(|| text::numbered(whole?.trim_start()).map(|(number, _)| number));
    let of = match number {
        // The ledger is locked, and its fence comes next. Both tables are created together.
        Some(number) if (roles.lock..roles.guard).contains(&number) => Of::Lock,
        Some(number) if number == roles.guard => Of::Guard,
        Some(number) if number == roles.copy => Of::Copy,
        Some(number) if number > roles.guard => Of::Load,
        _ => Of::Other,
    };
    let mut failure = Failure { message: cut(whole.unwrap_or(text)), ..classify(of, description.status, text) };
    if of == Of::Copy {
        failure.file = in_text(&failure.message, bucket, files).map(|file| file.key.clone());
    }
    if failure.kind == FailureKind::ObjectMissing && failure.file.is_some() {
        failure.kind = FailureKind::FileMissing;
    }
    failure
}

/// What the failure of a single statement means; `copies`: it is a COPY.
pub(crate) fn of_statement(copies: bool, description: &Description) -> Failure {
    let of = if copies { Of::Copy } else { Of::Other };
    classify(of, description.status, description.error.as_deref().unwrap_or(NO_TEXT))
}

const NO_TEXT: &str = "no error text";

fn classify(of: Of, status: Status, text: &str) -> Failure {
    let known = table::row(&Text::parse(text));
    let row = if status == Status::Aborted {
        // Someone stopped it, or a rule of the warehouse did, whatever it was doing.
        let ended = known.filter(|row| matches!(row.means, Means::Passes | Means::Configuration));
        ended.or_else(|| table::row(&Text::parse(table::STOPPED)))
    } else {
        known
    };
    let kind = row.map_or(FailureKind::Unknown, |row| kind(row.means, of));
    let advice = match row {
        Some(row) if kind != FailureKind::Unknown || row.means == Means::Value => row.advice,
        _ if of == Of::Load => OWN_SQL,
        _ => UNKNOWN,
    };
    Failure { kind, message: cut(text), advice: Some(advice), file: None, at: None }
}

/// What an error means when it comes from this statement.
fn kind(means: Means, of: Of) -> FailureKind {
    match (means, of) {
        (Means::Contents, Of::Copy) => FailureKind::BadData,
        (Means::FileGone, Of::Copy) => FailureKind::FileMissing,
        (Means::ObjectGone, Of::Copy) => FailureKind::ObjectMissing,
        (Means::ZeroDivision, Of::Guard) => FailureKind::AlreadyLoaded,
        (Means::NoRelation, Of::Lock) => FailureKind::LedgerMissing,
        (Means::Passes, _) => FailureKind::Transient,
        (Means::Configuration | Means::NoRelation | Means::Exists, _) => FailureKind::Configuration,
        (Means::Contents | Means::FileGone | Means::ObjectGone | Means::ZeroDivision | Means::Value, _) => {
            FailureKind::Unknown
        }
    }
}

/// The file that COPY's text refuses, with that text. For a columnar COPY of one file, that file.
pub(crate) fn refused_in(text: &str, bucket: &str, files: &[File]) -> HashMap<Key, Refusal> {
    let parts = Text::parse(text);
    if !means(&parts, Means::Contents) {
        return HashMap::new();
    }
    let refusal = Refusal { code: parts.code, message: cut(text), ..Refusal::default() };
    // Spectrum says no more than its text. For other formats, a system view says more.
    let only = match files {
        [only] if is_spectrum(parts.code) => Some(only),
        _ => None,
    };
    in_text(text, bucket, files).or(only).map(|file| (file.key.clone(), refusal)).into_iter().collect()
}

/// The file that a row of `SYS_LOAD_ERROR_DETAIL` names, if the row is about contents.
pub(crate) fn noted<'f>(
    name: &str,
    code: Option<i64>,
    message: &str,
    bucket: &str,
    files: &'f [File],
) -> Option<&'f File> {
    let about_contents = !is_spectrum(code) || means(&Text::noted(code, message), Means::Contents);
    in_view(name, bucket, files).filter(|_| about_contents)
}

fn is_spectrum(code: Option<i64>) -> bool {
    code.is_some_and(|code| SPECTRUM.contains(&code))
}

/// Whether COPY's text says that a system view has the reasons.
pub(crate) fn is_noted(text: &str) -> bool {
    Text::parse(text).says(table::NOTED)
}

/// Whether a failure's text has this meaning, whichever statement it comes from.
pub(crate) fn is(failure: &Failure, meaning: Means) -> bool {
    means(&Text::parse(&failure.message), meaning)
}

fn means(text: &Text, meaning: Means) -> bool {
    table::row(text).is_some_and(|row| row.means == meaning)
}

/// As much of a text as people read.
fn cut(text: &str) -> String {
    text.trim().chars().take(1000).collect()
}

/// The same failure. If an object is missing, its message gets the object that the feed's options name.
pub(crate) fn naming_its_object(feed: RedshiftFeed<'_>, failure: Failure) -> Failure {
    match feed.target.options.jsonpaths() {
        Some(object) if failure.kind == FailureKind::ObjectMissing => {
            Failure { message: format!("{} (the jsonpaths object is {object})", failure.message), ..failure }
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests;
