//! Quoting: the one place where text becomes part of SQL.
//!
//! Whatever the text contains, the result is never more than one literal or one identifier.

use crate::config::Table;

/// `text` as a string literal of Redshift.
///
/// Redshift reads a backslash in an ordinary literal as an escape; PostgreSQL does not. A value that ends in a
/// backslash would swallow the closing quote, so quotes and backslashes are both doubled.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        match character {
            '\'' | '\\' => quoted.extend([character, character]),
            // No literal can contain it. `?` has one byte, too: the text must not outgrow its column.
            '\0' => quoted.push('?'),
            _ => quoted.push(character),
        }
    }
    quoted.push('\'');
    quoted
}

/// `name` as an identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "\u{fffd}").replace('"', "\"\""))
}

/// A table's name, both parts quoted.
#[must_use]
pub fn table(table: &Table) -> String {
    format!("{}.{}", identifier(&table.schema), identifier(&table.name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("plain", "'plain'")]
    #[test_case("it's", "'it''s'")]
    #[test_case("back\\", "'back\\\\'"; "ends in a backslash")]
    #[test_case("'; DROP TABLE t; --", "'''; DROP TABLE t; --'")]
    fn literals(text: &str, sql: &str) {
        assert_eq!(literal(text), sql);
    }

    #[test]
    fn identifiers() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(table(&Table { schema: "s".into(), name: "t\";--".into() }), "\"s\".\"t\"\";--\"");
    }

    /// Reads a literal as Redshift does: the text, and what follows the closing quote.
    fn read(sql: &str) -> Option<(String, &str)> {
        let mut text = String::new();
        let mut rest = sql.strip_prefix('\'')?.chars();
        loop {
            match rest.next()? {
                '\\' => text.push(rest.next()?),
                '\'' if rest.as_str().starts_with('\'') => text.extend(rest.next()),
                '\'' => return Some((text, rest.as_str())),
                other => text.push(other),
            }
        }
    }

    /// What PostgreSQL's way of quoting would do: the backslash escapes the quote that was doubled, and the rest is
    /// SQL.
    #[test]
    fn quoting_without_the_backslash_would_let_sql_out() {
        let postgres = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let text = "\\'; DROP TABLE t; --";
        assert_eq!(read(&postgres(text)), Some(("'".to_owned(), "; DROP TABLE t; --'")));
        assert_eq!(read(&literal(text)), Some((text.to_owned(), "")));
    }

    proptest! {
        #[test]
        fn a_literal_is_one_literal(text in "[^\0]*") {
            let sql = literal(&text);
            prop_assert_eq!(read(&sql), Some((text, "")));
        }

        /// A key of 1,024 bytes fits its column, whatever it is made of.
        #[test]
        fn no_text_grows(text in ".{0,40}", zeros in 0..40_usize) {
            let text = text + &"\0".repeat(zeros);
            prop_assert_eq!(read(&literal(&text)).map(|(read, _)| read.len()), Some(text.len()));
        }

        #[test]
        fn an_identifier_is_one_identifier(name in "[^\0]*") {
            let sql = identifier(&name);
            let inner = sql.strip_prefix('"').and_then(|sql| sql.strip_suffix('"')).unwrap_or("\"");
            prop_assert_eq!(inner.replace("\"\"", ""), name.replace('"', ""));
            prop_assert!(!inner.replace("\"\"", "").contains('"'));
        }

        #[test]
        fn hostile_literals_too(text in "[\\\\'\";-]{0,12}") {
            let sql = literal(&text);
            prop_assert_eq!(read(&sql), Some((text, "")));
        }
    }
}
