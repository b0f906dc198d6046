//! Which column of a file fills which column of the table, and whether its type fits.
//!
//! Never reads a value. See [`super`] for the meaning of *seen* and the other marks.
//!
//! One file, because half of it is the tests of one table of types.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use super::super::super::error::SqlError;
use super::super::columns::{Column, Kind};
use super::super::parse::Options;
use super::refusal::File;

/// How one column of the table is filled.
#[derive(Debug)]
pub(super) enum Step {
    Leaf {
        leaf: usize,
        how: How,
        optional: bool,
    },
    /// The file's schema with this one column.
    Nested(Type),
    Nowhere,
}

/// How to interpret the values of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Unchanged.
    Plain,
    /// Integers without their decimal point, which belongs before this many digits.
    Decimal(u32),
    /// Days since 1970.
    Date,
    /// Time units since 1970; this many of them are a second.
    Timestamp(u32),
    /// A scalar of JSON.
    Super,
}

/// One step for each column of the table. *Documented*: columns match by position, and the file has as many as the
/// table.
pub(super) fn steps(
    file: &File<'_>,
    schema: &SchemaDescriptor,
    columns: &[Column],
    options: &Options,
) -> Result<Vec<Step>, SqlError> {
    let fields = schema.root_schema().get_fields();
    // *Seen*: with FILLRECORD, trailing columns that the file does not have are null.
    let fits = fields.len() == columns.len() || (options.fill_record && fields.len() < columns.len());
    if !fits {
        return Err(file.unmatched(columns.len(), fields.len()));
    }
    let first = |field: usize| (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == field);
    let step = |(index, column): (usize, &Column)| {
        let Some(field) = fields.get(index) else {
            return Ok(Step::Nowhere);
        };
        let leaf = first(index).map(|leaf| (leaf, schema.column(leaf)));
        match leaf {
            Some((leaf, descriptor)) if field.is_primitive() && descriptor.max_rep_level() == 0 => {
                let how = how(file, column, &descriptor, leaf, options)?;
                Ok(Step::Leaf { leaf, how, optional: descriptor.max_def_level() > 0 })
            }
            _ => nested(file, column, field, schema, options),
        }
    };
    columns.iter().enumerate().map(step).collect()
}

/// Lists, maps and structures: *documented* only for SUPER with SERIALIZETOJSON.
fn nested(
    file: &File<'_>,
    column: &Column,
    field: &Arc<Type>,
    schema: &SchemaDescriptor,
    options: &Options,
) -> Result<Step, SqlError> {
    if column.kind != Kind::Super {
        return Err(file.unsupported(&format!("a nested Parquet column for the column {}", column.name)));
    }
    serialized(options)?;
    let projection = Type::group_type_builder(schema.name()).with_fields(vec![Arc::clone(field)]).build();
    projection.map(Step::Nested).map_err(|error| file.corrupt(&error))
}

/// *Seen*.
fn serialized(options: &Options) -> Result<(), SqlError> {
    if options.serialize_to_json {
        return Ok(());
    }
    Err(SqlError::new("SUPER column in COPY query requires SERIALIZETOJSON option"))
}

fn how(
    file: &File<'_>,
    column: &Column,
    leaf: &ColumnDescriptor,
    index: usize,
    options: &Options,
) -> Result<How, SqlError> {
    match column.kind {
        Kind::Super => {
            serialized(options)?;
            // *Inferred*: without its annotation, such a number would become a different one.
            let plain = matches!(annotation(leaf), Annotation::Plain | Annotation::Text);
            let scalar = !matches!(leaf.physical_type(), Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY);
            return if plain && scalar {
                Ok(How::Super)
            } else {
                Err(file.unsupported(&format!("a {} for the SUPER column {}", printed(leaf, index), column.name)))
            };
        }
        Kind::Other => {
            return Err(
                file.unsupported(&format!("Parquet for the column {}, whose type Redshift has not", column.name))
            );
        }
        _ => {}
    }
    let fits = fits(column.kind, leaf).ok_or_else(|| file.incompatible(column, &printed(leaf, index)))?;
    if let Kind::Decimal { precision, scale } = column.kind {
        decimal(file, column, leaf, precision, scale)?;
    }
    Ok(fits)
}

/// What the schema says about a number beyond its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Annotation {
    Plain,
    Text,
    Decimal,
    Date,
    /// This many units are a second.
    Timestamp(u32),
    /// Times of day, unsigned numbers, UUIDs, BSON and anything else that no Redshift column holds.
    Strange,
}

fn annotation(leaf: &ColumnDescriptor) -> Annotation {
    match leaf.logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => {
            return Annotation::Timestamp(match timestamp.unit {
                TimeUnit::MILLIS => 1_000,
                TimeUnit::MICROS => 1_000_000,
                TimeUnit::NANOS => 1_000_000_000,
            });
        }
        Some(LogicalType::Uuid | LogicalType::Float16) => return Annotation::Strange,
        _ => {}
    }
    match leaf.converted_type() {
        ConvertedType::NONE
        | ConvertedType::INT_8
        | ConvertedType::INT_16
        | ConvertedType::INT_32
        | ConvertedType::INT_64 => Annotation::Plain,
        ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Annotation::Text,
        ConvertedType::DECIMAL => Annotation::Decimal,
        ConvertedType::DATE => Annotation::Date,
        ConvertedType::TIMESTAMP_MILLIS => Annotation::Timestamp(1_000),
        ConvertedType::TIMESTAMP_MICROS => Annotation::Timestamp(1_000_000),
        _ => Annotation::Strange,
    }
}

/// The types that fit.
///
/// Even a narrower number does not fit a wider one, nor the other way round: *seen* for INT64 into INTEGER and DOUBLE
/// into DECIMAL, *Impala's* for the rest. That an annotation must fit too is *inferred*, as are TIMESTAMP in
/// milliseconds and nanoseconds and all of TIMESTAMPTZ. Microseconds were *seen*. INT96 is Impala's original timestamp.
fn fits(kind: Kind, leaf: &ColumnDescriptor) -> Option<How> {
    let how = match (kind, leaf.physical_type(), annotation(leaf)) {
        (Kind::Boolean, Physical::BOOLEAN, Annotation::Plain)
        | (Kind::Short | Kind::Integer, Physical::INT32, Annotation::Plain)
        | (Kind::Long, Physical::INT64, Annotation::Plain)
        | (Kind::Real, Physical::FLOAT, Annotation::Plain)
        | (Kind::Double, Physical::DOUBLE, Annotation::Plain)
        | (Kind::Char(_) | Kind::Varchar(_), Physical::BYTE_ARRAY, Annotation::Plain | Annotation::Text) => How::Plain,
        (Kind::Date, Physical::INT32, Annotation::Date) => How::Date,
        (Kind::Timestamp | Kind::TimestampTz, Physical::INT96, _) => How::Timestamp(1_000_000_000),
        (Kind::Timestamp | Kind::TimestampTz, Physical::INT64, Annotation::Timestamp(unit)) => How::Timestamp(unit),
        (
            Kind::Decimal { scale, .. },
            Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY,
            Annotation::Decimal,
        ) => How::Decimal(scale),
        _ => return None,
    };
    Some(how)
}

/// *Seen*: a fixed-length decimal has the length that the table's precision needs. *Impala's*: scale and precision are
/// those of the table.
fn decimal(
    file: &File<'_>,
    column: &Column,
    leaf: &ColumnDescriptor,
    precision: u32,
    scale: u32,
) -> Result<(), SqlError> {
    let expected = bytes_of(precision);
    let found = leaf.type_length();
    if leaf.physical_type() == Physical::FIXED_LEN_BYTE_ARRAY && usize::try_from(found) != Ok(expected) {
        return Err(file.type_length(column, expected, found));
    }
    for (what, found, expected) in
        [("scale", leaf.type_scale(), scale), ("precision", leaf.type_precision(), precision)]
    {
        if u32::try_from(found) != Ok(expected) {
            return Err(file.unlike_table(column, what, found, expected));
        }
    }
    Ok(())
}

/// The number of bytes that this many digits need, with their sign.
fn bytes_of(precision: u32) -> usize {
    let greatest = 10_u128.checked_pow(precision).unwrap_or(u128::MAX) - 1;
    let bits = 129 - greatest.leading_zeros();
    bits.div_ceil(8) as usize
}

/// The column in Impala's notation: `optional byte_array x [i:0 d:1 r:0]`.
fn printed(leaf: &ColumnDescriptor, index: usize) -> String {
    let info = leaf.self_type().get_basic_info();
    let repetition = if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED };
    format!(
        "{} {} {} [i:{index} d:{} r:{}]",
        repetition.to_string().to_lowercase(),
        leaf.physical_type().to_string().to_lowercase(),
        leaf.name(),
        leaf.max_def_level(),
        leaf.max_rep_level()
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use parquet::schema::parser::parse_message_type;
    use test_case::test_case;

    use super::super::super::names::Listed;
    use super::*;

    fn plan(file: &str, columns: &[Kind], options: &Options) -> Result<Vec<Step>, String> {
        let schema = SchemaDescriptor::new(Arc::new(parse_message_type(&format!("message m {{ {file} }}")).unwrap()));
        let listed = Listed { bucket: "b".to_owned(), key: "k".to_owned(), mandatory: true, length: None };
        let file = File { listed: &listed, region: "us-east-1", query_id: 7 };
        let column = |kind: &Kind| Column { name: "c".to_owned(), kind: *kind, not_null: false, identity: false };
        let columns: Vec<Column> = columns.iter().map(column).collect();
        steps(&file, &schema, &columns, options).map_err(|error| {
            let context = error.0.lines().find_map(|line| line.strip_prefix("  context:   "));
            context.unwrap_or(&error.0).to_owned()
        })
    }

    fn one(file: &str, kind: Kind) -> Option<How> {
        match plan(file, &[kind], &Options::default()) {
            Ok(steps) => match steps[0] {
                Step::Leaf { leaf: 0, how, optional: true } => Some(how),
                ref other => panic!("{other:?}"),
            },
            Err(error) => {
                assert!(error.contains("has an incompatible Parquet schema for column 's3://b/k.c'"), "{error}");
                None
            }
        }
    }

    #[test_case("optional boolean x", Kind::Boolean => Some(How::Plain); "boolean")]
    #[test_case("optional int32 x", Kind::Boolean => None; "number into boolean")]
    #[test_case("optional int32 x", Kind::Integer => Some(How::Plain); "int32")]
    #[test_case("optional int32 x", Kind::Short => Some(How::Plain); "int32 into smallint")]
    #[test_case("optional int32 x (INTEGER(16,true))", Kind::Short => Some(How::Plain); "int16")]
    #[test_case("optional int32 x (INTEGER(8,true))", Kind::Integer => Some(How::Plain); "int8 into integer")]
    #[test_case("optional int32 x (INTEGER(32,false))", Kind::Integer => None; "unsigned")]
    #[test_case("optional int32 x", Kind::Long => None; "int32 into bigint")]
    #[test_case("optional int64 x", Kind::Long => Some(How::Plain); "int64")]
    #[test_case("optional int64 x", Kind::Integer => None; "int64 into integer")]
    #[test_case("optional int64 x", Kind::Timestamp => None; "number into timestamp")]
    #[test_case("optional int64 x (TIMESTAMP(MICROS,true))", Kind::Long => None; "timestamp into number")]
    #[test_case("optional float x", Kind::Real => Some(How::Plain); "float")]
    #[test_case("optional float x", Kind::Double => None; "float into double")]
    #[test_case("optional double x", Kind::Double => Some(How::Plain); "double")]
    #[test_case("optional double x", Kind::Real => None; "double into real")]
    #[test_case("optional double x", Kind::Decimal { precision: 12, scale: 2 } => None; "double into decimal")]
    #[test_case("optional binary x (UTF8)", Kind::Varchar(9) => Some(How::Plain); "string")]
    #[test_case("optional binary x", Kind::Char(9) => Some(How::Plain); "bytes")]
    #[test_case("optional binary x (JSON)", Kind::Varchar(9) => Some(How::Plain); "json")]
    #[test_case("optional binary x (UTF8)", Kind::Integer => None; "string into number")]
    #[test_case("optional binary x (UTF8)", Kind::Date => None; "string into date")]
    #[test_case("optional int32 x", Kind::Varchar(9) => None; "number into string")]
    #[test_case("optional fixed_len_byte_array(16) x (UUID)", Kind::Varchar(36) => None; "uuid")]
    #[test_case("optional int32 x (DATE)", Kind::Date => Some(How::Date); "date")]
    #[test_case("optional int32 x (DATE)", Kind::Integer => None; "date into number")]
    #[test_case("optional int32 x (DATE)", Kind::Timestamp => None; "date into timestamp")]
    #[test_case("optional int64 x (TIME(MICROS,true))", Kind::Time => None; "time of day")]
    #[test_case("optional int96 x", Kind::Timestamp => Some(How::Timestamp(1_000_000_000)); "int96")]
    #[test_case("optional int64 x (TIMESTAMP_MILLIS)", Kind::Timestamp => Some(How::Timestamp(1_000)); "milliseconds")]
    #[test_case("optional int64 x (TIMESTAMP(MICROS,false))", Kind::Timestamp => Some(How::Timestamp(1_000_000)); "microseconds")]
    #[test_case("optional int64 x (TIMESTAMP(NANOS,true))", Kind::TimestampTz => Some(How::Timestamp(1_000_000_000)); "nanoseconds")]
    #[test_case("optional int32 x (DECIMAL(4,2))", Kind::Decimal { precision: 4, scale: 2 } => Some(How::Decimal(2)); "decimal in int32")]
    #[test_case("optional int64 x (DECIMAL(18,2))", Kind::Decimal { precision: 18, scale: 2 } => Some(How::Decimal(2)); "decimal in int64")]
    #[test_case("optional binary x (DECIMAL(18,2))", Kind::Decimal { precision: 18, scale: 2 } => Some(How::Decimal(2)); "decimal in bytes")]
    #[test_case("optional fixed_len_byte_array(8) x (DECIMAL(18,2))", Kind::Decimal { precision: 18, scale: 2 } => Some(How::Decimal(2)); "decimal in fixed bytes")]
    #[test_case("optional binary x (DECIMAL(18,2))", Kind::Varchar(20) => None; "decimal into string")]
    fn types(file: &str, kind: Kind) -> Option<How> {
        one(&format!("{file};"), kind)
    }

    #[test]
    fn a_wrong_type_is_told_as_impala_tells_it() {
        assert_eq!(
            plan("optional binary x (UTF8);", &[Kind::Integer], &Options::default()).unwrap_err(),
            "File 'https://s3.us-east-1.amazonaws.com/b/k' has an incompatible Parquet schema for column 's3://b/k.c'. Column type: INT, Parquet schema:"
        );
        let schema = parse_message_type("message m { required int32 a; optional binary x (UTF8); }").unwrap();
        let schema = SchemaDescriptor::new(Arc::new(schema));
        assert_eq!(printed(&schema.column(1), 1), "optional byte_array x [i:1 d:1 r:0]");
    }

    #[test_case("optional fixed_len_byte_array(13) x (DECIMAL(29,9));", "column 'c' has an invalid type length. Expecting: 8 len in file: 13"; "length")]
    #[test_case("optional fixed_len_byte_array(8) x (DECIMAL(18,2));", "column 'c' has a scale that does not match the table metadata scale. File metadata scale: 2, table metadata scale: 9"; "scale")]
    #[test_case("optional int64 x (DECIMAL(17,9));", "column 'c' has a precision that does not match the table metadata precision. File metadata precision: 17, table metadata precision: 18"; "precision")]
    fn decimals_are_exactly_the_tables(file: &str, error: &str) {
        let said = plan(file, &[Kind::Decimal { precision: 18, scale: 9 }], &Options::default()).unwrap_err();
        assert_eq!(said, format!("File 'https://s3.us-east-1.amazonaws.com/b/k' {error}"));
    }

    #[test_case(1 => 1)]
    #[test_case(2 => 1)]
    #[test_case(3 => 2)]
    #[test_case(9 => 4)]
    #[test_case(12 => 6)]
    #[test_case(18 => 8)]
    #[test_case(19 => 9)]
    #[test_case(29 => 13)]
    #[test_case(38 => 16)]
    fn bytes_for_digits(precision: u32) -> usize {
        bytes_of(precision)
    }

    #[test]
    fn columns_go_by_position_and_their_number_must_match() {
        let two = "required int32 b; required binary a (UTF8);";
        let steps = plan(two, &[Kind::Integer, Kind::Varchar(3)], &Options::default()).unwrap();
        assert!(matches!(steps[..], [Step::Leaf { leaf: 0, .. }, Step::Leaf { leaf: 1, optional: false, .. }]));
        let fill = Options { fill_record: true, ..Options::default() };
        let unmatched = |table| {
            format!(
                "Unmatched number of columns between table and file. Table columns: {table}, Data columns: 2, File name: https://s3.us-east-1.amazonaws.com/b/k"
            )
        };
        assert_eq!(plan(two, &[Kind::Integer], &Options::default()).unwrap_err(), unmatched(1));
        assert_eq!(plan(two, &[Kind::Integer], &fill).unwrap_err(), unmatched(1), "never more than the table has");
        let three = [Kind::Integer, Kind::Varchar(3), Kind::Varchar(3)];
        assert_eq!(plan(two, &three, &Options::default()).unwrap_err(), unmatched(3));
        assert!(matches!(plan(two, &three, &fill).unwrap()[2], Step::Nowhere));
    }

    #[test]
    fn nested_columns_are_for_super_alone() {
        let list = "required int32 a; optional group x (LIST) { repeated group list { optional binary element (UTF8); } } required int32 z;";
        let kinds = |kind| [Kind::Integer, kind, Kind::Integer];
        let json = Options { serialize_to_json: true, ..Options::default() };
        let steps = plan(list, &kinds(Kind::Super), &json).unwrap();
        assert!(matches!(steps[..], [_, Step::Nested(_), Step::Leaf { leaf: 2, .. }]), "{steps:?}");
        let error = plan(list, &kinds(Kind::Varchar(9)), &json).unwrap_err();
        assert_eq!(
            error,
            "this stand-in does not do a nested Parquet column for the column c: it is not supported here, although Redshift has it\n  Detail: s3://b/k"
        );
        let needs = "SUPER column in COPY query requires SERIALIZETOJSON option";
        assert_eq!(plan(list, &kinds(Kind::Super), &Options::default()).unwrap_err(), needs);
        assert_eq!(plan("required binary x (UTF8);", &[Kind::Super], &Options::default()).unwrap_err(), needs);
        assert!(plan("required int32 x (DATE);", &[Kind::Super], &json).unwrap_err().contains("not supported"));
        // An old way to write a list.
        assert!(matches!(plan("repeated int32 x;", &[Kind::Super], &json).unwrap()[..], [Step::Nested(_)]));
    }
}
