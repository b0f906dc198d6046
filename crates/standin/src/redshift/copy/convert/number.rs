//! Numbers and booleans: their digits, their ranges.
//!
//! Never rounds unless `ROUNDEC` says so, and never turns a number into a different one: an underflow is refused.

use super::super::record::Fault;

/// The largest number that fits in 8 bytes. Values of at most 19 digits are stored in 8 bytes, whatever their column's
/// scale.
/// Source: Amazon Redshift Database Developer Guide, "Numeric types".
const IN_8_BYTES: u128 = 9_223_372_036_854_775_807;
const DIGITS_IN_8_BYTES: usize = 19;

/// A number that does not fit its type. Source: the same guide, "Load error reference".
const OUT_OF_RANGE: i32 = 1204;

fn digit(field: &[u8], position: usize, kind: &str, code: i32) -> Fault {
    let value = String::from_utf8_lossy(&field[position..]).chars().next().map(String::from).unwrap_or_default();
    Fault { code, message: format!("Invalid digit, Value '{value}', Pos {position}, Type: {kind}"), position }
}

pub(super) fn integer(field: &[u8], kind: &'static str, least: i64, most: i64, out: &mut Vec<u8>) -> Result<(), Fault> {
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

/// Digits beyond the column's scale are cut off, or rounded with `ROUNDEC`.
pub(super) fn decimal(
    field: &[u8],
    precision: usize,
    scale: usize,
    round: bool,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
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
    if !fits(&digits, kept, precision, scale) {
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

/// Whether a column can hold these digits, the last `fraction` of which are decimal places.
fn fits(digits: &[u8], fraction: usize, precision: usize, scale: usize) -> bool {
    let significant = digits.iter().skip_while(|byte| **byte == b'0').count();
    if significant.saturating_sub(fraction) > precision - scale.min(precision) {
        return false;
    }
    if precision > DIGITS_IN_8_BYTES {
        return true;
    }
    // The number as the column stores it: with all digits of its scale.
    let stored = digits.iter().fold(0_u128, |number, digit| number * 10 + u128::from(digit - b'0'));
    let stored = (fraction..scale).fold(stored, |number, _| number * 10);
    stored <= IN_8_BYTES
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

/// A floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float {
    Real,
    Double,
}

impl Float {
    fn name(self) -> &'static str {
        match self {
            Self::Real => "Float",
            Self::Double => "Double",
        }
    }

    /// The number nearest to `text` that the type can hold, and the smallest positive number that it holds with full
    /// precision.
    fn nearest(self, text: &str) -> Option<(f64, f64)> {
        match self {
            Self::Real => Some((f64::from(text.parse::<f32>().ok()?), f64::from(f32::MIN_POSITIVE))),
            Self::Double => Some((text.parse().ok()?, f64::MIN_POSITIVE)),
        }
    }
}

/// A number too close to zero is refused, like one that is too large. AWS documents ranges, "around 1E-37 to 1E+37" for
/// REAL and "1E-307 to 1E+308" for DOUBLE PRECISION ("Numeric types"), but not what COPY does outside of them.
/// `PostgreSQL` 8.0.2, which Redshift is based on, refuses both ends. Neither loses a number silently.
pub(super) fn float(field: &[u8], kind: Float, out: &mut Vec<u8>) -> Result<(), Fault> {
    let trimmed = field.trim_ascii();
    let Some((value, least)) = std::str::from_utf8(trimmed).ok().and_then(|text| kind.nearest(text)) else {
        let wrong = field
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E' | b' '))
            .unwrap_or(0);
        return Err(digit(field, wrong, kind.name(), 1208));
    };
    let named = trimmed.iter().any(|byte| matches!(byte, b'n' | b'N'));
    let out_of = |what| Err(Fault::new(OUT_OF_RANGE, format!("{what} for type {}", kind.name())));
    if !named && value.is_infinite() {
        return out_of("Overflow");
    }
    if !named && value.abs() < least && !is_zero(trimmed) {
        return out_of("Underflow");
    }
    out.extend_from_slice(trimmed);
    Ok(())
}

/// Whether the digits are all zero, whatever the exponent.
fn is_zero(number: &[u8]) -> bool {
    let digits = number.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    !digits.into_iter().any(|byte| (b'1'..=b'9').contains(byte))
}

pub(super) fn boolean(field: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let value = match field.trim_ascii().to_ascii_lowercase().as_slice() {
        b"t" | b"true" | b"y" | b"yes" | b"1" => b't',
        b"f" | b"false" | b"n" | b"no" | b"0" => b'f',
        _ => return Err(Fault::new(1210, "Unknown boolean format")),
    };
    out.push(value);
    Ok(())
}
