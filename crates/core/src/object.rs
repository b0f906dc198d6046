//! Names of things in the bucket, as types that cannot be wrong: keys, prefixes, `ETag`s, files and their identity.
//!
//! Never talks to S3, and never changes a key: what a producer wrote is what is listed, copied, loaded and recorded.
//! These types are in one file because a [`File`] is made of them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hash;

/// The longest key S3 accepts, in bytes of UTF-8.
/// Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
pub const MAX_KEY_BYTES: usize = 1024;

/// Implements `Display` for types that are shown as their text.
macro_rules! display_as_str {
    ($($type:ty),+) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}

pub(crate) use display_as_str;

display_as_str!(Key, Prefix, ETag);

/// An object's key, as S3 has it: 1 to 1,024 bytes, not encoded in any way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Key(String);

/// What can be wrong with a key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// No key at all.
    #[error("the key is empty")]
    Empty,
    /// More than [`MAX_KEY_BYTES`].
    #[error("the key has {0} bytes; S3 allows {MAX_KEY_BYTES}")]
    TooLong(usize),
}

impl Key {
    /// Takes a key as S3 gives it.
    ///
    /// # Errors
    /// When it is empty or longer than S3 allows.
    pub fn new(key: impl Into<String>) -> Result<Self, KeyError> {
        let key = key.into();
        match key.len() {
            0 => Err(KeyError::Empty),
            length if length > MAX_KEY_BYTES => Err(KeyError::TooLong(length)),
            _ => Ok(Self(key)),
        }
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(key: String) -> Result<Self, KeyError> {
        Self::new(key)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

/// The beginning of keys. It ends in `/` and does not begin with one, so that no prefix is half a name.
///
/// ```
/// use sluice_core::object::Prefix;
///
/// let incoming = Prefix::new("incoming/")?;
/// let key = incoming.key("flights/2013-01-01.csv.gz")?;
/// assert_eq!(key.as_str(), "incoming/flights/2013-01-01.csv.gz");
/// assert_eq!(incoming.strip(&key), Some("flights/2013-01-01.csv.gz"));
///
/// let error = Prefix::new("incoming").unwrap_err();
/// assert_eq!(error.to_string(), "a prefix ends in \"/\": write \"incoming/\"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

/// What can be wrong with a prefix.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrefixError {
    /// Without the slash, `flights` would also take `flights-old/`.
    #[error("a prefix ends in \"/\": write {0:?}")]
    NoSlash(String),
    /// S3 keys do not begin with a slash; such a prefix would match nothing.
    #[error("a prefix does not begin with \"/\": write {0:?}")]
    LeadingSlash(String),
    /// It leaves no room for a file's name.
    #[error("a prefix of {0} bytes leaves no room for names; use 512 at most")]
    TooLong(usize),
}

impl Prefix {
    /// Takes a prefix such as `incoming/`.
    ///
    /// # Errors
    /// When it does not end in `/`, begins with `/`, or is longer than 512 bytes.
    pub fn new(prefix: impl Into<String>) -> Result<Self, PrefixError> {
        let prefix = prefix.into();
        if prefix.starts_with('/') {
            return Err(PrefixError::LeadingSlash(format!("{}/", prefix.trim_matches('/'))));
        }
        if !prefix.ends_with('/') {
            return Err(PrefixError::NoSlash(format!("{prefix}/")));
        }
        if prefix.len() > MAX_KEY_BYTES / 2 {
            return Err(PrefixError::TooLong(prefix.len()));
        }
        Ok(Self(prefix))
    }

    /// The prefix's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The prefix `self` followed by `inner`.
    #[must_use]
    pub fn join(&self, inner: &Prefix) -> Prefix {
        Prefix(format!("{}{}", self.0, inner.0))
    }

    /// The key that is `name` under this prefix.
    ///
    /// # Errors
    /// When the whole is longer than S3 allows.
    pub fn key(&self, name: &str) -> Result<Key, KeyError> {
        Key::new(format!("{}{name}", self.0))
    }

    /// What follows this prefix in `key`, or `None` where `key` lies elsewhere.
    #[must_use]
    pub fn strip<'k>(&self, key: &'k Key) -> Option<&'k str> {
        key.as_str().strip_prefix(self.as_str())
    }

    /// Whether one of the two lies inside the other.
    #[must_use]
    pub fn overlaps(&self, other: &Prefix) -> bool {
        self.0.starts_with(other.as_str()) || other.0.starts_with(self.as_str())
    }
}

/// An object's `ETag`, without quotes. It names a version of the content, and only sometimes is a hash of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct ETag(String);

impl ETag {
    /// Takes an `ETag` as S3 sends it, quoted or not.
    #[must_use]
    pub fn new(etag: &str) -> Self {
        Self(etag.trim_matches('"').to_owned())
    }

    /// The `ETag`, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has the form of a hash of the content. That of an upload in parts ends in the number of parts.
    /// Source: Amazon S3 API Reference, "Object".
    #[must_use]
    pub fn may_be_hash(&self) -> bool {
        self.0.len() == 32 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// The `ETag` as HTTP headers want it, in quotes.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl From<String> for ETag {
    fn from(etag: String) -> Self {
        Self::new(&etag)
    }
}

/// One version of one object, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct File {
    /// Its whole key.
    pub key: Key,
    /// The version of its content.
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    /// When S3 wrote it, by S3's clock.
    pub last_modified: Timestamp,
}

impl File {
    /// The file's identity: key and `ETag`. The same key with new content is another file.
    #[must_use]
    pub fn id(&self) -> FileId {
        FileId::of(&self.key, &self.etag)
    }
}

/// A file's identity as the ledger holds it: SHA-256 of key and `ETag`. So it is short, and no producer chooses it.
///
/// ```
/// use sluice_core::object::{ETag, FileId, Key};
///
/// let key = Key::new("incoming/flights/a.csv")?;
/// let id = FileId::of(&key, &ETag::new("0e5f"));
/// assert_ne!(id, FileId::of(&key, &ETag::new("77ab")), "new content is a new file");
/// assert_eq!(FileId::parse(&id.to_string()), Some(id));
/// # Ok::<(), sluice_core::object::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileId([u8; 32]);

impl TryFrom<String> for FileId {
    type Error = &'static str;

    fn try_from(hex: String) -> Result<Self, &'static str> {
        Self::parse(&hex).ok_or("a file's id has 64 hexadecimal digits")
    }
}

impl From<FileId> for String {
    fn from(id: FileId) -> Self {
        id.to_string()
    }
}

impl FileId {
    /// The identity of `key` with content `etag`.
    #[must_use]
    pub fn of(key: &Key, etag: &ETag) -> Self {
        Self(hash::of_parts([key.as_str(), etag.as_str()]))
    }

    /// The identity of `key` with any content, for feeds that load each name once.
    #[must_use]
    pub fn of_name(key: &Key) -> Self {
        Self(hash::of_parts([key.as_str()]))
    }

    /// Reads the 64 hexadecimal digits that `Display` writes; `None` for anything else.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hash::hex(&self.0))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({self})")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("flights" => Err(PrefixError::NoSlash("flights/".into())); "no slash")]
    #[test_case("" => Err(PrefixError::NoSlash("/".into())); "empty")]
    #[test_case("/flights" => Err(PrefixError::LeadingSlash("flights/".into())); "leading slash")]
    #[test_case("a b/ü/" => Ok(()); "odd but legal")]
    fn a_prefix_is_checked(prefix: &str) -> Result<(), PrefixError> {
        Prefix::new(prefix).map(drop)
    }

    #[test]
    fn a_key_has_1_to_1024_bytes() {
        assert_eq!(Key::new(""), Err(KeyError::Empty));
        assert!(Key::new("k".repeat(1024)).is_ok());
        assert_eq!(Key::new("ü".repeat(513)), Err(KeyError::TooLong(1026)));
    }

    #[test]
    fn identity_is_key_and_etag() {
        let id = |key: &str, etag: &str| FileId::of(&Key::new(key).unwrap(), &ETag::new(etag));
        assert_eq!(id("k", "\"e\""), id("k", "e"));
        assert_ne!(id("k", "e"), id("k", "f"));
        assert_ne!(id("ab", "c"), id("a", "bc"));
        assert_eq!(FileId::parse(&id("k", "e").to_string()), Some(id("k", "e")));
        assert_eq!(FileId::parse("é".repeat(32).as_str()), None);
    }
}
