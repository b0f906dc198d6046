//! Formats: a pattern, or whatever `'auto'` recognises.
//!
//! Never guesses beyond what Redshift documents.

use super::parts::{Cursor, Parts};

/// Reads `field` by a DATEFORMAT or TIMEFORMAT pattern.
pub(super) fn pattern(field: &str, format: &str, zoned: bool) -> Option<Parts> {
    let mut cursor = Cursor { text: field, parts: Parts::default() };
    let upper = format.to_ascii_uppercase();
    let mut rest = upper.as_str();
    while !rest.is_empty() {
        rest = element(rest, &mut cursor)?;
    }
    if zoned {
        cursor.zone();
    }
    cursor.finish()
}

/// Reads the first element of `format` and returns the rest of the format.
fn element<'a>(format: &'a str, cursor: &mut Cursor<'_>) -> Option<&'a str> {
    let names = ["YYYY", "YY", "MONTH", "MON", "MM", "DD", "HH24", "HH12", "HH", "MI", "SS", "AM", "PM"];
    let Some(name) = names.iter().find(|name| format.starts_with(**name)) else {
        let separator = format.chars().next()?;
        return cursor.take(separator.encode_utf8(&mut [0; 4])).then(|| &format[separator.len_utf8()..]);
    };
    match *name {
        "YYYY" => cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?,
        "YY" => cursor.parts.year = short_year(cursor.number(2, 2)?)?,
        "MONTH" | "MON" => cursor.parts.month = cursor.month_name()?,
        "MM" => cursor.parts.month = cursor.number(1, 2)?,
        "DD" => cursor.parts.day = cursor.number(1, 2)?,
        "HH24" | "HH12" | "HH" => cursor.parts.hour = cursor.number(1, 2)?,
        "MI" => cursor.parts.minute = cursor.number(1, 2)?,
        "SS" => {
            cursor.parts.second = cursor.number(1, 2)?;
            cursor.fraction();
        }
        _ => {
            cursor.half_day();
            cursor.parts.afternoon?;
        }
    }
    Some(&format[name.len()..])
}

/// 69 is 2069, 70 is 1970.
fn short_year(year: u32) -> Option<i32> {
    i32::try_from(if year < 70 { year + 2000 } else { year + 1900 }).ok()
}

/// Reads `field` in any of the formats that `'auto'` recognises.
pub(super) fn recognise(field: &str) -> Option<Parts> {
    let mut cursor = Cursor { text: field, parts: Parts::default() };
    auto_date(&mut cursor)?;
    if cursor.take("T") || cursor.take(" ") {
        cursor.text = cursor.text.trim_start();
        cursor.clock()?;
        cursor.zone();
    }
    cursor.finish()
}

fn auto_date(cursor: &mut Cursor<'_>) -> Option<()> {
    if let Some(month) = cursor.month_name() {
        // Mon DD, YYYY
        cursor.parts.month = month;
        separators(cursor);
        cursor.parts.day = cursor.number(1, 2)?;
        separators(cursor);
        cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?;
        return Some(());
    }
    let digits = cursor.text.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        8 => {
            cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?;
            cursor.parts.month = cursor.number(2, 2)?;
            cursor.parts.day = cursor.number(2, 2)?;
        }
        4 => {
            cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?;
            separator(cursor)?;
            cursor.parts.month = cursor.month_name().or_else(|| cursor.number(1, 2))?;
            separator(cursor)?;
            cursor.parts.day = cursor.number(1, 2)?;
        }
        1 | 2 => day_and_month(cursor)?,
        _ => return None,
    }
    Some(())
}

/// `MM/DD/YYYY`, `MM-DD-YYYY`, `DD.MM.YYYY`, `DD-Mon-YYYY`.
fn day_and_month(cursor: &mut Cursor<'_>) -> Option<()> {
    let first = cursor.number(1, 2)?;
    let between = cursor.text.chars().next()?;
    separator(cursor)?;
    if let Some(month) = cursor.month_name() {
        (cursor.parts.day, cursor.parts.month) = (first, month);
    } else {
        let second = cursor.number(1, 2)?;
        (cursor.parts.month, cursor.parts.day) = if between == '.' { (second, first) } else { (first, second) };
    }
    separator(cursor)?;
    cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?;
    Some(())
}

fn separator(cursor: &mut Cursor<'_>) -> Option<()> {
    ["-", "/", ".", " "].iter().any(|separator| cursor.take(separator)).then_some(())
}

fn separators(cursor: &mut Cursor<'_>) {
    cursor.text = cursor.text.trim_start_matches(['-', '/', '.', ',', ' ']);
}
