//! `sluice status`: shows what waits, what is loading, what was loaded, and what is wrong, feed by feed.
//!
//! Never writes, and never asks the warehouse: a question would wake a warehouse that is paused.

mod print;

use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use sluice_aws::cloudwatch::{Point, Series, Statistic};
use sluice_core::claim::Survey;
use sluice_core::config::{Config, Feed};
use sluice_core::measure::Metric;
use sluice_core::ports::{Objects, PortError, Ports as _};
use sluice_core::quarantine::REASON;
use sluice_core::strays;
use sluice_core::without_rows::{self, Note};
use sluice_operator::preview::{Preview, claims, preview};

use crate::deployment::{self, Deployment};
use crate::failure::Failure;
use crate::output;

/// How far back the backlog is shown.
const DRAWN: SignedDuration = SignedDuration::from_hours(3);
/// The period of one value of the backlog, in seconds.
const PERIOD: i32 = 300;
/// How many feeds are read at once.
const AT_ONCE: usize = 8;

/// What is read from `CloudWatch`, in this order.
const SERIES: [Series; 5] = [
    Series { metric: Metric::UnprocessedFiles, statistic: Statistic::Maximum },
    Series { metric: Metric::FilesLoaded, statistic: Statistic::Sum },
    Series { metric: Metric::RowsLoaded, statistic: Statistic::Sum },
    Series { metric: Metric::LoadsFailed, statistic: Statistic::Sum },
    Series { metric: Metric::FilesQuarantined, statistic: Statistic::Sum },
];

/// Arguments of `sluice status`.
#[derive(Debug, Args)]
#[command(after_help = "\
It lists incoming/, failed/ and the claims, reads CloudWatch's metrics, and changes nothing. The warehouse is not asked.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    deployment: deployment::Arguments,
    /// Only this feed; may be repeated
    #[arg(long, value_name = "NAME")]
    feed: Vec<String>,
    /// Look again every so many seconds, until stopped
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5", value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
    /// Print one JSON object a feed instead
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let deployment = arguments.deployment.open().await?;
    let feeds = deployment.feeds(&arguments.feed)?;
    loop {
        let seen = look(&deployment, &feeds).await?;
        let all = arguments.feed.is_empty();
        let strays = if all { Some(strays::count(&deployment.config, deployment.ports.objects()).await) } else { None };
        if arguments.watch.is_some() && !arguments.json {
            output::clear();
        }
        let now = Timestamp::now();
        for status in &seen {
            if arguments.json { status.print_json(now) } else { status.print(now) }
        }
        if let Some(strays) = &strays {
            if arguments.json { print::json_of_strays(strays) } else { print::strays(&deployment.config, strays) }
        }
        let Some(seconds) = arguments.watch else {
            let failed = seen.iter().any(|status| status.seen.is_err());
            return if failed { Err(Failure::Said) } else { Ok(()) };
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// The status of a feed.
struct Status<'a> {
    config: &'a Config,
    feed: &'a Feed,
    seen: Result<Seen, PortError>,
    history: Result<History, PortError>,
}

/// What the bucket shows about a feed.
struct Seen {
    preview: Preview,
    /// How many files are in `failed/`.
    failed: u64,
    /// Batches that had files without rows, the newest first.
    without_rows: Vec<Note>,
}

/// The history of a feed in `CloudWatch`.
struct History {
    /// The most files that waited in each period.
    backlog: Vec<Point>,
    /// This and the following are sums over the last hour.
    files: f64,
    rows: f64,
    loads_failed: f64,
    quarantined: f64,
}

async fn look<'a>(deployment: &'a Deployment, feeds: &[&'a Feed]) -> Result<Vec<Status<'a>>, Failure> {
    let Deployment { config, ports } = deployment;
    let claims = claims(config, ports.objects()).await.map_err(Failure::failed)?;
    let now = Timestamp::now();
    let looks = stream::iter(feeds).map(async |feed| {
        let seen = see(config, ports.objects(), feed, &claims, now);
        let (seen, history) = tokio::join!(seen, remember(deployment, feed, now));
        Status { config, feed, seen, history }
    });
    Ok(looks.buffered(AT_ONCE).collect().await)
}

/// Reads the feed as a tick sees it, how many of its files are in `failed/`, and which files brought no row.
async fn see(
    config: &Config,
    objects: &impl Objects,
    feed: &Feed,
    claims: &Survey,
    now: Timestamp,
) -> Result<Seen, PortError> {
    let without_rows = without_rows::read(objects, &config.bucket, feed).await?;
    let preview = preview(config, objects, feed, claims, now).await?;
    let prefix = config.bucket.failed.join(&feed.prefix);
    let (mut failed, mut after) = (0, None);
    loop {
        let page = objects.list(&prefix, after.as_deref()).await?;
        failed += page.files.iter().filter(|file| !file.key.as_str().ends_with(REASON)).count() as u64;
        after = page.next;
        if after.is_none() {
            return Ok(Seen { preview, failed, without_rows });
        }
    }
}

async fn remember(deployment: &Deployment, feed: &Feed, now: Timestamp) -> Result<History, PortError> {
    let from = now.checked_sub(DRAWN).unwrap_or(Timestamp::MIN);
    let hour = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
    let mut found = deployment.ports.metrics().history(&feed.name, &SERIES, (from, now), PERIOD).await?.into_iter();
    let backlog = found.next().unwrap_or_default();
    let mut sum = || {
        let points = found.next().unwrap_or_default();
        points.iter().filter(|(at, _)| *at >= hour).map(|(_, value)| value).sum::<f64>()
    };
    Ok(History { backlog, files: sum(), rows: sum(), loads_failed: sum(), quarantined: sum() })
}
