//! PostgreSQL's texts in Redshift's words, by SQLSTATE.
//!
//! Redshift is based on PostgreSQL 8.0.2 and kept most of its texts. Where PostgreSQL 15 has a newer text, the older
//! one replaces it. Never passes on an unknown text: the caller marks it as the stand-in's own.
//!
//! Source: Amazon Redshift Database Developer Guide. The comment at a text names the page or section that shows it.

use tokio_postgres::error::{DbError, SqlState};

/// Redshift's text, if it is known.
pub(super) fn of(said: &DbError) -> Option<String> {
    if *said.code() == SqlState::UNIQUE_VIOLATION && said.schema() == Some("pg_catalog") {
        return made_twice(said.detail()?);
    }
    translated(said.code(), said.message(), said.column())
}

fn translated(code: &SqlState, message: &str, column: Option<&str>) -> Option<String> {
    if is_same(code) {
        return Some(message.to_owned());
    }
    let begins = |texts: &[&str]| texts.iter().any(|text| message.starts_with(text)).then(|| message.to_owned());
    match *code {
        // SUPER is a type of this stand-in, whose errors name things that Redshift does not have.
        SqlState::UNDEFINED_FUNCTION => (!message.contains("json")).then(|| message.to_owned()),
        SqlState::UNDEFINED_OBJECT => Some(message.replacen("role \"", "user \"", 1)),
        // GRANT examples: "permission denied for relation test".
        SqlState::INSUFFICIENT_PRIVILEGE => Some(message.replacen(" for table ", " for relation ", 1).replacen(
            "owner of table ",
            "owner of relation ",
            1,
        )),
        // enable_case_sensitive_identifier: Relation "mixedcasedtable2" already exists.
        SqlState::DUPLICATE_TABLE => Some(message.replacen("relation ", "Relation ", 1)),
        // A relation's own type: two transactions created the relation at the same time.
        SqlState::DUPLICATE_OBJECT if message.starts_with("type \"") => Some(message.replacen("type ", "Relation ", 1)),
        SqlState::INTERNAL_ERROR => begins(&["tuple concurrently updated"]),
        // DROP VIEW: "can't drop view eventview because other objects depend on it".
        SqlState::DEPENDENT_OBJECTS_STILL_EXIST => Some(message.replacen("cannot drop ", "can't drop ", 1)),
        // MERGE: "Found multiple matches to update the same tuple."
        SqlState::CARDINALITY_VIOLATION if message.starts_with("MERGE ") => {
            Some("Found multiple matches to update the same tuple.".to_owned())
        }
        SqlState::CARDINALITY_VIOLATION => Some(message.to_owned()),
        SqlState::NOT_NULL_VIOLATION => column.map(|column| format!("Cannot insert a NULL value into column {column}")),
        SqlState::INVALID_TEXT_REPRESENTATION => text_representation(message),
        // Examples with numeric types: "smallint out of range", "numeric field overflow".
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE => {
            begins(&["smallint out of range", "integer out of range", "bigint out of range", "numeric field overflow"])
        }
        SqlState::INVALID_PARAMETER_VALUE => begins(&["invalid value for parameter "]),
        _ => None,
    }
}

/// Two transactions created the same relation at the same time, and PostgreSQL's own catalog reports the conflict:
/// `Key (typname, typnamespace)=(t, 2200) already exists.`
/// In Redshift, the relation of the second transaction already exists.
fn made_twice(detail: &str) -> Option<String> {
    let name = detail.split_once(")=(")?.1.split(',').next()?;
    Some(format!("Relation \"{name}\" already exists"))
}

/// Errors that PostgreSQL and Redshift report in the same words.
fn is_same(code: &SqlState) -> bool {
    const SAME: [SqlState; 24] = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::SYNTAX_ERROR,
        SqlState::DIVISION_BY_ZERO,
        SqlState::DUPLICATE_COLUMN,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::DUPLICATE_ALIAS,
        SqlState::AMBIGUOUS_COLUMN,
        SqlState::AMBIGUOUS_FUNCTION,
        SqlState::GROUPING_ERROR,
        SqlState::DATATYPE_MISMATCH,
        SqlState::CANNOT_COERCE,
        SqlState::STRING_DATA_RIGHT_TRUNCATION,
        SqlState::INVALID_DATETIME_FORMAT,
        SqlState::DATETIME_FIELD_OVERFLOW,
        SqlState::IN_FAILED_SQL_TRANSACTION,
        SqlState::ACTIVE_SQL_TRANSACTION,
        SqlState::NO_ACTIVE_SQL_TRANSACTION,
        SqlState::RAISE_EXCEPTION,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    SAME.contains(code)
}

/// NVL: `invalid input syntax for integer: "Amazon Redshift"`. Today's PostgreSQL says "type integer".
fn text_representation(message: &str) -> Option<String> {
    if let Some(value) = message.strip_prefix("invalid input syntax for type integer: ") {
        return Some(format!("invalid input syntax for integer: {value}"));
    }
    let known = ["numeric", "boolean", "double precision", "real", "bigint"];
    let is_known = |name: &&str| message.starts_with(&format!("invalid input syntax for type {name}: "));
    known.iter().any(is_known).then(|| message.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("42P01", "relation \"t\" does not exist", Some("relation \"t\" does not exist"); "as it is")]
    #[test_case("42501", "permission denied for table t", Some("permission denied for relation t"); "denied")]
    #[test_case("42501", "permission denied for schema s", Some("permission denied for schema s"); "denied otherwise")]
    #[test_case("42501", "must be owner of table t", Some("must be owner of relation t"); "owner")]
    #[test_case("42P07", "relation \"t\" already exists", Some("Relation \"t\" already exists"); "twice")]
    #[test_case("22P02", "invalid input syntax for type integer: \"x\"", Some("invalid input syntax for integer: \"x\""); "integer")]
    #[test_case("42710", "type \"t\" already exists", Some("Relation \"t\" already exists"); "twice at once")]
    #[test_case("XX000", "tuple concurrently updated", Some("tuple concurrently updated"); "two owners")]
    #[test_case("22P02", "invalid input syntax for type json", None; "json")]
    #[test_case("22003", "\"1e-50\" is out of range for type real", None; "real")]
    #[test_case("22003", "integer out of range", Some("integer out of range"); "range")]
    #[test_case("21000", "MERGE command cannot affect row a second time", Some("Found multiple matches to update the same tuple."); "merge")]
    #[test_case("42883", "operator does not exist: json = json", None; "operators of super")]
    #[test_case("42883", "function f(integer) does not exist", Some("function f(integer) does not exist"); "function")]
    #[test_case("42704", "role \"r\" does not exist", Some("user \"r\" does not exist"); "user")]
    #[test_case("22P05", "unsupported Unicode escape sequence", None; "escapes")]
    #[test_case("XX000", "cache lookup failed", None; "whatever else")]
    fn texts(code: &str, message: &str, expected: Option<&str>) {
        assert_eq!(translated(&SqlState::from_code(code), message, None).as_deref(), expected);
    }

    #[test_case("Key (typname, typnamespace)=(t, 2200) already exists.", Some("Relation \"t\" already exists"); "a type")]
    #[test_case("something else", None; "whatever else")]
    fn relations_that_were_made_twice(detail: &str, expected: Option<&str>) {
        assert_eq!(made_twice(detail).as_deref(), expected);
    }

    #[test]
    fn a_null_that_must_not_be() {
        let message = "null value in column \"n\" of relation \"t\" violates not-null constraint";
        let said = translated(&SqlState::NOT_NULL_VIOLATION, message, Some("n"));
        assert_eq!(said.as_deref(), Some("Cannot insert a NULL value into column n"));
    }
}
