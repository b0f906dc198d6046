//! Which objects a COPY reads: those of a manifest, or all whose keys begin with the prefix in FROM.
//!
//! Never reads their content.

use serde::Deserialize;

use super::super::error::SqlError;
use super::names::Listed;
use super::parquet::without_length;
use super::parse::{Copy, Format, s3_url};
use crate::s3::StorageError;
use crate::source::Source;

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    url: String,
    #[serde(default)]
    mandatory: bool,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    content_length: Option<u64>,
}

/// The objects of `copy`, in load order. An object that is listed twice is loaded twice.
pub(crate) fn listed(source: &dyn Source, copy: &Copy, query_id: i64) -> Result<Vec<Listed>, SqlError> {
    let files = if copy.options.manifest { from_manifest(source, copy, query_id)? } else { from_prefix(source, copy)? };
    if files.is_empty() {
        return Err(SqlError::new(format!("The specified S3 prefix '{}' does not exist", copy.key)));
    }
    Ok(files)
}

fn from_prefix(source: &dyn Source, copy: &Copy) -> Result<Vec<Listed>, SqlError> {
    let keys = source.keys(&copy.bucket, &copy.key).map_err(|error| unreadable(&copy.key, &error))?;
    let keys = keys.ok_or_else(no_bucket)?;
    // Folders are not files.
    let keys = keys.into_iter().filter(|key| !key.ends_with('/'));
    Ok(keys.map(|key| Listed { bucket: copy.bucket.clone(), key, mandatory: true, length: None }).collect())
}

fn from_manifest(source: &dyn Source, copy: &Copy, query_id: i64) -> Result<Vec<Listed>, SqlError> {
    let problem = |text: &str| SqlError::new(format!("Problem reading manifest file - {text}"));
    if copy.key.is_empty() || copy.key.ends_with('/') {
        return Err(SqlError::new("COPY with MANIFEST parameter requires full path of an S3 object."));
    }
    let object = source.read(&copy.bucket, &copy.key).map_err(|error| unreadable(&copy.key, &error))?;
    let object = object.ok_or_else(|| problem(NO_SUCH_KEY))?;
    let manifest: Manifest = serde_json::from_slice(&object.body).map_err(|error| {
        SqlError::new(format!(
            "Manifest file is not in correct json format\n  Detail: {error} in s3://{}/{}",
            copy.bucket, copy.key
        ))
    })?;
    if manifest.entries.is_empty() {
        return Err(SqlError::new("Manifest file contains no entries"));
    }
    let entry = |entry: Entry| {
        let (bucket, key) = s3_url(&entry.url)
            .ok_or_else(|| SqlError::new(format!("Invalid S3 url in manifest file: {}", entry.url)))?;
        let length = entry.meta.as_ref().map(|meta| meta.content_length);
        if copy.options.format == Format::Parquet {
            // Documented: "required for loading from ORC and Parquet".
            length
                .ok_or("meta")
                .and_then(|length| length.ok_or("content_length"))
                .map_err(|key| without_length(key, query_id))?;
        }
        Ok(Listed { bucket, key, mandatory: entry.mandatory, length: length.flatten() })
    };
    manifest.entries.into_iter().map(entry).collect()
}

/// S3's message, which Redshift repeats.
pub(crate) const NO_SUCH_KEY: &str =
    "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Rid 0,ExtRid 0,CanRetry 1";

fn no_bucket() -> SqlError {
    SqlError::new(
        "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket,Rid 0,ExtRid 0,CanRetry 1",
    )
}

/// An object that the source could not read. An object in an archive gets the same refusal as from S3. With "permission
/// denied" a source reports that the role of COPY may not read. Anything else is a disk failure under the stand-in,
/// which S3 would call an internal error.
pub(crate) fn unreadable(key: &str, error: &std::io::Error) -> SqlError {
    let archived = error.get_ref().and_then(|error| error.downcast_ref::<StorageError>());
    if matches!(archived, Some(StorageError::Archived { .. })) {
        return SqlError::new(format!(
            "S3ServiceException:The operation is not valid for the object's storage class,Status 403,Error InvalidObjectState,Rid 0,ExtRid 0,CanRetry 1\n  Detail: S3 key being read : {key}"
        ));
    }
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return SqlError::new(format!(
            "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1\n  Detail: S3 key being read : {key}"
        ));
    }
    SqlError::new(format!(
        "S3ServiceException:We encountered an internal error. Please try again.,Status 500,Error InternalError\n  Detail: {error} (S3 key being read : {key})"
    ))
}

/// A mandatory object is missing.
pub(crate) fn absent(file: &Listed, manifest: bool) -> SqlError {
    let text = if manifest { "Mandatory url is not present in manifest file" } else { NO_SUCH_KEY };
    SqlError::new(format!("{text}\n  Detail: S3 key being read : {}", file.url()))
}
