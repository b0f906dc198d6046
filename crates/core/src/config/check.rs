//! What must hold between the parts of a configuration, and the shapes of names that AWS has fixed.
//!
//! Never reads a field and never changes a value.

use super::bucket;
use super::feed::Draft;
use super::problem::{Report, shown};
use super::section::Entry;
use crate::object::Prefix;

/// Bytes that a feed's whole prefix may have, so that names below it have room in a key.
const MAX_WHOLE_PREFIX_BYTES: usize = 512;

const OWN_LEDGER: &str = "write ledger = \"schema.table\" with a name of its own";

/// The bucket's name, and prefixes that lie within one another.
pub(super) fn bucket(bucket: &bucket::Draft, report: &mut Report<'_>) {
    if let Some(name) = &bucket.name
        && let Err(remedy) = check_bucket_name(&name.value)
    {
        report.add(&name.spot, format!("{} is not a bucket's name", shown(&name.value)), remedy);
    }
    let all = [&bucket.incoming, &bucket.processed, &bucket.failed, &bucket.state];
    let prefixes: Vec<_> = all.into_iter().flatten().collect();
    for (index, prefix) in prefixes.iter().enumerate() {
        for earlier in &prefixes[..index] {
            refuse_overlap(
                earlier,
                prefix,
                "give each of incoming, processed, failed and state a place of its own",
                report,
            );
        }
    }
}

/// What feeds may not share: names, prefixes and ledgers. Two feeds may load one table.
pub(super) fn feeds(bucket: &bucket::Draft, drafts: &[Draft], report: &mut Report<'_>) {
    for (index, draft) in drafts.iter().enumerate() {
        for earlier in &drafts[..index] {
            refuse_same_name(earlier, draft, report);
            if let (Some(one), Some(other)) = (&earlier.prefix, &draft.prefix) {
                refuse_overlap(one, other, "give each feed a prefix of its own, so that a file has one feed", report);
            }
            refuse_same_ledger(earlier, draft, report);
        }
        refuse_ledger_that_is_loaded(drafts, draft, report);
        refuse_long_prefix(bucket, draft, report);
    }
}

fn refuse_overlap(one: &Entry<Prefix>, other: &Entry<Prefix>, remedy: &str, report: &mut Report<'_>) {
    if one.value.overlaps(&other.value) {
        let what =
            format!("{} overlaps {} of {}", shown(other.value.as_str()), shown(one.value.as_str()), one.spot.path);
        report.add(&other.spot, what, remedy);
    }
}

fn refuse_same_name(earlier: &Draft, draft: &Draft, report: &mut Report<'_>) {
    if let (Some(one), Some(other)) = (&earlier.name, &draft.name)
        && one.value == other.value
    {
        let what = format!("the feed of line {} has this name", report.line(&one.spot));
        report.add(&other.spot, what, "give each feed a name of its own");
    }
}

/// One ledger locks all its feeds' loads against one another, and mixes what was loaded where.
fn refuse_same_ledger(earlier: &Draft, draft: &Draft, report: &mut Report<'_>) {
    let same_name = earlier.name.as_ref().zip(draft.name.as_ref()).is_some_and(|(one, other)| one.value == other.value);
    let (Some(one), Some(other)) = (&earlier.target, &draft.target) else { return };
    if same_name || one.database != other.database {
        return;
    }
    if let (Some(ledger), Some(other)) = (&one.ledger, &other.ledger)
        && ledger.value.folded == other.value.folded
    {
        let what = format!("the ledger {} is that of {} too", other.value.shown, ledger.spot.path);
        report.add(&other.spot, what, OWN_LEDGER);
    }
}

fn refuse_ledger_that_is_loaded(drafts: &[Draft], draft: &Draft, report: &mut Report<'_>) {
    let Some(own) = &draft.target else { return };
    let Some(ledger) = &own.ledger else { return };
    let here = drafts.iter().filter_map(|other| other.target.as_ref());
    let tables = here.filter(|other| other.database == own.database).filter_map(|other| other.table.as_ref());
    if let Some(table) = tables.into_iter().find(|table| table.value.folded == ledger.value.folded) {
        let what = format!("the ledger {} is the table that {} loads", ledger.value.shown, table.spot.path);
        report.add(&ledger.spot, what, OWN_LEDGER);
    }
}

fn refuse_long_prefix(bucket: &bucket::Draft, draft: &Draft, report: &mut Report<'_>) {
    let (Some(incoming), Some(prefix)) = (&bucket.incoming, &draft.prefix) else { return };
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
