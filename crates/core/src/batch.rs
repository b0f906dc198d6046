//! A batch: files that one transaction loads. It is named by what is in it.
//!
//! Never holds the files: the claim does.

use serde::{Deserialize, Serialize};

use crate::hash;
use crate::object::{File, display_as_str};

/// A batch's id: a hash of its members, so that the same plan always has the same id.
///
/// ```
/// use jiff::Timestamp;
/// use sluice_core::batch::BatchId;
/// use sluice_core::object::{ETag, File, Key};
///
/// let file = |key: &str| -> Result<File, Box<dyn std::error::Error>> {
///     Ok(File { key: Key::new(key)?, etag: ETag::new("0e5f"), size: 1, last_modified: Timestamp::UNIX_EPOCH })
/// };
/// let (a, b) = (file("incoming/flights/a.csv")?, file("incoming/flights/b.csv")?);
/// assert_eq!(BatchId::of(&[a.clone(), b.clone()]), BatchId::of(&[b, a]), "the order does not matter");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(String);

impl BatchId {
    /// The id of a batch of these files, in any order.
    #[must_use]
    pub fn of(files: &[File]) -> Self {
        let mut members: Vec<String> = files.iter().map(|file| file.id().to_string()).collect();
        members.sort_unstable();
        Self(hash::hex(&hash::of_parts(members.iter().map(String::as_str))[..16]))
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for BatchId {
    /// The id of a batch without files.
    fn default() -> Self {
        Self::of(&[])
    }
}

display_as_str!(BatchId);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::object::{ETag, Key};

    fn file(key: &str, etag: &str) -> File {
        File { key: Key::new(key).unwrap(), etag: ETag::new(etag), size: 1, last_modified: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn the_same_members_have_the_same_id() {
        let one = BatchId::of(&[file("a", "1"), file("b", "2")]);
        assert_eq!(one, BatchId::of(&[file("b", "2"), file("a", "1")]));
        assert_ne!(one, BatchId::of(&[file("a", "1"), file("b", "3")]));
        assert_ne!(one, BatchId::of(&[file("a", "1")]));
        assert_eq!(one.as_str().len(), 32);
    }
}
