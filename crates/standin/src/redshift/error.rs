//! Errors of SQL, in the words that Redshift has for them.
//!
//! The texts are what Sluice sorts failures by, so they are the contract of this stand-in.

use tokio_postgres::error::SqlState;

use super::tokens::TokenError;

/// Why one statement failed: the text after `ERROR: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ERROR: {0}")]
pub(crate) struct SqlError(pub(crate) String);

impl SqlError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn syntax(near: &str) -> Self {
        Self(format!("syntax error at or near \"{near}\""))
    }

    /// What Redshift says when a statement ran into `statement_timeout`, or was stopped from outside.
    pub(crate) fn cancelled(query_id: i64) -> Self {
        Self(format!("Query ({query_id}) cancelled on user's request"))
    }

    /// What PostgreSQL said, as Redshift would have said it.
    pub(crate) fn from_postgres(error: &tokio_postgres::Error, query_id: i64) -> Self {
        let Some(said) = error.as_db_error() else {
            return Self(format!("connection to the warehouse lost: {}", chain(error)));
        };
        match *said.code() {
            SqlState::T_R_SERIALIZATION_FAILURE => Self(format!(
                "1023 DETAIL: Serializable isolation violation on table - 0, transactions forming the cycle are: {query_id}, {} (pid:0)",
                query_id.saturating_sub(1)
            )),
            SqlState::QUERY_CANCELED => Self::cancelled(query_id),
            _ => match said.detail() {
                Some(detail) => Self(format!("{}\n  Detail: {detail}", said.message())),
                None => Self(said.message().to_owned()),
            },
        }
    }
}

impl From<TokenError> for SqlError {
    fn from(error: TokenError) -> Self {
        Self(error.to_string())
    }
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
