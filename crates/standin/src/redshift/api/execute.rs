//! `ExecuteStatement` and `BatchExecuteStatement`: what may be submitted.
//!
//! Never analyses SQL beyond counting statements and finding parameters.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::statements::{Accepted, Parameter, Submission};
use super::super::tokens;
use super::super::warehouse::Redshift;
use super::error::ApiError;
use super::fields::{addressed, epoch, waiting};

/// "Query statement size", in bytes.
/// Source: Amazon Redshift Management Guide, "Using the Amazon Redshift Data API".
const LONGEST_STATEMENT: usize = 100 * 1024;

/// Source: Amazon Redshift Data API Reference, `BatchExecuteStatement`, `Sqls`.
const MOST_STATEMENTS: usize = 40;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ExecuteInput {
    sql: Option<String>,
    sqls: Option<Vec<String>>,
    database: Option<String>,
    workgroup_name: Option<String>,
    cluster_identifier: Option<String>,
    secret_arn: Option<String>,
    db_user: Option<String>,
    client_token: Option<String>,
    statement_name: Option<String>,
    #[serde(default)]
    with_event: bool,
    parameters: Option<Vec<ParameterInput>>,
    result_format: Option<String>,
    execution_mode: Option<String>,
    session_id: Option<String>,
    session_keep_alive_seconds: Option<i64>,
    wait_time_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct ParameterInput {
    name: String,
    value: String,
}

/// Accepts a submission, once per token, and waits for it if asked to.
pub(super) async fn execute(redshift: &Redshift, input: ExecuteInput, batch: bool) -> Result<Value, ApiError> {
    let wait = waiting(input.wait_time_seconds)?;
    check_unsupported(&input)?;
    let token = input.client_token.clone();
    if token.as_ref().is_some_and(|token| !(1..=64).contains(&token.chars().count())) {
        return Err(ApiError::validation("ClientToken must have length between 1 and 64"));
    }
    let submission = submission(redshift, input, batch)?;
    let statement = match redshift.statements.accept(submission, token, redshift.now()) {
        Accepted::New(statement) => {
            redshift.start_running(&statement);
            statement
        }
        Accepted::Known(statement) => statement,
        Accepted::Full => return Err(ApiError::full()),
    };
    let mut answer = addressed(&statement);
    answer.insert("Id".to_owned(), json!(statement.id));
    answer.insert("CreatedAt".to_owned(), epoch(statement.created_at));
    if let Some(wait) = wait {
        statement.wait(wait).await;
        let state = statement.state();
        answer.insert("Status".to_owned(), json!(state.status.name()));
        answer.insert("RedshiftPid".to_owned(), json!(state.pid));
        answer.insert("HasResultSet".to_owned(), json!(state.parts.iter().any(|part| part.result.is_some())));
    }
    Ok(Value::Object(answer))
}

fn check_unsupported(input: &ExecuteInput) -> Result<(), ApiError> {
    if input.session_id.is_some() || input.session_keep_alive_seconds.is_some_and(|seconds| seconds > 0) {
        return Err(ApiError::validation(
            "sessions (SessionId, SessionKeepAliveSeconds) are not supported by this stand-in",
        ));
    }
    match input.result_format.as_deref() {
        None | Some("JSON") => {}
        Some("CSV") => {
            return Err(ApiError::validation("ResultFormat CSV is not supported by this stand-in"));
        }
        Some(_) => {
            return Err(ApiError::validation("ResultFormat must be one of JSON, CSV"));
        }
    }
    if !matches!(input.execution_mode.as_deref(), None | Some("TRANSACTION" | "AUTO_COMMIT")) {
        return Err(ApiError::validation("ExecutionMode must be one of TRANSACTION, AUTO_COMMIT"));
    }
    Ok(())
}

fn submission(redshift: &Redshift, input: ExecuteInput, batch: bool) -> Result<Submission, ApiError> {
    let sqls = sqls(&input, batch)?;
    check_size(redshift, &sqls)?;
    let parameters = input.parameters.unwrap_or_default();
    let parameters: Vec<Parameter> =
        parameters.into_iter().map(|parameter| Parameter { name: parameter.name, value: parameter.value }).collect();
    check_parameters(&sqls, &parameters)?;
    let database = input
        .database
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::validation("Database must be specified"))?;
    match (&input.workgroup_name, &input.cluster_identifier) {
        (Some(_), Some(_)) => {
            return Err(ApiError::validation("Only one of ClusterIdentifier and WorkgroupName may be specified"));
        }
        (None, None) => {
            return Err(ApiError::validation("Either ClusterIdentifier or WorkgroupName must be specified"));
        }
        (Some(endpoint), None) | (None, Some(endpoint)) if !redshift.knows(endpoint) => {
            return Err(ApiError::validation("Redshift endpoint doesn't exist in this region."));
        }
        _ => {}
    }
    if input.secret_arn.is_some() && input.db_user.is_some() {
        return Err(ApiError::validation("Only one of SecretArn and DbUser may be specified"));
    }
    if input.statement_name.as_ref().is_some_and(|name| name.chars().count() > 2048) {
        return Err(ApiError::validation("StatementName must have length less than or equal to 2048"));
    }
    Ok(Submission {
        sqls,
        batch,
        auto_commit: input.execution_mode.as_deref() == Some("AUTO_COMMIT"),
        parameters,
        database,
        workgroup: input.workgroup_name,
        cluster: input.cluster_identifier,
        secret: input.secret_arn,
        db_user: input.db_user,
        name: input.statement_name,
        with_event: input.with_event,
    })
}

fn sqls(input: &ExecuteInput, batch: bool) -> Result<Vec<String>, ApiError> {
    let sqls = match (batch, &input.sql, &input.sqls) {
        (false, Some(sql), _) => vec![sql.clone()],
        (false, None, _) => return Err(ApiError::validation("Sql must be specified")),
        (true, _, Some(sqls)) if (1..=MOST_STATEMENTS).contains(&sqls.len()) => sqls.clone(),
        (true, ..) => {
            return Err(ApiError::validation(format!("Sqls must have length between 1 and {MOST_STATEMENTS}")));
        }
    };
    if sqls.iter().any(|sql| sql.len() > LONGEST_STATEMENT) {
        return Err(ApiError::validation("Cannot process query string larger than 100kB"));
    }
    if sqls.iter().any(|sql| sql.trim().is_empty()) {
        return Err(ApiError::validation("Sql must not be empty"));
    }
    let several = |sql: &String| tokens::tokens(sql).is_ok_and(|found| tokens::statements(&found).len() > 1);
    if sqls.iter().any(several) {
        return Err(ApiError::validation(
            "Each Sql must be a single SQL statement; use BatchExecuteStatement for several",
        ));
    }
    Ok(sqls)
}

/// AWS documents no limit for all statements together. If a test sets one, the stand-in uses its own text.
fn check_size(redshift: &Redshift, sqls: &[String]) -> Result<(), ApiError> {
    let bytes: usize = sqls.iter().map(String::len).sum();
    match redshift.hooks().largest_submission() {
        Some(most) if bytes > most => Err(ApiError::validation(format!(
            "stand-in: the statements of this request have {bytes} bytes in all, and at most {most} are taken"
        ))),
        _ => Ok(()),
    }
}

/// At least one statement must use each parameter.
fn check_parameters(sqls: &[String], parameters: &[Parameter]) -> Result<(), ApiError> {
    for parameter in parameters {
        let uses = |sql: &String| {
            let found = tokens::tokens(sql).unwrap_or_default();
            found.iter().any(|token| token.kind == tokens::Kind::Parameter(parameter.name.clone()))
        };
        if !sqls.iter().any(uses) {
            return Err(ApiError::validation(format!("Parameters not used in SQL: {}", parameter.name)));
        }
    }
    Ok(())
}
