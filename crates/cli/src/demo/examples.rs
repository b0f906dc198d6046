//! What a demo loads: a configuration, its tables, the files of each feed, and their totals.
//!
//! Reads all of it before anything starts. Never changes it, except for the totals on request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sluice_core::config::{Config, Feed};
use sluice_redshift::config::CopyOption;

use super::source::Source;
use super::totals::{self, Totals, pinned};
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
        let files = |feed: &Feed| Ok((feed.name.to_string(), read(&data, &project.config, feed)?));
        let feeds: Result<_, Failure> = project.config.feeds.iter().map(files).collect();
        Ok(Self { feeds: feeds?, totals: data.join("totals.toml"), project })
    }

    pub(crate) fn sources(&self, feed: &Feed) -> &[Source] {
        self.feeds.get(feed.name.as_str()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of files of all feeds.
    pub(crate) fn files(&self) -> u64 {
        self.feeds.values().map(|sources| sources.len() as u64).sum()
    }

    /// Computes the totals of the feed's files.
    pub(crate) fn add_up(&self, feed: &Feed) -> Result<Totals, Failure> {
        totals::add_up(self.sources(feed), null(feed))
    }

    fn add_up_all(&self) -> Result<BTreeMap<String, Totals>, Failure> {
        self.project.config.feeds.iter().map(|feed| Ok((feed.name.to_string(), self.add_up(feed)?))).collect()
    }

    /// Reads the totals that were published with the files.
    pub(crate) fn pinned(&self) -> Result<BTreeMap<String, Totals>, Failure> {
        pinned::read(&self.totals)
    }

    /// Publishes the current totals of the files. Returns the path.
    pub(crate) fn write_totals(&self) -> Result<&Path, Failure> {
        pinned::write(&self.totals, &self.add_up_all()?)?;
        Ok(&self.totals)
    }
}

/// Reads the feed's files, in the order of their names, from the folder in `data` that is named as the feed's prefix.
fn read(data: &Path, config: &Config, feed: &Feed) -> Result<Vec<Source>, Failure> {
    let folder = data.join(feed.prefix.as_str());
    let unreadable =
        |path: &Path, error: std::io::Error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
        let path = entry.map_err(|error| unreadable(&folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| feed.takes(name, 1)) else {
            continue;
        };
        let key = format!("{}{name}", config.incoming(feed));
        let body = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
        sources.push(Source { path, key, body });
    }
    if sources.is_empty() {
        let (folder, feed) = (folder.display(), &feed.name);
        return Err(Failure::failed(format!("{folder} has no file that the feed {feed} takes; a demo needs some")));
    }
    sources.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(sources)
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
        assert_eq!(examples.add_up_all().unwrap(), examples.pinned().unwrap());
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
