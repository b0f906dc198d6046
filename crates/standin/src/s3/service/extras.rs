//! Storage classes, encryption and tags in requests and answers.
//!
//! Never does more than translate; the storage knows their effects.

use std::sync::Arc;

use s3s::dto::{
    GetBucketEncryptionOutput, GetObjectTaggingOutput, SSEKMSKeyId, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, StorageClass, Tag,
    TagSet,
};
use s3s::{S3Result, s3_error};

use super::convert::error;
use crate::s3::error::StorageError;
use crate::s3::extras::{Encryption, Extras, is_class};
use crate::s3::tags::{self, Tags};

/// Collects what a request says about class, encryption and tags. The requests' field names are the same.
macro_rules! extras_of {
    ($input:expr) => {{
        $crate::s3::service::extras::no_customer_key($input.sse_customer_algorithm.as_ref())?;
        $crate::s3::extras::Extras {
            storage_class: $crate::s3::service::extras::class($input.storage_class.as_ref())?,
            encryption: $crate::s3::service::extras::encryption(
                $input.server_side_encryption.as_ref(),
                $input.ssekms_key_id.as_ref(),
            ),
            tags: $crate::s3::service::extras::tags_in($input.tagging.as_deref())?,
        }
    }};
}
pub(super) use extras_of;

/// Refuses keys that only the client has: every read would need them.
pub(super) fn no_customer_key(algorithm: Option<&String>) -> S3Result<()> {
    let what = "encryption with a customer's own key (SSE-C), in this stand-in";
    algorithm.map_or(Ok(()), |_| Err(error(StorageError::NotImplemented { what })))
}

pub(super) fn class(given: Option<&StorageClass>) -> S3Result<Option<String>> {
    let given = given.map(|class| class.as_str().to_owned());
    match given {
        Some(class) if !is_class(&class) => Err(error(StorageError::NoSuchClass { class })),
        given => Ok(given),
    }
}

pub(super) fn encryption(algorithm: Option<&ServerSideEncryption>, key: Option<&SSEKMSKeyId>) -> Option<Encryption> {
    let algorithm = algorithm?.as_str().to_owned();
    Some(Encryption { algorithm, key: key.cloned() })
}

pub(super) fn tags_in(header: Option<&str>) -> S3Result<Tags> {
    header.map_or(Ok(Tags::new()), |header| tags::in_header(header).map_err(error))
}

/// The tags in a request's body.
pub(super) fn tags_of(set: TagSet) -> S3Result<Tags> {
    let pairs = set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    tags::set(pairs).map_err(error)
}

/// What a copy does with annotations. No object here has any, so both directives have the same effect.
const ANNOTATIONS: &str = "x-amz-object-annotation-directive";

/// Refuses a directive that S3 does not know. `s3s` has no field for it.
/// Source: Amazon S3 API Reference, `CopyObject`, "Valid Values: COPY | EXCLUDE".
pub(super) fn check_annotations(headers: &http::HeaderMap) -> S3Result<()> {
    match headers.get(ANNOTATIONS).map(http::HeaderValue::as_bytes) {
        None | Some(b"COPY" | b"EXCLUDE") => Ok(()),
        Some(_) => Err(s3_error!(InvalidArgument, "Unknown annotation directive.")),
    }
}

pub(super) fn tagging(tags: Tags) -> GetObjectTaggingOutput {
    let tag = |(key, value)| Tag { key: Some(key), value: Some(value) };
    GetObjectTaggingOutput { tag_set: tags.into_iter().map(tag).collect(), version_id: None }
}

/// What an answer says about an object's extras.
pub(super) struct Told {
    pub(super) storage_class: Option<StorageClass>,
    pub(super) encryption: Option<ServerSideEncryption>,
    pub(super) key: Option<SSEKMSKeyId>,
    pub(super) tags: Option<i32>,
}

/// S3 names every class except STANDARD, and every encryption.
/// Source: Amazon S3 API Reference, `HeadObject`, `x-amz-storage-class` and `x-amz-server-side-encryption`.
pub(super) fn told(extras: Option<&Arc<Extras>>) -> Told {
    let (encryption, key) = told_encryption(extras.and_then(|extras| extras.encryption.clone()));
    Told {
        storage_class: extras.and_then(|extras| extras.storage_class.clone()).map(StorageClass::from),
        encryption,
        key,
        tags: extras
            .map(|extras| extras.tags.len())
            .filter(|count| *count > 0)
            .and_then(|count| i32::try_from(count).ok()),
    }
}

/// What an answer says about an encryption. `None`: with S3's own keys.
pub(super) fn told_encryption(encryption: Option<Encryption>) -> (Option<ServerSideEncryption>, Option<SSEKMSKeyId>) {
    let encryption = encryption.unwrap_or_else(Encryption::s3);
    (Some(ServerSideEncryption::from(encryption.algorithm)), encryption.key)
}

/// A bucket's default encryption from a request. `None`: with S3's own keys.
pub(super) fn default_of(configuration: ServerSideEncryptionConfiguration) -> Option<Encryption> {
    let by_default = configuration.rules.into_iter().next()?.apply_server_side_encryption_by_default?;
    encryption(Some(&by_default.sse_algorithm), by_default.kms_master_key_id.as_ref()).filter(Encryption::is_kms)
}

/// A bucket's default encryption for an answer.
pub(super) fn bucket_encryption(default: Option<Encryption>) -> GetBucketEncryptionOutput {
    let default = default.unwrap_or_else(Encryption::s3);
    let by_default = ServerSideEncryptionByDefault {
        kms_master_key_id: default.key,
        sse_algorithm: ServerSideEncryption::from(default.algorithm),
    };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(by_default),
        bucket_key_enabled: Some(false),
    };
    let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
    GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) }
}
