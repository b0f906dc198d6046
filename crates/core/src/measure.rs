//! Every metric's name and unit, in one place, and the data that carry them.
//!
//! Never leaves out a zero: a missing metric means that the function is missing.

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

/// Makes [`Metric`] of a list of metrics with their units. A member's name is the metric's name in CloudWatch.
macro_rules! metrics {
    ($($(#[$doc:meta])+ $name:ident: $unit:ident,)+) => {
        /// A metric of a feed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $($(#[$doc])+ $name,)+
        }

        impl Metric {
            /// All of them.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$name),+];

            /// Its name in CloudWatch.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// Its unit.
            #[must_use]
            pub fn unit(self) -> Unit {
                match self {
                    $(Self::$name => Unit::$unit,)+
                }
            }
        }
    };
}

metrics! {
    /// Files listed and held by no claim.
    UnprocessedFiles: Count,
    /// Their bytes.
    UnprocessedBytes: Bytes,
    /// The age of the oldest of them, since it was written; 0 when there is none.
    OldestUnprocessedAge: Seconds,
    /// Files held by claims.
    InFlightFiles: Count,
    /// Files that may be loaded at once: X, or less while the warehouse is too full.
    EffectiveMaxFiles: Count,
    /// Files committed.
    FilesLoaded: Count,
    /// Their bytes, as stored.
    BytesLoaded: Bytes,
    /// Rows committed.
    RowsLoaded: Count,
    /// Files moved to `failed/`.
    FilesQuarantined: Count,
    /// Files loaded that are not empty and brought no row.
    FilesWithoutRows: Count,
    /// Files that no feed takes: under `incoming/` and of no feed, or of a name that their feed does not include.
    FilesNotTaken: Count,
    /// Files that a producer replaced during the load, where the warehouse cannot say which version it read.
    FilesReplaced: Count,
    /// Files that fail alone while others of the feed are loaded: they wait outside of all slots.
    FilesResting: Count,
    /// 1 while nothing of the feed works, else 0.
    FeedDown: Count,
    /// Transactions, and moves of files, that failed for another reason than the content of a file.
    LoadsFailed: Count,
    /// How long a transaction took.
    LoadDuration: Milliseconds,
    /// From a file's arrival to its commit.
    TimeToLoad: Seconds,
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

/// One metric of one feed at one moment: values, and how often each was seen.
///
/// ```
/// use std::time::Duration;
///
/// use jiff::Timestamp;
/// use sluice_core::config::FeedName;
/// use sluice_core::measure::{Datum, Metric, Unit};
///
/// let feed = FeedName::new("flights").ok_or("not a feed's name")?;
/// let waits = [1, 2, 2].map(Duration::from_secs);
/// let datum = Datum::durations(Metric::TimeToLoad, &feed, Timestamp::UNIX_EPOCH, &waits);
/// assert_eq!(datum.values, [(1.0, 1.0), (2.0, 2.0)]);
/// assert_eq!((datum.metric.name(), datum.metric.unit()), ("TimeToLoad", Unit::Seconds));
/// # Ok::<(), &str>(())
/// ```
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

    /// Many durations, in the metric's unit (seconds or milliseconds). They are rounded to two significant digits, so
    /// that many durations have few distinct values.
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
        // Two digits over four decades are 360 values. Of too many, the smallest are counted together.
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

/// The number of files.
pub(crate) fn count(files: &[File]) -> u64 {
    u64::try_from(files.len()).unwrap_or(u64::MAX)
}

/// A number as metrics have it. Up to 2^53 it is exact.
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
