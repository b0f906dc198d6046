//! Listings: `ListObjectsV2`.

use aws_sdk_s3::types::{EncodingType, Object, ObjectStorageClass};
use percent_encoding::percent_decode_str;
use sluice_core::object::{File, Key, Prefix};
use sluice_core::ports::{Operation, Page, PortError, PortErrorKind, Service};

use super::{S3Objects, file, incomplete};
use crate::error::failed;

const LIST: Operation = Service::Bucket.call("s3:ListObjectsV2");

/// Where a page begins.
#[derive(Clone, Copy)]
pub(super) enum From<'a> {
    /// Where the page before ended; `None` begins with the first key.
    Page(Option<&'a str>),
    /// After this key.
    Key(&'a str),
}

/// Reads one page. Asks for encoded keys: a single key that XML cannot represent would make the page unreadable.
pub(super) async fn list(bucket: &S3Objects, prefix: &Prefix, from: From<'_>) -> Result<Page, PortError> {
    let subject = || format!("{}/{prefix}", bucket.bucket);
    let list = bucket.client.list_objects_v2().bucket(&bucket.bucket).prefix(prefix.as_str());
    let list = match from {
        From::Page(token) => list.set_continuation_token(token.map(str::to_owned)),
        From::Key(key) => list.start_after(key),
    };
    let page = list.encoding_type(EncodingType::Url).send().await.map_err(|error| failed(LIST, subject(), error))?;
    let encoded = page.encoding_type() == Some(&EncodingType::Url);
    let frozen = |object: &&Object| {
        matches!(object.storage_class(), Some(ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive))
    };
    let (frozen, there): (Vec<&Object>, Vec<&Object>) = page.contents().iter().partition(frozen);
    let files = there.into_iter().map(|object| listed(object, encoded)).collect::<Result<_, _>>()?;
    let frozen = frozen.into_iter().map(|object| key(object, encoded)).collect::<Result<_, _>>()?;
    let next = match (page.is_truncated(), page.next_continuation_token) {
        (Some(true), None) => return Err(incomplete(LIST, &subject(), "where the next page begins")),
        (truncated, next) => next.filter(|_| truncated == Some(true)),
    };
    Ok(Page { files, frozen, next })
}

fn listed(object: &Object, encoded: bool) -> Result<File, PortError> {
    let key = key(object, encoded)?;
    file(LIST, &key, object.e_tag(), object.size(), object.last_modified())
}

fn key(object: &Object, encoded: bool) -> Result<Key, PortError> {
    let key = object.key().ok_or_else(|| incomplete(LIST, "", "a key"))?;
    let decoded = if encoded { form_decoded(key) } else { Some(key.to_owned()) };
    let decoded = decoded.ok_or_else(|| incomplete(LIST, key, "a key in UTF-8"))?;
    let invalid = |error| PortError::new(LIST, key, PortErrorKind::Invalid, error);
    Key::new(decoded).map_err(|error| invalid(Box::new(error)))
}

/// Decodes a key. S3 encodes keys as forms do: a space is `+`.
fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_as_forms_are() {
        assert_eq!(form_decoded("a+b%2Bc%20d/%C3%A9%0A").as_deref(), Some("a b+c d/é\n"));
        assert_eq!(form_decoded("%FF"), None);
    }
}
