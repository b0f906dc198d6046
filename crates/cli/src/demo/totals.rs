//! The totals of the source files: rows, and for every column the number of its values and their sum.
//!
//! Never reads the files with the reader of a load: a total that comes out of the warehouse the same is right. The sums
//! are such that any single altered value changes them.

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

/// Why files cannot be added up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TotalsError {
    #[error("cannot unpack {path}: {source}")]
    Unpack {
        /// The file that is not gzip.
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot read {path} as CSV: {source}")]
    Csv {
        /// The file that is not CSV with a header.
        path: PathBuf,
        /// Why, and in which line.
        source: csv::Error,
    },
    #[error("{path} has other columns than the files before it: {found}, not {expected}")]
    Header {
        /// The first file whose columns differ.
        path: PathBuf,
        /// Its columns.
        found: String,
        /// The columns of the files before it.
        expected: String,
    },
    #[error("the sum of column {column} is too large")]
    Overflow {
        /// The column's name.
        column: String,
    },
}

/// Adds up the files. `null` is the text that stands for NULL.
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

/// The columns, each with the kind that fits all of its values.
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

/// Whether the field is not NULL. COPY reads an empty field as NULL unless the column is text.
fn has_value(field: &str, values: Values, null: &str) -> bool {
    field != null && (values == Values::Text || !field.is_empty())
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

    /// The kind that fits these values and `field`.
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

/// The running sum of a column.
struct Sum {
    values: Values,
    filled: u64,
    /// `None` once it is too large.
    total: Option<Decimal>,
    /// What each value counts for: a column has few different values, and each is costly to parse.
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

/// What a value counts for. The first pass has made sure that it can be read as this kind.
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
