//! Reads one `[feed.redshift]`.
//!
//! Never talks to a warehouse: only the warehouse knows whether the table exists.

use std::time::Duration;

use sluice_core::config::fields::FEED_FIELDS;
use sluice_core::config::problem::{Report, shown};
use sluice_core::config::section::{Entry, Section, read_word};
use sluice_core::config::target::{Draft, TableName};
use sluice_core::config::{FeedName, FileFormat, Reading, Target, amount};

use super::copy_options::CopyOptions;
use super::{FIELDS, IamRole, Identity, KIND, Redshift, Table, Warehouse, copy_options, names, statement, table};

/// The longest name of a ledger, in bytes: its fence is called after it.
const MAX_LEDGER_BYTES: usize = table::MAX_NAME_BYTES - "_fence".len();
const OPTIONS: &str = "under [feed.redshift.options]";
const DEFAULT_TIMEOUT: Duration = Duration::from_hours(4);
/// The Data API ends every statement after this long.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);

/// Reads the section of the feed called `name`, and reports everything that is wrong in it.
pub(super) fn read(section: &Section<'_>, name: Option<&FeedName>, report: &mut Report<'_>) -> Draft {
    let options = copy_options::names();
    let elsewhere = [(FEED_FIELDS, "under [[feed]], above [feed.redshift]"), (&options, OPTIONS)];
    section.only(FIELDS, &elsewhere, report);
    let table = section.needed("table", "\"schema.table\"", report).and_then(|table| read_table(&table, report));
    let ledger = read_ledger(section, table.as_ref(), name, report);
    let format = read_format(section, report);
    let options = section.section("options", report);
    let options = format.map(|format| CopyOptions::read(format, options.as_ref(), &section.spot, report));
    let (pre_sql, post_sql) = statement::read_extra(section, report);
    let (warehouse, database) = (read_warehouse(section, report), read_database(section, report));
    let (identity, columns) = (read_identity(section, report), read_columns(section, report));
    let iam_role = read_iam_role(section, report).unwrap_or(IamRole::Default);
    let statement_timeout = read_timeout(section, report).unwrap_or(DEFAULT_TIMEOUT);
    let shared = format!("{warehouse:?} {database:?}");
    let (table_name, ledger_name) = (table.as_ref().map(compared_name), ledger.as_ref().map(compared_name));
    let settings = || {
        Some(Redshift {
            warehouse: warehouse?,
            database: database?,
            identity,
            table: table?.value,
            ledger: ledger?.value,
            columns,
            iam_role,
            format: format?,
            options: options?,
            statement_timeout,
            pre_sql,
            post_sql,
        })
    };
    Draft { database: shared, table: table_name, ledger: ledger_name, target: settings().map(target) }
}

/// A table's name, to compare feeds by it. The warehouse folds case by default.
fn compared_name(table: &Entry<Table>) -> Entry<TableName> {
    let Table { schema, name } = &table.value;
    let folded = format!("{schema}\0{name}").to_ascii_lowercase();
    table.with(TableName { shown: table.value.to_string(), folded })
}

/// What the protocol must know of the section.
fn target(redshift: Redshift) -> Target {
    let options = &redshift.options;
    let files = Reading {
        format: redshift.format,
        compression: options.compression(),
        utf8: options.is_utf8(),
        header_lines: options.header_lines(),
        quote: options.quote(),
        objects: options.wants_objects(),
    };
    let place = format!("{}/{}/{}", redshift.warehouse, redshift.database, redshift.table);
    // The number of statements before COPY: the reader of a transaction's end counts them.
    let before = redshift.pre_sql.len();
    let shape = if before == 0 { String::new() } else { format!("/{before}") };
    let (table, ledger) = (redshift.table.to_string(), redshift.ledger.to_string());
    let mut target = Target::new(KIND, files, redshift);
    (target.place, target.shape, target.table, target.ledger) = (place, shape, table, ledger);
    target
}

fn read_table(text: &Entry<&str>, report: &mut Report<'_>) -> Option<Entry<Table>> {
    let remedy = "write \"schema.table\", with double quotes around parts that need them: '\"My Schema\".\"t\"'";
    match table::parse(text.value) {
        Ok(table) => Some(text.with(table)),
        Err(error) => {
            refuse(text, &format!("a table's name: {error}"), remedy, report);
            None
        }
    }
}

/// Reports a text that its field does not take.
fn refuse(text: &Entry<&str>, expected: &str, remedy: &str, report: &mut Report<'_>) {
    report.add(&text.spot, format!("{} is not {expected}", shown(text.value)), remedy);
}

/// The ledger. Default: `sluice_ledger_<feed>`, beside the table that the feed loads.
fn read_ledger(
    section: &Section<'_>,
    table: Option<&Entry<Table>>,
    feed: Option<&FeedName>,
    report: &mut Report<'_>,
) -> Option<Entry<Table>> {
    let ledger = if let Some(ledger) = section.text("ledger", report) {
        read_table(&ledger, report)?
    } else {
        let name = format!("sluice_ledger_{}", feed?.as_str().replace('-', "_"));
        Entry { spot: section.spot_at("ledger"), value: Table { schema: table?.value.schema.clone(), name } }
    };
    let bytes = ledger.value.name.len();
    if bytes > MAX_LEDGER_BYTES {
        let what = format!("the name has {bytes} bytes, and the ledger's fence is called after it");
        report.add(&ledger.spot, what, format!("write ledger = \"…\" with a name of {MAX_LEDGER_BYTES} bytes at most"));
    }
    Some(ledger)
}

fn read_format(section: &Section<'_>, report: &mut Report<'_>) -> Option<FileFormat> {
    let formats = FileFormat::ALL.map(|format| (format.as_str(), format));
    if !section.has("format") {
        let known = formats.map(|(name, _)| name).join(", ");
        report.add(&section.spot_at("format"), "missing", format!("write one of: {known}"));
    }
    read_word(section, "format", &formats, report)
}

fn read_warehouse(section: &Section<'_>, report: &mut Report<'_>) -> Option<Warehouse> {
    let workgroup = section.text("workgroup", report);
    let cluster = section.text("cluster", report);
    for name in [&workgroup, &cluster].into_iter().flatten() {
        if !names::is_warehouse_name(name.value) {
            let remedy = "write its name (no ARN, no host name): lower-case letters, digits and \"-\"";
            refuse(name, "the name of a workgroup or cluster", remedy, report);
        }
    }
    match (section.has("workgroup"), section.has("cluster")) {
        (true, true) => {
            let what = "a second warehouse beside workgroup";
            report.add(&section.spot_at("cluster"), what, "keep workgroup (Serverless) or cluster (provisioned)");
        }
        (false, false) => {
            let remedy = "write workgroup = \"…\" (Serverless) or cluster = \"…\" (provisioned)";
            report.add(&section.spot_at("workgroup"), "no warehouse is named", remedy);
        }
        _ => {}
    }
    let workgroup = workgroup.map(|name| Warehouse::Workgroup(name.value.to_owned()));
    workgroup.or_else(|| cluster.map(|name| Warehouse::Cluster(name.value.to_owned())))
}

fn read_database(section: &Section<'_>, report: &mut Report<'_>) -> Option<String> {
    let database = section.needed("database", "\"…\", the database in the warehouse", report)?;
    if !table::is_name(database.value) {
        refuse(&database, "a database's name", "write 1 to 127 bytes", report);
    }
    Some(database.value.to_owned())
}

fn read_identity(section: &Section<'_>, report: &mut Report<'_>) -> Identity {
    let secret = section.text("secret_arn", report);
    let user = section.text("db_user", report);
    if let Some(secret) = secret.as_ref().filter(|secret| !names::is_secret_arn(secret.value)) {
        refuse(secret, "a secret's ARN", "write arn:aws:secretsmanager:<region>:<account>:secret:<name>", report);
    }
    if let Some(user) = &user {
        check_user(section, user, report);
    }
    match (secret, user) {
        (Some(secret), _) => Identity::Secret(secret.value.to_owned()),
        (None, Some(user)) => Identity::DbUser(user.value.to_owned()),
        (None, None) => Identity::Iam,
    }
}

fn check_user(section: &Section<'_>, user: &Entry<&str>, report: &mut Report<'_>) {
    if section.has("secret_arn") {
        report.add(&user.spot, "a second identity beside secret_arn", "keep one of secret_arn and db_user");
    }
    if section.has("workgroup") && !section.has("cluster") {
        let remedy = "remove it: with a workgroup the function's IAM identity or secret_arn is the user";
        report.add(&user.spot, "only a cluster has db_user", remedy);
    }
    if !table::is_name(user.value) {
        refuse(user, "a user's name", "write 1 to 127 bytes", report);
    }
}

fn read_columns(section: &Section<'_>, report: &mut Report<'_>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for column in section.texts("columns", report) {
        if !table::is_name(column.value) {
            let remedy = "write 1 to 127 bytes, as the catalogue has them, without double quotes";
            refuse(&column, "a column's name", remedy, report);
        } else if columns.iter().any(|other| other == column.value) {
            let remedy = "name each column once, in the order of the files";
            report.add(&column.spot, format!("the column {:?} is named twice", column.value), remedy);
        }
        columns.push(column.value.to_owned());
    }
    columns
}

fn read_iam_role(section: &Section<'_>, report: &mut Report<'_>) -> Option<IamRole> {
    let role = section.text("iam_role", report)?;
    match role.value {
        "default" => Some(IamRole::Default),
        arns if names::is_role_chain(arns) => Some(IamRole::Arn(arns.to_owned())),
        _ => {
            let remedy = "write \"default\", or arn:aws:iam::<account>:role/<name>, up to 10 with commas and no spaces";
            refuse(&role, "a role", remedy, report);
            None
        }
    }
}

fn read_timeout(section: &Section<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let text = section.text("statement_timeout", report)?;
    let legal = Duration::from_secs(1)..=MAX_TIMEOUT;
    let timeout = amount::duration(text.value).filter(|timeout| legal.contains(timeout));
    if timeout.is_none() {
        let remedy = "write a number and a unit, such as \"4h\" or \"90m\"";
        refuse(&text, "a time from 1 second to 24 hours", remedy, report);
    }
    timeout
}
