//! What a configuration means, and what an operator reads when it is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use test_case::test_case;

use super::copy_options::catalogue::KNOWN;
use super::*;

/// The example of `docs/CONFIGURATION.md`, which is also the design's.
const EXAMPLE: &str = r#"
[bucket]
name = "acme-landing"
# incoming = "incoming/", processed = "processed/", failed = "failed/", state = "sluice/"

[[feed]]
name = "flights"
prefix = "flights/"                # under incoming/
trigger = "schedule"               # or "event": the loader takes it at once, the lister only sweeps up what events missed
include = ["*.csv.gz"]
max_files = 1000                   # X: the most files being loaded at any moment
files_per_load = 250               # split over workers; one COPY each
max_bytes_per_load = "4GiB"
order = "oldest"                   # or "key"
fan_out = true                     # false: the lister loads inline, one batch after another

[feed.redshift]
workgroup = "analytics"            # or cluster = "…"
database = "dev"
# secret_arn = "…", or db_user = "…", or neither: the function's IAM identity
table = "public.flights"
# columns = ["year", "month", …]
iam_role = "default"
format = "csv"                     # csv, json, avro, parquet, orc, fixedwidth, delimited
[feed.redshift.options]            # every COPY option by its own name, checked against the format
ignoreheader = 1
gzip = true
null_as = "NA"
"#;

/// A feed with all that it must have, and nothing else.
const LEAST: &str = r#"
[bucket]
name = "acme-landing"
[[feed]]
name = "flights"
prefix = "flights/"
[feed.redshift]
workgroup = "analytics"
database = "dev"
table = "flights"
format = "csv"
"#;

fn parse(text: &str) -> Config {
    Config::parse(text, "sluice.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// What an operator reads.
fn error(text: &str) -> String {
    Config::parse(text, "sluice.toml").expect_err("this configuration is wrong").to_string()
}

fn redshift(config: &Config) -> &Redshift {
    let Destination::Redshift(redshift) = &config.feeds[0].destination;
    redshift
}

#[test]
fn the_example_means_what_it_says() {
    let config = parse(EXAMPLE);
    assert_eq!(config.bucket.name, "acme-landing");
    let feed = &config.feeds[0];
    assert_eq!((feed.name.as_str(), feed.prefix.as_str()), ("flights", "flights/"));
    assert_eq!((feed.max_files, feed.files_per_load, feed.slots()), (1000, 250, 4));
    assert_eq!((feed.max_bytes_per_load, feed.order, feed.fan_out), (4 << 30, Order::Oldest, true));
    assert!(feed.takes("2013/01/01.csv.gz", 9) && !feed.takes("README", 9));
    let redshift = redshift(&config);
    assert_eq!(redshift.warehouse, Warehouse::Workgroup("analytics".into()));
    assert_eq!(redshift.options.compression(), Some(Compression::Gzip));
    let options = [
        CopyOption::Flag("FORMAT AS CSV"),
        CopyOption::Flag("GZIP"),
        CopyOption::Integer("IGNOREHEADER", 1),
        CopyOption::Text("NULL AS", "NA".into()),
    ];
    assert_eq!(redshift.options.options(), options);
}
