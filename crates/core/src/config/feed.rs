//! Reads one `[[feed]]`.
//!
//! Never looks at other feeds: what they may not share is checked once all are read.

use std::time::Duration;

use super::fields::FEED_FIELDS;
use super::pattern::PatternError;
use super::problem::{Report, shown};
use super::section::{Entry, Section, read_word};
use super::{
    DestinationKind, Feed, FeedName, FileIdentity, MAX_FILES, MAX_FILES_PER_LOAD, MAX_WAIT, Order, Pattern, Trigger,
};
use super::{amount, bucket, target};
use crate::object::Prefix;

const DEFAULT_MAX_FILES: usize = 1000;
const DEFAULT_FILES_PER_LOAD: usize = 250;
const DEFAULT_MAX_BYTES_PER_LOAD: u64 = 4 << 30;
/// Long enough for a small COPY and its commit, so that most batches need one invocation only.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// A feed as far as it could be read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Option<Entry<FeedName>>,
    pub(super) prefix: Option<Entry<Prefix>>,
    pub(super) target: Option<target::Draft>,
    /// The feed itself, where it has a name, a prefix and a target.
    pub(super) feed: Option<Feed>,
}

/// Reads a feed and reports all that is wrong within it. An optional field that is wrong has its default.
pub(super) fn read(section: &Section<'_>, kinds: &[&dyn DestinationKind], report: &mut Report<'_>) -> Draft {
    read_names(section, kinds, report);
    let name = read_name(section, report);
    let prefix = section.needed("prefix", "\"…/\", the feed's prefix under incoming/", report);
    let prefix = prefix.and_then(|prefix| bucket::read_prefix(&prefix, report));
    let (max_files, files_per_load) = read_limits(section, report);
    let target = read_target(section, kinds, name.as_ref(), report);
    let triggers = [("schedule", Trigger::Schedule), ("event", Trigger::Event)];
    let trigger = read_word(section, "trigger", &triggers, report).unwrap_or(Trigger::Schedule);
    let include = read_patterns(section, "include", report);
    let exclude = read_patterns(section, "exclude", report);
    let max_bytes_per_load = read_bytes(section, report).unwrap_or(DEFAULT_MAX_BYTES_PER_LOAD);
    let orders = [("oldest", Order::Oldest), ("key", Order::Key)];
    let order = read_word(section, "order", &orders, report).unwrap_or(Order::Oldest);
    let identities = [FileIdentity::Version, FileIdentity::Name].map(|identity| (identity.as_str(), identity));
    let identity = read_word(section, "identity", &identities, report).unwrap_or(FileIdentity::Version);
    let fan_out = section.flag("fan_out", report).is_none_or(|fan_out| fan_out.value);
    let inspect = section.flag("inspect", report).is_none_or(|inspect| inspect.value);
    let wait = section.count("wait_seconds", 0..=MAX_WAIT.as_secs(), report);
    let feed = match (&name, &prefix, target.as_ref().and_then(|target| target.target.clone())) {
        (Some(name), Some(prefix), Some(target)) => Some(Feed {
            name: name.value.clone(),
            prefix: prefix.value.clone(),
            trigger,
            include,
            exclude,
            max_files,
            files_per_load,
            max_bytes_per_load,
            identity,
            order,
            fan_out,
            inspect,
            wait: wait.map_or(DEFAULT_WAIT, |seconds| Duration::from_secs(seconds.value)),
            target,
        }),
        _ => None,
    };
    Draft { name, prefix, target, feed }
}

fn read_name(section: &Section<'_>, report: &mut Report<'_>) -> Option<Entry<FeedName>> {
    let text = section.needed("name", "\"…\", as it shall stand in claims and metrics", report)?;
    let name = FeedName::new(text.value);
    if name.is_none() {
        let remedy = "use 1 to 63 lower-case letters, digits, \"_\" and \"-\", beginning with a letter";
        report.add(&text.spot, format!("{} is not a feed's name", shown(text.value)), remedy);
    }
    name.map(|name| text.with(name))
}

fn read_patterns(section: &Section<'_>, field: &str, report: &mut Report<'_>) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for text in section.texts(field, report) {
        match Pattern::new(text.value) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let remedy = match error {
                    PatternError::Empty => "remove it, or write \"*\" for every name",
                    PatternError::TooLong(_) => "write a shorter one",
                    PatternError::Stars => "write one \"*\": it matches \"/\" too",
                    PatternError::Bracket(_) => "write \"[[]\" where a bracket is meant",
                };
                report.add(&text.spot, error.to_string(), remedy);
            }
        }
    }
    patterns
}

/// `max_files` and `files_per_load`, which must fit each other.
fn read_limits(section: &Section<'_>, report: &mut Report<'_>) -> (usize, usize) {
    let max_files = section.count("max_files", 1..=MAX_FILES, report);
    let per_load = section.count("files_per_load", 1..=MAX_FILES_PER_LOAD, report);
    let most = max_files.as_ref().map_or(DEFAULT_MAX_FILES, |entry| entry.value);
    if let Some(per_load) = &per_load
        && per_load.value > most
    {
        let what = format!("{} is more than max_files, which is {most}", per_load.value);
        report.add(&per_load.spot, what, format!("write {most} or less, or a larger max_files"));
    }
    (most, per_load.map_or(DEFAULT_FILES_PER_LOAD.min(most), |entry| entry.value))
}

/// `max_bytes_per_load`, as text with a unit or as a number of bytes.
fn read_bytes(section: &Section<'_>, report: &mut Report<'_>) -> Option<u64> {
    let field = "max_bytes_per_load";
    let bytes = if section.value(field)?.value.is_integer() {
        let number = section.whole(field, report)?;
        number.with(u64::try_from(number.value).ok())
    } else {
        let text = section.text(field, report)?;
        text.with(amount::bytes(text.value))
    };
    let value = bytes.value.filter(|&value| value > 0);
    if value.is_none() {
        report.add(&bytes.spot, "this is not a size", "write bytes with a unit, such as \"4GiB\" or \"512MB\"");
    }
    value
}

/// Reports unknown fields, except tables: [`read_target`] reports those.
fn read_names(section: &Section<'_>, kinds: &[&dyn DestinationKind], report: &mut Report<'_>) {
    let mut known = FEED_FIELDS.to_vec();
    known.extend(kinds.iter().map(|kind| kind.name()));
    known.extend(strange(section, kinds));
    let places: Vec<_> = kinds.iter().map(|kind| (kind.fields(), format!("under {}", headers(&[*kind])))).collect();
    let places: Vec<_> = places.iter().map(|(fields, place)| (*fields, place.as_str())).collect();
    section.only(&known, &places, report);
}

/// The one destination that a feed has.
fn read_target(
    section: &Section<'_>,
    kinds: &[&dyn DestinationKind],
    name: Option<&Entry<FeedName>>,
    report: &mut Report<'_>,
) -> Option<target::Draft> {
    let headers = headers(kinds);
    let strange = strange(section, kinds);
    for name in &strange {
        let what = "this version of Sluice does not have this destination";
        report.add(&section.spot_at(name), what, format!("write {headers}"));
    }
    let mut given = kinds.iter().filter(|kind| section.has(kind.name()));
    let kind = given.next();
    let first = strange.first().copied().or(kind.map(|kind| kind.name()));
    let second = if strange.is_empty() { given.next() } else { kind };
    if let (Some(first), Some(second)) = (first, second) {
        let what = format!("a second destination beside {first}");
        report.add(&section.spot_at(second.name()), what, "keep one; a second [[feed]] needs a prefix of its own");
    }
    if first.is_none()
        && let Some(kind) = kinds.first()
    {
        let remedy = format!("write {headers} below the feed's other fields");
        report.add(&section.spot_at(kind.name()), "the feed has no destination", remedy);
    }
    let (kind, target) = (kind?, section.section(kind?.name(), report)?);
    Some(kind.read(&target, name.map(|name| &name.value), report))
}

/// The tables of a feed that are no destination that this version has.
fn strange<'d>(section: &Section<'d>, kinds: &[&dyn DestinationKind]) -> Vec<&'d str> {
    let is_kind = |name: &str| kinds.iter().any(|kind| kind.name() == name);
    let is_table = |name: &str| section.value(name).is_some_and(|entry| entry.value.is_table());
    let names = section.names().map(|name| name.value);
    names.filter(|name| is_table(name) && !FEED_FIELDS.contains(name) && !is_kind(name)).collect()
}

/// The headers of these kinds' sections.
pub(super) fn headers(kinds: &[&dyn DestinationKind]) -> String {
    kinds.iter().map(|kind| format!("[feed.{}]", kind.name())).collect::<Vec<_>>().join(" or ")
}
