//! Single objects: `GetObject` and `HeadObject`.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;
use sluice_core::object::{ETag, File, Key};
use sluice_core::ports::{Content, Operation, Part, PortError, PortErrorKind, Service};

use super::{S3Objects, file, incomplete, no_such_key};
use crate::error::{failed, status};

const GET: Operation = Service::Bucket.call("s3:GetObject");
const HEAD: Operation = Service::Bucket.call("s3:HeadObject");

pub(super) async fn get(bucket: &S3Objects, key: &Key) -> Result<Option<Content>, PortError> {
    let object = match bucket.client.get_object().bucket(&bucket.bucket).key(key.as_str()).send().await {
        Ok(object) => object,
        Err(error) if no_such_key(&error) => return Ok(None),
        Err(error) => return Err(failed(GET, bucket.subject(key), error)),
    };
    let etag = object.e_tag().map(ETag::new).ok_or_else(|| incomplete(GET, key.as_str(), "an ETag"))?;
    let cut = |error| PortError::new(GET, bucket.subject(key), PortErrorKind::Unavailable, error);
    let body = object.body.collect().await.map_err(|error| cut(Box::new(error)))?;
    Ok(Some(Content { body: body.to_vec(), etag }))
}

pub(super) async fn read(bucket: &S3Objects, file: &File, from: u64, length: u64) -> Result<Option<Part>, PortError> {
    let key = &file.key;
    let range = format!("bytes={from}-{}", from.saturating_add(length).saturating_sub(1));
    let get = bucket.client.get_object().bucket(&bucket.bucket).key(key.as_str()).range(range);
    let object = match get.if_match(file.etag.as_str()).send().await {
        Ok(object) => object,
        Err(error) if no_such_key(&error) || status(&error) == Some(412) => return Ok(None),
        Err(error) => return Err(failed(GET, bucket.subject(key), error)),
    };
    let hashed = file.etag.may_be_hash() && !is_sealed(&object);
    let cut = |error| PortError::new(GET, bucket.subject(key), PortErrorKind::Unavailable, error);
    let body = object.body.collect().await.map_err(|error| cut(Box::new(error)))?;
    Ok(Some(Part { bytes: body.to_vec(), hashed }))
}

/// Whether the `ETag` is computed from the encrypted content. Only under S3's own keys is it computed from the content.
fn is_sealed(object: &GetObjectOutput) -> bool {
    let own = |encryption: &ServerSideEncryption| *encryption == ServerSideEncryption::Aes256;
    !object.server_side_encryption().is_none_or(own) || object.sse_customer_algorithm().is_some()
}

pub(super) async fn head(bucket: &S3Objects, key: &Key) -> Result<Option<File>, PortError> {
    match bucket.client.head_object().bucket(&bucket.bucket).key(key.as_str()).send().await {
        Ok(head) => file(HEAD, key, head.e_tag(), head.content_length(), head.last_modified()).map(Some),
        Err(error) if no_such_key(&error) => Ok(None),
        Err(error) => Err(failed(HEAD, bucket.subject(key), error)),
    }
}
