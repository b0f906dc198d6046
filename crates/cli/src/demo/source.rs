//! The files that a demo drops: those of a folder, with the keys that they get.
//!
//! Never looks into a file.

use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use sluice_core::config::{Config, Feed};

/// A file to drop.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its key in the bucket.
    pub(crate) key: String,
    /// All of it.
    pub(crate) body: Vec<u8>,
}

impl Source {
    /// The MD5 of its content, as S3's `ETag`s write it.
    pub(crate) fn md5(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(Md5::digest(&self.body).into()))
    }
}

/// Why there are no files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing that the feed takes.
    #[error("{folder} has no file that the feed {feed} takes; a demo needs some")]
    Nothing {
        /// Where.
        folder: PathBuf,
        /// For whom.
        feed: String,
    },
}

/// The feed's files in `data`, by name: in the folder that is named as the feed's prefix.
pub(crate) fn read(data: &Path, config: &Config, feed: &Feed) -> Result<Vec<Source>, SourceError> {
    let folder = data.join(feed.prefix.as_str());
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| SourceError::Unreadable { path, source }
    };
    let entries = std::fs::read_dir(&folder).map_err(unreadable(&folder))?;
    let mut sources = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable(&folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| feed.takes(name, 1)) else {
            continue;
        };
        let key = format!("{}{name}", config.incoming(feed));
        let body = std::fs::read(&path).map_err(unreadable(&path))?;
        sources.push(Source { path, key, body });
    }
    sources.sort_by(|a, b| a.key.cmp(&b.key));
    if sources.is_empty() {
        return Err(SourceError::Nothing { folder, feed: feed.name.to_string() });
    }
    Ok(sources)
}
