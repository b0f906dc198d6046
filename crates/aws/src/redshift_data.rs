//! Statements: the Redshift Data API.
//!
//! Never builds SQL and never interprets an error's text: `sluice_redshift` decides what a failure means.

mod description;

use std::time::Duration;

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::error::SdkError;
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementError;
use sluice_core::destination::StatementId;
use sluice_core::ports::{Operation, PortError, PortErrorKind, Service};
use sluice_redshift::config::{Identity, Redshift, Warehouse};
use sluice_redshift::{Description, Statements, Status, Submission};
use tokio::time::Instant;

use crate::error::failed;
use crate::lazy::Lazy;

const EXECUTE: Operation = Service::Warehouse.call("redshift-data:ExecuteStatement");
const BATCH: Operation = Service::Warehouse.call("redshift-data:BatchExecuteStatement");
const DESCRIBE: Operation = Service::Warehouse.call("redshift-data:DescribeStatement");
const RESULT: Operation = Service::Warehouse.call("redshift-data:GetStatementResult");

/// The longest that one call waits for a statement to end.
/// Source: Amazon Redshift Management Guide, "Long polling" of the Data API.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The pause after an answer that came without the requested wait.
const PAUSE: Duration = Duration::from_millis(500);

/// The Redshift Data API.
#[derive(Clone, Debug)]
pub struct RedshiftData {
    client: Lazy<Client>,
}

impl RedshiftData {
    pub(crate) fn new(client: Lazy<Client>) -> Self {
        Self { client }
    }
}

impl Statements for RedshiftData {
    async fn submit(&self, target: &Redshift, submission: &Submission) -> Result<StatementId, PortError> {
        let id = match submission.statements.as_slice() {
            [one] => self.execute(target, submission, one).await?,
            _ => self.batch(target, submission).await?,
        };
        let nameless = || PortError::new(BATCH, &submission.name, PortErrorKind::Invalid, "the answer lacks an id");
        id.map(StatementId).ok_or_else(nameless)
    }

    async fn describe(&self, id: &StatementId, wait: Duration) -> Result<Option<Description>, PortError> {
        let until = Instant::now() + wait;
        loop {
            let asked = Instant::now();
            let left = until.saturating_duration_since(asked);
            let description = self.describe_once(id, left.min(LONGEST_WAIT)).await?;
            let running = description.as_ref().is_some_and(|description| description.status == Status::Running);
            if !running || Instant::now() >= until {
                return Ok(description);
            }
            // An endpoint without long polling answers at once. The pause keeps this loop from flooding it.
            if asked.elapsed() < PAUSE {
                tokio::time::sleep_until(until.min(asked + PAUSE)).await;
            }
        }
    }

    async fn rows(&self, id: &StatementId) -> Result<Vec<Vec<Option<String>>>, PortError> {
        let (mut rows, mut next) = (Vec::new(), None);
        loop {
            let page = self.client.get_statement_result().id(&id.0).set_next_token(next).send().await;
            let page = page.map_err(|error| failed(RESULT, &id.0, error))?;
            rows.extend(page.records.into_iter().map(|row| row.into_iter().map(description::text).collect()));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(rows);
            }
        }
    }
}

impl RedshiftData {
    async fn execute(&self, to: &Redshift, what: &Submission, sql: &str) -> Result<Option<String>, PortError> {
        let (workgroup, cluster) = warehouse(to);
        let (secret, db_user) = identity(to);
        let execute = self.client.execute_statement().sql(sql).database(&to.database);
        let execute = execute.set_workgroup_name(workgroup).set_cluster_identifier(cluster);
        let execute = execute.set_secret_arn(secret).set_db_user(db_user);
        let execute = execute.statement_name(&what.name).set_client_token(what.token.clone());
        let execute = execute.with_event(what.with_event);
        execute.send().await.map(|answer| answer.id).map_err(|error| failed(EXECUTE, subject(to, what), error))
    }

    async fn batch(&self, to: &Redshift, what: &Submission) -> Result<Option<String>, PortError> {
        let (workgroup, cluster) = warehouse(to);
        let (secret, db_user) = identity(to);
        let batch = self.client.batch_execute_statement().database(&to.database);
        let batch = batch.set_sqls(Some(what.statements.clone()));
        let batch = batch.set_workgroup_name(workgroup).set_cluster_identifier(cluster);
        let batch = batch.set_secret_arn(secret).set_db_user(db_user);
        let batch = batch.statement_name(&what.name).set_client_token(what.token.clone());
        let batch = batch.with_event(what.with_event);
        batch.send().await.map(|answer| answer.id).map_err(|error| failed(BATCH, subject(to, what), error))
    }

    /// Asks once. Lets the service wait if at least a whole second is left.
    async fn describe_once(&self, id: &StatementId, wait: Duration) -> Result<Option<Description>, PortError> {
        let seconds = i32::try_from(wait.as_secs()).ok().filter(|seconds| *seconds > 0);
        let describe = self.client.describe_statement().id(&id.0).set_wait_time_seconds(seconds);
        match describe.send().await {
            Ok(answer) => Ok(Some(description::describe(&answer))),
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(failed(DESCRIBE, &id.0, error)),
        }
    }
}

fn is_unknown(error: &SdkError<DescribeStatementError>) -> bool {
    error.as_service_error().is_some_and(DescribeStatementError::is_resource_not_found_exception)
}

fn warehouse(target: &Redshift) -> (Option<String>, Option<String>) {
    match &target.warehouse {
        Warehouse::Workgroup(name) => (Some(name.clone()), None),
        Warehouse::Cluster(name) => (None, Some(name.clone())),
    }
}

fn identity(target: &Redshift) -> (Option<String>, Option<String>) {
    match &target.identity {
        Identity::Iam => (None, None),
        Identity::Secret(arn) => (Some(arn.clone()), None),
        Identity::DbUser(name) => (None, Some(name.clone())),
    }
}

fn subject(target: &Redshift, submission: &Submission) -> String {
    let (Warehouse::Workgroup(warehouse) | Warehouse::Cluster(warehouse)) = &target.warehouse;
    format!("{warehouse}/{} for {}", target.database, submission.name)
}

#[cfg(test)]
mod tests;
