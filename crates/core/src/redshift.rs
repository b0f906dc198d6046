//! Amazon Redshift as a destination: one COPY per manifest in one transaction, through the Data API.
//!
//! Builds all SQL there is; everything a key, a file or the configuration says goes through [`quote`].
//! Never calls an SDK: the Data API is the port [`Statements`].

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::batch::BatchId;
use crate::completion;
use crate::config::{Bucket, Destination as Target, Feed, Redshift};
use crate::content;
use crate::destination::{
    Asking, Begun, Destination, Entry, Failure, FailureKind, Load, Loaded, Of, Progress, QueryError, Refusal, Refused,
    Roles, StatementId,
};
use crate::hash;
use crate::object::{ETag, File, FileId, Key};
use crate::ports::{Objects, PortError, PortErrorKind, PutIf};

pub mod examine;
pub mod failure;
pub mod manifest;
pub mod prove;
pub mod quote;
pub mod rebuild;
pub mod sql;
pub mod statements;

pub use examine::Need;
pub use prove::{Proof, Trial, Verdict};
pub use rebuild::Rebuilt;
pub use statements::{Description, Part, Statements, Status, Submission};

use sql::Trace;

/// How long a question to the ledger or to a system view may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long the pass over bad files may take.
const LONG_PATIENCE: Duration = Duration::from_mins(10);

/// How long the warehouse itself lets files be taken out of the ledger: it has given up before we do.
const FORGET_PATIENCE: Duration = Duration::from_mins(9);

/// Redshift, through the ports to its Data API and to the bucket that holds manifests.
#[derive(Debug)]
pub struct RedshiftDestination<S, O> {
    bucket: Bucket,
    statements: S,
    objects: O,
}

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// A destination whose manifests are in `bucket`, which `objects` writes.
    pub fn new(bucket: Bucket, statements: S, objects: O) -> Self {
        Self { bucket, statements, objects }
    }
}

impl<S: Statements, O: Objects> Destination for RedshiftDestination<S, O> {
    async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<Begun, PortError> {
        let manifest = self.write_manifest(feed, load).await?;
        let target = target(feed);
        let transaction = sql::transaction(&self.bucket.name, feed, load, &manifest);
        let submission = Submission {
            statements: transaction.statements,
            token: Some(load.token.to_owned()),
            name: completion::statement_name(&self.bucket, feed, load.slot, load.batch),
            with_event: true,
        };
        let bytes: usize = submission.statements.iter().map(String::len).sum();
        let submitted = self.statements.submit(target, &submission).await;
        let statement = submitted.map_err(|error| perhaps_too_large(error, bytes))?;
        Ok(Begun { statement, roles: Some(transaction.roles) })
    }

    async fn poll(&self, feed: &Feed, begun: &Begun, files: &[File], wait: Duration) -> Result<Progress, PortError> {
        let Some(description) = self.statements.describe(&begun.statement, wait).await? else {
            return Ok(Progress::Forgotten);
        };
        Ok(match description.status {
            Status::Running => Progress::Running,
            Status::Finished => Progress::Loaded(loaded(roles(feed, begun), &description)),
            Status::Failed | Status::Aborted => {
                let failure = failure::of_transaction(roles(feed, begun), &description, &self.bucket.name, files);
                Progress::Failed(Failure { at: description.updated_at, ..naming_its_object(feed, failure) })
            }
        })
    }

    async fn create_ledger(&self, feed: &Feed, asking: &Asking) -> Result<(), QueryError> {
        match self.run(feed, "create ledger", sql::create_ledger(feed), asking).await {
            // Two at the same moment: IF NOT EXISTS saves neither Redshift's nor PostgreSQL's second from an error.
            Err(QueryError::Failed { failure, .. }) if failure::made_by_another(&failure) => Ok(()),
            Err(QueryError::Failed { statement, failure }) if failure::is_guarded(&failure) => {
                Err(QueryError::Failed { statement, failure: of_another_identity(feed) })
            }
            made => made.map(drop),
        }
    }

    async fn loaded(&self, feed: &Feed, files: &[File], asking: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
        let rows = match self.query(feed, "read ledger", sql::loaded(feed, files), asking).await {
            Err(QueryError::Failed { failure, .. }) if failure::is_missing_relation(&failure.message) => Vec::new(),
            rows => rows?,
        };
        let entry = |row: &Vec<Option<String>>| {
            Some((FileId::parse(row.first()?.as_deref()?.trim())?, ETag::new(row.get(1)?.as_deref()?)))
        };
        Ok(rows.iter().filter_map(entry).collect())
    }

    async fn bad_files(
        &self,
        feed: &Feed,
        load: &Load<'_>,
        begun: &Begun,
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        let description = self.statements.describe(&begun.statement, Duration::ZERO).await?;
        let text = description.as_ref().and_then(|description| description.error.as_deref()).unwrap_or_default();
        let mut refused = Refused { files: failure::refused_in(text, &self.bucket.name, load.files), late: false };
        if !target(feed).format.is_columnar() {
            // A file that cannot be unpacked ends even the pass that goes on after errors, and is the only one that it
            // names. So those are looked for first, once, and the pass goes over the others.
            if asking.look == 0 {
                for (key, damage) in content::damaged(&self.objects, load.compression, load.files).await {
                    refused.files.entry(key).or_insert_with(|| failure::damaged(damage));
                }
            }
            let named = |file: &&File| refused.files.contains_key(&file.key);
            let rest: Vec<File> = load.files.iter().filter(|file| !named(file)).cloned().collect();
            if !rest.is_empty() {
                let found = self.try_all(feed, load, &rest, asking).await?;
                refused.late = refused.files.is_empty() && found.late;
                refused.files.extend(found.files);
            }
        }
        let roles = roles(feed, begun);
        if let (true, Some(trace)) =
            (refused.files.is_empty(), description.as_ref().and_then(|description| trace(description, Some(roles))))
        {
            let noted = self.load_errors(feed, load.files, " of the load", trace, asking).await?;
            refused.late |= noted.late && failure::is_noted(text);
            refused.files = noted.files;
        }
        Ok(refused)
    }

    async fn versions_read(
        &self,
        feed: &Feed,
        begun: &Begun,
        files: &[File],
        asking: &Asking,
    ) -> Result<HashMap<Key, ETag>, QueryError> {
        let description = self.statements.describe(&begun.statement, Duration::ZERO).await?;
        let roles = roles(feed, begun);
        let Some(trace) = description.as_ref().and_then(|description| trace(description, Some(roles))) else {
            return Ok(HashMap::new());
        };
        let rows = self.query(feed, "read versions", sql::versions_read(trace), asking).await?;
        let version = |row: &Vec<Option<String>>| {
            let file = failure::read(row.first()?.as_deref()?, &self.bucket.name, files)?;
            Some((file.key.clone(), ETag::new(row.get(1)?.as_deref()?)))
        };
        Ok(rows.iter().filter_map(version).collect())
    }

    async fn amend(&self, feed: &Feed, replaced: &[(File, File)], asking: &Asking) -> Result<(), QueryError> {
        // LOCK and at most 39 updates are one transaction of 40 statements.
        for (number, chunk) in replaced.chunks(39).enumerate() {
            let what = format!("amend ledger {number}");
            self.run(feed, &what, sql::amend(feed, chunk), asking).await?;
        }
        Ok(())
    }

    async fn entries(&self, feed: &Feed, of: Of<'_>, asking: &Asking) -> Result<Vec<Entry>, QueryError> {
        let target = target(feed);
        let statements = match of {
            Of::Page { from, skip, limit } => vec![sql::page(target, from, skip, limit)],
            Of::Files(files) => sql::entries_of(target, files),
            Of::Keys(keys) => sql::entries_named(target, keys),
        };
        let mut entries = Vec::new();
        for (number, statement) in statements.into_iter().enumerate() {
            // A load holds the ledger's lock from its beginning to its end, and readers wait for it.
            match self.run(feed, &format!("read ledger {number}"), vec![statement], asking).await {
                Ok((id, _)) => {
                    for row in self.statements.rows(&id).await? {
                        entries.push(entry(feed, &row)?);
                    }
                }
                Err(QueryError::Failed { failure, .. }) if failure::is_missing_relation(&failure.message) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
        for transaction in sql::forget(target(feed), files, until, FORGET_PATIENCE) {
            match self.run(feed, "forget files", transaction, &Asking::patiently()).await {
                // What no ledger has is out of it.
                Err(QueryError::Failed { failure, .. }) if failure::is_missing_relation(&failure.message) => {
                    return Ok(());
                }
                done => done.map(drop)?,
            }
        }
        Ok(())
    }
}

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// Writes the batch's manifest. Whoever writes it writes the same, so no condition is needed.
    async fn write_manifest(&self, feed: &Feed, load: &Load<'_>) -> Result<Key, PortError> {
        let invalid = |error: Box<dyn std::error::Error + Send + Sync>| {
            PortError::new("manifest", load.batch.as_str(), PortErrorKind::Invalid, error)
        };
        let key = manifest::key(&self.bucket, feed, load.batch).map_err(|error| invalid(error.into()))?;
        let body = manifest::manifest(&self.bucket.name, load.files).map_err(|error| invalid(error.into()))?;
        self.objects.put(&key, body, PutIf::Any).await?;
        Ok(key)
    }

    /// One pass over files that loads nothing and goes on after errors; what it found, file by file.
    async fn try_all(
        &self,
        feed: &Feed,
        load: &Load<'_>,
        files: &[File],
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        let batch = BatchId::of(files);
        let manifest = self.write_manifest(feed, &Load { batch: &batch, files, ..*load }).await?;
        let statement = sql::try_all(&self.bucket.name, target(feed), load.compression, &manifest);
        let description = match self.run(feed, "find bad files", vec![statement], asking).await {
            Ok((_, description)) => description,
            // Some contents end even this pass; what it found until then counts.
            Err(QueryError::Failed { statement, failure: Failure { kind: FailureKind::BadData, .. } }) => {
                match self.statements.describe(&statement, Duration::ZERO).await? {
                    Some(description) => description,
                    None => return Ok(Refused::default()),
                }
            }
            // One of them is gone by now, so this pass cannot be made: what the load itself noted has to do.
            Err(QueryError::Failed {
                failure: Failure { kind: FailureKind::FileMissing | FailureKind::ObjectMissing, .. },
                ..
            }) => return Ok(Refused::default()),
            Err(error) => return Err(error),
        };
        let text = description.error.as_deref().unwrap_or_default();
        let mut refused = Refused { files: failure::refused_in(text, &self.bucket.name, files), late: false };
        if let Some(trace) = trace(&description, None) {
            let noted = self.load_errors(feed, files, "", trace, asking).await?;
            refused.late = refused.files.is_empty() && noted.late;
            refused.files.extend(noted.files);
        }
        Ok(refused)
    }

    /// What `of` has noted about files. It is late where nothing is there: at least one error made somebody ask.
    async fn load_errors(
        &self,
        feed: &Feed,
        files: &[File],
        of: &str,
        trace: Trace,
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        // What was asked once is not asked again: each look is a question of its own.
        let what = format!("read load errors{of}{}", ".".repeat(asking.look));
        let rows = self.query(feed, &what, sql::load_errors(trace), asking).await?;
        let mut refused = Refused { files: HashMap::new(), late: rows.is_empty() };
        for row in &rows {
            let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
            let code = text(1).trim().parse().ok();
            if let Some(file) = failure::noted(text(0), code, text(2), &self.bucket.name, files) {
                refused.files.entry(file.key.clone()).or_insert_with(|| Refusal {
                    code,
                    message: text(2).to_owned(),
                    // A columnar file has no lines.
                    line: text(3).trim().parse().ok().filter(|line| *line > 0),
                    column: Some(text(4)).filter(|column| !column.is_empty()).map(str::to_owned),
                    raw_line: None,
                });
            }
        }
        Ok(refused)
    }

    /// Runs a question and answers its rows.
    async fn query(
        &self,
        feed: &Feed,
        what: &str,
        statement: String,
        asking: &Asking,
    ) -> Result<Vec<Vec<Option<String>>>, QueryError> {
        let (id, _) = self.run(feed, what, vec![statement], asking).await?;
        Ok(self.statements.rows(&id).await?)
    }

    /// Runs statements to their end, or takes up those that run already. They are such that doing them twice changes
    /// nothing more; but side by side they cost twice, and wait for each other.
    async fn run(
        &self,
        feed: &Feed,
        what: &str,
        statements: Vec<String>,
        asking: &Asking,
    ) -> Result<(StatementId, Description), QueryError> {
        let copies = statements.first().is_some_and(|statement| sql::is_copy(statement));
        let noted = asking.noted.as_ref().filter(|(noted, _)| noted == what).map(|(_, statement)| statement.clone());
        let mut stands = match &noted {
            Some(id) => self.statements.describe(id, asking.wait).await?.map(|description| (id.clone(), description)),
            None => None,
        };
        if stands.is_none() {
            // Never asked, or so long ago that nobody remembers.
            let token = asking.token.as_deref().map(|token| hash::hex(&hash::of_parts([token, what])[..32]));
            let name = format!("sluice {} {what}", feed.name);
            let submission = Submission { statements, token, name, with_event: false };
            let id = self.statements.submit(target(feed), &submission).await?;
            stands = self.statements.describe(&id, asking.wait).await?.map(|description| (id, description));
        }
        let unknown =
            || PortError::new("redshift-data:DescribeStatement", what, PortErrorKind::Missing, "no such statement");
        let (statement, description) = stands.ok_or_else(unknown)?;
        match description.status {
            Status::Finished => Ok((statement, description)),
            Status::Running => Err(QueryError::Slow { what: what.to_owned(), statement }),
            Status::Failed | Status::Aborted => {
                let failure = failure::of_statement(copies, &description);
                Err(QueryError::Failed { statement, failure: naming_its_object(feed, failure) })
            }
        }
    }
}

fn target(feed: &Feed) -> &Redshift {
    let Target::Redshift(redshift) = &feed.destination;
    redshift
}

/// The Data API takes 100 KB for a statement, and says nothing of how much it takes for all of a transaction: what is larger
/// than one statement may be, and is refused as invalid, may be too large.
fn perhaps_too_large(error: PortError, bytes: usize) -> PortError {
    match error.kind {
        PortErrorKind::Invalid if bytes > 100_000 => PortError { kind: PortErrorKind::TooLarge, ..error },
        _ => error,
    }
}

/// The same failure; where something was missing, with what the feed's options name, since the warehouse does not.
fn naming_its_object(feed: &Feed, failure: Failure) -> Failure {
    match target(feed).options.jsonpaths().filter(|_| failure.kind == FailureKind::ObjectMissing) {
        Some(object) => {
            Failure { message: format!("{} (the jsonpaths object is {object})", failure.message), ..failure }
        }
        None => failure,
    }
}

/// A row of the ledger. One that cannot be read is somebody else's; to pass over it would miscount.
fn entry(feed: &Feed, row: &[Option<String>]) -> Result<Entry, PortError> {
    let text = |at: usize| row.get(at).and_then(Option::as_deref);
    let read = || {
        Some(Entry {
            id: FileId::parse(text(0)?.trim())?,
            key: Key::new(text(1)?).ok()?,
            etag: ETag::new(text(2)?),
            size: text(3)?.trim().parse().ok()?,
            loaded_at: Timestamp::from_second(text(4)?.trim().parse().ok()?).ok()?,
        })
    };
    let ledger = target(feed).ledger.to_string();
    read().ok_or_else(|| {
        let problem = format!("a row of the ledger is not one that Sluice writes: {row:?}");
        PortError::new("read ledger", ledger, PortErrorKind::Invalid, problem)
    })
}

/// Which statement of the transaction does what; of one that an older version started, by today's configuration.
fn roles(feed: &Feed, begun: &Begun) -> Roles {
    begun.roles.unwrap_or(sql::first_roles(target(feed)))
}

/// The ledger has entries by another identity than the feed's.
fn of_another_identity(feed: &Feed) -> Failure {
    let (ledger, identity) = (&target(feed).ledger, feed.identity.as_str());
    Failure {
        kind: FailureKind::Configuration,
        message: format!("the ledger {ledger} does not know its files as identity = {identity:?} would"),
        advice: Some(
            "write the identity that it was filled with, or convert it: `sluice ledger rebuild`. The files stay where \
             they are",
        ),
        file: None,
        at: None,
    }
}

fn loaded(roles: Roles, description: &Description) -> Loaded {
    Loaded {
        rows: description.parts.get(roles.copy).and_then(|part| part.rows),
        at: description.updated_at.unwrap_or(Timestamp::UNIX_EPOCH),
        duration: description.duration,
    }
}

/// Where COPY's traces are: by the id of the COPY itself, or else by the session.
fn trace(description: &Description, roles: Option<Roles>) -> Option<Trace> {
    let query = match roles {
        Some(roles) => description.parts.get(roles.copy).and_then(|part| part.query_id),
        None => description.query_id,
    };
    let session = || Some(Trace::Session(description.pid?, description.created_at?.as_second()));
    query.map(Trace::Query).or_else(session)
}
