//! `totals.toml`: the totals of the shipped files when they were published, so that an altered file is found.
//!
//! Only `sluice demo --write-totals` writes it. A demo never does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Totals;

/// The comment above the totals.
const HEAD: &str = "\
# What the files beside this one add up to: `make demo` compares the files and the loaded tables with it.
# A number's sum is exact; a time's is of its Unix seconds; a text's is of the first 32 bits of each value's MD5.
# Written by `sluice demo --write-totals`; write it again only when the files are meant to have changed.
";

/// The totals of each feed, by the feed's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pinned(pub(crate) BTreeMap<String, Totals>);

/// Why there are no pinned totals.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinnedError {
    #[error("cannot read {path}: {source}; write it with `sluice demo --write-totals` if these are your own files")]
    Unreadable {
        /// The file.
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write {path}: {source}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} does not hold totals: {source}write it with `sluice demo --write-totals`")]
    Wrong {
        /// The file.
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
}

impl Pinned {
    pub(crate) fn read(path: &Path) -> Result<Self, PinnedError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| PinnedError::Unreadable { path: path.to_owned(), source })?;
        let totals = toml::from_str(&text);
        totals.map(Self).map_err(|source| PinnedError::Wrong { path: path.to_owned(), source: Box::new(source) })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), PinnedError> {
        let written = std::fs::write(path, self.text());
        written.map_err(|source| PinnedError::Unwritable { path: path.to_owned(), source })
    }

    /// The text of the file: one line for each column.
    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (feed, totals) in &self.0 {
            // Writing to a string cannot fail.
            _ = writeln!(text, "\n[{feed}]\nfiles = {}\nrows = {}\ncolumns = [", totals.files, totals.rows);
            for column in &totals.columns {
                _ = writeln!(
                    text,
                    "    {{ name = {}, values = {}, filled = {}, sum = {} }},",
                    toml::Value::from(column.name.as_str()),
                    toml::Value::from(column.values.as_str()),
                    column.filled,
                    toml::Value::from(column.sum.as_str())
                );
            }
            text.push_str("]\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Column, Values};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let column = Column { name: "a \"b\"".to_owned(), values: Values::Time, filled: 2, sum: "-0.5".to_owned() };
        let totals = Totals { files: 1, rows: 3, columns: vec![column] };
        let pinned = Pinned(BTreeMap::from([("flights".to_owned(), totals)]));
        let read: BTreeMap<String, Totals> = toml::from_str(&pinned.text()).unwrap();
        assert_eq!(Pinned(read), pinned);
    }
}
