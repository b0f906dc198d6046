//! Every request that the stand-in received, for counting and for tests that wait.
//!
//! Only records: never decides anything, and only the server writes to it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it arrived.
    pub at: Timestamp,
    /// The access key id of its signature; `-` without one.
    pub caller: String,
    /// The service, as in a signature's scope: `s3`, `redshift-data`, `lambda`, `monitoring`, `runtime`, `sluice`.
    pub service: &'static str,
    /// The operation as the SDKs name it: `PutObject`, `BatchExecuteStatement`, …
    pub operation: Cow<'static, str>,
    /// Its subject, if it has one: `bucket/key`, or the name of a function.
    pub subject: Option<String>,
    /// What else it touched: the source of a copy, as `bucket/key`; the prefix of a list.
    pub also: Option<String>,
    /// The key after which a list began. None: it began with the first key of its prefix.
    pub after: Option<String>,
    /// The HTTP status that the service answered with; 0 if the request was never executed and never answered.
    pub status: u16,
    /// From arrival to answer, latency included.
    pub elapsed: Duration,
    /// The fault that was injected.
    pub fault: Option<&'static str>,
}

impl Entry {
    /// Service and operation as IAM writes them: `s3:PutObject`.
    #[must_use]
    pub fn action(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }
}

/// A point in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// The journal. A handle: clones share the entries.
#[derive(Clone, Debug)]
pub struct Journal {
    entries: Arc<Mutex<Vec<Entry>>>,
    length: Arc<watch::Sender<usize>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { entries: Arc::default(), length: Arc::new(watch::Sender::new(0)) }
    }
}

impl Journal {
    /// Everything so far, in the order of the answers.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Entry> {
        self.since(Mark::default())
    }

    /// The current end of the journal.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.lock().len())
    }

    /// Everything after `mark`.
    #[must_use]
    pub fn since(&self, mark: Mark) -> Vec<Entry> {
        self.lock().get(mark.0..).unwrap_or_default().to_vec()
    }

    /// How many requests of `operation`, such as `PutObject`, came from callers whose id begins with `caller`.
    #[must_use]
    pub fn count(&self, caller: &str, operation: &str) -> usize {
        let matches = |entry: &&Entry| entry.caller.starts_with(caller) && entry.operation == operation;
        self.lock().iter().filter(matches).count()
    }

    /// How many requests of each action (`s3:PutObject`) came from callers whose id begins with `caller`, since `mark`.
    #[must_use]
    pub fn counts(&self, mark: Mark, caller: &str) -> BTreeMap<String, usize> {
        let entries = self.lock();
        let mut counts = BTreeMap::new();
        let entries = entries.get(mark.0..).unwrap_or_default().iter();
        for entry in entries.filter(|entry| entry.caller.starts_with(caller)) {
            *counts.entry(entry.action()).or_default() += 1;
        }
        counts
    }

    /// The first entry after `mark` that `wanted` accepts. Waits for it without a limit.
    pub async fn wait_for(&self, mark: Mark, wanted: impl Fn(&Entry) -> bool) -> Entry {
        let mut length = self.length.subscribe();
        let mut seen = mark.0;
        loop {
            // Mark the length as seen before looking, so that an entry that arrives in between wakes us again.
            length.borrow_and_update();
            {
                let entries = self.lock();
                if let Some(entry) = entries.get(seen..).unwrap_or_default().iter().find(|entry| wanted(entry)) {
                    return entry.clone();
                }
                seen = seen.max(entries.len());
            }
            // `self` holds the sender, so the channel cannot be closed.
            _ = length.changed().await;
        }
    }

    pub(crate) fn record(&self, entry: Entry) {
        let length = {
            let mut entries = self.lock();
            entries.push(entry);
            entries.len()
        };
        self.length.send_replace(length);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(caller: &str, operation: &'static str) -> Entry {
        Entry {
            at: Timestamp::now(),
            caller: caller.to_owned(),
            service: "s3",
            operation: operation.into(),
            subject: None,
            also: None,
            after: None,
            status: 200,
            elapsed: Duration::ZERO,
            fault: None,
        }
    }

    #[test]
    fn counts_by_the_beginning_of_the_caller_and_the_operation() {
        let journal = Journal::default();
        journal.record(entry("fn-worker-1", "PutObject"));
        journal.record(entry("fn-worker-2", "PutObject"));
        let mark = journal.mark();
        journal.record(entry("fn-worker-2", "CopyObject"));
        journal.record(entry("fn-lister-1", "PutObject"));
        assert_eq!(journal.count("fn-worker-", "PutObject"), 2);
        assert_eq!(journal.count("", "PutObject"), 3);
        assert_eq!(journal.since(mark).len(), 2);
        let counts = journal.counts(mark, "fn-worker-");
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("s3:CopyObject".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn waiting_finds_what_is_there_and_what_comes() {
        let journal = Journal::default();
        journal.record(entry("a", "PutObject"));
        let found = journal.wait_for(Mark::default(), |entry| entry.caller == "a").await;
        assert_eq!(found.operation, "PutObject");
        let waiting = journal.wait_for(journal.mark(), |entry| entry.caller == "b");
        let coming = async {
            journal.record(entry("c", "PutObject"));
            tokio::task::yield_now().await;
            journal.record(entry("b", "GetObject"));
        };
        let (found, ()) = tokio::join!(waiting, coming);
        assert_eq!(found.operation, "GetObject");
    }
}
