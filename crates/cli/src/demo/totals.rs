//! The totals of the source files: rows, and for every column the number of its values and their sum.
//!
//! Never reads the files with the reader of a load, so that a fault of that reader is found. The sums are exact: any
//! single altered value changes them.

pub(crate) mod pinned;

use std::collections::HashMap;
use std::io::Read as _;

use bigdecimal::BigDecimal;
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::decimal;
use super::source::Source;
use crate::failure::Failure;

/// The totals of one feed's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    /// The number of rows in all files, without headers.
    pub(crate) rows: u64,
    /// Every column, in the order of the files.
    pub(crate) columns: Vec<Column>,
}

/// The totals of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    /// Its name in the files' header, and in the table.
    pub(crate) name: String,
    /// The kind of its values, which decides what is added.
    pub(crate) values: Values,
    /// How many rows have a value here.
    pub(crate) filled: u64,
    /// The sum, as exact decimal text.
    pub(crate) sum: String,
}

/// The kind of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Values {
    /// Decimal numbers; they are added exactly.
    Number,
    /// Moments with a time zone; their Unix seconds are added.
    Time,
    /// Anything else; the first 32 bits of each value's MD5 are added.
    Text,
}

/// Adds up the files. `null` is the text that stands for NULL.
pub(crate) fn add_up(files: &[Source], null: &str) -> Result<Totals, Failure> {
    let mut tallies = Vec::new();
    let mut rows = 0;
    for file in files {
        rows += count(file, &mut tallies)?;
    }
    // A column has the first kind that all of its values are of. Every value is a text.
    let kinds = [Values::Number, Values::Time, Values::Text];
    let column = |tally: &Tally| kinds.into_iter().find_map(|values| tally.total(values, null));
    Ok(Totals { files: files.len() as u64, rows, columns: tallies.iter().filter_map(column).collect() })
}

/// How often each value occurs in a column. A column has few different values.
struct Tally {
    name: String,
    times: HashMap<String, u64>,
}

/// Adds a file's values to the tallies. Returns the number of its rows.
fn count(file: &Source, tallies: &mut Vec<Tally>) -> Result<u64, Failure> {
    let path = file.path.display();
    let wrong = |error| Failure::failed(format!("cannot read {path} as CSV: {error}"));
    let mut text = Vec::new();
    let unpacked = MultiGzDecoder::new(&file.body[..]).read_to_end(&mut text);
    unpacked.map_err(|error| Failure::failed(format!("cannot unpack {path}: {error}")))?;
    let mut reader = csv::Reader::from_reader(&text[..]);
    let header: Vec<&str> = reader.headers().map_err(wrong)?.iter().collect();
    if tallies.is_empty() {
        tallies.extend(header.iter().map(|name| Tally { name: (*name).to_owned(), times: HashMap::new() }));
    }
    let expected: Vec<&str> = tallies.iter().map(|tally| tally.name.as_str()).collect();
    if header != expected {
        let (found, expected) = (header.join(","), expected.join(","));
        let message = format!("{path} has other columns than the files before it: {found}, not {expected}");
        return Err(Failure::failed(message));
    }
    let mut rows = 0;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(wrong)? {
        rows += 1;
        for (tally, value) in tallies.iter_mut().zip(&record) {
            tally.add(value);
        }
    }
    Ok(rows)
}

impl Tally {
    fn add(&mut self, value: &str) {
        match self.times.get_mut(value) {
            Some(times) => *times += 1,
            None => _ = self.times.insert(value.to_owned(), 1),
        }
    }

    /// The column's total, if all its values are of this kind.
    fn total(&self, values: Values, null: &str) -> Option<Column> {
        // COPY reads an empty field as NULL unless the column is text.
        let is_null = |value: &str| value == null || (value.is_empty() && values != Values::Text);
        let (mut filled, mut sum) = (0, BigDecimal::default());
        for (value, times) in self.times.iter().filter(|(value, _)| !is_null(value)) {
            filled += times;
            sum += values.amount(value)? * BigDecimal::from(*times);
        }
        Some(Column { name: self.name.clone(), values, filled, sum: decimal::plain(&sum) })
    }
}

impl Values {
    /// Its name in `totals.toml`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Time => "time",
            Self::Text => "text",
        }
    }

    /// What a value adds to the sum, if it is of this kind.
    fn amount(self, value: &str) -> Option<BigDecimal> {
        match self {
            Self::Number => decimal::read(value),
            Self::Time => Some(value.parse::<Timestamp>().ok()?.as_second().into()),
            Self::Text => {
                let [a, b, c, d, ..]: [u8; 16] = Md5::digest(value.as_bytes()).into();
                Some(u32::from_be_bytes([a, b, c, d]).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn file(text: &str) -> Source {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        Source { path: "a.csv.gz".into(), key: "a.csv.gz".to_owned(), body: gzip.finish().unwrap() }
    }

    fn column(name: &str, values: Values, filled: u64, sum: &str) -> Column {
        Column { name: name.to_owned(), values, filled, sum: sum.to_owned() }
    }

    #[test]
    fn adds_every_column_over_all_files() {
        let files = [
            file("n,t,x\n1,2013-01-01T10:00:00Z,UA\nNA,NA,NA\n"),
            file("n,t,x\n-0.5,1970-01-01T01:00:00+01:00,9\n,,\n"),
        ];
        let totals = add_up(&files, "NA").unwrap();
        let x = 0x3943_d879_u64 + 0x45c4_8cce_u64; // The beginnings of `printf UA | md5sum` and `printf 9 | md5sum`.
        let x = x + 0xd41d_8cd9_u64; // An empty text is a text.
        assert_eq!(totals.rows, 4);
        assert_eq!(
            totals.columns,
            [
                column("n", Values::Number, 2, "0.5"),
                column("t", Values::Time, 2, "1357034400"),
                column("x", Values::Text, 3, &x.to_string()),
            ]
        );
    }

    #[test]
    fn what_follows_a_number_can_make_it_text() {
        let totals = add_up(&[file("a\n1\n2013-01-01T10:00:00Z\n"), file("a\nx\n")], "NA").unwrap();
        assert_eq!((totals.columns[0].values, totals.columns[0].filled), (Values::Text, 3));
    }

    fn refused(files: &[Source]) -> String {
        match add_up(files, "NA") {
            Err(Failure::Failed(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_have_the_same_columns() {
        let error = refused(&[file("a,b\n"), file("b,a\n")]);
        assert_eq!(error, "a.csv.gz has other columns than the files before it: b,a, not a,b");
    }

    #[test]
    fn a_row_that_is_too_short_is_named() {
        let error = refused(&[file("a,b\n1,2\n3\n")]);
        assert!(error.starts_with("cannot read a.csv.gz as CSV:") && error.contains("line: 3"), "{error}");
    }
}
