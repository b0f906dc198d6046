//! The pieces of a statement that is being translated.
//!
//! Never knows what a statement means.

use super::super::tokens::{Kind, Token};

/// A token and its text for PostgreSQL.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    pub(super) token: &'a Token<'a>,
    pub(super) text: String,
    /// Written without a space before it: `<` and `=` of `<=` are two tokens.
    pub(super) glued: bool,
}

impl Piece<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.token.is(word)
    }

    pub(super) fn symbol(&self, symbol: &str) -> bool {
        self.token.symbol(symbol)
    }

    pub(super) fn space(&self) -> bool {
        self.token.kind == Kind::Space
    }
}

/// Some pieces, without the spaces between them.
pub(super) type Pieces<'p, 'a> = &'p [&'p Piece<'a>];

/// Joins pieces to text, with the original spaces between them.
pub(super) fn words(pieces: Pieces<'_, '_>) -> String {
    let mut text = String::new();
    for piece in pieces {
        if !text.is_empty() && !piece.glued {
            text.push(' ');
        }
        text.push_str(&piece.text);
    }
    text
}
