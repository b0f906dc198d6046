//! Repairs: reads from the system views what a transaction does not say itself, and corrects the ledger.
//!
//! Never changes rows. A view may be late; then the next look asks again.

use std::collections::HashMap;
use std::time::Duration;

use sluice_core::batch::BatchId;
use sluice_core::config::Feed;
use sluice_core::content;
use sluice_core::destination::{Asking, Begun, Failure, FailureKind, Load, QueryError, Refusal, Refused, Repairs};
use sluice_core::object::{ETag, File, Key};
use sluice_core::ports::Objects;

use crate::config::RedshiftFeed;
use crate::destination::roles;
use crate::sql::{self, Trace};
use crate::{Description, RedshiftDestination, Statements, failure};

/// The code of a file that cannot be decompressed.
const CANNOT_INFLATE: i64 = 9001;

impl<S: Statements, O: Objects> Repairs for RedshiftDestination<S, O> {
    async fn bad_files(
        &self,
        feed: &Feed,
        load: &Load<'_>,
        begun: &Begun,
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        let description = self.statements.describe(&begun.statement, Duration::ZERO).await?;
        let text = description.as_ref().and_then(|description| description.error.as_deref()).unwrap_or_default();
        let mut refused = Refused { files: failure::refused_in(text, &self.bucket.name, load.files), late: false };
        if !feed.target.format.is_columnar() {
            // A file that cannot be decompressed ends even the pass that continues after errors, and hides the others.
            // So these files are looked for first, once, and the pass reads the others.
            if asking.look == 0 {
                for (key, damage) in content::damaged(&self.objects, load.compression, load.files).await {
                    let message = damage.to_owned();
                    let refusal = Refusal { code: Some(CANNOT_INFLATE), message, ..Refusal::default() };
                    refused.files.entry(key).or_insert(refusal);
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
        if refused.files.is_empty()
            && let Some(trace) = copy_trace(feed, begun, description.as_ref())
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
        let feed = RedshiftFeed::of(feed)?;
        let description = self.statements.describe(&begun.statement, Duration::ZERO).await?;
        let Some(trace) = copy_trace(feed, begun, description.as_ref()) else {
            return Ok(HashMap::new());
        };
        let rows = self.query(feed, "read versions", sql::versions_read(trace), asking).await?;
        let version = |row: &Vec<Option<String>>| {
            let file = failure::in_view(row.first()?.as_deref()?, &self.bucket.name, files)?;
            Some((file.key.clone(), ETag::new(row.get(1)?.as_deref()?)))
        };
        Ok(rows.iter().filter_map(version).collect())
    }

    async fn amend(&self, feed: &Feed, replaced: &[(File, File)], asking: &Asking) -> Result<(), QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        for (number, chunk) in replaced.chunks(sql::AMENDED_AT_ONCE).enumerate() {
            self.run(feed, &format!("amend ledger {number}"), sql::amend(feed, chunk), asking).await?;
        }
        Ok(())
    }
}

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// One pass over files that loads nothing and continues after errors, and what it found.
    async fn try_all(
        &self,
        feed: RedshiftFeed<'_>,
        load: &Load<'_>,
        files: &[File],
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        let batch = BatchId::of(files);
        let manifest = self.write_manifest(feed, &Load { batch: &batch, files, ..*load }).await?;
        let statement = sql::try_all(&self.bucket.name, feed.target, load.compression, &manifest);
        let description = match self.run(feed, "find bad files", vec![statement], asking).await {
            Ok((_, description)) => description,
            // Some contents end even this pass. What it found before counts.
            Err(QueryError::Failed { statement, failure: Failure { kind: FailureKind::BadData, .. } }) => {
                match self.statements.describe(&statement, Duration::ZERO).await? {
                    Some(description) => description,
                    None => return Ok(Refused::default()),
                }
            }
            // A file is gone by now, so this pass is impossible. What the load itself noted has to suffice.
            Err(QueryError::Failed {
                failure: Failure { kind: FailureKind::FileMissing | FailureKind::ObjectMissing, .. },
                ..
            }) => return Ok(Refused::default()),
            Err(error) => return Err(error),
        };
        let text = description.error.as_deref().unwrap_or_default();
        let mut refused = Refused { files: failure::refused_in(text, &self.bucket.name, files), late: false };
        if let Some(trace) = trace(&description, description.query_id) {
            let noted = self.load_errors(feed, files, "", trace, asking).await?;
            refused.late = refused.files.is_empty() && noted.late;
            refused.files.extend(noted.files);
        }
        Ok(refused)
    }

    /// What a COPY noted about files; `of` tells the question from others. An error led here, so an empty view is late.
    async fn load_errors(
        &self,
        feed: RedshiftFeed<'_>,
        files: &[File],
        of: &str,
        trace: Trace,
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        // A question with the same name would not be asked again, so each look has its own name.
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
}

/// Where the traces of a load's COPY are.
fn copy_trace(feed: RedshiftFeed<'_>, begun: &Begun, description: Option<&Description>) -> Option<Trace> {
    let copy = description?.parts.get(roles(feed, begun).copy);
    trace(description?, copy.and_then(|part| part.query_id))
}

/// Where a COPY's traces are: by its own id, or else by the session.
fn trace(description: &Description, query_id: Option<i64>) -> Option<Trace> {
    let session = || Some(Trace::Session(description.pid?, description.created_at?.as_second()));
    query_id.map(Trace::Query).or_else(session)
}
