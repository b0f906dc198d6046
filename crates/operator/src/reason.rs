//! A reason: what `<name>.error.json` says, and which object in `failed/` it is about.
//!
//! Never believes a name or a content alone. Producers choose both, and a file of theirs may look like a reason.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_core::archive;
use sluice_core::config::{Config, Feed};
use sluice_core::destination::StatementId;
use sluice_core::object::{ETag, File, Key};
use sluice_core::ports::{Objects, PortError};

use crate::names::REASON;

/// The largest object that can be a reason, in bytes: its texts are cut when they are written.
const MAX_BYTES: u64 = 1 << 20;

/// Why a file is in `failed/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The file's key in `incoming/`.
    pub key: Key,
    /// Which content it had.
    pub etag: ETag,
    /// The feed's name.
    pub feed: String,
    /// The transaction that failed.
    pub statement_id: StatementId,
    /// The warehouse's code.
    #[serde(default)]
    pub code: Option<i64>,
    /// The warehouse's words.
    #[serde(default)]
    pub message: String,
    /// The line in the file, from 1.
    #[serde(default)]
    pub line: Option<u64>,
    /// The column.
    #[serde(default)]
    pub column: Option<String>,
    /// When the file was refused.
    #[serde(default)]
    pub time: Option<Timestamp>,
}

/// The content of an object whose name could be a reason's.
#[derive(Clone)]
pub(crate) enum Text {
    /// It says what a reason says.
    Reason(Reason),
    /// It says something else.
    Other,
    /// This version is not there any more.
    Gone,
}

impl Text {
    pub(crate) async fn read(objects: &impl Objects, file: &File) -> Result<Self, PortError> {
        if file.size > MAX_BYTES {
            return Ok(Self::Other);
        }
        let content = objects.get(&file.key).await?.filter(|content| content.etag == file.etag);
        Ok(content
            .map_or(Self::Gone, |content| serde_json::from_slice(&content.body).map_or(Self::Other, Self::Reason)))
    }
}

impl Reason {
    /// Whether this, found under `name`, is the reason of the object `of`. Both without the prefix of `failed/`.
    pub(crate) fn is_of(&self, config: &Config, feed: &Feed, name: &str, of: &str) -> bool {
        let bucket = &config.bucket;
        if self.feed != feed.name.as_str() || config.incoming(feed).strip(&self.key).is_none() {
            return false;
        }
        let (key, etag) = (self.key.clone(), self.etag.clone());
        let file = File { key, etag, size: 0, last_modified: Timestamp::UNIX_EPOCH };
        let marked = || format!("{of}.{}{REASON}", archive::mark(&self.statement_id, &file));
        if name.strip_suffix(REASON) != Some(of) && name != marked() {
            return false;
        }
        let mut names = archive::all_names(&bucket.incoming, &bucket.failed, &file, &self.statement_id);
        names.any(|name| bucket.failed.strip(&name) == Some(of))
    }
}
