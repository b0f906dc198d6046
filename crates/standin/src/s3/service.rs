//! S3's operations on the storage, in the terms of the `s3s` crate, which speaks the protocol.
//!
//! Only translates; never decides anything about an object: the storage does.

mod checksum;
mod convert;
mod extras;
mod listing;
mod objects;
mod parts;

use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, BucketLocationConstraint,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketEncryptionInput,
    DeleteBucketEncryptionOutput, DeleteBucketInput, DeleteBucketOutput, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, DeleteObjectsInput, DeleteObjectsOutput,
    GetBucketEncryptionInput, GetBucketEncryptionOutput, GetBucketLocationInput, GetBucketLocationOutput,
    GetObjectInput, GetObjectOutput, GetObjectTaggingInput, GetObjectTaggingOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    ListPartsInput, ListPartsOutput, PutBucketEncryptionInput, PutBucketEncryptionOutput, PutObjectInput,
    PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result};

use super::error::StorageError;
use super::storage::Storage;
use super::tags::Tags;
use crate::faults::Faults;
use convert::{error, timestamp};
pub(crate) use listing::begins_after;

/// The secret of every access key id; the id only identifies the caller.
pub(crate) const SECRET: &str = "sluice";

/// The S3 service on a storage, ready for HTTP requests. The server applies faults to whole requests; the ones here are
/// for the objects of a `DeleteObjects`.
pub(crate) fn service(storage: Storage, region: &str, faults: Faults) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Api { storage, region: region.to_owned(), faults });
    builder.set_auth(AnyCaller);
    builder.build()
}

/// Accepts every caller that signs with the shared secret.
#[derive(Debug)]
struct AnyCaller;

#[async_trait::async_trait]
impl S3Auth for AnyCaller {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(SECRET))
    }
}

/// The operations that the stand-in offers; `s3s` answers `NotImplemented` for all others.
#[derive(Debug)]
struct Api {
    storage: Storage,
    region: String,
    faults: Faults,
}

type Answer<T> = S3Result<S3Response<T>>;

#[allow(clippy::unnecessary_wraps, reason = "every operation ends with it")]
fn ok<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}

#[async_trait::async_trait]
impl S3 for Api {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        self.storage.create_bucket(&req.input.bucket).map_err(error)?;
        ok(CreateBucketOutput { location: Some(format!("/{}", req.input.bucket)) })
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        self.storage.delete_bucket(&req.input.bucket).map_err(error)?;
        ok(DeleteBucketOutput::default())
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.must_exist(&req.input.bucket)?;
        ok(HeadBucketOutput { bucket_region: Some(self.region.clone()), ..HeadBucketOutput::default() })
    }

    async fn get_bucket_location(&self, req: S3Request<GetBucketLocationInput>) -> Answer<GetBucketLocationOutput> {
        self.must_exist(&req.input.bucket)?;
        // The oldest region has no location name.
        let named = Some(&self.region).filter(|region| *region != "us-east-1");
        ok(GetBucketLocationOutput { location_constraint: named.cloned().map(BucketLocationConstraint::from) })
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        let bucket = |(name, created)| Bucket {
            name: Some(name),
            creation_date: Some(timestamp(created)),
            bucket_region: Some(self.region.clone()),
        };
        ok(ListBucketsOutput {
            buckets: Some(self.storage.buckets().into_iter().map(bucket).collect()),
            ..ListBucketsOutput::default()
        })
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        objects::put(&self.storage, req).await.and_then(ok)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        objects::get(&self.storage, req.input).and_then(ok)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        objects::head(&self.storage, req.input).and_then(ok)
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        objects::copy(&self.storage, req).and_then(ok)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        objects::delete(&self.storage, req.input).and_then(ok)
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        let caller = req.credentials.as_ref().map_or("-", |credentials| credentials.access_key.as_str());
        let refused = |bucket: &str, key: &str| self.faults.delete_among_others(caller, bucket, key);
        objects::delete_many(&self.storage, req.input, refused).and_then(ok)
    }

    async fn get_object_tagging(&self, req: S3Request<GetObjectTaggingInput>) -> Answer<GetObjectTaggingOutput> {
        let tags = self.storage.tags(&req.input.bucket, &req.input.key).map_err(error)?;
        ok(extras::tagging(tags))
    }

    async fn put_object_tagging(&self, req: S3Request<PutObjectTaggingInput>) -> Answer<PutObjectTaggingOutput> {
        let input = req.input;
        let tags = extras::tags_of(input.tagging.tag_set)?;
        self.storage.set_tags(&input.bucket, &input.key, tags).map_err(error)?;
        ok(PutObjectTaggingOutput::default())
    }

    async fn delete_object_tagging(
        &self,
        req: S3Request<DeleteObjectTaggingInput>,
    ) -> Answer<DeleteObjectTaggingOutput> {
        self.storage.set_tags(&req.input.bucket, &req.input.key, Tags::new()).map_err(error)?;
        ok(DeleteObjectTaggingOutput::default())
    }

    async fn get_bucket_encryption(
        &self,
        req: S3Request<GetBucketEncryptionInput>,
    ) -> Answer<GetBucketEncryptionOutput> {
        let default = self.storage.encryption(&req.input.bucket).map_err(error)?;
        ok(extras::bucket_encryption(default))
    }

    async fn put_bucket_encryption(
        &self,
        req: S3Request<PutBucketEncryptionInput>,
    ) -> Answer<PutBucketEncryptionOutput> {
        let default = extras::default_of(req.input.server_side_encryption_configuration);
        self.storage.set_encryption(&req.input.bucket, default).map_err(error)?;
        ok(PutBucketEncryptionOutput::default())
    }

    async fn delete_bucket_encryption(
        &self,
        req: S3Request<DeleteBucketEncryptionInput>,
    ) -> Answer<DeleteBucketEncryptionOutput> {
        self.storage.set_encryption(&req.input.bucket, None).map_err(error)?;
        ok(DeleteBucketEncryptionOutput::default())
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        listing::v1(&self.storage, req.input).and_then(ok)
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        listing::v2(&self.storage, req.input).and_then(ok)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        parts::create(&self.storage, req.input).and_then(ok)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        parts::upload(&self.storage, req).await.and_then(ok)
    }

    async fn upload_part_copy(&self, req: S3Request<UploadPartCopyInput>) -> Answer<UploadPartCopyOutput> {
        parts::copy(&self.storage, req.input).and_then(ok)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        parts::complete(&self.storage, req.input).and_then(ok)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        parts::abort(&self.storage, &req.input).and_then(ok)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        parts::list(&self.storage, req.input).and_then(ok)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        parts::list_uploads(&self.storage, req.input).and_then(ok)
    }
}

impl Api {
    fn must_exist(&self, bucket: &str) -> S3Result<()> {
        if self.storage.has_bucket(bucket) {
            return Ok(());
        }
        Err(error(StorageError::no_such_bucket(bucket)))
    }
}
