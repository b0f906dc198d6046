//! The inputs of the operations, as the service model names them.
//!
//! Never checks more than the shape.

use serde::Deserialize;

use super::fields::{Flag, Moment, Number};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutMetricData {
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) metric_data: Vec<MetricDatum>,
    #[serde(default)]
    pub(super) entity_metric_data: Vec<EntityMetricData>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EntityMetricData {
    #[serde(default)]
    pub(super) metric_data: Vec<MetricDatum>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricDatum {
    pub(super) metric_name: Option<String>,
    #[serde(default)]
    pub(super) dimensions: Vec<Dimension>,
    pub(super) timestamp: Option<Moment>,
    pub(super) value: Option<Number>,
    pub(super) statistic_values: Option<StatisticSet>,
    #[serde(default)]
    pub(super) values: Vec<Number>,
    #[serde(default)]
    pub(super) counts: Vec<Number>,
    pub(super) unit: Option<String>,
    pub(super) storage_resolution: Option<Number>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Dimension {
    pub(super) name: Option<String>,
    pub(super) value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StatisticSet {
    pub(super) sample_count: Option<Number>,
    pub(super) sum: Option<Number>,
    pub(super) minimum: Option<Number>,
    pub(super) maximum: Option<Number>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetMetricStatistics {
    pub(super) namespace: Option<String>,
    pub(super) metric_name: Option<String>,
    #[serde(default)]
    pub(super) dimensions: Vec<Dimension>,
    pub(super) start_time: Option<Moment>,
    pub(super) end_time: Option<Moment>,
    pub(super) period: Option<Number>,
    #[serde(default)]
    pub(super) statistics: Vec<String>,
    #[serde(default)]
    pub(super) extended_statistics: Vec<String>,
    pub(super) unit: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetMetricData {
    #[serde(default)]
    pub(super) metric_data_queries: Vec<MetricDataQuery>,
    pub(super) start_time: Option<Moment>,
    pub(super) end_time: Option<Moment>,
    pub(super) scan_by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricDataQuery {
    pub(super) id: Option<String>,
    pub(super) metric_stat: Option<MetricStat>,
    pub(super) expression: Option<String>,
    pub(super) label: Option<String>,
    pub(super) return_data: Option<Flag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricStat {
    pub(super) metric: Named,
    pub(super) period: Option<Number>,
    pub(super) stat: Option<String>,
    pub(super) unit: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    pub(super) namespace: Option<String>,
    pub(super) metric_name: Option<String>,
    #[serde(default)]
    pub(super) dimensions: Vec<Dimension>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMetrics {
    pub(super) namespace: Option<String>,
    pub(super) metric_name: Option<String>,
    #[serde(default)]
    pub(super) dimensions: Vec<Dimension>,
    pub(super) next_token: Option<String>,
    pub(super) recently_active: Option<String>,
}
