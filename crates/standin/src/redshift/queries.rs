//! The rows of `sys_query_history`: each statement that ran, its session, and how it ended.
//!
//! Written when a submission ends: on the connection of its session, after its transaction, and before its final status
//! is visible. Never fails a statement, and never holds a statement that is still running.

use jiff::Timestamp;

use super::session::Session;
use super::statements::{Part, Statement, Status};
use super::tokens::{self, Token, postgres_literal};

/// `error_message` is character(512), `query_text` character(4000).
const ERROR: usize = 512;
const TEXT: usize = 4000;

/// Writes a row for each part of `statement` that has begun.
pub(crate) async fn keep(session: &Session, statement: &Statement, now: Timestamp) {
    let state = statement.state();
    let begun = state.parts.iter().zip(&statement.submission.sqls).filter(|(part, _)| part.number > 0);
    let rows: Vec<String> = begun.map(|(part, sql)| row(session, statement, part, sql, now)).collect();
    if rows.is_empty() {
        return;
    }
    let sql = format!("INSERT INTO redshift_system.query_history VALUES {}", rows.join(", "));
    // The submission may have set a timeout that is too short for this.
    let written = match session.client.batch_execute("SET statement_timeout = 0").await {
        Ok(()) => session.client.batch_execute(&sql).await,
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::debug!(%error, statement = statement.id, "cannot write the query history");
    }
}

fn row(session: &Session, statement: &Statement, part: &Part, sql: &str, now: Timestamp) -> String {
    let ended = if part.status.over() { part.updated_at } else { now };
    let error = part.error.as_deref().map_or("NULL".to_owned(), |error| literal(error, ERROR));
    let bytes = part.result.as_ref().map_or(0, |result| result.bytes);
    let user = statement.submission.db_user.as_deref().unwrap_or("awsuser");
    format!(
        "(100, {}, {}, {}, {}, '{}', '{}', '{}', '{}', {error}, {}, {bytes}, {}, {})",
        part.number,
        part.transaction_id,
        session.pid,
        postgres_literal(&session.database),
        query_type(sql),
        status(part.status),
        sql_time(part.started_at),
        sql_time(ended),
        if part.result.is_some() { part.rows } else { 0 },
        literal(sql, TEXT),
        literal(user, 128),
    )
}

fn literal(text: &str, most: usize) -> String {
    postgres_literal(&text[..text.floor_char_boundary(most)].replace('\0', ""))
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Finished => "success",
        Status::Failed => "failed",
        _ => "canceled",
    }
}

/// Source: Amazon Redshift Database Developer Guide, `SYS_QUERY_HISTORY`, which lists COPY in its table of columns and
/// shows LOAD in an example. Queries must ask for both.
fn query_type(sql: &str) -> &'static str {
    let found = tokens::tokens(sql).unwrap_or_default();
    let mut words = found.iter().filter(|token| token.kind != tokens::Kind::Space);
    let verb = words.next().map(|token| token.text.to_ascii_lowercase()).unwrap_or_default();
    match verb.as_str() {
        "select" | "with" => "SELECT",
        "insert" => "INSERT",
        "update" => "UPDATE",
        "delete" => "DELETE",
        "copy" => "COPY",
        "unload" => "UNLOAD",
        "create" if is_ctas(&found) => "CTAS",
        "create" | "alter" | "drop" | "truncate" => "DDL",
        "set" | "reset" | "show" | "lock" | "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "grant"
        | "revoke" | "analyze" | "vacuum" => "UTILITY",
        _ => "OTHER",
    }
}

fn is_ctas(tokens: &[Token<'_>]) -> bool {
    let is = |word: &str| tokens.iter().any(|token| token.is(word));
    is("table") && is("as") && is("select")
}

/// A time in PostgreSQL's notation.
pub(crate) fn sql_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("COPY t FROM 's3://b/k'" => "COPY")]
    #[test_case("/* c */ select 1" => "SELECT")]
    #[test_case("CREATE TABLE t (a int)" => "DDL")]
    #[test_case("CREATE TABLE t AS SELECT 1" => "CTAS")]
    #[test_case("SET statement_timeout TO 1" => "UTILITY")]
    #[test_case("LOCK t" => "UTILITY")]
    #[test_case("MERGE INTO t USING u" => "OTHER")]
    #[test_case("'" => "OTHER"; "what cannot be cut")]
    fn types(sql: &str) -> &'static str {
        query_type(sql)
    }
}
