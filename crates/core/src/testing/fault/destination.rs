//! A warehouse with faults.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Faulty;
use crate::config::Feed;
use crate::destination::{Destination, Entry, Load, Of, Progress, QueryError, Refusal, StatementId};
use crate::object::{ETag, File, FileId, Key};
use crate::ports::PortError;

impl<T: Destination> Destination for Faulty<T> {
    async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<StatementId, PortError> {
        self.call("start", load.batch, self.inner.start(feed, load)).await
    }

    async fn poll(&self, feed: &Feed, statement: &StatementId, wait: Duration) -> Result<Progress, PortError> {
        self.call("poll", statement, self.inner.poll(feed, statement, wait)).await
    }

    async fn create_ledger(&self, feed: &Feed) -> Result<(), QueryError> {
        self.call("create_ledger", &feed.name, self.inner.create_ledger(feed)).await
    }

    async fn loaded(&self, feed: &Feed, files: &[File]) -> Result<HashSet<FileId>, QueryError> {
        self.call("loaded", &feed.name, self.inner.loaded(feed, files)).await
    }

    async fn bad_files(
        &self,
        feed: &Feed,
        load: &Load<'_>,
        statement: &StatementId,
    ) -> Result<HashMap<Key, Refusal>, QueryError> {
        self.call("bad_files", statement, self.inner.bad_files(feed, load, statement)).await
    }

    async fn versions_read(
        &self,
        feed: &Feed,
        statement: &StatementId,
        files: &[File],
    ) -> Result<HashMap<Key, ETag>, QueryError> {
        self.call("versions_read", statement, self.inner.versions_read(feed, statement, files)).await
    }

    async fn amend(&self, feed: &Feed, replaced: &[(File, File)]) -> Result<(), QueryError> {
        self.call("amend", &feed.name, self.inner.amend(feed, replaced)).await
    }

    async fn entries(&self, feed: &Feed, of: Of<'_>) -> Result<Vec<Entry>, QueryError> {
        self.call("entries", &feed.name, self.inner.entries(feed, of)).await
    }

    async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
        self.call("forget", &feed.name, self.inner.forget(feed, files, until)).await
    }
}
