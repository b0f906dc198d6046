//! Inspect: looks at the head of each file before it is loaded, with one small read a file, many at a time.
//!
//! Finds what COPY would ignore in silence: to COPY a packed file under a plain name is a text of one odd line, and
//! with a header to skip it loads nothing and reports success. Never refuses a file in doubt, and only for the content
//! of exactly the planned version. What cannot be read in time is left to the warehouse.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::config::{Compression, Feed};
use crate::destination::Refusal;
use crate::object::{File, FileId, Key};
use crate::plan;
use crate::ports::{Clock, Objects, Part, PortError};
use crate::run::within;
use head::{Expected, Found};

mod head;

/// How many files are read at once.
const LOOKS_AT_ONCE: usize = 192;

/// How many bytes of a file are read. Mistakes show in its first lines, and more would take longer.
const HEAD_BYTES: u64 = 16 << 10;

/// How many bytes are read of the end of a columnar file: the length of its footer, and the mark behind it.
/// Source: Apache Parquet, "File format".
const TAIL_BYTES: u64 = 8;

/// An upload of more than one part has at least so many bytes. Source: Amazon S3 User Guide, "Amazon S3 multipart
/// upload limits".
const LEAST_PART: u64 = 5 << 20;

/// What the heads of a batch's files show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Those that cannot be loaded, and why.
    pub refused: HashMap<Key, Refusal>,
    /// Those that are packed otherwise than their names or the feed say, and how. `None`: not at all.
    pub packed: BTreeMap<FileId, Option<Compression>>,
    /// Those that are not empty and hold no row.
    pub without_rows: Vec<FileId>,
    /// Those whose content may be known under another `ETag`: their own is no hash of it, or they are so large that an
    /// earlier upload may have been in parts.
    pub perhaps_known: Vec<File>,
    /// Some could not be read: another inspection may find more.
    pub unseen: bool,
}

/// Looks at the head of each file, until the time `until`.
pub async fn inspect(
    objects: &impl Objects,
    clock: &impl Clock,
    feed: &Feed,
    files: &[File],
    until: Timestamp,
) -> Inspected {
    let mut inspected = Inspected::default();
    let looks = stream::iter(files).map(async |file| (look(objects, feed, file).await, file));
    let mut looks = looks.buffer_unordered(LOOKS_AT_ONCE);
    let all = async {
        while let Some((seen, file)) = looks.next().await {
            match seen {
                Ok(seen) => inspected.add(file, seen),
                Err(error) => {
                    tracing::debug!(key = %file.key, %error, "a head could not be read; the warehouse will tell");
                    inspected.unseen = true;
                }
            }
        }
    };
    if within(clock, until, all).await.is_none() {
        inspected.unseen = true;
    }
    inspected.without_rows.sort_unstable();
    inspected.perhaps_known.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    inspected
}

impl Inspected {
    fn add(&mut self, file: &File, seen: Seen) {
        if !seen.hashed || file.size >= LEAST_PART {
            self.perhaps_known.push(file.clone());
        }
        match seen.found {
            Found::Fine => {}
            Found::Packed(compression) => {
                self.packed.insert(file.id(), compression);
            }
            Found::Unfit(message) => {
                self.refused.insert(file.key.clone(), Refusal { message, ..Refusal::default() });
                return;
            }
        }
        if seen.without_rows {
            self.without_rows.push(file.id());
        }
    }
}

/// What the head of one file shows.
struct Seen {
    found: Found,
    /// It holds no row.
    without_rows: bool,
    /// Its `ETag` is a hash of its content.
    hashed: bool,
}

impl Seen {
    const NOTHING: Self = Self { found: Found::Fine, without_rows: false, hashed: true };
}

/// Looks at one file. A version that is gone shows nothing.
async fn look(objects: &impl Objects, feed: &Feed, file: &File) -> Result<Seen, PortError> {
    let format = feed.target.files.format;
    if file.size == 0 {
        return Ok(Seen::NOTHING);
    }
    let tail = (file.size.saturating_sub(TAIL_BYTES), TAIL_BYTES);
    let (from, length) = if format.is_columnar() { tail } else { (0, HEAD_BYTES) };
    let Some(Part { bytes, hashed }) = objects.read(file, from, length).await? else {
        return Ok(Seen::NOTHING);
    };
    if format.is_columnar() {
        return Ok(Seen { found: head::judge_tail(format, &bytes), without_rows: false, hashed });
    }
    let whole = u64::try_from(bytes.len()).is_ok_and(|length| length >= file.size);
    let expected = Expected { target: &feed.target, compression: plan::compression(feed, &file.key) };
    let without_rows = whole && head::is_without_rows(expected, &bytes);
    Ok(Seen { found: head::judge(expected, &bytes, whole), without_rows, hashed })
}
