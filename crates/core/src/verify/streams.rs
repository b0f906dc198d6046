//! Four streams in one order: what is in `incoming/`, `processed/` and `failed/`, and what the ledger says.
//!
//! Each holds one page. Names are what follows the prefix of the place, so that a file has the same one in all of them.
//! Never believes an order: a stream that goes back is an error, since everything behind it would be taken for missing.

use std::vec;

use super::VerifyError;
use crate::config::{Config, Destination as Target, Feed};
use crate::destination::{Asking, Destination, Entry, Of};
use crate::object::{File, Prefix};
use crate::ports::{Objects, PortError, Ports};

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Where producers write.
    Incoming,
    /// Where loaded files go.
    Processed,
    /// Where refused files go.
    Failed,
}

/// The next of all streams.
#[derive(Debug)]
pub(super) enum Next {
    /// What the ledger says of a file; the text is its place without `incoming/`.
    Entry(String, Entry),
    /// An object; the text is its name without the prefix of where it is.
    Object(Place, String, File),
}

/// The four streams.
pub(super) struct Streams<'a, P: Ports> {
    listings: [Listing<'a, P::Objects>; 3],
    ledger: Ledger<'a, P::Destination>,
}

impl<'a, P: Ports> Streams<'a, P> {
    /// Those of `feed`, with so many entries of the ledger a page.
    pub(super) fn new(config: &'a Config, ports: &'a P, feed: &'a Feed, page: usize) -> Self {
        let listing = |place, base| Listing::new(ports.objects(), place, base, &base.join(&feed.prefix));
        let bucket = &config.bucket;
        Self {
            listings: [
                listing(Place::Incoming, &bucket.incoming),
                listing(Place::Processed, &bucket.processed),
                listing(Place::Failed, &bucket.failed),
            ],
            ledger: Ledger::new(ports.destination(), feed, &bucket.incoming, page.max(1)),
        }
    }

    /// The least of what is next, by its name; the ledger's before objects, and objects in the order of their places.
    pub(super) async fn next(&mut self) -> Result<Option<Next>, VerifyError> {
        // The listings first: what the ledger says is then later than what was seen of a file, as in its life.
        for listing in &mut self.listings {
            listing.fill().await?;
        }
        self.ledger.fill().await?;
        let entry = self.ledger.peek().map(|name| (name, 0));
        let objects = self.listings.iter().zip(1..).filter_map(|(listing, at)| Some((listing.peek()?, at)));
        let Some((_, first)) = entry.into_iter().chain(objects).min() else { return Ok(None) };
        match first {
            0 => self.ledger.take().map(|next| next.map(|(name, entry)| Next::Entry(name, entry))),
            at => {
                let listing = &mut self.listings[at - 1];
                let place = listing.place;
                listing.take().map(|next| next.map(|(name, file)| Next::Object(place, name, file)))
            }
        }
    }

    /// How many objects and entries are held.
    pub(super) fn held(&self) -> usize {
        self.listings.iter().map(|listing| listing.page.len()).sum::<usize>() + self.ledger.page.len()
    }
}

/// All objects under a prefix.
pub(super) struct Listing<'a, O> {
    objects: &'a O,
    place: Place,
    base: Prefix,
    under: Prefix,
    page: vec::IntoIter<File>,
    next: NextPage,
    last: String,
}

/// Where a listing goes on.
enum NextPage {
    First,
    After(String),
    None,
}

impl<'a, O: Objects> Listing<'a, O> {
    /// Those under `under`, by what follows `base`.
    pub(super) fn new(objects: &'a O, place: Place, base: &Prefix, under: &Prefix) -> Self {
        let (base, under) = (base.clone(), under.clone());
        Self { objects, place, base, under, page: Vec::new().into_iter(), next: NextPage::First, last: String::new() }
    }

    /// Sees to it that the next one is there, if there is one.
    pub(super) async fn fill(&mut self) -> Result<(), PortError> {
        while self.page.len() == 0 {
            let after = match &self.next {
                NextPage::First => None,
                NextPage::After(token) => Some(token.as_str()),
                NextPage::None => return Ok(()),
            };
            let page = self.objects.list(&self.under, after).await?;
            self.page = page.files.into_iter();
            self.next = page.next.map_or(NextPage::None, NextPage::After);
        }
        Ok(())
    }

    fn peek(&self) -> Option<&str> {
        self.page.as_slice().first().and_then(|file| self.base.strip(&file.key))
    }

    pub(super) fn take(&mut self) -> Result<Option<(String, File)>, VerifyError> {
        let Some(name) = self.peek().map(str::to_owned) else { return Ok(None) };
        ascends(self.under.as_str(), &self.last, &name)?;
        self.last.clone_from(&name);
        Ok(self.page.next().map(|file| (name, file)))
    }
}

/// All entries of files of one feed.
struct Ledger<'a, D> {
    destination: &'a D,
    feed: &'a Feed,
    incoming: &'a Prefix,
    under: Prefix,
    limit: usize,
    page: vec::IntoIter<Entry>,
    /// The name of the next one.
    name: Option<String>,
    /// Where the next page begins, and how many there were of that place.
    from: String,
    skip: usize,
    ended: bool,
}

impl<'a, D: Destination> Ledger<'a, D> {
    fn new(destination: &'a D, feed: &'a Feed, incoming: &'a Prefix, limit: usize) -> Self {
        let under = incoming.join(&feed.prefix);
        let from = under.to_string();
        let page = Vec::new().into_iter();
        Self { destination, feed, incoming, under, limit, page, name: None, from, skip: 0, ended: false }
    }

    async fn fill(&mut self) -> Result<(), VerifyError> {
        if self.page.len() > 0 || self.ended {
            return Ok(());
        }
        let of = Of::Page { from: &self.from, skip: self.skip, limit: self.limit };
        let mut page = self.destination.entries(self.feed, of, &Asking::patiently()).await.map_err(|source| {
            let Target::Redshift(target) = &self.feed.destination;
            VerifyError::Ledger { ledger: target.ledger.to_string(), source: Box::new(source) }
        })?;
        self.ended = page.len() < self.limit;
        // Behind the feed's prefix come files that it had under another one; nobody lists them.
        let own = page.iter().position(|entry| self.under.strip(&entry.key).is_none());
        if let Some(own) = own {
            page.truncate(own);
            self.ended = true;
        }
        self.page = page.into_iter();
        self.name = self.named();
        Ok(())
    }

    fn peek(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn named(&self) -> Option<String> {
        let entry = self.page.as_slice().first()?;
        self.incoming.strip(&entry.key).map(|path| format!("{path}.{}", entry.etag))
    }

    fn take(&mut self) -> Result<Option<(String, Entry)>, VerifyError> {
        let (Some(name), Some(entry)) = (self.name.take(), self.page.next()) else { return Ok(None) };
        self.name = self.named();
        let place = entry.place();
        ascends("the ledger", &self.from, &place)?;
        self.skip = if self.from == place { self.skip + 1 } else { 1 };
        self.from = place;
        Ok(Some((name, entry)))
    }
}

fn ascends(what: &str, before: &str, after: &str) -> Result<(), VerifyError> {
    if before <= after {
        return Ok(());
    }
    Err(VerifyError::Order { what: what.to_owned(), before: before.to_owned(), after: after.to_owned() })
}
