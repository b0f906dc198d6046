//! Reads Parquet as Redshift's columnar COPY does: column by column, matched by position, one row group at a time.
//!
//! Never skips a row: any error ends the statement. The error's text says what is wrong, and so does a row in the
//! system tables.
//!
//! Redshift hands columnar files to Spectrum, whose messages are those of Apache Impala's scanner. AWS documents the
//! options, and that columns are matched by position. It does not document which types fit which. So every rule below
//! names its origin: *documented* by AWS, *seen* in texts that users of Redshift have published, from *Impala's*
//! scanner, or *inferred*.

mod nested;
mod refusal;
mod schema;
mod value;

use bytes::Bytes;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::reader::RowIter;

use super::super::error::SqlError;
use super::columns::{Column, Target};
use super::parse::{Compression, Options};
use super::record::{Fields, Flow};
use super::unpack;
pub(super) use refusal::{File, noted, without_length};
use schema::{How, Step};
use value::Written;

/// Rows held in memory at once.
const BATCH: usize = 1024;
const MAGIC: &[u8] = b"PAR1";

/// Passes every row of a file to `row`, as PostgreSQL's COPY reads it. Returns the number of rows.
///
/// `length` is the file's length according to the manifest.
pub(super) fn read(
    file: &File<'_>,
    data: &Bytes,
    length: Option<u64>,
    target: &Target,
    options: &Options,
    mut row: impl FnMut(&[u8]) -> Flow,
) -> Result<u64, SqlError> {
    let reader = open(file, data, length)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let steps = schema::steps(file, &schema, &target.columns, options)?;
    let mut rows = 0;
    for index in 0..reader.num_row_groups() {
        let group = reader.get_row_group(index).map_err(|error| file.corrupt(&error))?;
        let mut columns = columns(file, group.as_ref(), &steps, &target.columns, options)?;
        let total = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        let mut done = 0;
        while done < total {
            let count = BATCH.min(total - done);
            for column in &mut columns {
                column.fill(count)?;
            }
            for at in 0..count {
                rows += 1;
                if row(&line(&columns, at)) == Flow::Stop {
                    return Ok(rows);
                }
            }
            done += count;
        }
    }
    Ok(rows)
}

/// Spectrum looks for the footer at the end of the file according to the manifest (*inferred* from the documented
/// purpose of `content_length`). It checks nothing else to recognise a Parquet file (*seen*: "invalid version number").
fn open(file: &File<'_>, data: &Bytes, length: Option<u64>) -> Result<SerializedFileReader<Bytes>, SqlError> {
    let length = length.map_or(data.len(), |length| usize::try_from(length).unwrap_or(usize::MAX));
    let content = if length <= data.len() { data.slice(..length) } else { Bytes::new() };
    let content = unpacked(file, content)?;
    if content.len() < 12 || !content.ends_with(MAGIC) {
        return Err(file.no_parquet(&content[content.len().saturating_sub(MAGIC.len())..]));
    }
    let footer = content.len() - 8;
    SerializedFileReader::new(content).map_err(|error| file.broken_footer(footer, &error))
}

/// *Documented*: the extension of the file's name decides how the file is unpacked.
fn unpacked(file: &File<'_>, content: Bytes) -> Result<Bytes, SqlError> {
    match file.listed.key.rsplit_once('.') {
        Some((_, "gz")) => unpack::unpack(&content, Compression::Gzip, &file.listed.url()),
        Some((_, end @ ("snappy" | "bz2"))) => Err(file.unsupported(&format!("a Parquet file in .{end}"))),
        _ => Ok(content),
    }
}

fn line(columns: &[Reading<'_>], at: usize) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            line.push(b'\t');
        }
        let fields = &column.fields;
        line.extend_from_slice(if fields.is_null(at) { b"\\N" } else { fields.get(at) });
    }
    line.push(b'\n');
    line
}

/// One column of the table while it is being read.
struct Reading<'a> {
    file: &'a File<'a>,
    column: &'a Column,
    options: &'a Options,
    from: From<'a>,
    /// The rows of this batch, as PostgreSQL reads them.
    fields: Fields,
}

/// The source of a column's values.
enum From<'a> {
    Leaf {
        reader: Box<ColumnReader>,
        how: How,
        optional: bool,
    },
    Nested(Box<RowIter<'a>>),
    /// FILLRECORD: the file has fewer columns.
    Nowhere,
}

fn columns<'a>(
    file: &'a File<'a>,
    group: &'a dyn RowGroupReader,
    steps: &[Step],
    columns: &'a [Column],
    options: &'a Options,
) -> Result<Vec<Reading<'a>>, SqlError> {
    let reading = |(step, column): (&Step, &'a Column)| {
        let from = match step {
            Step::Leaf { leaf, how, optional } => {
                let reader = group.get_column_reader(*leaf).map_err(|error| file.corrupt(&error))?;
                From::Leaf { reader: Box::new(reader), how: *how, optional: *optional }
            }
            Step::Nested(projection) => {
                let rows = RowIter::from_row_group(Some(projection.clone()), group);
                From::Nested(Box::new(rows.map_err(|error| file.corrupt(&error))?))
            }
            Step::Nowhere => From::Nowhere,
        };
        Ok(Reading { file, column, options, from, fields: Fields::default() })
    };
    steps.iter().zip(columns).map(reading).collect()
}

impl Reading<'_> {
    /// Reads the next `count` values.
    fn fill(&mut self, count: usize) -> Result<(), SqlError> {
        let Self { file, column, options, from, fields } = self;
        fields.clear();
        let mut out = Filling { file, column, options, fields, written: Vec::new() };
        match from {
            From::Leaf { reader, how, optional } => {
                let how = *how;
                match reader.as_mut() {
                    ColumnReader::BoolColumnReader(reader) => out.leaf(reader, count, *optional, how),
                    ColumnReader::Int32ColumnReader(reader) => out.leaf(reader, count, *optional, how),
                    ColumnReader::Int64ColumnReader(reader) => out.leaf(reader, count, *optional, how),
                    ColumnReader::Int96ColumnReader(reader) => out.leaf(reader, count, *optional, how),
                    ColumnReader::FloatColumnReader(reader) => out.leaf(reader, count, *optional, how),
                    ColumnReader::DoubleColumnReader(reader) => out.leaf(reader, count, *optional, how),
                    ColumnReader::ByteArrayColumnReader(reader) => out.leaf(reader, count, *optional, how),
                    ColumnReader::FixedLenByteArrayColumnReader(reader) => out.leaf(reader, count, *optional, how),
                }?;
            }
            From::Nested(rows) => {
                for row in rows.by_ref().take(count) {
                    out.nested(&row.map_err(|error| file.corrupt(&error))?)?;
                }
            }
            From::Nowhere => (0..count).try_for_each(|_| out.null())?,
        }
        if out.fields.len() == count {
            return Ok(());
        }
        let short = format!("{} of {count} values of column {}", out.fields.len(), column.name);
        Err(file.corrupt(&ParquetError::EOF(short)))
    }
}

/// The values of one batch of one column while they are being written.
struct Filling<'a> {
    file: &'a File<'a>,
    column: &'a Column,
    options: &'a Options,
    fields: &'a mut Fields,
    written: Vec<u8>,
}

impl Filling<'_> {
    fn leaf<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        count: usize,
        optional: bool,
        how: How,
    ) -> Result<(), SqlError>
    where
        T::T: value::Value,
    {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let read = reader.read_records(count, optional.then_some(&mut levels), None, &mut values);
        let (records, ..) = read.map_err(|error| self.file.corrupt(&error))?;
        let mut values = values.iter();
        if !optional {
            return values.try_for_each(|value| self.value(value, how));
        }
        // A top-level column is null at level 0 and has a value at level 1.
        levels.iter().take(records).try_for_each(|level| match level {
            0 => self.null(),
            _ => values.next().map_or(Ok(()), |value| self.value(value, how)),
        })
    }

    fn value(&mut self, value: &impl value::Value, how: How) -> Result<(), SqlError> {
        self.written.clear();
        match value.write(how, self.column, self.options, &mut self.written) {
            Ok(Written::Value) => {
                self.fields.extend(&self.written);
                self.fields.end(0);
                Ok(())
            }
            Ok(Written::Null) => self.null(),
            Err(fault) => Err(self.file.value(self.column, &fault)),
        }
    }

    fn nested(&mut self, row: &parquet::record::Row) -> Result<(), SqlError> {
        let Some(json) = nested::json(row) else {
            return self.null();
        };
        let compact = super::semi::compact(json.as_bytes())
            .map_err(|fault| self.file.value(self.column, &refusal::Fault::Value(fault.message)))?;
        super::convert::escape(&compact, &mut self.written);
        self.fields.extend(&self.written);
        self.fields.end(0);
        self.written.clear();
        Ok(())
    }

    fn null(&mut self) -> Result<(), SqlError> {
        if self.column.not_null {
            return Err(self.file.null(self.column));
        }
        self.fields.end_null();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
