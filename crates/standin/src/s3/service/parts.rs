//! Multipart uploads.
//!
//! Checks part numbers and ranges; never knows what an upload is: the storage does.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Part, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};

use super::checksum::{answer, receive};
use super::convert::{error, etag, int, part_etag, read_conditions, source, timestamp, write_condition};
use super::extras::{extras_of, told, told_encryption};
use super::objects::headers_of;
use crate::s3::object::Headers;
use crate::s3::storage::Storage;
use crate::s3::upload::{self, UploadName};

/// The most parts of an upload.
const MAX_PARTS: i32 = 10_000;
/// The most parts or uploads in one answer.
const MAX_LISTED: usize = 1000;

pub(super) fn create(storage: &Storage, input: CreateMultipartUploadInput) -> S3Result<CreateMultipartUploadOutput> {
    let extras = extras_of!(input);
    let headers = headers_of!(input);
    let started = storage.start_upload(&input.bucket, &input.key, headers, extras).map_err(error)?;
    let (server_side_encryption, ssekms_key_id) = told_encryption(started.encryption);
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(started.id),
        server_side_encryption,
        ssekms_key_id,
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: input.checksum_type,
        ..CreateMultipartUploadOutput::default()
    })
}

pub(super) async fn upload(storage: &Storage, req: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
    let input = req.input;
    check_number(input.part_number)?;
    let trailers = req.trailing_headers.as_ref();
    let received = receive(storage, input.body, input.content_length, &req.headers, trailers).await?;
    let name = UploadName { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
    let part = storage.put_part(name, input.part_number, received.content, received.etag).map_err(error)?;
    let checksum = answer(received.checksum.as_ref());
    let (server_side_encryption, ssekms_key_id) = told_encryption(part.encryption);
    Ok(UploadPartOutput {
        e_tag: Some(etag(part.etag)),
        server_side_encryption,
        ssekms_key_id,
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        ..UploadPartOutput::default()
    })
}

pub(super) fn copy(storage: &Storage, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
    check_number(input.part_number)?;
    let range = input.copy_source_range.as_deref().map(copy_range).transpose()?;
    let conditions = read_conditions(
        input.copy_source_if_match,
        input.copy_source_if_none_match,
        input.copy_source_if_modified_since,
        input.copy_source_if_unmodified_since,
    );
    let name = UploadName { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
    let from = source(&input.copy_source)?;
    let part = storage.copy_part(name, input.part_number, from, &conditions, range).map_err(error)?;
    let (server_side_encryption, ssekms_key_id) = told_encryption(part.encryption);
    Ok(UploadPartCopyOutput {
        server_side_encryption,
        ssekms_key_id,
        copy_part_result: Some(CopyPartResult {
            e_tag: Some(etag(part.etag)),
            last_modified: Some(timestamp(part.modified)),
            ..CopyPartResult::default()
        }),
        ..UploadPartCopyOutput::default()
    })
}

pub(super) fn complete(
    storage: &Storage,
    input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let condition = write_condition(input.if_match, input.if_none_match)?;
    let listed = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let parts: Option<Vec<(i32, Option<String>)>> =
        listed.iter().map(|part| Some((part.part_number?, part_etag(part.e_tag.as_ref())))).collect();
    let parts = parts
        .filter(|parts| !parts.is_empty())
        .ok_or_else(|| s3_error!(MalformedXML, "list at least one part, each with its number"))?;
    let name = UploadName { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
    let info = storage.complete_upload(name, &parts, &condition).map_err(error)?;
    let told = told(info.extras.as_ref());
    Ok(CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(etag(info.etag)),
        server_side_encryption: told.encryption,
        ssekms_key_id: told.key,
        ..CompleteMultipartUploadOutput::default()
    })
}

pub(super) fn abort(storage: &Storage, input: &AbortMultipartUploadInput) -> S3Result<AbortMultipartUploadOutput> {
    let name = UploadName { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
    storage.abort_upload(name).map_err(error)?;
    Ok(AbortMultipartUploadOutput::default())
}

pub(super) fn list(storage: &Storage, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let name = UploadName { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
    let after = input.part_number_marker.unwrap_or(0);
    let most = input.max_parts.and_then(|most| usize::try_from(most).ok()).unwrap_or(MAX_LISTED);
    let mut parts = storage.parts(name).map_err(error)?;
    parts.retain(|(number, _)| *number > after);
    let truncated = parts.len() > most;
    parts.truncate(most);
    let part = |(number, part): &(i32, upload::Part)| Part {
        part_number: Some(*number),
        e_tag: Some(etag(part.etag)),
        size: Some(int(part.size)),
        last_modified: Some(timestamp(part.modified)),
        ..Part::default()
    };
    Ok(ListPartsOutput {
        next_part_number_marker: parts.last().map(|(number, _)| *number).filter(|_| truncated),
        is_truncated: Some(truncated),
        parts: Some(parts.iter().map(part).collect()),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        ..ListPartsOutput::default()
    })
}

/// All uploads under a prefix at once: there are never many here.
pub(super) fn list_uploads(
    storage: &Storage,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let prefix = input.prefix.unwrap_or_default();
    let uploads = storage.uploads(&input.bucket, &prefix).map_err(error)?;
    let upload = |upload: crate::s3::multipart::UploadInfo| MultipartUpload {
        key: Some(upload.key),
        upload_id: Some(upload.id),
        initiated: Some(timestamp(upload.started)),
        ..MultipartUpload::default()
    };
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(prefix),
        is_truncated: Some(false),
        uploads: Some(uploads.into_iter().map(upload).collect()),
        ..ListMultipartUploadsOutput::default()
    })
}

fn check_number(number: i32) -> S3Result<()> {
    match number {
        1..=MAX_PARTS => Ok(()),
        _ => Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and {MAX_PARTS}, inclusive")),
    }
}

/// `bytes=first-last`, both inclusive and both required here.
fn copy_range(header: &str) -> S3Result<std::ops::Range<u64>> {
    match s3s::dto::Range::parse(header) {
        Ok(s3s::dto::Range::Int { first, last: Some(last) }) => Ok(first..last + 1),
        _ => Err(s3_error!(InvalidArgument, "x-amz-copy-source-range must be bytes=first-last")),
    }
}
