//! Single objects: `GetObject` and `HeadObject`.

use sluice_core::object::{ETag, File, Key};
use sluice_core::ports::{Content, PortError, PortErrorKind};

use super::{S3Objects, file, incomplete, no_such_key};
use crate::error::{failed, status};

const GET: &str = "s3:GetObject";
const HEAD: &str = "s3:HeadObject";

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

pub(super) async fn read(
    bucket: &S3Objects,
    file: &File,
    from: u64,
    length: u64,
) -> Result<Option<Vec<u8>>, PortError> {
    let key = &file.key;
    let range = format!("bytes={from}-{}", from.saturating_add(length).saturating_sub(1));
    let get = bucket.client.get_object().bucket(&bucket.bucket).key(key.as_str()).range(range);
    let object = match get.if_match(file.etag.as_str()).send().await {
        Ok(object) => object,
        Err(error) if no_such_key(&error) || status(&error) == Some(412) => return Ok(None),
        Err(error) => return Err(failed(GET, bucket.subject(key), error)),
    };
    let cut = |error| PortError::new(GET, bucket.subject(key), PortErrorKind::Unavailable, error);
    let body = object.body.collect().await.map_err(|error| cut(Box::new(error)))?;
    Ok(Some(body.to_vec()))
}

pub(super) async fn head(bucket: &S3Objects, key: &Key) -> Result<Option<File>, PortError> {
    match bucket.client.head_object().bucket(&bucket.bucket).key(key.as_str()).send().await {
        Ok(head) => file(HEAD, key, head.e_tag(), head.content_length(), head.last_modified()).map(Some),
        Err(error) if no_such_key(&error) => Ok(None),
        Err(error) => Err(failed(HEAD, bucket.subject(key), error)),
    }
}
