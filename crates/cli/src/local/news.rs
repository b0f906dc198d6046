//! News about what happens, for programs and for people: one event, one line.
//!
//! Only puts news into words. Never finds out what has happened.

use std::fmt;

use serde::Serialize;

use crate::output::{DIM, Foreign, GREEN, RED, bytes, count, thousands};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum News {
    /// Files were dropped.
    Arrived {
        /// The feed that takes them; `None` if no feed does.
        feed: Option<String>,
        /// How many arrived in a short while.
        files: u64,
        /// Their total size.
        bytes: u64,
    },
    /// The loader left files to the next tick because every slot is filled.
    Deferred {
        feed: String,
        /// How many the loader left in a short while.
        files: u64,
    },
    /// A tick found other numbers than the last one.
    Ticked {
        feed: String,
        /// How many files it claimed.
        claimed: u64,
        /// How many files claims hold.
        in_flight: u64,
        /// How many files no claim holds.
        waiting: u64,
    },
    /// A batch had an outcome.
    Batch {
        feed: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        batch: Option<String>,
        outcome: String,
        /// How many files it concerns.
        files: u64,
        /// How many rows were committed, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        rows: Option<u64>,
        /// How long the invocation took.
        milliseconds: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The warehouse refused a file.
    Quarantined {
        /// Its key under `failed/`.
        key: String,
    },
    /// A function failed, or a feed could not be served.
    Failed {
        /// The name of the function or of the feed.
        who: String,
        error: String,
    },
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrived { feed: Some(feed), files, bytes: size } => {
                write!(f, "{feed}: {} arrived, {}", count(*files, "file"), bytes(*size))
            }
            Self::Arrived { feed: None, files, .. } => {
                write!(f, "{} arrived that no feed takes; see its prefix and include", count(*files, "file"))
            }
            Self::Deferred { feed, files } => {
                write!(f, "{DIM}{feed}: every slot is filled, {} left to the next tick{DIM:#}", count(*files, "file"))
            }
            Self::Ticked { feed, claimed, in_flight, waiting } => {
                let (claimed, in_flight, waiting) = (thousands(claimed), thousands(in_flight), thousands(waiting));
                write!(f, "{DIM}{feed}: tick: {claimed} claimed, {in_flight} in flight, {waiting} waiting{DIM:#}")
            }
            Self::Batch { .. } => self.batch(f),
            Self::Quarantined { key } => {
                let key = Foreign(key);
                write!(f, "{RED}{key}{RED:#} was refused by the warehouse; {key}.error.json says why")
            }
            Self::Failed { who, error } => write!(f, "{RED}{}: {}{RED:#}", Foreign(who), Foreign(error)),
        }
    }
}

impl News {
    fn batch(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Batch { feed, batch, outcome, files, rows, milliseconds, error } = self else { return Ok(()) };
        let style = match (outcome.as_str(), error) {
            ("loaded", None) => GREEN,
            ("retry" | "quarantined", _) | (_, Some(_)) => RED,
            _ => DIM,
        };
        write!(f, "{}: {style}{}{style:#}", Foreign(feed), Foreign(outcome.replace('_', " ")))?;
        if let Some(batch) = batch {
            write!(f, " batch {}", Foreign(batch.get(..8).unwrap_or(batch)))?;
        }
        f.write_str(": ")?;
        if *files > 0 {
            write!(f, "{}, ", count(*files, "file"))?;
        }
        if let Some(rows @ 1..) = rows {
            write!(f, "{}, ", count(*rows, "row"))?;
        }
        write!(f, "{milliseconds} ms")?;
        match error {
            Some(error) => write!(f, ": {}", Foreign(error)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and messages of the warehouse do nothing to a terminal.
    #[test]
    fn nothing_that_others_wrote_reaches_the_terminal_as_it_is() {
        let hostile = "a\u{1b}[2J\u{1b}[31m\u{1b}]52;c;aGk=\u{7}\u{9b}1m\r\n00:00:00Z  all is well\u{202e}";
        let owned = || hostile.to_owned();
        let batch = |outcome: &str| News::Batch {
            feed: owned(),
            batch: Some(owned()),
            outcome: outcome.to_owned(),
            files: 1,
            rows: None,
            milliseconds: 1,
            error: Some(owned()),
        };
        let all = [
            News::Quarantined { key: owned() },
            News::Failed { who: owned(), error: owned() },
            batch("retry"),
            batch(hostile),
        ];
        for news in all {
            let shown = news.to_string();
            // The only escapes that are left are our own styles.
            let plain = anstream::adapter::strip_str(&shown).to_string();
            assert!(!plain.chars().any(|c| c.is_control() || c == '\u{202e}'), "{plain:?}");
            assert!(plain.contains("\\u{1b}[2J"), "{plain:?}");
            assert!(!shown.contains("\u{1b}[31m\u{1b}]"), "{shown:?}");
        }
    }
}
