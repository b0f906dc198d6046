//! Metrics: publishes them with CloudWatch's `PutMetricData`, and reads their history for operators.
//!
//! Takes names and units from `sluice_core::measure`, and never makes one up.

mod history;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use sluice_core::measure::{DIMENSION, Datum, NAMESPACE, Unit};
use sluice_core::ports::{Metrics, PortError, Service};

use crate::error::failed;
use crate::lazy::Lazy;

pub use history::{Point, Series, Statistic};

/// The most data in one call. Source: Amazon CloudWatch API Reference, `PutMetricData`.
const MAX_DATA: usize = 1000;
/// The most values in one call. With their counts they stay well below the limit of one megabyte per call.
const MAX_VALUES: usize = 20_000;
/// In seconds. Alarms look at whole minutes: finer data would cost more and add nothing.
const RESOLUTION: i32 = 60;

/// Metrics in CloudWatch.
#[derive(Clone, Debug)]
pub struct CloudWatchMetrics {
    client: Lazy<Client>,
}

impl CloudWatchMetrics {
    pub(crate) fn new(client: Lazy<Client>) -> Self {
        Self { client }
    }
}

impl Metrics for CloudWatchMetrics {
    async fn publish(&self, data: &[Datum]) -> Result<(), PortError> {
        for call in calls(data) {
            let data = call.iter().map(metric_datum).collect();
            let put = self.client.put_metric_data().namespace(NAMESPACE).set_metric_data(Some(data));
            put.send()
                .await
                .map_err(|error| failed(Service::Metrics.call("monitoring:PutMetricData"), NAMESPACE, error))?;
        }
        Ok(())
    }
}

/// Splits the data into as few calls as the limits allow.
fn calls(data: &[Datum]) -> Vec<&[Datum]> {
    let (mut calls, mut begin, mut values) = (Vec::new(), 0, 0);
    for (index, datum) in data.iter().enumerate() {
        if index > begin && (index - begin == MAX_DATA || values + datum.values.len() > MAX_VALUES) {
            calls.push(&data[begin..index]);
            (begin, values) = (index, 0);
        }
        values += datum.values.len();
    }
    if begin < data.len() {
        calls.push(&data[begin..]);
    }
    calls
}

fn metric_datum(datum: &Datum) -> MetricDatum {
    let (values, counts) = datum.values.iter().copied().unzip();
    MetricDatum::builder()
        .metric_name(datum.metric.name())
        .dimensions(Dimension::builder().name(DIMENSION).value(datum.feed.as_str()).build())
        .timestamp(DateTime::from_secs_and_nanos(datum.at.as_second(), 0))
        .set_values(Some(values))
        .set_counts(Some(counts))
        .unit(standard_unit(datum.metric.unit()))
        .storage_resolution(RESOLUTION)
        .build()
}

fn standard_unit(unit: Unit) -> StandardUnit {
    match unit {
        Unit::Count => StandardUnit::Count,
        Unit::Bytes => StandardUnit::Bytes,
        Unit::Seconds => StandardUnit::Seconds,
        Unit::Milliseconds => StandardUnit::Milliseconds,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use sluice_core::config::FeedName;
    use sluice_core::measure::Metric;

    use super::*;

    fn datum(values: usize) -> Datum {
        let feed = FeedName::new("flights").unwrap();
        let one = Datum::one(Metric::TimeToLoad, &feed, Timestamp::UNIX_EPOCH, 0.5);
        Datum { values: vec![(0.5, 2.0); values], ..one }
    }

    #[test]
    fn calls_are_few_and_within_the_limits() {
        let lengths = |data: &[Datum]| calls(data).iter().map(|call| call.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&vec![datum(1); 12]), [12]);
        assert_eq!(lengths(&vec![datum(1); 2001]), [1000, 1000, 1]);
        assert_eq!(lengths(&vec![datum(150); 300]), [133, 133, 34]);
    }

    #[test]
    fn a_datum_bears_name_feed_unit_and_counts() {
        let datum = metric_datum(&datum(1));
        assert_eq!(datum.metric_name(), Some("TimeToLoad"));
        assert_eq!(datum.dimensions()[0].value(), Some("flights"));
        assert_eq!(datum.unit(), Some(&StandardUnit::Seconds));
        assert_eq!((datum.values(), datum.counts()), (&[0.5][..], &[2.0][..]));
    }
}
