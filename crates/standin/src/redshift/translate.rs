//! Redshift's SQL as PostgreSQL has to read it.
//!
//! Never touches what both read alike.

use super::error::SqlError;
use super::tokens::{Kind, Token, postgres_literal};

/// One statement for PostgreSQL.
pub(crate) fn translate(tokens: &[Token<'_>]) -> Result<String, SqlError> {
    tokens.iter().map(rewrite).collect()
}

fn rewrite(token: &Token<'_>) -> Result<String, SqlError> {
    match &token.kind {
        Kind::Literal(value) => {
            let text = std::str::from_utf8(value)
                .map_err(|_| SqlError::new("invalid byte sequence for encoding \"UTF8\""))?;
            Ok(postgres_literal(text))
        }
        _ => Ok(token.text.to_owned()),
    }
}
