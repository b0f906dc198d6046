//! Verify: accounts for every file of a feed, and says what does not add up and what will fix it.
//!
//! Never writes. Memory grows with the ledger: some 300 bytes a file (`first`). A running deployment moves files
//! meanwhile. So what looks wrong is looked at again before it is reported, in an order in which a file that is on its
//! way cannot look wrong twice (`again`).

mod account;
mod again;
mod claims;
mod finding;
mod first;
mod rest;

use std::time::Duration;

use jiff::Timestamp;
use sluice_core::config::{Config, Feed};
use sluice_core::destination::{Asking, Pages, QueryError};
use sluice_core::object::{File, Prefix};
use sluice_core::ports::{Clock, PortError, Ports};

use crate::listing::Listing;
use crate::names::is_folder;
use crate::redrive::plan::Folder;

pub use account::Account;
pub use finding::{Finding, Kind};
pub use rest::{Rest, rest};

use again::Again;
use first::{FirstLook, Suspect};

/// How many suspects are looked at again together.
const TOGETHER: usize = 500;

/// After how many objects and entries progress is reported.
const STEP: u64 = 1000;

/// What is asked of a verification.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long `processed/` keeps files, where a lifecycle rule removes them. `None`: for ever.
    pub kept_for: Option<Duration>,
    /// The most findings that are reported of a feed. What looks wrong after them is only counted.
    pub most: u64,
    /// How many entries of the ledger are asked for at once. The default takes 30 MB with the longest keys; the Data
    /// API gives 500. Source: Amazon Redshift Management Guide, "Considerations when calling the Amazon Redshift Data
    /// API".
    pub page: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { kept_for: None, most: 1000, page: 20_000 }
    }
}

/// What is reported while a verification runs.
#[derive(Clone, Debug)]
pub enum News {
    /// Something is wrong.
    Finding(Finding),
    /// So many objects and entries have been looked at so far.
    Looked(u64),
}

/// Why a feed could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A call failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The ledger gave no answer.
    #[error("the ledger {ledger} cannot be read (SELECT is what is needed): {source}")]
    Ledger {
        /// Which.
        ledger: String,
        /// Why.
        source: Box<QueryError>,
    },
}

/// The ledger gave no answer.
fn no_ledger(feed: &Feed, source: QueryError) -> VerifyError {
    VerifyError::Ledger { ledger: feed.target.ledger.clone(), source: Box::new(source) }
}

/// Accounts for every file of `feed`, and reports what is wrong.
///
/// # Errors
/// When something cannot be read. What was reported before that is true.
pub async fn verify<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    options: Options,
    tell: &mut impl FnMut(News),
) -> Result<Account, VerifyError> {
    let again = Again { config, ports, feed };
    let mut verifying = Verifying { again, options, tell, looked: 0, account: Account::default() };
    let suspects = verifying.look().await?;
    verifying.look_again(&suspects).await?;
    verifying.set_aside().await?;
    Ok(verifying.account)
}

struct Verifying<'a, P, T> {
    again: Again<'a, P>,
    options: Options,
    tell: &'a mut T,
    looked: u64,
    account: Account,
}

impl<P: Ports, T: FnMut(News)> Verifying<'_, P, T> {
    /// The first look, in the order that `first` says. Answers what looks wrong.
    async fn look(&mut self) -> Result<Vec<Suspect>, VerifyError> {
        let Again { config, ports, feed } = self.again;
        let (bucket, now) = (&config.bucket, ports.clock().now());
        let mut first = FirstLook::new(config, feed);
        self.ledger(&mut first).await?;
        let (seen, claimed) = claims::read(config, ports.objects(), feed).await?;
        first.claims(&seen, claimed);
        self.list(&bucket.incoming, |file| first.incoming(&file)).await?;
        self.list(&bucket.processed, |file| first.copy(file)).await?;
        self.list(&bucket.failed, |file| first.failed(file)).await?;
        let expired = self.options.kept_for.map(|kept_for| now.saturating_sub(kept_for).unwrap_or(Timestamp::MIN));
        let (account, suspects) = first.end(expired);
        self.account = account;
        for finding in claims::wrong(bucket, Some(feed), &seen, now) {
            let wrong = claims::still(ports.objects(), &finding).await?;
            self.found(wrong.then_some(finding));
        }
        Ok(suspects)
    }

    async fn ledger(&mut self, first: &mut FirstLook<'_>) -> Result<(), VerifyError> {
        let Again { ports, feed, .. } = self.again;
        let mut pages = Pages::of(self.options.page);
        let (ledger, asking) = (ports.destination(), Asking::patiently());
        while let Some(page) = pages.next(ledger, feed, &asking).await.map_err(|source| no_ledger(feed, source))? {
            for entry in page {
                first.entry(entry);
                self.looked();
            }
        }
        Ok(())
    }

    async fn list(&mut self, place: &Prefix, mut take: impl FnMut(File)) -> Result<(), VerifyError> {
        let Again { ports, feed, .. } = self.again;
        let mut listing = Listing::new(ports.objects(), place.join(&feed.prefix));
        while let Some(page) = listing.page().await? {
            for file in page {
                self.looked();
                if !is_folder(&file) {
                    take(file);
                }
            }
        }
        Ok(())
    }

    fn looked(&mut self) {
        self.looked += 1;
        if self.looked.is_multiple_of(STEP) {
            (self.tell)(News::Looked(self.looked));
        }
    }

    async fn look_again(&mut self, suspects: &[Suspect]) -> Result<(), VerifyError> {
        for some in suspects.chunks(TOGETHER) {
            if self.account.findings >= self.options.most {
                self.account.unchecked += some.len() as u64;
                continue;
            }
            for finding in self.again.look(some).await? {
                self.found(finding);
            }
        }
        Ok(())
    }

    /// Reports what a redrive or a reload keeps aside. It is in none of the places that the two looks read.
    async fn set_aside(&mut self) -> Result<(), VerifyError> {
        let Again { config, ports, feed } = self.again;
        let folder = Folder::new(&config.bucket, feed)?;
        for file in folder.aside(ports.objects()).await? {
            if self.account.findings >= self.options.most {
                self.account.unchecked += 1;
                continue;
            }
            let detail = folder.destination(&file.key).map(|to| format!("on its way to {to}"));
            let File { key, etag, .. } = file;
            self.found(Some(Finding { feed: Some(feed.name.to_string()), kind: Kind::HalfWay, key, etag, detail }));
        }
        Ok(())
    }

    /// Counts what was looked at again, and reports what is still wrong.
    fn found(&mut self, finding: Option<Finding>) {
        let account = &mut self.account;
        let Some(finding) = finding else {
            account.settled += 1;
            return;
        };
        account.findings += 1;
        account.mends_itself += u64::from(finding.kind.mends_itself());
        (self.tell)(News::Finding(finding));
    }
}
