//! The configuration of a deployment, as types that cannot be wrong: once there is a [`Config`], it has been checked.
//!
//! Never reads a file or the environment (the caller gives the text), and never lets a default hide an error.

use std::time::Duration;

use crate::object::{ETag, File, FileId, Key, Prefix, display_as_str};

pub mod amount;
mod bucket;
mod check;
mod feed;
pub mod fields;
mod format;
mod parse;
pub mod pattern;
pub mod problem;
pub mod section;
pub mod target;

pub use format::{Compression, FileFormat};
pub use pattern::Pattern;
pub use problem::{ConfigError, Problem};
pub use target::{DestinationKind, Reading, Target};

/// A whole deployment: one bucket and the feeds in it. [`Config::parse`] makes one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where files, claims and manifests are.
    pub bucket: Bucket,
    /// The lister's own settings.
    pub lister: Lister,
    /// The feeds, in the order of the file. Their prefixes do not overlap; their names differ.
    pub feeds: Vec<Feed>,
}

/// The bucket's name and its layout.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The bucket's name.
    pub name: String,
    /// Where producers write. Default `incoming/`.
    pub incoming: Prefix,
    /// Where loaded files go. Default `processed/`.
    pub processed: Prefix,
    /// Where files go that the warehouse refuses. Default `failed/`.
    pub failed: Prefix,
    /// Where claims and manifests are. Default `sluice/`.
    pub state: Prefix,
}

/// The lister's own settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lister {
    /// How often it looks in the minute after a scheduled event. 1 to [`MAX_PASSES_PER_MINUTE`]. Default 1.
    pub passes_per_minute: i32,
}

/// The most passes in a minute: one every five seconds.
pub const MAX_PASSES_PER_MINUTE: i32 = 12;

/// One prefix under `incoming/` and the table it loads.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Its name in claims, metrics and the ledger's name.
    pub name: FeedName,
    /// Under `incoming/`.
    pub prefix: Prefix,
    /// What starts a load.
    pub trigger: Trigger,
    /// A file's name under the prefix must match one of these; empty: every name does.
    pub include: Vec<Pattern>,
    /// A file's name under the prefix must match none of these.
    pub exclude: Vec<Pattern>,
    /// X: the most files being loaded at any moment. At least `files_per_load`, at most [`MAX_FILES`].
    pub max_files: usize,
    /// The most files of one COPY. 1 to [`MAX_FILES_PER_LOAD`].
    pub files_per_load: usize,
    /// The most bytes of one COPY, as stored. A single larger file is a batch of its own.
    pub max_bytes_per_load: u64,
    /// What makes two files the same one.
    pub identity: FileIdentity,
    /// Which files go first.
    pub order: Order,
    /// Whether the lister dispatches batches to workers, or loads them itself, one after another.
    pub fan_out: bool,
    /// Whether the head of each file is inspected before it is loaded. Default true.
    pub inspect: bool,
    /// How long a function waits for a COPY before it leaves the batch to a later invocation. Default 5 seconds, at
    /// most [`MAX_WAIT`].
    pub wait: Duration,
    /// Where the rows go.
    pub target: Target,
}

/// The most files of one load. With the longest keys that S3 allows, the guard and the ledger's rows of so many fit
/// into the 40 statements of 100 KB that the narrowest of the destinations takes for a transaction.
pub const MAX_FILES_PER_LOAD: usize = 1000;

/// The most files that a feed may have in flight. A lister keeps as many in memory, with their keys.
pub const MAX_FILES: usize = 100_000;

/// The longest that a function may wait for a COPY. The function itself ends after 15 minutes.
pub const MAX_WAIT: Duration = Duration::from_mins(10);

impl Feed {
    /// The file's id in the feed's ledger.
    #[must_use]
    pub fn ledger_id(&self, file: &File) -> FileId {
        self.identity.of(&file.key, &file.etag)
    }

    /// How many batches may be loading at once: `max_files / files_per_load`. This bounds the feed to X files.
    #[must_use]
    pub fn slots(&self) -> usize {
        (self.max_files / self.files_per_load).max(1)
    }

    /// Whether an object with this name (what follows the feed's prefix) and size is a file of the feed.
    #[must_use]
    pub fn takes(&self, name: &str, size: u64) -> bool {
        self.judges(name, size) == Taken::File
    }

    /// What an object with this name (what follows the feed's prefix) and size is to the feed.
    ///
    /// A marker is a file only where a pattern of `include` is a marker's name too.
    #[must_use]
    pub fn judges(&self, name: &str, size: u64) -> Taken {
        let marker = is_marker(name);
        let mut include = self.include.iter().filter(|pattern| !marker || is_marker(pattern.as_str()));
        let included = (self.include.is_empty() && !marker) || include.any(|pattern| pattern.matches(name));
        match included {
            _ if is_folder(name, size) || self.exclude.iter().any(|pattern| pattern.matches(name)) => Taken::NoFile,
            true => Taken::File,
            false if marker => Taken::NoFile,
            false => Taken::NotIncluded,
        }
    }
}

/// What an object is to a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A file to load.
    File,
    /// Nothing: a folder, a marker, or excluded on purpose.
    NoFile,
    /// A file that no pattern of `include` matches, perhaps by mistake.
    NotIncluded,
}

/// Whether an object of no feed looks like a file in a wrong place.
#[must_use]
pub fn is_lost(name: &str, size: u64) -> bool {
    !is_folder(name, size) && !is_marker(name)
}

/// Consoles make a zero-byte object whose name ends in `/` for a folder.
fn is_folder(name: &str, size: u64) -> bool {
    size == 0 && (name.is_empty() || name.ends_with('/'))
}

/// Whether a name is that of a marker: writers leave markers beside their data, and readers skip them. A part of the
/// name begins with `.`, or with `_` and is no partition (`_day=1`), or the name ends in `_$folder$`. Source: Apache
/// Hadoop, `FileInputFormat`'s filter of hidden files; Apache Spark, `HadoopFSUtils.shouldFilterOutPathName`.
fn is_marker(name: &str) -> bool {
    let hidden = |part: &str| {
        let dotted = part.starts_with('.') && !part.chars().all(|c| c == '.');
        dotted || (part.starts_with('_') && !part.contains('='))
    };
    name.split('/').any(hidden) || name.ends_with("_$folder$")
}

/// A feed's name: 1 to 63 lower-case letters, digits, `_` and `-`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedName(String);

impl FeedName {
    /// Takes a name; `None` where a claim, a metric or a table could not be called so.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        let legal = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
        (begins && legal && name.len() <= 63).then(|| Self(name.to_owned()))
    }

    /// Stands for a name where a measure is of no feed. No feed has it.
    #[must_use]
    pub fn none() -> Self {
        Self("-".to_owned())
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

display_as_str!(FeedName);

/// What starts a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The lister, on its schedule.
    Schedule,
    /// The loader, at the file's event. The lister takes what events missed.
    Event,
}

/// What makes two files the same one, so that it is loaded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileIdentity {
    /// Key and `ETag`: new content under an old name is a new file.
    Version,
    /// The key alone: a name is loaded once, even if its content changes later.
    Name,
}

impl FileIdentity {
    /// Its name in the configuration and in the ledger's fence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Name => "name",
        }
    }

    /// The id of a file in a ledger of this identity.
    #[must_use]
    pub fn of(self, key: &Key, etag: &ETag) -> FileId {
        match self {
            Self::Version => FileId::of(key, etag),
            Self::Name => FileId::of_name(key),
        }
    }
}

/// Which files go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By last-modified, then key.
    Oldest,
    /// By key.
    Key,
}

impl Config {
    /// The feed with this name.
    #[must_use]
    pub fn feed(&self, name: &str) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.name.as_str() == name)
    }

    /// Where the feed's files arrive: `incoming/` and its prefix.
    #[must_use]
    pub fn incoming(&self, feed: &Feed) -> Prefix {
        self.bucket.incoming.join(&feed.prefix)
    }

    /// The feed whose files arrive at `key`, and the file's name under the feed's prefix.
    #[must_use]
    pub fn route<'k>(&self, key: &'k Key) -> Option<(&Feed, &'k str)> {
        let path = self.bucket.incoming.strip(key)?;
        self.feeds.iter().find_map(|feed| Some((feed, path.strip_prefix(feed.prefix.as_str())?)))
    }
}
