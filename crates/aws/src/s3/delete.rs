//! Deletes, each of exactly one version: `DeleteObject` and `DeleteObjects`.

use std::collections::HashMap;

use aws_sdk_s3::types::{Delete as Request, Error, ObjectIdentifier};
use futures_util::future::join_all;
use sluice_core::object::{ETag, Key};
use sluice_core::ports::{Delete, Deleted, Operation, PortError, PortErrorKind, Service};

use super::{S3Objects, no_such_key};
use crate::error::{failed, kind_of_code, status};

const ONE: Operation = Service::Bucket.call("s3:DeleteObject");
const MANY: Operation = Service::Bucket.call("s3:DeleteObjects");

pub(super) async fn one(bucket: &S3Objects, key: &Key, etag: &ETag) -> Result<Delete, PortError> {
    let delete = bucket.client.delete_object().bucket(&bucket.bucket).key(key.as_str()).if_match(etag.quoted());
    match delete.send().await {
        Ok(_) => Ok(Delete::Deleted),
        Err(error) if no_such_key(&error) => Ok(Delete::Deleted),
        Err(error) if status(&error) == Some(412) => Ok(Delete::Replaced),
        Err(error) => Err(failed(ONE, bucket.subject(key), error)),
    }
}

/// How many single deletes run at once.
const ALONE_AT_ONCE: usize = 8;

/// Deletes all keys that XML can represent in one call, and each of the others in a call of its own. Each object has
/// its own result: one that cannot be deleted does not stop the others.
///
/// S3 compares the `ETag`s of a `DeleteObjects` by rules of its own: public tests of them fail on AWS. If it refuses a
/// key for its `ETag` there, the key is tried again in a call of its own, where `If-Match` is documented to decide.
pub(super) async fn many(bucket: &S3Objects, objects: &[(Key, ETag)]) -> Result<Vec<Deleted>, PortError> {
    let plain: Vec<_> = objects.iter().filter(|(key, _)| fits_xml(key)).collect();
    let failures = if plain.is_empty() { Vec::new() } else { send(bucket, &plain).await? };
    let failures: HashMap<&str, &Error> =
        failures.iter().filter_map(|failure| Some((failure.key()?, failure))).collect();
    let mut deleted = Vec::with_capacity(objects.len());
    for some in objects.chunks(ALONE_AT_ONCE) {
        let settled = some.iter().map(|object| settle(bucket, object, failures.get(object.0.as_str()).copied()));
        deleted.extend(join_all(settled).await);
    }
    Ok(deleted)
}

/// The result of one of many objects. Deletes it alone if the call for all left the result open.
async fn settle(bucket: &S3Objects, (key, etag): &(Key, ETag), failure: Option<&Error>) -> Deleted {
    match failure {
        _ if !fits_xml(key) => one(bucket, key, etag).await,
        None => Ok(Delete::Deleted),
        Some(failure) if failure.code() == Some("PreconditionFailed") => one(bucket, key, etag).await,
        Some(failure) => outcome(bucket, key, failure),
    }
}

/// Deletes the objects and returns the errors of those that were not deleted.
async fn send(bucket: &S3Objects, objects: &[&(Key, ETag)]) -> Result<Vec<Error>, PortError> {
    let subject = || format!("{} objects of {}", objects.len(), bucket.bucket);
    let built = || {
        let identifier =
            |(key, etag): &(Key, ETag)| ObjectIdentifier::builder().key(key.as_str()).e_tag(etag.quoted()).build();
        let identifiers = objects.iter().map(|object| identifier(object)).collect::<Result<_, _>>()?;
        // Quiet: the answer names only the objects that were not deleted.
        Request::builder().set_objects(Some(identifiers)).quiet(true).build()
    };
    let request = built().map_err(|error| PortError::new(MANY, subject(), PortErrorKind::Invalid, error))?;
    let delete = bucket.client.delete_objects().bucket(&bucket.bucket).delete(request);
    let answer = delete.send().await.map_err(|error| failed(MANY, subject(), error))?;
    Ok(answer.errors.unwrap_or_default())
}

fn outcome(bucket: &S3Objects, key: &Key, failure: &Error) -> Deleted {
    let (code, message) = (failure.code().unwrap_or_default(), failure.message().unwrap_or_default());
    match code {
        "NoSuchKey" => Ok(Delete::Deleted),
        _ => Err(PortError::new(MANY, bucket.subject(key), kind_of_code(code), format!("{code}: {message}"))),
    }
}

/// Whether XML 1.0 can represent every character of the key.
/// Source: W3C, "Extensible Markup Language (XML) 1.0", 2.2.
fn fits_xml(key: &Key) -> bool {
    key.as_str().chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..))
}
