//! Errors of SQL, in Redshift's words.
//!
//! Sluice classifies failures by these texts, so they are the contract of this stand-in. A text that is not Redshift's
//! says so: it begins with `stand-in:` or names "this stand-in". Never passes off its own text as Redshift's.

mod words;

use tokio_postgres::error::{DbError, SqlState};

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

    /// The stand-in's own words, because Redshift's are unknown or Redshift would report no error.
    pub(crate) fn own(text: impl std::fmt::Display) -> Self {
        Self(format!("stand-in: {text}"))
    }

    /// Something that Redshift does and the stand-in does not.
    pub(crate) fn not_done(what: impl std::fmt::Display) -> Self {
        Self(format!("this stand-in does not do {what}: it is not supported here, although Redshift has it"))
    }

    /// Redshift's text for a statement that exceeded `statement_timeout` or was cancelled.
    pub(crate) fn cancelled(query_id: i64) -> Self {
        Self(format!("Query ({query_id}) cancelled on user's request"))
    }

    /// Translates PostgreSQL's error into Redshift's.
    pub(crate) fn from_postgres(error: &tokio_postgres::Error, query_id: i64) -> Self {
        let Some(said) = error.as_db_error() else {
            return Self(lost(error));
        };
        Self::of_transaction(said, query_id).unwrap_or_else(|| match words::of(said) {
            Some(text) => Self(with_detail(text, said)),
            None => Self::own(with_detail(said.message().to_owned(), said)),
        })
    }

    /// Translates PostgreSQL's error about rows that COPY had already checked. Redshift would have loaded them or
    /// refused them with a load error, so no text about a value can be Redshift's.
    pub(crate) fn from_copy(error: &tokio_postgres::Error, query_id: i64) -> Self {
        let Some(said) = error.as_db_error() else {
            return Self::from_postgres(error, query_id);
        };
        // A test that raises an error in a trigger expects that very text.
        if [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::RAISE_EXCEPTION].contains(said.code()) {
            return Self::from_postgres(error, query_id);
        }
        Self::of_transaction(said, query_id).unwrap_or_else(|| {
            let place = said.where_().map(|place| format!(" ({place})")).unwrap_or_default();
            Self::own(format_args!("COPY let through what PostgreSQL refuses: {}{place}", said.message()))
        })
    }

    /// Errors about the transaction, whatever statements it ran.
    fn of_transaction(said: &DbError, query_id: i64) -> Option<Self> {
        match *said.code() {
            SqlState::T_R_SERIALIZATION_FAILURE => Some(Self(format!(
                "1023 DETAIL: Serializable isolation violation on table - 0, transactions forming the cycle are: {query_id}, {} (pid:0)",
                query_id.saturating_sub(1)
            ))),
            SqlState::QUERY_CANCELED => Some(Self::cancelled(query_id)),
            SqlState::T_R_DEADLOCK_DETECTED => Some(Self(with_detail(said.message().to_owned(), said))),
            _ => None,
        }
    }
}

fn with_detail(text: String, said: &DbError) -> String {
    match said.detail() {
        Some(detail) => format!("{text}\n  Detail: {detail}"),
        None => text,
    }
}

impl From<TokenError> for SqlError {
    fn from(error: TokenError) -> Self {
        Self(error.to_string())
    }
}

/// The connection to PostgreSQL is lost. The text is a known one and says which connection.
pub(crate) fn lost(error: &(dyn std::error::Error + 'static)) -> String {
    format!("connection to the warehouse lost: this stand-in's PostgreSQL: {}", chain(error))
}

/// An error and its causes, on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
