//! Retry: an operator has everything that was put off tried now.
//!
//! Changes nothing but the time of the next try. Never touches a claim that a worker holds.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::claim::{Seen, Survey, resting, wake};
use crate::config::{Config, Feed};
use crate::ports::{Objects, PortError};
use crate::run::CALLS_AT_ONCE;

/// How much the next ticks try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// Claims that were put off.
    pub claims: usize,
    /// Resting files: each tick tries one of them.
    pub resting: usize,
}

/// Has the next tick try all of the feed's claims that were put off, and its resting files as soon as a slot is free.
///
/// # Errors
/// When the claims cannot be read, or one cannot be written. Doing it again does the rest.
pub async fn retry(config: &Config, objects: &impl Objects, feed: &Feed, now: Timestamp) -> Result<Retried, PortError> {
    let survey = Survey::read(objects, &config.bucket, Some(feed)).await?.whole()?;
    let waits = |seen: &&Seen| {
        seen.claim.as_ref().is_ok_and(|claim| claim.not_before.is_some_and(|at| at > now) && !claim.is_held_back())
    };
    let mut retried = Retried::default();
    for seen in survey.claims.iter().filter(waits) {
        retried.claims += usize::from(wake(objects, seen, now).await?.is_some());
    }
    let wakes = stream::iter(&survey.resting).map(|resting| resting::wake(objects, &resting.key, now));
    for woken in wakes.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
        retried.resting += usize::from(woken?);
    }
    Ok(retried)
}
