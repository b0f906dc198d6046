//! Plan: files to batches. Pure: the same files give the same batches, and so the same ids.
//!
//! Never mixes compressions in one batch (COPY takes one), and never makes a batch larger than the feed allows.

use crate::config::{Compression, Destination, Feed};
use crate::list;
use crate::object::{File, Key};

/// Cuts files into at most `free` batches, the feed's first files first.
///
/// A key that comes twice is taken once (the newest version of it): COPY would load it twice.
#[must_use]
pub fn plan(feed: &Feed, files: Vec<File>, free: usize) -> Vec<Vec<File>> {
    let mut files = newest_versions(files);
    list::sort(feed.order, &mut files);
    let mut full: Vec<Vec<File>> = Vec::new();
    let mut open: Vec<(Option<Compression>, Vec<File>)> = Vec::new();
    for file in files {
        let compression = compression(feed, &file.key);
        let at = open.iter().position(|(other, _)| *other == compression).unwrap_or_else(|| {
            open.push((compression, Vec::new()));
            open.len() - 1
        });
        let batch = &mut open[at].1;
        if !fits(feed, batch, &file) {
            full.push(std::mem::take(batch));
        }
        batch.push(file);
    }
    full.extend(open.into_iter().map(|(_, batch)| batch));
    full.retain(|batch| !batch.is_empty());
    full.truncate(free);
    full
}

/// Which compression COPY is told for a file: the one that the feed names, or else the one that the name ends in.
#[must_use]
pub fn compression(feed: &Feed, key: &Key) -> Option<Compression> {
    let Destination::Redshift(redshift) = &feed.destination;
    if redshift.format.is_columnar() {
        return None;
    }
    redshift.options.compression().or_else(|| of_name(key.as_str()))
}

fn of_name(name: &str) -> Option<Compression> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "gz" => Some(Compression::Gzip),
        "bz2" => Some(Compression::Bzip2),
        "lzo" => Some(Compression::Lzop),
        "zst" => Some(Compression::Zstd),
        _ => None,
    }
}

fn newest_versions(mut files: Vec<File>) -> Vec<File> {
    files.sort_unstable_by(|a, b| a.key.cmp(&b.key).then_with(|| b.last_modified.cmp(&a.last_modified)));
    files.dedup_by(|b, a| a.key == b.key);
    files
}

fn fits(feed: &Feed, batch: &[File], file: &File) -> bool {
    let bytes: u64 = batch.iter().map(|file| file.size).sum();
    batch.is_empty()
        || (batch.len() < feed.files_per_load && bytes.saturating_add(file.size) <= feed.max_bytes_per_load)
}
