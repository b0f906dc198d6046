//! Object tags: which sets S3 accepts, and how tags change without the object.
//!
//! Never touches an `ETag` or a last-modified time: in S3, new tags do not make a new object.
//! Source: Amazon S3 User Guide, "Categorizing your objects using tags".

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::StorageError;
use super::extras::{Extras, shared};
use super::folder::Record;
use super::storage::Storage;

const MOST: usize = 10;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// An object's tags, by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// The set of these pairs, checked as S3 checks it.
pub(crate) fn set(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Tags, StorageError> {
    let invalid = |reason| Err(StorageError::InvalidTag { reason });
    let mut tags = Tags::new();
    for (key, value) in pairs {
        if key.is_empty() || key.chars().count() > LONGEST_KEY {
            return invalid("The TagKey you have provided is invalid");
        }
        if value.chars().count() > LONGEST_VALUE {
            return invalid("The TagValue you have provided is invalid");
        }
        if tags.insert(key, value).is_some() {
            return invalid("Cannot provide multiple Tags with the same key");
        }
    }
    if tags.len() > MOST {
        return invalid("Object tags cannot be greater than 10");
    }
    Ok(tags)
}

/// The set in a header `x-amz-tagging`, which has the form of a URL query.
pub(crate) fn in_header(header: &str) -> Result<Tags, StorageError> {
    set(form_urlencoded::parse(header.as_bytes()).into_owned())
}

impl Storage {
    /// The tags of an object.
    pub fn tags(&self, bucket: &str, key: &str) -> Result<Tags, StorageError> {
        let state = self.lock();
        let object = state.object(bucket, key)?;
        Ok(object.extras.as_ref().map(|extras| extras.tags.clone()).unwrap_or_default())
    }

    /// Replaces the tags of an object.
    pub fn set_tags(&self, bucket: &str, key: &str, tags: Tags) -> Result<(), StorageError> {
        let mut state = self.lock();
        let mut object = state.object(bucket, key)?.clone();
        let extras = object.extras.as_ref().map(|extras| Extras::clone(extras)).unwrap_or_default();
        object.extras = shared(Extras { tags, ..extras });
        self.record_with(|| Record::Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            object: Box::new((&object).into()),
        })?;
        let extras = object.extras.as_ref().map(Arc::clone);
        if let Some(stored) = state.bucket_mut(bucket)?.objects.get_mut(key) {
            stored.extras = extras;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn a_header_is_read_like_a_query() {
        let tags = in_header("team=data&note=a%20b%26c&empty=").unwrap();
        let expected = [("empty", ""), ("note", "a b&c"), ("team", "data")];
        assert_eq!(tags, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    #[test_case("=value", "The TagKey you have provided is invalid"; "no key")]
    #[test_case("a=1&a=2", "Cannot provide multiple Tags with the same key"; "twice")]
    #[test_case(&format!("{}=1", "k".repeat(129)), "The TagKey you have provided is invalid"; "long key")]
    #[test_case(&format!("k={}", "v".repeat(257)), "The TagValue you have provided is invalid"; "long value")]
    #[test_case("0=&1=&2=&3=&4=&5=&6=&7=&8=&9=&10=", "Object tags cannot be greater than 10"; "too many")]
    fn what_s3_does_not_take(header: &str, reason: &str) {
        assert_eq!(in_header(header).unwrap_err().to_string(), reason);
    }
}
