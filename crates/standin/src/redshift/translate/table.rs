//! CREATE TABLE and ALTER TABLE: removes Redshift's clauses about distribution, sorting, compression and keys.
//!
//! Never enforces a key, as in Redshift: keys are accepted, and only their NOT NULL stays.

mod types;

use super::super::error::SqlError;
use super::piece::{Pieces, words};

/// A statement that does nothing. It replaces a statement that PostgreSQL does not need.
pub(super) const NOTHING: &str = "DO $$ BEGIN END $$";

/// Words that end a column's type or its default.
const ATTRIBUTES: [&str; 14] = [
    "default",
    "identity",
    "generated",
    "encode",
    "distkey",
    "sortkey",
    "not",
    "null",
    "unique",
    "primary",
    "references",
    "collate",
    "constraint",
    "check",
];

/// Whether these pieces begin a CREATE TABLE.
pub(super) fn creates_table(said: Pieces<'_, '_>) -> bool {
    let words = ["local", "temporary", "temp"];
    let table = said.iter().skip(1).find(|piece| !words.iter().any(|word| piece.is(word)));
    table.is_some_and(|piece| piece.is("table"))
}

/// CREATE TABLE for PostgreSQL.
pub(super) fn create(said: Pieces<'_, '_>) -> Result<String, SqlError> {
    let table = said.iter().position(|piece| piece.is("table")).unwrap_or(0);
    let conditional = said.get(table + 1).is_some_and(|piece| piece.is("if"));
    let mut at = table + 1 + if conditional { 3 } else { 0 };
    let name = at;
    at += 1;
    while said.get(at).is_some_and(|piece| piece.symbol(".")) {
        at += 2;
    }
    let mut text = said.get(..name).map(words).unwrap_or_default();
    text = format!(
        "{text} {}",
        said.get(name..at)
            .ok_or_else(|| wrong(said, name))?
            .iter()
            .map(|piece| piece.text.as_str())
            .collect::<String>()
    );
    if said.get(at).is_some_and(|piece| piece.symbol("(")) {
        let end = closing(said, at)?;
        text = format!("{text} ({})", elements(&said[at + 1..end])?);
        at = end + 1;
    }
    let rest = attributes(said, at)?;
    Ok(if rest.is_empty() { text } else { format!("{text} {rest}") })
}

/// ALTER TABLE for PostgreSQL.
pub(super) fn alter(said: Pieces<'_, '_>) -> Result<String, SqlError> {
    let action = said.iter().position(|piece| piece.is("add") || piece.is("alter") && !std::ptr::eq(*piece, said[0]));
    let Some(action) = action else { return Ok(words(said)) };
    let next = |offset: usize| said.get(action + offset);
    let is = |offset: usize, words: &[&str]| next(offset).is_some_and(|piece| words.iter().any(|word| piece.is(word)));
    if said[action].is("alter") {
        let only_layout = is(1, &["distkey", "diststyle", "sortkey", "compound", "interleaved", "encode"])
            || (is(1, &["column"]) && is(3, &["encode"]));
        return Ok(if only_layout { NOTHING.to_owned() } else { words(said) });
    }
    if is(1, &["primary", "unique", "foreign", "constraint"]) {
        return Ok(NOTHING.to_owned());
    }
    let from = action + if is(1, &["column"]) { 2 } else { 1 };
    let column = said.get(from..).ok_or_else(|| wrong(said, from))?;
    Ok(format!("{} {}", words(&said[..from]), self::column(column, false)?))
}

/// The elements between the brackets.
fn elements(inside: Pieces<'_, '_>) -> Result<String, SqlError> {
    let parts = split(inside);
    let mut not_null: Vec<String> = Vec::new();
    let mut columns: Vec<Pieces<'_, '_>> = Vec::new();
    for part in parts {
        let named = part.first().is_some_and(|piece| piece.is("constraint"));
        let body = if named { part.get(2..).unwrap_or_default() } else { part };
        match body.first() {
            Some(first) if first.is("primary") => not_null.extend(body.iter().filter_map(|piece| piece.token.name())),
            Some(first) if first.is("unique") || first.is("foreign") => {}
            Some(_) => columns.push(part),
            None => return Err(SqlError::syntax(")")),
        }
    }
    let texts: Vec<String> = columns
        .into_iter()
        .map(|part| match part {
            [only] => Ok(only.text.clone()),
            [like, ..] if like.is("like") => Ok(words(part)),
            _ => column(part, part[0].token.name().is_some_and(|name| not_null.contains(&name))),
        })
        .collect::<Result<_, _>>()?;
    Ok(texts.join(", "))
}

/// One column: its name, its type, and those of its attributes that PostgreSQL needs.
fn column(part: Pieces<'_, '_>, key: bool) -> Result<String, SqlError> {
    let name = part.first().ok_or_else(|| SqlError::new("syntax error at end of input"))?;
    let mut at = 1 + until_attribute(&part[1..]);
    let mut text = format!("{} {}", name.text, types::kind(&part[1..at])?);
    let mut not_null = key;
    while let Some(piece) = part.get(at) {
        let word = piece.text.to_ascii_lowercase();
        at += match word.as_str() {
            "default" => {
                // The first piece of the value is never an attribute, even if it is NULL.
                let length = 2 + until_attribute(part.get(at + 2..).unwrap_or_default());
                text = format!("{text} {}", words(part.get(at..at + length).ok_or_else(|| wrong(part, at + 1))?));
                length
            }
            "identity" | "generated" => {
                not_null = true;
                let (identity, length) = identity(&part[at..])?;
                text = format!("{text} {identity}");
                length
            }
            "not" | "primary" => {
                not_null = true;
                2
            }
            "null" | "unique" | "distkey" | "sortkey" => 1,
            "encode" | "constraint" => 2,
            "references" => references(&part[at..])?,
            "collate" if part.get(at + 1).is_some_and(|piece| piece.is("case_sensitive")) => 2,
            "collate" => {
                let name = part.get(at + 1).map(|piece| piece.text.as_str()).unwrap_or_default();
                return Err(SqlError::not_done(format_args!("COLLATE {name}")));
            }
            _ => return Err(wrong(part, at)),
        };
    }
    Ok(if not_null { format!("{text} NOT NULL") } else { text })
}

/// The number of pieces before the next attribute outside brackets.
fn until_attribute(pieces: Pieces<'_, '_>) -> usize {
    let mut depth = 0_usize;
    for (at, piece) in pieces.iter().enumerate() {
        match piece.text.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && ATTRIBUTES.iter().any(|word| piece.is(word)) => return at,
            _ => {}
        }
    }
    pieces.len()
}

/// `IDENTITY(seed, step)` or `GENERATED BY DEFAULT AS IDENTITY(seed, step)`, and the number of its pieces.
fn identity(pieces: Pieces<'_, '_>) -> Result<(String, usize), SqlError> {
    let at = pieces.iter().position(|piece| piece.is("identity")).ok_or_else(|| wrong(pieces, 1))?;
    let end = closing(pieces, at + 1)?;
    let numbers: Vec<String> = split(&pieces[at + 2..end])
        .into_iter()
        .map(|number| number.iter().map(|piece| piece.text.as_str()).collect())
        .collect();
    let [seed, step] = numbers.as_slice() else { return Err(wrong(pieces, at + 1)) };
    let by = if at == 0 { "ALWAYS" } else { "BY DEFAULT" };
    Ok((format!("GENERATED {by} AS IDENTITY (START WITH {seed} INCREMENT BY {step})"), end + 1))
}

fn references(pieces: Pieces<'_, '_>) -> Result<usize, SqlError> {
    let mut at = 2;
    while pieces.get(at).is_some_and(|piece| piece.symbol(".")) {
        at += 2;
    }
    if pieces.get(at).is_some_and(|piece| piece.symbol("(")) {
        at = closing(pieces, at)? + 1;
    }
    Ok(at)
}

/// The text after the brackets, of which only the query of CREATE TABLE AS stays.
fn attributes(said: Pieces<'_, '_>, from: usize) -> Result<String, SqlError> {
    let mut at = from;
    while let Some(piece) = said.get(at) {
        match piece.text.to_ascii_lowercase().as_str() {
            "backup" | "diststyle" | "encode" => at += 2,
            "compound" | "interleaved" | ";" => at += 1,
            "sortkey" if said.get(at + 1).is_some_and(|piece| piece.is("auto")) => at += 2,
            "distkey" | "sortkey" => at = closing(said, at + 1)? + 1,
            "as" => return Ok(words(&said[at..])),
            _ => return Err(wrong(said, at)),
        }
    }
    Ok(String::new())
}

/// The index of the bracket that closes the one at `open`.
fn closing(pieces: Pieces<'_, '_>, open: usize) -> Result<usize, SqlError> {
    if !pieces.get(open).is_some_and(|piece| piece.symbol("(")) {
        return Err(wrong(pieces, open));
    }
    let mut depth = 0_usize;
    for (at, piece) in pieces.iter().enumerate().skip(open) {
        if piece.symbol("(") {
            depth += 1;
        } else if piece.symbol(")") {
            depth -= 1;
            if depth == 0 {
                return Ok(at);
            }
        }
    }
    Err(SqlError::new("syntax error at end of input"))
}

/// Splits at the commas outside brackets.
fn split<'p, 'a>(pieces: Pieces<'p, 'a>) -> Vec<Pieces<'p, 'a>> {
    let mut depth = 0_usize;
    pieces
        .split(|piece| {
            if piece.symbol("(") {
                depth += 1;
            } else if piece.symbol(")") {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && piece.symbol(",")
        })
        .collect()
}

fn wrong(pieces: Pieces<'_, '_>, at: usize) -> SqlError {
    pieces.get(at).map_or_else(|| SqlError::new("syntax error at end of input"), |piece| SqlError::syntax(&piece.text))
}
