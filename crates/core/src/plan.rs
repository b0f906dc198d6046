//! Plan: files to batches. Pure: the same files give the same batches, and so the same ids.
//!
//! Never mixes compressions in one batch (COPY takes one), and never makes a batch larger than the feed allows.

use crate::backlog;
use crate::config::{Compression, Feed};
use crate::object::{File, Key};

/// The most bytes of a claim's files as JSON. A claim is never larger than 1 MiB, and it may have to say for each file
/// why it failed.
const MAX_CLAIM_BYTES: usize = 512 << 10;

/// Cuts at most `most` files into at most `free` batches, in the order of their first files.
///
/// If a key comes twice, only its newest version is planned: COPY would load it twice.
///
/// ```
/// use jiff::Timestamp;
/// use sluice_core::object::{ETag, File, Key};
/// use sluice_core::plan::plan;
/// # use sluice_core::testing::target::config;
/// # let feed = &config("flights", "flights/", "files_per_load = 2").feeds[0];
///
/// let file = |name: &str| -> Result<File, Box<dyn std::error::Error>> {
///     let key = Key::new(format!("incoming/flights/{name}"))?;
///     Ok(File { key, etag: ETag::new("0e5f"), size: 1, last_modified: Timestamp::UNIX_EPOCH })
/// };
/// // At most two files a load, and one compression in each.
/// let files = vec![file("a.csv")?, file("b.csv")?, file("c.csv")?, file("d.csv.gz")?];
/// let sizes: Vec<_> = plan(feed, files, 4, 1000).iter().map(Vec::len).collect();
/// assert_eq!(sizes, [2, 1, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn plan(feed: &Feed, files: Vec<File>, free: usize, most: usize) -> Vec<Vec<File>> {
    let mut files = newest_versions(files);
    backlog::sort(feed.order, &mut files);
    let mut batches: Vec<Batch> = Vec::new();
    for file in files {
        let compression = compression(feed, &file.key);
        // Only the last batch of a compression has room.
        let open = batches.iter_mut().rev().find(|batch| batch.compression == compression);
        match open.filter(|batch| batch.fits(feed, &file)) {
            Some(batch) => batch.add(file),
            None => batches.push(Batch::of(compression, file)),
        }
    }
    let mut left = most;
    let batches = batches.into_iter().take(free).map(|mut batch| {
        batch.files.truncate(left);
        left -= batch.files.len();
        batch.files
    });
    batches.filter(|files| !files.is_empty()).collect()
}

/// Files that one COPY can take.
struct Batch {
    compression: Option<Compression>,
    files: Vec<File>,
    bytes: u64,
    claim_bytes: usize,
}

impl Batch {
    fn of(compression: Option<Compression>, file: File) -> Self {
        let mut batch = Self { compression, files: Vec::new(), bytes: 0, claim_bytes: 0 };
        batch.add(file);
        batch
    }

    fn fits(&self, feed: &Feed, file: &File) -> bool {
        self.files.len() < feed.files_per_load
            && self.bytes.saturating_add(file.size) <= feed.max_bytes_per_load
            && self.claim_bytes + claim_bytes(file) <= MAX_CLAIM_BYTES
    }

    fn add(&mut self, file: File) {
        self.bytes = self.bytes.saturating_add(file.size);
        self.claim_bytes += claim_bytes(&file);
        self.files.push(file);
    }
}

/// The most bytes of a claim that a file needs: what surrounds its key, and the key, of which JSON may escape every
/// byte.
fn claim_bytes(file: &File) -> usize {
    let escaped =
        file.key.as_str().bytes().map(|byte| if byte < b' ' { 6 } else { 1 + usize::from(b"\"\\".contains(&byte)) });
    160 + file.etag.as_str().len() + escaped.sum::<usize>()
}

/// The compression that COPY is given for a file: the feed's own, or else that of the name's ending.
#[must_use]
pub fn compression(feed: &Feed, key: &Key) -> Option<Compression> {
    let files = &feed.target.files;
    if files.format.is_columnar() {
        return None;
    }
    files.compression.or_else(|| of_name(key.as_str()))
}

fn of_name(name: &str) -> Option<Compression> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "gz" | "gzip" => Some(Compression::Gzip),
        "bz2" | "bzip2" => Some(Compression::Bzip2),
        "lzo" | "lzop" => Some(Compression::Lzop),
        "zst" | "zstd" => Some(Compression::Zstd),
        _ => None,
    }
}

fn newest_versions(mut files: Vec<File>) -> Vec<File> {
    files.sort_unstable_by(|a, b| a.key.cmp(&b.key).then_with(|| b.last_modified.cmp(&a.last_modified)));
    files.dedup_by(|b, a| a.key == b.key);
    files
}
