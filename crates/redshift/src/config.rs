//! A feed's section `[feed.redshift]`, as types that cannot be wrong.
//!
//! Never talks to a warehouse.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use sluice_core::config::problem::Report;
use sluice_core::config::section::Section;
use sluice_core::config::target::Draft;
use sluice_core::config::{DestinationKind, Feed, FeedName, FileFormat};
use sluice_core::ports::{PortError, PortErrorKind};

pub mod copy_options;
mod names;
mod read;
mod statement;
mod table;

pub use copy_options::{CopyOption, CopyOptions};

/// The name of the section.
pub(crate) const KIND: &str = "redshift";

/// How `[feed.redshift]` is read.
#[derive(Clone, Copy, Debug)]
pub struct RedshiftKind;

impl DestinationKind for RedshiftKind {
    fn name(&self) -> &'static str {
        KIND
    }

    fn fields(&self) -> &'static [&'static str] {
        FIELDS
    }

    fn read(&self, section: &Section<'_>, feed: Option<&FeedName>, report: &mut Report<'_>) -> Draft {
        read::read(section, feed, report)
    }
}

/// The section's fields.
pub(crate) const FIELDS: &[&str] = &[
    "workgroup",
    "cluster",
    "database",
    "secret_arn",
    "db_user",
    "table",
    "ledger",
    "columns",
    "iam_role",
    "format",
    "options",
    "statement_timeout",
    "pre_sql",
    "post_sql",
];

/// A table in Amazon Redshift.
#[derive(Clone, Debug)]
pub struct Redshift {
    /// Which warehouse.
    pub warehouse: Warehouse,
    /// The database in it.
    pub database: String,
    /// Who the functions are to the database.
    pub identity: Identity,
    /// The table to load.
    pub table: Table,
    /// The ledger's table. Default: `sluice_ledger_<feed>` in the table's schema.
    pub ledger: Table,
    /// The columns that the files have, in order; empty: all of the table's.
    pub columns: Vec<String>,
    /// The role that COPY reads S3 with.
    pub iam_role: IamRole,
    /// The files' format.
    pub format: FileFormat,
    /// COPY's other options, checked against the format.
    pub options: CopyOptions,
    /// How long one transaction may take before the warehouse ends it. Default 4 hours, at most 24 (the Data API's limit).
    pub statement_timeout: Duration,
    /// SQL run in the transaction before COPY. Comes from the configuration, never from a file or a key.
    pub pre_sql: Vec<String>,
    /// SQL run in the transaction after COPY.
    pub post_sql: Vec<String>,
}

impl Redshift {
    /// What the feed's section says, where its rows go to Redshift.
    #[must_use]
    pub fn of(feed: &Feed) -> Option<&Self> {
        feed.target.settings()
    }

    /// The table whose one row every load of the ledger updates: beside the ledger, and called after it.
    #[must_use]
    pub fn fence(&self) -> Table {
        Table { schema: self.ledger.schema.clone(), name: format!("{}_fence", self.ledger.name) }
    }
}

/// A feed whose rows go to Redshift.
#[derive(Clone, Copy, Debug)]
pub struct RedshiftFeed<'a> {
    /// What every feed has.
    pub feed: &'a Feed,
    /// What its section says.
    pub target: &'a Redshift,
}

impl<'a> RedshiftFeed<'a> {
    /// The feed with its section.
    ///
    /// # Errors
    /// When its rows go elsewhere.
    pub fn of(feed: &'a Feed) -> Result<Self, PortError> {
        let elsewhere = || {
            let problem = format!("its rows go to {}, not to Redshift", feed.target.kind);
            PortError::new("feed", feed.name.as_str(), PortErrorKind::Invalid, problem)
        };
        Ok(Self { feed, target: Redshift::of(feed).ok_or_else(elsewhere)? })
    }
}

impl Deref for RedshiftFeed<'_> {
    type Target = Feed;

    fn deref(&self) -> &Feed {
        self.feed
    }
}

/// Which warehouse a statement goes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Warehouse {
    /// A Redshift Serverless workgroup, by name.
    Workgroup(String),
    /// A provisioned cluster, by identifier.
    Cluster(String),
}

impl fmt::Display for Warehouse {
    /// As tokens have it: another text here is another token for a submission whose reply was lost before an update.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workgroup(name) => write!(f, "workgroup {name}"),
            Self::Cluster(name) => write!(f, "cluster {name}"),
        }
    }
}

/// Who the functions are to the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The function's own IAM identity.
    Iam,
    /// A secret in AWS Secrets Manager, by ARN.
    Secret(String),
    /// A database user of a provisioned cluster.
    DbUser(String),
}

/// A table's name, in parts as they are in the catalogue, not quoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// The schema.
    pub schema: String,
    /// The table in it.
    pub name: String,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// The role that COPY reads S3 with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IamRole {
    /// The one that is set as default in the cluster or namespace.
    Default,
    /// One or a chain of ARNs, comma-separated.
    Arn(String),
}

#[cfg(test)]
mod tests;
