//! The claims of a feed: which files they hold, and which claims are wrong themselves. Never writes.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use sluice_core::claim::{Claim, Doubt, Seen, Survey};
use sluice_core::config::{Bucket, Config, Feed};
use sluice_core::object::{ETag, File, FileId};
use sluice_core::ports::{Objects, PortError};
use sluice_core::run::later;

use super::finding::{Finding, Kind};

/// How long a claim may be due before it counts as idle. The lister sends a worker every minute, and slow retries say
/// when they are due.
const IDLE: SignedDuration = SignedDuration::from_mins(15);

/// The files that claims hold, and those that rest. Each is here once, though two claims can hold the same file for a
/// moment. There are never more than the feed may have in flight.
#[derive(Debug, Default)]
pub(super) struct Claimed(HashMap<FileId, Held>);

#[derive(Debug)]
struct Held {
    file: File,
    seen: bool,
}

impl Claimed {
    /// A claim on an object outside of `incoming/` holds nothing: its next worker removes it.
    fn of(config: &Config, seen: &[Seen], resting: &[Doubt]) -> Self {
        let claims = seen.iter().filter_map(|seen| seen.claim.as_ref().ok());
        let claims = claims.filter(|claim| claim.stray(&config.bucket.incoming).is_none());
        let files = claims.flat_map(Claim::all_files).chain(resting.iter().map(|doubt| &doubt.file));
        Self(files.map(|file| (file.id(), Held { file: file.clone(), seen: false })).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn holds(&self, file: &File) -> bool {
        self.0.contains_key(&file.id())
    }

    /// Whether a file is held whose copy could have this name or content.
    pub(super) fn may_bring(&self, bucket: &Bucket, name: &str, etag: &ETag) -> bool {
        let named = |file: &File| bucket.incoming.strip(&file.key).is_some_and(|path| name.starts_with(path));
        self.0.values().any(|held| held.file.etag == *etag || named(&held.file))
    }

    /// Notes that a file is where its claim says, if a claim holds it. Answers whether one does.
    pub(super) fn see(&mut self, file: &File) -> bool {
        let held = self.0.get_mut(&file.id());
        held.map(|held| held.seen = true).is_some()
    }

    /// The files that were not seen.
    pub(super) fn unseen(self) -> impl Iterator<Item = File> {
        self.0.into_values().filter(|held| !held.seen).map(|held| held.file)
    }
}

/// The feed's claims as they are now, and the files that they hold.
pub(super) async fn read(
    config: &Config,
    objects: &impl Objects,
    feed: &Feed,
) -> Result<(Vec<Seen>, Claimed), PortError> {
    let survey = Survey::read(objects, &config.bucket, Some(feed)).await?.whole()?;
    let resting = survey.doubts(objects).await?;
    let claimed = Claimed::of(config, &survey.claims, &resting);
    Ok((survey.claims, claimed))
}

/// The claims that are wrong themselves. They belong to `feed`, or to no feed that is configured.
pub(super) fn wrong(bucket: &Bucket, feed: Option<&Feed>, seen: &[Seen], now: Timestamp) -> Vec<Finding> {
    let finding = |seen: &Seen| {
        let (kind, detail) = match &seen.claim {
            Err(error) => (Kind::ClaimUnreadable, Some(error.clone())),
            Ok(claim) if feed.is_none() => (Kind::ClaimOfNoFeed, Some(format!("its feed is {:?}", claim.feed))),
            Ok(claim) => {
                let stray = claim.stray(&bucket.incoming);
                stray.map(|file| (Kind::ClaimStray, Some(file.key.to_string()))).or_else(|| idle(claim, now))?
            }
        };
        let feed = feed.map(|feed| feed.name.to_string());
        Some(Finding { feed, kind, key: seen.key.clone(), etag: seen.etag.clone(), detail })
    };
    seen.iter().filter_map(finding).collect()
}

fn idle(claim: &Claim, now: Timestamp) -> Option<(Kind, Option<String>)> {
    let since = claim.not_before.map_or(claim.lease_expires_at, |not_before| not_before.max(claim.lease_expires_at));
    let error = claim.last_error.as_deref().map(|error| format!("; its last error: {error}")).unwrap_or_default();
    let detail = format!("since {since}, {} files{error}", claim.all_files().count());
    (later(since, IDLE) <= now).then_some((Kind::ClaimIdle, Some(detail)))
}

/// Whether the claim is still the one that was seen.
pub(super) async fn still(objects: &impl Objects, finding: &Finding) -> Result<bool, PortError> {
    Ok(objects.head(&finding.key).await?.is_some_and(|now| now.etag == finding.etag))
}
