//! Passes: several ticks in the minute after a scheduled event, for feeds that cannot wait a minute.
//!
//! A schedule fires once a minute at most; one invocation that ticks every few seconds costs less than a queue that
//! wakes the lister. Never goes on past the run's deadline, and never makes up for passes that came too late.

use jiff::SignedDuration;

use crate::config::Config;
use crate::ports::{Clock, PortError, Ports};
use crate::run::{Run, later};
use crate::strays;
use crate::tick::{FeedReport, Passes, TickReport, pass};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Ticks as often as the configuration says; once, where `only` names feeds: somebody waits for the answer.
///
/// # Errors
/// As [`tick`](crate::tick::tick), of the first pass. A later one that fails is logged, and the next one tries again.
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
        // The next minute is the next event's, and what a pass begins it must have the time to end.
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

/// What all passes did, and what the last one saw.
fn add(report: &mut TickReport, next: TickReport) {
    for (before, after) in report.feeds.iter_mut().zip(next.feeds) {
        let FeedReport { claimed, ref mut batches, .. } = *before;
        let mut batches = std::mem::take(batches);
        batches.extend(after.batches);
        *before = FeedReport { claimed: claimed + after.claimed, batches, ..after };
    }
}
