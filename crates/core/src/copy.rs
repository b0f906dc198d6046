//! Copy: starts the transaction of a batch, and waits for it as long as the feed says.
//!
//! Never decides what a failure leads to, and never writes a claim.

use std::time::Duration;

use crate::claim::Claim;
use crate::config::{Config, Feed};
use crate::destination::{Begun, Load, Loads, Progress, Started};
use crate::disposition::{Pace, signed};
use crate::object::File;
use crate::ports::{Clock, PortError, Ports};
use crate::run::{Run, later};

/// The longest single wait for a transaction; a destination may answer sooner.
const LONGEST_POLL: Duration = Duration::from_secs(25);

/// How long to wait before a service that did not answer is asked again.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Starts the transaction of the claim's batch; `prepared`: this load was prepared.
///
/// The caller starts none while the claim names one, and writes the new one into the claim.
pub(crate) async fn start<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    claim: &Claim,
    prepared: bool,
) -> Result<Started, PortError> {
    let token = token(config, feed, claim);
    let load = Load { prepared, ..next_load(feed, claim, &token) };
    ports.destination().start(feed, &load).await
}

/// The load of the claim's batch.
pub(crate) fn next_load<'a>(feed: &Feed, claim: &'a Claim, token: &'a str) -> Load<'a> {
    let Claim { slot, batch, files, .. } = claim;
    Load { slot: *slot, batch, files, token, compression: claim.compression(feed), prepared: false }
}

/// The token of the claim's attempt.
///
/// It covers what the settings make of the transaction, and how its files are packed if their names say otherwise. If
/// that changed before the first submission was noted, the same token would be answered with a transaction of another
/// shape.
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

/// Waits for the transaction's end as long as the feed says and the run allows; [`Progress::Running`] if that is not
/// long enough.
pub(crate) async fn wait<P: Ports>(
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
