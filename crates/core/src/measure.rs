//! Every metric's name and unit, in one place, and the data that carry them.
//!
//! Zero is published as zero: a metric that is missing means a function that is missing.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::FeedName;
use crate::object::File;

/// The CloudWatch namespace.
pub const NAMESPACE: &str = "Sluice";
/// The one dimension: the feed's name.
pub const DIMENSION: &str = "Feed";
/// The most distinct values of one datum. Source: Amazon CloudWatch API Reference, `MetricDatum`.
pub const MAX_VALUES: usize = 150;

/// A metric of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Files listed and held by no claim.
    UnprocessedFiles,
    /// Their bytes.
    UnprocessedBytes,
    /// Seconds since the oldest of them was written; 0 when there is none.
    OldestUnprocessedAge,
    /// Files held by claims.
    InFlightFiles,
    /// Files that may be loaded at once: X, or less while the warehouse is too full.
    EffectiveMaxFiles,
    /// Files committed.
    FilesLoaded,
    /// Their bytes, as stored.
    BytesLoaded,
    /// Rows committed.
    RowsLoaded,
    /// Files moved to `failed/`.
    FilesQuarantined,
    /// Files loaded that are not empty and brought no row.
    FilesWithoutRows,
    /// Files that nobody takes: under `incoming/` and of no feed, or of a name that their feed does not include.
    FilesNotTaken,
    /// Files that a producer replaced during the load, where the warehouse cannot say which version it read.
    FilesReplaced,
    /// Files that fail alone while others of the feed are loaded: they wait outside of all slots.
    FilesResting,
    /// 1 while nothing of the feed works, else 0.
    FeedDown,
    /// Transactions, and moves of files, that failed for another reason than what is in a file.
    LoadsFailed,
    /// Milliseconds a transaction took.
    LoadDuration,
    /// Seconds from a file's arrival to its commit.
    TimeToLoad,
}

/// A metric's unit, by CloudWatch's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 17] = [
        Self::UnprocessedFiles,
        Self::UnprocessedBytes,
        Self::OldestUnprocessedAge,
        Self::InFlightFiles,
        Self::EffectiveMaxFiles,
        Self::FilesLoaded,
        Self::BytesLoaded,
        Self::RowsLoaded,
        Self::FilesQuarantined,
        Self::FilesWithoutRows,
        Self::FilesNotTaken,
        Self::FilesReplaced,
        Self::FilesResting,
        Self::FeedDown,
        Self::LoadsFailed,
        Self::LoadDuration,
        Self::TimeToLoad,
    ];

    /// Its name in CloudWatch.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnprocessedFiles => "UnprocessedFiles",
            Self::UnprocessedBytes => "UnprocessedBytes",
            Self::OldestUnprocessedAge => "OldestUnprocessedAge",
            Self::InFlightFiles => "InFlightFiles",
            Self::EffectiveMaxFiles => "EffectiveMaxFiles",
            Self::FilesLoaded => "FilesLoaded",
            Self::BytesLoaded => "BytesLoaded",
            Self::RowsLoaded => "RowsLoaded",
            Self::FilesQuarantined => "FilesQuarantined",
            Self::FilesWithoutRows => "FilesWithoutRows",
            Self::FilesNotTaken => "FilesNotTaken",
            Self::FilesReplaced => "FilesReplaced",
            Self::FilesResting => "FilesResting",
            Self::FeedDown => "FeedDown",
            Self::LoadsFailed => "LoadsFailed",
            Self::LoadDuration => "LoadDuration",
            Self::TimeToLoad => "TimeToLoad",
        }
    }

    /// Its unit.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::UnprocessedBytes | Self::BytesLoaded => Unit::Bytes,
            Self::OldestUnprocessedAge | Self::TimeToLoad => Unit::Seconds,
            Self::LoadDuration => Unit::Milliseconds,
            _ => Unit::Count,
        }
    }
}

/// One metric of one feed at one moment: values, and how often each was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Which metric.
    pub metric: Metric,
    /// Of which feed.
    pub feed: FeedName,
    /// When.
    pub at: Timestamp,
    /// At most [`MAX_VALUES`] distinct values with their counts.
    pub values: Vec<(f64, f64)>,
}

impl Datum {
    /// A single value.
    #[must_use]
    pub fn one(metric: Metric, feed: &FeedName, at: Timestamp, value: f64) -> Self {
        Self { metric, feed: feed.clone(), at, values: vec![(value, 1.0)] }
    }

    /// Many durations, in the metric's unit (seconds or milliseconds), kept to two significant digits so that however
    /// many there are, there are few distinct values.
    #[must_use]
    pub fn durations(metric: Metric, feed: &FeedName, at: Timestamp, durations: &[Duration]) -> Self {
        let scale = if metric.unit() == Unit::Milliseconds { 1000.0 } else { 1.0 };
        let mut rounded: Vec<f64> = durations.iter().map(|d| two_digits(d.as_secs_f64() * scale)).collect();
        rounded.sort_unstable_by(f64::total_cmp);
        let mut values: Vec<(f64, f64)> = Vec::new();
        for value in rounded {
            match values.last_mut() {
                Some((last, count)) if last.total_cmp(&value).is_eq() => *count += 1.0,
                _ => values.push((value, 1.0)),
            }
        }
        // Two digits over four decades are 360 values; the smallest of more than MAX_VALUES are of no interest apart.
        while values.len() > MAX_VALUES {
            let (_, count) = values.remove(0);
            values[0].1 += count;
        }
        Self { metric, feed: feed.clone(), at, values }
    }

    /// The sum over all values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.values.iter().map(|(value, count)| value * count).sum()
    }
}

/// How many files there are.
pub(crate) fn count(files: &[File]) -> u64 {
    u64::try_from(files.len()).unwrap_or(u64::MAX)
}

/// A number as metrics have it: floating point, and 2^53 files are enough.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// `value` to two significant digits, but not finer than a hundredth.
fn two_digits(value: f64) -> f64 {
    if value < 0.01 {
        return 0.0;
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0).max(0.01);
    // Through text, so that equal values are equal: 3 * 0.1 is not 0.3.
    format!("{:.2}", (value / unit).round() * unit).parse().unwrap_or(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0.0, "0")]
    #[test_case(0.0123, "0.01")]
    #[test_case(0.456, "0.46")]
    #[test_case(3.21, "3.2")]
    #[test_case(1234.0, "1200")]
    fn two_significant_digits(value: f64, rounded: &str) {
        assert_eq!(two_digits(value).to_string(), rounded);
    }

    #[test]
    fn many_durations_are_few_values() {
        let feed = FeedName::new("flights").unwrap();
        let all: Vec<Duration> = (0..100_000).map(Duration::from_millis).collect();
        let datum = Datum::durations(Metric::TimeToLoad, &feed, Timestamp::UNIX_EPOCH, &all);
        assert!(datum.values.len() <= MAX_VALUES, "{}", datum.values.len());
        let count: f64 = datum.values.iter().map(|(_, count)| count).sum();
        assert!((count - 100_000.0).abs() < f64::EPSILON);
    }

    #[test]
    fn names_differ() {
        let mut names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
