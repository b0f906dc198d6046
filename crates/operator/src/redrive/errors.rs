//! Why files are in `failed/`, grouped by reason: many files, few causes. Never writes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use sluice_core::config::{Config, Feed};
use sluice_core::object::{File, Key};
use sluice_core::ports::Ports;

use super::failed::Failed;
use super::{Options, RedriveError};
use crate::reason::Reason;

/// How many of a group's files are named.
const EXAMPLES: usize = 3;

/// The most groups. Reasons that do not fit make one group more.
const GROUPS: usize = 1000;

/// The message of that group.
const OTHERS: &str = "other reasons";

/// How much of a message counts when messages are compared, in characters.
const SHAPE: usize = 200;

/// Files that were refused for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The warehouse's code.
    pub code: Option<i64>,
    /// The first message of the group; the others differ in numbers and quoted words.
    pub message: String,
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first of them.
    pub examples: Vec<Example>,
    /// When the latest one was refused.
    pub latest: Option<Timestamp>,
}

/// A file of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Where it is now.
    pub key: Key,
    /// The line in it, from 1.
    pub line: Option<u64>,
    /// The column.
    pub column: Option<String>,
}

/// Groups the refused files of the feed, most frequent first. Reports each file as it is found, with its latest reason.
///
/// # Errors
/// When something cannot be read.
pub async fn errors<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    options: &Options,
    tell: &mut impl FnMut(&File, Option<&Reason>),
) -> Result<Vec<Group>, RedriveError> {
    let mut failed = Failed::new(config, ports.objects(), feed, options);
    let mut groups: BTreeMap<(Option<i64>, String), Group> = BTreeMap::new();
    while let Some(files) = failed.next().await? {
        for one in files {
            let reason = one.reasons.first().map(|(reason, ..)| reason);
            tell(&one.file, reason);
            let code = reason.and_then(|reason| reason.code);
            let message = reason.map_or("no .error.json says why", |reason| &reason.message);
            let kind = (code, reason.map_or_else(String::new, |reason| shape(&reason.message)));
            let (kind, message) = if groups.len() < GROUPS || groups.contains_key(&kind) {
                (kind, message)
            } else {
                ((None, OTHERS.to_owned()), OTHERS)
            };
            let code = kind.0;
            groups.entry(kind).or_insert_with(|| Group::new(code, message)).add(&one.file, reason);
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.files));
    Ok(groups)
}

impl Group {
    fn new(code: Option<i64>, message: &str) -> Self {
        Self { code, message: message.to_owned(), files: 0, bytes: 0, examples: Vec::new(), latest: None }
    }

    fn add(&mut self, file: &File, reason: Option<&Reason>) {
        self.files += 1;
        self.bytes += file.size;
        self.latest = self.latest.max(reason.and_then(|reason| reason.time));
        if self.examples.len() < EXAMPLES {
            let line = reason.and_then(|reason| reason.line);
            let column = reason.and_then(|reason| reason.column.clone());
            self.examples.push(Example { key: file.key.clone(), line, column });
        }
    }
}

/// A message without what differs from file to file: numbers, and words in quotes.
fn shape(message: &str) -> String {
    let mut shape = String::new();
    let mut rest = message.chars().take(SHAPE * 8).peekable();
    while let Some(c) = rest.next() {
        if c.is_ascii_digit() {
            while rest.next_if(char::is_ascii_digit).is_some() {}
            shape.push('#');
        } else if c == '"' || c == '\'' {
            rest.by_ref().take_while(|other| *other != c).for_each(drop);
            shape.extend([c, '…', c]);
        } else {
            shape.push(c);
        }
    }
    shape.chars().take(SHAPE).collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("Invalid digit, Value 'x', Pos 0" => "Invalid digit, Value '…', Pos #"; "numbers and quotes")]
    #[test_case("it ends in 'a quote" => "it ends in '…'"; "an open quote")]
    #[test_case("" => ""; "nothing")]
    fn messages_have_shapes(message: &str) -> String {
        shape(message)
    }
}
