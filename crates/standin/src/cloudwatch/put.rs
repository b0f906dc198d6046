//! `PutMetricData`: makes the checks that the real service makes, then keeps the values.
//!
//! All or nothing: one bad value rejects the whole request.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    fields::Number,
    input::{Dimension, MetricDatum, PutMetricData, StatisticSet},
    store::{Metric, Sample, Store},
    unit::Unit,
    wire::{Node, Refusal},
};
use crate::lambda::between;

/// How far in the past and in the future a timestamp may be.
const WINDOW: (Duration, Duration) = (Duration::from_hours(14 * 24), Duration::from_hours(2));

const METRICS_LIMIT: usize = 1000;
const VALUES_LIMIT: usize = 150;
const DIMENSIONS_LIMIT: usize = 30;

pub(super) fn put_metric_data(store: &mut Store, now: Timestamp, input: PutMetricData) -> Result<Node, Refusal> {
    let namespace = required(input.namespace, "Namespace", 255)?;
    if namespace.starts_with(':') || namespace.chars().any(char::is_control) {
        return Err(Refusal::value(
            "The parameter Namespace must not begin with a colon or contain control characters.".to_owned(),
        ));
    }
    let entities = input.entity_metric_data.into_iter().flat_map(|entity| entity.metric_data);
    let data: Vec<_> = input.metric_data.into_iter().chain(entities).collect();
    match data.len() {
        0 => {
            return Err(Refusal::missing("The parameter MetricData is required.".to_owned()));
        }
        1..=METRICS_LIMIT => {}
        _ => {
            return Err(Refusal::value(format!(
                "The collection MetricData must not have a size greater than {METRICS_LIMIT}."
            )));
        }
    }
    let checked: Vec<_> = (1..)
        .zip(data)
        .map(|(number, datum)| check(&namespace, now, &datum, &format!("MetricData.member.{number}")))
        .collect::<Result<_, _>>()?;
    for (metric, samples) in checked {
        store.put(metric, samples);
    }
    Ok(Node::Nothing)
}

fn check(namespace: &str, now: Timestamp, datum: &MetricDatum, at: &str) -> Result<(Metric, Vec<Sample>), Refusal> {
    let name = required(datum.metric_name.clone(), &format!("{at}.MetricName"), 255)?;
    let dimensions = dimensions(&datum.dimensions, at)?;
    let moment = datum.timestamp.map_or(now, |moment| moment.0);
    if between(moment, now) > WINDOW.0 || between(now, moment) > WINDOW.1 {
        return Err(Refusal::value(format!(
            "The parameter {at}.Timestamp must specify a time within the past two weeks and no more than two hours in the future."
        )));
    }
    let unit = datum.unit.as_deref().map_or(Ok(Unit::None), |unit| Unit::parse(unit, &format!("{at}.Unit")))?;
    let resolution = match datum.storage_resolution.map(Number::whole) {
        None | Some(Some(60)) => 60,
        Some(Some(1)) => 1,
        Some(_) => {
            return Err(Refusal::value(format!("The parameter {at}.StorageResolution must be 1 or 60.")));
        }
    };
    let blank = Sample { at: moment, count: 1.0, sum: 0.0, minimum: 0.0, maximum: 0.0, unit, resolution };
    Ok((Metric::new(namespace, &name, dimensions), samples(datum, &blank, at)?))
}

/// The values of a datum, which carries them in one of three forms.
fn samples(datum: &MetricDatum, blank: &Sample, at: &str) -> Result<Vec<Sample>, Refusal> {
    match (datum.value, &datum.statistic_values, datum.values.as_slice()) {
        (Some(value), None, []) => Ok(vec![sample(value, Number(1.0), blank, &format!("{at}.Value"))?]),
        (None, Some(set), []) => Ok(vec![of_set(set, blank, &format!("{at}.StatisticValues"))?]),
        (None, None, values @ [_, ..]) => of_values(values, &datum.counts, blank, at),
        (None, None, []) => Err(Refusal::missing(format!(
            "At least one of the parameters must be specified: {at}.Value, {at}.Values, {at}.StatisticValues."
        ))),
        _ => Err(Refusal::combination(format!(
            "The parameters {at}.Value, {at}.Values and {at}.StatisticValues are mutually exclusive and you have specified more than one."
        ))),
    }
}

fn of_values(values: &[Number], counts: &[Number], blank: &Sample, at: &str) -> Result<Vec<Sample>, Refusal> {
    if values.len() > VALUES_LIMIT {
        return Err(Refusal::value(format!(
            "The collection {at}.Values must not have a size greater than {VALUES_LIMIT}."
        )));
    }
    if !counts.is_empty() && counts.len() != values.len() {
        return Err(Refusal::value(format!("The parameters {at}.Values and {at}.Counts must be of the same size.")));
    }
    let counts = counts.iter().copied().chain(std::iter::repeat(Number(1.0)));
    values.iter().zip(counts).map(|(value, count)| sample(*value, count, blank, &format!("{at}.Values"))).collect()
}

fn sample(value: Number, count: Number, blank: &Sample, at: &str) -> Result<Sample, Refusal> {
    let (value, count) = (finite(value, at)?, positive(count, at)?);
    Ok(Sample { count, sum: value * count, minimum: value, maximum: value, ..blank.clone() })
}

fn of_set(set: &StatisticSet, blank: &Sample, at: &str) -> Result<Sample, Refusal> {
    let field = |value: Option<Number>, name: &str| {
        let at = format!("{at}.{name}");
        finite(value.ok_or_else(|| Refusal::missing(format!("The parameter {at} is required.")))?, &at)
    };
    let (sum, minimum, maximum) =
        (field(set.sum, "Sum")?, field(set.minimum, "Minimum")?, field(set.maximum, "Maximum")?);
    let count = positive(Number(field(set.sample_count, "SampleCount")?), &format!("{at}.SampleCount"))?;
    if minimum > maximum {
        return Err(Refusal::value(format!(
            "The parameter {at}.Maximum must be greater than or equal to {at}.Minimum."
        )));
    }
    Ok(Sample { count, sum, minimum, maximum, ..blank.clone() })
}

fn finite(value: Number, at: &str) -> Result<f64, Refusal> {
    if value.0.is_finite() && value.0.abs() <= 2f64.powi(360) {
        return Ok(value.0);
    }
    Err(Refusal::value(format!(
        "The value {} for parameter {at} is invalid: it must be between -2^360 and 2^360.",
        value.0
    )))
}

fn positive(count: Number, at: &str) -> Result<f64, Refusal> {
    let count_is = finite(count, at)?;
    if count_is > 0.0 {
        return Ok(count_is);
    }
    Err(Refusal::value(format!("The count {count_is} for parameter {at} is invalid: it must be greater than zero.")))
}

/// The dimensions of a metric: ASCII, not blank, no name twice.
pub(super) fn dimensions(given: &[Dimension], at: &str) -> Result<Vec<(String, String)>, Refusal> {
    if given.len() > DIMENSIONS_LIMIT {
        return Err(Refusal::value(format!(
            "The collection {at}.Dimensions must not have a size greater than {DIMENSIONS_LIMIT}."
        )));
    }
    let mut dimensions: Vec<(String, String)> = Vec::with_capacity(given.len());
    for (number, dimension) in (1..).zip(given) {
        let at = format!("{at}.Dimensions.member.{number}");
        let name = required(dimension.name.clone(), &format!("{at}.Name"), 255)?;
        let value = required(dimension.value.clone(), &format!("{at}.Value"), 1024)?;
        if !(is_plain(&name) && is_plain(&value)) || name.starts_with(':') {
            return Err(Refusal::value(format!(
                "The parameter {at} must contain only ASCII characters, and not only blanks."
            )));
        }
        if dimensions.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::value(format!("The parameter {at}.Name {name:?} is there twice.")));
        }
        dimensions.push((name, value));
    }
    Ok(dimensions)
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii() && !character.is_ascii_control()) && !text.trim().is_empty()
}

/// A text that is required.
pub(super) fn required(text: Option<String>, at: &str, limit: usize) -> Result<String, Refusal> {
    let text = text
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::missing(format!("The parameter {at} is required.")))?;
    if text.chars().count() > limit {
        return Err(Refusal::value(format!("The parameter {at} must be shorter than {} characters.", limit + 1)));
    }
    Ok(text)
}
