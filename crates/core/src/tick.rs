//! The lister's tick: list → plan → claim → dispatch → measure, for every feed.
//!
//! All feeds are ticked side by side, and each is dispatched and measured as soon as it is ready: a slow one holds up
//! no other. Never asks the warehouse anything, and never claims more than a feed's free slots.

mod feed;
mod report;

use std::collections::HashSet;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;

use crate::claim::Survey;
use crate::config::{Config, Feed};
use crate::destination::StatementId;
use crate::measure::Datum;
use crate::object::Key;
use crate::ports::{Clock, PortError, PortErrorKind, Ports};
use crate::run::{Run, later, within};
use crate::work::{discard, publish};

use feed::{Planned, Tick};
pub use report::{BatchReport, FeedReport, TickReport};

/// How long feeds that are ready wait for the others, so that one call publishes the metrics of all.
const TOGETHER: std::time::Duration = std::time::Duration::from_secs(3);

/// What the passes of one invocation know of each other.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    /// How many there were.
    done: u32,
    /// Running transactions whose claim was sent to a worker already. A worker looks once for each invocation.
    sent: HashSet<(Key, StatementId)>,
}

impl Passes {
    /// Whether this is the first pass. Only the first publishes the backlog, since a metric has one value a minute, and
    /// only the first retries what fails.
    fn first(&self) -> bool {
        self.done == 0
    }
}

/// Ticks once: for all feeds, or for those that `only` names.
///
/// # Errors
/// When the claims cannot be listed, or `only` names a feed that is not configured. Then nothing was done.
pub async fn tick<P: Ports>(
    config: &Config,
    ports: &P,
    run: &Run,
    only: Option<&[String]>,
) -> Result<TickReport, PortError> {
    pass(config, ports, run, only, &mut Passes::default()).await
}

/// One step of a feed's tick has ended.
enum Step<'a> {
    /// Its batches are claimed and dispatched.
    Planned(usize, Box<Planned<'a>>),
    /// The batches that the lister loads itself are loaded.
    Loaded(usize, FeedReport),
    /// Metrics are published.
    Published,
}

pub(crate) async fn pass<P: Ports>(
    config: &Config,
    ports: &P,
    run: &Run,
    only: Option<&[String]>,
    passes: &mut Passes,
) -> Result<TickReport, PortError> {
    let feeds = chosen(config, only)?;
    let now = ports.clock().now();
    let survey = survey(config, ports, run).await?;
    let mut reports: Vec<Option<FeedReport>> = feeds.iter().map(|_| None).collect();
    let mut steps = FuturesUnordered::new();
    for (at, feed) in feeds.iter().enumerate() {
        let tick = Tick { config, ports, run, feed, now, survey: survey.of_feed(feed), passes };
        steps.push(Either::Left(plan(at, tick)));
    }
    let (mut planning, mut ready, mut sent) = (feeds.len(), Vec::<Datum>::new(), Vec::new());
    let mut together = Box::pin(ports.clock().timeout(TOGETHER));
    loop {
        let step = match select(steps.next(), together.as_mut()).await {
            Either::Left((step, _)) => step,
            Either::Right(((), _)) => {
                steps.push(Either::Right(Either::Right(published(ports, std::mem::take(&mut ready)))));
                together = Box::pin(ports.clock().timeout(TOGETHER));
                continue;
            }
        };
        match step {
            None => break,
            Some(Step::Planned(at, mut planned)) => {
                planning -= 1;
                sent.append(&mut planned.sent);
                if passes.first() {
                    ready.extend(planned.data(now));
                }
                // While batches are loaded here: a long load must not make the lister look dead, and a slow CloudWatch
                // must not hold up loads.
                if planning == 0 {
                    steps.push(Either::Right(Either::Right(published(ports, std::mem::take(&mut ready)))));
                }
                if planned.feed.fan_out {
                    reports[at] = Some(planned.report);
                } else {
                    steps.push(Either::Right(Either::Left(load_here(at, *planned, config, ports, run))));
                }
            }
            Some(Step::Loaded(at, report)) => reports[at] = Some(report),
            Some(Step::Published) => {}
        }
    }
    drop(steps);
    passes.done += 1;
    passes.sent.extend(sent);
    let feeds = reports.into_iter().flatten().inspect(report::log).collect();
    Ok(TickReport { feeds })
}

async fn plan<P: Ports>(at: usize, tick: Tick<'_, P>) -> Step<'_> {
    let (feed, until) = (tick.feed, tick.run.wait_until());
    let planned = within(tick.ports.clock(), until, tick.plan_and_claim()).await;
    Step::Planned(at, Box::new(planned.unwrap_or_else(|| Planned::late(feed))))
}

async fn published<'a, P: Ports>(ports: &P, data: Vec<Datum>) -> Step<'a> {
    publish(ports, &data).await;
    Step::Published
}

async fn load_here<'a, P: Ports>(at: usize, planned: Planned<'a>, config: &Config, ports: &P, run: &Run) -> Step<'a> {
    Step::Loaded(at, planned.load_here(config, ports, run).await)
}

fn chosen<'c>(config: &'c Config, only: Option<&[String]>) -> Result<Vec<&'c Feed>, PortError> {
    let Some(names) = only else {
        return Ok(config.feeds.iter().collect());
    };
    let unknown = |name: &String| {
        let known: Vec<&str> = config.feeds.iter().map(|feed| feed.name.as_str()).collect();
        let problem = format!("no such feed is configured; there are {}", known.join(", "));
        PortError::new("tick", name, PortErrorKind::Invalid, problem)
    };
    names.iter().map(|name| config.feed(name).ok_or_else(|| unknown(name))).collect()
}

/// All claims that can be read. The others are deleted.
async fn survey<P: Ports>(config: &Config, ports: &P, run: &Run) -> Result<Survey, PortError> {
    let until = later(run.started, run.deadline.duration_since(run.started) / 3);
    let mut survey = Survey::read_until(ports.objects(), &config.bucket, ports.clock(), until).await?;
    let (good, bad) = survey.claims.into_iter().partition(|seen| seen.claim.is_ok());
    survey.claims = good;
    let bad: Vec<_> = bad;
    for seen in &bad {
        if let Err(error) = discard(ports.objects(), seen).await {
            tracing::error!(claim = %seen.key, %error, "a claim that cannot be read could not be removed either");
        }
    }
    Ok(survey)
}

/// How long ago.
fn age(now: Timestamp, then: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or_default()
}
