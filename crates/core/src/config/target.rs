//! Target: where a feed's rows go, as far as the protocol must know it, and how a kind of destination reads its
//! section.
//!
//! Never names a destination. What only the destination understands is kept for it: [`Target::settings`].

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use super::problem::Report;
use super::section::{Entry, Section};
use super::{Compression, FeedName, FileFormat};

/// A kind of destination that feeds may have: `[feed.<name>]`. [`Config::parse`](super::Config::parse) shows one.
pub trait DestinationKind: Debug + Sync {
    /// The name of its section.
    fn name(&self) -> &'static str;

    /// The fields of its section. Where one of them stands elsewhere, the report names this section.
    fn fields(&self) -> &'static [&'static str];

    /// Reads the section of the feed that is called `feed`, and reports all that is wrong within it.
    fn read(&self, section: &Section<'_>, feed: Option<&FeedName>, report: &mut Report<'_>) -> Draft;
}

/// A target as far as it could be read.
#[derive(Debug, Default)]
pub struct Draft {
    /// The database or the like: within it, tables with the same name are the same table.
    pub database: String,
    /// The table to load.
    pub table: Option<Entry<TableName>>,
    /// The ledger.
    pub ledger: Option<Entry<TableName>>,
    /// The target, where every part of it could be read.
    pub target: Option<Target>,
}

/// A table's name, as it is shown, and as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// As an operator writes it.
    pub shown: String,
    /// Equal for all names of one table.
    pub folded: String,
}

/// Where a feed's rows go. Each feed has exactly one.
#[derive(Clone, Debug)]
pub struct Target {
    /// The name of its kind, as [`DestinationKind::name`] has it.
    pub kind: &'static str,
    /// Which table of which warehouse. Tokens are made of it, so an update must not change this text: a submission
    /// whose reply was lost before the update would get another token.
    pub place: String,
    /// Those settings that change the transaction. They are part of its token, too.
    pub shape: String,
    /// The table that is loaded, as it is shown.
    pub table: String,
    /// The ledger, as it is shown.
    pub ledger: String,
    /// How the files are read.
    pub files: Reading,
    settings: Arc<dyn Settings>,
}

/// What a destination keeps of its section.
trait Settings: Any + Debug + Send + Sync {}

impl<T: Any + Debug + Send + Sync> Settings for T {}

impl Target {
    /// A target of the kind `kind` whose destination keeps `settings`.
    #[must_use]
    pub fn new(kind: &'static str, files: Reading, settings: impl Any + Debug + Send + Sync) -> Self {
        let (place, shape, table, ledger) = Default::default();
        Self { kind, place, shape, table, ledger, files, settings: Arc::new(settings) }
    }

    /// What the destination keeps, where it is of this type.
    #[must_use]
    pub fn settings<T: Any>(&self) -> Option<&T> {
        let settings: &dyn Any = self.settings.as_ref();
        settings.downcast_ref()
    }
}

/// How a feed's files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Their format.
    pub format: FileFormat,
    /// How all of them are packed. `None`: as the name of each says.
    pub compression: Option<Compression>,
    /// Whether they are UTF-8.
    pub utf8: bool,
    /// How many lines at the beginning of each file are header.
    pub header_lines: usize,
    /// The byte that quotes fields, where one does.
    pub quote: Option<u8>,
    /// Whether JSON files hold objects, one after another, whose names are columns.
    pub objects: bool,
}

impl Reading {
    /// Plain files of UTF-8 without a header.
    #[must_use]
    pub fn of(format: FileFormat) -> Self {
        let quote = (format == FileFormat::Csv).then_some(b'"');
        Self { format, compression: None, utf8: true, header_lines: 0, quote, objects: false }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Config;
    use super::*;
    use crate::testing::MemoryKind;

    /// A second kind, which keeps what its section says.
    #[derive(Debug)]
    struct Pipe;

    impl DestinationKind for Pipe {
        fn name(&self) -> &'static str {
            "pipe"
        }

        fn fields(&self) -> &'static [&'static str] {
            &["diameter"]
        }

        fn read(&self, section: &Section<'_>, _: Option<&FeedName>, report: &mut Report<'_>) -> Draft {
            section.only(self.fields(), &[], report);
            let diameter = section.count("diameter", 1..=9_u8, report);
            let target =
                diameter.map(|diameter| Target::new(self.name(), Reading::of(FileFormat::Csv), diameter.value));
            Draft { target, ..Draft::default() }
        }
    }

    fn parse(target: &str) -> Result<Target, String> {
        let text = format!("[bucket]\nname = \"bucket\"\n[[feed]]\nname = \"f\"\nprefix = \"f/\"\n{target}");
        let config = Config::parse(&text, "test", &[&MemoryKind, &Pipe]).map_err(|error| error.to_string())?;
        Ok(config.feeds.into_iter().next().unwrap().target)
    }

    #[test]
    fn a_destination_gets_back_what_it_keeps_and_nobody_elses() {
        let target = parse("[feed.pipe]\ndiameter = 7\n").unwrap();
        assert_eq!((target.kind, target.settings::<u8>(), target.settings::<u16>()), ("pipe", Some(&7), None));
        assert_eq!(parse("[feed.memory]\ntable = \"t\"\nformat = \"csv\"\n").unwrap().settings::<u8>(), None);
    }

    #[test]
    fn each_kind_reads_its_own_section() {
        insta::assert_snapshot!(parse("[feed.pipe]\ndiameter = 70\ntable = \"t\"\n").unwrap_err(), @"
        test:7:1: feed[f].pipe.diameter: 70 is out of range; write 1 to 9
        test:8:1: feed[f].pipe.table: unknown field; known here: diameter
        ");
        insta::assert_snapshot!(parse("diameter = 7\n[feed.pipe]\ndiameter = 7\n").unwrap_err(), @"test:6:1: feed[f].diameter: unknown field; write it under [feed.pipe]");
    }

    #[test]
    fn a_feed_has_one_destination_that_there_is() {
        insta::assert_snapshot!(parse("").unwrap_err(), @"test:3:1: feed[f].memory: the feed has no destination; write [feed.memory] or [feed.pipe] below the feed's other fields");
        insta::assert_snapshot!(parse("[feed.pump]\n").unwrap_err(), @"test:6:7: feed[f].pump: this version of Sluice does not have this destination; write [feed.memory] or [feed.pipe]");
        let both = parse("[feed.memory]\ntable = \"t\"\nformat = \"csv\"\n[feed.pipe]\ndiameter = 7\n");
        insta::assert_snapshot!(both.unwrap_err(), @"test:9:7: feed[f].pipe: a second destination beside memory; keep one; a second [[feed]] needs a prefix of its own");
    }
}
