//! The values that were put, by metric.
//!
//! Never rounds or merges: each answer computes that itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::unit::Unit;

/// Values kept per metric; the oldest are dropped first.
const KEPT: usize = 200_000;

/// Identifies a series of values: every combination of dimensions is a metric of its own.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Metric {
    /// Such as `Sluice`.
    pub namespace: String,
    /// Such as `UnprocessedFiles`.
    pub name: String,
    /// Names and values. A caller may put them in any order; here they are sorted by name.
    pub dimensions: BTreeSet<(String, String)>,
}

impl Metric {
    pub(super) fn new<N, V>(namespace: &str, name: &str, dimensions: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let dimensions = dimensions.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions }
    }
}

/// One value as it was put.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Its timestamp.
    pub at: Timestamp,
    /// The value. For a statistic set: its average.
    pub value: f64,
    /// How often it occurred.
    pub count: f64,
    /// Its unit.
    pub unit: Unit,
}

/// One value, one value that occurred often, or the statistics of several.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) minimum: f64,
    pub(super) maximum: f64,
    pub(super) unit: Unit,
    /// Seconds: 1 or 60.
    pub(super) resolution: i64,
}

impl Sample {
    pub(super) fn datum(&self) -> Datum {
        Datum { at: self.at, value: self.sum / self.count, count: self.count, unit: self.unit }
    }
}

/// All metrics.
#[derive(Debug, Default)]
pub(super) struct Store(BTreeMap<Metric, VecDeque<Sample>>);

impl Store {
    pub(super) fn put(&mut self, metric: Metric, samples: impl IntoIterator<Item = Sample>) {
        let series = self.0.entry(metric).or_default();
        series.extend(samples);
        let surplus = series.len().saturating_sub(KEPT);
        series.drain(..surplus);
    }

    pub(super) fn samples(&self, metric: &Metric) -> &VecDeque<Sample> {
        static NONE: VecDeque<Sample> = VecDeque::new();
        self.0.get(metric).unwrap_or(&NONE)
    }

    pub(super) fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.0.keys()
    }
}
