//! Deletes, each of one version: `DeleteObject` and `DeleteObjects`.
//!
//! Every result of many is looked at. What S3 refuses for its `ETag` is settled alone: it may have understood the `ETag` of
//! one among many in another way than the condition of a single call.

use std::collections::HashMap;

use aws_sdk_s3::types::{Delete as Request, Error, ObjectIdentifier};
use futures_util::{StreamExt, stream};
use sluice_core::object::{ETag, Key};
use sluice_core::ports::{Delete, Deleted, PortError, PortErrorKind};

use super::{S3Objects, no_such_key};
use crate::error::{failed, kind_of_code, status};

const ONE: &str = "s3:DeleteObject";
const MANY: &str = "s3:DeleteObjects";

/// How many are settled alone at a time.
const SETTLED_AT_ONCE: usize = 16;

pub(super) async fn one(bucket: &S3Objects, key: &Key, etag: &ETag) -> Result<Delete, PortError> {
    let delete = bucket.client.delete_object().bucket(&bucket.bucket).key(key.as_str()).if_match(etag.quoted());
    match delete.send().await {
        Ok(_) => Ok(Delete::Deleted),
        Err(error) if no_such_key(&error) => Ok(Delete::Deleted),
        Err(error) if status(&error) == Some(412) => Ok(Delete::Replaced),
        Err(error) => Err(failed(ONE, bucket.subject(key), error)),
    }
}

/// One call for all keys that XML can say, and one for each of the others. What came of each is its own: one that may
/// not be deleted keeps none of the others.
pub(super) async fn many(bucket: &S3Objects, objects: &[(Key, ETag)]) -> Result<Vec<Deleted>, PortError> {
    let plain: Vec<_> = objects.iter().filter(|(key, _)| fits_xml(key)).collect();
    let failures = if plain.is_empty() { Vec::new() } else { send(bucket, &plain).await? };
    let failures: HashMap<&str, &Error> =
        failures.iter().filter_map(|failure| Some((failure.key()?, failure))).collect();
    let deleted = stream::iter(objects.to_vec()).map(async |(key, etag)| match failures.get(key.as_str()) {
        _ if !fits_xml(&key) => one(bucket, &key, &etag).await,
        None => Ok(Delete::Deleted),
        Some(failure) => outcome(bucket, &key, &etag, failure).await,
    });
    Ok(deleted.buffered(SETTLED_AT_ONCE).collect().await)
}

/// Deletes them and says which were not.
async fn send(bucket: &S3Objects, objects: &[&(Key, ETag)]) -> Result<Vec<Error>, PortError> {
    let subject = || format!("{} objects of {}", objects.len(), bucket.bucket);
    let built = || {
        let identifier =
            |(key, etag): &(Key, ETag)| ObjectIdentifier::builder().key(key.as_str()).e_tag(etag.quoted()).build();
        let identifiers = objects.iter().map(|object| identifier(object)).collect::<Result<_, _>>()?;
        // Quiet: only what was not deleted is answered.
        Request::builder().set_objects(Some(identifiers)).quiet(true).build()
    };
    let request = built().map_err(|error| PortError::new(MANY, subject(), PortErrorKind::Invalid, error))?;
    let delete = bucket.client.delete_objects().bucket(&bucket.bucket).delete(request);
    let answer = delete.send().await.map_err(|error| failed(MANY, subject(), error))?;
    Ok(answer.errors.unwrap_or_default())
}

async fn outcome(bucket: &S3Objects, key: &Key, etag: &ETag, failure: &Error) -> Deleted {
    let (code, message) = (failure.code().unwrap_or_default(), failure.message().unwrap_or_default());
    match code {
        "PreconditionFailed" => one(bucket, key, etag).await,
        "NoSuchKey" | "NotFound" => Ok(Delete::Deleted),
        _ => Err(PortError::new(MANY, bucket.subject(key), kind_of_code(code), format!("{code}: {message}"))),
    }
}

/// Whether XML 1.0 has characters for all of the key. Source: W3C, "Extensible Markup Language (XML) 1.0", 2.2.
fn fits_xml(key: &Key) -> bool {
    key.as_str().chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..))
}
