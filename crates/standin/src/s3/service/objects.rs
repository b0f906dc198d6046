//! Operations on single objects and on several at once.
//!
//! Reads conditions from the request and passes them to the storage; never checks them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures_util::TryStreamExt;
use http_body_util::StreamBody;
use hyper::body::Frame;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, Error, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    Metadata, MetadataDirective, ObjectIdentifier, PutObjectInput, PutObjectOutput, StreamingBlob, TaggingDirective,
};
use s3s::{Body, S3Request, S3Result, s3_error};

use super::checksum::{answer, receive};
use super::convert::{
    condition_in, delete_condition, error, etag, int, read_conditions, read_error, source, timestamp, write_condition,
};
use super::extras::{check_annotations, extras_of, no_customer_key, told};
use crate::s3::condition::Condition;
use crate::s3::copy::Copy;
use crate::s3::error::StorageError;
use crate::s3::object::{Headers, Object};
use crate::s3::reading::Reading;
use crate::s3::storage::Storage;
use crate::s3::write::Put;

/// The most objects in one `DeleteObjects`.
const MAX_DELETES: usize = 1000;

/// Collects what a request says about an object besides its content. The requests' field names are the same.
macro_rules! headers_of {
    ($input:expr) => {
        Headers {
            content_type: $input.content_type,
            content_encoding: $crate::s3::service::objects::content_encoding($input.content_encoding),
            content_language: $input.content_language,
            content_disposition: $input.content_disposition,
            cache_control: $input.cache_control,
            metadata: $crate::s3::service::objects::metadata($input.metadata),
            checksum: None,
        }
    };
}
pub(super) use headers_of;

pub(super) async fn put(storage: &Storage, req: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
    let input = req.input;
    let condition = write_condition(input.if_match, input.if_none_match)?;
    let extras = extras_of!(input);
    let trailers = req.trailing_headers.as_ref();
    let received = receive(storage, input.body, input.content_length, &req.headers, trailers).await?;
    let put = Put {
        condition,
        headers: Headers { checksum: received.checksum.clone(), ..headers_of!(input) },
        extras,
        last_modified: None,
    };
    let info = storage.put_content(&input.bucket, &input.key, received.content, received.etag, put).map_err(error)?;
    let checksum = answer(received.checksum.as_ref());
    let told = told(info.extras.as_ref());
    Ok(PutObjectOutput {
        e_tag: Some(etag(info.etag)),
        server_side_encryption: told.encryption,
        ssekms_key_id: told.key,
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        ..PutObjectOutput::default()
    })
}

pub(super) fn get(storage: &Storage, input: GetObjectInput) -> S3Result<GetObjectOutput> {
    let conditions =
        read_conditions(input.if_match, input.if_none_match, input.if_modified_since, input.if_unmodified_since);
    let reading = storage.open(&input.bucket, &input.key, &conditions).map_err(read_error)?;
    reading.object.check_readable(&input.key).map_err(error)?;
    let (range, content_range) = requested(input.range, reading.object.size)?;
    let headers = visible(&reading.object);
    let asked = input.checksum_mode.is_some() && content_range.is_none();
    let checksum = answer(headers.checksum.as_ref().filter(|_| asked));
    let told = told(reading.object.extras.as_ref());
    Ok(GetObjectOutput {
        storage_class: told.storage_class,
        server_side_encryption: told.encryption,
        ssekms_key_id: told.key,
        tag_count: told.tags,
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some(int(range.end - range.start)),
        content_range,
        e_tag: Some(etag(reading.object.etag)),
        last_modified: Some(timestamp(reading.object.modified)),
        content_type: Some(content_type(&headers)),
        content_encoding: headers.content_encoding.clone(),
        content_language: headers.content_language.clone(),
        content_disposition: headers.content_disposition.clone(),
        cache_control: headers.cache_control.clone(),
        metadata: Some(user_metadata(&headers)),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        body: Some(body(reading, range)),
        ..GetObjectOutput::default()
    })
}

pub(super) fn head(storage: &Storage, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
    let conditions =
        read_conditions(input.if_match, input.if_none_match, input.if_modified_since, input.if_unmodified_since);
    let reading = storage.open(&input.bucket, &input.key, &conditions).map_err(read_error)?;
    let (range, content_range) = requested(input.range, reading.object.size)?;
    let headers = visible(&reading.object);
    let asked = input.checksum_mode.is_some() && content_range.is_none();
    let checksum = answer(headers.checksum.as_ref().filter(|_| asked));
    let told = told(reading.object.extras.as_ref());
    Ok(HeadObjectOutput {
        storage_class: told.storage_class,
        server_side_encryption: told.encryption,
        ssekms_key_id: told.key,
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some(int(range.end - range.start)),
        content_range,
        e_tag: Some(etag(reading.object.etag)),
        last_modified: Some(timestamp(reading.object.modified)),
        content_type: Some(content_type(&headers)),
        content_encoding: headers.content_encoding.clone(),
        content_language: headers.content_language.clone(),
        content_disposition: headers.content_disposition.clone(),
        cache_control: headers.cache_control.clone(),
        metadata: Some(user_metadata(&headers)),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        ..HeadObjectOutput::default()
    })
}

pub(super) fn copy(storage: &Storage, req: S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
    let condition = condition_in(&req.headers)?;
    check_annotations(&req.headers)?;
    let input = req.input;
    let (bucket, key) = source(&input.copy_source)?;
    let from = (bucket.to_owned(), key.to_owned());
    let replace =
        input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    let extras = extras_of!(input);
    no_customer_key(input.copy_source_sse_customer_algorithm.as_ref())?;
    let new_tags =
        input.tagging_directive.as_ref().is_some_and(|directive| directive.as_str() == TaggingDirective::REPLACE);
    let copy = Copy {
        from,
        condition,
        source: read_conditions(
            input.copy_source_if_match,
            input.copy_source_if_none_match,
            input.copy_source_if_modified_since,
            input.copy_source_if_unmodified_since,
        ),
        headers: replace.then(|| headers_of!(input)),
        storage_class: extras.storage_class,
        encryption: extras.encryption,
        tags: new_tags.then_some(extras.tags),
        to: (input.bucket, input.key),
    };
    let info = storage.copy_with(&copy).map_err(error)?;
    let told = told(info.extras.as_ref());
    Ok(CopyObjectOutput {
        server_side_encryption: told.encryption,
        ssekms_key_id: told.key,
        copy_object_result: Some(CopyObjectResult {
            e_tag: Some(etag(info.etag)),
            last_modified: Some(timestamp(info.last_modified)),
            ..CopyObjectResult::default()
        }),
        ..CopyObjectOutput::default()
    })
}

pub(super) fn delete(storage: &Storage, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
    if input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
        let what = "conditions on size or time of a delete outside of directory buckets";
        return Err(error(StorageError::NotImplemented { what }));
    }
    let condition = delete_condition(input.if_match);
    storage.remove_if(&input.bucket, &input.key, &condition).map_err(error)?;
    Ok(DeleteObjectOutput::default())
}

/// A missing key counts as deleted. With an `ETag` it is an error, as for a single conditional delete. `refused`
/// returns the code and the message for a key that must not be deleted.
pub(super) fn delete_many(
    storage: &Storage,
    input: DeleteObjectsInput,
    refused: impl Fn(&str, &str) -> Option<(&'static str, &'static str)>,
) -> S3Result<DeleteObjectsOutput> {
    let quiet = input.delete.quiet.unwrap_or(false);
    if input.delete.objects.len() > MAX_DELETES {
        return Err(s3_error!(MalformedXML, "more than {MAX_DELETES} objects in one request"));
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    let allowed = |object: &ObjectIdentifier| match refused(&input.bucket, &object.key) {
        Some((code, message)) => {
            errors.push(failure(object.key.clone(), code, Some(message)));
            false
        }
        None => true,
    };
    let objects: Vec<(String, Condition)> = input
        .delete
        .objects
        .into_iter()
        .filter(allowed)
        .map(|object| {
            let condition = object.e_tag.map_or(Condition::None, |etag| Condition::IfMatch(etag.into_value()));
            (object.key, condition)
        })
        .collect();
    let results = storage.remove_many(&input.bucket, &objects).map_err(error)?;
    for ((key, _), result) in objects.into_iter().zip(results) {
        match result {
            Ok(_) if quiet => {}
            Ok(_) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
            Err(problem) => {
                let problem = error(problem);
                errors.push(failure(key, problem.code().as_str(), problem.message()));
            }
        }
    }
    Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..DeleteObjectsOutput::default() })
}

fn failure(key: String, code: &str, message: Option<&str>) -> Error {
    Error { key: Some(key), code: Some(code.to_owned()), message: message.map(str::to_owned), ..Error::default() }
}

/// `aws-chunked` describes how the body was sent, not what it is, so S3 does not keep it.
pub(super) fn content_encoding(given: Option<String>) -> Option<String> {
    let given = given?;
    let kept: Vec<_> = given
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

pub(super) fn metadata(given: Option<Metadata>) -> BTreeMap<String, String> {
    given.unwrap_or_default().into_iter().collect()
}

fn user_metadata(headers: &Headers) -> Metadata {
    let pairs = headers.metadata.iter();
    pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn content_type(headers: &Headers) -> String {
    headers.content_type.as_deref().unwrap_or("binary/octet-stream").to_owned()
}

fn visible(object: &Object) -> Arc<Headers> {
    object.headers.clone().unwrap_or_default()
}

/// The requested bytes, and the header that describes them if they are not the whole object.
fn requested(range: Option<s3s::dto::Range>, size: u64) -> S3Result<(Range<u64>, Option<String>)> {
    let Some(range) = range else {
        return Ok((0..size, None));
    };
    let range = range.check(size)?;
    let content_range = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
    Ok((range, Some(content_range)))
}

fn body(reading: Reading, range: Range<u64>) -> StreamingBlob {
    let frames = reading.stream(range).map_ok(Frame::data);
    StreamingBlob::from(Body::http_body_unsync(StreamBody::new(frames)))
}
