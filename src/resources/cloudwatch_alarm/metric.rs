//! What an alarm watches: a metric, or a query of several.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric as Named, MetricAlarm, MetricDataQuery, MetricStat, StandardUnit, Statistic,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::values::duration::Duration;

/// A metric and how its samples become one value a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// As `AWS/Kinesis`.
    pub namespace: String,
    /// As `IncomingRecords`.
    pub name: String,
    /// Which of the metrics of that name, as `StreamName: events`.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// `SampleCount`, `Average`, `Sum`, `Minimum`, `Maximum`, or an extended one, as `p99` or
    /// `tm90`.
    pub statistic: String,
    /// 10s, 20s, 30s or whole minutes.
    #[serde(default = "five_minutes")]
    pub period: Duration,
    /// Only samples of this unit, as `Seconds`. Left out, as it should mostly be: of any unit.
    #[serde(default)]
    pub unit: String,
}

/// A metric or an expression, which others name by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Either this or `expression`.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// Metric math over other ids, as `failed / all`, or a Metrics Insights query.
    #[serde(default)]
    pub expression: String,
    /// Of an expression: its period where it cannot be told from its metrics; `0s`, the default,
    /// is theirs.
    #[serde(default = "theirs")]
    pub period: Duration,
    /// What graphs call it.
    #[serde(default)]
    pub label: String,
    /// Whether this is what the alarm watches; true for exactly one.
    #[serde(default)]
    pub return_data: bool,
    /// The account that has the metric, where it is another.
    #[serde(default)]
    pub account_id: String,
}

fn five_minutes() -> Duration {
    Duration::seconds(300)
}

fn theirs() -> Duration {
    Duration::seconds(0)
}

/// The statistics that the API takes apart from the others.
pub(super) const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

fn dimensions(map: &BTreeMap<String, String>) -> Vec<Dimension> {
    map.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build()).collect()
}

fn by_name(dimensions: &[Dimension]) -> BTreeMap<String, String> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    dimensions.iter().map(|each| (text(each.name()), text(each.value()))).collect()
}

fn duration(seconds: Option<i32>) -> Duration {
    Duration::seconds(seconds.map_or(0, i32::unsigned_abs).into())
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.seconds).unwrap_or(i32::MAX)
}

fn unit(unit: Option<&StandardUnit>) -> String {
    unit.map(StandardUnit::as_str).unwrap_or_default().to_owned()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Metric {
    /// The metric of an alarm that has but one.
    pub(super) fn of_alarm(alarm: &MetricAlarm) -> Self {
        let plain = alarm.statistic().map(Statistic::as_str);
        Self {
            namespace: alarm.namespace().unwrap_or_default().to_owned(),
            name: alarm.metric_name().unwrap_or_default().to_owned(),
            dimensions: by_name(alarm.dimensions()),
            statistic: plain.or(alarm.extended_statistic()).unwrap_or_default().to_owned(),
            period: duration(alarm.period()),
            unit: unit(alarm.unit()),
        }
    }

    fn read(stat: &MetricStat) -> Self {
        let named = stat.metric();
        Self {
            namespace: named.and_then(Named::namespace).unwrap_or_default().to_owned(),
            name: named.and_then(Named::metric_name).unwrap_or_default().to_owned(),
            dimensions: by_name(named.map_or(&[], Named::dimensions)),
            statistic: stat.stat().unwrap_or_default().to_owned(),
            period: duration(stat.period()),
            unit: unit(stat.unit()),
        }
    }

    pub(super) fn put(&self, call: PutMetricAlarmFluentBuilder) -> PutMetricAlarmFluentBuilder {
        let call = call
            .namespace(&self.namespace)
            .metric_name(&self.name)
            .set_dimensions(Some(dimensions(&self.dimensions)))
            .period(seconds(self.period))
            .set_unit(some(&self.unit).map(|unit| StandardUnit::from(unit.as_str())));
        if STATISTICS.contains(&self.statistic.as_str()) {
            call.statistic(Statistic::from(self.statistic.as_str()))
        } else {
            call.extended_statistic(&self.statistic)
        }
    }

    fn stat(&self) -> MetricStat {
        let named = Named::builder()
            .namespace(&self.namespace)
            .metric_name(&self.name)
            .set_dimensions(Some(dimensions(&self.dimensions)))
            .build();
        MetricStat::builder()
            .metric(named)
            .period(seconds(self.period))
            .stat(&self.statistic)
            .set_unit(some(&self.unit).map(|unit| StandardUnit::from(unit.as_str())))
            .build()
    }
}

impl Query {
    pub(super) fn read(query: &MetricDataQuery) -> Self {
        Self {
            metric: query.metric_stat().map(Metric::read),
            expression: query.expression().unwrap_or_default().to_owned(),
            period: duration(query.period()),
            label: query.label().unwrap_or_default().to_owned(),
            return_data: query.return_data().unwrap_or(true),
            account_id: query.account_id().unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn data(&self, id: &str) -> MetricDataQuery {
        let period = seconds(self.period);
        MetricDataQuery::builder()
            .id(id)
            .set_metric_stat(self.metric.as_ref().map(Metric::stat))
            .set_expression(some(&self.expression))
            .set_period((period > 0).then_some(period))
            .set_label(some(&self.label))
            .return_data(self.return_data)
            .set_account_id(some(&self.account_id))
            .build()
    }
}
