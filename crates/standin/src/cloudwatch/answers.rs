//! `GetMetricStatistics`, `GetMetricData` and `ListMetrics`.
//!
//! Never changes the store.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    fields::{Flag, Moment, Number},
    input::{Dimension, GetMetricData, GetMetricStatistics, ListMetrics, MetricDataQuery, MetricStat},
    put::{dimensions, required},
    statistics::{Span, Statistic, compute},
    store::{Metric, Sample, Store},
    unit::Unit,
    wire::{Node, Refusal},
};
use crate::lambda::between;

/// The most data points that `GetMetricStatistics` answers with.
const POINTS_LIMIT: i64 = 1440;

/// The most queries in one `GetMetricData`.
const QUERIES_LIMIT: usize = 500;

/// Metrics per page of `ListMetrics`.
const PAGE: usize = 500;

/// Data points of one metric: one set for each unit of its values.
pub(super) fn get_metric_statistics(store: &Store, input: GetMetricStatistics) -> Result<Node, Refusal> {
    let metric = named(input.namespace, input.metric_name, &input.dimensions)?;
    let statistics = statistics(&input.statistics, &input.extended_statistics)?;
    let span = span(input.start_time, input.end_time, input.period)?;
    if span.periods() > POINTS_LIMIT {
        return Err(Refusal::combination(format!(
            "You have requested up to {} datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
            span.periods()
        )));
    }
    let unit = unit(input.unit.as_deref(), "Unit")?;
    let periods = span.cut(store.samples(&metric).iter().filter(|sample| unit.is_none_or(|unit| unit == sample.unit)));
    let points =
        periods.into_iter().map(|((start, unit), samples)| point(start, unit, &samples, &statistics)).collect();
    Ok(Node::Struct(vec![("Label", Node::Text(metric.name)), ("Datapoints", Node::List(points))]))
}

fn point(start: Timestamp, unit: Unit, samples: &[&Sample], statistics: &[Statistic]) -> Node {
    let mut fields = vec![("Timestamp", Node::Time(start))];
    let mut percentiles = Vec::new();
    for statistic in statistics {
        let Some(value) = compute(statistic, samples).map(Node::Number) else {
            continue;
        };
        match statistic {
            Statistic::SampleCount => fields.push(("SampleCount", value)),
            Statistic::Average => fields.push(("Average", value)),
            Statistic::Sum => fields.push(("Sum", value)),
            Statistic::Minimum => fields.push(("Minimum", value)),
            Statistic::Maximum => fields.push(("Maximum", value)),
            Statistic::Percentile(_, name) => percentiles.push((name.clone(), value)),
        }
    }
    fields.push(("Unit", Node::Text(unit.name())));
    if !percentiles.is_empty() {
        fields.push(("ExtendedStatistics", Node::Map(percentiles)));
    }
    Node::Struct(fields)
}

fn statistics(plain: &[String], extended: &[String]) -> Result<Vec<Statistic>, Refusal> {
    if plain.is_empty() == extended.is_empty() {
        return Err(Refusal::combination(
            "You must specify either Statistics or ExtendedStatistics, but not both.".to_owned(),
        ));
    }
    let parsed: Vec<Statistic> = plain.iter().chain(extended).map(|text| text.parse()).collect::<Result<_, _>>()?;
    match parsed.iter().find(|statistic| matches!(statistic, Statistic::Percentile(..)) == extended.is_empty()) {
        Some(misplaced) => {
            Err(Refusal::value(format!("{misplaced:?} is in the wrong one of Statistics and ExtendedStatistics.")))
        }
        None => Ok(parsed),
    }
}

/// Values of several metrics, each with its timestamps.
pub(super) fn get_metric_data(store: &Store, input: GetMetricData) -> Result<Node, Refusal> {
    match input.metric_data_queries.len() {
        0 => {
            return Err(Refusal::missing("The parameter MetricDataQueries is required.".to_owned()));
        }
        1..=QUERIES_LIMIT => {}
        _ => {
            return Err(Refusal::value(format!(
                "The collection MetricDataQueries must not have a size greater than {QUERIES_LIMIT}."
            )));
        }
    }
    let ascending = match input.scan_by.as_deref() {
        None | Some("TimestampDescending") => false,
        Some("TimestampAscending") => true,
        Some(other) => {
            return Err(Refusal::value(format!(
                "The parameter ScanBy must be TimestampAscending or TimestampDescending, not {other}."
            )));
        }
    };
    let results = input
        .metric_data_queries
        .into_iter()
        .map(|query| metric_data(store, query, (input.start_time, input.end_time), ascending))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Node::Struct(vec![
        ("MetricDataResults", Node::List(results.into_iter().flatten().collect())),
        ("Messages", Node::List(Vec::new())),
    ]))
}

fn metric_data(
    store: &Store,
    query: MetricDataQuery,
    time: (Option<Moment>, Option<Moment>),
    ascending: bool,
) -> Result<Option<Node>, Refusal> {
    let id = required(query.id, "MetricDataQueries.member.Id", 255)?;
    if !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(Refusal::value(format!(
            "The value {id} for parameter Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
        )));
    }
    let Some(wanted) = query.metric_stat else {
        let expression = query.expression.unwrap_or_default();
        return Err(Refusal::value(format!(
            "The stand-in evaluates no expressions; the query {id} needs a MetricStat, not {expression:?}."
        )));
    };
    let label = query.label.or_else(|| wanted.metric.metric_name.clone()).unwrap_or_default();
    let mut points: Vec<_> = points(store, wanted, time)?.into_iter().collect();
    if !ascending {
        points.reverse();
    }
    let (times, values) = points.into_iter().map(|(at, value)| (Node::Time(at), Node::Number(value))).unzip();
    let result = Node::Struct(vec![
        ("Id", Node::Text(id)),
        ("Label", Node::Text(label)),
        ("Timestamps", Node::List(times)),
        ("Values", Node::List(values)),
        ("StatusCode", Node::Text("Complete".to_owned())),
    ]);
    Ok(query.return_data.is_none_or(|Flag(wanted)| wanted).then_some(result))
}

fn points(
    store: &Store,
    wanted: MetricStat,
    (start, end): (Option<Moment>, Option<Moment>),
) -> Result<BTreeMap<Timestamp, f64>, Refusal> {
    let metric = named(wanted.metric.namespace, wanted.metric.metric_name, &wanted.metric.dimensions)?;
    let statistic: Statistic = required(wanted.stat, "MetricStat.Stat", 255)?.parse()?;
    let unit = unit(wanted.unit.as_deref(), "MetricStat.Unit")?;
    let span = span(start, end, wanted.period)?;
    let mut periods: BTreeMap<Timestamp, Vec<&Sample>> = BTreeMap::new();
    for ((start, of), samples) in span.cut(store.samples(&metric)) {
        if unit.is_none_or(|unit| unit == of) {
            periods.entry(start).or_default().extend(samples);
        }
    }
    Ok(periods
        .into_iter()
        .filter_map(|(start, samples)| compute(&statistic, &samples).map(|value| (start, value)))
        .collect())
}

/// Lists the known metrics, filtered, one page at a time.
pub(super) fn list_metrics(store: &Store, now: Timestamp, input: &ListMetrics) -> Result<Node, Refusal> {
    let start: usize = match input.next_token.as_deref() {
        None => 0,
        Some(token) => token.parse().map_err(|_| Refusal::value(format!("Invalid NextToken {token:?}.")))?,
    };
    let matching = store
        .metrics()
        .filter(|metric| matches(metric, input) && (input.recently_active.is_none() || is_active(store, metric, now)));
    let mut page: Vec<_> = matching.skip(start).take(PAGE + 1).map(describe).collect();
    let more = page.len() > PAGE;
    page.truncate(PAGE);
    let mut fields = vec![("Metrics", Node::List(page))];
    if more {
        fields.push(("NextToken", Node::Text((start + PAGE).to_string())));
    }
    Ok(Node::Struct(fields))
}

fn matches(metric: &Metric, filter: &ListMetrics) -> bool {
    filter.namespace.as_ref().is_none_or(|namespace| *namespace == metric.namespace)
        && filter.metric_name.as_ref().is_none_or(|name| *name == metric.name)
        && filter.dimensions.iter().all(|wanted| {
            metric.dimensions.iter().any(|(name, value)| {
                Some(name) == wanted.name.as_ref() && wanted.value.as_ref().is_none_or(|it| it == value)
            })
        })
}

fn is_active(store: &Store, metric: &Metric, now: Timestamp) -> bool {
    store.samples(metric).iter().any(|sample| between(sample.at, now) < Duration::from_hours(3))
}

fn describe(metric: &Metric) -> Node {
    let text = |text: &String| Node::Text(text.clone());
    let dimensions =
        metric.dimensions.iter().map(|(name, value)| Node::Struct(vec![("Name", text(name)), ("Value", text(value))]));
    Node::Struct(vec![
        ("Namespace", text(&metric.namespace)),
        ("MetricName", text(&metric.name)),
        ("Dimensions", Node::List(dimensions.collect())),
    ])
}

fn named(namespace: Option<String>, name: Option<String>, given: &[Dimension]) -> Result<Metric, Refusal> {
    let (namespace, name) = (required(namespace, "Namespace", 255)?, required(name, "MetricName", 255)?);
    Ok(Metric::new(&namespace, &name, dimensions(given, "Metric")?))
}

fn span(start: Option<Moment>, end: Option<Moment>, period: Option<Number>) -> Result<Span, Refusal> {
    let missing = |name: &str| Refusal::missing(format!("The parameter {name} is required."));
    let (start, end) = (start.ok_or_else(|| missing("StartTime"))?, end.ok_or_else(|| missing("EndTime"))?);
    let period = period.ok_or_else(|| missing("Period"))?;
    Span::new(start.0, end.0, period.whole().unwrap_or_default())
}

fn unit(text: Option<&str>, at: &str) -> Result<Option<Unit>, Refusal> {
    text.map(|text| Unit::parse(text, at)).transpose()
}
