//! A warehouse in memory: tables of lines, a ledger for each feed, and transactions that take the clock's time.
//!
//! Keeps the promise of every destination: a transaction loads all of its files and writes them into the ledger, or
//! does nothing, and does nothing where the ledger has one of them. Never knows SQL. This is one file because all of it
//! is about one state under one lock.

mod script;
mod transaction;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

pub use script::{End, Script};
use transaction::Transaction;

use super::{ManualClock, MemoryObjects, lock};
use crate::config::Feed;
use crate::destination::{
    Asking, Begun, Entry, Failure, FailureKind, Ledger, Load, Loads, Of, Progress, QueryError, Refusal, Refused,
    Repairs, Started, StatementId,
};
use crate::object::{ETag, File, FileId, Key};
use crate::ports::{Clock, PortError};

/// A warehouse in memory. Clones are the same warehouse.
#[derive(Clone, Debug)]
pub struct MemoryWarehouse {
    objects: MemoryObjects,
    clock: ManualClock,
    state: Arc<Mutex<State>>,
    /// Whether a load ends in the call that starts it.
    at_once: bool,
}

#[derive(Debug, Default)]
struct State {
    feeds: BTreeMap<String, Table>,
    ledgers_missing: bool,
    transactions: Vec<Transaction>,
    tokens: HashMap<String, StatementId>,
    scripts: VecDeque<Script>,
    refused: BTreeMap<Key, Refusal>,
    cursed: BTreeSet<Key>,
    named_at_most: Option<usize>,
    versions_hidden: bool,
}

/// A feed's table and ledger.
#[derive(Debug, Default)]
struct Table {
    /// Each row with the file that it came from.
    rows: Vec<(Key, String)>,
    /// `None`: not created yet.
    ledger: Option<HashMap<FileId, Entry>>,
}

impl MemoryWarehouse {
    /// An empty warehouse with ledgers that loads from `objects`.
    #[must_use]
    pub fn new(objects: &MemoryObjects, clock: &ManualClock) -> Self {
        Self { objects: objects.clone(), clock: clock.clone(), state: Arc::default(), at_once: false }
    }

    /// The same warehouse, of the kind that loads in the call that starts the load: it remembers no token, and
    /// afterwards nobody can ask it for the transaction.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// A warehouse whose ledgers have to be created first.
    #[must_use]
    pub fn without_ledgers(self) -> Self {
        lock(&self.state).ledgers_missing = true;
        self
    }

    /// The script of the next transaction that has none yet. Without scripts each succeeds at once.
    pub fn next(&self, script: Script) {
        lock(&self.state).scripts.push_back(script);
    }

    /// From now on transactions succeed.
    pub fn clear_scripts(&self) {
        lock(&self.state).scripts.clear();
    }

    /// From now on transactions with this key fail for bad data.
    pub fn refuse(&self, key: &Key, refusal: Refusal) {
        lock(&self.state).refused.insert(key.clone(), refusal);
    }

    /// From now on transactions with this key fail, and nobody knows why.
    pub fn curse(&self, key: &Key) {
        lock(&self.state).cursed.insert(key.clone());
    }

    /// From now on transactions with this key no longer fail: the cause is fixed.
    pub fn accept(&self, key: &Key) {
        let mut state = lock(&self.state);
        state.refused.remove(key);
        state.cursed.remove(key);
    }

    /// Deletes all rows of the feed's table, as an operator does; the ledger stays.
    pub fn truncate(&self, feed: &Feed) {
        self.settled().table(feed.name.as_str()).rows.clear();
    }

    /// From now on a question for the bad files names only so many.
    pub fn name_at_most(&self, bad_files: usize) {
        lock(&self.state).named_at_most = Some(bad_files);
    }

    /// From now on the warehouse does not know which versions of files it read.
    pub fn hide_versions(&self) {
        lock(&self.state).versions_hidden = true;
    }

    /// Forgets all tokens, as the Data API does after eight hours.
    pub fn forget_tokens(&self) {
        lock(&self.state).tokens.clear();
    }

    /// Forgets how every transaction that has ended did so, as the Data API does after 24 hours.
    pub fn forget_statements(&self) {
        self.settled().transactions.iter_mut().for_each(Transaction::forget);
    }

    /// All rows of the feed's table with the key they came from, sorted.
    #[must_use]
    pub fn rows(&self, feed: &Feed) -> Vec<(String, String)> {
        let mut state = self.settled();
        let rows = state.table(feed.name.as_str()).rows.iter();
        let mut rows: Vec<_> = rows.map(|(key, row)| (key.to_string(), row.clone())).collect();
        rows.sort_unstable();
        rows
    }

    /// What the feed's ledger has.
    #[must_use]
    pub fn ledger(&self, feed: &Feed) -> HashSet<FileId> {
        let mut state = self.settled();
        let ledger = state.table(feed.name.as_str()).ledger.iter();
        ledger.flat_map(HashMap::keys).copied().collect()
    }

    /// Takes a file out of the feed's ledger, as an operator does to load it again.
    pub fn unrecord(&self, feed: &Feed, file: &FileId) {
        if let Some(ledger) = &mut self.settled().table(feed.name.as_str()).ledger {
            ledger.remove(file);
        }
    }

    /// Puts a file into the feed's ledger, without rows.
    pub fn record(&self, feed: &Feed, file: &File) {
        let entry = transaction::entry(feed, file, self.clock.now());
        self.settled().table(feed.name.as_str()).ledger.get_or_insert_default().insert(entry.id, entry);
    }

    /// How many transactions were started, however they ended.
    #[must_use]
    pub fn started(&self) -> usize {
        lock(&self.state).transactions.len()
    }

    /// How many files of the feed are in transactions that have not ended.
    #[must_use]
    pub fn in_flight(&self, feed: &Feed) -> usize {
        let state = self.settled();
        let running = state.transactions.iter().filter(|one| one.feed == feed.name.as_str() && !one.ended());
        running.map(Transaction::files).sum()
    }

    /// The state, with every transaction ended whose time is over, in the order of their ends.
    fn settled(&self) -> std::sync::MutexGuard<'_, State> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        while let Some(index) = transaction::next_due(&state.transactions, now) {
            state.settle(index);
        }
        state
    }
}

impl State {
    fn find(&self, statement: &StatementId) -> Option<&Transaction> {
        self.transactions.iter().rfind(|transaction| transaction.id == *statement)
    }

    fn table(&mut self, feed: &str) -> &mut Table {
        let ledger = (!self.ledgers_missing).then(HashMap::new);
        self.feeds.entry(feed.to_owned()).or_insert_with(|| Table { rows: Vec::new(), ledger })
    }

    /// Commits the transaction or rolls it back, in one step.
    fn settle(&mut self, index: usize) {
        let feed = self.transactions[index].feed.clone();
        self.table(&feed);
        let Self { feeds, transactions, refused, cursed, .. } = self;
        let (Some(table), transaction) = (feeds.get_mut(&feed), &mut transactions[index]) else {
            return;
        };
        let failure = transaction
            .scripted_failure()
            .or_else(|| table.objects_to(transaction))
            .or_else(|| transaction.missing_file())
            .or_else(|| transaction.cursed(cursed))
            .or_else(|| transaction.refused(refused));
        if failure.is_none() {
            table.commit(transaction);
        }
        transaction.end(failure);
    }
}

impl Table {
    /// Why the transaction cannot be committed: the ledger is checked first, as under its lock.
    fn objects_to(&self, transaction: &Transaction) -> Option<Failure> {
        let failure = |kind, message: &str| {
            Some(Failure { kind, message: message.to_owned(), advice: None, file: None, at: None })
        };
        match &self.ledger {
            None => failure(FailureKind::LedgerMissing, "the ledger does not exist"),
            Some(ledger) if transaction.ids().any(|id| ledger.contains_key(&id)) => {
                failure(FailureKind::AlreadyLoaded, "division by zero")
            }
            Some(_) => None,
        }
    }

    /// Rows and ledger together.
    fn commit(&mut self, transaction: &Transaction) {
        self.rows.extend(transaction.rows());
        self.ledger.get_or_insert_default().extend(transaction.entries().map(|entry| (entry.id, entry)));
    }
}

impl Loads for MemoryWarehouse {
    async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<Started, PortError> {
        let begun = |statement| Begun { statement, roles: None };
        let id = self.begin(feed, load);
        if !self.at_once {
            return Ok(Started::Detached(begun(id)));
        }
        let left = self.settled().find(&id).map_or(Duration::ZERO, |one| one.left(self.clock.now()));
        self.clock.sleep(left).await;
        let mut state = self.settled();
        let ended = match state.find(&id).map(Transaction::progress) {
            Some(Progress::Loaded(loaded)) => Ok(loaded),
            Some(Progress::Failed(failure)) => Err(failure),
            // Its time is over, and nobody has made the warehouse forget it.
            _ => unreachable!("{id} has ended"),
        };
        state.transactions.iter_mut().filter(|one| one.id == id).for_each(Transaction::forget);
        Ok(Started::Ended(begun(id), ended))
    }

    async fn poll(&self, _: &Feed, begun: &Begun, _: &[File], wait: Duration) -> Result<Progress, PortError> {
        let statement = &begun.statement;
        let left = self.settled().find(statement).map_or(Duration::ZERO, |one| one.left(self.clock.now()));
        self.clock.sleep(left.min(wait)).await;
        Ok(self.settled().find(statement).map_or(Progress::Forgotten, Transaction::progress))
    }
}

impl MemoryWarehouse {
    fn begin(&self, feed: &Feed, load: &Load<'_>) -> StatementId {
        let mut state = self.settled();
        if let Some(known) = state.tokens.get(load.token).filter(|_| !self.at_once) {
            return known.clone();
        }
        let script = state.scripts.pop_front().unwrap_or_default();
        let number = state.transactions.len();
        let id = StatementId(if self.at_once { load.token.to_owned() } else { format!("statement-{number}") });
        let begun = Transaction::begin(id.clone(), feed, load, script, &self.objects, self.clock.now());
        state.transactions.push(begun);
        state.tokens.insert(load.token.to_owned(), id.clone());
        id
    }
}

impl Ledger for MemoryWarehouse {
    async fn create_ledger(&self, feed: &Feed, _: &Asking) -> Result<(), QueryError> {
        self.settled().table(feed.name.as_str()).ledger.get_or_insert_default();
        Ok(())
    }

    async fn loaded(&self, feed: &Feed, files: &[File], _: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
        let mut state = self.settled();
        let Some(ledger) = &state.table(feed.name.as_str()).ledger else { return Ok(HashMap::new()) };
        let known = files.iter().filter_map(|file| ledger.get(&feed.ledger_id(file)));
        Ok(known.map(|entry| (entry.id, entry.etag.clone())).collect())
    }

    async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
        if let Some(ledger) = &mut self.settled().table(feed.name.as_str()).ledger {
            ledger.retain(|id, entry| !files.contains(id) || entry.loaded_at.as_second() > until.as_second());
        }
        Ok(())
    }

    async fn entries(&self, feed: &Feed, of: Of<'_>, _: &Asking) -> Result<Vec<Entry>, QueryError> {
        let mut state = self.settled();
        let ledger = state.table(feed.name.as_str()).ledger.iter().flat_map(HashMap::values);
        let chosen = |entry: &&Entry| match of {
            Of::Page { from, .. } => entry.place().as_str() >= from,
            Of::Files(files) => files.contains(&entry.id),
            Of::Keys(keys) => keys.contains(&entry.key),
        };
        let mut entries: Vec<Entry> = ledger.filter(chosen).cloned().collect();
        entries.sort_by_cached_key(|entry| (entry.place(), entry.id));
        Ok(match of {
            Of::Page { skip, limit, .. } => entries.into_iter().skip(skip).take(limit).collect(),
            Of::Files(_) | Of::Keys(_) => entries,
        })
    }
}

impl Repairs for MemoryWarehouse {
    async fn bad_files(&self, _: &Feed, load: &Load<'_>, _: &Begun, _: &Asking) -> Result<Refused, QueryError> {
        let state = self.settled();
        let bad = load.files.iter().filter_map(|file| Some((file.key.clone(), state.refused.get(&file.key)?.clone())));
        Ok(Refused { files: bad.take(state.named_at_most.unwrap_or(usize::MAX)).collect(), late: false })
    }

    async fn versions_read(
        &self,
        _: &Feed,
        begun: &Begun,
        files: &[File],
        _: &Asking,
    ) -> Result<HashMap<Key, ETag>, QueryError> {
        let state = self.settled();
        let Some(transaction) = state.find(&begun.statement).filter(|_| !state.versions_hidden) else {
            return Ok(HashMap::new());
        };
        Ok(files.iter().filter_map(|file| Some((file.key.clone(), transaction.read(&file.key)?))).collect())
    }

    async fn amend(&self, feed: &Feed, replaced: &[(File, File)], _: &Asking) -> Result<(), QueryError> {
        let mut state = self.settled();
        let ledger = state.table(feed.name.as_str()).ledger.get_or_insert_default();
        for (recorded, truth) in replaced {
            if let Some(entry) = ledger.remove(&feed.ledger_id(recorded)) {
                let truth = transaction::entry(feed, truth, entry.loaded_at);
                ledger.insert(truth.id, truth);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
