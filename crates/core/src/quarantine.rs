//! Quarantine: files that the warehouse refuses go to `failed/`, each with its reason beside it.
//!
//! Never decides that a file is bad; the destination has said so. The reason is written before the file leaves
//! `incoming/`, so that a file in `failed/` always says why. A reason takes no other object's name: a producer's file may
//! be called `a.csv.error.json`.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::archive::{self, Archived, Unmoved};
use crate::batch::BatchId;
use crate::config::Config;
use crate::destination::{Refusal, StatementId};
use crate::disposition::Pace;
use crate::object::{File, Key};
use crate::ports::{Objects, PortError, PortErrorKind, Put, PutIf};

/// How many reasons are written at once.
const WRITES_AT_ONCE: usize = 16;

/// The most of a file's line that is kept. Source: the promise of `failed/<path>.error.json`.
const RAW_LINE_CHARACTERS: usize = 256;

/// What the name of a reason ends in.
pub const REASON: &str = ".error.json";

/// The load that failed.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'a> {
    /// The feed's name.
    pub feed: &'a str,
    /// The batch that the file was in.
    pub batch: &'a BatchId,
    /// The transaction that failed.
    pub statement: &'a StatementId,
    /// When it was found out.
    pub at: Timestamp,
}

/// Moves the refused files to `failed/`; answers which are there, and which could not be moved.
pub async fn quarantine(
    config: &Config,
    objects: &impl Objects,
    cause: Cause<'_>,
    files: &[File],
    refusals: &HashMap<Key, Refusal>,
) -> Archived {
    let bucket = &config.bucket;
    let (files, written) = untouched(objects, files).await;
    let mut archived = archive::copy(objects, &bucket.incoming, &bucket.failed, &files, cause.statement).await;
    archived.replaced.extend(written.replaced);
    archived.gone.extend(written.gone);
    archived.unmoved.extend(written.unmoved);
    let copied = std::mem::take(&mut archived.moved);
    let writes = stream::iter(copied).map(async |(file, at)| {
        let written = write_reason(objects, cause, &file, &at, refusals.get(&file.key)).await;
        (file, at, written)
    });
    for (file, at, written) in writes.buffered(WRITES_AT_ONCE).collect::<Vec<_>>().await {
        match written {
            Ok(()) => archived.moved.push((file, at)),
            // It stays in incoming/ until it can say why it failed.
            Err(error) => archived.unmoved.push(Unmoved { file, copied: None, error }),
        }
    }
    archive::delete(objects, &mut archived).await;
    archived
}

/// The files that nobody has written since they were listed, and the others.
///
/// The warehouse refuses what it found under the name. Where a producer replaced that, and then wrote the listed content
/// back, the name bears the listed `ETag` again, and nothing was said about it: only the time tells. What is as old as it
/// was listed was there all the time. Times of S3 are whole seconds.
async fn untouched(objects: &impl Objects, files: &[File]) -> (Vec<File>, Archived) {
    let looks = stream::iter(files.to_vec()).map(async |file| (objects.head(&file.key).await, file));
    let (mut same, mut others) = (Vec::new(), Archived::default());
    for (look, file) in looks.buffered(WRITES_AT_ONCE).collect::<Vec<_>>().await {
        let since = |there: &File| there.last_modified.as_second() - file.last_modified.as_second();
        match look {
            Ok(Some(there)) if there.etag == file.etag && since(&there) == 0 => same.push(file),
            Ok(Some(there)) => others.replaced.push((file, there.etag)),
            Ok(None) => others.gone.push(file),
            // Who may not look at it may not copy it either, and the copy says so.
            Err(error) if Pace::from(error.kind) == Pace::Configuration => same.push(file),
            Err(error) => others.unmoved.push(Unmoved { file, copied: None, error }),
        }
    }
    (same, others)
}

/// What stands in `<path>.error.json`.
#[derive(Serialize)]
struct Reason<'a> {
    key: &'a Key,
    etag: &'a str,
    feed: &'a str,
    batch: &'a BatchId,
    code: Option<i64>,
    message: &'a str,
    line: Option<u64>,
    column: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_line: Option<String>,
    statement_id: &'a StatementId,
    time: Timestamp,
}

async fn write_reason(
    objects: &impl Objects,
    cause: Cause<'_>,
    file: &File,
    at: &Key,
    refusal: Option<&Refusal>,
) -> Result<(), PortError> {
    let invalid = |error: Box<dyn std::error::Error + Send + Sync>| {
        PortError::new("quarantine", file.key.as_str(), PortErrorKind::Invalid, error)
    };
    let reason = Reason {
        key: &file.key,
        etag: file.etag.as_str(),
        feed: cause.feed,
        batch: cause.batch,
        code: refusal.and_then(|refusal| refusal.code),
        message: refusal.map_or("refused by the warehouse", |refusal| &refusal.message),
        line: refusal.and_then(|refusal| refusal.line),
        column: refusal.and_then(|refusal| refusal.column.as_deref()),
        raw_line: refusal
            .and_then(|refusal| refusal.raw_line.as_deref())
            .map(|line| line.chars().take(RAW_LINE_CHARACTERS).collect()),
        statement_id: cause.statement,
        time: cause.at,
    };
    let body = serde_json::to_vec_pretty(&reason).map_err(|error| invalid(error.into()))?;
    let key = Key::new(format!("{at}{REASON}")).map_err(|error| invalid(error.into()))?;
    if objects.put(&key, body.clone(), PutIf::Absent).await? != Put::Refused || is_ours(objects, &key, &reason).await? {
        return Ok(());
    }
    // A file of that name, or why the same file was refused earlier; both stay. This name nobody else can have, and
    // whoever writes it writes the same.
    let mark = archive::mark(cause.statement, file);
    let key = Key::new(format!("{at}.{mark}{REASON}")).map_err(|error| invalid(error.into()))?;
    objects.put(&key, body, PutIf::Any).await.map(drop)
}

/// Whether what has the name is this very reason, written before a death. Only the time may differ.
async fn is_ours(objects: &impl Objects, key: &Key, reason: &Reason<'_>) -> Result<bool, PortError> {
    let there = objects.get(key).await?;
    let there = there.and_then(|there| serde_json::from_slice::<serde_json::Value>(&there.body).ok());
    // A producer can write the other fields, but never knows the id of a statement to come.
    Ok(there.is_some_and(|there| {
        there["statement_id"] == reason.statement_id.0.as_str() && there["key"] == reason.key.as_str()
    }))
}
