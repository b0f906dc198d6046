//! Converts the text of a field to a value of its column: checked as Redshift checks it, written as PostgreSQL's COPY
//! reads it.
//!
//! Never lets PostgreSQL decide what Redshift decides differently: lengths in bytes, truncated digits, ranges, nulls.

mod number;
mod text;

use super::columns::{Column, Kind};
use super::parse::Options;
use super::record::Fault;
use super::{datetime, semi};

pub(super) use text::{TOO_LONG, end_at_nul, escape};

/// Writes one value to `out`, without the separator.
pub(crate) fn convert(
    column: &Column,
    field: Option<&[u8]>,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let Some(field) = field.filter(|field| !null(column.kind, field, options)) else {
        return write_null(column, out);
    };
    match value(column.kind, field, options, out) {
        Err(_) if column.kind.is_time() && options.accept_any_date => write_null(column, out),
        written => written,
    }
}

/// Writes a field that is not null.
pub(super) fn value(kind: Kind, field: &[u8], options: &Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    match kind {
        Kind::Short => number::integer(field, "Short", i64::from(i16::MIN), i64::from(i16::MAX), out),
        Kind::Integer => number::integer(field, "Integer", i64::from(i32::MIN), i64::from(i32::MAX), out),
        Kind::Long => number::integer(field, "Long", i64::MIN, i64::MAX, out),
        Kind::Decimal { precision, scale } => {
            number::decimal(field, precision as usize, scale as usize, options.round_dec, out)
        }
        Kind::Real => number::float(field, number::Float::Real, out),
        Kind::Double => number::float(field, number::Float::Double, out),
        Kind::Boolean => number::boolean(field, out),
        Kind::Char(length) => text::char_value(field, length, options, out),
        Kind::Varchar(length) => text::varchar(field, length, options, out),
        Kind::Date | Kind::Timestamp | Kind::TimestampTz | Kind::Time | Kind::TimeTz => {
            out.extend_from_slice(datetime::convert(kind, text::utf8(field)?, options)?.as_bytes());
            Ok(())
        }
        Kind::Super => {
            let compact = semi::compact(text::utf8(field)?.as_bytes())?;
            escape(&compact, out);
            Ok(())
        }
        Kind::Other => {
            escape(field, out);
            Ok(())
        }
    }
}

fn null(kind: Kind, field: &[u8], options: &Options) -> bool {
    if field == options.null_as {
        return true;
    }
    let blank = || field.iter().all(u8::is_ascii_whitespace);
    match kind {
        _ if kind.is_text() => {
            (options.empty_as_null && field.is_empty()) || (options.blanks_as_null && !field.is_empty() && blank())
        }
        _ => blank(),
    }
}

fn write_null(column: &Column, out: &mut Vec<u8>) -> Result<(), Fault> {
    if column.not_null {
        return Err(Fault::new(1213, "Missing data for not-null field"));
    }
    out.extend_from_slice(b"\\N");
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
