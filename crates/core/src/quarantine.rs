//! Quarantine: files that the warehouse refuses go to `failed/`, each with its reason beside it.
//!
//! Never decides that a file is bad; the destination has said so. The reason is written before the file leaves
//! `incoming/`, so that a file in `failed/` always says why; and it never takes the place of another object, since a
//! producer's file may be called `a.error.json`.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::archive;
use crate::batch::BatchId;
use crate::config::Config;
use crate::destination::{Refusal, StatementId};
use crate::object::{File, Key};
use crate::ports::{Objects, PortError, PortErrorKind, Put, PutIf};

/// How many reasons are written at once.
const WRITES_AT_ONCE: usize = 16;

/// The most of a file's line that is kept. Source: the promise of `failed/<path>.error.json`.
const RAW_LINE_CHARACTERS: usize = 256;

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

/// Moves the refused files to `failed/`; answers how many are there.
///
/// # Errors
/// The first failed call; doing it again does the rest.
pub async fn quarantine(
    config: &Config,
    objects: &impl Objects,
    cause: Cause<'_>,
    files: &[File],
    refusals: &HashMap<Key, Refusal>,
) -> Result<u64, PortError> {
    let bucket = &config.bucket;
    let copied = archive::copy(objects, &bucket.incoming, &bucket.failed, files).await?.moved;
    let writes =
        stream::iter(&copied).map(|(file, at)| write_reason(objects, cause, file, at, refusals.get(&file.key)));
    writes.buffer_unordered(WRITES_AT_ONCE).try_collect::<()>().await?;
    archive::delete(objects, &copied).await?;
    Ok(u64::try_from(copied.len()).unwrap_or(u64::MAX))
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
    for attempt in 1..=NAMES {
        let key = Key::new(format!("{at}{}", suffix(attempt))).map_err(|error| invalid(error.into()))?;
        if let Put::Written(_) = objects.put(&key, body.clone(), PutIf::Absent).await? {
            return Ok(());
        }
        // Written by whoever died after it, or when the same file came before; or a file that has such a name.
        let there = objects.get(&key).await?.map(|content| content.body).unwrap_or_default();
        if serde_json::from_slice(&there).is_ok_and(|about: About| about == About::of(file)) {
            return Ok(());
        }
    }
    Err(invalid(format!("{NAMES} other objects have the names that its reason could have: remove some").into()))
}

/// How many names are tried for one reason.
const NAMES: usize = 64;

/// What is appended to a file's name: at most as much as the archive keeps free.
fn suffix(attempt: usize) -> String {
    if attempt == 1 { ".error.json".to_owned() } else { format!(".error.{attempt}.json") }
}

/// Which file a reason is about.
#[derive(PartialEq, Deserialize)]
struct About {
    key: String,
    etag: String,
}

impl About {
    fn of(file: &File) -> Self {
        Self { key: file.key.to_string(), etag: file.etag.as_str().to_owned() }
    }
}
