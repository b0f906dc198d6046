//! Copies objects that are too large for one call: a multipart upload whose parts are copied.
//!
//! Every part has the source's `ETag` as its condition, so two versions are never mixed. Completing the upload has the
//! condition that no object has the new key. A failed upload is aborted, so that no parts are left behind and paid for.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Tag};
use futures_util::{StreamExt, TryStreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_core::object::{File, Key};
use sluice_core::ports::{Copy, Operation, PortError, Service};

use super::attempts::Attempts;
use super::copy::{patient, source, subject, why_refused};
use super::{S3Objects, get, incomplete, no_such_key, refused};
use crate::error::failed;

const CREATE: Operation = Service::Bucket.call("s3:CreateMultipartUpload");
const PART: Operation = Service::Bucket.call("s3:UploadPartCopy");
const COMPLETE: Operation = Service::Bucket.call("s3:CompleteMultipartUpload");
const HEAD: Operation = Service::Bucket.call("s3:HeadObject");
const TAGS: Operation = Service::Bucket.call("s3:GetObjectTagging");

/// The most parts of an upload. Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
const MAX_PARTS: u64 = 10_000;

/// Why a step stopped.
enum Stop {
    /// A condition did not hold. `repeated` says whether an earlier try of the same step may have taken effect.
    Refused {
        repeated: bool,
    },
    Failed(PortError),
}

/// A copy in progress.
struct Upload<'a> {
    bucket: &'a S3Objects,
    from: &'a File,
    to: &'a Key,
    id: String,
}

pub(super) async fn copy(bucket: &S3Objects, from: &File, to: &Key) -> Result<Copy, PortError> {
    // This check does not decide: the condition on completing the upload does. It saves copying gigabytes in vain.
    if get::head(bucket, to).await?.is_some() {
        return why_refused(bucket, from, to, |_| false).await;
    }
    match attempt(bucket, from, to).await {
        Ok(()) => Ok(Copy::Copied),
        Err(Stop::Refused { repeated }) => {
            let parts = format!("-{}", parts(from.size, bucket.copies.part).len());
            let ours = |there: &File| repeated && there.size == from.size && there.etag.as_str().ends_with(&parts);
            why_refused(bucket, from, to, ours).await
        }
        Err(Stop::Failed(error)) => Err(error),
    }
}

async fn attempt(bucket: &S3Objects, from: &File, to: &Key) -> Result<(), Stop> {
    let upload = Upload { bucket, from, to, id: begin(bucket, from, to).await? };
    let done = match upload.copy_parts().await {
        Ok(parts) => upload.complete(parts).await,
        Err(stop) => Err(stop),
    };
    if done.is_err() {
        upload.abort().await;
    }
    done
}

/// Begins the upload with the metadata and tags that `CopyObject` would have copied by itself.
async fn begin(bucket: &S3Objects, from: &File, to: &Key) -> Result<String, Stop> {
    let head = bucket.client.head_object().bucket(&bucket.bucket).key(from.key.as_str()).if_match(from.etag.quoted());
    let head = head.send().await.map_err(|error| stop(HEAD, bucket.subject(&from.key), error, false))?;
    let tagging = tagging(bucket, from, &head).await?;
    let create = bucket.client.create_multipart_upload().bucket(&bucket.bucket).key(to.as_str());
    let create = with_metadata(create, head).set_tagging(tagging);
    let created = create.send().await.map_err(|error| stop(CREATE, bucket.subject(to), error, false))?;
    created.upload_id.ok_or_else(|| Stop::Failed(incomplete(CREATE, to.as_str(), "an upload id")))
}

fn with_metadata(
    create: CreateMultipartUploadFluentBuilder,
    head: HeadObjectOutput,
) -> CreateMultipartUploadFluentBuilder {
    create
        .set_cache_control(head.cache_control)
        .set_content_disposition(head.content_disposition)
        .set_content_encoding(head.content_encoding)
        .set_content_language(head.content_language)
        .set_content_type(head.content_type)
        .set_metadata(head.metadata)
}

/// The source's tags, as the value of the header that sets them. Asks for them only if there are any.
async fn tagging(bucket: &S3Objects, from: &File, head: &HeadObjectOutput) -> Result<Option<String>, Stop> {
    if head.tag_count().unwrap_or_default() == 0 {
        return Ok(None);
    }
    let tags = bucket.client.get_object_tagging().bucket(&bucket.bucket).key(from.key.as_str());
    let tags = tags.send().await.map_err(|error| stop(TAGS, bucket.subject(&from.key), error, false))?;
    Ok(Some(tags.tag_set().iter().map(encoded).collect::<Vec<_>>().join("&")))
}

fn encoded(tag: &Tag) -> String {
    let [key, value] = [tag.key(), tag.value()].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
    format!("{key}={value}")
}

impl Upload<'_> {
    async fn copy_parts(&self) -> Result<Vec<CompletedPart>, Stop> {
        let parts = parts(self.from.size, self.bucket.copies.part);
        let copies = stream::iter((1..).zip(parts)).map(|(number, range)| self.copy_part(number, range));
        // In the order of their numbers, as completing the upload requires.
        copies.buffered(self.bucket.copies.parts_at_once.max(1)).try_collect().await
    }

    async fn copy_part(&self, number: i32, range: String) -> Result<CompletedPart, Stop> {
        let Self { bucket, from, to, id } = self;
        let part = bucket.client.upload_part_copy().bucket(&bucket.bucket).key(to.as_str());
        let part = part.upload_id(id).part_number(number).copy_source(source(&bucket.bucket, &from.key));
        let part = part.copy_source_range(range).copy_source_if_match(from.etag.quoted());
        let sent = part.customize().config_override(patient()).send().await;
        let copied = sent.map_err(|error| stop(PART, subject(bucket, from, to), error, false))?;
        let etag = copied.copy_part_result.and_then(|result| result.e_tag);
        let etag = etag.ok_or_else(|| Stop::Failed(incomplete(PART, to.as_str(), "an ETag")))?;
        Ok(CompletedPart::builder().part_number(number).e_tag(etag).build())
    }

    async fn complete(&self, parts: Vec<CompletedPart>) -> Result<(), Stop> {
        let Self { bucket, from, to, id } = self;
        let attempts = Attempts::default();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = bucket.client.complete_multipart_upload().bucket(&bucket.bucket).key(to.as_str());
        let complete = complete.upload_id(id).multipart_upload(parts).if_none_match("*");
        let sent = complete.customize().config_override(patient()).mutate_request(attempts.counter()).send().await;
        match sent {
            Ok(_) => Ok(()),
            // A try that took effect has ended the upload, so the next try does not find it.
            Err(error) if error.code() == Some("NoSuchUpload") && attempts.repeated() => {
                Err(Stop::Refused { repeated: true })
            }
            Err(error) => Err(stop(COMPLETE, subject(bucket, from, to), error, attempts.repeated())),
        }
    }

    async fn abort(&self) {
        let Self { bucket, to, id, .. } = self;
        let abort = bucket.client.abort_multipart_upload().bucket(&bucket.bucket).key(to.as_str()).upload_id(id);
        if let Err(error) = abort.send().await
            && error.code() != Some("NoSuchUpload")
        {
            let error = failed(Service::Bucket.call("s3:AbortMultipartUpload"), bucket.subject(to), error);
            tracing::warn!(error = %error, upload_id = %id, "an unfinished multipart upload is left behind");
        }
    }
}

fn stop<E>(operation: Operation, subject: String, error: SdkError<E>, repeated: bool) -> Stop
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if refused(&error) || no_such_key(&error) {
        return Stop::Refused { repeated };
    }
    Stop::Failed(failed(operation, subject, error))
}

/// The ranges of all parts, each as the value of the header that names a part's range.
fn parts(size: u64, part: u64) -> Vec<String> {
    let part = part.max(size.div_ceil(MAX_PARTS)).max(1);
    let begins = (0..size.div_ceil(part)).map(|number| number * part);
    begins.map(|begin| format!("bytes={begin}-{}", size.min(begin + part) - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        assert_eq!(parts(10, 5), ["bytes=0-4", "bytes=5-9"]);
        assert_eq!(parts(11, 5), ["bytes=0-4", "bytes=5-9", "bytes=10-10"]);
        assert_eq!(parts(50 << 40, 256 << 20).len(), 10_000);
    }

    #[test]
    fn tags_are_encoded_as_a_query() {
        let tag = Tag::builder().key("a&b").value("c=d é").build();
        assert_eq!(tag.ok().as_ref().map(encoded).as_deref(), Some("a%26b=c%3Dd%20%C3%A9"));
    }
}
