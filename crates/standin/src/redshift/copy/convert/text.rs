//! Strings: what CHAR and VARCHAR accept, measured in bytes, and what happens to bytes that are not UTF-8.
//!
//! Never measures in characters.
//!
//! Source: Amazon Redshift Database Developer Guide, "Multibyte character load errors", "Data conversion parameters"
//! and "Load error reference".

use super::super::parse::Options;
use super::super::record::Fault;

/// A string that is too long for its column.
pub(crate) const TOO_LONG: i32 = 1204;

pub(super) fn char_value(field: &[u8], length: usize, options: &Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    let field = nul(field, options)?;
    let field = if options.trim_blanks { field.trim_ascii_end() } else { field };
    if let Some(wrong) = field.iter().position(|byte| !byte.is_ascii()) {
        let bytes = hexadecimal(field[wrong..].iter().take_while(|byte| !byte.is_ascii()).take(4));
        let message =
            format!("Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: {bytes}");
        return Err(Fault { code: 1220, message, position: wrong });
    }
    // Trailing blanks have no meaning in a CHAR.
    let fits = field.len() <= length || field[length..].iter().all(|byte| *byte == b' ');
    if !fits && !options.truncate_columns {
        return Err(Fault::new(TOO_LONG, "Char length exceeds DDL length"));
    }
    escape(&field[..field.len().min(length)], out);
    Ok(())
}

pub(super) fn varchar(field: &[u8], length: usize, options: &Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    let field = nul(field, options)?;
    let field = if options.trim_blanks { field.trim_ascii_end() } else { field };
    if field.len() <= length && field.is_ascii() {
        escape(field, out);
        return Ok(());
    }
    let replaced;
    let text = match options.accept_inv_chars {
        Some(replacement) => {
            replaced = replace_invalid(field, replacement);
            &replaced
        }
        None => utf8(field)?,
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

/// A NUL in a field of a line. `PostgreSQL` cannot store it. The guide says that COPY takes it "as any other
/// character"; users have seen 1216 (transferwise/pipelinewise#405).
fn nul<'a>(field: &'a [u8], options: &Options) -> Result<&'a [u8], Fault> {
    match field.iter().position(|byte| *byte == 0) {
        None => Ok(field),
        Some(position) if options.null_as == [0] => Err(longer_than_one(position)),
        Some(position) => Err(Fault {
            code: 1216,
            message: "Missing newline: Unexpected character 0x0 found in the field".to_owned(),
            position,
        }),
    }
}

fn longer_than_one(position: usize) -> Fault {
    Fault { code: 1218, message: "Invalid null byte - field longer than 1 byte".to_owned(), position }
}

/// A string of JSON ends at its first NUL. A string that begins with a NUL and continues is refused.
/// Seen: estuary/connectors#839. That a NUL alone is an empty string is inferred.
pub(crate) fn end_at_nul(text: &[u8]) -> Result<&[u8], Fault> {
    match text.iter().position(|byte| *byte == 0) {
        Some(0) if text.len() > 1 => Err(longer_than_one(0)),
        Some(end) => Ok(&text[..end]),
        None => Ok(text),
    }
}

/// `field`, which must be UTF-8.
pub(super) fn utf8(field: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(field).map_err(|error| codepoints(field, error.valid_up_to()))
}

fn codepoints(field: &[u8], position: usize) -> Fault {
    let (sequence, error) = sequence(&field[position..]);
    let bytes = hexadecimal(sequence.iter());
    let message = format!(
        "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: {bytes} (error {error})"
    );
    Fault { code: 1220, message, position }
}

/// The bytes of one malformed character, and Redshift's number for the error.
fn sequence(rest: &[u8]) -> (&[u8], u8) {
    let length = match rest[0] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        // 5 or 6 bytes: more than a VARCHAR accepts.
        0xf8..=0xfb => return (&rest[..rest.len().min(5)], 1),
        0xfc..=0xfd => return (&rest[..rest.len().min(6)], 1),
        // Not the first byte of any character.
        _ => return (&rest[..1], 3),
    };
    let continued = rest[1..].iter().take(length - 1).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let bytes = &rest[..=continued];
    if bytes.len() < length {
        // Either the string ends, or the next byte does not continue the character.
        return if bytes.len() == rest.len() { (bytes, 2) } else { (&rest[..=bytes.len()], 4) };
    }
    let point = bytes[1..]
        .iter()
        .fold(u32::from(bytes[0]) & (0xff >> (length + 1)), |point, byte| point << 6 | u32::from(byte & 0x3f));
    let error = match point {
        0xd800..=0xdfff => 5,
        0x11_0000.. => 8,
        // An overlong encoding.
        _ => 9,
    };
    (bytes, error)
}

fn hexadecimal<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.map(|byte| format!("{byte:x}")).collect::<Vec<_>>().join(" ")
}

/// Replaces every byte that is not UTF-8, or belongs to a code point that is not a character. The length stays the
/// same.
fn replace_invalid(field: &[u8], replacement: u8) -> String {
    let mut text = String::with_capacity(field.len());
    let replace = |bytes: usize, text: &mut String| text.extend((0..bytes).map(|_| char::from(replacement)));
    for chunk in field.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_character(character) {
                text.push(character);
            } else {
                replace(character.len_utf8(), &mut text);
            }
        }
        replace(chunk.invalid().len(), &mut text);
    }
    text
}

/// "Valid UTF-8 … However, these code points are not valid characters": loaded unchanged, and replaced with
/// ACCEPTINVCHARS.
fn is_character(character: char) -> bool {
    let point = u32::from(character);
    !((0xfdd0..=0xfdef).contains(&point) || point & 0xfffe == 0xfffe)
}

/// Escapes a field for PostgreSQL's COPY text format.
pub(crate) fn escape(field: &[u8], out: &mut Vec<u8>) {
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
