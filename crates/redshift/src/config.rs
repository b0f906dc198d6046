//! A feed's section `[feed.redshift]`, as types that hold only legal values.
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

/// Reads `[feed.redshift]`.
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

/// What a feed's section says: a table in Amazon Redshift, and how to load it.
#[derive(Clone, Debug)]
pub struct Redshift {
    /// The warehouse.
    pub warehouse: Warehouse,
    /// The database in it.
    pub database: String,
    /// The database user that the functions are.
    pub identity: Identity,
    /// The table to load.
    pub table: Table,
    /// The ledger's table. Default: `sluice_ledger_<feed>` in the table's schema.
    pub ledger: Table,
    /// The columns of the files, in order. Empty: all columns of the table.
    pub columns: Vec<String>,
    /// The role that COPY reads S3 with.
    pub iam_role: IamRole,
    /// The files' format.
    pub format: FileFormat,
    /// COPY's other options, checked against the format.
    pub options: CopyOptions,
    /// How long one transaction may take before the warehouse ends it. Default 4 hours, at most 24 (the Data API's
    /// limit).
    pub statement_timeout: Duration,
    /// SQL that the transaction runs before COPY. It comes from the configuration, never from a file or a key.
    pub pre_sql: Vec<String>,
    /// SQL that the transaction runs after COPY.
    pub post_sql: Vec<String>,
}

impl Redshift {
    /// The feed's section, if its rows go to Redshift.
    #[must_use]
    pub fn of(feed: &Feed) -> Option<&Self> {
        feed.target.settings()
    }

    /// The table whose one row every load updates. It is in the ledger's schema, and named after the ledger.
    #[must_use]
    pub fn fence(&self) -> Table {
        Table { schema: self.ledger.schema.clone(), name: format!("{}_fence", self.ledger.name) }
    }
}

/// A feed whose rows go to Redshift.
#[derive(Clone, Copy, Debug)]
pub struct RedshiftFeed<'a> {
    /// The feed.
    pub feed: &'a Feed,
    /// Its section.
    pub target: &'a Redshift,
}

impl<'a> RedshiftFeed<'a> {
    /// The feed with its section.
    ///
    /// # Errors
    /// When its rows go elsewhere.
    pub fn of(feed: &'a Feed) -> Result<Self, PortError> {
        let target = Redshift::of(feed).ok_or_else(|| {
            let problem = format!("its rows go to {}, not to Redshift", feed.target.kind);
            PortError::new("feed", feed.name.as_str(), PortErrorKind::Invalid, problem)
        })?;
        Ok(Self { feed, target })
    }
}

impl Deref for RedshiftFeed<'_> {
    type Target = Feed;

    fn deref(&self) -> &Feed {
        self.feed
    }
}

/// A warehouse.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Warehouse {
    /// A Redshift Serverless workgroup, by name.
    Workgroup(String),
    /// A provisioned cluster, by identifier.
    Cluster(String),
}

impl fmt::Display for Warehouse {
    /// Tokens contain this text. If it changes with an update, a submission whose reply was lost gets another token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workgroup(name) => write!(f, "workgroup {name}"),
            Self::Cluster(name) => write!(f, "cluster {name}"),
        }
    }
}

/// The database user that the functions are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The user of the function's own IAM identity.
    Iam,
    /// The user in a secret of AWS Secrets Manager, by ARN.
    Secret(String),
    /// A database user of a provisioned cluster.
    DbUser(String),
}

/// A table's name as the catalogue has it, not quoted.
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
    /// The default role of the cluster or namespace.
    Default,
    /// One or a chain of ARNs, comma-separated.
    Arn(String),
}

#[cfg(test)]
mod tests;
