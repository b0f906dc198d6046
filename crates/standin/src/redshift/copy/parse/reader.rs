//! Reads the small words of COPY: names, values, optional keywords.
//!
//! Never knows what an option means.

use super::super::super::error::SqlError;
use super::super::super::tokens::{Kind, Token};

/// A position among the tokens.
pub(super) struct Reader<'a> {
    tokens: Vec<&'a Token<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(tokens: Vec<&'a Token<'a>>) -> Self {
        Self { tokens, at: 0 }
    }

    /// Steps back by one token.
    pub(super) fn back(&mut self) {
        self.at -= 1;
    }

    pub(super) fn ended(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn wrong(&self) -> SqlError {
        self.peek().map_or_else(|| SqlError::new("syntax error at end of input"), |token| SqlError::syntax(token.text))
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(word));
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), SqlError> {
        if self.take_word(word) { Ok(()) } else { Err(self.wrong()) }
    }

    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.symbol(symbol));
        self.at += usize::from(found);
        found
    }

    pub(super) fn name(&mut self) -> Result<String, SqlError> {
        let name = self.peek().and_then(Token::name).ok_or_else(|| self.wrong())?;
        self.at += 1;
        Ok(name)
    }

    pub(super) fn table(&mut self) -> Result<Vec<String>, SqlError> {
        let mut parts = vec![self.name()?];
        while self.take_symbol(".") {
            parts.push(self.name()?);
        }
        Ok(parts)
    }

    pub(super) fn columns(&mut self) -> Result<Option<Vec<String>>, SqlError> {
        if !self.take_symbol("(") {
            return Ok(None);
        }
        let mut columns = vec![self.name()?];
        while self.take_symbol(",") {
            columns.push(self.name()?);
        }
        if self.take_symbol(")") { Ok(Some(columns)) } else { Err(self.wrong()) }
    }

    pub(super) fn maybe_bytes(&mut self) -> Option<Vec<u8>> {
        let token = self.peek()?;
        let Kind::Literal(value) = &token.kind else {
            return None;
        };
        self.at += 1;
        Some(value.clone())
    }

    pub(super) fn maybe_string(&mut self, option: &str) -> Result<Option<String>, SqlError> {
        let Some(bytes) = self.maybe_bytes() else {
            return Ok(None);
        };
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| SqlError::own(format_args!("the value of {option} is not valid UTF-8")))
    }

    pub(super) fn string(&mut self, option: &str) -> Result<String, SqlError> {
        self.maybe_string(option)?.ok_or_else(|| self.wrong())
    }

    /// A value after an optional AS.
    pub(super) fn string_as(&mut self, option: &str) -> Result<String, SqlError> {
        self.take_word("as");
        self.string(option)
    }

    pub(super) fn number(&mut self) -> Result<u64, SqlError> {
        self.take_word("as");
        let text = self
            .peek()
            .filter(|token| token.kind == Kind::Number)
            .map(|token| token.text)
            .ok_or_else(|| self.wrong())?;
        let number = text.parse().map_err(|_| self.wrong())?;
        self.at += 1;
        Ok(number)
    }

    pub(super) fn switch(&mut self, words: &[&str]) {
        let _ = words.iter().any(|word| self.take_word(word));
    }

    pub(super) fn character(&mut self, option: &str) -> Result<u8, SqlError> {
        self.take_word("as");
        let value = self.maybe_bytes().ok_or_else(|| self.wrong())?;
        match value.as_slice() {
            [one] if one.is_ascii() => Ok(*one),
            _ => Err(SqlError::own(format_args!("COPY {option} must be a single ASCII character"))),
        }
    }
}
