//! `ListStatements`.
//!
//! Never lists an expired statement.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::statements::Statement;
use super::super::warehouse::Redshift;
use super::error::ApiError;
use super::fields::epoch;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListInput {
    max_results: Option<usize>,
    next_token: Option<String>,
    statement_name: Option<String>,
    status: Option<String>,
    database: Option<String>,
    workgroup_name: Option<String>,
    cluster_identifier: Option<String>,
}

/// The statements that match, newest first.
pub(super) fn list(redshift: &Redshift, input: &ListInput) -> Result<Value, ApiError> {
    let most = input.max_results.unwrap_or(100);
    if most > 100 {
        return Err(ApiError::validation("MaxResults must be between 0 and 100"));
    }
    let most = if most == 0 { 100 } else { most };
    let from = match input.next_token.as_deref() {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| ApiError::validation("NextToken is not valid"))?,
    };
    let matching: Vec<_> =
        redshift.statements.all(redshift.now()).into_iter().filter(|statement| listed(statement, input)).collect();
    let until = (from + most).min(matching.len());
    let page = matching.get(from..until).unwrap_or_default();
    let mut answer = Map::new();
    answer.insert("Statements".to_owned(), page.iter().map(|statement| list_entry(statement)).collect());
    if until < matching.len() {
        answer.insert("NextToken".to_owned(), json!(until.to_string()));
    }
    Ok(Value::Object(answer))
}

fn listed(statement: &Statement, input: &ListInput) -> bool {
    let submission = &statement.submission;
    let status = input.status.as_deref().unwrap_or("FINISHED");
    let same = |asked: &Option<String>, is: Option<&String>| asked.is_none() || asked.as_ref() == is;
    (status == "ALL" || status == statement.status().name())
        && input
            .statement_name
            .as_ref()
            .is_none_or(|prefix| submission.name.as_ref().is_some_and(|name| name.starts_with(prefix.as_str())))
        && same(&input.database, Some(&submission.database))
        && same(&input.workgroup_name, submission.workgroup.as_ref())
        && same(&input.cluster_identifier, submission.cluster.as_ref())
}

fn list_entry(statement: &Statement) -> Value {
    let submission = &statement.submission;
    let state = statement.state();
    let mut entry = json!({
        "Id": statement.id,
        "Status": state.status.name(),
        "CreatedAt": epoch(statement.created_at),
        "UpdatedAt": epoch(state.updated_at),
        "IsBatchStatement": submission.batch,
        "ResultFormat": "JSON",
    });
    if submission.batch {
        entry["QueryStrings"] = json!(submission.sqls);
    } else {
        entry["QueryString"] = json!(submission.sqls[0]);
    }
    if let Some(name) = &submission.name {
        entry["StatementName"] = json!(name);
    }
    if let Some(secret) = &submission.secret {
        entry["SecretArn"] = json!(secret);
    }
    entry
}
