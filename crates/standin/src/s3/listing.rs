//! Listings: pages of keys in the order of their UTF-8 bytes.
//!
//! The cost of a page depends only on its size: it starts with a search in the index and skips each common prefix with
//! another search. Never walks over keys that are not in the answer.

use std::ops::Bound;

use super::error::StorageError;
use super::object::{Object, ObjectInfo};
use super::storage::Storage;

/// Where a page starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the first key.
    #[default]
    First,
    /// At the first key after this one.
    After(String),
    /// At this key if it exists, otherwise at the first key after it.
    At(String),
}

/// Which page to list.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Group keys by their text up to the first delimiter after the prefix.
    pub delimiter: Option<String>,
    /// Where to start.
    pub start: Start,
    /// The most keys and common prefixes in the answer.
    pub max_keys: usize,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, in key order.
    pub objects: Vec<ObjectInfo>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// Where the next page starts; `None` if this is the last.
    pub next: Option<Start>,
}

impl Storage {
    /// Every object whose key begins with `prefix`, in key order.
    pub fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        self.collect_under(bucket, prefix, |key, object| object.info(key))
    }

    /// Every key that begins with `prefix`, in order.
    pub fn keys_under(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.collect_under(bucket, prefix, |key, _| key.to_owned())
    }

    fn collect_under<T>(
        &self,
        bucket: &str,
        prefix: &str,
        each: impl Fn(&str, &Object) -> T,
    ) -> Result<Vec<T>, StorageError> {
        let state = self.lock();
        let objects = &state.bucket(bucket)?.objects;
        Ok(objects
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, object)| each(key, object))
            .collect())
    }

    /// One page of a listing.
    pub fn page(&self, bucket: &str, request: &PageRequest) -> Result<Page, StorageError> {
        let state = self.lock();
        let objects = &state.bucket(bucket)?.objects;
        let mut page = Page::default();
        if request.max_keys == 0 {
            return Ok(page);
        }
        let mut from = request.first();
        let mut leapt = true;
        'leap: loop {
            let range = objects.range::<str, _>((from.bound(), Bound::Unbounded));
            for (key, object) in range.take_while(|(key, _)| key.starts_with(&request.prefix)) {
                if page.objects.len() + page.common_prefixes.len() == request.max_keys {
                    let last = page.objects.last().filter(|_| !leapt);
                    page.next = Some(last.map_or(from, |object| Start::After(object.key.clone())));
                    return Ok(page);
                }
                if let Some(common) = request.common_prefix(key) {
                    page.common_prefixes.push(common.to_owned());
                    let Some(beyond) = successor(common) else {
                        return Ok(page);
                    };
                    from = Start::At(beyond);
                    leapt = true;
                    continue 'leap;
                }
                page.objects.push(object.info(key));
                leapt = false;
            }
            return Ok(page);
        }
    }
}

impl PageRequest {
    /// The later of the requested start and the prefix.
    fn first(&self) -> Start {
        match &self.start {
            Start::After(key) | Start::At(key) if *key >= self.prefix => self.start.clone(),
            _ => Start::At(self.prefix.clone()),
        }
    }

    /// The key up to the first delimiter after the prefix.
    pub(super) fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
        let found = key.get(self.prefix.len()..)?.find(delimiter)?;
        key.get(..self.prefix.len() + found + delimiter.len())
    }
}

impl Start {
    fn bound(&self) -> Bound<&str> {
        match self {
            Self::First => Bound::Unbounded,
            Self::After(key) => Bound::Excluded(key),
            Self::At(key) => Bound::Included(key),
        }
    }
}

/// The smallest string greater than everything that begins with `prefix`: its last character is incremented.
///
/// UTF-8 bytes sort as their characters do, so this also holds for the order of the index.
pub(super) fn successor(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        // This skips the surrogates, which are not characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_beyond_all_that_begins_so_and_before_all_else() {
        assert_eq!(successor("a/").unwrap(), "a0");
        assert_eq!(successor("a\u{d7ff}").unwrap(), "a\u{e000}");
        assert_eq!(successor("a\u{10ffff}").unwrap(), "b");
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor(""), None);
        assert!(*"a/\u{10ffff}\u{10ffff}" < *successor("a/").unwrap());
    }
}
