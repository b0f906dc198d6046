//! Passes: several ticks in the minute after a scheduled event, for feeds that cannot wait a minute.
//!
//! A schedule fires once a minute at most. One invocation that ticks every few seconds costs less than a queue that
//! wakes the lister. Never goes on past the run's deadline, and never makes up for passes that it missed.

use jiff::SignedDuration;

use crate::config::Config;
use crate::ports::{Clock, PortError, Ports};
use crate::run::{Run, later};
use crate::strays;
use crate::tick::{FeedReport, Passes, TickReport, pass};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Ticks as often as the configuration says; once if `only` names feeds, since a person waits for the answer.
///
/// # Errors
/// As [`tick`](crate::tick::tick), of the first pass. A later pass that fails is logged, and the next one tries again.
pub async fn passes<P: Ports>(
    config: &Config,
    ports: &P,
    run: &Run,
    only: Option<&[String]>,
) -> Result<TickReport, PortError> {
    let mut known = Passes::default();
    let mut report = pass(config, ports, run, only, &mut known).await?;
    if only.is_some() {
        return Ok(report);
    }
    let passes = config.lister.passes_per_minute;
    let mut longest = ports.clock().now().duration_since(run.started);
    for number in 1..passes {
        let at = later(run.started, MINUTE * number / passes);
        let now = ports.clock().now();
        if at < now {
            continue;
        }
        // The next minute belongs to the next event, and a pass must have the time to end what it begins.
        if later(at, longest) > run.wait_until().min(later(run.started, MINUTE)) {
            break;
        }
        ports.clock().sleep(at.duration_since(now).unsigned_abs()).await;
        match pass(config, ports, run, None, &mut known).await {
            Ok(next) => add(&mut report, next),
            Err(error) => tracing::error!(%error, number, "a pass failed; the next one tries again"),
        }
        longest = longest.max(ports.clock().now().duration_since(at));
    }
    strays::count_hourly(config, ports, run).await;
    Ok(report)
}

/// Adds what a pass did, and keeps what the latest pass saw.
fn add(report: &mut TickReport, next: TickReport) {
    for (before, after) in report.feeds.iter_mut().zip(next.feeds) {
        let FeedReport { claimed, ref mut batches, .. } = *before;
        let mut batches = std::mem::take(batches);
        batches.extend(after.batches);
        *before = FeedReport { claimed: claimed + after.claimed, batches, ..after };
    }
}
