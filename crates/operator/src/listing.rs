//! All objects under a prefix, a page at a time. Never holds more than the page that it answers, unless all are asked
//! for.

use sluice_core::object::{File, Prefix};
use sluice_core::ports::{Objects, PortError};

/// A listing that goes on where it was left.
pub(crate) struct Listing<'a, O> {
    objects: &'a O,
    under: Prefix,
    next: Next,
}

enum Next {
    First,
    After(String),
    None,
}

impl<'a, O: Objects> Listing<'a, O> {
    pub(crate) fn new(objects: &'a O, under: Prefix) -> Self {
        Self { objects, under, next: Next::First }
    }

    /// The next page, which may be empty; `None` behind the last.
    pub(crate) async fn page(&mut self) -> Result<Option<Vec<File>>, PortError> {
        let after = match &self.next {
            Next::First => None,
            Next::After(token) => Some(token.as_str()),
            Next::None => return Ok(None),
        };
        let page = self.objects.list(&self.under, after).await?;
        self.next = page.next.map_or(Next::None, Next::After);
        Ok(Some(page.files))
    }

    /// All of them, where they are few.
    pub(crate) async fn all(mut self) -> Result<Vec<File>, PortError> {
        let mut files = Vec::new();
        while let Some(page) = self.page().await? {
            files.extend(page);
        }
        Ok(files)
    }
}
