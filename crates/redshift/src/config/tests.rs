//! What a configuration means, and what an operator reads when it is wrong.
//!
//! One file, because every case reads one whole configuration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use test_case::test_case;

use sluice_core::config::fields;
use sluice_core::config::{Compression, Config, Order, Pattern, Trigger};
use sluice_core::object::Prefix;

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
    Config::parse(text, "sluice.toml", &[&RedshiftKind]).unwrap_or_else(|error| panic!("{error}"))
}

/// What an operator reads.
fn error(text: &str) -> String {
    Config::parse(text, "sluice.toml", &[&RedshiftKind]).expect_err("this configuration is wrong").to_string()
}

fn redshift(config: &Config) -> &Redshift {
    Redshift::of(&config.feeds[0]).unwrap()
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

#[test]
fn what_is_not_written_has_its_default() {
    let config = parse(LEAST);
    let prefixes = [&config.bucket.incoming, &config.bucket.processed, &config.bucket.failed, &config.bucket.state];
    assert_eq!(prefixes.map(Prefix::as_str), ["incoming/", "processed/", "failed/", "sluice/"]);
    let feed = &config.feeds[0];
    assert_eq!((feed.trigger, feed.order, feed.fan_out), (Trigger::Schedule, Order::Oldest, true));
    assert_eq!((feed.max_files, feed.files_per_load, feed.max_bytes_per_load), (1000, 250, 4 << 30));
    assert!(feed.include.is_empty() && feed.exclude.is_empty());
    assert_eq!((feed.wait, config.lister.passes_per_minute), (Duration::from_secs(5), 1));
    let redshift = redshift(&config);
    assert_eq!((&redshift.identity, &redshift.iam_role), (&Identity::Iam, &IamRole::Default));
    assert_eq!((redshift.table.to_string(), redshift.columns.len()), ("public.flights".into(), 0));
    assert_eq!(redshift.ledger.to_string(), "public.sluice_ledger_flights");
    assert_eq!(redshift.statement_timeout, Duration::from_hours(4));
    assert!(redshift.pre_sql.is_empty() && redshift.post_sql.is_empty());
    assert_eq!(redshift.options.options(), [CopyOption::Flag("FORMAT AS CSV")]);
}

#[test_case("_SUCCESS", &[], false; "the marker of a job")]
#[test_case("2026_$folder$", &[], false; "the marker of a folder")]
#[test_case("a/_temporary/0/part-0.csv", &[], false; "what is not committed")]
#[test_case("a/.part-0.csv.crc", &[], false; "a checksum")]
#[test_case("_delta_log/00.json", &["*.json"], false; "a star does not speak of markers")]
#[test_case("_day=1/part-0.csv", &[], true; "a partition")]
#[test_case("a_b/c.d", &[], true; "signs within a name")]
#[test_case("../a/...", &[], true; "dots alone")]
#[test_case("a/_b.csv", &["*/_*.csv"], true; "the pattern says so")]
#[test_case(".a/b.csv", &[".*"], true; "the pattern begins so")]
#[test_case("x.csv", &[".*", "*.csv"], true; "patterns for both")]
fn markers_beside_the_data_are_no_files(name: &str, include: &[&str], taken: bool) {
    let mut feed = parse(LEAST).feeds.remove(0);
    feed.include = include.iter().map(|pattern| Pattern::new(pattern).unwrap()).collect();
    assert_eq!(feed.takes(name, 1), taken);
}

#[test]
fn what_is_written_is_taken() {
    let config = parse(
        r#"
        [bucket]
        name = "acme-landing"
        incoming = "in/"
        processed = "done/ok/"
        failed = "done/bad/"
        state = ".sluice/"

        [lister]
        passes_per_minute = 12

        [[feed]]
        name = "raw-events"
        prefix = "events/v1/"
        trigger = "event"
        include = ["*.json.zst", "*.json"]
        exclude = ["tmp/*"]
        max_files = 30
        max_bytes_per_load = "100MB"
        order = "key"
        fan_out = false
        wait_seconds = 0

        [feed.redshift]
        cluster = "dw-1"
        database = "Dev"
        db_user = "loader"
        table = '"My Schema"."t"'
        columns = ["a", "B c"]
        iam_role = "arn:aws:iam::123456789012:role/copy"
        format = "json"
        statement_timeout = "1h 30m"
        pre_sql = ["DELETE FROM \"My Schema\".stage;"]
        post_sql = ["ANALYZE t", "INSERT INTO log VALUES ('COMMIT; TRUNCATE')"]
        options = { zstd = true, gzip = false, compupdate = false, json = "auto ignorecase" }

        [[feed]]
        name = "weather"
        prefix = "weather/"
        max_bytes_per_load = 1_000
        [feed.redshift]
        workgroup = "analytics"
        database = "dev"
        secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:dw-AbCdEf"
        table = "weather"
        ledger = "ops.weather_ledger"
        format = "delimited"
        options.delimiter = '\t'
        "#,
    );
    let feed = &config.feeds[0];
    assert_eq!((feed.max_files, feed.files_per_load, feed.max_bytes_per_load), (30, 30, 100_000_000));
    assert!(feed.takes("a/b.json", 1) && !feed.takes("tmp/b.json", 1) && !feed.takes("b.csv", 1));
    assert_eq!((feed.fan_out, feed.wait, config.lister.passes_per_minute), (false, Duration::ZERO, 12));
    insta::assert_debug_snapshot!(Redshift::of(feed).unwrap(), @r#"
    Redshift {
        warehouse: Cluster(
            "dw-1",
        ),
        database: "Dev",
        identity: DbUser(
            "loader",
        ),
        table: Table {
            schema: "My Schema",
            name: "t",
        },
        ledger: Table {
            schema: "My Schema",
            name: "sluice_ledger_raw_events",
        },
        columns: [
            "a",
            "B c",
        ],
        iam_role: Arn(
            "arn:aws:iam::123456789012:role/copy",
        ),
        format: Json,
        options: CopyOptions(
            [
                Text(
                    "FORMAT AS JSON",
                    "auto ignorecase",
                ),
                Flag(
                    "ZSTD",
                ),
                Word(
                    "COMPUPDATE",
                    "OFF",
                ),
            ],
        ),
        statement_timeout: 5400s,
        pre_sql: [
            "DELETE FROM \"My Schema\".stage;",
        ],
        post_sql: [
            "ANALYZE t",
            "INSERT INTO log VALUES ('COMMIT; TRUNCATE')",
        ],
    }
    "#);
    let weather = Redshift::of(&config.feeds[1]).unwrap();
    assert_eq!(config.feeds[1].max_bytes_per_load, 1000);
    assert_eq!(weather.ledger, Table { schema: "ops".into(), name: "weather_ledger".into() });
    assert_eq!(weather.options.options(), [CopyOption::Text("DELIMITER", "\t".into())]);
}

#[test]
fn two_feeds_may_load_one_table() {
    let second = LEAST.replace("[bucket]\nname = \"acme-landing\"", "").replace("\"flights", "\"late-flights");
    let second = second.replace("table = \"late-flights\"", "table = \"flights\"");
    let config = parse(&format!("{LEAST}{second}"));
    let ledgers = config.feeds.iter().map(|feed| Redshift::of(feed).unwrap().ledger.to_string());
    assert_eq!(ledgers.collect::<Vec<_>>(), ["public.sluice_ledger_flights", "public.sluice_ledger_late_flights"]);
}

#[test]
fn text_that_is_not_toml() {
    assert_snapshot!(error("[bucket]\nname = acme\n"), @"sluice.toml:2:8: this is not TOML: string values must be quoted, expected literal string");
    assert_snapshot!(error("[bucket]\nname = \"a\"\nname = \"b\"\n"), @"sluice.toml:3:1: this is not TOML: duplicate key");
}

#[test]
fn an_empty_text() {
    assert_snapshot!(error(""), @r#"
    sluice.toml:1:1: bucket: missing; write [bucket] and under it name = "…", the bucket that the files arrive in
    sluice.toml:1:1: feed: there is no feed; write [[feed]] with name, prefix and [feed.redshift] for each table to load
    "#);
}

#[test]
fn everything_missing() {
    assert_snapshot!(error("[bucket]\n[[feed]]\n[feed.redshift]\n"), @r#"
    sluice.toml:1:2: bucket.name: missing; write name = "…", the bucket that the files arrive in
    sluice.toml:2:1: feed[#1].name: missing; write name = "…", as it shall stand in claims and metrics
    sluice.toml:2:1: feed[#1].prefix: missing; write prefix = "…/", the feed's prefix under incoming/
    sluice.toml:3:7: feed[#1].redshift.table: missing; write table = "schema.table"
    sluice.toml:3:7: feed[#1].redshift.format: missing; write one of: csv, json, avro, parquet, orc, fixedwidth, delimited
    sluice.toml:3:7: feed[#1].redshift.workgroup: no warehouse is named; write workgroup = "…" (Serverless) or cluster = "…" (provisioned)
    sluice.toml:3:7: feed[#1].redshift.database: missing; write database = "…", the database in the warehouse
    "#);
}

#[test]
fn unknown_fields_at_every_level() {
    let text = EXAMPLE
        .replace("[bucket]", "region = \"us-east-1\"\n[bucket]\nincomming = \"in/\"")
        .replace("max_files = 1000", "max_filse = 1000")
        .replace("database = \"dev\"", "databse = \"dev\"")
        .replace("ignoreheader", "ignore_header")
        .replace("gzip", "gzipped_by_producers");
    assert_snapshot!(error(&text), @r#"
    sluice.toml:2:1: region: unknown field; known here: bucket, lister, feed
    sluice.toml:4:1: bucket.incomming: unknown field; did you mean incoming?
    sluice.toml:13:1: feed[flights].max_filse: unknown field; did you mean max_files?
    sluice.toml:19:7: feed[flights].redshift.database: missing; write database = "…", the database in the warehouse
    sluice.toml:21:1: feed[flights].redshift.databse: unknown field; did you mean database?
    sluice.toml:28:1: feed[flights].redshift.options.ignore_header: COPY has no such option; did you mean ignoreheader?
    sluice.toml:29:1: feed[flights].redshift.options.gzipped_by_producers: COPY has no such option; known here: delimiter, quote, gzip, bzip2, lzop, zstd, region, acceptanydate, acceptinvchars, blanksasnull, dateformat, emptyasnull, encoding, explicit_ids, fillrecord, ignoreblanklines, ignoreheader, null_as, roundec, timeformat, trimblanks, truncatecolumns, comprows, compupdate, statupdate
    "#);
}

#[test]
fn fields_below_the_wrong_header() {
    let text = format!("{LEAST}order = \"key\"\ngzip = true\n[feed.redshift.options]\npre_sql = []\n");
    assert_snapshot!(error(&text), @"
    sluice.toml:12:1: feed[flights].redshift.order: unknown field; write it under [[feed]], above [feed.redshift]
    sluice.toml:13:1: feed[flights].redshift.gzip: unknown field; write it under [feed.redshift.options]
    sluice.toml:15:1: feed[flights].redshift.options.pre_sql: COPY has no such option; write it under [feed.redshift], above [feed.redshift.options]
    ");
    assert_snapshot!(error(&LEAST.replace("prefix =", "database = \"dev\"\nprefix =")), @"sluice.toml:6:1: feed[flights].database: unknown field; write it under [feed.redshift]");
}

#[test]
fn wrong_types() {
    let text = EXAMPLE
        .replace("\"acme-landing\"", "7")
        .replace("[\"*.csv.gz\"]", "[\"*.csv.gz\", 3]")
        .replace("max_files = 1000", "max_files = \"many\"")
        .replace("fan_out = true", "fan_out = \"yes\"")
        .replace("ignoreheader = 1", "ignoreheader = true")
        .replace("gzip = true", "gzip = 1.5");
    assert_snapshot!(error(&text), @"
    sluice.toml:3:1: bucket.name: a number out of place; write a text in quotes
    sluice.toml:10:24: feed[flights].include[1]: a number out of place; write a text in quotes
    sluice.toml:11:1: feed[flights].max_files: a text out of place; write a whole number
    sluice.toml:15:1: feed[flights].fan_out: a text out of place; write true or false
    sluice.toml:26:1: feed[flights].redshift.options.ignoreheader: true or false out of place; write a whole number from 0 to 2147483647
    sluice.toml:27:1: feed[flights].redshift.options.gzip: a number with a fraction; write true or false
    ");
    assert_snapshot!(error("bucket = 3\nfeed = [1]\n"), @"
    sluice.toml:1:1: bucket: a number out of place; write a table: [bucket]
    sluice.toml:2:9: feed[#1]: a number out of place; write a table for each, under [[feed]]
    ");
    assert_snapshot!(error("[bucket]\nname = \"acme\"\n[feed]\nname = \"flights\"\n"), @"sluice.toml:3:2: feed: a table out of place; write a table for each, under [[feed]]");
}

#[test]
fn values_out_of_range() {
    let text = EXAMPLE
        .replace("max_files = 1000", "max_files = 100")
        .replace("\"4GiB\"", "\"4 gigs\"")
        .replace("\"oldest\"", "\"newest\"")
        .replace("\"schedule\"", "\"events\"")
        .replace("\"*.csv.gz\"", "\"**.csv.gz\", \"a[\"")
        .replace(
            "iam_role = \"default\"",
            "iam_role = \"copy\"\nstatement_timeout = \"2 days\"\ncolumns = [\"a\", \"\", \"a\"]",
        )
        .replace("format = \"csv\"", "format = \"cvs\"");
    assert_snapshot!(error(&text), @r#"
    sluice.toml:9:1: feed[flights].trigger: "events" is not known here; did you mean event?
    sluice.toml:10:12: feed[flights].include[0]: "**" must be a whole part between slashes; write one "*": it matches "/" too
    sluice.toml:10:25: feed[flights].include[1]: "[" at character 2 has no set of characters and "]" after it; write "[[]" where a bracket is meant
    sluice.toml:12:1: feed[flights].files_per_load: 250 is more than max_files, which is 100; write 100 or less, or a larger max_files
    sluice.toml:13:1: feed[flights].max_bytes_per_load: this is not a size; write bytes with a unit, such as "4GiB" or "512MB"
    sluice.toml:14:1: feed[flights].order: "newest" is not known here; known here: oldest, key
    sluice.toml:23:1: feed[flights].redshift.iam_role: "copy" is not a role; write "default", or arn:aws:iam::<account>:role/<name>, up to 10 with commas and no spaces
    sluice.toml:24:1: feed[flights].redshift.statement_timeout: "2 days" is not a time from 1 second to 24 hours; write a number and a unit, such as "4h" or "90m"
    sluice.toml:25:17: feed[flights].redshift.columns[1]: "" is not a column's name; write 1 to 127 bytes, as the catalogue has them, without double quotes
    sluice.toml:25:21: feed[flights].redshift.columns[2]: the column "a" is named twice; name each column once, in the order of the files
    sluice.toml:26:1: feed[flights].redshift.format: "cvs" is not known here; did you mean csv?
    "#);
    assert_snapshot!(error(&EXAMPLE.replace("= 250", "= 1001")), @"sluice.toml:12:1: feed[flights].files_per_load: 1001 is out of range; write 1 to 1000");
    assert_snapshot!(error(&EXAMPLE.replace("= 250", "= 250\nwait_seconds = 601")), @"sluice.toml:13:1: feed[flights].wait_seconds: 601 is out of range; write 0 to 600");
    assert_snapshot!(error(&format!("{EXAMPLE}\n[lister]\npasses_per_minute = 13\npasses = 2")), @r"
    sluice.toml:31:1: lister.passes_per_minute: 13 is out of range; write 1 to 12
    sluice.toml:32:1: lister.passes: unknown field; known here: passes_per_minute
    ");
    assert_snapshot!(error(&EXAMPLE.replace("= 250", "= 0")), @"sluice.toml:12:1: feed[flights].files_per_load: 0 is out of range; write 1 to 1000");
    assert_snapshot!(error(&EXAMPLE.replace("= 1000 ", "= 99999999999999999999 ")), @"sluice.toml:11:1: feed[flights].max_files: a number out of place; write a whole number");
}

#[test]
fn names_that_cannot_be() {
    let text = EXAMPLE
        .replace("acme-landing", "s3://acme-landing/")
        .replace("name = \"flights\"", "name = \"Flights\"")
        .replace("prefix = \"flights/\"", "prefix = \"/flights\"")
        .replace("public.flights", "dev.public.flights")
        .replace("\"analytics\"", "\"analytics.123456789012.us-east-1.redshift-serverless.amazonaws.com\"");
    assert_snapshot!(error(&text), @r#"
    sluice.toml:3:1: bucket.name: "s3://acme-landing/" is not a bucket's name; write the bucket's name alone, without "s3://", ARN or path
    sluice.toml:7:1: feed[Flights].name: "Flights" is not a feed's name; use 1 to 63 lower-case letters, digits, "_" and "-", beginning with a letter
    sluice.toml:8:1: feed[Flights].prefix: "/flights" is not a prefix; a prefix does not begin with "/": write "flights/"
    sluice.toml:18:1: feed[Flights].redshift.workgroup: "analytics.123456789012.us-east-1.redshift-serverless.amazonaws.com" is not the name of a workgroup or cluster; write its name (no ARN, no host name): lower-case letters, digits and "-"
    sluice.toml:21:1: feed[Flights].redshift.table: "dev.public.flights" is not a table's name: there are more parts than schema and table; write "schema.table", with double quotes around parts that need them: '"My Schema"."t"'
    "#);
}

#[test]
fn prefixes_that_overlap() {
    let second = LEAST.replace("[bucket]\nname = \"acme-landing\"", "").replace("\"flights\"", "\"late\"");
    let text = format!("{LEAST}{}", second.replace("flights/", "flights/late/"));
    let text = text.replace("[bucket]", "[bucket]\nprocessed = \"incoming/processed/\"\nstate = \"failed/\"");
    assert_snapshot!(error(&text), @r#"
    sluice.toml:3:1: bucket.processed: "incoming/processed/" overlaps "incoming/" of bucket.incoming; give each of incoming, processed, failed and state a place of its own
    sluice.toml:4:1: bucket.state: "failed/" overlaps "failed/" of bucket.failed; give each of incoming, processed, failed and state a place of its own
    sluice.toml:18:1: feed[late].prefix: "flights/late/" overlaps "flights/" of feed[flights].prefix; give each feed a prefix of its own, so that a file has one feed
    "#);
}

#[test]
fn feeds_that_share_a_name_or_a_ledger() {
    let second = |name: &str| LEAST.replace("[bucket]\nname = \"acme-landing\"", "").replace("\"flights", name);
    let first = LEAST.replace("\"flights", "\"fl-ights").replace("table = \"fl-ights\"", "table = \"flights\"");
    assert_snapshot!(error(&format!("{LEAST}{}", second("\"flights").replace("flights/", "other/"))), @"sluice.toml:15:1: feed[flights].name: the feed of line 5 has this name; give each feed a name of its own");
    let collides = second("\"fl_ights").replace("table = \"fl_ights\"", "table = \"more\"");
    assert_snapshot!(error(&format!("{first}{collides}")), @r#"sluice.toml:17:7: feed[fl_ights].redshift.ledger: the ledger public.sluice_ledger_fl_ights is that of feed[fl-ights].redshift.ledger too; write ledger = "schema.table" with a name of its own"#);
    let eats = second("\"late").replace("table = \"late\"", "table = \"sluice_ledger_flights\"");
    assert_snapshot!(error(&format!("{LEAST}{eats}")), @r#"sluice.toml:7:7: feed[flights].redshift.ledger: the ledger public.sluice_ledger_flights is the table that feed[late].redshift.table loads; write ledger = "schema.table" with a name of its own"#);
}

#[test]
fn one_warehouse_and_one_identity() {
    assert_snapshot!(error(&LEAST.replace("workgroup = \"analytics\"\n", "")), @r#"sluice.toml:7:7: feed[flights].redshift.workgroup: no warehouse is named; write workgroup = "…" (Serverless) or cluster = "…" (provisioned)"#);
    let both = "workgroup = \"analytics\"\ncluster = \"dw\"\nsecret_arn = \"dw-secret\"\ndb_user = \"loader\"\n";
    assert_snapshot!(error(&LEAST.replace("workgroup = \"analytics\"\n", both)), @r#"
    sluice.toml:9:1: feed[flights].redshift.cluster: a second warehouse beside workgroup; keep workgroup (Serverless) or cluster (provisioned)
    sluice.toml:10:1: feed[flights].redshift.secret_arn: "dw-secret" is not a secret's ARN; write arn:aws:secretsmanager:<region>:<account>:secret:<name>
    sluice.toml:11:1: feed[flights].redshift.db_user: a second identity beside secret_arn; keep one of secret_arn and db_user
    "#);
    let user = "workgroup = \"analytics\"\ndb_user = \"loader\"\n";
    assert_snapshot!(error(&LEAST.replace("workgroup = \"analytics\"\n", user)), @"sluice.toml:9:1: feed[flights].redshift.db_user: only a cluster has db_user; remove it: with a workgroup the function's IAM identity or secret_arn is the user");
}

#[test]
fn one_destination() {
    let (no_destination, _) = LEAST.split_once("[feed.redshift]").unwrap();
    assert_snapshot!(error(no_destination), @"sluice.toml:4:1: feed[flights].redshift: the feed has no destination; write [feed.redshift] below the feed's other fields");
    assert_snapshot!(error(&format!("{no_destination}[feed.postgres]\nurl = \"postgres://\"\n")), @"sluice.toml:7:7: feed[flights].postgres: this version of Sluice does not have this destination; write [feed.redshift]");
    assert_snapshot!(error(&format!("{LEAST}[feed.archive]\n")), @"
    sluice.toml:7:7: feed[flights].redshift: a second destination beside archive; keep one; a second [[feed]] needs a prefix of its own
    sluice.toml:12:7: feed[flights].archive: this version of Sluice does not have this destination; write [feed.redshift]
    ");
}

/// The least configuration with another format and these options.
fn options(format: &str, options: &str) -> String {
    format!("{}[feed.redshift.options]\n{options}\n", LEAST.replace("\"csv\"", &format!("\"{format}\"")))
}

#[test]
fn options_that_the_format_does_not_take() {
    let text = options("csv", "escape = true\nremovequotes = true\nfixedwidth = \"a:1\"\njson = \"auto\"");
    assert_snapshot!(error(&text), @"
    sluice.toml:13:1: feed[flights].redshift.options.escape: the format csv does not take this option; remove it; it is for delimited
    sluice.toml:14:1: feed[flights].redshift.options.removequotes: the format csv does not take this option; remove it; it is for delimited
    sluice.toml:15:1: feed[flights].redshift.options.fixedwidth: the format csv does not take this option; remove it; it is for fixedwidth
    sluice.toml:16:1: feed[flights].redshift.options.json: the format csv does not take this option; remove it; it is for json
    ");
    assert_snapshot!(error(&options("parquet", "gzip = true\nregion = \"us-east-1\"\nmaxerror = 3")), @"
    sluice.toml:13:1: feed[flights].redshift.options.gzip: the format parquet does not take this option; remove it; it is for csv, json, avro, fixedwidth, delimited
    sluice.toml:14:1: feed[flights].redshift.options.region: the format parquet does not take this option; remove it; it is for csv, json, avro, fixedwidth, delimited
    sluice.toml:15:1: feed[flights].redshift.options.maxerror: rows that COPY passes over would be lost without a trace; remove it: Sluice moves a bad file to failed/ with the reason and loads the others
    ");
    assert_snapshot!(error(&options("fixedwidth", "delimiter = \"|\"")), @r#"
    sluice.toml:7:7: feed[flights].redshift.options.fixedwidth: missing; write fixedwidth = "id:5,name:20", a label and a width for each column
    sluice.toml:13:1: feed[flights].redshift.options.delimiter: the format fixedwidth does not take this option; remove it; it is for csv, delimited
    "#);
}

#[test]
fn options_that_sluice_does_not_take() {
    let text = "maxerror = 3\nignoreallerrors = true\nnoload = true\nmanifest = true\niam_role = \"default\"\n\
                credentials = \"\"\nformat = \"csv\"\ncsv = true\nreadratio = 50\nnull = \"NA\"";
    assert_snapshot!(error(&options("csv", text)), @r#"
    sluice.toml:13:1: feed[flights].redshift.options.maxerror: rows that COPY passes over would be lost without a trace; remove it: Sluice moves a bad file to failed/ with the reason and loads the others
    sluice.toml:14:1: feed[flights].redshift.options.ignoreallerrors: rows that COPY passes over would be lost without a trace; remove it: Sluice moves a bad file to failed/ with the reason and loads the others
    sluice.toml:15:1: feed[flights].redshift.options.noload: Sluice sets this itself; remove it: with it nothing would ever be loaded
    sluice.toml:16:1: feed[flights].redshift.options.manifest: Sluice sets this itself; remove it
    sluice.toml:17:1: feed[flights].redshift.options.iam_role: Sluice sets this itself; write iam_role under [feed.redshift]
    sluice.toml:18:1: feed[flights].redshift.options.credentials: Sluice sets this itself; write iam_role under [feed.redshift]
    sluice.toml:19:1: feed[flights].redshift.options.format: Sluice sets this itself; write format under [feed.redshift]
    sluice.toml:20:1: feed[flights].redshift.options.csv: the format is not an option; write format = "csv" under [feed.redshift]
    sluice.toml:21:1: feed[flights].redshift.options.readratio: this is not for files in S3; remove it
    sluice.toml:22:1: feed[flights].redshift.options.null: the option is called null_as here; write null_as
    "#);
}

#[test]
fn options_with_wrong_values() {
    let text = "gzip = true\nzstd = true\nquote = \"''\"\ndelimiter = \"\"\nencoding = \"latin1\"\nignoreheader = -1\n\
                comprows = 5\ncompupdate = \"maybe\"\nacceptinvchars = \"ü\"\nnull_as = \"\\n\"\nregion = \"Frankfurt\"";
    assert_snapshot!(error(&options("csv", text)), @r#"
    sluice.toml:14:1: feed[flights].redshift.options.zstd: a second compression beside gzip; keep one; files of several compressions need a feed for each
    sluice.toml:15:1: feed[flights].redshift.options.quote: "''" is not a value of this option; write one ASCII character, such as "'"
    sluice.toml:16:1: feed[flights].redshift.options.delimiter: "" is not a value of this option; write one character or a few, such as "|", "\t" or "|~|"
    sluice.toml:17:1: feed[flights].redshift.options.encoding: "latin1" is not a value of this option; write "utf8", "utf16", "utf16le", "utf16be" or "iso88591"
    sluice.toml:18:1: feed[flights].redshift.options.ignoreheader: -1 is not a value of this option; write a whole number from 0 to 2147483647
    sluice.toml:19:1: feed[flights].redshift.options.comprows: 5 is not a value of this option; write a whole number from 1000 to 1000000000
    sluice.toml:20:1: feed[flights].redshift.options.compupdate: "maybe" is not a value of this option; write "preset", "on" or "off"
    sluice.toml:21:1: feed[flights].redshift.options.acceptinvchars: "ü" is not a value of this option; write true, or the one ASCII character to put instead
    sluice.toml:22:1: feed[flights].redshift.options.null_as: "\n" is not a value of this option; write the text that means NULL, such as "NA"; not a line's end
    sluice.toml:23:1: feed[flights].redshift.options.region: "Frankfurt" is not a value of this option; write a Region such as "eu-central-1"
    "#);
    assert_snapshot!(error(&options("json", "json = \"automatic\"")), @r#"sluice.toml:13:1: feed[flights].redshift.options.json: "automatic" is not a value of this option; write "auto", "auto ignorecase", "noshred", or "s3://bucket/key" of a jsonpaths file"#);
}

#[test]
fn sql_that_would_end_the_transaction() {
    let text = r#"pre_sql = [
  "TRUNCATE TABLE stage",
  "vacuum",
  "/* a /* nested */ comment */ alter table t append from stage",
  "-- first\ncommit",
  "DELETE FROM stage; COMMIT",
  " ; ",
  "INSERT INTO log VALUES ('it''s',",
  "SELECT 'open",
]
post_sql = ["BEGIN", "end", "ROLLBACK"]
"#;
    assert_snapshot!(error(&format!("{LEAST}{text}")), @"
    sluice.toml:13:3: feed[flights].redshift.pre_sql[0]: TRUNCATE ends the transaction that loads the files, so they could be loaded twice; write DELETE FROM instead
    sluice.toml:14:3: feed[flights].redshift.pre_sql[1]: VACUUM ends the transaction that loads the files, so they could be loaded twice; run it elsewhere, outside of loads
    sluice.toml:15:3: feed[flights].redshift.pre_sql[2]: ALTER TABLE APPEND ends the transaction that loads the files, so they could be loaded twice; write INSERT INTO … SELECT instead
    sluice.toml:16:3: feed[flights].redshift.pre_sql[3]: COMMIT ends the transaction that loads the files, so they could be loaded twice; remove it: Sluice begins and ends the transaction itself
    sluice.toml:17:3: feed[flights].redshift.pre_sql[4]: there are several statements in one text; write each as a text of its own
    sluice.toml:18:3: feed[flights].redshift.pre_sql[5]: there is no statement; remove it
    sluice.toml:20:3: feed[flights].redshift.pre_sql[7]: a quote is left open; close it
    sluice.toml:22:1: feed[flights].redshift.post_sql: pre_sql and post_sql have 11 statements; write 10 at most, or put them into a procedure and CALL it
    sluice.toml:22:13: feed[flights].redshift.post_sql[0]: BEGIN ends the transaction that loads the files, so they could be loaded twice; remove it: Sluice begins and ends the transaction itself
    sluice.toml:22:22: feed[flights].redshift.post_sql[1]: END ends the transaction that loads the files, so they could be loaded twice; remove it: Sluice begins and ends the transaction itself
    sluice.toml:22:29: feed[flights].redshift.post_sql[2]: ROLLBACK ends the transaction that loads the files, so they could be loaded twice; remove it: Sluice begins and ends the transaction itself
    ");
}

#[test_case("SELECT 'TRUNCATE; COMMIT'"; "literal")]
#[test_case(r"SELECT 'a\'; COMMIT; --'"; "escaped quote")]
#[test_case("DELETE FROM \"a; COMMIT\";"; "quoted name and a last semicolon")]
#[test_case("DELETE FROM stage -- ; COMMIT"; "comment")]
#[test_case("CREATE PROCEDURE p() AS $$ BEGIN DELETE FROM t; END; $$ LANGUAGE plpgsql"; "dollar quotes")]
#[test_case("ALTER TABLE t ADD COLUMN note text"; "alter without append")]
#[test_case("ALTER TABLE t ADD COLUMN append text"; "alter with a column of that name")]
#[test_case("CALL refresh($1)"; "a lone dollar")]
fn sql_that_is_fine(sql: &str) {
    let text = format!("{LEAST}post_sql = ['''{sql}''']\n");
    assert_eq!(redshift(&parse(&text)).post_sql, [sql]);
}

#[test_case("csv", "quote = \"'\"\ndelimiter = \";\"" => "FORMAT AS CSV, DELIMITER, QUOTE AS"; "csv")]
#[test_case("json", "" => "FORMAT AS JSON"; "json alone")]
#[test_case("json", "gzip = true\njson = \"s3://b/paths.json\"" => "FORMAT AS JSON, GZIP"; "json with paths")]
#[test_case("avro", "" => "FORMAT AS AVRO"; "avro")]
#[test_case("parquet", "serializetojson = true" => "FORMAT AS PARQUET, SERIALIZETOJSON"; "parquet")]
#[test_case("orc", "statupdate = \"on\"" => "FORMAT AS ORC, STATUPDATE"; "orc")]
#[test_case("fixedwidth", "fixedwidth = \"a:1\"" => "FIXEDWIDTH"; "fixed width")]
#[test_case("delimited", "" => ""; "delimited alone")]
#[test_case("delimited", "escape = true\nacceptinvchars = true" => "ACCEPTINVCHARS, ESCAPE"; "delimited")]
fn each_format_begins_its_clauses(format: &str, given: &str) -> String {
    let config = parse(&options(format, given));
    let keywords: Vec<_> = redshift(&config).options.options().iter().map(CopyOption::keyword).collect();
    keywords.join(", ")
}

#[test]
fn every_field_is_documented() {
    let documentation = include_str!("../../../../docs/CONFIGURATION.md");
    let options = copy_options::names();
    let fields = [
        fields::BUCKET_FIELDS,
        fields::LISTER_FIELDS,
        fields::FEED_FIELDS,
        // Destinations that have a name, and no code yet.
        &["redshift", "postgres", "archive"],
        FIELDS,
        &options,
    ];
    for field in fields.concat() {
        assert!(documentation.contains(&format!("`{field}`")), "docs/CONFIGURATION.md does not explain `{field}`");
    }
    assert!(documentation.contains(EXAMPLE.trim()), "docs/CONFIGURATION.md shows another example than the one tested");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Config::parse(&text, "any", &[&RedshiftKind]).map_err(|error| error.to_string());
    }

    /// Valid TOML with odd values in every place.
    #[test]
    fn no_value_panics(
        field in proptest::sample::select(feed_and_redshift_fields()),
        value in prop_oneof![
            "[a-z0-9.\"'$;*\\[/-]{0,12}".prop_map(|text| toml::Value::String(text).to_string()),
            ".{0,12}".prop_map(|text| toml::Value::String(text).to_string()),
            any::<i64>().prop_map(|number| number.to_string()),
            Just("[[], {}, 1.5, 2020-01-01]".to_owned()),
            Just("{ a = { b = [] } }".to_owned()),
        ],
    ) {
        let least = LEAST.lines().filter(|line| !line.starts_with(&format!("{field} =")));
        let line = format!("{field} = {value}");
        let place = if FIELDS.contains(&field) { "[feed.redshift]" } else { "[[feed]]" };
        let lines = least.flat_map(|text| if text == place { vec![text, &line] } else { vec![text] });
        let text = lines.collect::<Vec<_>>().join("\n");
        let _ = Config::parse(&text, "any", &[&RedshiftKind]).map_err(|error| error.to_string());
    }

    #[test]
    fn any_part_of_the_example_is_read_or_refused(cut in 0..EXAMPLE.len(), length in 0..40_usize) {
        let text: String = EXAMPLE.chars().enumerate().filter(|(at, _)| !(cut..cut + length).contains(at)).map(|(_, c)| c).collect();
        let _ = Config::parse(&text, "any", &[&RedshiftKind]).map_err(|error| error.to_string());
    }
}

fn feed_and_redshift_fields() -> Vec<&'static str> {
    [fields::FEED_FIELDS, FIELDS].concat()
}

#[test]
fn every_documented_option_names_its_formats() {
    let documentation = include_str!("../../../../docs/CONFIGURATION.md");
    let formats = |words: &str| {
        let words = words.replace("row formats", "csv, json, avro, fixedwidth, delimited");
        let words = words.replace("line formats", "csv, fixedwidth, delimited").replace(", required", "");
        let words = words.replace("all", "csv, json, avro, parquet, orc, fixedwidth, delimited");
        let mut words: Vec<_> = words.split(", ").map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    for option in copy_options::names() {
        let row = documentation.lines().find(|line| line.starts_with(&format!("| `{option}` |"))).unwrap();
        let documented = row.replace("\\|", "").split('|').nth(3).unwrap().trim().to_owned();
        assert_eq!(formats(&documented), formats(&copy_options::formats_with(option)), "{option}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(100_000), format!("a = {}", "[".repeat(100_000)), format!("a = {}", "{a=".repeat(50_000))] {
        assert!(Config::parse(&text, "any", &[&RedshiftKind]).is_err());
    }
    for text in [format!("{}b = 1", "a.".repeat(5_000)), format!("[{}b]", "a.".repeat(5_000))] {
        assert!(Config::parse(&text, "any", &[&RedshiftKind]).is_err());
    }
}
