//! The state after a demo, as the warehouse and the bucket themselves report it.
//!
//! Never asks the functions what they did, and never changes anything.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_core::config::{Config, Feed};
use sluice_core::object::Prefix;
use sluice_core::quarantine::REASON;
use sluice_redshift::config::Redshift;
use sluice_redshift::quote::{identifier, literal, table};
use sluice_standin::redshift::Redshift as Warehouse;

use super::decimal;
use super::totals::{Column, Totals, Values};
use crate::failure::Failure;
use crate::stack::{Stack, target};

/// An object in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// The MD5 of its content. An object that was put whole has it as its `ETag`.
    pub(crate) md5: String,
}

/// What the warehouse reports about one feed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    /// The totals of its table.
    pub(crate) totals: Totals,
    /// The keys in its ledger, as the files were named when they were loaded.
    pub(crate) ledger: Vec<String>,
    /// When the COPY of each file ended, since the Unix epoch, by key. The commit follows at once, after nothing but
    /// the ledger's rows. Its time is not recorded anywhere.
    pub(crate) ended: BTreeMap<String, Duration>,
    pub(crate) copies: u64,
}

pub(crate) fn objects(stack: &Stack, config: &Config) -> Result<Vec<Object>, Failure> {
    let objects = stack.standin.storage().list(&config.bucket.name, "");
    let objects = objects.map_err(|error| Failure::because("cannot list the bucket", error))?;
    Ok(objects.into_iter().map(|object| Object { key: object.key, md5: object.etag }).collect())
}

/// The number of files under `failed`, without the explanations beside them.
pub(crate) fn quarantined(objects: &[Object], failed: &Prefix) -> u64 {
    let file = |object: &&Object| object.key.starts_with(failed.as_str()) && !object.key.ends_with(REASON);
    objects.iter().filter(file).count() as u64
}

/// The warehouse's explanation of the first file that it refused.
pub(crate) fn reason(stack: &Stack, config: &Config, objects: &[Object]) -> Option<String> {
    let failed = config.bucket.failed.as_str();
    let explains = |object: &&Object| object.key.starts_with(failed) && object.key.ends_with(REASON);
    let explanation = objects.iter().find(explains)?;
    let explanation = stack.standin.storage().get(&config.bucket.name, &explanation.key).ok()?;
    let explanation: serde_json::Value = serde_json::from_slice(&explanation).ok()?;
    Some(explanation.get("message")?.as_str()?.to_owned())
}

/// Asks the warehouse about the feed. `like` has the columns to add up.
pub(crate) async fn loaded(stack: &Stack, config: &Config, feed: &Feed, like: &Totals) -> Result<Loaded, Failure> {
    let (Some(warehouse), Some(target)) = (stack.standin.redshift(), target(feed)) else {
        return Err(Failure::failed("the local services have no warehouse"));
    };
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
    async fn totals(&self, like: &Totals, files: u64) -> Result<Totals, Failure> {
        let sums: Vec<String> = like.columns.iter().map(sums).collect();
        let sql = format!("SELECT COUNT(*), {} FROM {}", sums.join(", "), table(&self.target.table));
        let number = |row: &Row, at: usize| row.get(at)?.as_ref()?.parse().ok();
        let totals = |row: &Row| {
            let column = |(at, column): (usize, &Column)| {
                let sum = decimal::plain(&decimal::read(row.get(2 * at + 2)?.as_ref()?)?);
                Some(Column { filled: number(row, 2 * at + 1)?, sum, ..column.clone() })
            };
            let columns = like.columns.iter().enumerate().map(column).collect::<Option<_>>()?;
            Some(Totals { files, rows: number(row, 0)?, columns })
        };
        self.query(&sql, totals).await?.pop().ok_or_else(|| self.unreadable(&vec![]))
    }

    async fn ledger(&self) -> Result<Vec<String>, Failure> {
        let sql = format!("SELECT object_key FROM {}", table(&self.target.ledger));
        self.query(&sql, |row| row.first()?.clone()).await
    }

    async fn ended(&self) -> Result<BTreeMap<String, Duration>, Failure> {
        let bucket = format!("s3://{}/", self.config.bucket.name);
        let files = format!("{bucket}{}", self.config.incoming(self.feed));
        let sql = format!(
            "SELECT TRIM(file_name), EXTRACT(EPOCH FROM MAX(end_time)) FROM sys_load_detail \
             WHERE STARTS_WITH(file_name, {}) GROUP BY 1",
            literal(&files)
        );
        let entry = |row: &Row| {
            let seconds: f64 = row.get(1)?.as_ref()?.parse().ok()?;
            let key = row.first()?.as_ref()?.strip_prefix(&bucket)?.to_owned();
            Some((key, Duration::try_from_secs_f64(seconds).ok()?))
        };
        Ok(self.query(&sql, entry).await?.into_iter().collect())
    }

    async fn copies(&self) -> Result<u64, Failure> {
        let state = &self.config.bucket.state;
        let manifests = format!("s3://{}/{state}manifests/{}/", self.config.bucket.name, self.feed.name);
        let sql =
            format!("SELECT COUNT(*) FROM sys_load_history WHERE STARTS_WITH(data_source, {})", literal(&manifests));
        let copies = self.query(&sql, |row| row.first()?.as_ref()?.parse().ok()).await?.pop();
        copies.ok_or_else(|| self.unreadable(&vec![]))
    }

    /// The rows of an answer, each read by `read`.
    async fn query<T>(&self, sql: &str, read: impl Fn(&Row) -> Option<T>) -> Result<Vec<T>, Failure> {
        let answer = self.warehouse.query(&self.target.database, sql).await;
        let what = || format!("cannot ask the warehouse about {}", self.feed.name);
        let rows = answer.map_err(|error| Failure::because(what(), error))?;
        rows.iter().map(|row| read(row).ok_or_else(|| self.unreadable(row))).collect()
    }

    fn unreadable(&self, answer: &Row) -> Failure {
        Failure::failed(format!("the warehouse's answer about {} cannot be read: {answer:?}", self.feed.name))
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
