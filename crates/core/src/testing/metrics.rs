//! Metrics that only record what was published.
//!
//! Never adds up or drops anything.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::measure::{Datum, Metric};
use crate::ports::{Metrics, PortError};

/// Records each publication. Clones share one record.
#[derive(Clone, Debug, Default)]
pub struct RecordedMetrics {
    calls: Arc<Mutex<Vec<Vec<Datum>>>>,
}

impl RecordedMetrics {
    /// What each call published, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Vec<Datum>> {
        lock(&self.calls).clone()
    }

    /// The sum of all values of the feed's metric, over all calls; `None` where it was never published.
    #[must_use]
    pub fn sum(&self, feed: &str, metric: Metric) -> Option<f64> {
        let all = |datum: &Datum| datum.metric == metric && datum.feed.as_str() == feed;
        let sums: Vec<f64> = lock(&self.calls).iter().flatten().filter(|datum| all(datum)).map(Datum::sum).collect();
        (!sums.is_empty()).then(|| sums.iter().sum())
    }

    /// The value that the feed's metric had when it was last published.
    #[must_use]
    pub fn last(&self, feed: &str, metric: Metric) -> Option<f64> {
        let calls = lock(&self.calls);
        let mut data = calls.iter().flatten().filter(|datum| datum.metric == metric && datum.feed.as_str() == feed);
        data.next_back().map(Datum::sum)
    }
}

impl Metrics for RecordedMetrics {
    async fn publish(&self, data: &[Datum]) -> Result<(), PortError> {
        lock(&self.calls).push(data.to_vec());
        Ok(())
    }
}
