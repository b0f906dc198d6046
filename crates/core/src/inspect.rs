//! Inspect: the head of each file is looked at before it is loaded, with one small read a file, many at a time.
//!
//! Finds what COPY would pass over in silence: a packed file under a plain name is a text of one odd line to it, and with a
//! header to ignore it loads nothing and says that all is well. Refuses a file only for what is certain of exactly the
//! version that is planned. What cannot be read, or not in time, is left to the warehouse.

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

/// How many files are looked at at once.
const LOOKS_AT_ONCE: usize = 192;

/// How much of a file is read. What is wrong shows in its first lines; more would only take longer to come.
const HEAD_BYTES: u64 = 16 << 10;

/// How much is read of the end of a columnar file: the length of its footer, and the mark behind it.
/// Source: Apache Parquet, "File format".
const TAIL_BYTES: u64 = 8;

/// What has more than one part is at least so large. Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
const LEAST_PART: u64 = 5 << 20;

/// What the heads of a batch's files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Those that cannot be loaded, and why.
    pub refused: HashMap<Key, Refusal>,
    /// Those that are packed otherwise than their names or the feed say, and how; `None`: not at all.
    pub packed: BTreeMap<FileId, Option<Compression>>,
    /// Those that hold no row, though they are not empty.
    pub without_rows: Vec<FileId>,
    /// Those of which the same content may be known under another `ETag`: their own is no hash of it, or they are so large
    /// that they may have been uploaded in parts before.
    pub perhaps_known: Vec<File>,
    /// Some could not be looked at: another look may find more.
    pub unseen: bool,
}

/// Looks at the head of each file until it is `until`.
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

/// What the look at one file saw.
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

/// What one file's head says. A version that is not there any more says nothing.
async fn look(objects: &impl Objects, feed: &Feed, file: &File) -> Result<Seen, PortError> {
    let format = feed.target.files.format;
    if file.size == 0 {
        return Ok(Seen::NOTHING);
    }
    let from = if format.is_columnar() { file.size.saturating_sub(TAIL_BYTES) } else { 0 };
    let length = if format.is_columnar() { TAIL_BYTES } else { HEAD_BYTES };
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
