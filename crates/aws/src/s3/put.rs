//! Writes: `PutObject` with its conditions.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use sluice_core::object::{ETag, Key};
use sluice_core::ports::{Operation, PortError, Put, PutIf, Service};

use super::attempts::Attempts;
use super::{S3Objects, get, incomplete, no_such_key, refused};
use crate::error::failed;

const PUT: Operation = Service::Bucket.call("s3:PutObject");

pub(super) async fn put(bucket: &S3Objects, key: &Key, body: Vec<u8>, when: PutIf<'_>) -> Result<Put, PortError> {
    let attempts = Attempts::default();
    let put = bucket.client.put_object().bucket(&bucket.bucket).key(key.as_str());
    let put = match when {
        PutIf::Any => put,
        PutIf::Absent => put.if_none_match("*"),
        PutIf::Matches(etag) => put.if_match(etag.quoted()),
    };
    let put = put.body(ByteStream::from(body.clone()));
    match put.customize().mutate_request(attempts.counter()).send().await {
        Ok(answer) => written(key, answer.e_tag()),
        Err(error) if is_refusal(&error, when) && attempts.repeated() => by_an_earlier_try(bucket, key, &body).await,
        Err(error) if is_refusal(&error, when) => Ok(Put::Refused),
        Err(error) => Err(failed(PUT, bucket.subject(key), error)),
    }
}

/// Whether the condition did not hold. S3 answers 404 to a condition on an object that does not exist.
fn is_refusal<E: ProvideErrorMetadata>(error: &SdkError<E>, when: PutIf<'_>) -> bool {
    match when {
        PutIf::Any => false,
        PutIf::Absent => refused(error),
        PutIf::Matches(_) => refused(error) || no_such_key(error),
    }
}

fn written(key: &Key, etag: Option<&str>) -> Result<Put, PortError> {
    etag.map(|etag| Put::Written(ETag::new(etag))).ok_or_else(|| incomplete(PUT, key.as_str(), "an ETag"))
}

/// Whether the object holds what was sent. If so, the first try wrote it, its reply was lost, and S3 refused the SDK's
/// next try because of it. Without this check the winner of a claim would take itself for a loser, and the slot would
/// be idle until the lease ran out.
async fn by_an_earlier_try(bucket: &S3Objects, key: &Key, body: &[u8]) -> Result<Put, PortError> {
    let there = get::get(bucket, key).await?.filter(|there| there.body == body);
    Ok(there.map_or(Put::Refused, |there| Put::Written(there.etag)))
}
