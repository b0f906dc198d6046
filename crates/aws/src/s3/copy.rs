//! Copies in one call: `CopyObject` with one condition on the source and one on the new key.

use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::types::AnnotationDirective;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_core::object::{File, Key};
use sluice_core::ports::{Copy, Operation, PortError, PortErrorKind, Service};

use super::attempts::Attempts;
use super::{S3Objects, get, no_such_key, refused};
use crate::error::failed;

const COPY: Operation = Service::Bucket.call("s3:CopyObject");

/// S3 answers only after it has copied, and 5 GiB take a while.
const COPY_TIMEOUT: Duration = Duration::from_mins(5);

pub(super) async fn copy(bucket: &S3Objects, from: &File, to: &Key) -> Result<Copy, PortError> {
    let attempts = Attempts::default();
    let copy = bucket.client.copy_object().bucket(&bucket.bucket).key(to.as_str());
    let copy = copy.copy_source(source(&bucket.bucket, &from.key)).copy_source_if_match(from.etag.quoted());
    // Leaves annotations out. They can change without a new ETag, and a copy in parts takes none of them along, so
    // nobody could rely on them.
    let copy = copy
        .if_none_match("*")
        .annotation_directive(AnnotationDirective::Exclude)
        .customize()
        .config_override(patient())
        .mutate_request(attempts.counter());
    match copy.send().await {
        Ok(_) => Ok(Copy::Copied),
        Err(error) if refused(&error) || no_such_key(&error) => {
            let ours = |there: &File| attempts.repeated() && there.etag == from.etag && there.size == from.size;
            why_refused(bucket, from, to, ours).await
        }
        Err(error) => Err(failed(COPY, subject(bucket, from, to), error)),
    }
}

/// Finds out why S3 refused a copy. S3 says only that a condition did not hold, not which one: the two objects show it.
///
/// They may have changed since the refusal, so the answer describes them as they are now. Each answer is one that the
/// copy could have got a moment later. `ours` says whether an earlier try of the same call made the occupant.
pub(super) async fn why_refused(
    bucket: &S3Objects,
    from: &File,
    to: &Key,
    ours: impl Fn(&File) -> bool,
) -> Result<Copy, PortError> {
    let occupant = get::head(bucket, to).await?;
    if occupant.as_ref().is_some_and(ours) {
        return Ok(Copy::Copied);
    }
    match (get::head(bucket, &from.key).await?, occupant) {
        (None, _) => Ok(Copy::Gone),
        (Some(now), _) if now.etag != from.etag => Ok(Copy::Replaced(now.etag)),
        (Some(_), Some(occupant)) => Ok(Copy::Occupied(occupant)),
        (Some(_), None) => {
            let cause = "refused, although the source is unchanged and nothing has the new key: somebody is writing it";
            Err(PortError::new(COPY, subject(bucket, from, to), PortErrorKind::Unavailable, cause))
        }
    }
}

/// The value of the header `x-amz-copy-source`, which must be URL-encoded.
/// Source: Amazon S3 API Reference, `CopyObject`.
pub(super) fn source(bucket: &str, key: &Key) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
    format!("{bucket}/{}", utf8_percent_encode(key.as_str(), PLAIN))
}

pub(super) fn subject(bucket: &S3Objects, from: &File, to: &Key) -> String {
    format!("{} to {to}", bucket.subject(&from.key))
}

/// Gives one call more time.
pub(super) fn patient() -> aws_sdk_s3::config::Builder {
    let timeout = TimeoutConfig::builder().operation_attempt_timeout(COPY_TIMEOUT).build();
    aws_sdk_s3::config::Builder::new().timeout_config(timeout)
}
