//! Reads `[bucket]`.
//!
//! Never asks S3 whether the bucket is there.

use super::Bucket;
use super::fields::BUCKET_FIELDS;
use super::problem::{Report, shown};
use super::section::{Entry, Section};
use crate::object::Prefix;

/// `[bucket]` as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: Option<Entry<String>>,
    /// In the order of [`DEFAULT_PREFIXES`].
    pub(super) prefixes: [Option<Entry<Prefix>>; 4],
}

const DEFAULT_PREFIXES: [(&str, &str); 4] =
    [("incoming", "incoming/"), ("processed", "processed/"), ("failed", "failed/"), ("state", "sluice/")];

/// Reads the bucket and reports all that is wrong within it.
pub(super) fn read(root: &Section<'_>, report: &mut Report<'_>) -> Draft {
    if !root.has("bucket") {
        let remedy = "write [bucket] and under it name = \"…\", the bucket that the files arrive in";
        report.add(&root.spot_at("bucket"), "missing", remedy);
    }
    let Some(section) = root.section("bucket", report) else { return Draft::default() };
    section.only(BUCKET_FIELDS, &[], report);
    let name = section.needed("name", "\"…\", the bucket that the files arrive in", report);
    let prefixes = DEFAULT_PREFIXES.map(|(name, default)| {
        let written = section.text(name, report);
        let entry = written.unwrap_or_else(|| Entry { spot: section.spot_at(name), value: default });
        read_prefix(&entry, report)
    });
    Draft { name: name.map(|name| name.with(name.value.to_owned())), prefixes }
}

/// A prefix, or a report of what is wrong with it.
pub(super) fn read_prefix(entry: &Entry<&str>, report: &mut Report<'_>) -> Option<Entry<Prefix>> {
    match Prefix::new(entry.value) {
        // `/` alone would begin every key with an empty name.
        _ if entry.value.trim_matches('/').is_empty() => {
            report.add(&entry.spot, "the prefix is empty", "write a name and a slash, such as \"incoming/\"");
            None
        }
        Ok(prefix) => Some(entry.with(prefix)),
        Err(error) => {
            report.add(&entry.spot, format!("{} is not a prefix", shown(entry.value)), error.to_string());
            None
        }
    }
}

impl Draft {
    /// The bucket, where every part of it could be read.
    pub(super) fn finish(self) -> Option<Bucket> {
        let [incoming, processed, failed, state] = self.prefixes;
        Some(Bucket {
            name: self.name?.value,
            incoming: incoming?.value,
            processed: processed?.value,
            failed: failed?.value,
            state: state?.value,
        })
    }
}
