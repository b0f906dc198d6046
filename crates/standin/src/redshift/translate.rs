//! Translates Redshift's SQL into PostgreSQL's.
//!
//! Never touches what both read alike. Not translated: outside COPY, `VARCHAR` lengths count characters, not bytes; and
//! PostgreSQL refuses `MERGE … REMOVE DUPLICATES`, late-binding views and stored procedures in Redshift's dialect.

mod piece;
mod table;

use super::error::SqlError;
use super::settings;
use super::tokens::{Kind, Token, postgres_literal, quoted_name};
use piece::Piece;

/// Translates one statement for PostgreSQL.
pub(crate) fn translate(tokens: &[Token<'_>]) -> Result<String, SqlError> {
    let pieces = rewrite(tokens)?;
    let said: Vec<&Piece<'_>> = pieces.iter().filter(|piece| !piece.space()).collect();
    let verb = |word: &str| said.first().is_some_and(|piece| piece.is(word));
    if verb("create") && table::creates_table(&said) {
        return table::create(&said);
    }
    if verb("alter") && said.get(1).is_some_and(|piece| piece.is("table")) {
        return table::alter(&said);
    }
    let mut text = join(&pieces);
    if verb("set") && said.get(1).is_some_and(|piece| piece.is("search_path")) {
        text = format!("{}, redshift_system", text.trim_end().trim_end_matches(';'));
    }
    if verb("delete") && said.get(1).is_some_and(|piece| !piece.is("from")) {
        text = text.trim_start().replacen(said[0].text.as_str(), "DELETE FROM", 1);
    }
    Ok(text)
}

fn join(pieces: &[Piece<'_>]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

/// Rewrites what differs anywhere in a statement.
fn rewrite<'a>(tokens: &'a [Token<'a>]) -> Result<Vec<Piece<'a>>, SqlError> {
    let mut pieces: Vec<Piece<'a>> = Vec::with_capacity(tokens.len());
    let setting = settings::place(tokens)?;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let text = match &token.kind {
            Kind::Literal(value) => {
                let text = std::str::from_utf8(value)
                    .map_err(|_| SqlError::new("invalid byte sequence for encoding \"UTF8\""))?;
                postgres_literal(text)
            }
            // Redshift has no E'…': it reads a type name and a literal.
            Kind::Word if token.is("e") && next.is_some_and(|next| matches!(next.kind, Kind::Literal(_))) => {
                return Err(SqlError::new("type \"e\" does not exist"));
            }
            Kind::Word if setting == Some(at) => settings::renamed(token.text),
            Kind::Quoted(name) => quoted_name(name),
            Kind::Word => word(token, after(tokens, at), before(tokens, at)),
            _ => token.text.to_owned(),
        };
        let glued = at > 0 && tokens[at - 1].kind != Kind::Space;
        pieces.push(Piece { token, text, glued });
    }
    Ok(pieces)
}

fn word(token: &Token<'_>, next: Option<&Token<'_>>, previous: Option<&Token<'_>>) -> String {
    let qualified = previous.is_some_and(|previous| previous.symbol("."));
    let called = next.is_some_and(|next| next.symbol("("));
    match token.text.to_ascii_lowercase().as_str() {
        "sysdate" if !qualified && !called => "sysdate()".to_owned(),
        "nvarchar" if called => "varchar".to_owned(),
        // VARCHAR(MAX). The aggregate `max` is never the argument of a type.
        "max" if previous.is_some_and(|previous| previous.symbol("(")) && next.is_some_and(|next| next.symbol(")")) => {
            "65535".to_owned()
        }
        _ => token.text.to_owned(),
    }
}

fn after<'a>(tokens: &'a [Token<'a>], at: usize) -> Option<&'a Token<'a>> {
    tokens[at + 1..].iter().find(|token| token.kind != Kind::Space)
}

fn before<'a>(tokens: &'a [Token<'a>], at: usize) -> Option<&'a Token<'a>> {
    tokens[..at].iter().rev().find(|token| token.kind != Kind::Space)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::super::tokens::tokens;
    use super::table::NOTHING;
    use super::*;

    fn translated(sql: &str) -> Result<String, SqlError> {
        translate(&tokens(sql).unwrap())
    }

    #[test_case("SELECT 'a''b', 1", "SELECT 'a''b', 1"; "as it was")]
    #[test_case(r"SELECT 'it\'s \\'", r"SELECT 'it''s \'"; "literals")]
    #[test_case("INSERT INTO t VALUES (SYSDATE, GETDATE())", "INSERT INTO t VALUES (sysdate(), GETDATE())"; "functions")]
    #[test_case("SELECT max(a), x::NVARCHAR(MAX)", "SELECT max(a), x::varchar(65535)"; "types")]
    #[test_case("SET search_path TO a, public;", "SET search_path TO a, public, redshift_system"; "search path")]
    #[test_case("SET LOCAL enable_result_cache_for_session TO off", "SET LOCAL redshift.enable_result_cache_for_session TO off"; "settings")]
    #[test_case("DELETE t WHERE a = 1", "DELETE FROM t WHERE a = 1"; "delete without from")]
    #[test_case("ALTER TABLE t ALTER DISTKEY a", NOTHING; "keys")]
    #[test_case("ALTER TABLE t ADD CONSTRAINT c PRIMARY KEY (a)", NOTHING; "constraints")]
    #[test_case("ALTER TABLE t ADD COLUMN a SUPER ENCODE zstd", "ALTER TABLE t ADD COLUMN a json"; "new column")]
    #[test_case("ALTER TABLE t RENAME TO u", "ALTER TABLE t RENAME TO u"; "other changes")]
    fn statements(sql: &str, expected: &str) {
        assert_eq!(translated(sql).as_deref(), Ok(expected));
    }

    #[test_case("CREATE TABLE a.t (x int)", "CREATE TABLE a.t (x int)"; "plain")]
    #[test_case("CREATE TEMP TABLE s (LIKE t INCLUDING DEFAULTS)", "CREATE TEMP TABLE s (LIKE t INCLUDING DEFAULTS)"; "like")]
    #[test_case(
        "CREATE TABLE IF NOT EXISTS l (file CHAR(64) NOT NULL, n int, PRIMARY KEY (file, n)) DISTKEY (file) SORTKEY (file)",
        "CREATE TABLE IF NOT EXISTS l (file CHAR(64) NOT NULL, n int NOT NULL)"; "ledger")]
    #[test_case(
        "CREATE TABLE t (id BIGINT IDENTITY(1, 2) ENCODE az64, a VARCHAR DEFAULT 'x' SORTKEY UNIQUE, \"B c\" VARCHAR(MAX) NOT NULL, d text, e double precision REFERENCES u (e), f SUPER) BACKUP NO DISTSTYLE KEY COMPOUND SORTKEY (a, d)",
        "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 1 INCREMENT BY 2) NOT NULL, a varchar(256) DEFAULT 'x', \"B c\" VARCHAR(65535) NOT NULL, d varchar(256), e double precision, f json)"; "everything")]
    #[test_case(
        "CREATE TABLE t (a decimal, b numeric(38,37), c varchar(65535), d nchar(4096))",
        "CREATE TABLE t (a numeric(18, 0), b numeric(38,37), c varchar(65535), d char(4096))"; "limits")]
    #[test_case(
        "CREATE TABLE t DISTKEY(a) INTERLEAVED SORTKEY(a) AS SELECT 'x\\'' AS a, 1<=2", "CREATE TABLE t AS SELECT 'x''' AS a, 1<=2"; "as select")]
    #[test_case("CREATE TABLE t (a, b) AS SELECT 1, 2", "CREATE TABLE t (a, b) AS SELECT 1, 2"; "as select with names")]
    #[test_case(
        "CREATE TABLE t (a INT GENERATED BY DEFAULT AS IDENTITY(5,1), b numeric(8, 2) DEFAULT (1 + 2)::int NULL)",
        "CREATE TABLE t (a INT GENERATED BY DEFAULT AS IDENTITY (START WITH 5 INCREMENT BY 1) NOT NULL, b numeric(8, 2) DEFAULT (1 + 2)::int)"; "defaults")]
    fn tables(sql: &str, expected: &str) {
        assert_eq!(translated(sql).as_deref(), Ok(expected));
    }

    #[test_case("CREATE TABLE t (a varchar(65536))", "stand-in: VARCHAR of 65536: Redshift has at most 65535"; "long varchar")]
    #[test_case("CREATE TABLE t (a character varying(70000))", "stand-in: VARCHAR of 70000: Redshift has at most 65535"; "long character varying")]
    #[test_case("ALTER TABLE t ADD COLUMN a char(4097)", "stand-in: CHAR of 4097: Redshift has at most 4096"; "long char")]
    #[test_case("CREATE TABLE t (a decimal(39, 2))", "stand-in: DECIMAL of 39: Redshift has at most 38"; "precision")]
    #[test_case("CREATE TABLE t (a numeric(38, 38))", "stand-in: DECIMAL's scale of 38: Redshift has at most 37"; "scale")]
    #[test_case("SELECT E'a'", "type \"e\" does not exist"; "escape strings")]
    #[test_case("CREATE TABLE t (a int) PARTITION BY x", "syntax error at or near \"PARTITION\""; "what redshift has not")]
    #[test_case("CREATE TABLE t (a varchar(9) COLLATE CASE_INSENSITIVE)", "this stand-in does not do COLLATE CASE_INSENSITIVE: it is not supported here, although Redshift has it"; "collations")]
    fn refused(sql: &str, error: &str) {
        assert_eq!(translated(sql), Err(SqlError::new(error)));
    }
}
