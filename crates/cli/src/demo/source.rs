//! The files that a demo drops: the files of a folder, and their keys.
//!
//! Never interprets the content of a file.

use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use sluice_core::config::{Config, Feed};

/// A file to drop.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Its key in the bucket.
    pub(crate) key: String,
    /// Its whole content.
    pub(crate) body: Vec<u8>,
}

impl Source {
    /// The MD5 of its content, written as in S3's `ETag`s.
    pub(crate) fn md5(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(Md5::digest(&self.body).into()))
    }
}

/// Why there are no files to drop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{folder} has no file that the feed {feed} takes; a demo needs some")]
    Nothing {
        /// The folder of the feed's files.
        folder: PathBuf,
        /// The feed's name.
        feed: String,
    },
}

/// Reads the feed's files, in the order of their names, from the folder in `data` that is named as the feed's prefix.
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
