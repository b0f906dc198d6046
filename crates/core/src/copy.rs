//! Copy: the transaction of a batch, started once, and waited for as long as the feed says.
//!
//! Never decides what a failure leads to, and never starts a second transaction while one is recorded in the claim.

use std::time::Duration;

use crate::claim::{Claim, LeaseError, LeasedClaim};
use crate::config::{Config, Feed};
use crate::destination::{Begun, Load, Loads, Progress, Started};
use crate::disposition::{Pace, signed};
use crate::object::File;
use crate::ports::{Clock, PortError, PortErrorKind, Ports, Service};
use crate::run::{Run, later};

/// The longest single wait for a transaction; a destination may answer sooner.
const LONGEST_POLL: Duration = Duration::from_secs(25);

/// How long to leave a service alone that did not answer a question.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Why a transaction was not started, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The warehouse is too full, or asks for fewer calls: it took nothing.
    #[error(transparent)]
    Full(PortError),
    /// It was refused: there is no transaction.
    #[error(transparent)]
    Refused(PortError),
    /// It was refused, perhaps for its size: there is no transaction.
    #[error(transparent)]
    TooLarge(PortError),
    /// There was no usable answer: there may be a transaction. Asking again with the same token tells.
    #[error(transparent)]
    Unknown(PortError),
    /// There is a transaction, and the claim could not note it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// Starts the batch's transaction, and notes it in the claim if it runs on; `prepared`: this batch's load was.
///
/// # Errors
/// When it cannot be submitted, or the claim is no longer ours.
pub async fn start<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    held: &mut LeasedClaim,
    prepared: bool,
) -> Result<Started, StartError> {
    let token = token(config, feed, &held.claim);
    let load = Load { prepared, ..next_load(feed, &held.claim, &token) };
    let started = ports.destination().start(feed, &load).await.map_err(refused)?;
    held.claim.began(started.begun());
    // A death between these two lines costs nothing: whoever comes next submits with the same token and is given the
    // same statement; and should the token be forgotten by then, the guard finds the files in the ledger. What has ended is
    // not noted for that reason: the guard finds what it committed.
    if let Started::Detached(_) = started {
        held.save(ports.objects()).await?;
    }
    Ok(started)
}

/// What the claim has loaded next.
#[must_use]
pub fn next_load<'a>(feed: &Feed, claim: &'a Claim, token: &'a str) -> Load<'a> {
    let Claim { slot, batch, files, .. } = claim;
    Load { slot: *slot, batch, files, token, compression: claim.compression(feed), prepared: false }
}

/// S3 asks for fewer calls, too, when the manifest is written; that is not the warehouse's.
fn refused(error: PortError) -> StartError {
    match error.kind {
        PortErrorKind::Throttled if error.operation.service != Service::Bucket => StartError::Full(error),
        PortErrorKind::Unavailable => StartError::Unknown(error),
        PortErrorKind::TooLarge => StartError::TooLarge(error),
        _ => StartError::Refused(error),
    }
}

/// The token of the claim's attempt.
///
/// What the settings make of the transaction is part of it, and how its files are packed if their names say otherwise: where that
/// was changed before the first submission was noted, the same token would be answered with a transaction of another shape.
#[must_use]
pub fn token(config: &Config, feed: &Feed, claim: &Claim) -> String {
    let packed = match claim.packing() {
        None => String::new(),
        Some(None) => "/plain".to_owned(),
        Some(Some(compression)) => format!("/{}", compression.keyword()),
    };
    let destination = format!("{}{}{packed}", feed.target.place, feed.target.shape);
    claim.token(&config.bucket.name, &destination)
}

/// Waits for the statement's end as long as the feed says and the run allows; [`Progress::Running`] when that is not
/// long enough.
///
/// # Errors
/// When the destination cannot be asked for a reason that does not pass by itself.
pub async fn wait<P: Ports>(
    ports: &P,
    feed: &Feed,
    run: &Run,
    begun: &Begun,
    files: &[File],
) -> Result<Progress, PortError> {
    let feed_until = later(ports.clock().now(), signed(feed.wait));
    loop {
        let now = ports.clock().now();
        let left = run.wait_left(now).min(feed_until.duration_since(now).try_into().unwrap_or_default());
        match ports.destination().poll(feed, begun, files, left.min(LONGEST_POLL)).await {
            Ok(Progress::Running) if left.is_zero() => return Ok(Progress::Running),
            Ok(Progress::Running) => {}
            Ok(progress) => return Ok(progress),
            Err(error) if Pace::from(error.kind) == Pace::Transient && left > AFTER_ERROR => {
                ports.clock().sleep(AFTER_ERROR).await;
            }
            Err(error) => return Err(error),
        }
    }
}
