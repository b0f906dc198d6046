//! The Data API's operations over HTTP: what each takes, checks and answers, in awsJson1.1.
//!
//! Never lets an SQL error become an HTTP error: those are states of a statement.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Redshift;
use super::statements::{Accepted, Parameter, Part, Statement, Status, Submission};
use super::tokens;
use crate::service::Call;

const TARGET: &str = "x-amz-target";
const SERVICE: &str = "RedshiftData.";
/// "Query statement size", in bytes.
const LONGEST_STATEMENT: usize = 100 * 1024;
const ROWS_PER_PAGE: usize = 1000;

/// An error as AWS names it.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl ApiError {
    fn validation(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "ValidationException",
            message: message.into(),
        }
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "ResourceNotFoundException",
            message: message.into(),
        }
    }

    fn full() -> Self {
        let message = "The number of active statements exceeds the limit.".to_owned();
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "ActiveStatementsExceededException",
            message,
        }
    }
}

/// The operation that a request names, for the journal.
#[must_use]
pub fn operation(request: &Request<Bytes>) -> String {
    let target = request
        .headers()
        .get(TARGET)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    target.strip_prefix(SERVICE).unwrap_or("Unknown").to_owned()
}

/// Answers one request.
pub(crate) async fn answer(redshift: &Redshift, call: Call) -> Response<Bytes> {
    let result = dispatch(redshift, &call).await;
    let (status, kind, body) = match result {
        Ok(body) => (StatusCode::OK, None, body),
        Err(error) => {
            let mut body =
                json!({ "__type": error.kind, "message": error.message, "Message": error.message });
            if let (Value::Object(body), "ResourceNotFoundException") = (&mut body, error.kind) {
                body.insert("ResourceId".to_owned(), json!(""));
            }
            (error.status, Some(error.kind), body)
        }
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    if let Some(kind) = kind {
        headers.insert("x-amzn-errortype", http::HeaderValue::from_static(kind));
    }
    if let Ok(id) = http::HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

async fn dispatch(redshift: &Redshift, call: &Call) -> Result<Value, ApiError> {
    let operation = operation(&call.request);
    let body = call.request.body();
    match operation.as_str() {
        "ExecuteStatement" | "BatchExecuteStatement" => {
            execute(
                redshift,
                parse(body)?,
                &call.caller,
                operation == "BatchExecuteStatement",
            )
            .await
        }
        "DescribeStatement" => describe(redshift, &parse(body)?).await,
        "GetStatementResult" => result(redshift, &parse(body)?).await,
        "CancelStatement" => cancel(redshift, &parse(body)?),
        "ListStatements" => list(redshift, &parse(body)?),
        _ => Err(ApiError {
            status: StatusCode::BAD_REQUEST,
            kind: "UnknownOperationException",
            message: format!("{operation} is not an operation of this stand-in"),
        }),
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError {
        status: StatusCode::BAD_REQUEST,
        kind: "SerializationException",
        message: error.to_string(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecuteInput {
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

async fn execute(
    redshift: &Redshift,
    input: ExecuteInput,
    caller: &str,
    batch: bool,
) -> Result<Value, ApiError> {
    let wait = waiting(input.wait_time_seconds)?;
    check_unsupported(&input)?;
    let token = input.client_token.clone();
    if token
        .as_ref()
        .is_some_and(|token| !(1..=64).contains(&token.chars().count()))
    {
        return Err(ApiError::validation(
            "ClientToken must have length between 1 and 64",
        ));
    }
    let submission = submission(redshift, input, caller, batch)?;
    let statement = match redshift
        .statements
        .accept(submission, token, redshift.now())
    {
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
        answer.insert(
            "HasResultSet".to_owned(),
            json!(state.parts.iter().any(|part| part.result.is_some())),
        );
    }
    Ok(Value::Object(answer))
}

fn check_unsupported(input: &ExecuteInput) -> Result<(), ApiError> {
    if input.session_id.is_some()
        || input
            .session_keep_alive_seconds
            .is_some_and(|seconds| seconds > 0)
    {
        return Err(ApiError::validation(
            "sessions (SessionId, SessionKeepAliveSeconds) are not supported by this stand-in",
        ));
    }
    match input.result_format.as_deref() {
        None | Some("JSON") => {}
        Some("CSV") => {
            return Err(ApiError::validation(
                "ResultFormat CSV is not supported by this stand-in",
            ));
        }
        Some(_) => {
            return Err(ApiError::validation(
                "ResultFormat must be one of JSON, CSV",
            ));
        }
    }
    if !matches!(
        input.execution_mode.as_deref(),
        None | Some("TRANSACTION" | "AUTO_COMMIT")
    ) {
        return Err(ApiError::validation(
            "ExecutionMode must be one of TRANSACTION, AUTO_COMMIT",
        ));
    }
    Ok(())
}

fn submission(
    redshift: &Redshift,
    input: ExecuteInput,
    caller: &str,
    batch: bool,
) -> Result<Submission, ApiError> {
    let sqls = sqls(&input, batch)?;
    let parameters = input.parameters.unwrap_or_default();
    let parameters: Vec<Parameter> = parameters
        .into_iter()
        .map(|parameter| Parameter {
            name: parameter.name,
            value: parameter.value,
        })
        .collect();
    check_parameters(&sqls, &parameters)?;
    let database = input
        .database
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::validation("Database must be specified"))?;
    match (&input.workgroup_name, &input.cluster_identifier) {
        (Some(_), Some(_)) => {
            return Err(ApiError::validation(
                "Only one of ClusterIdentifier and WorkgroupName may be specified",
            ));
        }
        (None, None) => {
            return Err(ApiError::validation(
                "Either ClusterIdentifier or WorkgroupName must be specified",
            ));
        }
        (Some(endpoint), None) | (None, Some(endpoint)) if !redshift.knows(endpoint) => {
            return Err(ApiError::validation(
                "Redshift endpoint doesn't exist in this region.",
            ));
        }
        _ => {}
    }
    if input.secret_arn.is_some() && input.db_user.is_some() {
        return Err(ApiError::validation(
            "Only one of SecretArn and DbUser may be specified",
        ));
    }
    if input
        .statement_name
        .as_ref()
        .is_some_and(|name| name.chars().count() > 2048)
    {
        return Err(ApiError::validation(
            "StatementName must have length less than or equal to 2048",
        ));
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
        caller: caller.to_owned(),
    })
}

fn sqls(input: &ExecuteInput, batch: bool) -> Result<Vec<String>, ApiError> {
    let sqls = match (batch, &input.sql, &input.sqls) {
        (false, Some(sql), _) => vec![sql.clone()],
        (false, None, _) => return Err(ApiError::validation("Sql must be specified")),
        (true, _, Some(sqls)) if (1..=40).contains(&sqls.len()) => sqls.clone(),
        (true, ..) => {
            return Err(ApiError::validation(
                "Sqls must have length between 1 and 40",
            ));
        }
    };
    if sqls.iter().any(|sql| sql.len() > LONGEST_STATEMENT) {
        return Err(ApiError::validation(
            "Cannot process query string larger than 100kB",
        ));
    }
    if sqls.iter().any(|sql| sql.trim().is_empty()) {
        return Err(ApiError::validation("Sql must not be empty"));
    }
    let several =
        |sql: &String| tokens::tokens(sql).is_ok_and(|found| tokens::statements(&found).len() > 1);
    if sqls.iter().any(several) {
        return Err(ApiError::validation(
            "Each Sql must be a single SQL statement; use BatchExecuteStatement for several",
        ));
    }
    Ok(sqls)
}

/// Each parameter has to be used by at least one statement.
fn check_parameters(sqls: &[String], parameters: &[Parameter]) -> Result<(), ApiError> {
    for parameter in parameters {
        let uses = |sql: &String| {
            let found = tokens::tokens(sql).unwrap_or_default();
            found
                .iter()
                .any(|token| token.kind == tokens::Kind::Parameter(parameter.name.clone()))
        };
        if !sqls.iter().any(uses) {
            return Err(ApiError::validation(format!(
                "Parameters not used in SQL: {}",
                parameter.name
            )));
        }
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatementInput {
    id: Option<String>,
    wait_time_seconds: Option<i64>,
    next_token: Option<String>,
}

impl StatementInput {
    /// The statement, and which of its parts is meant.
    fn find(&self, redshift: &Redshift) -> Result<(Arc<Statement>, Option<usize>), ApiError> {
        let id = self
            .id
            .as_deref()
            .ok_or_else(|| ApiError::validation("Id must be specified"))?;
        let (id, part) = match id.split_once(':') {
            Some((id, part)) => (
                id,
                Some(part.parse::<usize>().ok().filter(|part| *part > 0)),
            ),
            None => (id, None),
        };
        let malformed = uuid::Uuid::try_parse(id).is_err() || part == Some(None);
        if malformed {
            return Err(ApiError::validation(
                "Id must satisfy regex pattern: ^[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}(:\\d+)?$",
            ));
        }
        let missing = || ApiError::not_found("Query does not exist.");
        let statement = redshift
            .statements
            .find(id, redshift.now())
            .ok_or_else(missing)?;
        let part = part.flatten();
        if part.is_some_and(|part| {
            !statement.submission.batch || part > statement.submission.sqls.len()
        }) {
            return Err(missing());
        }
        Ok((statement, part.map(|part| part - 1)))
    }
}

async fn describe(redshift: &Redshift, input: &StatementInput) -> Result<Value, ApiError> {
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
    let mut answer = addressed(&statement);
    let submission = &statement.submission;
    answer.insert("Id".to_owned(), json!(statement.id));
    answer.insert("Status".to_owned(), json!(state.status.name()));
    answer.insert("CreatedAt".to_owned(), epoch(statement.created_at));
    answer.insert("UpdatedAt".to_owned(), epoch(state.updated_at));
    answer.insert("Duration".to_owned(), nanoseconds(state.duration));
    answer.insert("RedshiftPid".to_owned(), json!(state.pid));
    answer.insert(
        "HasResultSet".to_owned(),
        json!(state.parts.iter().any(|part| part.result.is_some())),
    );
    answer.insert("ResultFormat".to_owned(), json!("JSON"));
    if let Some(error) = &state.error {
        answer.insert("Error".to_owned(), json!(error));
    }
    if !submission.parameters.is_empty() {
        let parameters = submission
            .parameters
            .iter()
            .map(|parameter| json!({ "name": parameter.name, "value": parameter.value }));
        answer.insert("QueryParameters".to_owned(), parameters.collect());
    }
    if submission.batch {
        let mode = if submission.auto_commit {
            "AUTO_COMMIT"
        } else {
            "TRANSACTION"
        };
        answer.insert("ExecutionMode".to_owned(), json!(mode));
        answer.insert("RedshiftQueryId".to_owned(), json!(0));
        answer.insert("ResultRows".to_owned(), json!(-1));
        answer.insert("ResultSize".to_owned(), json!(-1));
        let parts = state
            .parts
            .iter()
            .enumerate()
            .map(|(index, part)| Value::Object(sub_statement(&statement, index, part)));
        answer.insert("SubStatements".to_owned(), parts.collect());
    } else if let Some(part) = state.parts.first() {
        answer.insert("QueryString".to_owned(), json!(submission.sqls[0]));
        answer.insert("RedshiftQueryId".to_owned(), json!(part.query_id));
        answer.insert("ResultRows".to_owned(), json!(part.rows));
        answer.insert(
            "ResultSize".to_owned(),
            json!(part.result.as_ref().map_or(0, |result| result.bytes)),
        );
    }
    Ok(Value::Object(answer))
}

fn sub_statement(statement: &Statement, index: usize, part: &Part) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert(
        "Id".to_owned(),
        json!(format!("{}:{}", statement.id, index + 1)),
    );
    answer.insert("Status".to_owned(), json!(part.status.name()));
    answer.insert("CreatedAt".to_owned(), epoch(statement.created_at));
    answer.insert("UpdatedAt".to_owned(), epoch(part.updated_at));
    answer.insert("Duration".to_owned(), nanoseconds(part.duration));
    answer.insert(
        "QueryString".to_owned(),
        json!(statement.submission.sqls[index]),
    );
    answer.insert("RedshiftQueryId".to_owned(), json!(part.query_id));
    answer.insert("ResultRows".to_owned(), json!(part.rows));
    answer.insert(
        "ResultSize".to_owned(),
        json!(
            part.result
                .as_ref()
                .map_or(-1, |result| i64::try_from(result.bytes).unwrap_or(i64::MAX))
        ),
    );
    answer.insert("HasResultSet".to_owned(), json!(part.result.is_some()));
    if let Some(error) = &part.error {
        answer.insert("Error".to_owned(), json!(error));
    }
    answer
}

async fn result(redshift: &Redshift, input: &StatementInput) -> Result<Value, ApiError> {
    let wait = waiting(input.wait_time_seconds)?;
    let (statement, part) = input.find(redshift)?;
    if let Some(wait) = wait {
        statement.wait(wait).await;
    }
    let state = statement.state();
    let none = || {
        ApiError::not_found(
            "Query does not have result. Please check query status with DescribeStatement.",
        )
    };
    if state.status != Status::Finished {
        return Err(none());
    }
    let table = state
        .parts
        .get(part.unwrap_or(0))
        .and_then(|part| part.result.as_ref())
        .ok_or_else(none)?;
    let from = match input.next_token.as_deref() {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| ApiError::validation("NextToken is not valid"))?,
    };
    let until = (from + ROWS_PER_PAGE).min(table.rows.len());
    let mut answer = Map::new();
    answer.insert("ColumnMetadata".to_owned(), json!(table.columns));
    answer.insert("TotalNumRows".to_owned(), json!(table.rows.len()));
    answer.insert(
        "Records".to_owned(),
        json!(table.rows.get(from..until).unwrap_or_default()),
    );
    if until < table.rows.len() {
        answer.insert("NextToken".to_owned(), json!(until.to_string()));
    }
    Ok(Value::Object(answer))
}

fn cancel(redshift: &Redshift, input: &StatementInput) -> Result<Value, ApiError> {
    let (statement, part) = input.find(redshift)?;
    if part.is_some() {
        return Err(ApiError::validation(
            "A sub-statement cannot be cancelled; cancel the batch",
        ));
    }
    let status = statement.status();
    if status.over() {
        let message = format!(
            "Could not cancel a query that is already in {} state with ID: {}",
            status.name(),
            statement.id
        );
        return Err(ApiError::validation(message));
    }
    statement.cancel();
    Ok(json!({ "Status": true }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    max_results: Option<usize>,
    next_token: Option<String>,
    statement_name: Option<String>,
    status: Option<String>,
    database: Option<String>,
    workgroup_name: Option<String>,
    cluster_identifier: Option<String>,
}

fn list(redshift: &Redshift, input: &ListInput) -> Result<Value, ApiError> {
    let most = input.max_results.unwrap_or(100);
    if most > 100 {
        return Err(ApiError::validation("MaxResults must be between 0 and 100"));
    }
    let most = if most == 0 { 100 } else { most };
    let from = match input.next_token.as_deref() {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| ApiError::validation("NextToken is not valid"))?,
    };
    let matching: Vec<_> = redshift
        .statements
        .all(redshift.now())
        .into_iter()
        .filter(|statement| listed(statement, input))
        .collect();
    let until = (from + most).min(matching.len());
    let page = matching.get(from..until).unwrap_or_default();
    let mut answer = Map::new();
    answer.insert(
        "Statements".to_owned(),
        page.iter().map(|statement| list_entry(statement)).collect(),
    );
    if until < matching.len() {
        answer.insert("NextToken".to_owned(), json!(until.to_string()));
    }
    Ok(Value::Object(answer))
}

fn listed(statement: &Statement, input: &ListInput) -> bool {
    let submission = &statement.submission;
    let status = input.status.as_deref().unwrap_or("FINISHED");
    let same =
        |asked: &Option<String>, is: Option<&String>| asked.is_none() || asked.as_ref() == is;
    (status == "ALL" || status == statement.status().name())
        && input.statement_name.as_ref().is_none_or(|prefix| {
            submission
                .name
                .as_ref()
                .is_some_and(|name| name.starts_with(prefix.as_str()))
        })
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

fn waiting(seconds: Option<i64>) -> Result<Option<Duration>, ApiError> {
    match seconds {
        None => Ok(None),
        Some(seconds) if (1..=30).contains(&seconds) => {
            Ok(Some(Duration::from_secs(seconds.unsigned_abs())))
        }
        Some(_) => Err(ApiError::validation(
            "WaitTimeSeconds must be between 1 and 30",
        )),
    }
}

/// To which database, of which warehouse, as whom.
fn addressed(statement: &Statement) -> Map<String, Value> {
    let submission = &statement.submission;
    let fields = [
        ("Database", Some(&submission.database)),
        ("WorkgroupName", submission.workgroup.as_ref()),
        ("ClusterIdentifier", submission.cluster.as_ref()),
        ("SecretArn", submission.secret.as_ref()),
        ("DbUser", submission.db_user.as_ref()),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect()
}

/// Seconds since 1970, as awsJson1.1 writes times.
fn epoch(time: Timestamp) -> Value {
    let milliseconds = time.as_millisecond();
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds of our time are exact in a double"
    )]
    let seconds = milliseconds as f64 / 1000.0;
    json!(seconds)
}

fn nanoseconds(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
