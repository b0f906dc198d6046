//! `DescribeStatement`, `GetStatementResult` and `CancelStatement`: one statement, by its id.
//!
//! Never waits longer than the caller asked.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::statements::{Part, State, Statement, Status};
use super::super::warehouse::Redshift;
use super::error::ApiError;
use super::fields::{addressed, epoch, nanoseconds, waiting};

const ROWS_PER_PAGE: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StatementInput {
    id: Option<String>,
    wait_time_seconds: Option<i64>,
    next_token: Option<String>,
}

impl StatementInput {
    /// The statement, and which of its parts the id names.
    fn find(&self, redshift: &Redshift) -> Result<(Arc<Statement>, Option<usize>), ApiError> {
        let id = self.id.as_deref().ok_or_else(|| ApiError::validation("Id must be specified"))?;
        let (id, part) = match id.split_once(':') {
            Some((id, part)) => (id, Some(part.parse::<usize>().ok().filter(|part| *part > 0))),
            None => (id, None),
        };
        let malformed = uuid::Uuid::try_parse(id).is_err() || part == Some(None);
        if malformed {
            return Err(ApiError::validation(
                "Id must satisfy regex pattern: ^[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}(:\\d+)?$",
            ));
        }
        let missing = || ApiError::not_found("Query does not exist.");
        let statement = redshift.statements.find(id, redshift.now()).ok_or_else(missing)?;
        let part = part.flatten();
        if part.is_some_and(|part| !statement.submission.batch || part > statement.submission.sqls.len()) {
            return Err(missing());
        }
        Ok((statement, part.map(|part| part - 1)))
    }
}

/// `DescribeStatement`.
pub(super) async fn describe(redshift: &Redshift, input: &StatementInput) -> Result<Value, ApiError> {
    let wait = waiting(input.wait_time_seconds)?;
    let (statement, part) = input.find(redshift)?;
    if let Some(wait) = wait {
        statement.wait(wait).await;
    }
    let state = statement.state();
    if let Some(index) = part {
        let mut answer = addressed(&statement);
        answer.extend(sub_statement(&statement, index, &state.parts[index]));
        answer.insert("RedshiftPid".to_owned(), json!(state.pid));
        return Ok(Value::Object(answer));
    }
    Ok(Value::Object(whole(&statement, &state)))
}

fn whole(statement: &Statement, state: &State) -> Map<String, Value> {
    let mut answer = addressed(statement);
    answer.insert("Id".to_owned(), json!(statement.id));
    answer.insert("Status".to_owned(), json!(state.status.name()));
    answer.insert("CreatedAt".to_owned(), epoch(statement.created_at));
    answer.insert("UpdatedAt".to_owned(), epoch(state.updated_at));
    answer.insert("Duration".to_owned(), nanoseconds(state.duration));
    answer.insert("RedshiftPid".to_owned(), json!(state.pid));
    answer.insert("HasResultSet".to_owned(), json!(state.parts.iter().any(|part| part.result.is_some())));
    answer.insert("ResultFormat".to_owned(), json!("JSON"));
    if let Some(error) = &state.error {
        answer.insert("Error".to_owned(), json!(error));
    }
    let parameters = &statement.submission.parameters;
    if !parameters.is_empty() {
        let parameters = parameters.iter().map(|parameter| json!({ "name": parameter.name, "value": parameter.value }));
        answer.insert("QueryParameters".to_owned(), parameters.collect());
    }
    if statement.submission.batch {
        answer.extend(batch(statement, state));
    } else if let Some(part) = state.parts.first() {
        answer.insert("QueryString".to_owned(), json!(statement.submission.sqls[0]));
        answer.insert("RedshiftQueryId".to_owned(), json!(part.query_id));
        answer.insert("ResultRows".to_owned(), json!(part.rows));
        answer.insert("ResultSize".to_owned(), json!(part.result.as_ref().map_or(0, |result| result.bytes)));
    }
    answer
}

/// A batch has no query and no rows of its own.
fn batch(statement: &Statement, state: &State) -> Map<String, Value> {
    let mode = if statement.submission.auto_commit { "AUTO_COMMIT" } else { "TRANSACTION" };
    let parts = state.parts.iter().enumerate();
    let parts: Value = parts.map(|(index, part)| Value::Object(sub_statement(statement, index, part))).collect();
    let fields = [
        ("ExecutionMode", json!(mode)),
        ("RedshiftQueryId", json!(0)),
        ("ResultRows", json!(-1)),
        ("ResultSize", json!(-1)),
        ("SubStatements", parts),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn sub_statement(statement: &Statement, index: usize, part: &Part) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("Id".to_owned(), json!(format!("{}:{}", statement.id, index + 1)));
    answer.insert("Status".to_owned(), json!(part.status.name()));
    answer.insert("CreatedAt".to_owned(), epoch(statement.created_at));
    answer.insert("UpdatedAt".to_owned(), epoch(part.updated_at));
    answer.insert("Duration".to_owned(), nanoseconds(part.duration));
    answer.insert("QueryString".to_owned(), json!(statement.submission.sqls[index]));
    answer.insert("RedshiftQueryId".to_owned(), json!(part.query_id));
    answer.insert("ResultRows".to_owned(), json!(part.rows));
    answer.insert(
        "ResultSize".to_owned(),
        json!(part.result.as_ref().map_or(-1, |result| i64::try_from(result.bytes).unwrap_or(i64::MAX))),
    );
    answer.insert("HasResultSet".to_owned(), json!(part.result.is_some()));
    if let Some(error) = &part.error {
        answer.insert("Error".to_owned(), json!(error));
    }
    answer
}

/// `GetStatementResult`.
pub(super) async fn result(redshift: &Redshift, input: &StatementInput) -> Result<Value, ApiError> {
    let wait = waiting(input.wait_time_seconds)?;
    let (statement, part) = input.find(redshift)?;
    if let Some(wait) = wait {
        statement.wait(wait).await;
    }
    let state = statement.state();
    let none = || ApiError::not_found("Query does not have result. Please check query status with DescribeStatement.");
    if state.status != Status::Finished {
        return Err(none());
    }
    let table = state.parts.get(part.unwrap_or(0)).and_then(|part| part.result.as_ref()).ok_or_else(none)?;
    let from = match input.next_token.as_deref() {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| ApiError::validation("NextToken is not valid"))?,
    };
    let until = (from + ROWS_PER_PAGE).min(table.rows.len());
    let mut answer = Map::new();
    answer.insert("ColumnMetadata".to_owned(), json!(table.columns));
    answer.insert("TotalNumRows".to_owned(), json!(table.rows.len()));
    answer.insert("Records".to_owned(), json!(table.rows.get(from..until).unwrap_or_default()));
    if until < table.rows.len() {
        answer.insert("NextToken".to_owned(), json!(until.to_string()));
    }
    Ok(Value::Object(answer))
}

/// `CancelStatement`.
pub(super) fn cancel(redshift: &Redshift, input: &StatementInput) -> Result<Value, ApiError> {
    let (statement, part) = input.find(redshift)?;
    if part.is_some() {
        return Err(ApiError::validation("A sub-statement cannot be cancelled; cancel the batch"));
    }
    let status = statement.status();
    if status.over() {
        let message =
            format!("Could not cancel a query that is already in {} state with ID: {}", status.name(), statement.id);
        return Err(ApiError::validation(message));
    }
    statement.cancel();
    Ok(json!({ "Status": true }))
}
