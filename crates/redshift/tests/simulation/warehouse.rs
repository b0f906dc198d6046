//! The warehouse: a table and a ledger for each feed, and transactions with Redshift's isolation.
//!
//! A transaction sees the tables as they were at its first statement other than SET and LOCK, and what it writes itself.
//! LOCK waits for whoever holds it, until their end. Nothing else is checked at a commit: two transactions that looked
//! before either wrote both commit (write skew). COPY reads each file at a moment of its own. A reader waits while
//! somebody else holds LOCK, and leaves no lock behind: that is less than Redshift documents, never more.

pub mod sql;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::clock::Micros;
use crate::lasting::Lasting;
use crate::scenario::{CURSED, Views, is_bad, is_packed};
use sql::{Options, Row, Sql, Trace};

/// What is committed of one feed. No transaction touches two.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The lines of the feed's table.
    pub lines: Vec<String>,
    /// `None`: there is no such table yet.
    pub ledger: Option<Vec<Row>>,
    /// Whether the fence has a row, and how often that was updated. `None`: there is no such table yet.
    fence: Option<(bool, u64)>,
}

/// The data of one feed, and who holds or awaits its ledger's lock.
pub struct Store {
    pub committed: Arc<Tables>,
    holder: Option<usize>,
    waiting: VecDeque<usize>,
}

/// The warehouse's data.
pub struct Warehouse {
    pub stores: Vec<Store>,
    pub api: crate::statements::DataApi,
}

impl Warehouse {
    pub fn new(ledger: bool, feeds: usize) -> Self {
        let tables =
            Arc::new(Tables { lines: Vec::new(), ledger: ledger.then(Vec::new), fence: ledger.then_some((true, 0)) });
        let store = |_| Store { committed: Arc::clone(&tables), holder: None, waiting: VecDeque::new() };
        Self { stores: (0..feeds).map(store).collect(), api: crate::statements::DataApi::default() }
    }

    /// All rows of all ledgers.
    pub fn recorded(&self) -> impl Iterator<Item = &Row> {
        self.stores.iter().flat_map(|store| store.committed.ledger.iter().flatten())
    }

    /// All lines of all tables.
    pub fn lines(&self) -> impl Iterator<Item = &String> {
        self.stores.iter().flat_map(|store| &store.committed.lines)
    }

    /// Lets the lock go, and answers who had to wait for it.
    pub fn let_go(&mut self, transaction: usize, feed: usize) -> Vec<usize> {
        let store = &mut self.stores[feed];
        store.waiting.retain(|other| *other != transaction);
        if store.holder == Some(transaction) {
            store.holder = None;
        }
        if store.holder.is_none() { store.waiting.drain(..).collect() } else { Vec::new() }
    }
}

/// A transaction under way.
#[derive(Debug, Default)]
pub struct Transaction {
    feed: usize,
    snapshot: Option<Arc<Tables>>,
    lines: Vec<String>,
    recorded: Vec<Row>,
    amended: Vec<(Row, String)>,
    creates: bool,
    /// Whether it makes the fence, puts a row into it, and updates that.
    fence: (bool, bool, bool),
    copy: Option<Copying>,
    /// Which version of each file COPY read, by URL.
    pub read: Vec<(String, String)>,
    /// Which files COPY refused, by URL.
    pub refused: Vec<String>,
}

#[derive(Debug, Default)]
struct Copying {
    left: VecDeque<(String, bool)>,
    found: usize,
}

/// What a step may look at besides.
pub struct Around<'w> {
    pub bucket: &'w Bucket,
    pub lasting: &'w Lasting,
    pub views: Views,
    pub now: Micros,
}

/// What a step came to.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// The statement is done; these are its rows.
    Done(Vec<Vec<Option<String>>>),
    /// It goes on, after this.
    More(String),
    /// It waits for the lock.
    Waits,
    /// It fails after all the time that a transaction has.
    Stalls(String),
    /// It fails, and the transaction with it.
    Fails(String),
}

const DONE: Step = Step::Done(Vec::new());

impl Warehouse {
    /// The next step of `sql` in transaction `number`.
    pub fn step(&mut self, number: usize, tx: &mut Transaction, sql: &Sql, around: &Around<'_>) -> Step {
        let seen = around.now.saturating_sub(around.views.lag);
        let store = &mut self.stores[tx.feed];
        let touches_ledger = matches!(
            sql,
            Sql::Lock | Sql::Guard { .. } | Sql::Record(_) | Sql::Loaded(_) | Sql::Named(_) | Sql::Amend { .. }
        );
        if touches_ledger {
            if store.committed.ledger.is_none() {
                return Step::Fails("ERROR: Relation sluice_ledger_f does not exist in the database.".to_owned());
            }
            if store.holder.is_some_and(|holder| holder != number) {
                store.waiting.push_back(number);
                return Step::Waits;
            }
        }
        if !matches!(sql, Sql::Set | Sql::Lock) && tx.snapshot.is_none() {
            tx.snapshot = Some(Arc::clone(&store.committed));
        }
        match sql {
            Sql::Set => DONE,
            Sql::Lock => {
                store.holder = Some(number);
                DONE
            }
            Sql::Fence if store.committed.fence.is_none() => {
                Step::Fails("ERROR: Relation sluice_ledger_f_fence does not exist in the database.".to_owned())
            }
            Sql::Fence if tx.seen_fence() != store.committed.fence => Step::Fails(CONFLICT.to_owned()),
            Sql::Fence => {
                tx.fence.2 = true;
                DONE
            }
            Sql::Guard { none, some, files } => match if tx.passes(files) { none } else { some } {
                0 => Step::Fails("ERROR: division by zero".to_owned()),
                _ => DONE,
            },
            Sql::Copy { manifest, no_load, options } => tx.copy(manifest, *no_load, *options, around),
            Sql::Record(rows) => {
                tx.recorded.extend(rows.iter().cloned());
                DONE
            }
            Sql::CreateLedger => {
                tx.creates = store.committed.ledger.is_none();
                DONE
            }
            Sql::CreateFence => {
                tx.fence.0 = store.committed.fence.is_none();
                DONE
            }
            Sql::FillFence => {
                tx.fence.1 = !tx.seen_fence().is_some_and(|(filled, _)| filled);
                DONE
            }
            Sql::CheckFence if tx.fence.1 || tx.seen_fence().is_some_and(|(filled, _)| filled) => DONE,
            Sql::CheckFence => Step::Fails("ERROR: division by zero".to_owned()),
            Sql::Loaded(files) => {
                let rows = tx.seen_ledger().filter(|row| files.contains(&row.file));
                Step::Done(rows.map(|row| vec![Some(row.file.clone()), Some(row.etag.clone())]).collect())
            }
            Sql::Named(keys) => {
                let rows = tx.seen_ledger().filter(|row| keys.contains(&row.key));
                let entry = |row: &Row| [&row.file, &row.key, &row.etag, &row.size].map(|text| Some(text.clone()));
                Step::Done(rows.map(|row| entry(row).into_iter().chain([Some("0".to_owned())]).collect()).collect())
            }
            Sql::Amend { new, etag, size, old } => {
                for row in tx.seen_ledger().filter(|row| row.file == *old).cloned().collect::<Vec<_>>() {
                    tx.amended
                        .push((Row { file: new.clone(), etag: etag.clone(), size: size.clone(), ..row }, old.clone()));
                }
                DONE
            }
            Sql::LoadErrors(trace) => Step::Done(self.load_errors(*trace, seen)),
            Sql::VersionsRead(trace) => Step::Done(self.versions_read(*trace, seen)),
        }
    }

    /// Makes everything that the transaction wrote visible at once.
    pub fn commit(&mut self, tx: &mut Transaction) -> Result<(), String> {
        let tables = Arc::make_mut(&mut self.stores[tx.feed].committed);
        if tx.creates {
            if tables.ledger.is_some() {
                return Err("ERROR: Relation \"sluice_ledger_f\" already exists".to_owned());
            }
            tables.ledger = Some(Vec::new());
        }
        if tx.fence.0 {
            if tables.fence.is_some() {
                return Err("ERROR: Relation \"sluice_ledger_f_fence\" already exists".to_owned());
            }
            tables.fence = Some((false, 0));
        }
        let updated = tables.fence.map_or(0, |(_, updates)| updates);
        if tx.fence.2 && tx.seen_fence() != tables.fence {
            return Err(CONFLICT.to_owned());
        }
        tables.fence = tables.fence.map(|(filled, _)| (filled || tx.fence.1, updated + u64::from(tx.fence.2)));
        let ledger = tables.ledger.get_or_insert_default();
        if tx.amended.iter().any(|(_, old)| !ledger.iter().any(|row| row.file == *old)) {
            return Err(CONFLICT.to_owned());
        }
        for (row, old) in tx.amended.drain(..) {
            ledger.iter_mut().filter(|other| other.file == old).for_each(|other| *other = row.clone());
        }
        ledger.append(&mut tx.recorded);
        tables.lines.append(&mut tx.lines);
        Ok(())
    }

    fn load_errors(&self, trace: Trace, seen: Micros) -> Vec<Vec<Option<String>>> {
        let refused = self.api.traced(trace, seen).into_iter().flat_map(|tx| &tx.refused);
        let cell = |text: &str| Some(text.to_owned());
        refused.map(|url| vec![cell(url), cell("1207"), cell("Invalid digit"), cell("1"), cell("x")]).collect()
    }

    fn versions_read(&self, trace: Trace, seen: Micros) -> Vec<Vec<Option<String>>> {
        let read = self.api.traced(trace, seen).into_iter().flat_map(|tx| &tx.read);
        read.map(|(url, etag)| vec![Some(url.clone()), Some(etag.clone())]).collect()
    }
}

impl Transaction {
    pub fn of(feed: usize) -> Self {
        Self { feed, ..Self::default() }
    }

    /// The ledger as this transaction sees it.
    fn seen_ledger(&self) -> impl Iterator<Item = &Row> {
        self.snapshot.iter().filter_map(|tables| tables.ledger.as_ref()).flatten().chain(&self.recorded)
    }

    /// The fence as this transaction sees it.
    fn seen_fence(&self) -> Option<(bool, u64)> {
        self.snapshot.as_ref().and_then(|tables| tables.fence)
    }

    /// Whether the guard lets it go on: none of the files is in the ledger, and there is a fence.
    fn passes(&self, files: &BTreeSet<String>) -> bool {
        self.seen_ledger().all(|row| !files.contains(&row.file)) && self.seen_fence().is_some_and(|(filled, _)| filled)
    }

    /// Reads the manifest, or the next of its files.
    fn copy(&mut self, manifest: &str, no_load: bool, options: Options, around: &Around<'_>) -> Step {
        let Around { bucket, views, .. } = *around;
        let Some(copying) = &mut self.copy else {
            let Some(object) = bucket.get(manifest) else {
                return Step::Fails(
                    "ERROR: Problem reading manifest file - S3ServiceException:The specified key does not exist.,\
                     Status 404,Error NoSuchKey"
                        .to_owned(),
                );
            };
            self.copy = Some(Copying { left: entries(&object.text()), found: 0 });
            return Step::More(format!("reads {manifest}"));
        };
        let Some((url, mandatory)) = copying.left.pop_front() else {
            let found = copying.found;
            self.copy = None;
            // COPY fails when it finds no file at all.
            return if found == 0 { Step::Fails(MISSING.to_owned()) } else { DONE };
        };
        let Some(object) = url.strip_prefix("s3://bucket/").and_then(|key| bucket.get(key)) else {
            let missing = format!("{MISSING}: {url}");
            return if mandatory { Step::Fails(missing) } else { Step::More(format!("skips {url}")) };
        };
        copying.found += 1;
        let (text, etag) = (object.text(), object.etag.to_string());
        let note = format!("reads {url} {text:?} ETag {etag}");
        self.read.push((url.clone(), etag));
        if let Some(failing) = around.lasting.copying(self.feed, around.now, &text)
            && (failing.look || !no_load)
        {
            let named = if failing.named { format!(" DETAIL: reading {url}") } else { String::new() };
            let error = format!("{}{named}", failing.error);
            return if failing.slow { Step::Stalls(error) } else { Step::Fails(error) };
        }
        if !no_load && text.starts_with(CURSED) {
            return Step::Fails("ERROR: something about a file that nobody has seen before".to_owned());
        }
        let packed = is_packed(&url, &text);
        if is_bad(&text) || (options.gzip && !packed) {
            return match options.columnar {
                true if views.names_files => Step::Fails(format!(
                    "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: File '{}' has an incompatible Parquet schema",
                    url.replace("s3://bucket/", "https://s3.us-east-1.amazonaws.com/bucket/")
                )),
                true => Step::Fails(
                    "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: NULL value in column x".to_owned(),
                ),
                false => {
                    self.refused.push(url);
                    if no_load { Step::More(note) } else { Step::Fails(REFUSED.to_owned()) }
                }
            };
        }
        // What is packed is one odd line to a COPY that does not know it, and passed over.
        if !no_load && (options.columnar || options.gzip == packed) {
            self.lines.extend(text.lines().map(str::to_owned));
        }
        Step::More(note)
    }
}

const CONFLICT: &str = "ERROR: 1023 DETAIL: Serializable isolation violation on table";
const MISSING: &str = "ERROR: Mandatory url is not present in manifest file";
const REFUSED: &str = "ERROR: Load into table 't' failed.  Check 'sys_load_error_detail' system table for details.";

fn entries(manifest: &str) -> VecDeque<(String, bool)> {
    let manifest: serde_json::Value = serde_json::from_str(manifest).expect("a manifest in JSON");
    let entry = |entry: &serde_json::Value| {
        let url = entry["url"].as_str().expect("an entry's URL").to_owned();
        (url, entry["mandatory"].as_bool().unwrap_or_default())
    };
    manifest["entries"].as_array().expect("entries").iter().map(entry).collect()
}
