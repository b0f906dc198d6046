//! A feed's section `[feed.lines]`.
//!
//! Never opens the database: whether the table is there, only the database knows.

use std::path::{Path, PathBuf};

use sluice_core::config::fields::FEED_FIELDS;
use sluice_core::config::problem::{Report, shown};
use sluice_core::config::section::{Entry, Section};
use sluice_core::config::target::{Draft, TableName};
use sluice_core::config::{DestinationKind, Feed, FeedName, FileFormat, Reading, Target};
use sluice_core::ports::{PortError, PortErrorKind};

/// How `[feed.lines]` is read.
#[derive(Clone, Copy, Debug)]
pub struct LinesKind;

const KIND: &str = "lines";
const FIELDS: &[&str] = &["database", "table"];

impl DestinationKind for LinesKind {
    fn name(&self) -> &'static str {
        KIND
    }

    fn fields(&self) -> &'static [&'static str] {
        FIELDS
    }

    fn read(&self, section: &Section<'_>, feed: Option<&FeedName>, report: &mut Report<'_>) -> Draft {
        section.only(FIELDS, &[(FEED_FIELDS, "under [[feed]], above [feed.lines]")], report);
        let database = section.needed("database", "\"/…/….sqlite\"", report);
        let database = database.and_then(|database| read_path(&database, report));
        let table = section.needed("table", "\"…\"", report).and_then(|table| read_table(&table, report));
        let ledger = table.as_ref().zip(feed).map(|(table, feed)| table.with(format!("sluice_ledger_{feed}")));
        let settings = || {
            let (database, table, ledger) = (database.clone()?, table.clone()?.value, ledger.clone()?.value);
            Some(Lines { database, table, ledger })
        };
        Draft {
            database: database.as_deref().map(|path| path.display().to_string()).unwrap_or_default(),
            table: table.as_ref().map(named),
            ledger: ledger.as_ref().map(named),
            target: settings().map(Lines::target),
        }
    }
}

/// SQLite compares names without regard to case.
fn named(table: &Entry<String>) -> Entry<TableName> {
    table.with(TableName { shown: table.value.clone(), folded: table.value.to_ascii_lowercase() })
}

fn read_path(text: &Entry<&str>, report: &mut Report<'_>) -> Option<PathBuf> {
    let path = Path::new(text.value);
    if !path.is_absolute() {
        let what = format!("{} is a path from wherever a function runs", shown(text.value));
        report.add(&text.spot, what, "write the whole path, from \"/\" on");
        return None;
    }
    Some(path.to_owned())
}

/// Names that need no quotes, and that are not Sluice's own: nothing that is written here can become SQL.
fn read_table(text: &Entry<&str>, report: &mut Report<'_>) -> Option<Entry<String>> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let reserved = ["sluice_", "sqlite_"].iter().any(|own| text.value.to_ascii_lowercase().starts_with(own));
    if !text.value.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.value.chars().all(legal) || reserved {
        let remedy = "use letters, digits and \"_\", beginning with a letter, and not with \"sluice_\" or \"sqlite_\"";
        report.add(&text.spot, format!("{} is not a table's name", shown(text.value)), remedy);
        return None;
    }
    Some(text.with(text.value.to_owned()))
}

/// A table of lines.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) database: PathBuf,
    pub(crate) table: String,
    pub(crate) ledger: String,
}

impl Lines {
    /// What the feed's section says.
    pub(crate) fn of(feed: &Feed) -> Result<&Self, PortError> {
        feed.target.settings().ok_or_else(|| {
            let problem = format!("its rows go to {}, not to lines", feed.target.kind);
            PortError::new("feed", feed.name.as_str(), PortErrorKind::Invalid, problem)
        })
    }

    /// What the protocol must know of it.
    fn target(self) -> Target {
        let mut target = Target::new(KIND, Reading::of(FileFormat::Delimited), self.clone());
        target.place = format!("{}/{}", self.database.display(), self.table);
        (target.table, target.ledger) = (self.table, self.ledger);
        target
    }
}
