//! What the source files add up to: rows, and for every column how many values it has and a sum over them.
//!
//! Reads the files itself, with another reader than any load: a total that comes out of the warehouse the same is right.
//! The sums are such that no single altered value leaves them as they were.

mod pinned;

use std::collections::HashMap;
use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

pub(crate) use pinned::{Pinned, PinnedError};

use super::decimal::Decimal;
use super::source::Source;

/// What the files of one feed add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Totals {
    /// How many files.
    pub(crate) files: u64,
    /// How many rows in all of them, headers not counted.
    pub(crate) rows: u64,
    /// Every column, in the order of the files.
    pub(crate) columns: Vec<Column>,
}

/// What one column adds up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    /// Its name in the files' header, and in the table.
    pub(crate) name: String,
    /// What its values are, and so what is added.
    pub(crate) values: Values,
    /// How many rows have a value here.
    pub(crate) filled: u64,
    /// The sum, as exact decimal text.
    pub(crate) sum: String,
}

/// What the values of a column are.
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

/// Why files cannot be added up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TotalsError {
    /// A file that is not gzip, or no text.
    #[error("cannot unpack {path}: {source}")]
    Unpack {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not CSV with a header.
    #[error("cannot read {path} as CSV: {source}")]
    Csv {
        /// Which.
        path: PathBuf,
        /// Why, and in which line.
        source: csv::Error,
    },
    /// Files of one feed that differ in their columns.
    #[error("{path} has other columns than the files before it: {found}, not {expected}")]
    Header {
        /// Which.
        path: PathBuf,
        /// Its columns.
        found: String,
        /// The others'.
        expected: String,
    },
    /// More than the sum can hold.
    #[error("the sum of column {column} is too large")]
    Overflow {
        /// Which.
        column: String,
    },
}

/// Adds up the files; `null` is the text that stands for no value.
pub(crate) fn add_up(files: &[Source], null: &str) -> Result<Totals, TotalsError> {
    let unpacked: Vec<_> = files.iter().map(unpack).collect::<Result<_, _>>()?;
    let mut kinds = Kinds::default();
    for (file, text) in files.iter().zip(&unpacked) {
        kinds.look(file, text, null)?;
    }
    let mut sums: Vec<Sum> = kinds.columns.iter().map(|(_, values)| Sum::of(*values)).collect();
    for (file, text) in files.iter().zip(&unpacked) {
        add(file, text, null, &mut sums)?;
    }
    let columns = kinds.columns.into_iter().zip(sums).map(|((name, values), sum)| sum.finish(name, values));
    Ok(Totals { files: files.len() as u64, rows: kinds.rows, columns: columns.collect::<Result<_, _>>()? })
}

fn unpack(file: &Source) -> Result<Vec<u8>, TotalsError> {
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(&file.body[..]).read_to_end(&mut text);
    read.map_err(|source| TotalsError::Unpack { path: file.path.clone(), source })?;
    Ok(text)
}

/// The columns, and what all values of each can be taken for.
#[derive(Default)]
struct Kinds {
    columns: Vec<(String, Values)>,
    rows: u64,
}

impl Kinds {
    fn look(&mut self, file: &Source, text: &[u8], null: &str) -> Result<(), TotalsError> {
        let wrong = |source| TotalsError::Csv { path: file.path.clone(), source };
        let mut reader = csv::Reader::from_reader(text);
        self.head(file, reader.headers().map_err(wrong)?)?;
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(wrong)? {
            self.rows += 1;
            for ((_, values), field) in self.columns.iter_mut().zip(&record) {
                if has_value(field, *values, null) {
                    *values = values.widened(field);
                }
            }
        }
        Ok(())
    }

    fn head(&mut self, file: &Source, header: &csv::StringRecord) -> Result<(), TotalsError> {
        if self.columns.is_empty() {
            self.columns = header.iter().map(|name| (name.to_owned(), Values::Number)).collect();
        }
        if header.iter().eq(self.columns.iter().map(|(name, _)| name.as_str())) {
            return Ok(());
        }
        let expected: Vec<_> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let found: Vec<_> = header.iter().collect();
        let (found, expected) = (found.join(","), expected.join(","));
        Err(TotalsError::Header { path: file.path.clone(), found, expected })
    }
}

/// Whether the field is something else than NULL: COPY reads an empty field as NULL where the column is no text.
fn has_value(field: &str, values: Values, null: &str) -> bool {
    field != null && (values == Values::Text || !field.is_empty())
}

impl Values {
    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Time => "time",
            Self::Text => "text",
        }
    }

    /// What these values and `field` can both be taken for.
    fn widened(self, field: &str) -> Self {
        let number = || field.parse::<Decimal>().is_ok();
        let time = || field.parse::<Timestamp>().is_ok();
        match self {
            Self::Number if number() => Self::Number,
            Self::Number | Self::Time if time() => Self::Time,
            _ => Self::Text,
        }
    }
}

/// Adds the file's values.
fn add(file: &Source, text: &[u8], null: &str, sums: &mut [Sum]) -> Result<(), TotalsError> {
    let wrong = |source| TotalsError::Csv { path: file.path.clone(), source };
    let mut reader = csv::Reader::from_reader(text);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(wrong)? {
        for (sum, field) in sums.iter_mut().zip(&record) {
            if has_value(field, sum.values, null) {
                sum.add(field);
            }
        }
    }
    Ok(())
}

/// The sum of a column as it grows.
struct Sum {
    values: Values,
    filled: u64,
    /// `None` once it is too large.
    total: Option<Decimal>,
    /// A column has few different values, and each is costly to take apart.
    known: HashMap<String, Decimal>,
}

impl Sum {
    fn of(values: Values) -> Self {
        Self { values, filled: 0, total: Some(Decimal::default()), known: HashMap::new() }
    }

    fn add(&mut self, field: &str) {
        self.filled += 1;
        let amount = match self.known.get(field) {
            Some(amount) => *amount,
            None => *self.known.entry(field.to_owned()).or_insert(amount(field, self.values)),
        };
        self.total = self.total.and_then(|total| total.plus(amount));
    }

    fn finish(self, name: String, values: Values) -> Result<Column, TotalsError> {
        match self.total {
            Some(total) => Ok(Column { name, values, filled: self.filled, sum: total.to_string() }),
            None => Err(TotalsError::Overflow { column: name }),
        }
    }
}

/// What a value counts for. It has been seen before that it can be read so.
fn amount(field: &str, values: Values) -> Decimal {
    match values {
        Values::Number => field.parse().unwrap_or_default(),
        Values::Time => field.parse::<Timestamp>().map(Timestamp::as_second).unwrap_or_default().into(),
        Values::Text => {
            let [a, b, c, d, ..]: [u8; 16] = Md5::digest(field.as_bytes()).into();
            i64::from(u32::from_be_bytes([a, b, c, d])).into()
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

    #[test]
    fn files_have_the_same_columns() {
        let error = add_up(&[file("a,b\n"), file("b,a\n")], "NA").unwrap_err();
        assert_eq!(error.to_string(), "a.csv.gz has other columns than the files before it: b,a, not a,b");
    }

    #[test]
    fn a_row_that_is_too_short_is_named() {
        let error = add_up(&[file("a,b\n1,2\n3\n")], "NA").unwrap_err().to_string();
        assert!(error.starts_with("cannot read a.csv.gz as CSV:") && error.contains("line: 3"), "{error}");
    }
}
