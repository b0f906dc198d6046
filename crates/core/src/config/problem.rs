//! What an operator reads when a configuration is wrong: every problem, where it stands, and what would be right.
//!
//! Never stops at the first problem, and never repeats more of the text than the value that is wrong.

use std::fmt;
use std::ops::Range;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not TOML at all.
    #[error("{origin}:{line}:{column}: this is not TOML: {}", one_line(source.message()))]
    Syntax {
        /// Where the text came from: a path, an S3 URI, or `SLUICE_CONFIG`.
        origin: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What the TOML parser says.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The text is TOML, and wrong as a configuration.
    #[error("{}", lines(origin, problems))]
    Invalid {
        /// Where the text came from: a path, an S3 URI, or `SLUICE_CONFIG`.
        origin: String,
        /// Everything that is wrong, in the order of the text. Never empty.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// Names the place where the TOML parser gave up.
    pub(super) fn syntax(text: &str, origin: &str, source: toml::de::Error) -> Self {
        let (line, column) = place(text, source.span().map_or(0, |span| span.start));
        Self::Syntax { origin: origin.to_owned(), line, column, source: Box::new(source) }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The field, such as `feed[flights].max_files`.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, field, what, remedy } = self;
        write!(f, "{line}:{column}: {field}: {what}; {remedy}")
    }
}

/// Each problem on a line of its own, and each line with its origin, so that a line can be read alone.
fn lines(origin: &str, problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{origin}:{problem}")).collect::<Vec<_>>().join("\n")
}

/// A message of the TOML parser, which may have several lines, as one.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where something stands in the text, and what it is called.
#[derive(Clone, Debug)]
pub struct Spot {
    /// The field's path.
    pub path: String,
    /// Its bytes in the text.
    pub span: Range<usize>,
}

/// Gathers the problems of one text.
#[derive(Debug)]
pub struct Report<'t> {
    text: &'t str,
    found: Vec<(usize, Problem)>,
}

impl<'t> Report<'t> {
    /// A report without problems.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Adds a problem: what is wrong at `spot`, and what would be right.
    pub fn add(&mut self, spot: &Spot, what: impl Into<String>, remedy: impl Into<String>) {
        let (line, column) = place(self.text, spot.span.start);
        let (what, remedy) = (what.into(), remedy.into());
        self.found.push((spot.span.start, Problem { line, column, field: spot.path.clone(), what, remedy }));
    }

    /// The line of `spot`, for a problem elsewhere.
    pub(super) fn line(&self, spot: &Spot) -> usize {
        place(self.text, spot.span.start).0
    }

    /// The value, or everything that was wrong in the order of the text.
    pub(super) fn finish<T>(mut self, origin: &str, value: Option<T>) -> Result<T, ConfigError> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => {
                self.found.sort_by_key(|(start, _)| *start);
                let problems = self.found.into_iter().map(|(_, problem)| problem).collect();
                Err(ConfigError::Invalid { origin: origin.to_owned(), problems })
            }
        }
    }
}

/// Line and column of a byte in the text, both from 1. Takes also bytes past the end, or within a character.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let end = (0..=byte.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let before = &text[..end];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// A text of the configuration in quotes, cut where it is long.
#[must_use]
pub fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let cut: String = text.chars().take(MOST).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

/// "did you mean …" for a word that is nearly one of `known`, else the list of what there is.
#[must_use]
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    let lower = word.to_lowercase().replace('-', "_");
    let nearest = known.iter().map(|name| (strsim::damerau_levenshtein(&lower, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + name.len() / 4 => format!("did you mean {name}?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("max_filse", "did you mean max_files?"; "swapped letters")]
    #[test_case("Max-Files", "did you mean max_files?"; "case and hyphen")]
    #[test_case("order", "known here: max_files, prefix"; "nothing near")]
    fn suggests(word: &str, expected: &str) {
        assert_eq!(did_you_mean(word, &["max_files", "prefix"]), expected);
    }

    #[test_case(0, (1, 1); "start")]
    #[test_case(4, (2, 1); "after a line")]
    #[test_case(5, (2, 1); "within a character")]
    #[test_case(6, (2, 2); "after a character of two bytes")]
    #[test_case(999, (2, 3); "past the end")]
    fn places(byte: usize, expected: (usize, usize)) {
        assert_eq!(place("abc\nüx", byte), expected);
    }
}
