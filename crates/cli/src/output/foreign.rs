//! Shows text from others on a terminal: keys, error texts, names of files.
//!
//! The author of a key must never control the reader's terminal: clear it, write to its clipboard or title, forge a
//! line, or reorder the text. A character that would do so is shown as an escape instead.

use std::fmt::{self, Display, Write};

use sluice_core::text::is_plain;

/// Shows text from others on one line, and keeps it from controlling the terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign<T>(pub(crate) T);

impl<T: Display> Display for Foreign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { to: f, keep: |_| false }, "{}", self.0)
    }
}

/// Shows our own text of several lines, with text from others in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines<T>(pub(crate) T);

impl<T: Display> Display for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { to: f, keep: |c| c == '\n' }, "{}", self.0)
    }
}

/// The last resort behind the two above: lets colours and line ends through to a terminal, and no other control.
pub(crate) struct Styled<T>(pub(crate) T);

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('\u{1b}') {
            write!(f, "{}", Lines(&rest[..at]))?;
            let style = style(&rest[at..]);
            f.write_str(&rest[at..at + style])?;
            if style == 0 {
                write!(f, "{}", Foreign('\u{1b}'))?;
            }
            rest = &rest[at + style.max(1)..];
        }
        write!(f, "{}", Lines(rest))
    }
}

/// The length in bytes of the style that `text` begins with: `ESC [`, digits and semicolons, `m`. 0 if there is none.
fn style(text: &str) -> usize {
    let Some(numbers) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';');
    end.filter(|end| numbers[*end..].starts_with('m')).map_or(0, |end| end + 3)
}

struct Escaping<'a, W> {
    to: &'a mut W,
    keep: fn(char) -> bool,
}

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if is_plain(c) || (self.keep)(c) {
                self.to.write_char(c)?;
            } else {
                write!(self.to, "{}", c.escape_default())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::text::escaped;
    use test_case::test_case;

    use super::*;

    #[test_case("plain ünïcödé 日本 😀 e\u{301}" => "plain ünïcödé 日本 😀 e\u{301}"; "nothing to escape")]
    #[test_case("\u{1b}[2Jx" => "\\u{1b}[2Jx"; "clear the screen")]
    #[test_case("\u{1b}]0;title\u{7}" => "\\u{1b}]0;title\\u{7}"; "title")]
    #[test_case("\u{1b}]52;c;aGk=\u{1b}\\" => "\\u{1b}]52;c;aGk=\\u{1b}\\"; "clipboard")]
    #[test_case("\u{1b}]8;;http://x\u{7}y" => "\\u{1b}]8;;http://x\\u{7}y"; "link")]
    #[test_case("\u{9b}2J\u{90}\u{7f}" => "\\u{9b}2J\\u{90}\\u{7f}"; "eight-bit controls")]
    #[test_case("a\r\nb\tc\u{8}\u{0}" => "a\\r\\nb\\tc\\u{8}\\u{0}"; "lines")]
    #[test_case("a\u{202e}vsc\u{2066}\u{200f}\u{2028}" => "a\\u{202e}vsc\\u{2066}\\u{200f}\\u{2028}"; "turned round")]
    fn foreign_words_are_shown_and_do_nothing(text: &str) -> String {
        assert!(Styled(Foreign(text)).to_string().chars().all(is_plain));
        Foreign(text).to_string()
    }

    #[test]
    fn our_own_text_has_lines() {
        assert_eq!(Lines("a\n  b\u{1b}[1m\r").to_string(), "a\n  b\\u{1b}[1m\\r");
    }

    #[test_case("\u{1b}[1;31mred\u{1b}[0m\nx" => "\u{1b}[1;31mred\u{1b}[0m\nx"; "styles stay")]
    #[test_case("\u{1b}[2J\u{1b}[1m" => "\\u{1b}[2J\u{1b}[1m"; "the rest does not")]
    #[test_case("\u{1b}]0;t\u{7}" => "\\u{1b}]0;t\\u{7}"; "nor does what is no style")]
    #[test_case("end\u{1b}[1" => "end\\u{1b}[1"; "cut off")]
    #[test_case("end\u{1b}" => "end\\u{1b}"; "an escape alone")]
    fn only_styles_go_to_the_terminal(text: &str) -> String {
        Styled(text).to_string()
    }

    #[test]
    fn json_says_the_same_without_controls() {
        let value = serde_json::json!({"key\u{85}": "\u{9b}\u{7f}\u{202e}\u{1b}\n\\\u{2028}ü"});
        let text = escaped(&value.to_string());
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}' || c == '\u{2028}'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value));
    }
}
