//! What belongs to no feed: files in `incoming/` that nothing will load, and claims of feeds that are not configured.
//!
//! Never writes.

use serde::Serialize;
use sluice_core::claim::{Seen, Survey, claims_prefix};
use sluice_core::config::Config;
use sluice_core::object::File;
use sluice_core::ports::{Clock, Objects, PortError, PortErrorKind, Ports};

use super::claims::{still, wrong};
use super::finding::{Finding, Kind};
use super::{News, STEP, VerifyError};
use crate::listing::Listing;
use crate::names::is_folder;

/// What belongs to no feed, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// Files in `incoming/` under no feed's prefix.
    pub files: u64,
    /// Claims of feeds that are not configured, and what else is where claims are.
    pub claims: u64,
    /// What is wrong.
    pub findings: u64,
}

/// Looks at what belongs to no feed, and reports at most `most` files of it. The numbers count all.
///
/// # Errors
/// When something cannot be read.
pub async fn rest<P: Ports>(
    config: &Config,
    ports: &P,
    most: u64,
    tell: &mut impl FnMut(News),
) -> Result<Rest, VerifyError> {
    let objects = ports.objects();
    let claims = claims(config, objects).await?;
    let mut rest = Rest { claims: claims.len() as u64, ..Rest::default() };
    for finding in wrong(&config.bucket, None, &claims, ports.clock().now()) {
        if still(objects, &finding).await? {
            rest.findings += 1;
            tell(News::Finding(finding));
        }
    }
    let mut listing = Listing::new(objects, config.bucket.incoming.clone());
    let mut looked = 0_u64;
    while let Some(page) = listing.page().await? {
        for file in page {
            looked += 1;
            if looked.is_multiple_of(STEP) {
                tell(News::Looked(looked));
            }
            if is_folder(&file) || config.route(&file.key).is_some() {
                continue;
            }
            if rest.files < most && objects.head(&file.key).await?.is_none() {
                continue;
            }
            rest.files += 1;
            rest.findings += 1;
            if rest.files <= most {
                let File { key, etag, .. } = file;
                tell(News::Finding(Finding { feed: None, kind: Kind::OfNoFeed, key, etag, detail: None }));
            }
        }
    }
    Ok(rest)
}

/// The claims of feeds that are not configured, and what else is where claims are.
async fn claims(config: &Config, objects: &impl Objects) -> Result<Vec<Seen>, PortError> {
    let prefix = claims_prefix(&config.bucket)
        .map_err(|error| PortError::new("verify", config.bucket.state.as_str(), PortErrorKind::Invalid, error))?;
    let mut claims = Survey::read(objects, &config.bucket, None).await?.whole()?.claims;
    claims.retain(|seen| {
        let feed = prefix.strip(&seen.key).and_then(|name| name.split_once('/')).map(|(feed, _)| feed);
        feed.is_none_or(|feed| config.feed(feed).is_none())
    });
    Ok(claims)
}
