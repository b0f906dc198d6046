//! CloudWatch metrics: accepts what the functions publish and answers queries, in every protocol that SDKs speak.
//!
//! Never forgets or invents a value: every answer is computed only from what was put.

mod answers;
mod fields;
mod input;
mod put;
mod statistics;
mod store;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod unit;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};

use self::{
    answers::{get_metric_data, get_metric_statistics, list_metrics},
    put::put_metric_data,
    store::{Sample, Store},
    wire::{Node, Question, Refusal},
};
pub use self::{
    store::{Datum, Metric},
    unit::Unit,
};
use crate::{lambda::Clock, service::Call};

/// The service. Clones are the same service.
#[derive(Clone, Debug)]
pub struct CloudWatch {
    store: Arc<Mutex<Store>>,
    clock: Arc<dyn Clock>,
}

impl CloudWatch {
    /// A service without metrics.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { store: Arc::default(), clock }
    }

    /// Answers one signed request.
    #[allow(clippy::unused_async, reason = "the shape that all services share")]
    pub(crate) async fn call(&self, call: Call) -> Response<Bytes> {
        let (protocol, question) = wire::read(&call.request);
        let answer = question.and_then(|question| {
            let answer = self.answer(&question)?;
            Ok((question.operation, answer))
        });
        wire::write(protocol, answer)
    }

    /// The operation that a request names, as IAM writes it.
    pub(crate) fn operation(request: &Request<Bytes>) -> String {
        wire::operation(request)
    }

    /// The values of one metric in time order; empty if the metric was never put.
    #[must_use]
    pub fn series(&self, namespace: &str, metric: &str, dimensions: &[(&str, &str)]) -> Vec<Datum> {
        let metric = Metric::new(namespace, metric, dimensions.iter().copied());
        let mut series: Vec<_> = self.store().samples(&metric).iter().map(Sample::datum).collect();
        series.sort_by_key(|datum| datum.at);
        series
    }

    /// Every metric that was ever put.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        self.store().metrics().cloned().collect()
    }

    fn answer(&self, question: &Question) -> Result<Node, Refusal> {
        let now = self.clock.now();
        let mut store = self.store();
        match question.operation.as_str() {
            "PutMetricData" => put_metric_data(&mut store, now, question.input()?),
            "GetMetricStatistics" => get_metric_statistics(&store, question.input()?),
            "GetMetricData" => get_metric_data(&store, question.input()?),
            "ListMetrics" => list_metrics(&store, now, &question.input()?),
            other => Err(Refusal::unknown_operation(other)),
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
