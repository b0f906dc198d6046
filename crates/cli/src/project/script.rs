//! Splits a file of SQL into its statements, because the Data API takes them one by one.
//!
//! Knows only where a statement ends (quotes, comments). Never interprets the rest of the SQL.

/// Why a file of SQL cannot be split.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} that begins in line {line} has no end")]
pub(crate) struct ScriptError {
    what: &'static str,
    line: usize,
}

/// The statements of `sql`, without their semicolons. Leaves out those that have only comments.
pub(crate) fn statements(sql: &str) -> Result<Vec<String>, ScriptError> {
    let mut statements = Vec::new();
    let mut begin = 0;
    let mut says_something = false;
    let mut at = 0;
    while at < sql.len() {
        let token = token(sql, at)?;
        match token.kind {
            Kind::Semicolon => {
                if says_something {
                    statements.push(sql[begin..at].trim().to_owned());
                }
                (begin, says_something) = (token.end, false);
            }
            Kind::Blank => {}
            Kind::Word => says_something = true,
        }
        at = token.end;
    }
    if says_something {
        statements.push(sql[begin..].trim().to_owned());
    }
    Ok(statements)
}

struct Token {
    kind: Kind,
    end: usize,
}

enum Kind {
    /// The end of a statement.
    Semicolon,
    /// Space or a comment.
    Blank,
    /// Anything else.
    Word,
}

/// The token that begins at byte `at`, which is within the text.
fn token(sql: &str, at: usize) -> Result<Token, ScriptError> {
    let rest = &sql[at..];
    let first = rest.chars().next().unwrap_or_default();
    let (kind, end) = match first {
        '\'' => (Kind::Word, quoted(rest, '\'', true).ok_or("text")),
        '"' => (Kind::Word, quoted(rest, '"', false).ok_or("quoted name")),
        '$' if rest.starts_with("$$") => (Kind::Word, after(rest, 2, "$$").ok_or("text in dollar signs")),
        '-' if rest.starts_with("--") => (Kind::Blank, Ok(rest.find('\n').map_or(rest.len(), |end| end + 1))),
        '/' if rest.starts_with("/*") => (Kind::Blank, after(rest, 2, "*/").ok_or("comment")),
        ';' => (Kind::Semicolon, Ok(1)),
        _ if first.is_whitespace() => (Kind::Blank, Ok(first.len_utf8())),
        _ => (Kind::Word, Ok(first.len_utf8())),
    };
    let end = end.map_err(|what| ScriptError { what, line: sql[..at].matches('\n').count() + 1 })?;
    Ok(Token { kind, end: at + end })
}

/// Where a quoted piece ends. Within it, its quote is doubled or, in Redshift's texts, behind a backslash.
fn quoted(rest: &str, quote: char, backslash: bool) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if backslash && character == '\\' {
            characters.next();
        } else if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + quote.len_utf8());
        }
    }
    None
}

fn after(rest: &str, begin: usize, end: &str) -> Option<usize> {
    rest[begin..].find(end).map(|at| begin + at + end.len())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("", &[]; "nothing")]
    #[test_case("-- only; this\n/* and; this */ ;;", &[]; "comments")]
    #[test_case("SELECT 1; SELECT 2", &["SELECT 1", "SELECT 2"]; "two")]
    #[test_case("SELECT ';', 'it''s;', \"a;\"\"b\", 'x\\';'; SELECT 2;", &["SELECT ';', 'it''s;', \"a;\"\"b\", 'x\\';'", "SELECT 2"]; "quotes")]
    #[test_case("CREATE x AS $$ a; b $$; é", &["CREATE x AS $$ a; b $$", "é"]; "dollars")]
    #[test_case("a -- b; c\n; d", &["a -- b; c", "d"]; "a comment within")]
    fn are_told_apart(sql: &str, expected: &[&str]) {
        assert_eq!(statements(sql).unwrap(), expected);
    }

    #[test]
    fn what_has_no_end_is_named_with_its_line() {
        let error = statements("SELECT 1;\nSELECT 'a;\n").unwrap_err();
        assert_eq!(error.to_string(), "the text that begins in line 2 has no end");
    }
}
