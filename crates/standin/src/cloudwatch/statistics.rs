//! Turns values into statistics: periods, sums, percentiles.
//!
//! Never touches the store: it sees only its arguments.

use std::{collections::BTreeMap, str::FromStr};

use jiff::Timestamp;

use super::{store::Sample, unit::Unit, wire::Refusal};

/// One number for one period.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// A percentile, 0 to 100, and its original text.
    Percentile(f64, String),
}

impl FromStr for Statistic {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Ok(match text {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => {
                let percentile = text
                    .strip_prefix('p')
                    .and_then(|number| number.parse().ok())
                    .filter(|it| (0.0..=100.0).contains(it));
                let unknown = || {
                    Refusal::value(format!(
                        "The value {text} is no statistic that the stand-in knows: SampleCount, Average, Sum, Minimum, Maximum, or p0 to p100."
                    ))
                };
                Self::Percentile(percentile.ok_or_else(unknown)?, text.to_owned())
            }
        })
    }
}

/// The time range of an answer, cut into periods from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Seconds since 1970, in whole minutes or, if periods are shorter than a minute, in whole periods.
    start: i64,
    end: Timestamp,
    period: i64,
}

impl Span {
    pub(super) fn new(start: Timestamp, end: Timestamp, period: i64) -> Result<Self, Refusal> {
        if start >= end {
            return Err(Refusal::value("The parameter StartTime must be less than the parameter EndTime.".to_owned()));
        }
        if period < 1 || (period % 60 != 0 && ![1, 5, 10, 20, 30].contains(&period)) {
            return Err(Refusal::value(
                "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.".to_owned(),
            ));
        }
        let start = start.as_second();
        Ok(Self { start: start - start.rem_euclid(period.min(60)), end, period })
    }

    /// The number of periods.
    pub(super) fn periods(&self) -> i64 {
        (self.end.as_second() - self.start + self.period - 1) / self.period
    }

    /// The start of the period that contains a sample.
    fn period_of(&self, sample: &Sample) -> Option<Timestamp> {
        let at = sample.at.as_second();
        // Metrics of standard resolution are kept by the minute.
        let at = at - at.rem_euclid(sample.resolution);
        let inside = at >= self.start && at < self.end.as_second().max(self.start + 1);
        inside.then(|| Timestamp::from_second(at - (at - self.start).rem_euclid(self.period)).unwrap_or(sample.at))
    }

    /// The samples of each non-empty period, by unit.
    pub(super) fn cut<'a>(
        &self,
        samples: impl IntoIterator<Item = &'a Sample>,
    ) -> BTreeMap<(Timestamp, Unit), Vec<&'a Sample>> {
        let mut periods: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for sample in samples {
            if let Some(start) = self.period_of(sample) {
                periods.entry((start, sample.unit)).or_default().push(sample);
            }
        }
        periods
    }
}

/// A statistic of some samples. None if it does not exist, such as a percentile of statistic sets.
pub(super) fn compute(statistic: &Statistic, samples: &[&Sample]) -> Option<f64> {
    let total = |of: fn(&Sample) -> f64| samples.iter().map(|sample| of(sample)).sum::<f64>();
    Some(match statistic {
        Statistic::SampleCount => total(|sample| sample.count),
        Statistic::Sum => total(|sample| sample.sum),
        Statistic::Average => total(|sample| sample.sum) / total(|sample| sample.count),
        Statistic::Minimum => samples.iter().map(|sample| sample.minimum).fold(f64::INFINITY, f64::min),
        Statistic::Maximum => samples.iter().map(|sample| sample.maximum).fold(f64::NEG_INFINITY, f64::max),
        Statistic::Percentile(rank, _) => return percentile(*rank, samples),
    })
}

/// The smallest value that at least `rank` percent of all values do not exceed.
fn percentile(rank: f64, samples: &[&Sample]) -> Option<f64> {
    #[allow(clippy::float_cmp, reason = "both are the same number unless the sample is a statistic set")]
    let values_are_known = samples.iter().all(|sample| sample.minimum == sample.maximum && sample.minimum >= 0.0);
    if !values_are_known {
        return None;
    }
    let mut values: Vec<_> = samples.iter().map(|sample| (sample.minimum, sample.count)).collect();
    values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let wanted = rank / 100.0 * values.iter().map(|(_, count)| count).sum::<f64>();
    let mut seen = 0.0;
    let reaches = values.iter().find(|(_, count)| {
        seen += count;
        seen >= wanted
    });
    reaches.or(values.last()).map(|(value, _)| *value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn sample(second: i64, value: f64, count: f64) -> Sample {
        let at = Timestamp::from_second(second).unwrap();
        Sample { at, count, sum: value * count, minimum: value, maximum: value, unit: Unit::Count, resolution: 1 }
    }

    #[test_case("SampleCount" => Some(10.0))]
    #[test_case("Sum" => Some(27.0))]
    #[test_case("Average" => Some(2.7))]
    #[test_case("Minimum" => Some(1.0))]
    #[test_case("Maximum" => Some(10.0))]
    #[test_case("p0" => Some(1.0))]
    #[test_case("p50" => Some(2.0); "the middle")]
    #[test_case("p90" => Some(2.0); "the last of the many")]
    #[test_case("p90.1" => Some(10.0); "the first of the few")]
    #[test_case("p100" => Some(10.0); "the last")]
    fn a_statistic_of_one_1_eight_2_and_one_10(text: &str) -> Option<f64> {
        let samples = [sample(0, 10.0, 1.0), sample(0, 2.0, 8.0), sample(0, 1.0, 1.0)];
        let samples: Vec<_> = samples.iter().collect();
        compute(&text.parse().unwrap(), &samples)
    }

    #[test_case("p101"; "too much")]
    #[test_case("p"; "no number")]
    #[test_case("tm90"; "one that the stand-in does not know")]
    fn no_statistic(text: &str) {
        assert!(text.parse::<Statistic>().is_err());
    }

    #[test]
    fn a_set_has_no_percentile() {
        let set = Sample { minimum: 1.0, maximum: 3.0, ..sample(0, 2.0, 2.0) };
        assert_eq!(compute(&"p50".parse().unwrap(), &[&set]), None);
    }

    #[test]
    fn periods_begin_where_the_span_does_and_end_before_its_end() {
        let second = |at| Timestamp::from_second(at).unwrap();
        let span = Span::new(second(61), second(240), 120).unwrap();
        let samples: Vec<_> = [59, 60, 179, 180, 239, 240].map(|at| sample(at, 1.0, 1.0)).into();
        let periods: Vec<_> =
            span.cut(&samples).into_iter().map(|((start, _), of)| (start.as_second(), of.len())).collect();
        assert_eq!(periods, [(60, 2), (180, 2)]);
        assert_eq!(span.periods(), 2);
    }

    #[test]
    fn standard_resolution_is_kept_by_the_minute() {
        let second = |at| Timestamp::from_second(at).unwrap();
        let span = Span::new(second(0), second(120), 1).unwrap();
        let coarse = Sample { resolution: 60, ..sample(61, 1.0, 1.0) };
        let starts: Vec<_> =
            span.cut([&coarse, &sample(61, 1.0, 1.0)]).into_keys().map(|(start, _)| start.as_second()).collect();
        assert_eq!(starts, [60, 61]);
    }
}
