//! What must hold between the parts of a configuration, and the shapes of names that AWS has fixed.
//!
//! Never reads a field and never changes a value.

use super::bucket;
use super::feed::Draft;
use super::problem::{Report, shown};
use super::section::Entry;
use crate::object::Prefix;

/// The most bytes of a feed's whole prefix, so that names below it have room in a key.
const MAX_WHOLE_PREFIX_BYTES: usize = 512;

const OWN_LEDGER: &str = "write ledger = \"schema.table\" with a name of its own";

/// The bucket's name, and prefixes that lie within one another.
pub(super) fn bucket(bucket: &bucket::Draft, report: &mut Report<'_>) {
    if let Some(name) = &bucket.name
        && let Err(remedy) = check_bucket_name(&name.value)
    {
        report.add(&name.spot, format!("{} is not a bucket's name", shown(&name.value)), remedy);
    }
    let remedy = "give each of incoming, processed, failed and state a place of its own";
    let prefixes: Vec<_> = bucket.prefixes.iter().flatten().collect();
    for (index, prefix) in prefixes.iter().enumerate() {
        for earlier in &prefixes[..index] {
            refuse_overlap(earlier, prefix, remedy, report);
        }
    }
}

/// What feeds may not share: names, prefixes and ledgers. Two feeds may load one table.
pub(super) fn feeds(bucket: &bucket::Draft, drafts: &[Draft], report: &mut Report<'_>) {
    for (index, draft) in drafts.iter().enumerate() {
        for earlier in &drafts[..index] {
            if let (Some(one), Some(other)) = (&earlier.prefix, &draft.prefix) {
                refuse_overlap(one, other, "give each feed a prefix of its own, so that a file has one feed", report);
            }
            match (&earlier.name, &draft.name) {
                (Some(one), Some(other)) if one.value == other.value => {
                    let what = format!("the feed of line {} has this name", report.line(&one.spot));
                    report.add(&other.spot, what, "give each feed a name of its own");
                }
                // A default ledger has the feed's name.
                _ => refuse_same_ledger(earlier, draft, report),
            }
        }
        refuse_ledger_that_is_loaded(drafts, draft, report);
        refuse_long_prefix(bucket, draft, report);
    }
}

fn refuse_overlap(one: &Entry<Prefix>, other: &Entry<Prefix>, remedy: &str, report: &mut Report<'_>) {
    if one.value.overlaps(&other.value) {
        let [shown_one, shown_other] = [one, other].map(|prefix| shown(prefix.value.as_str()));
        report.add(&other.spot, format!("{shown_other} overlaps {shown_one} of {}", one.spot.path), remedy);
    }
}

/// One ledger would lock all its feeds' loads against one another, and mix what was loaded where.
fn refuse_same_ledger(earlier: &Draft, draft: &Draft, report: &mut Report<'_>) {
    if let (Some(one), Some(other)) = (&earlier.target, &draft.target)
        && let (Some(ledger), Some(own)) = (&one.ledger, &other.ledger)
        && one.database == other.database
        && ledger.value.folded == own.value.folded
    {
        let what = format!("the ledger {} is that of {} too", own.value.shown, ledger.spot.path);
        report.add(&own.spot, what, OWN_LEDGER);
    }
}

fn refuse_ledger_that_is_loaded(drafts: &[Draft], draft: &Draft, report: &mut Report<'_>) {
    let Some(own) = &draft.target else { return };
    let Some(ledger) = &own.ledger else { return };
    let here = drafts.iter().filter_map(|other| other.target.as_ref()).filter(|other| other.database == own.database);
    let mut tables = here.filter_map(|other| other.table.as_ref());
    if let Some(table) = tables.find(|table| table.value.folded == ledger.value.folded) {
        let what = format!("the ledger {} is the table that {} loads", ledger.value.shown, table.spot.path);
        report.add(&ledger.spot, what, OWN_LEDGER);
    }
}

fn refuse_long_prefix(bucket: &bucket::Draft, draft: &Draft, report: &mut Report<'_>) {
    let (Some(incoming), Some(prefix)) = (&bucket.prefixes[0], &draft.prefix) else { return };
    let bytes = incoming.value.as_str().len() + prefix.value.as_str().len();
    if bytes > MAX_WHOLE_PREFIX_BYTES {
        let what = format!("with incoming before it the prefix has {bytes} bytes, which leaves no room for names");
        report.add(&prefix.spot, what, format!("use {MAX_WHOLE_PREFIX_BYTES} at most"));
    }
}

/// The rules for general purpose buckets, or what would be right.
/// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
fn check_bucket_name(name: &str) -> Result<(), &'static str> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let address = name.parse::<std::net::Ipv4Addr>().is_ok();
    let reserved = ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        || ["-s3alias", "--ol-s3", ".mrap", "--table-s3"].iter().any(|suffix| name.ends_with(suffix));
    if name.starts_with("s3://") || name.starts_with("arn:") {
        Err("write the bucket's name alone, without \"s3://\", ARN or path")
    } else if name.ends_with("--x-s3") {
        Err("use a general purpose bucket: a directory bucket lists in no order and has no such conditions")
    } else if !(3..=63).contains(&name.len()) || !name.chars().all(legal) {
        Err("use 3 to 63 lower-case letters, digits, \".\" and \"-\"")
    } else if !name.starts_with(alphanumeric) || !name.ends_with(alphanumeric) || name.contains("..") {
        Err("begin and end with a letter or digit, with no two dots together")
    } else if address || reserved {
        Err("S3 gives this name to nobody; write the name of a bucket of yours")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("acme-landing", true; "plain")]
    #[test_case("a.b-3", true; "dots and digits")]
    #[test_case("ab", false; "short")]
    #[test_case(&"a".repeat(64), false; "long")]
    #[test_case("Acme", false; "upper case")]
    #[test_case("acme_landing", false; "underscore")]
    #[test_case("-acme", false; "begins with a hyphen")]
    #[test_case("acme.", false; "ends in a dot")]
    #[test_case("a..b", false; "two dots")]
    #[test_case("192.168.5.4", false; "address")]
    #[test_case("xn--acme", false; "reserved beginning")]
    #[test_case("acme-s3alias", false; "reserved end")]
    #[test_case("acme--use1-az4--x-s3", false; "directory bucket")]
    #[test_case("s3://acme", false; "URI")]
    fn bucket_names(name: &str, legal: bool) {
        assert_eq!(check_bucket_name(name).is_ok(), legal);
    }
}
