//! Verify: accounts for every file of a feed, and says what does not add up and what will mend it.
//!
//! Changes nothing, anywhere. Memory does not grow with the number of files: four streams, each in the byte order of its
//! names, are merged (`pass`), and what waits for its other half is a chain of names that are beginnings of each other.
//! A running deployment moves files meanwhile, so what looks wrong is looked at once more, in an order in which a file
//! that is on its way cannot look wrong twice (`again`), before it is told.

mod account;
mod again;
mod claims;
mod finding;
mod half_way;
pub(crate) mod names;
mod pass;
mod rest;
mod streams;

use std::time::Duration;

use crate::claim::Seen;
use crate::config::{Config, Feed};
use crate::destination::QueryError;
use crate::ports::{Clock, PortError, Ports};
use crate::redrive::plan::Folder;

pub use account::Account;
pub use finding::{Finding, Kind};
pub use rest::{Rest, rest};

use again::Again;
use pass::Pass;
use streams::Streams;

/// How many suspects are looked at together.
const TOGETHER: usize = 500;

/// How often progress is told: after so many objects and entries.
const STEP: u64 = 1000;

/// What is asked of a verification.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long `processed/` keeps files, where a lifecycle rule removes them. `None`: for ever.
    pub kept_for: Option<Duration>,
    /// The most findings that are told of a feed; what looks wrong after them is only counted.
    pub most: u64,
    /// How many entries of the ledger are asked for at once. The default takes 30 MB with the longest keys; the Data API
    /// gives 500. Source: Amazon Redshift Management Guide, "Considerations when calling the Amazon Redshift Data API".
    pub page: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { kept_for: None, most: 1000, page: 20_000 }
    }
}

/// What a verification tells while it runs.
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
    /// What is merged has to be in one order.
    #[error(
        "{what} does not come in the byte order of its names: {after:?} came after {before:?}; a ledger needs a database \
         with binary (case-sensitive) collation, a bucket must be a general purpose one"
    )]
    Order {
        /// What is not in order.
        what: String,
        /// A name.
        before: String,
        /// The name that came after it and belongs before it.
        after: String,
    },
}

/// Accounts for every file of `feed`, and tells what is wrong as it is found.
///
/// # Errors
/// When something cannot be read; what was told by then holds.
pub async fn verify<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    options: Options,
    tell: &mut impl FnMut(News),
) -> Result<Account, VerifyError> {
    let again = Again { config, ports, feed };
    let (seen, claimed) = again.read_claims().await?;
    let pass = Pass::new(config, feed, options.kept_for, ports.clock().now(), claimed);
    let mut verifying = Verifying { again, options, tell, pass };
    verifying.claims(&seen).await?;
    verifying.files().await?;
    verifying.set_aside().await?;
    Ok(verifying.pass.account)
}

struct Verifying<'a, P, T> {
    again: Again<'a, P>,
    options: Options,
    tell: &'a mut T,
    pass: Pass<'a>,
}

impl<P: Ports, T: FnMut(News)> Verifying<'_, P, T> {
    async fn claims(&mut self, seen: &[Seen]) -> Result<(), VerifyError> {
        self.pass.account.claims = seen.len() as u64;
        let now = self.again.ports.clock().now();
        for finding in claims::wrong(&self.again.config.bucket, Some(self.again.feed), seen, now) {
            let wrong = claims::still(self.again.ports.objects(), &finding).await?;
            self.found(wrong.then_some(finding));
        }
        Ok(())
    }

    async fn files(&mut self) -> Result<(), VerifyError> {
        let mut streams = Streams::new(self.again.config, self.again.ports, self.again.feed, self.options.page);
        let mut looked = 0_u64;
        while let Some(next) = streams.next().await? {
            self.pass.take(next);
            self.pass.account.most_held = self.pass.account.most_held.max(self.pass.held() + streams.held());
            looked += 1;
            if looked.is_multiple_of(STEP) {
                (self.tell)(News::Looked(looked));
            }
            if self.pass.suspects.len() >= TOGETHER {
                self.look_again().await?;
            }
        }
        self.pass.finish();
        self.look_again().await
    }

    async fn look_again(&mut self) -> Result<(), VerifyError> {
        let suspects = std::mem::take(&mut self.pass.suspects);
        for some in suspects.chunks(TOGETHER) {
            if self.pass.account.findings >= self.options.most {
                self.pass.account.unchecked += some.len() as u64;
                continue;
            }
            let mut findings = self.again.look(some).await?;
            let Again { config, ports, feed } = self.again;
            half_way::tell_apart(config, ports, feed, &mut findings).await?;
            for finding in findings {
                self.found(finding);
            }
        }
        Ok(())
    }

    /// What a redrive or a reload keeps aside on its way back: in none of the places that are looked at otherwise.
    async fn set_aside(&mut self) -> Result<(), VerifyError> {
        let Again { config, ports, feed } = self.again;
        let folder = Folder::new(&config.bucket, feed)?;
        let mut kept = folder.kept(ports.objects())?;
        while let Some(page) = kept.page().await? {
            for file in page {
                if self.pass.account.findings >= self.options.most {
                    self.pass.account.unchecked += 1;
                } else {
                    self.found(Some(half_way::set_aside(&folder, feed, file)));
                }
            }
        }
        Ok(())
    }

    /// Counts what was looked at again; tells what is still wrong.
    fn found(&mut self, finding: Option<Finding>) {
        let account = &mut self.pass.account;
        let Some(finding) = finding else {
            account.settled += 1;
            return;
        };
        account.findings += 1;
        account.mends_itself += u64::from(finding.kind.mends_itself());
        (self.tell)(News::Finding(finding));
    }
}
