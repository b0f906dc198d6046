//! Loads: one COPY per manifest in one transaction, through the Data API.
//!
//! Never waits longer than the caller allows, and never starts a second transaction for one token.

use std::time::Duration;

use jiff::Timestamp;
use sluice_core::batch::BatchId;
use sluice_core::completion;
use sluice_core::config::{Bucket, Feed};
use sluice_core::destination::{Begun, Failure, Load, Loaded, Loads, Progress, Roles, Started};
use sluice_core::object::{File, Key};
use sluice_core::ports::{Objects, PortError, PortErrorKind, PutIf};

use crate::config::RedshiftFeed;
use crate::statements::MAX_STATEMENT_BYTES;
use crate::{Description, Statements, Status, Submission, failure, manifest, sql};

/// Redshift, through the ports to its Data API and to the bucket that holds manifests.
#[derive(Debug)]
pub struct RedshiftDestination<S, O> {
    pub(crate) bucket: Bucket,
    pub(crate) statements: S,
    pub(crate) objects: O,
}

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// A destination whose manifests are in `bucket`, which `objects` writes.
    pub fn new(bucket: Bucket, statements: S, objects: O) -> Self {
        Self { bucket, statements, objects }
    }
}

impl<S: Statements, O: Objects> Loads for RedshiftDestination<S, O> {
    async fn prepare(&self, feed: &Feed, load: &Load<'_>) -> Result<(), PortError> {
        self.write_manifest(RedshiftFeed::of(feed)?, load).await.map(drop)
    }

    async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<Started, PortError> {
        let feed = RedshiftFeed::of(feed)?;
        let manifest =
            if load.prepared { self.manifest(feed, load.batch)? } else { self.write_manifest(feed, load).await? };
        let transaction = sql::transaction(&self.bucket.name, feed, load, &manifest);
        let submission = Submission {
            statements: transaction.statements,
            token: Some(load.token.to_owned()),
            name: completion::statement_name(&self.bucket, &feed, load.slot, load.batch),
            with_event: true,
        };
        let bytes: usize = submission.statements.iter().map(String::len).sum();
        let submitted = self.statements.submit(feed.target, &submission).await;
        let statement = submitted.map_err(|error| perhaps_too_large(error, bytes))?;
        Ok(Started::Detached(Begun { statement, roles: Some(transaction.roles) }))
    }

    async fn poll(&self, feed: &Feed, begun: &Begun, files: &[File], wait: Duration) -> Result<Progress, PortError> {
        let feed = RedshiftFeed::of(feed)?;
        let Some(description) = self.statements.describe(&begun.statement, wait).await? else {
            return Ok(Progress::Forgotten);
        };
        Ok(match description.status {
            Status::Running => Progress::Running,
            Status::Finished => Progress::Loaded(loaded(roles(feed, begun), &description)),
            Status::Failed | Status::Aborted => {
                let failure = failure::of_transaction(roles(feed, begun), &description, &self.bucket.name, files);
                Progress::Failed(Failure { at: description.updated_at, ..failure::naming_its_object(feed, failure) })
            }
        })
    }
}

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// Writes the batch's manifest. Every writer writes the same, so the write needs no condition.
    pub(crate) async fn write_manifest(&self, feed: RedshiftFeed<'_>, load: &Load<'_>) -> Result<Key, PortError> {
        let key = self.manifest(feed, load.batch)?;
        let body = manifest::manifest(&self.bucket.name, load.files).map_err(|error| invalid(load.batch, error))?;
        self.objects.put(&key, body, PutIf::Any).await?;
        Ok(key)
    }

    /// Where the batch's manifest is.
    fn manifest(&self, feed: RedshiftFeed<'_>, batch: &BatchId) -> Result<Key, PortError> {
        manifest::key(&self.bucket, &feed, batch).map_err(|error| invalid(batch, error))
    }
}

/// The error of a manifest that cannot be built.
fn invalid(batch: &BatchId, error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::new("manifest", batch.as_str(), PortErrorKind::Invalid, error)
}

/// The Data API documents a limit for a statement, and none for a transaction. A transaction over the statement's limit
/// that is refused as invalid may be too large.
fn perhaps_too_large(error: PortError, bytes: usize) -> PortError {
    match error.kind {
        PortErrorKind::Invalid if bytes > MAX_STATEMENT_BYTES => PortError { kind: PortErrorKind::TooLarge, ..error },
        _ => error,
    }
}

/// Which statement of the transaction does what. For one that an older version started, today's configuration says it.
pub(crate) fn roles(feed: RedshiftFeed<'_>, begun: &Begun) -> Roles {
    begun.roles.unwrap_or(sql::first_roles(feed.target))
}

fn loaded(roles: Roles, description: &Description) -> Loaded {
    Loaded {
        rows: description.parts.get(roles.copy).and_then(|part| part.rows),
        at: description.updated_at.unwrap_or(Timestamp::UNIX_EPOCH),
        duration: description.duration,
    }
}
