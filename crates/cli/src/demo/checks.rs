//! Checks whether the result of a demo is right: compares what should be there with what is, one check per line.
//!
//! Pure. Never repairs anything. For every difference it reports what was expected and what was found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sluice_core::config::{Bucket, Feed};

use super::observe::{Loaded, Object};
use super::source::Source;
use super::totals::{Column, Totals, Values};
use crate::output::{count, thousands};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was checked: `flights.distance`.
    pub(crate) subject: String,
    /// Whether it is right.
    pub(crate) ok: bool,
    /// What was found, and if it is not right, what was expected.
    pub(crate) finding: String,
}

impl Check {
    fn new(subject: impl Into<String>, ok: bool, finding: impl Into<String>) -> Self {
        Self { subject: subject.into(), ok, finding: finding.into() }
    }
}

/// What is known about one feed: its totals from three sources, and its files.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) feed: &'a Feed,
    /// The totals that were published with the files.
    pub(crate) pinned: Option<&'a Totals>,
    /// The totals of the files now.
    pub(crate) files: &'a Totals,
    /// What the warehouse reports.
    pub(crate) loaded: &'a Loaded,
    /// The files that were dropped.
    pub(crate) sources: &'a [Source],
}

/// Checks one feed: its totals, its ledger, the places of its files.
pub(crate) fn of_feed(facts: &Facts<'_>, bucket: &Bucket, objects: &[Object]) -> Vec<Check> {
    let mut checks = totals(facts);
    checks.push(ledger(facts));
    checks.push(places(facts, bucket, objects));
    checks
}

/// Checks that the bucket is empty where it should be. `reason` is why the warehouse refused the first file, if it did.
pub(crate) fn of_bucket(bucket: &Bucket, objects: &[Object], reason: Option<&str>) -> Vec<Check> {
    let empty = |prefix: &str, what: &str, reason: Option<&str>| {
        let found: Vec<_> = objects.iter().filter(|object| object.key.starts_with(prefix)).collect();
        let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let finding = match found.first() {
            None => format!("no {what}"),
            Some(first) => format!("{} left, such as {}{why}", count(found.len() as u64, what), first.key),
        };
        Check::new(prefix, found.is_empty(), finding)
    };
    vec![
        empty(bucket.incoming.as_str(), "file", None),
        empty(bucket.failed.as_str(), "object", reason),
        empty(&format!("{}claims/", bucket.state), "claim", None),
    ]
}

/// Compares files, rows and columns: as pinned, as computed from the files, and as loaded.
fn totals(facts: &Facts<'_>) -> Vec<Check> {
    let Facts { feed, pinned, files, loaded, .. } = facts;
    let name = &feed.name;
    let Some(pinned) = pinned else {
        let finding = "no pinned totals of this feed; write them with `sluice demo --write-totals`";
        return vec![Check::new(name.as_str(), false, finding)];
    };
    let mut checks = vec![
        three(format!("{name} files"), pinned.files, files.files, loaded.ledger.len() as u64, &|n| thousands(n)),
        three(format!("{name} rows"), pinned.rows, files.rows, loaded.totals.rows, &|n| thousands(n)),
    ];
    let sources = [*pinned, *files, &loaded.totals];
    for name_of_column in names(sources) {
        let [pinned, files, table] =
            sources.map(|totals| totals.columns.iter().find(|column| column.name == name_of_column));
        checks.push(three(format!("{name}.{name_of_column}"), pinned, files, table, &said));
    }
    checks
}

/// The names of all columns, in the order of their first appearance.
fn names(all: [&Totals; 3]) -> Vec<&str> {
    let mut names = Vec::new();
    for column in all.into_iter().flat_map(|totals| &totals.columns) {
        if !names.contains(&column.name.as_str()) {
            names.push(column.name.as_str());
        }
    }
    names
}

fn said(column: Option<&Column>) -> String {
    let Some(Column { filled, sum, values, .. }) = column else { return "no such column".to_owned() };
    let filled = thousands(filled);
    match values {
        Values::Number => format!("{filled} numbers, sum {}", thousands(sum)),
        Values::Time => format!("{filled} times, sum {sum} s"),
        Values::Text => format!("{filled} texts, checksum {sum}"),
    }
}

/// Compares the same total from three sources. The finding names a value once for all sources that agree.
fn three<T: PartialEq + Copy>(subject: String, pinned: T, files: T, table: T, say: &dyn Fn(T) -> String) -> Check {
    let (pinned_says, files_say, table_says) = (say(pinned), say(files), say(table));
    let finding = match (pinned == files, files == table, pinned == table) {
        (true, true, _) => table_says,
        (true, false, _) => {
            format!("differs: {files_say} as published and in the files, but {table_says} in the table")
        }
        (false, true, _) => format!("differs: {pinned_says} as published, but {table_says} in the files and the table"),
        (false, false, true) => {
            format!("differs: {table_says} as published and in the table, but {files_say} in the files")
        }
        _ => format!("differs: {pinned_says} as published, {files_say} in the files, {table_says} in the table"),
    };
    Check::new(subject, pinned == files && files == table, finding)
}

/// Checks that each file is in the ledger once, and that nothing else is.
fn ledger(facts: &Facts<'_>) -> Check {
    let mut times: BTreeMap<&str, u64> = facts.sources.iter().map(|source| (source.key.as_str(), 0)).collect();
    for key in &facts.loaded.ledger {
        *times.entry(key).or_default() += 1;
    }
    let dropped: BTreeSet<&str> = facts.sources.iter().map(|source| source.key.as_str()).collect();
    let wrong = times.iter().find(|(key, times)| **times != 1 || !dropped.contains(**key));
    let finding = match wrong {
        None => format!("each of {} once", count(facts.sources.len() as u64, "file")),
        Some((key, _)) if !dropped.contains(key) => format!("has {key}, which was never dropped"),
        Some((key, times)) => format!("has {key} {times} times, not once"),
    };
    Check::new(format!("{} ledger", facts.feed.name), wrong.is_none(), finding)
}

/// Checks that each file is under `processed/` as it was dropped.
fn places(facts: &Facts<'_>, bucket: &Bucket, objects: &[Object]) -> Check {
    let archived = |source: &Source| {
        let path = source.key.strip_prefix(bucket.incoming.as_str()).unwrap_or(&source.key);
        let key = format!("{}{path}", bucket.processed);
        objects.iter().any(|object| object.key == key && object.md5 == source.md5())
    };
    let own = bucket.processed.join(&facts.feed.prefix);
    let found = objects.iter().filter(|object| object.key.starts_with(own.as_str())).count();
    let missing = facts.sources.iter().find(|source| !archived(source));
    let finding = match missing {
        Some(source) => format!("{} is not there as it was dropped", source.key),
        None if found > facts.sources.len() => format!("{found} objects for {} files", facts.sources.len()),
        None => format!("all {} as they were dropped", count(found as u64, "file")),
    };
    let ok = missing.is_none() && found == facts.sources.len();
    Check::new(own.as_str(), ok, finding)
}

#[cfg(test)]
mod tests {
    use sluice_core::config::Config;

    use super::*;

    const CONFIG: &str = r#"
        [bucket]
        name = "landing"
        [[feed]]
        name = "flights"
        prefix = "flights/"
        [feed.redshift]
        workgroup = "w"
        database = "dev"
        table = "public.flights"
        iam_role = "default"
        format = "csv"
    "#;

    fn total(rows: u64, sum: &str) -> Totals {
        let column = |name: &str, sum: &str| Column {
            name: name.to_owned(),
            values: Values::Number,
            filled: rows,
            sum: sum.to_owned(),
        };
        Totals { files: 2, rows, columns: vec![column("year", "4026"), column("distance", sum)] }
    }

    struct World {
        config: Config,
        pinned: Totals,
        files: Totals,
        loaded: Loaded,
        sources: Vec<Source>,
        objects: Vec<Object>,
    }

    fn world() -> World {
        let source = |name: &str| Source {
            path: name.into(),
            key: format!("incoming/flights/{name}"),
            body: name.as_bytes().to_vec(),
        };
        let sources = vec![source("1.csv"), source("2.csv")];
        let ledger = sources.iter().map(|source| source.key.clone());
        let place = |source: &Source| Object { key: source.key.replace("incoming", "processed"), md5: source.md5() };
        World {
            config: Config::parse(CONFIG, "test", &sluice_aws::DESTINATIONS).unwrap(),
            pinned: total(2, "2816"),
            files: total(2, "2816"),
            loaded: Loaded { totals: total(2, "2816"), ledger: ledger.collect(), ..Loaded::default() },
            objects: sources.iter().map(place).collect(),
            sources,
        }
    }

    /// The failed checks, one line each.
    fn wrong(world: &World) -> Vec<String> {
        let World { config, pinned, files, loaded, sources, objects } = world;
        let facts = Facts { feed: &config.feeds[0], pinned: Some(pinned), files, loaded, sources };
        let mut checks = of_feed(&facts, &config.bucket, objects);
        checks.extend(of_bucket(&config.bucket, objects, Some("invalid digit")));
        assert_eq!(checks.len(), 9);
        checks.iter().filter(|check| !check.ok).map(|check| format!("{}: {}", check.subject, check.finding)).collect()
    }

    fn add(world: &mut World, key: &str) {
        world.objects.push(Object { key: key.to_owned(), md5: String::new() });
    }

    #[test]
    fn all_is_well() {
        assert_eq!(wrong(&world()), Vec::<String>::new());
    }

    #[test]
    fn an_altered_file_is_found_by_name_of_the_total() {
        let mut world = world();
        (world.files, world.loaded.totals) = (total(2, "2817"), total(2, "2817"));
        let expected = "flights.distance: differs: 2 numbers, sum 2,816 as published, but 2 numbers, sum 2,817 in the \
                        files and the table";
        assert_eq!(wrong(&world), [expected]);
    }

    #[test]
    fn rows_that_were_loaded_twice_are_found() {
        let mut world = world();
        world.loaded.totals = total(3, "2816");
        assert_eq!(wrong(&world)[0], "flights rows: differs: 2 as published and in the files, but 3 in the table");
    }

    #[test]
    fn a_column_that_is_not_there_is_found() {
        let mut world = world();
        world.loaded.totals.columns.pop();
        assert!(wrong(&world)[0].ends_with("but no such column in the table"));
    }

    #[test]
    fn the_ledger_has_each_file_once() {
        let mut world = world();
        world.loaded.ledger[1] = world.loaded.ledger[0].clone();
        assert_eq!(wrong(&world), ["flights ledger: has incoming/flights/1.csv 2 times, not once"]);
        world.loaded.ledger[1] = "incoming/flights/3.csv".to_owned();
        assert_eq!(wrong(&world), ["flights ledger: has incoming/flights/2.csv 0 times, not once"]);
    }

    #[test]
    fn files_are_in_processed_and_nowhere_else() {
        let mut world = world();
        world.objects[0].md5 = "other".to_owned();
        assert_eq!(wrong(&world), ["processed/flights/: incoming/flights/1.csv is not there as it was dropped"]);
        let mut world = self::world();
        add(&mut world, "processed/flights/3.csv");
        add(&mut world, "incoming/flights/1.csv");
        add(&mut world, "failed/flights/1.csv");
        add(&mut world, "sluice/claims/flights/0.json");
        let expected = [
            "processed/flights/: 3 objects for 2 files",
            "incoming/: 1 file left, such as incoming/flights/1.csv",
            "failed/: 1 object left, such as failed/flights/1.csv: invalid digit",
            "sluice/claims/: 1 claim left, such as sluice/claims/flights/0.json",
        ];
        assert_eq!(wrong(&world), expected);
    }
}
