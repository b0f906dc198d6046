//! Names of tables and columns, from the text of a configuration to the name in the catalogue.
//!
//! Never quotes for SQL.

use super::Table;

/// The longest name in Redshift's catalogue, in bytes.
/// Source: Amazon Redshift Database Developer Guide, "Names and identifiers".
pub(super) const MAX_NAME_BYTES: usize = 127;

/// Why a text is not a table's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum TableError {
    #[error("a part of the name is empty")]
    Empty,
    #[error("a part of the name has more than {MAX_NAME_BYTES} bytes")]
    TooLong,
    #[error("{0:?} stands outside double quotes")]
    Character(char),
    #[error("a double quote is left open")]
    Open,
    #[error("there are more parts than schema and table")]
    Parts,
}

/// Reads `table`, `schema.table`, or either with parts in double quotes. A part without quotes becomes lower case, as
/// in Redshift. A table without a schema is in `public`.
pub(super) fn parse(text: &str) -> Result<Table, TableError> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = if rest.starts_with('"') { quoted(rest)? } else { plain(rest)? };
        check(&part)?;
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => break,
        }
    }
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => Ok(Table { schema: "public".to_owned(), name }),
        (Some(schema), Some(name), None) => Ok(Table { schema, name }),
        _ => Err(TableError::Parts),
    }
}

/// A part in double quotes, and what follows it. In the part, a doubled quote stands for one.
fn quoted(text: &str) -> Result<(String, &str), TableError> {
    let mut part = String::new();
    let mut rest = &text[1..];
    loop {
        let (before, after) = rest.split_once('"').ok_or(TableError::Open)?;
        part.push_str(before);
        let Some(more) = after.strip_prefix('"') else {
            return match after.chars().next() {
                None | Some('.') => Ok((part, after)),
                Some(other) => Err(TableError::Character(other)),
            };
        };
        part.push('"');
        rest = more;
    }
}

/// A part without quotes, and what follows it.
fn plain(text: &str) -> Result<(String, &str), TableError> {
    let end = text.find('.').unwrap_or(text.len());
    let (part, after) = text.split_at(end);
    let legal = |(index, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || !c.is_ascii() || (index > 0 && (c == '$' || c.is_ascii_digit()))
    };
    match part.char_indices().find(|&at| !legal(at)) {
        Some((_, c)) => Err(TableError::Character(c)),
        None => Ok((part.to_ascii_lowercase(), after)),
    }
}

fn check(part: &str) -> Result<(), TableError> {
    match part.len() {
        0 => Err(TableError::Empty),
        length if length > MAX_NAME_BYTES => Err(TableError::TooLong),
        _ if part.contains('\0') => Err(TableError::Character('\0')),
        _ => Ok(()),
    }
}

/// Whether this can be a name in the catalogue: of a column, a user or a database.
pub(super) fn is_name(name: &str) -> bool {
    check(name).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("flights", "public", "flights"; "in public")]
    #[test_case("Raw.Flights", "raw", "flights"; "folded")]
    #[test_case("\"My Schema\".\"t\"", "My Schema", "t"; "quoted")]
    #[test_case("raw.\"a.b\"\"c\"", "raw", "a.b\"c"; "dot and quote within quotes")]
    #[test_case("\"a\".b$1", "a", "b$1"; "mixed")]
    fn good(text: &str, schema: &str, name: &str) {
        assert_eq!(parse(text), Ok(Table { schema: schema.into(), name: name.into() }));
    }

    #[test_case("" => TableError::Empty; "empty")]
    #[test_case("a." => TableError::Empty; "no table")]
    #[test_case("\"\"" => TableError::Empty; "quoted and empty")]
    #[test_case("a.b.c" => TableError::Parts; "with a database")]
    #[test_case("a b" => TableError::Character(' '); "space")]
    #[test_case("1a" => TableError::Character('1'); "begins with a digit")]
    #[test_case("#temp" => TableError::Character('#'); "temporary")]
    #[test_case("a;drop" => TableError::Character(';'); "more SQL")]
    #[test_case("\"a" => TableError::Open; "open quote")]
    #[test_case("\"a\"b" => TableError::Character('b'); "text after a quote")]
    #[test_case(&"a".repeat(128) => TableError::TooLong; "too long")]
    fn bad(text: &str) -> TableError {
        parse(text).unwrap_err()
    }
}
