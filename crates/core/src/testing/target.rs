//! `[feed.memory]`: a kind of destination for tests, with what the protocol must know of one and nothing else.
//!
//! Never checks names: any text is a table.

use crate::config::problem::Report;
use crate::config::section::{Section, read_word};
use crate::config::target::{Draft, TableName};
use crate::config::{Compression, Config, DestinationKind, FeedName, FileFormat, Reading, Target};

/// Tables in memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryKind;

const FIELDS: &[&str] = &["table", "format", "encoding", "ignoreheader", "quote", "json", "gzip"];

impl DestinationKind for MemoryKind {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn fields(&self) -> &'static [&'static str] {
        FIELDS
    }

    fn read(&self, section: &Section<'_>, feed: Option<&FeedName>, report: &mut Report<'_>) -> Draft {
        section.only(FIELDS, &[], report);
        let table = section.needed("table", "\"…\"", report);
        let formats = FileFormat::ALL.map(|format| (format.as_str(), format));
        let Some(mut files) = read_word(section, "format", &formats, report).map(Reading::of) else {
            return Draft::default();
        };
        files.utf8 = section.text("encoding", report).is_none_or(|encoding| encoding.value == "utf8");
        files.header_lines = section.count("ignoreheader", 0..=9, report).map_or(0, |lines| lines.value);
        files.quote = section.text("quote", report).map_or(files.quote, |quote| quote.value.bytes().next());
        let json = section.text("json", report).is_none_or(|json| json.value == "auto");
        files.objects = files.format == FileFormat::Json && json;
        files.compression = section.flag("gzip", report).filter(|gzip| gzip.value).map(|_| Compression::Gzip);
        let named = |name: String| TableName { shown: name.clone(), folded: name };
        let ledger = feed.map(|feed| format!("{feed}_ledger"));
        let target = table.as_ref().zip(ledger.clone()).map(|(table, ledger)| {
            let mut target = Target::new(self.name(), files, ());
            (target.place, target.table, target.ledger) = (table.value.to_owned(), table.value.to_owned(), ledger);
            target
        });
        Draft {
            database: String::new(),
            ledger: table.as_ref().zip(ledger).map(|(table, ledger)| table.with(named(ledger))),
            table: table.map(|table| table.with(named(table.value.to_owned()))),
            target,
        }
    }
}

/// A configuration of one feed, `name`, that loads CSV from `prefix` into memory, with these lines of its own section.
///
/// # Panics
/// When the lines are wrong.
#[must_use]
#[allow(clippy::expect_used, reason = "a wrong literal is the test's own mistake")]
pub fn config(name: &str, prefix: &str, lines: &str) -> Config {
    let text = format!(
        "[bucket]\nname = \"bucket\"\n[[feed]]\nname = \"{name}\"\nprefix = \"{prefix}\"\n{lines}\n\
         [feed.memory]\ntable = \"public.{name}\"\nformat = \"csv\"\n"
    );
    Config::parse(&text, "test", &[&MemoryKind]).expect("a configuration")
}
