//! From the text of a configuration to a [`Config`]: the document, the bucket, and each feed.
//!
//! Never reads the text from anywhere, and gives no [`Config`] while anything in the text is wrong.

use toml::de::DeTable;

use super::feed::Draft;
use super::problem::{Report, shown};
use super::section::{Entry, Section};
use super::{Bucket, Config, ConfigError, Lister, MAX_PASSES_PER_MINUTE, check, feed};
use crate::object::Prefix;

/// The document's fields.
pub(super) const ROOT_FIELDS: &[&str] = &["bucket", "lister", "feed"];
/// The fields of `[bucket]`.
pub(super) const BUCKET_FIELDS: &[&str] = &["name", "incoming", "processed", "failed", "state"];

impl Config {
    /// Reads and checks a configuration. `origin` is what errors call the text: a path, an S3 URI, or `SLUICE_CONFIG`.
    ///
    /// # Errors
    /// When the text is not TOML, or with everything that is wrong in it.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| ConfigError::syntax(text, origin, error))?;
        let mut report = Report::new(text);
        let root = Section::root(document.get_ref());
        root.only(ROOT_FIELDS, &[], &mut report);

        let bucket = read_bucket(&root, &mut report);
        let lister = read_lister(&root, &mut report);
        let drafts = read_feeds(&root, &mut report);
        check::bucket(&bucket, &mut report);
        check::feeds(&bucket, &drafts, &mut report);
        report.finish(origin, assemble(bucket, lister, drafts))
    }
}

/// The fields of `[lister]`.
pub(super) const LISTER_FIELDS: &[&str] = &["passes_per_minute"];

/// `[bucket]` as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct BucketDraft {
    pub(super) name: Option<Entry<String>>,
    pub(super) incoming: Option<Entry<Prefix>>,
    pub(super) processed: Option<Entry<Prefix>>,
    pub(super) failed: Option<Entry<Prefix>>,
    pub(super) state: Option<Entry<Prefix>>,
}

fn read_bucket(root: &Section<'_>, report: &mut Report<'_>) -> BucketDraft {
    if !root.has("bucket") {
        let remedy = "write [bucket] and under it name = \"…\", the bucket that the files arrive in";
        report.add(&root.spot_at("bucket"), "missing", remedy);
    }
    let Some(section) = root.section("bucket", report) else { return BucketDraft::default() };
    section.only(BUCKET_FIELDS, &[], report);
    let name = section.needed("name", "\"…\", the bucket that the files arrive in", report);
    let mut prefix = |name: &str, default: &str| {
        let written = section.text(name, report);
        let entry = written.unwrap_or_else(|| Entry { spot: section.spot_at(name), value: default });
        read_prefix(&entry, report)
    };
    BucketDraft {
        incoming: prefix("incoming", "incoming/"),
        processed: prefix("processed", "processed/"),
        failed: prefix("failed", "failed/"),
        state: prefix("state", "sluice/"),
        name: name.map(|name| name.with(name.value.to_owned())),
    }
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

fn read_lister(root: &Section<'_>, report: &mut Report<'_>) -> Lister {
    let mut lister = Lister { passes_per_minute: 1 };
    let Some(section) = root.section("lister", report) else { return lister };
    section.only(LISTER_FIELDS, &[], report);
    if let Some(passes) = section.count("passes_per_minute", 1..=MAX_PASSES_PER_MINUTE, report) {
        lister.passes_per_minute = passes.value;
    }
    lister
}

fn read_feeds(root: &Section<'_>, report: &mut Report<'_>) -> Vec<Draft> {
    let feeds = root.sections("feed", report);
    if root.value("feed").is_none_or(|entry| entry.value.as_array().is_some_and(|feeds| feeds.is_empty())) {
        let remedy = "write [[feed]] with name, prefix and [feed.redshift] for each table to load";
        report.add(&root.spot_at("feed"), "there is no feed", remedy);
    }
    feeds.iter().map(|section| feed::read(section, report)).collect()
}

/// The configuration, where every part of it could be read.
fn assemble(bucket: BucketDraft, lister: Lister, drafts: Vec<Draft>) -> Option<Config> {
    let bucket = Bucket {
        name: bucket.name?.value,
        incoming: bucket.incoming?.value,
        processed: bucket.processed?.value,
        failed: bucket.failed?.value,
        state: bucket.state?.value,
    };
    let feeds = drafts.into_iter().map(Draft::finish).collect::<Option<_>>()?;
    Some(Config { bucket, lister, feeds })
}
