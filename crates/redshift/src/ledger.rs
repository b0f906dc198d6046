//! The ledger: which files a feed has loaded, according to the warehouse's own table.
//!
//! Never decides what happens to a file. Without a table, nothing is loaded yet.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use sluice_core::config::Feed;
use sluice_core::destination::{Asking, Entry, Failure, FailureKind, Ledger, Of, QueryError};
use sluice_core::object::{ETag, File, FileId, Key};
use sluice_core::ports::{Objects, PortError, PortErrorKind};

use crate::config::RedshiftFeed;
use crate::failure::{self, Means};
use crate::{RedshiftDestination, Statements, sql};

/// How long the warehouse itself may take to remove files from the ledger: it gives up before the caller does.
const FORGET_PATIENCE: Duration = Duration::from_mins(9);

impl<S: Statements, O: Objects> Ledger for RedshiftDestination<S, O> {
    async fn create_ledger(&self, feed: &Feed, asking: &Asking) -> Result<(), QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        match self.run(feed, "create ledger", sql::create_ledger(feed), asking).await {
            // Of two at the same moment, one fails in spite of IF NOT EXISTS, in Redshift and in PostgreSQL.
            Err(QueryError::Failed { failure, .. }) if failure::is(&failure, Means::Exists) => Ok(()),
            Err(QueryError::Failed { statement, failure }) if failure::is(&failure, Means::ZeroDivision) => {
                Err(QueryError::Failed { statement, failure: of_another_identity(feed) })
            }
            made => made.map(drop),
        }
    }

    async fn loaded(&self, feed: &Feed, files: &[File], asking: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        let rows = match self.query(feed, "read ledger", sql::loaded(feed, files), asking).await {
            Err(error) if is_missing(&error) => Vec::new(),
            rows => rows?,
        };
        let entry = |row: &Vec<Option<String>>| {
            Some((FileId::parse(row.first()?.as_deref()?.trim())?, ETag::new(row.get(1)?.as_deref()?)))
        };
        Ok(rows.iter().filter_map(entry).collect())
    }

    async fn entries(&self, feed: &Feed, of: Of<'_>, asking: &Asking) -> Result<Vec<Entry>, QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        let statements = match of {
            Of::Page { from, skip, limit } => vec![sql::page(feed.target, from, skip, limit)],
            Of::Files(files) => sql::entries_of(feed.target, files),
            Of::Keys(keys) => sql::entries_named(feed.target, keys),
        };
        let mut entries = Vec::new();
        for (number, statement) in statements.into_iter().enumerate() {
            // A load holds the ledger's lock until its end, and readers wait for it.
            match self.run(feed, &format!("read ledger {number}"), vec![statement], asking).await {
                Ok((id, _)) => {
                    for row in self.statements.rows(&id).await? {
                        entries.push(entry(feed, &row)?);
                    }
                }
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        for transaction in sql::forget(feed.target, files, until, FORGET_PATIENCE) {
            match self.run(feed, "forget files", transaction, &Asking::patiently()).await {
                Err(error) if is_missing(&error) => return Ok(()),
                done => done.map(drop)?,
            }
        }
        Ok(())
    }
}

/// Whether the question failed because there is no ledger yet.
fn is_missing(error: &QueryError) -> bool {
    matches!(error, QueryError::Failed { failure, .. } if failure::is(failure, Means::NoRelation))
}

/// A row of the ledger. Sluice did not write a row that cannot be read; to skip it would miscount.
fn entry(feed: RedshiftFeed<'_>, row: &[Option<String>]) -> Result<Entry, PortError> {
    let text = |at: usize| row.get(at).and_then(Option::as_deref);
    let read = || {
        Some(Entry {
            id: FileId::parse(text(0)?.trim())?,
            key: Key::new(text(1)?).ok()?,
            etag: ETag::new(text(2)?),
            size: text(3)?.trim().parse().ok()?,
            loaded_at: Timestamp::from_second(text(4)?.trim().parse().ok()?).ok()?,
        })
    };
    let ledger = feed.target.ledger.to_string();
    read().ok_or_else(|| {
        let problem = format!("a row of the ledger is not one that Sluice writes: {row:?}");
        PortError::new("read ledger", ledger, PortErrorKind::Invalid, problem)
    })
}

/// The failure of a ledger whose entries have another identity than the feed's.
fn of_another_identity(feed: RedshiftFeed<'_>) -> Failure {
    let (ledger, identity) = (&feed.target.ledger, feed.identity.as_str());
    Failure {
        kind: FailureKind::Configuration,
        message: format!("the ledger {ledger} does not know its files as identity = {identity:?} would"),
        advice: Some(
            "write the identity that it was filled with, or convert it: `sluice ledger rebuild`. The files stay where \
             they are",
        ),
        file: None,
        at: None,
    }
}
