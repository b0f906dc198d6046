//! The ledger, which is a table beside the lines; and the one repair that is needed: to say which files are bad.
//!
//! Never decides what becomes of a file. Where there is no ledger yet, nothing is loaded.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Transaction;
use sluice_core::config::Feed;
use sluice_core::destination::{
    Asking, Begun, Entry, Ledger, Load, Of, Progress, QueryError, Refused, Repairs, StatementId,
};
use sluice_core::object::{ETag, File, FileId, Key};
use sluice_core::ports::Objects;

use crate::LinesDestination;
use crate::config::Lines;
use crate::database::{self, transaction};
use crate::end::End;

/// How long files wait to be taken out of the ledger.
const FORGET_PATIENCE: Duration = Duration::from_mins(9);

impl<O: Objects> Ledger for LinesDestination<O> {
    async fn create_ledger(&self, feed: &Feed, asking: &Asking) -> Result<(), QueryError> {
        let identity = feed.identity;
        let work = move |lines: &Lines, there: &mut Transaction<'_>| database::create_ledger(lines, there, identity);
        if transaction(Lines::of(feed)?, asking.wait, work).await? {
            return Ok(());
        }
        match End::OtherIdentity.progress(Timestamp::UNIX_EPOCH) {
            Progress::Failed(failure) => {
                Err(QueryError::Failed { statement: StatementId("create ledger".to_owned()), failure })
            }
            _ => Ok(()),
        }
    }

    async fn loaded(&self, feed: &Feed, files: &[File], asking: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
        let ids: Vec<FileId> = files.iter().map(|file| feed.ledger_id(file)).collect();
        let entries = self.entries(feed, Of::Files(&ids), asking).await?;
        Ok(entries.into_iter().map(|entry| (entry.id, entry.etag)).collect())
    }

    async fn entries(&self, feed: &Feed, of: Of<'_>, asking: &Asking) -> Result<Vec<Entry>, QueryError> {
        let (column, values): (_, Vec<String>) = match of {
            Of::Page { from, skip, limit } => return page(feed, from.to_owned(), skip, limit, asking).await,
            Of::Files(files) => ("id", files.iter().map(FileId::to_string).collect()),
            Of::Keys(keys) => ("key", keys.iter().map(Key::to_string).collect()),
        };
        let each = move |lines: &Lines, there: &mut Transaction<'_>| {
            let which = format!("WHERE {column} = ?1");
            let entries = values.iter().map(|value| database::entries(lines, there, &which, [value]));
            Ok(entries.collect::<rusqlite::Result<Vec<_>>>()?.concat())
        };
        Ok(transaction(Lines::of(feed)?, asking.wait, each).await?)
    }

    async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
        let files = files.to_vec();
        let all = move |lines: &Lines, there: &mut Transaction<'_>| {
            files.iter().try_for_each(|file| database::forget(lines, there, file, until.as_second()))
        };
        Ok(transaction(Lines::of(feed)?, FORGET_PATIENCE, all).await?)
    }
}

async fn page(feed: &Feed, from: String, skip: usize, limit: usize, asking: &Asking) -> Result<Vec<Entry>, QueryError> {
    let number = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let work = move |lines: &Lines, there: &mut Transaction<'_>| {
        let which = "WHERE place >= ?1 ORDER BY place, id LIMIT ?2 OFFSET ?3";
        database::entries(lines, there, which, (from, number(limit), number(skip)))
    };
    Ok(transaction(Lines::of(feed)?, asking.wait, work).await?)
}

/// It reads exactly the planned versions: what the core has for such a destination will do for the rest.
impl<O: Objects> Repairs for LinesDestination<O> {
    async fn bad_files(
        &self,
        feed: &Feed,
        _: &Load<'_>,
        begun: &Begun,
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        let token = begun.statement.0.clone();
        let end = transaction(Lines::of(feed)?, asking.wait, move |_, there| database::end(there, &token)).await?;
        let files = match end {
            Some((End::BadFiles(refused), _)) => refused.into_iter().collect(),
            _ => HashMap::new(),
        };
        Ok(Refused { files, late: false })
    }
}
