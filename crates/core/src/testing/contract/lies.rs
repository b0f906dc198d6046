//! The controls of the contract of a destination: the checks of one promise, and no others, catch a destination that
//! breaks it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use test_case::test_case;

use super::destination;
use crate::config::Feed;
use crate::destination::{
    Asking, Begun, Entry, Ledger, Load, Loads, Of, Progress, QueryError, Refusal, Refused, Repairs, Started,
};
use crate::object::{ETag, File, FileId, Key};
use crate::ports::{PortError, PortErrorKind};
use crate::testing::target::config;
use crate::testing::{ManualClock, MemoryObjects, MemoryWarehouse, prefix};

/// The promise that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Every call starts a transaction.
    Tokens,
    /// It loads what it has loaded before.
    Guard,
    /// It says that nothing is loaded.
    Loaded,
    /// It has no entries of keys.
    Keys,
    /// Pages begin again with what the last one ended with.
    Pages,
    /// It forgets nothing.
    Forget,
    /// It forgets what was recorded later, too.
    Later,
    /// It names no bad file.
    Bad,
    /// It does not correct the ledger.
    Amend,
}

struct Lying {
    warehouse: MemoryWarehouse,
    lie: Lie,
    calls: AtomicUsize,
}

#[test_case(Lie::Tokens, &["one_token_is_one_transaction"]; "tokens")]
#[test_case(Lie::Guard, &["what_is_recorded_is_not_loaded_again", "of_two_at_once_one_loads"]; "guard")]
#[test_case(Lie::Loaded, &[
    "all_rows_are_loaded_and_recorded", "what_is_recorded_is_not_loaded_again", "what_is_forgotten_can_be_loaded_again",
    "the_ledger_learns_which_version_was_read",
]; "loaded")]
#[test_case(Lie::Keys, &["entries_say_what_was_loaded"]; "keys")]
#[test_case(Lie::Pages, &["pages_come_in_the_order_of_places"]; "pages")]
#[test_case(Lie::Forget, &["what_is_forgotten_can_be_loaded_again"]; "forget")]
#[test_case(Lie::Later, &["what_is_forgotten_can_be_loaded_again"]; "later")]
#[test_case(Lie::Bad, &["a_bad_file_loads_nothing_and_is_named"]; "bad")]
#[test_case(Lie::Amend, &["the_ledger_learns_which_version_was_read"]; "amend")]
fn a_lie_is_found_out(lie: Lie, by: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    assert_eq!(runtime.map(|runtime| runtime.block_on(surprises(lie, by))).ok(), Some(Vec::new()));
}

async fn surprises(lie: Lie, by: &[&str]) -> Vec<String> {
    let clock = ManualClock::default();
    let bucket = MemoryObjects::new(&clock);
    let feed = config("f", "f/", "").feeds.remove(0);
    let warehouse = MemoryWarehouse::new(&bucket, &clock);
    let refuse = |key: &Key| warehouse.refuse(key, Refusal { message: "no".to_owned(), ..Refusal::default() });
    let lying = Lying { warehouse: warehouse.clone(), lie, calls: AtomicUsize::default() };
    let report = destination(&lying, &bucket, &feed, &prefix("incoming/f/"), &refuse).await;
    let known: Vec<String> = by.iter().map(|check| format!("warehouse::{check}")).collect();
    report.surprises(&known.iter().map(String::as_str).collect::<Vec<_>>(), &[])
}

fn failed(error: &QueryError) -> PortError {
    PortError::new("forget", "the ledger", PortErrorKind::Invalid, error.to_string())
}

impl Loads for Lying {
    async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<Started, PortError> {
        if self.lie == Lie::Guard {
            let files: Vec<FileId> = load.files.iter().map(|file| feed.ledger_id(file)).collect();
            self.warehouse.forget(feed, &files, Timestamp::MAX).await.map_err(|error| failed(&error))?;
        }
        let token = match self.lie {
            Lie::Tokens => format!("{}-{}", load.token, self.calls.fetch_add(1, Ordering::Relaxed)),
            _ => load.token.to_owned(),
        };
        self.warehouse.start(feed, &Load { token: &token, ..*load }).await
    }

    async fn poll(&self, feed: &Feed, begun: &Begun, files: &[File], wait: Duration) -> Result<Progress, PortError> {
        self.warehouse.poll(feed, begun, files, wait).await
    }
}

impl Ledger for Lying {
    async fn create_ledger(&self, feed: &Feed, asking: &Asking) -> Result<(), QueryError> {
        self.warehouse.create_ledger(feed, asking).await
    }

    async fn loaded(&self, feed: &Feed, files: &[File], asking: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
        match self.lie {
            Lie::Loaded => Ok(HashMap::new()),
            _ => self.warehouse.loaded(feed, files, asking).await,
        }
    }

    async fn entries(&self, feed: &Feed, of: Of<'_>, asking: &Asking) -> Result<Vec<Entry>, QueryError> {
        let of = match (self.lie, of) {
            (Lie::Keys, Of::Keys(_)) => return Ok(Vec::new()),
            (Lie::Pages, Of::Page { from, limit, .. }) => Of::Page { from, skip: 0, limit },
            _ => of,
        };
        self.warehouse.entries(feed, of, asking).await
    }

    async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
        match self.lie {
            Lie::Forget => Ok(()),
            Lie::Later => self.warehouse.forget(feed, files, Timestamp::MAX).await,
            _ => self.warehouse.forget(feed, files, until).await,
        }
    }
}

impl Repairs for Lying {
    async fn bad_files(
        &self,
        feed: &Feed,
        load: &Load<'_>,
        begun: &Begun,
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        match self.lie {
            Lie::Bad => Ok(Refused::default()),
            _ => self.warehouse.bad_files(feed, load, begun, asking).await,
        }
    }

    async fn versions_read(
        &self,
        feed: &Feed,
        begun: &Begun,
        files: &[File],
        asking: &Asking,
    ) -> Result<HashMap<Key, ETag>, QueryError> {
        self.warehouse.versions_read(feed, begun, files, asking).await
    }

    async fn amend(&self, feed: &Feed, replaced: &[(File, File)], asking: &Asking) -> Result<(), QueryError> {
        match self.lie {
            Lie::Amend => Ok(()),
            _ => self.warehouse.amend(feed, replaced, asking).await,
        }
    }
}
