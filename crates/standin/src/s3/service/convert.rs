//! Converts between the storage's terms and those of the `s3s` crate.
//!
//! Never decides anything, except which S3 answer a storage error becomes.

use std::time::SystemTime;

use s3s::dto::{self, CopySource, ETagCondition, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::s3::condition::Condition;
use crate::s3::error::StorageError;
use crate::s3::object::whole_second;
use crate::s3::reading::ReadConditions;

/// S3's answer to a failure.
pub(super) fn error(error: StorageError) -> S3Error {
    let code = match &error {
        StorageError::NoSuchBucket { .. } => S3ErrorCode::NoSuchBucket,
        StorageError::InvalidBucketName { .. } => S3ErrorCode::InvalidBucketName,
        StorageError::BucketNotEmpty { .. } => S3ErrorCode::BucketNotEmpty,
        StorageError::NoSuchKey { .. } => S3ErrorCode::NoSuchKey,
        StorageError::KeyTooLong { .. } => S3ErrorCode::KeyTooLongError,
        StorageError::PreconditionFailed { .. } => S3ErrorCode::PreconditionFailed,
        StorageError::NotImplemented { .. } => S3ErrorCode::NotImplemented,
        StorageError::NoSuchUpload { .. } => S3ErrorCode::NoSuchUpload,
        StorageError::InvalidPart { .. } => S3ErrorCode::InvalidPart,
        StorageError::InvalidPartOrder { .. } => S3ErrorCode::InvalidPartOrder,
        StorageError::EntityTooSmall { .. } => S3ErrorCode::EntityTooSmall,
        StorageError::Archived { .. } => S3ErrorCode::InvalidObjectState,
        StorageError::NoSuchClass { .. } => S3ErrorCode::InvalidStorageClass,
        StorageError::InvalidTag { .. } => S3ErrorCode::InvalidTag,
        StorageError::CopyTooLarge { .. } | StorageError::CopyOntoItself => S3ErrorCode::InvalidRequest,
        StorageError::InvalidRange { .. } => S3ErrorCode::InvalidRange,
        StorageError::Io { .. } => S3ErrorCode::InternalError,
    };
    let mut answer = S3Error::with_message(code, error.to_string());
    answer.set_source(Box::new(error));
    answer
}

/// Like `error`, for reads: if an object is unchanged, the answer to the condition is 304, not an error.
pub(super) fn read_error(failure: StorageError) -> S3Error {
    match failure {
        StorageError::PreconditionFailed { condition: "If-None-Match" | "If-Modified-Since", .. } => {
            s3_error!(NotModified)
        }
        failure => error(failure),
    }
}

/// The time as S3 reports it: in whole seconds.
pub(super) fn timestamp(at: jiff::Timestamp) -> dto::Timestamp {
    SystemTime::from(whole_second(at)).into()
}

/// A tag for an answer; S3's tags are all strong.
pub(super) fn etag(etag: impl Into<String>) -> dto::ETag {
    dto::ETag::Strong(etag.into())
}

/// A size or a count for an answer.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn write_condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::None),
        (None, Some(ETagCondition::Any)) => Ok(Condition::IfAbsent),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Condition::IfMatch(etag.into_value())),
        (None, Some(ETagCondition::ETag(_))) => Err(refuse("If-None-Match with an ETag on a write: only `*`")),
        (Some(ETagCondition::Any), None) => Err(refuse("If-Match: * on a write: only an ETag")),
        (Some(_), Some(_)) => Err(refuse("If-Match and If-None-Match together on a write")),
    }
}

pub(super) fn delete_condition(if_match: Option<ETagCondition>) -> Condition {
    match if_match {
        None => Condition::None,
        Some(ETagCondition::Any) => Condition::IfPresent,
        Some(ETagCondition::ETag(etag)) => Condition::IfMatch(etag.into_value()),
    }
}

/// Refuses what real S3 does not offer, so that no caller comes to rely on it.
fn refuse(what: &'static str) -> S3Error {
    error(StorageError::NotImplemented { what })
}

/// The condition in headers for which `s3s` has no fields: those on the destination of a copy.
pub(super) fn condition_in(headers: &http::HeaderMap) -> S3Result<Condition> {
    let read = |name: http::HeaderName| match headers.get(&name) {
        None => Ok(None),
        Some(value) => ETagCondition::parse_http_header(value.as_bytes())
            .map(Some)
            .map_err(|source| s3_error!(source, InvalidArgument, "the header {name} is neither an ETag nor `*`")),
    };
    write_condition(read(http::header::IF_MATCH)?, read(http::header::IF_NONE_MATCH)?)
}

/// The conditions of a read, or those on the source of a copy.
pub(super) fn read_conditions(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    modified: Option<dto::Timestamp>,
    unmodified: Option<dto::Timestamp>,
) -> ReadConditions {
    ReadConditions {
        etag: if_match.map(spelling),
        not_etag: if_none_match.map(spelling),
        modified_since: modified.and_then(|at| read_time(&at)),
        unmodified_since: unmodified.and_then(|at| read_time(&at)),
    }
}

fn spelling(condition: ETagCondition) -> String {
    match condition {
        ETagCondition::Any => "*".to_owned(),
        ETagCondition::ETag(etag) => etag.into_value(),
    }
}

fn read_time(at: &dto::Timestamp) -> Option<jiff::Timestamp> {
    let mut text = Vec::new();
    at.format(TimestampFormat::DateTime, &mut text).ok()?;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

/// The bucket and the key of the source of a copy.
pub(super) fn source(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, version_id: None } => Ok((bucket, key)),
        _ => Err(refuse("a copy from an access point or of a version, in this stand-in")),
    }
}

/// The tag of a part as its uploader names it.
pub(super) fn part_etag(given: Option<&dto::ETag>) -> Option<String> {
    given.map(|etag| etag.value().to_owned())
}
