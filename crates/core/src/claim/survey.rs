//! Survey: all claims and resting files, as they are now. Costs one LIST, and one GET for each claim.
//!
//! Never writes. A claim that cannot be fetched holds up nothing but its own feed.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::keys::{claims_prefix, feed_prefix};
use super::resting::{self, Resting};
use super::{Claim, Doubt};
use crate::config::{Bucket, Feed};
use crate::object::{ETag, File, Key};
use crate::ports::{Clock, Objects, PortError, PortErrorKind};
use crate::run::{CALLS_AT_ONCE, within};

/// A claim that was read, and the version that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its object.
    pub key: Key,
    /// That object's version.
    pub etag: ETag,
    /// What it says; the error's text if that cannot be understood.
    pub claim: Result<Claim, String>,
}

/// What is under a prefix of claims.
#[derive(Debug, Default)]
pub struct Survey {
    /// The claims, in the order of their keys.
    pub claims: Vec<Seen>,
    /// The resting files.
    pub resting: Vec<Resting>,
    /// Claims that could not be fetched, and why.
    pub unread: Vec<(Key, PortError)>,
}

impl Survey {
    /// Reads all claims and resting files of the deployment, or of `feed`.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn read(objects: &impl Objects, bucket: &Bucket, feed: Option<&Feed>) -> Result<Self, PortError> {
        let listed = list(objects, bucket, feed).await?;
        Ok(Self::of(bucket, listed, async |key| read(objects, key).await).await)
    }

    /// As [`Survey::read`] of the deployment. A claim that does not come by `until` counts as one that could not be
    /// fetched.
    pub(crate) async fn read_until(
        objects: &impl Objects,
        bucket: &Bucket,
        clock: &impl Clock,
        until: Timestamp,
    ) -> Result<Self, PortError> {
        let listed = list(objects, bucket, None).await?;
        let late =
            |key: Key| Err(PortError::new("read claim", key.as_str(), PortErrorKind::Unavailable, "no answer in time"));
        let fetch =
            async |key: Key| within(clock, until, read(objects, key.clone())).await.unwrap_or_else(|| late(key));
        Ok(Self::of(bucket, listed, fetch).await)
    }

    async fn of(
        bucket: &Bucket,
        listed: Vec<File>,
        fetch: impl AsyncFn(Key) -> Result<Option<Seen>, PortError>,
    ) -> Self {
        let resting = |file: &File| Resting::of(bucket, file);
        let mut survey = Self { resting: listed.iter().filter_map(resting).collect(), ..Self::default() };
        let claims = listed.into_iter().filter(|file| resting(file).is_none());
        let reads = stream::iter(claims).map(async |file| (fetch(file.key.clone()).await, file.key));
        for (seen, key) in reads.buffered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
            match seen {
                Ok(Some(seen)) => survey.claims.push(seen),
                // A claim that was finished since it was listed is no claim any more.
                Ok(None) => {}
                Err(error) => survey.unread.push((key, error)),
            }
        }
        survey
    }

    /// The survey, for a caller that needs every claim.
    ///
    /// # Errors
    /// When one of them could not be fetched.
    pub fn whole(mut self) -> Result<Self, PortError> {
        match self.unread.pop() {
            None => Ok(self),
            Some((_, error)) => Err(error),
        }
    }

    /// The part of it that belongs to the feed.
    #[must_use]
    pub fn of_feed(&self, feed: &Feed) -> Self {
        let name = feed.name.as_str();
        let own = |key: &Key| key.as_str().rsplit('/').nth(1) == Some(name);
        let unread = self.unread.iter().filter(|(key, _)| own(key));
        Self {
            claims: self.claims.iter().filter(|seen| own(&seen.key)).cloned().collect(),
            resting: self.resting.iter().filter(|resting| resting.feed == name).cloned().collect(),
            unread: unread.map(|(key, error)| (key.clone(), error.same())).collect(),
        }
    }

    /// What the objects of the resting files say.
    ///
    /// # Errors
    /// When one of their objects cannot be fetched.
    pub async fn doubts(&self, objects: &impl Objects) -> Result<Vec<Doubt>, PortError> {
        let reads = stream::iter(&self.resting).map(|resting| resting::read(objects, &resting.key));
        let reads: Vec<_> = reads.buffered(CALLS_AT_ONCE).collect().await;
        reads.into_iter().filter_map(|read| read.map(|read| read.map(|(doubt, _)| doubt)).transpose()).collect()
    }
}

/// All claims and resting files of the deployment, or of `feed`, as a listing shows them.
pub(crate) async fn list(objects: &impl Objects, bucket: &Bucket, feed: Option<&Feed>) -> Result<Vec<File>, PortError> {
    let prefix = feed.map_or_else(|| claims_prefix(bucket), |feed| feed_prefix(bucket, feed));
    let prefix =
        prefix.map_err(|error| PortError::new("read claims", bucket.state.as_str(), PortErrorKind::Invalid, error))?;
    let (mut files, mut after) = (Vec::new(), None);
    loop {
        let page = objects.list(&prefix, after.as_deref()).await?;
        files.extend(page.files);
        after = page.next;
        if after.is_none() {
            return Ok(files);
        }
    }
}

/// Reads one claim; `None` if there is none.
pub(super) async fn read(objects: &impl Objects, key: Key) -> Result<Option<Seen>, PortError> {
    let content = objects.get(&key).await?;
    Ok(content.map(|content| {
        let claim = serde_json::from_slice(&content.body).map(Claim::modern).map_err(|error| error.to_string());
        Seen { key, etag: content.etag, claim }
    }))
}
