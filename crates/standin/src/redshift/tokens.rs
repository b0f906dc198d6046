//! Cuts SQL into tokens as Redshift reads it: above all, string literals in which a backslash escapes.
//!
//! Never changes a statement, and never guesses: text that cannot be cut is an error, as it is in Redshift.
//!
//! One file, because half of it is the tests of one scanner.

/// One piece of a statement. All pieces joined are the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// As it was written.
    pub(crate) text: &'a str,
}

/// The kind of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// White space and comments.
    Space,
    /// A keyword or a name without quotes.
    Word,
    /// A name in double quotes; holds the name itself.
    Quoted(String),
    /// A string literal; holds its value.
    Literal(Vec<u8>),
    /// `$$…$$`, whose content is not interpreted.
    Dollar,
    /// A number.
    Number,
    /// `:name`; holds the name itself.
    Parameter(String),
    /// Anything else, one character at a time, and `::`.
    Symbol,
}

impl Token<'_> {
    /// Whether this is the keyword `word` (given in lower case).
    pub(crate) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether this is the symbol `symbol`.
    pub(crate) fn symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// The token as a name. An unquoted name is folded as in SQL; [`fold`] has already folded quoted ones.
    pub(crate) fn name(&self) -> Option<String> {
        match &self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Quoted(name) => Some(name.clone()),
            _ => None,
        }
    }
}

/// Why a statement cannot be cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// A string literal without end.
    #[error("unterminated quoted string at or near position {0}")]
    Literal(usize),
    /// A quoted name without end.
    #[error("unterminated quoted identifier at or near position {0}")]
    Quoted(usize),
    /// A comment without end.
    #[error("unterminated /* comment at or near position {0}")]
    Comment(usize),
    /// `$$` without end.
    #[error("unterminated dollar-quoted string at or near position {0}")]
    Dollar(usize),
}

/// Cuts `sql` into tokens.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Token<'_>>, TokenError> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let (kind, length) = token(&sql[at..], at)?;
        found.push(Token { kind, text: &sql[at..at + length] });
        at += length;
    }
    Ok(found)
}

/// Whether a quoted name contains capitals, so that it matters whether quoted names keep them.
pub(crate) fn has_capitals(tokens: &[Token<'_>]) -> bool {
    let capital = |name: &String| name.bytes().any(|byte| byte.is_ascii_uppercase());
    tokens.iter().any(|token| matches!(&token.kind, Kind::Quoted(name) if capital(name)))
}

/// Folds quoted names as Redshift does: "ASCII letters in delimited identifiers are case-insensitive and are folded to
/// lowercase", except for the names of users.
/// Source: Amazon Redshift Database Developer Guide, "Names and identifiers", `enable_case_sensitive_identifier`.
pub(crate) fn fold(mut tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    for at in 0..tokens.len() {
        if names_user(&tokens, at) {
            continue;
        }
        if let Kind::Quoted(name) = &mut tokens[at].kind {
            name.make_ascii_lowercase();
        }
    }
    tokens
}

/// Whether the token at this index names a user, a role or a group.
fn names_user(tokens: &[Token<'_>], at: usize) -> bool {
    let mut before = tokens[..at].iter().rev().filter(|token| token.kind != Kind::Space && !token.symbol(","));
    let is =
        |token: Option<&Token<'_>>, words: &[&str]| token.is_some_and(|token| words.iter().any(|word| token.is(word)));
    let previous = before.find(|token| !matches!(token.kind, Kind::Quoted(_)));
    if is(previous, &["user", "role", "group", "authorization"]) {
        return true;
    }
    let verb = tokens.iter().find(|token| token.kind != Kind::Space);
    is(previous, &["to", "from"]) && (is(verb, &["grant", "revoke"]) || is(before.next(), &["owner"]))
}

/// The statements in `sql`, without the semicolons between them and without empty ones.
pub(crate) fn statements(tokens: &[Token<'_>]) -> Vec<String> {
    let text = |part: &[Token<'_>]| part.iter().map(|token| token.text).collect::<String>();
    let said = |part: &&[Token<'_>]| part.iter().any(|token| token.kind != Kind::Space);
    tokens.split(|token| token.symbol(";")).filter(said).map(|part| text(part).trim().to_owned()).collect()
}

fn token(rest: &str, at: usize) -> Result<(Kind, usize), TokenError> {
    let bytes = rest.as_bytes();
    let second = bytes.get(1).copied().unwrap_or(0);
    match bytes[0] {
        first if first.is_ascii_whitespace() => Ok((Kind::Space, run(rest, |c| c.is_ascii_whitespace()))),
        b'-' if second == b'-' => Ok((Kind::Space, rest.find('\n').unwrap_or(rest.len()))),
        b'/' if second == b'*' => Ok((Kind::Space, comment(bytes).ok_or(TokenError::Comment(at))?)),
        b'\'' => literal(bytes).map(|(value, length)| (Kind::Literal(value), length)).ok_or(TokenError::Literal(at)),
        b'"' => quoted(rest).map(|(name, length)| (Kind::Quoted(name), length)).ok_or(TokenError::Quoted(at)),
        b'$' => match dollar_tag(rest) {
            None => Ok((Kind::Symbol, 1)),
            Some(tag) => dollar(rest, tag).map(|length| (Kind::Dollar, length)).ok_or(TokenError::Dollar(at)),
        },
        b':' if second == b':' => Ok((Kind::Symbol, 2)),
        b':' if begins_name(rest[1..].chars().next()) => {
            let length = run(&rest[1..], in_name);
            Ok((Kind::Parameter(rest[1..=length].to_owned()), length + 1))
        }
        first if first.is_ascii_digit() => Ok((Kind::Number, run(rest, |c| c.is_ascii_alphanumeric() || c == '.'))),
        _ if begins_name(rest.chars().next()) => Ok((Kind::Word, run(rest, in_name))),
        _ => Ok((Kind::Symbol, rest.chars().next().map_or(1, char::len_utf8))),
    }
}

fn run(text: &str, inside: impl Fn(char) -> bool) -> usize {
    text.find(|c| !inside(c)).unwrap_or(text.len())
}

fn begins_name(first: Option<char>) -> bool {
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '#' || !c.is_ascii())
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '#') || !c.is_ascii()
}

fn comment(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return Some(at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    None
}

/// The value of a literal, and its length. A backslash escapes, and `''` is one quote.
fn literal(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut value = Vec::new();
    let mut at = 1;
    loop {
        match (*bytes.get(at)?, bytes.get(at + 1).copied()) {
            (b'\'', Some(b'\'')) => {
                value.push(b'\'');
                at += 2;
            }
            (b'\'', _) => return Some((value, at + 1)),
            (b'\\', Some(escaped)) => at += escape(bytes, at, escaped, &mut value),
            (b'\\', None) => return None,
            (other, _) => {
                value.push(other);
                at += 1;
            }
        }
    }
}

/// Decodes one escape that begins at `at` and returns its length in bytes.
fn escape(bytes: &[u8], at: usize, escaped: u8, value: &mut Vec<u8>) -> usize {
    let digits = |from: usize, most: usize, radix: u32| -> (u8, usize) {
        let digits: Vec<u32> = bytes[from..].iter().take(most).map_while(|b| char::from(*b).to_digit(radix)).collect();
        let number = digits.iter().fold(0_u32, |number, digit| number * radix + digit);
        (u8::try_from(number & 0xff).unwrap_or_default(), digits.len())
    };
    match escaped {
        b'b' => value.push(0x08),
        b'f' => value.push(0x0c),
        b'n' => value.push(b'\n'),
        b'r' => value.push(b'\r'),
        b't' => value.push(b'\t'),
        b'0'..=b'7' => {
            let (byte, length) = digits(at + 1, 3, 8);
            value.push(byte);
            return 1 + length;
        }
        b'x' if bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit) => {
            let (byte, length) = digits(at + 2, 2, 16);
            value.push(byte);
            return 2 + length;
        }
        other => value.push(other),
    }
    2
}

fn quoted(rest: &str) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        match (c, characters.peek()) {
            ('"', Some((_, '"'))) => {
                name.push('"');
                characters.next();
            }
            ('"', _) => return Some((name, at + 1)),
            _ => name.push(c),
        }
    }
    None
}

/// The opening of a dollar-quoted string: `$$` or `$name$`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let length = run(&rest[1..], |c| c.is_ascii_alphanumeric() || c == '_') + 2;
    let numbered = rest[1..].starts_with(|c: char| c.is_ascii_digit());
    rest.get(..length).filter(|tag| tag.ends_with('$') && !numbered)
}

/// The length of the string that `tag` opens.
fn dollar(rest: &str, tag: &str) -> Option<usize> {
    rest[tag.len()..].find(tag).map(|end| tag.len() + end + tag.len())
}

/// `value` as a standard PostgreSQL literal.
pub(crate) fn postgres_literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

pub(crate) fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(r"'a'", "a"; "plain")]
    #[test_case(r"'a''b'", "a'b"; "doubled quote")]
    #[test_case(r"'a\'b'", "a'b"; "escaped quote")]
    #[test_case(r"'a\\'", r"a\"; "escaped backslash at the end")]
    #[test_case(r"'\t\n\x41\101\N'", "\t\nAAN"; "control characters, hexadecimal, octal, others as they are")]
    #[test_case("'é\\é'", "éé"; "an escaped character of several bytes")]
    fn literals_are_read_as_redshift_reads_them(sql: &str, value: &str) {
        let found = tokens(sql).unwrap();
        assert_eq!(found, [Token { kind: Kind::Literal(value.as_bytes().to_vec()), text: sql }]);
    }

    #[test_case(r"SELECT 'a\'", TokenError::Literal(7); "a backslash hides the closing quote")]
    #[test_case("SELECT \"a", TokenError::Quoted(7); "name")]
    #[test_case("/* /* */", TokenError::Comment(0); "nested comment")]
    #[test_case("$$ a", TokenError::Dollar(0); "dollar quotes")]
    fn what_has_no_end_is_an_error(sql: &str, error: TokenError) {
        assert_eq!(tokens(sql), Err(error));
    }

    #[test]
    fn the_pieces_are_the_statement() {
        let sql = "SELECT :a::int, t.\"x\"\"y\", 1.5e3 -- ; no\n FROM $f$ ; $f$ /* ; */ WHERE b='\\';'";
        let found = tokens(sql).unwrap();
        assert_eq!(found.iter().map(|token| token.text).collect::<String>(), sql);
        assert!(found.contains(&Token { kind: Kind::Parameter("a".to_owned()), text: ":a" }));
        assert!(found.contains(&Token { kind: Kind::Quoted("x\"y".to_owned()), text: "\"x\"\"y\"" }));
        assert_eq!(statements(&found).len(), 1);
    }

    #[test_case(r#"SELECT "A", t."B c" FROM "T" t"#, &["a", "b c", "t"]; "all")]
    #[test_case(r#"COPY "S"."T" ("UserId") FROM 's3://b/K'"#, &["s", "t", "userid"]; "copy")]
    #[test_case(r#"SELECT "ÉTÉ""#, &["ÉtÉ"]; "ascii only")]
    #[test_case(r#"GRANT INSERT ON "T" TO "IAMR:Loader", "Other""#, &["t", "IAMR:Loader", "Other"]; "users keep theirs")]
    #[test_case(r#"ALTER TABLE "T" OWNER TO "Ann""#, &["t", "Ann"]; "owners too")]
    #[test_case(r#"ALTER TABLE "T" RENAME TO "U""#, &["t", "u"]; "a new name")]
    #[test_case(r#"CREATE USER "Ann""#, &["Ann"]; "new users")]
    fn names_in_quotes_are_folded(sql: &str, expected: &[&str]) {
        let folded = fold(tokens(sql).unwrap());
        let names = folded.iter().filter_map(|token| match &token.kind {
            Kind::Quoted(name) => Some(name.as_str()),
            _ => None,
        });
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn semicolons_part_statements() {
        assert_eq!(statements(&tokens("SELECT 1; ;\n SELECT ';' ;").unwrap()), ["SELECT 1", "SELECT ';'"]);
    }
}
