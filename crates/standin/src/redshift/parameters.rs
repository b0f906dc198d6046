//! SQL parameters: replaces `:name` in a statement by its value.
//!
//! Never inserts a name or a keyword: each value becomes a literal, whatever it contains.

use super::error::SqlError;
use super::statements::Parameter;
use super::tokens::{self, Kind, Token};

/// `tokens`, with each parameter that has a value replaced by a literal.
pub(crate) fn bind<'a>(tokens: Vec<Token<'a>>, parameters: &[Parameter]) -> Result<Vec<Token<'a>>, SqlError> {
    tokens.into_iter().map(|token| bind_one(token, parameters)).collect()
}

fn bind_one<'a>(token: Token<'a>, parameters: &[Parameter]) -> Result<Token<'a>, SqlError> {
    let Kind::Parameter(name) = &token.kind else {
        return Ok(token);
    };
    let Some(parameter) = parameters.iter().find(|parameter| parameter.name == *name) else {
        return Ok(token);
    };
    if parameter.value.is_empty() {
        return Err(SqlError::new(format!("parameter \"{name}\" has a zero-length value")));
    }
    Ok(Token { kind: tokens::Kind::Literal(parameter.value.as_bytes().to_vec()), text: token.text })
}
