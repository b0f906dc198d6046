//! Whole files, written by the crate's own writer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::sync::Arc;

use parquet::basic::{Compression as Codec, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use test_case::test_case;

use super::super::columns::Kind;
use super::super::names::Listed;
use super::*;

/// A number and a string in each row.
type Rows<'a> = &'a [(i32, Option<&'a [u8]>)];

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

/// A file with a number and a string per row, in these row groups.
fn written(groups: &[Rows<'_>], properties: WriterPropertiesBuilder) -> Bytes {
    let schema = parse_message_type("message m { required int32 id; optional binary label (UTF8); }").unwrap();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build())).unwrap();
    for rows in groups {
        let mut group = writer.next_row_group().unwrap();
        let ids: Vec<i32> = rows.iter().map(|(id, _)| *id).collect();
        let levels: Vec<i16> = rows.iter().map(|(_, label)| i16::from(label.is_some())).collect();
        let labels: Vec<ByteArray> =
            rows.iter().filter_map(|(_, label)| *label).map(|label| ByteArray::from(label.to_vec())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&ids, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&labels, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap().into()
}

fn simple() -> Bytes {
    written(&[&[(1, Some(b"one")), (2, None)]], properties())
}

fn column(name: &str, kind: Kind, not_null: bool) -> Column {
    Column { name: name.to_owned(), kind, not_null, identity: false }
}

fn table() -> Vec<Column> {
    vec![column("id", Kind::Integer, true), column("label", Kind::Varchar(10), false)]
}

struct Case {
    key: &'static str,
    data: Bytes,
    length: Option<u64>,
    columns: Vec<Column>,
    options: Options,
}

impl Case {
    fn new(data: Bytes) -> Self {
        Self { key: "in/f.parquet", data, length: None, columns: table(), options: Options::default() }
    }

    fn all(&self, mut row: impl FnMut(&[u8]) -> Flow) -> Result<u64, String> {
        let listed = Listed { bucket: "b".to_owned(), key: self.key.to_owned(), mandatory: true, length: None };
        let file = File { listed: &listed, region: "us-east-1", query_id: 7 };
        let target = Target { sql_name: "t".to_owned(), name: "t".to_owned(), oid: 0, columns: self.columns.clone() };
        read(&file, &self.data, self.length, &target, &self.options, &mut row).map_err(|error| error.0)
    }

    fn rows(&self) -> String {
        let mut out = Vec::new();
        let rows = self.all(|row| {
            out.extend_from_slice(row);
            Flow::Continue
        });
        assert_eq!(rows.unwrap(), out.split_inclusive(|byte| *byte == b'\n').count() as u64);
        String::from_utf8(out).unwrap()
    }

    /// The text after `context:`.
    fn context(&self) -> String {
        let error = self.all(|_| Flow::Continue).unwrap_err();
        assert!(error.starts_with("Spectrum Scan Error\n  Detail: \n  -----"), "{error}");
        assert!(error.contains("\n  error:  Spectrum Scan Error\n  code:      15007\n  context:   "), "{error}");
        let context = error.split("context:   ").nth(1).unwrap();
        context.split("\n  query:     7\n").next().unwrap().to_owned()
    }
}

const URL: &str = "https://s3.us-east-1.amazonaws.com/b/in/f.parquet";

#[test_case(properties(); "as the writer likes it, with a dictionary")]
#[test_case(properties().set_dictionary_enabled(false); "plain pages")]
#[test_case(properties().set_dictionary_enabled(false).set_writer_version(WriterVersion::PARQUET_2_0); "deltas, in pages of version 2")]
#[test_case(properties().set_data_page_row_count_limit(1).set_write_batch_size(1); "a page for each row")]
#[test_case(properties().set_compression(Codec::SNAPPY); "snappy")]
#[test_case(properties().set_compression(Codec::GZIP(GzipLevel::default())); "gzip")]
#[test_case(properties().set_compression(Codec::ZSTD(ZstdLevel::default())); "zstd")]
fn every_row_of_every_row_group(properties: WriterPropertiesBuilder) {
    let groups: &[Rows<'_>] = &[
        &[(1, Some(b"a\tb")), (2, None), (3, Some(b""))],
        &[],
        &[(4, None)],
        &[(-5, Some(b"\\N")), (6, Some(b"a\tb"))],
    ];
    let case = Case::new(written(groups, properties));
    assert_eq!(case.rows(), "1\ta\\tb\n2\t\\N\n3\t\n4\t\\N\n-5\t\\\\N\n6\ta\\tb\n");
}

#[test]
fn a_row_group_longer_than_a_batch() {
    let labels: Vec<Option<Vec<u8>>> =
        (0..=2 * BATCH).map(|id| (id % 3 > 0).then(|| id.to_string().into_bytes())).collect();
    let rows: Vec<(i32, Option<&[u8]>)> = (0..).zip(labels.iter().map(Option::as_deref)).collect();
    let expected: String = rows
        .iter()
        .map(|(id, label)| if label.is_some() { format!("{id}\t{id}\n") } else { format!("{id}\t\\N\n") })
        .collect();
    assert_eq!(Case::new(written(&[&rows], properties())).rows(), expected);
}

#[test]
fn a_file_without_a_row() {
    assert_eq!(Case::new(written(&[], properties())).rows(), "");
    assert_eq!(Case::new(written(&[&[]], properties())).rows(), "");
}

#[test]
fn whoever_has_enough_says_so() {
    assert_eq!(Case::new(simple()).all(|_| Flow::Stop), Ok(1));
}

#[test]
fn what_is_no_parquet_file_is_told_by_its_url() {
    let version = |end: &str| format!("File '{URL}' has an invalid version number: {end}");
    assert_eq!(Case::new(Bytes::from_static(b"id,label\n1,one\n")).context(), version("one\\n"));
    assert_eq!(Case::new(Bytes::from_static(b"PAR1")).context(), version("PAR1"), "too short");
    assert_eq!(Case::new(Bytes::new()).context(), version(""));
    let whole = simple();
    let cut = Case::new(whole.slice(..whole.len() - 1)).context();
    assert!(cut.starts_with(&version("")), "{cut}");
    let broken = [b"PAR1".as_slice(), &[0xff; 40], &40_u32.to_le_bytes(), b"PAR1"].concat();
    let broken = Case::new(broken.into()).context();
    assert!(
        broken.starts_with(&format!("File '{URL}' has invalid file metadata at file offset 44. Error = ")),
        "{broken}"
    );
}

#[test]
fn pages_that_are_damaged_are_told_by_their_file() {
    let mut bytes = written(&[&[(1, Some(b"one"))]], properties().set_compression(Codec::SNAPPY)).to_vec();
    // The first page's header and content, after the magic bytes.
    bytes[4..24].fill(0xff);
    let context = Case::new(bytes.into()).context();
    assert!(context.starts_with(&format!("Corrupt Parquet file '{URL}': ")), "{context}");
}

#[test]
fn the_manifests_length_is_where_the_file_ends() {
    let mut case = Case::new(simple());
    case.length = Some(case.data.len() as u64);
    assert_eq!(case.rows(), "1\tone\n2\t\\N\n");
    case.length = Some(case.data.len() as u64 - 1);
    assert!(case.context().starts_with(&format!("File '{URL}' has an invalid version number: ")));
    case.length = Some(case.data.len() as u64 + 1);
    assert_eq!(case.context(), format!("File '{URL}' has an invalid version number: "));
}

#[test]
fn a_string_that_is_too_long_is_told_with_its_file_last() {
    let case = Case::new(written(&[&[(1, Some(b"x")), (2, Some(&[b'x'; 20]))]], properties()));
    let expected = "The length of the data column label is longer than the length defined in the table. Table: 10, Data: 20, File name: ";
    assert_eq!(case.context(), format!("{expected}{URL}"));
}

#[test]
fn a_context_is_cut_off_wherever_that_is() {
    let mut case = Case::new(written(&[&[(2, Some(&[b'x'; 20]))]], properties()));
    case.key = "in/year=2026/month=11/part-00000-6034cb60-860e-4a6c-a86d-6b1d9b1e4f7a-c000.snappy.parquet\
                .of-a-name-that-is-long-enough-for-the-text-to-end-in-it.parquet";
    let context = case.context();
    assert_eq!(context.len(), 256);
    assert!(context.contains("/b/in/year%3D2026/month%3D11/part-00000-6034cb60-860e"), "{context}");
    assert!(!context.contains("enough"), "{context}");
}

#[test]
fn null_where_none_may_be_is_told_without_a_file() {
    let mut case = Case::new(simple());
    case.columns[1].not_null = true;
    assert_eq!(case.context(), "NULL value in column label, which is defined as NOT NULL in the table");
}

#[test]
fn columns_that_the_file_has_not_are_null() {
    let mut case = Case::new(simple());
    case.columns.push(column("more", Kind::Varchar(5), false));
    let expected = format!(
        "Unmatched number of columns between table and file. Table columns: 3, Data columns: 2, File name: {URL}"
    );
    assert_eq!(case.context(), expected);
    case.options.fill_record = true;
    assert_eq!(case.rows(), "1\tone\t\\N\n2\t\\N\t\\N\n");
    case.columns[2].not_null = true;
    assert!(case.context().starts_with("NULL value in column more"));
}

#[test]
fn what_is_no_utf_8_may_be_accepted() {
    let mut case = Case::new(written(&[&[(1, Some(b"a\xff"))]], properties()));
    assert!(case.context().ends_with(&format!("Column: label, File name: {URL}")), "{}", case.context());
    case.options.accept_inv_chars = Some(b'?');
    assert_eq!(case.rows(), "1\ta?\n");
}

#[test]
fn a_file_is_unpacked_by_the_end_of_its_name() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&simple()).unwrap();
    let mut case = Case::new(packed.finish().unwrap().into());
    case.key = "in/f.parquet.gz";
    case.length = Some(case.data.len() as u64);
    assert_eq!(case.rows(), "1\tone\n2\t\\N\n");
    case.key = "in/f.bz2";
    let error = case.all(|_| Flow::Continue).unwrap_err();
    assert_eq!(
        error,
        "this stand-in does not do a Parquet file in .bz2: it is not supported here, although Redshift has it\n  Detail: s3://b/in/f.bz2"
    );
}

#[test]
fn nested_values_become_json() {
    let schema =
        "message m { required int64 id; optional group xs (LIST) { repeated group list { optional int32 element; } } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut ids = group.next_column().unwrap().unwrap();
    ids.typed::<Int64Type>().write_batch(&[1, 2, 3], None, None).unwrap();
    ids.close().unwrap();
    let mut xs = group.next_column().unwrap().unwrap();
    // [7, null], [], null
    xs.typed::<Int32Type>().write_batch(&[7], Some(&[3, 2, 1, 0]), Some(&[0, 1, 0, 0])).unwrap();
    xs.close().unwrap();
    group.close().unwrap();
    let mut case = Case::new(writer.into_inner().unwrap().into());
    case.columns = vec![column("id", Kind::Long, true), column("xs", Kind::Super, false)];
    case.options.serialize_to_json = true;
    assert_eq!(case.rows(), "1\t[7,null]\n2\t[]\n3\t\\N\n");
    // A string is not a nested value, and a string that is null in the file stays null.
    let mut case = Case::new(simple());
    case.columns[1].kind = Kind::Super;
    case.options.serialize_to_json = true;
    assert_eq!(case.rows(), "1\t\"one\"\n2\t\\N\n");
}
