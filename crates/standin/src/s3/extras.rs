//! What S3 keeps of an object beside content and headers: its storage class, its encryption, its tags.
//!
//! Shared by all writes; never decides which of them a copy takes along.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The class of an object whose writer named none.
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

/// The classes whose objects have to be restored before anybody reads them.
/// Source: Amazon S3 API Reference, `GetObject`, `InvalidObjectState`.
const ARCHIVED: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// See above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extras {
    /// Its storage class, where it is not STANDARD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// How it is encrypted, where not by keys that S3 manages itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Which keys encrypt an object. With those of KMS its `ETag` is not the MD5 of its content, and another one at every
/// write.
/// Source: Amazon S3 API Reference, `Object`, `ETag`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `AES256`, which are S3's own, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The key, where it is not the account's own.
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

    /// Encryption with the account's own key of KMS.
    #[must_use]
    pub fn kms() -> Self {
        Self { algorithm: "aws:kms".to_owned(), key: None }
    }
}

impl Extras {
    /// The storage class as listings name it.
    pub(crate) fn class(&self) -> &str {
        self.storage_class.as_deref().unwrap_or(STANDARD)
    }

    /// Whether nobody may read the object before it is restored.
    pub(crate) fn is_archived(&self) -> bool {
        ARCHIVED.contains(&self.class())
    }
}

/// Whether S3 has such a class.
pub(crate) fn is_class(name: &str) -> bool {
    CLASSES.contains(&name)
}

/// `None` where there is nothing, which is what a million objects have in common.
pub(crate) fn shared(mut extras: Extras) -> Option<Arc<Extras>> {
    extras.storage_class = extras.storage_class.filter(|class| class != STANDARD);
    (extras != Extras::default()).then(|| Arc::new(extras))
}
