//! Conditions of writes and deletes: requirements on the current object, decided under the storage's lock.
//!
//! Knows only S3's rules, and never looks up an object itself.

use super::error::StorageError;
use super::etag::Etag;

/// What the current object must satisfy before a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// `If-None-Match: *`: the object must not exist.
    IfAbsent,
    /// `If-Match: <etag>`: the object must have this `ETag`, with or without quotes.
    IfMatch(String),
    /// `If-Match: *`, for deletes only: the object must exist.
    IfPresent,
}

impl Condition {
    /// Checks the condition against the current object's tag.
    ///
    /// `If-Match` without an object is 404, not 412, as in S3. So a writer can tell a lost object from a lost race.
    pub(crate) fn check(&self, bucket: &str, key: &str, current: Option<&Etag>) -> Result<(), StorageError> {
        match (self, current) {
            (Self::None, _) | (Self::IfAbsent, None) | (Self::IfPresent, Some(_)) => Ok(()),
            (Self::IfAbsent, Some(_)) => Err(StorageError::failed(bucket, key, "If-None-Match")),
            (Self::IfMatch(_) | Self::IfPresent, None) => Err(StorageError::no_such_key(bucket, key)),
            (Self::IfMatch(given), Some(current)) if current.matches(given) => Ok(()),
            (Self::IfMatch(_), Some(_)) => Err(StorageError::failed(bucket, key, "If-Match")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn verdict(condition: &Condition, current: Option<&Etag>) -> &'static str {
        match condition.check("b", "k", current) {
            Ok(()) => "ok",
            Err(StorageError::NoSuchKey { .. }) => "404",
            Err(StorageError::PreconditionFailed { .. }) => "412",
            Err(_) => "other",
        }
    }

    #[test]
    fn conditions_follow_the_table_of_s3() {
        let (here, other) = (Etag::of(b"here"), Etag::of(b"other"));
        let same = Condition::IfMatch(here.to_string());
        let quoted = Condition::IfMatch(format!("\"{here}\""));
        let differs = Condition::IfMatch(other.to_string());
        let table = [
            (Condition::None, "ok", "ok"),
            (Condition::IfAbsent, "ok", "412"),
            (Condition::IfPresent, "404", "ok"),
            (same, "404", "ok"),
            (quoted, "404", "ok"),
            (differs, "404", "412"),
        ];
        for (condition, absent, present) in table {
            assert_eq!(verdict(&condition, None), absent, "{condition:?} on nothing");
            assert_eq!(verdict(&condition, Some(&here)), present, "{condition:?} on an object");
        }
    }
}
