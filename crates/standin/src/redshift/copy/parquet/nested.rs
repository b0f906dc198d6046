//! Writes a nested value as JSON, for a SUPER column.
//!
//! Never changes the file's order of members or elements. AWS documents that SERIALIZETOJSON turns nested values into
//! JSON, but not what the JSON looks like: all of this is *inferred*.

use std::fmt::Write as _;

use parquet::data_type::Decimal;
use parquet::record::{Field, Row};
use serde_json::Value;

/// The only column of a projected row; none for null.
pub(super) fn json(row: &Row) -> Option<String> {
    let (_, field) = row.get_column_iter().next()?;
    let mut out = String::new();
    if !matches!(field, Field::Null) {
        write(field, &mut out);
    }
    (!out.is_empty()).then_some(out)
}

fn write(field: &Field, out: &mut String) {
    match field {
        Field::Group(row) => object(row.get_column_iter().map(|(name, field)| (name.clone(), field)), out),
        Field::MapInternal(map) => object(map.entries().iter().map(|(key, field)| (name(key), field)), out),
        Field::ListInternal(list) => {
            for (index, element) in list.elements().iter().enumerate() {
                out.push(if index == 0 { '[' } else { ',' });
                write(element, out);
            }
            out.push_str(if list.len() == 0 { "[]" } else { "]" });
        }
        Field::Null => out.push_str("null"),
        Field::Str(text) => string(text, out),
        Field::Bytes(bytes) => string(&String::from_utf8_lossy(bytes.data()), out),
        Field::Float(value) => number(f64::from(*value).is_finite(), value, out),
        Field::Double(value) => number(value.is_finite(), value, out),
        Field::Decimal(value) => out.push_str(&decimal(value)),
        Field::Bool(_)
        | Field::Byte(_)
        | Field::Short(_)
        | Field::Int(_)
        | Field::Long(_)
        | Field::UByte(_)
        | Field::UShort(_)
        | Field::UInt(_)
        | Field::ULong(_) => number(true, field, out),
        // Dates and times.
        other => string(&other.to_string(), out),
    }
}

fn object<'a>(entries: impl Iterator<Item = (String, &'a Field)>, out: &mut String) {
    out.push('{');
    for (index, (name, field)) in entries.enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(&name, out);
        out.push(':');
        write(field, out);
    }
    out.push('}');
}

fn name(key: &Field) -> String {
    match key {
        Field::Str(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number(finite: bool, value: &impl std::fmt::Display, out: &mut String) {
    // Writing into a string cannot fail.
    let _ = if finite { write!(out, "{value}") } else { write!(out, "null") };
}

fn decimal(value: &Decimal) -> String {
    // Without a fraction the text ends in its decimal point.
    Field::Decimal(value.clone()).to_string().trim_end_matches('.').to_owned()
}

fn string(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}
