//! What a demo loads: a configuration, its tables, the files of each feed, and their totals.
//!
//! Reads all of it before anything starts. Never changes it, except for the totals on request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sluice_core::config::Feed;
use sluice_redshift::config::CopyOption;

use super::DemoError;
use super::source::{self, Source, SourceError};
use super::totals::{self, Pinned, PinnedError, Totals, TotalsError};
use crate::failure::Failure;
use crate::project::Project;
use crate::stack::target;

/// Everything that a demo loads.
#[derive(Debug)]
pub(crate) struct Examples {
    /// The configuration and the tables.
    pub(crate) project: Project,
    /// The files of each feed, by the feed's name.
    pub(crate) feeds: BTreeMap<String, Vec<Source>>,
    /// The path of the pinned totals.
    totals: PathBuf,
}

impl Examples {
    /// Reads everything in the folder.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let project = Project::open(Some(&folder.join("sluice.toml")), None)?;
        let data = folder.join("data");
        let files = |feed: &Feed| Ok((feed.name.to_string(), source::read(&data, &project.config, feed)?));
        let feeds: Result<_, SourceError> = project.config.feeds.iter().map(files).collect();
        Ok(Self { feeds: feeds.map_err(DemoError::from)?, totals: data.join("totals.toml"), project })
    }

    pub(crate) fn sources(&self, feed: &Feed) -> &[Source] {
        self.feeds.get(feed.name.as_str()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of files of all feeds.
    pub(crate) fn files(&self) -> u64 {
        self.feeds.values().map(|sources| sources.len() as u64).sum()
    }

    /// Computes the totals of each feed's files.
    pub(crate) fn add_up(&self) -> Result<BTreeMap<String, Totals>, TotalsError> {
        let add = |feed: &Feed| Ok((feed.name.to_string(), totals::add_up(self.sources(feed), null(feed))?));
        self.project.config.feeds.iter().map(add).collect()
    }

    /// Reads the totals that were published with the files.
    pub(crate) fn pinned(&self) -> Result<Pinned, PinnedError> {
        Pinned::read(&self.totals)
    }

    /// Publishes the current totals of the files. Returns the path.
    pub(crate) fn write_totals(&self) -> Result<&Path, DemoError> {
        Pinned(self.add_up()?).write(&self.totals)?;
        Ok(&self.totals)
    }
}

/// The text that stands for NULL in the feed's files. COPY's default is `\N`.
fn null(feed: &Feed) -> &str {
    let options = target(feed).map(|target| target.options.options()).unwrap_or_default();
    let null = options.iter().find_map(|option| match option {
        CopyOption::Text("NULL AS", null) => Some(null.as_str()),
        _ => None,
    });
    null.unwrap_or("\\N")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Examples {
        Examples::open(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"))).unwrap()
    }

    #[test]
    fn the_shipped_files_add_up_to_what_is_pinned() {
        let examples = shipped();
        assert_eq!(Pinned(examples.add_up().unwrap()), examples.pinned().unwrap());
    }

    /// The numbers were published outside this repository: rows of flights by month, and of weather.
    #[test]
    fn the_shipped_files_have_the_published_rows() {
        let examples = shipped();
        let rows = |feed: &str, part: &str| {
            let files: Vec<Source> =
                examples.feeds[feed].iter().filter(|source| source.key.contains(part)).cloned().collect();
            totals::add_up(&files, "NA").unwrap().rows
        };
        let months = ["2013-01-", "2013-02-", "2013-03-"].map(|month| rows("flights", month));
        assert_eq!(months, [27_004, 24_951, 28_834]);
        assert_eq!((rows("flights", ""), rows("weather", "")), (80_789, 26_115));
    }

    #[test]
    fn null_is_what_the_configuration_says() {
        let examples = shipped();
        assert_eq!(null(&examples.project.config.feeds[0]), "NA");
    }
}
