//! `CloudWatch` through the real SDK, and by hand in the protocols that the Rust SDK no longer speaks.
//!
//! One file, because each protocol must give the same answers to the same data.

use std::{io::Write, time::Duration};

use aws_sdk_cloudwatch::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    error::ProvideErrorMetadata,
    primitives::DateTime,
    types::{
        Dimension, DimensionFilter, Metric, MetricDataQuery, MetricDatum, MetricStat, ScanBy, StandardUnit, Statistic,
        StatisticSet,
    },
};
use aws_smithy_http_client::tls;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use test_case::test_case;

use super::{CloudWatch, Datum, Unit};
use crate::{
    lambda::{Clock, testing::Server},
    service::Call,
};

fn client(server: &Server) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("tester", "sluice", None, None, "test"))
        .region(Region::new("us-east-1"))
        .endpoint_url(&server.endpoint)
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// Changes some fields of a value. The SDK's types cannot be written as struct literals.
fn changed<T>(mut it: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut it);
    it
}

fn feed(name: &str) -> Dimension {
    Dimension::builder().name("Feed").value(name).build()
}

fn datum(name: &str, value: f64) -> MetricDatum {
    MetricDatum::builder().metric_name(name).dimensions(feed("flights")).unit(StandardUnit::Count).value(value).build()
}

/// The clock's minute, shifted by `minutes`.
fn minute(server: &Server, minutes: i64) -> DateTime {
    let now = server.clock.now().as_second();
    DateTime::from_secs(now - now.rem_euclid(60) + minutes * 60)
}

async fn put(server: &Server, data: impl IntoIterator<Item = MetricDatum>) {
    let put = client(server).put_metric_data().namespace("Sluice");
    put.set_metric_data(Some(data.into_iter().collect())).send().await.unwrap();
}

#[tokio::test]
async fn what_the_sdk_puts_is_in_the_series() {
    let server = Server::start().await;
    put(&server, [datum("FilesLoaded", 3.0), datum("FilesLoaded", 0.0), datum("LoadsFailed", 1.0)]).await;
    let at = server.clock.now();
    let loaded = |value| Datum { at, value, count: 1.0, unit: Unit::Count };
    assert_eq!(server.cloudwatch.series("Sluice", "FilesLoaded", &[("Feed", "flights")]), [loaded(3.0), loaded(0.0)]);
    assert_eq!(server.cloudwatch.series("Sluice", "FilesLoaded", &[]), []);
    assert_eq!(server.cloudwatch.metrics().len(), 2);
}

#[tokio::test]
async fn a_large_request_comes_compressed() {
    let server = Server::start().await;
    put(&server, (0..1000).map(|number| datum("FilesLoaded", f64::from(number)))).await;
    let series = server.cloudwatch.series("Sluice", "FilesLoaded", &[("Feed", "flights")]);
    assert_eq!((series.len(), series[999].value), (1000, 999.0));
}

#[tokio::test]
async fn statistics_come_back_as_the_sdk_understands_them() {
    let server = Server::start().await;
    let values = datum("LoadDuration", 0.0);
    let values = changed(values, |it| {
        it.value = None;
        it.values = Some(vec![10.0, 20.0, 90.0]);
        it.counts = Some(vec![1.0, 8.0, 1.0]);
    });
    let earlier = changed(datum("LoadDuration", 5.5), |it| {
        it.timestamp = Some(minute(&server, -1));
    });
    put(&server, [values, earlier]).await;
    let ask = client(&server)
        .get_metric_statistics()
        .namespace("Sluice")
        .metric_name("LoadDuration")
        .dimensions(feed("flights"))
        .start_time(minute(&server, -1))
        .end_time(minute(&server, 1))
        .period(60);
    let all = [Statistic::SampleCount, Statistic::Average, Statistic::Sum, Statistic::Minimum, Statistic::Maximum];
    let answer = ask.clone().set_statistics(Some(all.into())).send().await.unwrap();
    assert_eq!(answer.label(), Some("LoadDuration"));
    let points: Vec<_> = answer
        .datapoints()
        .iter()
        .map(|it| (it.timestamp, it.sample_count, it.average, it.sum, it.minimum, it.maximum, it.unit.clone()))
        .collect();
    let unit = Some(StandardUnit::Count);
    let earlier = (Some(minute(&server, -1)), Some(1.0), Some(5.5), Some(5.5), Some(5.5), Some(5.5), unit.clone());
    let now = (Some(minute(&server, 0)), Some(10.0), Some(26.0), Some(260.0), Some(10.0), Some(90.0), unit);
    assert_eq!(points, [earlier, now]);
    let answer = ask.extended_statistics("p50").extended_statistics("p99.9").send().await.unwrap();
    let percentiles = answer.datapoints()[1].extended_statistics().unwrap();
    assert_eq!((percentiles["p50"], percentiles["p99.9"]), (20.0, 90.0));
}

#[tokio::test]
async fn a_statistic_set_counts_as_all_its_values() {
    let server = Server::start().await;
    let set = StatisticSet::builder().sample_count(4.0).sum(10.0).minimum(1.0).maximum(4.0).build();
    put(
        &server,
        [changed(datum("BytesLoaded", 0.0), |it| {
            it.value = None;
            it.statistic_values = Some(set);
        })],
    )
    .await;
    let answer = client(&server)
        .get_metric_statistics()
        .namespace("Sluice")
        .metric_name("BytesLoaded")
        .dimensions(feed("flights"))
        .start_time(minute(&server, 0))
        .end_time(minute(&server, 1))
        .period(60)
        .statistics(Statistic::Average)
        .statistics(Statistic::Maximum)
        .send()
        .await
        .unwrap();
    let point = &answer.datapoints()[0];
    assert_eq!((point.average, point.maximum, point.minimum), (Some(2.5), Some(4.0), None));
}

#[tokio::test]
async fn metric_data_has_a_result_for_each_query_newest_first() {
    let server = Server::start().await;
    for age in [-2, -1, 0] {
        let timestamp = Some(minute(&server, age));
        put(
            &server,
            [changed(datum("UnprocessedFiles", 10.0 + f64::from(i32::try_from(age).unwrap())), |it| {
                it.timestamp = timestamp;
            })],
        )
        .await;
    }
    let metric =
        Metric::builder().namespace("Sluice").metric_name("UnprocessedFiles").dimensions(feed("flights")).build();
    let query = |id: &str, stat: &str| {
        let stat = MetricStat::builder().metric(metric.clone()).period(60).stat(stat).build();
        MetricDataQuery::builder().id(id).metric_stat(stat).build()
    };
    let ask = client(&server)
        .get_metric_data()
        .metric_data_queries(query("a", "Maximum"))
        .metric_data_queries(query("b", "p90"))
        .metric_data_queries(changed(query("c", "Sum"), |it| {
            it.return_data = Some(false);
        }))
        .start_time(minute(&server, -2))
        .end_time(minute(&server, 1));
    let answer = ask.clone().send().await.unwrap();
    let results: Vec<_> =
        answer.metric_data_results().iter().map(|it| (it.id().unwrap(), it.values().to_vec())).collect();
    assert_eq!(results, [("a", vec![10.0, 9.0, 8.0]), ("b", vec![10.0, 9.0, 8.0])]);
    let answer = ask.scan_by(ScanBy::TimestampAscending).send().await.unwrap();
    let result = &answer.metric_data_results()[0];
    assert_eq!(result.timestamps(), [-2, -1, 0].map(|age| minute(&server, age)));
    assert_eq!((result.label(), result.values()), (Some("UnprocessedFiles"), [8.0, 9.0, 10.0].as_slice()));
}

#[tokio::test]
async fn metrics_are_listed_by_name_dimension_and_page() {
    let server = Server::start().await;
    let other = changed(datum("FilesLoaded", 1.0), |it| {
        it.dimensions = Some(vec![feed("weather")]);
    });
    put(&server, [datum("FilesLoaded", 1.0), other, datum("LoadsFailed", 0.0)]).await;
    let filter = DimensionFilter::builder().name("Feed").value("flights").build();
    let listed = client(&server).list_metrics().namespace("Sluice").dimensions(filter).send().await.unwrap();
    let names: Vec<_> = listed.metrics().iter().map(|it| it.metric_name().unwrap()).collect();
    assert_eq!(names, ["FilesLoaded", "LoadsFailed"]);
    put(&server, (0..600).map(|number| datum(&format!("Many{number}"), 1.0))).await;
    let pages = client(&server).list_metrics().into_paginator().send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    let sizes: Vec<_> = pages.iter().map(|page| page.metrics().len()).collect();
    assert_eq!(sizes, [500, 103]);
}

#[tokio::test]
async fn a_refusal_is_the_sdks_own_error() {
    let server = Server::start().await;
    let error = client(&server)
        .put_metric_data()
        .namespace("Sluice")
        .metric_data(datum("A", f64::NAN))
        .send()
        .await
        .unwrap_err();
    let error = error.into_service_error();
    assert!(error.is_invalid_parameter_value_exception(), "{error:?}");
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    assert!(error.message().unwrap().contains("MetricData.member.1.Value"), "{error:?}");
    assert!(server.cloudwatch.metrics().is_empty());
}

async fn ask(cloudwatch: &CloudWatch, request: Request<Bytes>) -> Response<Bytes> {
    cloudwatch.call(Call { caller: "tester".to_owned(), region: "us-east-1".to_owned(), request }).await
}

fn in_json(operation: &str, input: &Value) -> Request<Bytes> {
    let target = format!("GraniteServiceVersion20100801.{operation}");
    Request::post("/").header("x-amz-target", target).body(input.to_string().into()).unwrap()
}

fn form(pairs: &str) -> Request<Bytes> {
    let body = Bytes::from(pairs.to_owned());
    Request::post("/").header("content-type", "application/x-www-form-urlencoded").body(body).unwrap()
}

#[tokio::test]
async fn json_is_spoken() {
    let server = Server::start().await;
    let at = server.clock.now().as_second();
    let put =
        json!({"Namespace": "Sluice", "MetricData": [{"MetricName": "A", "Value": 2, "Timestamp": at, "Unit": null}]});
    let response = ask(&server.cloudwatch, in_json("PutMetricData", &put)).await;
    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, b"{}".as_slice()));
    let get = json!({"Namespace": "Sluice", "MetricName": "A", "StartTime": at - 60, "EndTime": at + 60, "Period": 60, "Statistics": ["Sum"]});
    let response = ask(&server.cloudwatch, in_json("GetMetricStatistics", &get)).await;
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    let minute = f64::from(i32::try_from(at - at % 60).unwrap());
    assert_eq!(answer, json!({"Label": "A", "Datapoints": [{"Timestamp": minute, "Sum": 2.0, "Unit": "None"}]}));
    let response = ask(&server.cloudwatch, in_json("PutMetricData", &json!({"Namespace": "Sluice"}))).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["x-amzn-query-error"], "MissingParameter;Sender");
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(answer["__type"], "com.amazonaws.cloudwatch#MissingRequiredParameterException");
}

#[tokio::test]
async fn the_query_protocol_is_spoken() {
    let server = Server::start().await;
    let put = "Action=PutMetricData&Version=2010-08-01&Namespace=Sluice&MetricData.member.1.MetricName=A\
        &MetricData.member.1.Dimensions.member.1.Name=Feed&MetricData.member.1.Dimensions.member.1.Value=x%26y\
        &MetricData.member.1.Values.member.1=1.5&MetricData.member.1.Values.member.2=2&MetricData.member.1.Unit=Count";
    let response = ask(&server.cloudwatch, form(put)).await;
    let answer = String::from_utf8_lossy(response.body()).into_owned();
    assert!(
        answer.starts_with(
            "<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><ResponseMetadata>"
        ),
        "{answer}"
    );
    assert_eq!(server.cloudwatch.series("Sluice", "A", &[("Feed", "x&y")]).len(), 2);
    let now = server.clock.now();
    let (start, end) = (now - Duration::from_mins(1), now + Duration::from_mins(1));
    let get = format!(
        "Action=GetMetricStatistics&Namespace=Sluice&MetricName=A&Dimensions.member.1.Name=Feed&Dimensions.member.1.Value=x%26y\
        &StartTime={start}&EndTime={end}&Period=60&Statistics.member.1=Sum&Statistics.member.2=Maximum"
    );
    let response = ask(&server.cloudwatch, form(&get)).await;
    let answer = String::from_utf8_lossy(response.body()).into_owned();
    assert!(answer.contains("<Label>A</Label><Datapoints><member><Timestamp>"), "{answer}");
    assert!(answer.contains("<Sum>3.5</Sum><Maximum>2</Maximum><Unit>Count</Unit></member></Datapoints>"), "{answer}");
    let response = ask(&server.cloudwatch, form("Action=PutMetricData")).await;
    let answer = String::from_utf8_lossy(response.body()).into_owned();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let error = "<Error><Type>Sender</Type><Code>MissingParameter</Code><Message>The parameter Namespace is required.</Message></Error>";
    assert!(answer.contains(error), "{answer}");
}

#[test]
fn the_operation_is_known_in_every_protocol() {
    let cbor = Request::post("/service/GraniteServiceVersion20100801/operation/PutMetricData")
        .header("smithy-protocol", "rpc-v2-cbor")
        .body(Bytes::new())
        .unwrap();
    assert_eq!(CloudWatch::operation(&cbor), "PutMetricData");
    assert_eq!(CloudWatch::operation(&in_json("ListMetrics", &json!({}))), "ListMetrics");
    assert_eq!(CloudWatch::operation(&form("Version=1&Action=GetMetricData")), "GetMetricData");
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"Action=PutMetricData&Namespace=x").unwrap();
    let packed = Request::post("/").header("content-encoding", "gzip").body(packed.finish().unwrap().into()).unwrap();
    assert_eq!(CloudWatch::operation(&packed), "PutMetricData");
    assert_eq!(CloudWatch::operation(&form("")), "Unknown");
}

#[test_case(&json!({}), "MissingParameter"; "no value")]
#[test_case(&json!({"Value": 1, "Values": [1]}), "InvalidParameterCombination"; "two forms of value")]
#[test_case(&json!({"Value": "Infinity"}), "InvalidParameterValue"; "no finite value")]
#[test_case(&json!({"Value": 1e200}), "InvalidParameterValue"; "too large a value")]
#[test_case(&json!({"Values": [1, 2], "Counts": [1]}), "InvalidParameterValue"; "counts for some values")]
#[test_case(&json!({"Values": [1], "Counts": [0]}), "InvalidParameterValue"; "a count of nothing")]
#[test_case(&json!({"Values": vec![1; 151]}), "InvalidParameterValue"; "too many values")]
#[test_case(&json!({"StatisticValues": {"Sum": 1}}), "MissingParameter"; "half a set")]
#[test_case(&json!({"StatisticValues": {"Sum": 1, "SampleCount": 1, "Minimum": 2, "Maximum": 1}}), "InvalidParameterValue"; "a set upside down")]
#[test_case(&json!({"Value": 1, "Unit": "Files"}), "InvalidParameterValue"; "no unit")]
#[test_case(&json!({"Value": 1, "StorageResolution": 30}), "InvalidParameterValue"; "no resolution")]
#[test_case(&json!({"Value": 1, "Timestamp": 0}), "InvalidParameterValue"; "too old")]
#[test_case(&json!({"Value": 1, "Timestamp": 9e9}), "InvalidParameterValue"; "too early")]
#[test_case(&json!({"Value": 1, "Dimensions": [{"Name": "Feed", "Value": ""}]}), "MissingParameter"; "an empty dimension")]
#[test_case(&json!({"Value": 1, "Dimensions": [{"Name": "Feed", "Value": "flüge"}]}), "InvalidParameterValue"; "a dimension that is not ASCII")]
#[test_case(&json!({"Value": 1, "Dimensions": vec![json!({"Name": "Feed", "Value": "x"}); 2]}), "InvalidParameterValue"; "a dimension twice")]
#[test_case(&json!({"Value": 1, "MetricName": "x".repeat(256)}), "InvalidParameterValue"; "too long a name")]
#[test_case(&json!({"Value": [1]}), "MalformedInput"; "no number")]
#[tokio::test]
async fn a_bad_value_is_refused_and_nothing_of_its_request_is_kept(datum: &Value, code: &str) {
    let server = Server::start().await;
    let mut bad = json!({"MetricName": "Bad"});
    bad.as_object_mut().unwrap().extend(datum.as_object().unwrap().clone());
    let put = json!({"Namespace": "Sluice", "MetricData": [{"MetricName": "Good", "Value": 1}, bad]});
    let response = ask(&server.cloudwatch, in_json("PutMetricData", &put)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{response:?}");
    assert_eq!(response.headers()["x-amzn-query-error"], format!("{code};Sender"));
    assert!(server.cloudwatch.metrics().is_empty());
}

#[tokio::test]
async fn more_than_a_thousand_metrics_are_refused() {
    let server = Server::start().await;
    let put = json!({"Namespace": "Sluice", "MetricData": vec![json!({"MetricName": "A", "Value": 1}); 1001]});
    let response = ask(&server.cloudwatch, in_json("PutMetricData", &put)).await;
    assert_eq!(response.headers()["x-amzn-query-error"], "InvalidParameterValue;Sender");
}

#[test_case(&json!({"Statistics": ["Sum"], "ExtendedStatistics": ["p50"]}), "InvalidParameterCombination"; "both kinds of statistics")]
#[test_case(&json!({}), "InvalidParameterCombination"; "no statistics")]
#[test_case(&json!({"Statistics": ["p50"]}), "InvalidParameterValue"; "a percentile among the plain ones")]
#[test_case(&json!({"Statistics": ["Sum"], "Period": 45}), "InvalidParameterValue"; "no period")]
#[test_case(&json!({"Statistics": ["Sum"], "EndTime": 0}), "InvalidParameterValue"; "an end before the start")]
#[test_case(&json!({"Statistics": ["Sum"], "EndTime": 100_000}), "InvalidParameterCombination"; "too many points")]
#[tokio::test]
async fn a_bad_question_is_refused(part: &Value, code: &str) {
    let server = Server::start().await;
    let mut get = json!({"Namespace": "Sluice", "MetricName": "A", "StartTime": 0, "EndTime": 3600, "Period": 60});
    get.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    let response = ask(&server.cloudwatch, in_json("GetMetricStatistics", &get)).await;
    assert_eq!(response.headers()["x-amzn-query-error"], format!("{code};Sender"));
}
