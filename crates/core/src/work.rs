//! The worker: takes one claim's lease, loads its batch as far as its time allows, and publishes what it measured.
//!
//! Never chooses files: it loads what the claim says.

use jiff::SignedDuration;

use crate::claim::{self, LeaseError, Taken};
use crate::config::Config;
use crate::load::load;
use crate::measure::Datum;
use crate::object::Key;
use crate::ports::{Clock, Metrics, Objects, PortError, PortErrorKind, Ports};
use crate::report::{LoadReport, Outcome};
use crate::run::{Run, later, within};

/// How long publishing may take.
const PUBLISH_TIME: SignedDuration = SignedDuration::from_secs(5);

/// Works on the claim at `key`.
///
/// # Errors
/// When the claim cannot be read or its lease cannot be written. The invocation's own retry or the next tick tries
/// again.
pub async fn work<P: Ports>(config: &Config, ports: &P, run: &Run, key: &Key) -> Result<LoadReport, PortError> {
    let (report, data) = resume(config, ports, run, key).await?;
    publish(ports, &data).await;
    Ok(report)
}

/// Takes the claim's lease and goes on with its batch; answers also what is to be published.
pub(crate) async fn resume<P: Ports>(
    config: &Config,
    ports: &P,
    run: &Run,
    key: &Key,
) -> Result<(LoadReport, Vec<Datum>), PortError> {
    // Nothing but a claim may be read here: what cannot be understood as one is removed.
    let prefix = claim::claims_prefix(&config.bucket).ok();
    let Some(name) = prefix.as_ref().and_then(|prefix| prefix.strip(key)) else {
        let problem = "this key is not where claims are";
        return Err(PortError::new("worker", key.as_str(), PortErrorKind::Invalid, problem));
    };
    let feed = name.split('/').next().unwrap_or_default();
    let nothing = |outcome| (LoadReport::nothing(feed, None, outcome), Vec::new());
    let held = match claim::take(ports.objects(), key, run, ports.clock().now()).await? {
        Taken::Leased(held) => *held,
        Taken::Busy => return Ok(nothing(Outcome::Busy)),
        Taken::Gone => return Ok(nothing(Outcome::Gone)),
        Taken::NotBefore(at, error) => {
            let (mut report, data) = nothing(Outcome::Retry);
            report.retry_at = Some(at);
            report.error = error;
            return Ok((report, data));
        }
        Taken::Unreadable(seen) => {
            discard(ports.objects(), &seen).await?;
            return Ok(nothing(Outcome::Gone));
        }
    };
    if let Some(stray) = held.claim.stray(&config.bucket.incoming) {
        tracing::error!(claim = %key, file = %stray.key, "removed a claim on what is not under incoming");
        return match held.finish(ports.objects()).await {
            Ok(()) | Err(LeaseError::Lost(_)) => Ok(nothing(Outcome::Gone)),
            Err(LeaseError::Port(error)) => Err(error),
        };
    }
    let Some(feed) = config.feed(&held.claim.feed) else {
        return left(ports, held).await;
    };
    let done = load(config, ports, run, feed, held).await;
    Ok((done.report, done.data))
}

/// Removes a claim that cannot be understood, since it would fill its slot for ever. Its files are still where they
/// were, and the ledger knows which are loaded: the next tick plans them again.
pub(crate) async fn discard(objects: &impl Objects, seen: &claim::Seen) -> Result<(), PortError> {
    objects.delete(&seen.key, &seen.etag).await?;
    let error = seen.claim.as_ref().err();
    tracing::error!(claim = %seen.key, error, "removed a claim that cannot be read; its files are planned again");
    Ok(())
}

/// Publishes measures. If this fails or takes long, it must not undo, repeat or hold up a load.
pub(crate) async fn publish<P: Ports>(ports: &P, data: &[Datum]) {
    if data.is_empty() {
        return;
    }
    let until = later(ports.clock().now(), PUBLISH_TIME);
    match within(ports.clock(), until, ports.metrics().publish(data)).await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::error!(%error, data = data.len(), "measures were not published"),
        None => tracing::error!(data = data.len(), "measures were not published in time"),
    }
}

/// The claim's feed is not in the configuration: its files wait until it is again.
async fn left<P: Ports>(ports: &P, mut held: claim::LeasedClaim) -> Result<(LoadReport, Vec<Datum>), PortError> {
    let feed = held.claim.feed.clone();
    let error =
        format!("feed {feed:?} is not in the configuration: add it again; the files of {} wait until then", held.key);
    let mut report = LoadReport::nothing(&feed, Some(held.claim.batch.clone()), Outcome::Retry);
    match held.release(ports.objects(), ports.clock().now()).await {
        Ok(()) | Err(LeaseError::Lost(_)) => {}
        Err(LeaseError::Port(error)) => return Err(error),
    }
    tracing::error!(claim = %held.key, feed, "{error}");
    report.error = Some(error);
    Ok((report, Vec::new()))
}
