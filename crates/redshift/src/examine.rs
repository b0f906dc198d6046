//! Examines whether the warehouse can be reached, and whether the caller may do what a load does. For operators.
//!
//! Never changes a table, and copies nothing: it asks COPY for a file that does not exist.

use std::time::Duration;

use jiff::Timestamp;
use sluice_core::batch::BatchId;
use sluice_core::config::Feed;
use sluice_core::destination::{Asking, Failure, FailureKind, Load, QueryError};
use sluice_core::object::{ETag, File, Key};
use sluice_core::plan::compression;
use sluice_core::ports::{Objects, PortError, PortErrorKind};

use crate::config::{Redshift, RedshiftFeed};
use crate::quote::{literal, table};
use crate::statements::{Statements, Submission};
use crate::{RedshiftDestination, failure, sql};

/// How long a question may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Something a load needs of the warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The Data API runs a statement there.
    Reach,
    /// The table exists, and takes rows.
    Insert,
    /// The ledger exists, and may be read and written.
    Ledger,
    /// The ledger may be locked.
    Lock,
    /// The views of the files that COPY read and refused may be read.
    Views,
}

impl Need {
    /// All of them, in the order in which they make sense.
    pub const ALL: [Self; 5] = [Self::Reach, Self::Insert, Self::Ledger, Self::Lock, Self::Views];

    /// What is needed, for a person.
    #[must_use]
    pub fn name(self, target: &Redshift) -> String {
        match self {
            Self::Reach => format!("the Data API reaches database {}", target.database),
            Self::Insert => format!("rows may be put into {}", target.table),
            Self::Ledger => format!("the ledger {} and its fence may be read and written", target.ledger),
            Self::Lock => format!("the ledger {} may be locked", target.ledger),
            Self::Views => "sys_load_detail and sys_load_error_detail may be read".to_owned(),
        }
    }

    /// What to do if it is missing.
    #[must_use]
    pub fn remedy(self, target: &Redshift) -> String {
        match self {
            Self::Reach => "check the workgroup's or cluster's name, the Region, the database, and the right to \
                            redshift-data:ExecuteStatement; a paused cluster has to be resumed"
                .to_owned(),
            Self::Insert => format!("create the table, or GRANT INSERT ON {} to this user", target.table),
            Self::Ledger | Self::Lock => format!(
                "run `sluice init`, or GRANT SELECT, INSERT, UPDATE, DELETE ON {} and {} to this user (who made them has all)",
                target.ledger,
                target.fence()
            ),
            Self::Views => "these views show a user its own loads; look at the error".to_owned(),
        }
    }

    /// The questions; where a right is missing, `has_table_privilege` answers 0.
    fn statements(self, target: &Redshift) -> Vec<String> {
        let granted = |of: &str, right: &str| {
            format!("SELECT CASE WHEN has_table_privilege({}, {}) THEN 1 ELSE 0 END", literal(of), literal(right))
        };
        let (rows, ledger, fence) = (table(&target.table), table(&target.ledger), table(&target.fence()));
        match self {
            Self::Reach => vec!["SELECT 1".to_owned()],
            Self::Insert => vec![granted(&rows, "insert")],
            Self::Ledger => [&ledger, &fence]
                .into_iter()
                .flat_map(|of| ["select", "insert", "update"].map(|right| granted(of, right)))
                .collect(),
            Self::Lock => {
                vec![format!("LOCK TABLE {ledger}"), format!("SELECT COUNT(*) FROM {ledger} WHERE file = ''")]
            }
            Self::Views => ["sys_load_detail", "sys_load_error_detail"]
                .map(|view| format!("SELECT COUNT(*) FROM {view} WHERE query_id = -1"))
                .to_vec(),
        }
    }
}

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// Checks that the feed's warehouse has what a load needs.
    ///
    /// # Errors
    /// When it has not, or cannot be asked.
    pub async fn examine(&self, feed: &Feed, need: Need) -> Result<(), QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        let statements = need.statements(feed.target);
        if need == Need::Lock {
            return self.run(feed, "doctor", statements, &Asking::once(PATIENCE)).await.map(drop);
        }
        for statement in statements {
            let rows = self.query(feed, "doctor", statement, &Asking::once(PATIENCE)).await?;
            let refused = rows.first().and_then(|row| row.first()).is_some_and(|cell| cell.as_deref() == Some("0"));
            if refused && need != Need::Views {
                let subject = need.name(feed.target);
                return Err(PortError::new("doctor", subject, PortErrorKind::Denied, "the right is missing").into());
            }
        }
        Ok(())
    }

    /// Checks that COPY's role may read the bucket, and that COPY accepts the feed's options and begins to read.
    ///
    /// It asks COPY for the file `missing`, which must not exist. S3 says that it does not exist only to a role with
    /// all rights. Source: Amazon S3 API Reference, `GetObject`: 404 with the right to list, 403 without.
    ///
    /// # Errors
    /// When COPY fails for another reason, the manifest cannot be written, or the warehouse cannot be asked.
    pub async fn examine_copy(&self, feed: &Feed, missing: Key) -> Result<(), QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        let files = [File { key: missing, etag: ETag::new("none"), size: 1, last_modified: Timestamp::UNIX_EPOCH }];
        let compression = compression(&feed, &files[0].key);
        let load =
            Load { slot: 0, batch: &BatchId::of(&files), files: &files, token: "", compression, prepared: false };
        let manifest = self.write_manifest(feed, &load).await?;
        let statement = sql::copy(&self.bucket.name, feed.target, compression, &manifest);
        let Err(error) = self.run(feed, "doctor", vec![statement], &Asking::patiently()).await else {
            return Ok(());
        };
        let is_missing = match &error {
            QueryError::Failed { failure: Failure { kind: FailureKind::FileMissing, .. }, .. } => true,
            // The missing object may be the jsonpaths object, unless the text names the file.
            QueryError::Failed { failure: Failure { kind: FailureKind::ObjectMissing, message, .. }, .. } => {
                let named = failure::in_text(message, &self.bucket.name, &files);
                named.is_some() || feed.target.options.jsonpaths().is_none()
            }
            _ => false,
        };
        if is_missing { Ok(()) } else { Err(error) }
    }
}

/// Statements of an operator's question.
pub(crate) fn submission(name: &str, statements: Vec<String>) -> Submission {
    Submission { statements, token: None, name: format!("sluice doctor {name}"), with_event: false }
}
