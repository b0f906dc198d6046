//! Patterns for `include` and `exclude`, matched on a file's name under its feed's prefix.
//!
//! Never sees a whole key, and never fails on a name: producers choose names.

use std::fmt;

use crate::object::display_as_str;

/// The longest pattern, in bytes. A key is not longer, so a longer pattern is a mistake.
const MAX_PATTERN_BYTES: usize = 1024;

/// What a file's name must look like.
///
/// `*` stands for any characters, `?` for one, `[a-z]` for one of a set, `[!a-z]` for one outside it. All of them match
/// `/` too, so that `*.csv.gz` finds files in date folders; `2013-*/*.csv` still needs a `/`. Upper and lower case
/// differ. A special character is itself in brackets: `[*]`.
///
/// ```
/// use sluice_core::config::Pattern;
///
/// let pattern = Pattern::new("*.csv.gz")?;
/// assert!(pattern.matches("2013/01/a.csv.gz"), "a star matches slashes too");
/// assert!(!pattern.matches("a.csv.gz.tmp"), "the whole name must match");
/// # Ok::<(), sluice_core::config::pattern::PatternError>(())
/// ```
#[derive(Clone)]
pub struct Pattern(glob::Pattern);

/// What can be wrong with a pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// It would match no name.
    #[error("the pattern is empty")]
    Empty,
    /// Longer than any name.
    #[error("the pattern has {0} bytes; {MAX_PATTERN_BYTES} are allowed")]
    TooLong(usize),
    /// `**` beside other characters, which says nothing that `*` does not.
    #[error("\"**\" must be a whole part between slashes")]
    Stars,
    /// A `[` without its `]`, or an empty set.
    #[error("\"[\" at character {0} has no set of characters and \"]\" after it")]
    Bracket(usize),
}

impl Pattern {
    /// Takes a pattern as it stands in the configuration.
    ///
    /// # Errors
    /// When it is empty, too long, or has stars or brackets out of place.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        match pattern.len() {
            0 => return Err(PatternError::Empty),
            length if length > MAX_PATTERN_BYTES => return Err(PatternError::TooLong(length)),
            _ => {}
        }
        glob::Pattern::new(pattern).map(Self).map_err(|error| {
            // The library's positions count from 0, and stand on the bracket itself.
            if pattern.chars().nth(error.pos) == Some('[') {
                PatternError::Bracket(error.pos + 1)
            } else {
                PatternError::Stars
            }
        })
    }

    /// Whether it matches the whole of a name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: false,
            require_literal_leading_dot: false,
        };
        self.0.matches_with(name, options)
    }

    /// The pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

display_as_str!(Pattern);

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("*.csv.gz", "a.csv.gz", true; "at the top")]
    #[test_case("*.csv.gz", "2013/01/a.csv.gz", true; "a star matches slashes")]
    #[test_case("*.csv.gz", "a.csv.gz.tmp", false; "the whole name is meant")]
    #[test_case("*.csv.gz", ".hidden.csv.gz", true; "a leading dot is a character like others")]
    #[test_case("*.csv", "A.CSV", false; "case matters")]
    #[test_case("2013-*/*.csv", "2013-01/x/a.csv", true; "folders")]
    #[test_case("2013-*/*.csv", "2013-01.csv", false; "a slash is needed")]
    #[test_case("**/a.csv", "x/y/a.csv", true; "double stars")]
    #[test_case("[*].csv", "*.csv", true; "escaped star")]
    #[test_case("ü?.csv", "üé.csv", true; "characters, not bytes")]
    #[test_case("*", "a\\", true; "ends in a backslash")]
    fn matches(pattern: &str, name: &str, expected: bool) {
        assert_eq!(Pattern::new(pattern).unwrap().matches(name), expected);
    }

    #[test_case("" => PatternError::Empty; "empty")]
    #[test_case("a**.csv" => PatternError::Stars; "double stars beside text")]
    #[test_case("***" => PatternError::Stars; "three stars")]
    #[test_case("a[b.csv" => PatternError::Bracket(2); "open bracket")]
    #[test_case(&"a".repeat(1025) => PatternError::TooLong(1025); "too long")]
    fn refuses(pattern: &str) -> PatternError {
        Pattern::new(pattern).unwrap_err()
    }

    /// A name that almost matches many stars would take for ever if every way were tried.
    #[test]
    fn no_name_takes_long() {
        let pattern = Pattern::new(&format!("{}b", "*a".repeat(20))).unwrap();
        assert!(!pattern.matches(&"a".repeat(MAX_PATTERN_BYTES)));
    }

    #[test]
    fn debug_shows_the_text() {
        assert_eq!(format!("{:?}", Pattern::new("*.gz").unwrap()), "Pattern(\"*.gz\")");
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "[*?\\[\\]!a-cü/.\\\\-]{0,20}", name in ".{0,40}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                let _ = pattern.matches(&name);
            }
        }
    }
}
