//! Listings: pages of keys in the order of their UTF-8 bytes.
//!
//! A page costs what it holds: it starts by a search in the index and leaps over each common prefix by another;
//! it never walks over what it does not answer with.

use std::ops::Bound;

use super::error::StorageError;
use super::object::{Object, ObjectInfo};
use super::storage::Storage;

/// Where a page starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first key.
    #[default]
    First,
    /// With the first key after this one.
    After(String),
    /// With this key, if there is such a one, or the first after it.
    At(String),
}

/// Which page to list.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// Only keys that begin so.
    pub prefix: String,
    /// Roll keys up to the first delimiter after the prefix.
    pub delimiter: Option<String>,
    /// Where to start.
    pub start: Start,
    /// The most keys and common prefixes to answer with.
    pub max_keys: usize,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, by key.
    pub objects: Vec<ObjectInfo>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// Where the next page starts; `None` if this is the last.
    pub next: Option<Start>,
}

impl Storage {
    /// Every object whose key begins with `prefix`, by key.
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
    /// The later of the start that is asked for and the prefix.
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

/// The smallest string greater than everything that begins with `prefix`: its last character, counted up.
///
/// UTF-8's bytes are ordered as the characters are, so this holds for the order of the index too.
pub(super) fn successor(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        // Steps over the surrogates, which are no characters.
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
