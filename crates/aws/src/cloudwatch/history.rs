//! The history of a feed's metrics: CloudWatch's `GetMetricData`. For operators; the functions never call it.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric as Named, MetricDataQuery, MetricStat};
use jiff::Timestamp;
use sluice_core::config::FeedName;
use sluice_core::measure::{DIMENSION, Metric, NAMESPACE};
use sluice_core::ports::{Operation, PortError, Service};

use super::CloudWatchMetrics;
use crate::error::failed;

const GET: Operation = Service::Metrics.call("monitoring:GetMetricData");

/// Values of one metric, one per period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// The metric.
    pub metric: Metric,
    /// How the values of a period are combined.
    pub statistic: Statistic,
}

/// How the values of a period are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Their sum.
    Sum,
    /// The largest value.
    Maximum,
}

/// A period's time and its value.
pub type Point = (Timestamp, f64);

impl CloudWatchMetrics {
    /// Reads the series of a feed between two times, oldest value first. `period` is in seconds, and in whole minutes.
    /// A period in which nothing was published has no value.
    ///
    /// # Errors
    /// When a call of CloudWatch fails.
    pub async fn history(
        &self,
        feed: &FeedName,
        series: &[Series],
        (from, to): (Timestamp, Timestamp),
        period: i32,
    ) -> Result<Vec<Vec<Point>>, PortError> {
        let queries: Vec<MetricDataQuery> =
            series.iter().zip(0..).map(|(one, at)| query(feed, *one, at, period)).collect();
        let mut found = vec![Vec::new(); series.len()];
        let mut token = None;
        loop {
            let get = self.client.get_metric_data().set_metric_data_queries(Some(queries.clone()));
            let get = get.start_time(time(from)).end_time(time(to)).set_next_token(token);
            let page = get.send().await.map_err(|error| failed(GET, feed.as_str(), error))?;
            for result in page.metric_data_results() {
                let Some(points) = result.id().and_then(number).and_then(|at| found.get_mut(at)) else { continue };
                let times = result.timestamps().iter().filter_map(|time| Timestamp::from_second(time.secs()).ok());
                points.extend(times.zip(result.values().iter().copied()));
            }
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        for points in &mut found {
            points.sort_unstable_by_key(|(at, _)| *at);
        }
        Ok(found)
    }
}

fn query(feed: &FeedName, series: Series, at: usize, period: i32) -> MetricDataQuery {
    let dimension = Dimension::builder().name(DIMENSION).value(feed.as_str()).build();
    let metric = Named::builder().namespace(NAMESPACE).metric_name(series.metric.name()).dimensions(dimension).build();
    let statistic = match series.statistic {
        Statistic::Sum => "Sum",
        Statistic::Maximum => "Maximum",
    };
    let of = MetricStat::builder().metric(metric).period(period).stat(statistic).build();
    // An id must begin with a letter. Source: Amazon CloudWatch API Reference, `MetricDataQuery`.
    MetricDataQuery::builder().id(format!("m{at}")).metric_stat(of).build()
}

fn number(id: &str) -> Option<usize> {
    id.strip_prefix('m')?.parse().ok()
}

fn time(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}
