//! Text that others wrote, such as keys and error texts, in a line of ours.
//!
//! The author of a key must never begin another line, control a terminal or reorder the text. Every log and every
//! command shows the characters that could as escapes.

use std::fmt::Write as _;

/// Whether a character stays in its place and only shows itself.
/// Source: Unicode Standard Annex 9, "Directional Formatting Characters"; Annex 14, "Line Breaking Properties" (BK).
#[must_use]
pub fn is_plain(c: char) -> bool {
    let steers = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !steers
}

/// Writes every other character as JSON does, such as `\u202e`. In JSON text, the escape means the character.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            escaped.push(c);
        } else {
            // They all have four digits. Writing to a string cannot fail.
            _ = write!(escaped, "\\u{:04x}", u32::from(c));
        }
    }
    escaped
}
