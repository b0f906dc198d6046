//! Quarantine: files that the warehouse refuses go to `failed/`, each with its reason beside it.
//!
//! Never decides that a file is bad: the destination has. The reason is written before the file leaves `incoming/`, so
//! that each file in `failed/` has one. A reason never overwrites another object: a producer's file may be called
//! `a.csv.error.json`.

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
    /// When the failure was seen.
    pub at: Timestamp,
}

/// Moves the refused files to `failed/`.
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
            // The file stays in incoming/ until its reason can be written.
            Err(error) => archived.unmoved.push(Unmoved { file, copied: None, error }),
        }
    }
    archive::delete(objects, &mut archived).await;
    archived
}

/// The files that nobody has written since they were listed, and the others.
///
/// The warehouse refuses the content that it found under the name. A producer may have replaced that, and then written
/// the listed content back. The name has the listed `ETag` again, but the warehouse said nothing about this content.
/// Only the time shows it: an object with the listed time was there all along. Times of S3 are whole seconds.
async fn untouched(objects: &impl Objects, files: &[File]) -> (Vec<File>, Archived) {
    let looks = stream::iter(files.to_vec()).map(async |file| (objects.head(&file.key).await, file));
    let (mut same, mut others) = (Vec::new(), Archived::default());
    for (look, file) in looks.buffered(WRITES_AT_ONCE).collect::<Vec<_>>().await {
        let since = |there: &File| there.last_modified.as_second() - file.last_modified.as_second();
        match look {
            Ok(Some(there)) if there.etag == file.etag && since(&there) == 0 => same.push(file),
            Ok(Some(there)) => others.replaced.push((file, there.etag)),
            Ok(None) => others.gone.push(file),
            // Without the right to HEAD there is none to copy either, and the copy reports it.
            Err(error) if Pace::from(error.kind) == Pace::Configuration => same.push(file),
            Err(error) => others.unmoved.push(Unmoved { file, copied: None, error }),
        }
    }
    (same, others)
}

/// The content of `<path>.error.json`.
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
    let unnamed = Refusal { message: "refused by the warehouse".to_owned(), ..Refusal::default() };
    let refusal = refusal.unwrap_or(&unnamed);
    let reason = Reason {
        key: &file.key,
        etag: file.etag.as_str(),
        feed: cause.feed,
        batch: cause.batch,
        code: refusal.code,
        message: &refusal.message,
        line: refusal.line,
        column: refusal.column.as_deref(),
        raw_line: refusal.raw_line.as_deref().map(|line| line.chars().take(RAW_LINE_CHARACTERS).collect()),
        statement_id: cause.statement,
        time: cause.at,
    };
    let body = serde_json::to_vec_pretty(&reason).map_err(|error| invalid(file, error))?;
    let key = Key::new(format!("{at}{REASON}")).map_err(|error| invalid(file, error))?;
    if objects.put(&key, body.clone(), PutIf::Absent).await? != Put::Refused || is_ours(objects, &key, &reason).await? {
        return Ok(());
    }
    // The name has a producer's file, or the reason of an earlier failure. Both stay. Nobody else can have the next
    // name, and every attempt writes the same there.
    let mark = archive::mark(cause.statement, file);
    let key = Key::new(format!("{at}.{mark}{REASON}")).map_err(|error| invalid(file, error))?;
    objects.put(&key, body, PutIf::Any).await.map(drop)
}

fn invalid(file: &File, error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::new("quarantine", file.key.as_str(), PortErrorKind::Invalid, error)
}

/// Whether an earlier attempt wrote this same reason. Only the time may differ.
async fn is_ours(objects: &impl Objects, key: &Key, reason: &Reason<'_>) -> Result<bool, PortError> {
    let there = objects.get(key).await?;
    let there = there.and_then(|there| serde_json::from_slice::<serde_json::Value>(&there.body).ok());
    // A producer can write the other fields, but cannot foresee the statement's id.
    Ok(there.is_some_and(|there| {
        there["statement_id"] == reason.statement_id.0.as_str() && there["key"] == reason.key.as_str()
    }))
}
