//! From the text of a field to a value of its column, checked as Redshift checks it, written as PostgreSQL's COPY reads it.
//!
//! Never lets PostgreSQL decide what Redshift decides differently: lengths in bytes, digits cut off, what is null.

use super::columns::{Column, Kind};
use super::datetime;
use super::parse::Options;
use super::record::Fault;

/// A string that its column is too short for.
pub(super) const TOO_LONG: i32 = 1204;

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

/// The same of what is not null.
pub(super) fn value(kind: Kind, field: &[u8], options: &Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    match kind {
        Kind::Short => integer(field, "Short", i64::from(i16::MIN), i64::from(i16::MAX), out),
        Kind::Integer => integer(field, "Integer", i64::from(i32::MIN), i64::from(i32::MAX), out),
        Kind::Long => integer(field, "Long", i64::MIN, i64::MAX, out),
        Kind::Decimal { precision, scale } => {
            decimal(field, precision as usize, scale as usize, options.round_dec, out)
        }
        Kind::Real => float(field, "Float", out),
        Kind::Double => float(field, "Double", out),
        Kind::Boolean => boolean(field, out),
        Kind::Char(length) => char_value(field, length, options, out),
        Kind::Varchar(length) => varchar(field, length, options, out),
        Kind::Date | Kind::Timestamp | Kind::TimestampTz | Kind::Time | Kind::TimeTz => {
            out.extend_from_slice(datetime::convert(kind, text(field)?, options)?.as_bytes());
            Ok(())
        }
        Kind::Super => super_value(field, out),
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

fn digit(field: &[u8], position: usize, kind: &str, code: i32) -> Fault {
    let value = String::from_utf8_lossy(&field[position..]).chars().next().map(String::from).unwrap_or_default();
    Fault { code, message: format!("Invalid digit, Value '{value}', Pos {position}, Type: {kind}"), position }
}

fn integer(field: &[u8], kind: &'static str, least: i64, most: i64, out: &mut Vec<u8>) -> Result<(), Fault> {
    let trimmed = field.trim_ascii();
    let lead = field.len() - field.trim_ascii_start().len();
    let sign = usize::from(matches!(trimmed.first(), Some(b'-' | b'+')));
    if let Some(wrong) = trimmed[sign..].iter().position(|byte| !byte.is_ascii_digit()) {
        return Err(digit(field, lead + sign + wrong, kind, 1207));
    }
    if trimmed.len() == sign {
        return Err(digit(field, lead, kind, 1207));
    }
    let value = std::str::from_utf8(trimmed).ok().and_then(|text| text.parse::<i64>().ok());
    if value.is_none_or(|value| value < least || value > most) {
        return Err(Fault::new(1222, format!("Overflow ({kind} valid range {least} to {most})")));
    }
    out.extend_from_slice(trimmed);
    Ok(())
}

/// Digits that the column has no place for are cut off, or rounded with `ROUNDEC`.
fn decimal(field: &[u8], precision: usize, scale: usize, round: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
    let trimmed = field.trim_ascii();
    let lead = field.len() - field.trim_ascii_start().len();
    let negative = trimmed.first() == Some(&b'-');
    let sign = usize::from(matches!(trimmed.first(), Some(b'-' | b'+')));
    let number = &trimmed[sign..];
    let point = number.iter().position(|byte| *byte == b'.').unwrap_or(number.len());
    let fraction = number.get(point + 1..).unwrap_or_default();
    let whole = &number[..point];
    let bad = |byte: &u8| !byte.is_ascii_digit();
    if let Some(wrong) = whole.iter().position(bad).or_else(|| fraction.iter().position(bad).map(|at| point + 1 + at)) {
        return Err(digit(field, lead + sign + wrong, "Decimal", 1209));
    }
    if whole.is_empty() && fraction.is_empty() {
        return Err(digit(field, lead, "Decimal", 1209));
    }
    let mut digits: Vec<u8> = whole.iter().copied().skip_while(|byte| *byte == b'0').collect();
    let kept = fraction.len().min(scale);
    digits.extend_from_slice(&fraction[..kept]);
    let up = round && fraction.get(scale).is_some_and(|next| *next >= b'5');
    if up {
        increment(&mut digits);
    }
    let whole_digits = digits.iter().skip_while(|byte| **byte == b'0').count().saturating_sub(kept);
    if whole_digits > precision - scale.min(precision) {
        return Err(Fault::new(1222, format!("Overflow for NUMERIC({precision},{scale})")));
    }
    if negative {
        out.push(b'-');
    }
    while digits.len() <= kept {
        digits.insert(0, b'0');
    }
    let point = digits.len() - kept;
    out.extend_from_slice(&digits[..point]);
    if kept > 0 {
        out.push(b'.');
        out.extend_from_slice(&digits[point..]);
    }
    Ok(())
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

fn float(field: &[u8], kind: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let trimmed = field.trim_ascii();
    let parsed = std::str::from_utf8(trimmed).ok().and_then(|text| text.parse::<f64>().ok());
    let Some(value) = parsed else {
        let wrong = field
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E' | b' '))
            .unwrap_or(0);
        return Err(digit(field, wrong, kind, 1208));
    };
    let named = trimmed.iter().any(|byte| matches!(byte, b'n' | b'N'));
    let too_large = if kind == "Float" { value.abs() > f64::from(f32::MAX) } else { value.is_infinite() };
    if too_large && !named {
        return Err(Fault::new(1222, format!("Overflow for type {kind}")));
    }
    out.extend_from_slice(trimmed);
    Ok(())
}

fn boolean(field: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let value = match field.trim_ascii().to_ascii_lowercase().as_slice() {
        b"t" | b"true" | b"y" | b"yes" | b"1" => b't',
        b"f" | b"false" | b"n" | b"no" | b"0" => b'f',
        _ => return Err(Fault::new(1210, "Unknown boolean format")),
    };
    out.push(value);
    Ok(())
}

fn char_value(field: &[u8], length: usize, options: &Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    let field = nul(field, options)?;
    let field = if options.trim_blanks { field.trim_ascii_end() } else { field };
    if let Some(wrong) = field.iter().position(|byte| !byte.is_ascii()) {
        let bytes = hexadecimal(field[wrong..].iter().take_while(|byte| !byte.is_ascii()).take(4));
        let message =
            format!("Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: {bytes}");
        return Err(Fault { code: 1220, message, position: wrong });
    }
    // Blanks at the end mean nothing in a CHAR.
    let fits = field.len() <= length || field[length..].iter().all(|byte| *byte == b' ');
    if !fits && !options.truncate_columns {
        return Err(Fault::new(TOO_LONG, "Char length exceeds DDL length"));
    }
    escape(&field[..field.len().min(length)], out);
    Ok(())
}

fn varchar(field: &[u8], length: usize, options: &Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    let field = nul(field, options)?;
    let field = if options.trim_blanks { field.trim_ascii_end() } else { field };
    if field.len() <= length && field.is_ascii() {
        escape(field, out);
        return Ok(());
    }
    let replaced;
    let text = match (std::str::from_utf8(field), options.accept_inv_chars) {
        (Ok(text), _) => text,
        (Err(_), Some(replacement)) => {
            replaced = replace_invalid(field, replacement);
            &replaced
        }
        (Err(error), None) => {
            return Err(codepoints(field, error.valid_up_to(), error.error_len()));
        }
    };
    if text.len() <= length {
        escape(text.as_bytes(), out);
        return Ok(());
    }
    if !options.truncate_columns {
        return Err(Fault::new(TOO_LONG, "String length exceeds DDL length"));
    }
    escape(&text.as_bytes()[..text.floor_char_boundary(length)], out);
    Ok(())
}

/// NUL ends nothing here, and PostgreSQL cannot store it.
fn nul<'a>(field: &'a [u8], options: &Options) -> Result<&'a [u8], Fault> {
    match field.iter().position(|byte| *byte == 0) {
        None => Ok(field),
        Some(position) if options.null_as == [0] => {
            Err(Fault { code: 1218, message: "Invalid null byte - field longer than 1 byte".to_owned(), position })
        }
        Some(position) => Err(Fault {
            code: 1216,
            message: "Missing newline: Unexpected character 0x0 found in the field".to_owned(),
            position,
        }),
    }
}

fn codepoints(field: &[u8], position: usize, length: Option<usize>) -> Fault {
    let bytes = hexadecimal(field[position..].iter().take(length.unwrap_or(4).max(1)));
    let message = format!(
        "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: {bytes} (error {})",
        utf8_error(field[position], length)
    );
    Fault { code: 1220, message, position }
}

/// Redshift's numbers for what is wrong with a sequence: 2 it is incomplete, 3 its first byte cannot begin one, 4 a later byte is out of range.
fn utf8_error(first: u8, length: Option<usize>) -> u8 {
    match (first, length) {
        (_, None) => 2,
        (0x80..=0xc1 | 0xf5..=0xff, _) => 3,
        _ => 4,
    }
}

fn hexadecimal<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.map(|byte| format!("{byte:x}")).collect::<Vec<_>>().join(" ")
}

/// Every invalid byte becomes the replacement, so that the length stays.
fn replace_invalid(field: &[u8], replacement: u8) -> String {
    let mut text = String::with_capacity(field.len());
    for chunk in field.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::from(replacement)));
    }
    text
}

fn super_value(field: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(field) {
        return Err(Fault {
            code: 1224,
            message: format!("Invalid JSON value for a SUPER column: {error}"),
            position: error.column().saturating_sub(1),
        });
    }
    escape(field, out);
    Ok(())
}

fn text(field: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(field).map_err(|error| codepoints(field, error.valid_up_to(), error.error_len()))
}

/// As PostgreSQL's COPY text format wants it.
pub(super) fn escape(field: &[u8], out: &mut Vec<u8>) {
    let mut rest = field;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\n' | b'\r' | b'\t')) {
        out.extend_from_slice(&rest[..at]);
        let letter = match rest[at] {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => b'\\',
        };
        out.extend_from_slice(&[b'\\', letter]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn with(kind: Kind, field: &[u8], options: &Options) -> Result<String, (i32, String)> {
        let column = Column { name: "c".to_owned(), kind, not_null: false, identity: false };
        let mut out = Vec::new();
        convert(&column, Some(field), options, &mut out).map_err(|fault| (fault.code, fault.message))?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn plain(kind: Kind, field: &str) -> Result<String, (i32, String)> {
        with(kind, field.as_bytes(), &Options::default())
    }

    #[test_case(Kind::Short, "-32768", "-32768"; "least short")]
    #[test_case(Kind::Integer, " 12 ", "12"; "blanks around a number")]
    #[test_case(Kind::Long, "+9223372036854775807", "+9223372036854775807"; "greatest long")]
    #[test_case(Kind::Integer, "", "\\N"; "an empty number is null")]
    #[test_case(Kind::Integer, "  ", "\\N"; "a blank number is null")]
    #[test_case(Kind::Varchar(5), "", ""; "an empty string is not null")]
    #[test_case(Kind::Varchar(5), "\\N", "\\N"; "the default null string")]
    #[test_case(Kind::Varchar(9), "a\\b\tc", "a\\\\b\\tc"; "escaped for postgres")]
    #[test_case(Kind::Decimal { precision: 8, scale: 2 }, "20.259", "20.25"; "cut off")]
    #[test_case(Kind::Decimal { precision: 8, scale: 2 }, "-.5", "-0.5"; "no whole part")]
    #[test_case(Kind::Decimal { precision: 4, scale: 2 }, "0012.3", "12.3"; "zeros in front")]
    #[test_case(Kind::Decimal { precision: 3, scale: 0 }, "999.9", "999"; "no scale")]
    #[test_case(Kind::Double, "1e-3", "1e-3"; "exponent")]
    #[test_case(Kind::Boolean, "Yes", "t"; "yes")]
    #[test_case(Kind::Boolean, "0", "f"; "zero")]
    #[test_case(Kind::Char(3), "ab    ", "ab "; "blanks that do not fit a char")]
    #[test_case(Kind::Varchar(2), "é", "é"; "two bytes fit")]
    #[test_case(Kind::Super, "{\"a\": [1]}", "{\"a\": [1]}"; "json")]
    fn values(kind: Kind, field: &str, expected: &str) {
        assert_eq!(plain(kind, field).as_deref(), Ok(expected));
    }

    #[test_case(Kind::Integer, "a", 1207, "Invalid digit, Value 'a', Pos 0, Type: Integer"; "letter")]
    #[test_case(Kind::Integer, "12.5", 1207, "Invalid digit, Value '.', Pos 2, Type: Integer"; "point")]
    #[test_case(Kind::Short, "32768", 1222, "Overflow (Short valid range -32768 to 32767)"; "short")]
    #[test_case(Kind::Long, "9223372036854775808", 1222, "Overflow (Long valid range -9223372036854775808 to 9223372036854775807)"; "long")]
    #[test_case(Kind::Decimal { precision: 4, scale: 2 }, "123.4", 1222, "Overflow for NUMERIC(4,2)"; "numeric")]
    #[test_case(Kind::Decimal { precision: 4, scale: 2 }, "1.2.3", 1209, "Invalid digit, Value '.', Pos 3, Type: Decimal"; "two points")]
    #[test_case(Kind::Double, "1,5", 1208, "Invalid digit, Value ',', Pos 1, Type: Double"; "comma")]
    #[test_case(Kind::Boolean, "maybe", 1210, "Unknown boolean format"; "boolean")]
    #[test_case(Kind::Varchar(1), "é", 1204, "String length exceeds DDL length"; "bytes count, not characters")]
    #[test_case(Kind::Char(9), "é", 1220, "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: c3 a9"; "char")]
    #[test_case(Kind::Super, "{", 1224, "Invalid JSON value for a SUPER column: EOF while parsing an object at line 1 column 1"; "json")]
    fn faults(kind: Kind, field: &str, code: i32, message: &str) {
        assert_eq!(plain(kind, field), Err((code, message.to_owned())));
    }

    #[test]
    fn invalid_characters_are_refused_or_replaced_byte_by_byte() {
        let field = b"a\xa4b\xe2\x82";
        let refused = with(Kind::Varchar(9), field, &Options::default()).unwrap_err();
        assert_eq!(
            refused,
            (
                1220,
                "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: a4 (error 3)"
                    .to_owned()
            )
        );
        let options = Options { accept_inv_chars: Some(b'?'), ..Options::default() };
        assert_eq!(with(Kind::Varchar(9), field, &options).as_deref(), Ok("a?b??"));
    }

    #[test]
    fn options_change_what_is_loaded() {
        let default = Options::default();
        let truncate = Options { truncate_columns: true, ..default.clone() };
        assert_eq!(with(Kind::Varchar(4), "aéé".as_bytes(), &truncate).as_deref(), Ok("aé"));
        let empty = Options { empty_as_null: true, ..default.clone() };
        assert_eq!(with(Kind::Varchar(4), b"", &empty).as_deref(), Ok("\\N"));
        let blanks = Options { blanks_as_null: true, ..default.clone() };
        assert_eq!(with(Kind::Varchar(4), b"  ", &blanks).as_deref(), Ok("\\N"));
        assert_eq!(with(Kind::Varchar(4), b"", &blanks).as_deref(), Ok(""));
        let trim = Options { trim_blanks: true, ..default.clone() };
        assert_eq!(with(Kind::Varchar(4), b"ab    ", &trim).as_deref(), Ok("ab"));
        let round = Options { round_dec: true, ..default.clone() };
        let decimal = Kind::Decimal { precision: 4, scale: 2 };
        assert_eq!(with(decimal, b"20.255", &round).as_deref(), Ok("20.26"));
        assert_eq!(with(decimal, b"9.995", &round).as_deref(), Ok("10.00"));
        let nul = Options { null_as: vec![0], ..default };
        assert_eq!(with(Kind::Varchar(4), b"\0", &nul).as_deref(), Ok("\\N"));
        assert_eq!(with(Kind::Varchar(4), b"a\0", &nul).unwrap_err().0, 1218);
    }

    #[test]
    fn null_in_a_column_that_must_not_be() {
        let column = Column { name: "c".to_owned(), kind: Kind::Integer, not_null: true, identity: false };
        let fault = convert(&column, None, &Options::default(), &mut Vec::new()).unwrap_err();
        assert_eq!((fault.code, fault.message.as_str()), (1213, "Missing data for not-null field"));
    }
}
