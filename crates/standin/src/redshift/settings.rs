//! Redshift's own settings: SET, SET LOCAL, RESET and SHOW accept them, although PostgreSQL does not know them.
//!
//! PostgreSQL keeps each under a prefix, so that it ends with its transaction or session. Only
//! `enable_case_sensitive_identifier` changes anything here; the others are only stored and shown. Never interprets a
//! setting of PostgreSQL's own.

use tokio_postgres::SimpleQueryMessage;

use super::error::SqlError;
use super::session::Session;
use super::tokens::{Kind, Token};

/// The prefix of the name in PostgreSQL.
const PREFIX: &str = "redshift.";

/// The settings that PostgreSQL does not have.
/// Source: Amazon Redshift Database Developer Guide, "Configuration reference".
const KNOWN: [&str; 25] = [
    "analyze_threshold_percent",
    "cast_super_null_on_error",
    "datashare_break_glass_session_var",
    "default_geometry_encoding",
    "describe_field_name_in_uppercase",
    "enable_case_sensitive_identifier",
    "enable_case_sensitive_super_attribute",
    "enable_numeric_rounding",
    "enable_result_cache_for_session",
    "enable_vacuum_boost",
    "error_on_nondeterministic_update",
    "interval_forbid_composite_literals",
    "json_serialization_enable",
    "json_serialization_parse_nested_strings",
    "max_concurrency_scaling_clusters",
    "max_cursor_result_set_size",
    "mv_enable_aqmv_for_session",
    "navigate_super_null_on_error",
    "parse_super_null_on_error",
    "pg_federation_repeatable_read",
    "query_group",
    "spectrum_enable_pseudo_columns",
    "spectrum_query_maxerror",
    "stored_proc_log_min_messages",
    "wlm_query_slot_count",
];

/// The index of the token that names one of Redshift's settings, if the statement sets, resets or shows one.
pub(crate) fn place(tokens: &[Token<'_>]) -> Result<Option<usize>, SqlError> {
    let mut said = tokens.iter().enumerate().filter(|(_, token)| token.kind != Kind::Space);
    if !said.next().is_some_and(|(_, verb)| ["set", "reset", "show"].iter().any(|word| verb.is(word))) {
        return Ok(None);
    }
    let Some((at, name)) = said.find(|(_, token)| !token.is("session") && !token.is("local")) else {
        return Ok(None);
    };
    if name.is("downcase_delimited_identifier") {
        return Err(SqlError::not_done("downcase_delimited_identifier, which is being retired"));
    }
    Ok(KNOWN.iter().any(|known| name.is(known)).then_some(at))
}

/// PostgreSQL's name for such a setting.
pub(crate) fn renamed(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_lowercase())
}

/// Whether quoted names keep their capitals on this connection. SHOW takes no snapshot, so a LOCK after it still comes
/// before the snapshot.
pub(crate) async fn case_sensitive(session: &Session, query_id: i64) -> Result<bool, SqlError> {
    let sql = format!("SHOW {}", renamed("enable_case_sensitive_identifier"));
    let messages =
        session.client.simple_query(&sql).await.map_err(|error| SqlError::from_postgres(&error, query_id))?;
    let is = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_ascii_lowercase),
        _ => None,
    });
    Ok(is.is_some_and(|is| ["on", "true", "t", "1", "yes"].contains(&is.as_str())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::super::tokens::tokens;
    use super::*;

    #[test_case("SET enable_case_sensitive_identifier TO true", Some("enable_case_sensitive_identifier"); "set")]
    #[test_case("set local Enable_Result_Cache_For_Session = off", Some("Enable_Result_Cache_For_Session"); "set local")]
    #[test_case("RESET query_group", Some("query_group"); "reset")]
    #[test_case("SHOW wlm_query_slot_count", Some("wlm_query_slot_count"); "show")]
    #[test_case("SET statement_timeout TO 1", None; "what postgresql has")]
    #[test_case("SELECT query_group", None; "another statement")]
    fn settings(sql: &str, expected: Option<&str>) {
        let tokens = tokens(sql).unwrap();
        assert_eq!(place(&tokens).unwrap().map(|at| tokens[at].text), expected);
    }
}
