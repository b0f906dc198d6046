//! The types of columns: their defaults and their limits.
//!
//! Never accepts a type that is larger than Redshift's, although `PostgreSQL` allows more.
//!
//! Source: Amazon Redshift Database Developer Guide, "Character types" and "Numeric types". Redshift's error for a type
//! that is too large is not documented.

use super::super::super::error::SqlError;
use super::super::piece::{Piece, Pieces, words};

const LONGEST_VARCHAR: u64 = 65_535;
const LONGEST_CHAR: u64 = 4_096;
const GREATEST_PRECISION: u64 = 38;
const GREATEST_SCALE: u64 = 37;

/// A type for `PostgreSQL`. Without a length, VARCHAR has 256 bytes and DECIMAL 18 digits. TEXT is a VARCHAR without a
/// length.
pub(super) fn kind(pieces: Pieces<'_, '_>) -> Result<String, SqlError> {
    let is = |piece: &Piece<'_>, words: &[&str]| words.iter().any(|word| piece.is(word));
    match pieces {
        [only] if is(only, &["varchar", "nvarchar", "text"]) => return Ok("varchar(256)".to_owned()),
        [character, varying] if character.is("character") && varying.is("varying") => {
            return Ok("varchar(256)".to_owned());
        }
        [only] if is(only, &["decimal", "numeric", "dec"]) => return Ok("numeric(18, 0)".to_owned()),
        [only] if only.is("super") => return Ok("json".to_owned()),
        _ => {}
    }
    let (name, numbers) = pieces.split_at(pieces.iter().position(|piece| piece.symbol("(")).unwrap_or(pieces.len()));
    let numbers: Vec<u64> = numbers.iter().filter_map(|piece| piece.text.parse().ok()).collect();
    let varying = name.get(1).is_some_and(|piece| piece.is("varying"));
    match (name, numbers.as_slice()) {
        ([first, ..], [length, ..]) if varying || is(first, &["varchar"]) => {
            within("VARCHAR", *length, LONGEST_VARCHAR)?;
        }
        ([first, ..], [length, ..]) if is(first, &["char", "character", "nchar", "bpchar"]) => {
            within("CHAR", *length, LONGEST_CHAR)?;
        }
        ([first, ..], [precision, scale @ ..]) if is(first, &["decimal", "numeric", "dec"]) => {
            within("DECIMAL", *precision, GREATEST_PRECISION)?;
            within("DECIMAL's scale", scale.first().copied().unwrap_or(0), GREATEST_SCALE)?;
        }
        _ => {}
    }
    Ok(match pieces {
        [nchar, length @ ..] if nchar.is("nchar") => format!("char{}", words(length)),
        _ => words(pieces),
    })
}

fn within(what: &str, is: u64, most: u64) -> Result<(), SqlError> {
    if is <= most { Ok(()) } else { Err(SqlError::own(format_args!("{what} of {is}: Redshift has at most {most}"))) }
}
