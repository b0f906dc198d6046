//! What S3 keeps about an object besides content and headers: its storage class, its encryption, its tags.
//!
//! All writes share this. Never decides which of them a copy carries over.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The default storage class.
pub(crate) const STANDARD: &str = "STANDARD";

/// The classes of general purpose buckets.
/// Source: Amazon S3 API Reference, `PutObject`, `x-amz-storage-class`.
const CLASSES: [&str; 8] = [
    STANDARD,
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
];

/// The classes whose objects must be restored before they can be read.
/// Source: Amazon S3 API Reference, `GetObject`, `InvalidObjectState`.
const ARCHIVED: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// The storage class, encryption and tags of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extras {
    /// Its storage class, if it is not STANDARD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Its encryption, if it does not use keys that S3 manages itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Which keys encrypt an object. With KMS keys its `ETag` is not the MD5 of its content, and differs after every write.
/// Source: Amazon S3 API Reference, `Object`, `ETag`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `AES256` (S3's own keys), `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The key, if it is not the account's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Encryption {
    /// Encryption with keys that S3 manages itself.
    pub(crate) fn s3() -> Self {
        Self { algorithm: "AES256".to_owned(), key: None }
    }

    pub(crate) fn is_kms(&self) -> bool {
        self.algorithm != "AES256"
    }

    /// Encryption with the account's own KMS key.
    #[must_use]
    pub fn kms() -> Self {
        Self { algorithm: "aws:kms".to_owned(), key: None }
    }
}

impl Extras {
    /// The storage class, as listings name it.
    pub(crate) fn class(&self) -> &str {
        self.storage_class.as_deref().unwrap_or(STANDARD)
    }

    /// Whether the object must be restored before it can be read.
    pub(crate) fn is_archived(&self) -> bool {
        ARCHIVED.contains(&self.class())
    }
}

/// Whether S3 has a class with this name.
pub(crate) fn is_class(name: &str) -> bool {
    CLASSES.contains(&name)
}

/// `None` if there are no extras: a million objects then take no extra memory.
pub(crate) fn shared(mut extras: Extras) -> Option<Arc<Extras>> {
    extras.storage_class = extras.storage_class.filter(|class| class != STANDARD);
    (extras != Extras::default()).then(|| Arc::new(extras))
}
