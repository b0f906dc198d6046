//! A warehouse with faults.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Faulty;
use crate::config::Feed;
use crate::destination::{
    Asking, Begun, Destination, Entry, Ledger, Load, Loads, Of, Progress, QueryError, Refused, Repairs, Started,
};
use crate::object::{ETag, File, FileId, Key};
use crate::ports::PortError;

impl<T: Destination> Loads for Faulty<T> {
    async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<Started, PortError> {
        self.call("start", load.batch, self.inner.start(feed, load)).await
    }

    async fn poll(&self, feed: &Feed, begun: &Begun, files: &[File], wait: Duration) -> Result<Progress, PortError> {
        self.call("poll", &begun.statement, self.inner.poll(feed, begun, files, wait)).await
    }
}

impl<T: Destination> Ledger for Faulty<T> {
    async fn create_ledger(&self, feed: &Feed, asking: &Asking) -> Result<(), QueryError> {
        self.call("create_ledger", &feed.name, self.inner.create_ledger(feed, asking)).await
    }

    async fn loaded(&self, feed: &Feed, files: &[File], asking: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
        self.call("loaded", &feed.name, self.inner.loaded(feed, files, asking)).await
    }

    async fn entries(&self, feed: &Feed, of: Of<'_>, asking: &Asking) -> Result<Vec<Entry>, QueryError> {
        self.call("entries", &feed.name, self.inner.entries(feed, of, asking)).await
    }

    async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
        self.call("forget", &feed.name, self.inner.forget(feed, files, until)).await
    }
}

impl<T: Destination> Repairs for Faulty<T> {
    async fn bad_files(
        &self,
        feed: &Feed,
        load: &Load<'_>,
        begun: &Begun,
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        self.call("bad_files", &begun.statement, self.inner.bad_files(feed, load, begun, asking)).await
    }

    async fn versions_read(
        &self,
        feed: &Feed,
        begun: &Begun,
        files: &[File],
        asking: &Asking,
    ) -> Result<HashMap<Key, ETag>, QueryError> {
        self.call("versions_read", &begun.statement, self.inner.versions_read(feed, begun, files, asking)).await
    }

    async fn amend(&self, feed: &Feed, replaced: &[(File, File)], asking: &Asking) -> Result<(), QueryError> {
        self.call("amend", &feed.name, self.inner.amend(feed, replaced, asking)).await
    }
}
