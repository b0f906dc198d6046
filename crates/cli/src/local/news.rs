//! What happens, as a program and a person read it: one event, one line.
//!
//! Only words; what has happened is found out elsewhere.

use std::fmt;

use serde::Serialize;

use crate::output::{DIM, Foreign, GREEN, RED, bytes, count, thousands};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum News {
    /// Files were dropped.
    Arrived {
        /// For which feed; none where no feed takes them.
        feed: Option<String>,
        /// How many, in a short while.
        files: u64,
        /// Of what size together.
        bytes: u64,
    },
    /// The loader left files to the next tick, because every slot is filled.
    Deferred {
        /// Of which feed.
        feed: String,
        /// How many, in a short while.
        files: u64,
    },
    /// The lister looked, and something was different from the last time.
    Ticked {
        /// At which feed.
        feed: String,
        /// How many files it claimed.
        claimed: u64,
        /// How many files claims hold.
        in_flight: u64,
        /// How many files nobody has claimed.
        waiting: u64,
    },
    /// Something became of a batch.
    Batch {
        /// Of which feed.
        feed: String,
        /// Which one.
        #[serde(skip_serializing_if = "Option::is_none")]
        batch: Option<String>,
        /// What became of it.
        outcome: String,
        /// How many files that concerns.
        files: u64,
        /// How many rows were committed, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        rows: Option<u64>,
        /// How long the invocation took.
        milliseconds: u64,
        /// What went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The warehouse refused a file.
    Quarantined {
        /// Where it is now.
        key: String,
    },
    /// A function failed, or a feed could not be served.
    Failed {
        /// Who.
        who: String,
        /// Why.
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

    /// What a key and a warehouse's words do on a terminal: nothing.
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
            // What is left of escapes are our own styles.
            let plain = anstream::adapter::strip_str(&shown).to_string();
            assert!(!plain.chars().any(|c| c.is_control() || c == '\u{202e}'), "{plain:?}");
            assert!(plain.contains("\\u{1b}[2J"), "{plain:?}");
            assert!(!shown.contains("\u{1b}[31m\u{1b}]"), "{shown:?}");
        }
    }
}
