//! The state after a demo, as the warehouse and the bucket themselves report it.
//!
//! Never asks the functions what they did, and never changes anything.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_core::config::{Config, Feed};
use sluice_core::object::Prefix;
use sluice_redshift::config::Redshift;
use sluice_redshift::quote::{identifier, literal, table};
use sluice_standin::redshift::{DatabaseError, Redshift as Warehouse};
use sluice_standin::s3::StorageError;

use super::decimal::Decimal;
use super::totals::{Column, Totals, Values};
use crate::stack::{Stack, target};

/// The suffix of a refused file's explanation.
const EXPLANATION: &str = ".error.json";

/// An object in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// The MD5 of its content. An object that was put whole has it as its `ETag`.
    pub(crate) md5: String,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerEntry {
    /// The file's key when it was loaded.
    pub(crate) key: String,
    /// The batch that loaded it.
    pub(crate) batch: String,
}

/// What the warehouse reports about one feed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    /// The totals of its table.
    pub(crate) totals: Totals,
    pub(crate) ledger: Vec<LedgerEntry>,
    /// When the COPY of each file ended, since the Unix epoch, by key. The commit follows at once, after nothing but
    /// the ledger's rows. Its time is not recorded anywhere.
    pub(crate) ended: BTreeMap<String, Duration>,
    pub(crate) copies: u64,
}

/// Why the state is unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    #[error("the local services have no warehouse")]
    NoWarehouse,
    #[error("cannot ask the warehouse about {feed}")]
    Warehouse {
        /// The feed's name.
        feed: String,
        source: DatabaseError,
    },
    #[error("the warehouse's answer about {feed} cannot be read: {answer:?}")]
    Answer {
        /// The feed's name.
        feed: String,
        /// The row that cannot be read.
        answer: Vec<Option<String>>,
    },
    #[error("cannot list the bucket")]
    Bucket(#[from] StorageError),
}

pub(crate) fn objects(stack: &Stack, config: &Config) -> Result<Vec<Object>, ObserveError> {
    let objects = stack.standin.storage().list(&config.bucket.name, "")?;
    Ok(objects.into_iter().map(|object| Object { key: object.key, md5: object.etag }).collect())
}

/// The number of files under `failed`, without the explanations beside them.
pub(crate) fn quarantined(objects: &[Object], failed: &Prefix) -> u64 {
    let file = |object: &&Object| object.key.starts_with(failed.as_str()) && !object.key.ends_with(EXPLANATION);
    objects.iter().filter(file).count() as u64
}

/// The warehouse's explanation of the first file that it refused.
pub(crate) fn reason(stack: &Stack, config: &Config, objects: &[Object]) -> Option<String> {
    let failed = config.bucket.failed.as_str();
    let explains = |object: &&Object| object.key.starts_with(failed) && object.key.ends_with(EXPLANATION);
    let explanation = objects.iter().find(explains)?;
    let explanation = stack.standin.storage().get(&config.bucket.name, &explanation.key).ok()?;
    let explanation: serde_json::Value = serde_json::from_slice(&explanation).ok()?;
    Some(explanation.get("message")?.as_str()?.to_owned())
}

/// Asks the warehouse about the feed. `like` has the columns to add up.
pub(crate) async fn loaded(stack: &Stack, config: &Config, feed: &Feed, like: &Totals) -> Result<Loaded, ObserveError> {
    let warehouse = stack.standin.redshift().ok_or(ObserveError::NoWarehouse)?;
    let target = target(feed).ok_or(ObserveError::NoWarehouse)?;
    let asking = Asking { warehouse, config, feed, target };
    let ledger = asking.ledger().await?;
    Ok(Loaded {
        totals: asking.totals(like, ledger.len() as u64).await?,
        ledger,
        ended: asking.ended().await?,
        copies: asking.copies().await?,
    })
}

struct Asking<'a> {
    warehouse: &'a Warehouse,
    config: &'a Config,
    feed: &'a Feed,
    target: &'a Redshift,
}

type Row = Vec<Option<String>>;

impl Asking<'_> {
    async fn totals(&self, like: &Totals, files: u64) -> Result<Totals, ObserveError> {
        let sums: Vec<String> = like.columns.iter().map(sums).collect();
        let sql = format!("SELECT COUNT(*), {} FROM {}", sums.join(", "), table(&self.target.table));
        let rows = self.query(&sql).await?;
        let row = rows.first().ok_or_else(|| self.unreadable(&vec![]))?;
        let mut columns = Vec::new();
        for (at, column) in like.columns.iter().enumerate() {
            let sum = self.decimal(row, 2 * at + 2)?.to_string();
            columns.push(Column { filled: self.number(row, 2 * at + 1)?, sum, ..column.clone() });
        }
        Ok(Totals { files, rows: self.number(row, 0)?, columns })
    }

    async fn ledger(&self) -> Result<Vec<LedgerEntry>, ObserveError> {
        let sql = format!("SELECT object_key, batch FROM {}", table(&self.target.ledger));
        let rows = self.query(&sql).await?;
        let entry = |row: &Row| {
            Some(LedgerEntry { key: row.first()?.clone()?, batch: row.get(1)?.as_ref()?.trim_end().to_owned() })
        };
        rows.iter().map(|row| entry(row).ok_or_else(|| self.unreadable(row))).collect()
    }

    async fn ended(&self) -> Result<BTreeMap<String, Duration>, ObserveError> {
        let files = format!("s3://{}/{}", self.config.bucket.name, self.config.incoming(self.feed));
        let sql = format!(
            "SELECT TRIM(file_name), EXTRACT(EPOCH FROM MAX(end_time)) FROM sys_load_detail \
             WHERE STARTS_WITH(file_name, {}) GROUP BY 1",
            literal(&files)
        );
        let bucket = format!("s3://{}/", self.config.bucket.name);
        let entry = |row: &Row| {
            let seconds: f64 = row.get(1)?.as_ref()?.parse().ok()?;
            let key = row.first()?.as_ref()?.strip_prefix(&bucket)?.to_owned();
            Some((key, Duration::try_from_secs_f64(seconds).ok()?))
        };
        let rows = self.query(&sql).await?;
        rows.iter().map(|row| entry(row).ok_or_else(|| self.unreadable(row))).collect()
    }

    async fn copies(&self) -> Result<u64, ObserveError> {
        let state = &self.config.bucket.state;
        let manifests = format!("s3://{}/{state}manifests/{}/", self.config.bucket.name, self.feed.name);
        let sql =
            format!("SELECT COUNT(*) FROM sys_load_history WHERE STARTS_WITH(data_source, {})", literal(&manifests));
        let rows = self.query(&sql).await?;
        let row = rows.first().ok_or_else(|| self.unreadable(&vec![]))?;
        self.number(row, 0)
    }

    async fn query(&self, sql: &str) -> Result<Vec<Row>, ObserveError> {
        let answer = self.warehouse.query(&self.target.database, sql).await;
        answer.map_err(|source| ObserveError::Warehouse { feed: self.feed.name.to_string(), source })
    }

    fn number(&self, row: &Row, at: usize) -> Result<u64, ObserveError> {
        let number = row.get(at).and_then(|value| value.as_ref()?.parse().ok());
        number.ok_or_else(|| self.unreadable(row))
    }

    fn decimal(&self, row: &Row, at: usize) -> Result<Decimal, ObserveError> {
        let number = row.get(at).and_then(|value| value.as_ref()?.parse().ok());
        number.ok_or_else(|| self.unreadable(row))
    }

    fn unreadable(&self, row: &Row) -> ObserveError {
        ObserveError::Answer { feed: self.feed.name.to_string(), answer: row.clone() }
    }
}

/// The SQL for the number of values in a column, and for their sum, computed as `totals` does from the files.
fn sums(column: &Column) -> String {
    let name = identifier(&column.name);
    let sum = match column.values {
        // Goes through the text: for a floating-point number, that is the shortest text that stands for it.
        Values::Number => format!("SUM({name}::text::numeric)"),
        Values::Time => format!("SUM(TRUNC(EXTRACT(EPOCH FROM {name})))"),
        Values::Text => format!("SUM(('x' || SUBSTR(MD5({name}::text), 1, 8))::bit(32)::bigint)"),
    };
    format!("COUNT({name}), COALESCE({sum}, 0)")
}
