//! `totals.toml`: the totals of the shipped files when they were published, so that an altered file is found.
//!
//! Only `sluice demo --write-totals` writes it. A demo never does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::Totals;
use crate::failure::Failure;

/// The comment above the totals.
const HEAD: &str = "\
# What the files beside this one add up to: `make demo` compares the files and the loaded tables with it.
# A number's sum is exact; a time's is of its Unix seconds; a text's is of the first 32 bits of each value's MD5.
# Written by `sluice demo --write-totals`; write it again only when the files are meant to have changed.
";

/// Reads the totals of each feed, by the feed's name.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Totals>, Failure> {
    let (file, hint) = (path.display(), "write it with `sluice demo --write-totals`");
    let unreadable =
        |error| Failure::failed(format!("cannot read {file}: {error}; {hint} if these are your own files"));
    let wrong = |error| Failure::failed(format!("{file} does not hold totals: {error}{hint}"));
    toml::from_str(&std::fs::read_to_string(path).map_err(unreadable)?).map_err(wrong)
}

pub(crate) fn write(path: &Path, totals: &BTreeMap<String, Totals>) -> Result<(), Failure> {
    let unwritable = |error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    std::fs::write(path, text(totals)).map_err(unwritable)
}

/// The text of the file: one line for each column.
fn text(feeds: &BTreeMap<String, Totals>) -> String {
    let mut text = HEAD.to_owned();
    for (feed, totals) in feeds {
        // Writing to a string cannot fail.
        _ = writeln!(text, "\n[{feed}]\nfiles = {}\nrows = {}\ncolumns = [", totals.files, totals.rows);
        for column in &totals.columns {
            let (name, sum) = (toml::Value::from(column.name.as_str()), toml::Value::from(column.sum.as_str()));
            let (values, filled) = (column.values.as_str(), column.filled);
            _ = writeln!(text, "    {{ name = {name}, values = \"{values}\", filled = {filled}, sum = {sum} }},");
        }
        text.push_str("]\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Column, Values};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let column = Column { name: "a \"b\"".to_owned(), values: Values::Time, filled: 2, sum: "-0.5".to_owned() };
        let totals = Totals { files: 1, rows: 3, columns: vec![column] };
        let pinned = BTreeMap::from([("flights".to_owned(), totals)]);
        let read: BTreeMap<String, Totals> = toml::from_str(&text(&pinned)).unwrap();
        assert_eq!(read, pinned);
    }
}
