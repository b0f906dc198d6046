//! Rebuilds a ledger: converts it to its feed's identity of files. For operators.
//!
//! Meanwhile the ledger's fence says so, and every load waits: the guard fails, so nothing is loaded with half of the
//! entries converted. An interrupted rebuild starts again, and changes only entries that are not converted yet. Never
//! changes rows.

use std::collections::HashMap;
use std::time::Duration;

use sluice_core::config::{Feed, FileIdentity};
use sluice_core::destination::{Asking, Entry, Pages, QueryError};
use sluice_core::object::{FileId, Key};
use sluice_core::ports::Objects;

use crate::config::RedshiftFeed;
use crate::quote::{literal, table};
use crate::statements::Statements;
use crate::{RedshiftDestination, sql};

/// How many entries are read at once.
const PAGE: usize = 10_000;

/// How many entries one transaction converts: two ids each, in statements of less than 100 KB.
const TOGETHER: usize = 10_000;

/// How many pairs of ids one INSERT has.
const ROWS: usize = 600;

/// How long one transaction may take: it waits for the loads that hold the ledger.
const PATIENCE: Duration = Duration::from_mins(10);

/// What was converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many entries the ledger had.
    pub entries: u64,
    /// How many of them got another id.
    pub converted: u64,
    /// How many were removed: older versions of a name that has a newer one.
    pub dropped: u64,
}

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// Converts the feed's ledger to the feed's identity. Rows stay as they are.
    ///
    /// # Errors
    /// When the warehouse cannot be asked or refuses. Then loads wait until a rebuild succeeds.
    pub async fn rebuild_ledger(&self, feed: &Feed) -> Result<Rebuilt, QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        self.convert(feed, "close the ledger", close(feed)).await?;
        let entries = self.all_entries(feed).await?;
        let changes = changes(feed.identity, &entries);
        for some in changes.chunks(TOGETHER) {
            self.convert(feed, "rebuild the ledger", change(feed, some)).await?;
        }
        self.convert(feed, "open the ledger", vec![say(feed, feed.identity.as_str())]).await?;
        let dropped = changes.iter().filter(|(_, new)| new.is_none()).count() as u64;
        Ok(Rebuilt { entries: entries.len() as u64, converted: changes.len() as u64 - dropped, dropped })
    }

    async fn convert(&self, feed: RedshiftFeed<'_>, what: &str, statements: Vec<String>) -> Result<(), QueryError> {
        self.run(feed, what, statements, &Asking::once(PATIENCE)).await.map(drop)
    }

    async fn all_entries(&self, feed: RedshiftFeed<'_>) -> Result<Vec<Entry>, QueryError> {
        let (mut all, mut pages) = (Vec::new(), Pages::of(PAGE));
        while let Some(page) = pages.next(self, &feed, &Asking::patiently()).await? {
            all.extend(page);
        }
        Ok(all)
    }
}

/// Which entries get which id; `None`: they are removed.
///
/// The ledger cannot hold a key with a NUL, so the id of such an entry fits neither identity. No other id can be
/// computed from it, and it stays as it is.
fn changes(identity: FileIdentity, entries: &[Entry]) -> Vec<(FileId, Option<FileId>)> {
    let mut newest: HashMap<&Key, &Entry> = HashMap::new();
    if identity == FileIdentity::Name {
        for entry in entries {
            let known = newest.entry(&entry.key).or_insert(entry);
            if (entry.loaded_at, &entry.etag) > (known.loaded_at, &known.etag) {
                *known = entry;
            }
        }
    }
    let is_named = |entry: &&Entry| {
        let ids = [FileIdentity::Version, FileIdentity::Name].map(|identity| identity.of(&entry.key, &entry.etag));
        ids.contains(&entry.id)
    };
    let change = |entry: &Entry| {
        let kept = newest.get(&entry.key).is_none_or(|newest| newest.id == entry.id);
        let id = kept.then(|| identity.of(&entry.key, &entry.etag));
        (id != Some(entry.id)).then_some((entry.id, id))
    };
    entries.iter().filter(is_named).filter_map(change).collect()
}

/// Makes every load wait.
fn close(feed: RedshiftFeed<'_>) -> Vec<String> {
    let (ledger, fence) = (table(&feed.target.ledger), table(&feed.target.fence()));
    let mut statements = sql::create_ledger(feed);
    // Only the tables: the identity need not fit yet.
    statements.truncate(2);
    statements.push(format!("LOCK TABLE {ledger}"));
    statements.push(format!(
        "INSERT INTO {fence} SELECT 'none', 0 FROM (SELECT COUNT(*) AS number FROM {fence}) fences WHERE fences.number = 0"
    ));
    statements.push(say(feed, "rebuild"));
    statements
}

/// Sets what the fence says of the ledger.
fn say(feed: RedshiftFeed<'_>, identity: &str) -> String {
    format!("UPDATE {} SET identity = {}", table(&feed.target.fence()), literal(identity))
}

fn change(feed: RedshiftFeed<'_>, changes: &[(FileId, Option<FileId>)]) -> Vec<String> {
    let ledger = table(&feed.target.ledger);
    let id = |id: Option<FileId>| literal(&id.map(|id| id.to_string()).unwrap_or_default());
    let row = |(old, new): &(FileId, Option<FileId>)| format!("({}, {})", id(Some(*old)), id(*new));
    let mut statements = vec![
        format!("LOCK TABLE {ledger}"),
        "CREATE TEMP TABLE sluice_ids (old VARCHAR(64) NOT NULL, new VARCHAR(64) NOT NULL)".to_owned(),
    ];
    for some in changes.chunks(ROWS) {
        let rows: Vec<String> = some.iter().map(row).collect();
        statements.push(format!("INSERT INTO sluice_ids VALUES {}", rows.join(", ")));
    }
    statements.push(format!("DELETE FROM {ledger} WHERE file IN (SELECT old FROM sluice_ids WHERE new = '')"));
    statements.push(format!(
        "UPDATE {ledger} SET file = sluice_ids.new FROM sluice_ids WHERE {ledger}.file = sluice_ids.old AND sluice_ids.new <> ''"
    ));
    statements.push("DROP TABLE sluice_ids".to_owned());
    statements
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use sluice_core::object::ETag;

    fn entry(identity: FileIdentity, key: &str, etag: &str, second: i64) -> Entry {
        let (key, etag) = (Key::new(key).unwrap(), ETag::new(etag));
        let loaded_at = Timestamp::from_second(second).unwrap();
        Entry { id: identity.of(&key, &etag), key, etag, size: 1, loaded_at }
    }

    #[test]
    fn the_newest_version_of_a_name_stands_for_it() {
        use FileIdentity::{Name, Version};
        let entries = [entry(Version, "a", "1", 1), entry(Version, "a", "2", 2), entry(Version, "b", "1", 1)];
        let named = |key: &str| Some(Name.of(&Key::new(key).unwrap(), &ETag::new("")));
        let ids: Vec<FileId> = entries.iter().map(|entry| entry.id).collect();
        let expected = [(ids[0], None), (ids[1], named("a")), (ids[2], named("b"))];
        assert_eq!(changes(Name, &entries), expected);
        assert_eq!(changes(Version, &entries), [], "what is right stays");
        let other = [entry(Name, "a", "1", 1)];
        assert_eq!(changes(Version, &other), [(other[0].id, Some(ids[0]))]);
        assert_eq!(changes(Name, &other), []);
        let key = Key::new("a?b").unwrap();
        let with_a_nul =
            [Entry { id: FileId::of(&Key::new("a\0b").unwrap(), &ETag::new("1")), key, ..other[0].clone() }];
        assert_eq!(changes(Version, &with_a_nul), [], "what is not known by its key stays");
        assert_eq!(changes(Name, &with_a_nul), []);
    }

    #[test]
    fn a_transaction_has_at_most_forty_statements() {
        let text = "[bucket]\nname = \"bucket\"\n[[feed]]\nname = \"f\"\nprefix = \"f/\"\n[feed.redshift]\nworkgroup = \"demo\"\n\
                    database = \"dev\"\ntable = \"public.f\"\nformat = \"csv\"\n";
        let feed =
            sluice_core::config::Config::parse(text, "the test", &[&crate::RedshiftKind]).unwrap().feeds.remove(0);
        let id = entry(FileIdentity::Name, "a", "1", 1).id;
        let statements = change(RedshiftFeed::of(&feed).unwrap(), &vec![(id, Some(id)); TOGETHER]);
        assert!(statements.len() <= 40, "{}", statements.len());
        assert!(statements.iter().all(|statement| statement.len() < 97_000));
    }
}
