//! `cloudwatch-alarm`: an alarm on a metric, or on an expression over several.

mod check;
mod metric;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During};
use crate::cloud::{Class, Fault};
use crate::kind::rule::replace;
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;
use crate::status::reading::Sight;

use super::cloudwatch::{self, Alarm, DESCRIBE, Tagged, list};
use super::{Resource, Tags};
use metric::{Metric, Query};

/// A CloudWatch alarm on one metric (`metric`), or on an expression over several (`metrics`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudwatchAlarm {
    pub name: Name,
    /// What it means and what to do about it, for whoever is told.
    #[serde(default)]
    pub description: String,
    /// What is watched. Either this or `metrics`.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// Metrics and expressions by id; the alarm watches the one with `return_data: true`.
    #[serde(default)]
    pub metrics: BTreeMap<String, Query>,
    /// How the metric stands to the threshold when the alarm goes off.
    pub comparison: Comparison,
    /// What the metric is compared with. Either this or `threshold_metric_id`.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Id of the anomaly detection band in `metrics` that the metric is compared with.
    #[serde(default)]
    pub threshold_metric_id: String,
    /// How many periods are looked at.
    #[serde(default = "one")]
    pub evaluation_periods: u32,
    /// How many of them must be over the threshold; 0, the default, means all of them.
    #[serde(default)]
    pub datapoints_to_alarm: u32,
    /// What a period without data counts as.
    #[serde(default)]
    pub treat_missing_data: MissingData,
    /// Whether an alarm on a percentile judges periods with too few samples to mean much.
    #[serde(default)]
    pub low_samples: LowSamples,
    /// Off: the alarm changes its state and tells nobody.
    #[serde(default = "yes")]
    pub actions_enabled: bool,
    /// ARNs to tell when the alarm goes off, as of a topic; at most 5.
    #[serde(default)]
    pub alarm_actions: BTreeSet<String>,
    /// ARNs to tell when it is over.
    #[serde(default)]
    pub ok_actions: BTreeSet<String>,
    /// ARNs to tell when there is too little data to know.
    #[serde(default)]
    pub insufficient_data_actions: BTreeSet<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// When the alarm goes off. The last three compare with an anomaly detection band.
#[expect(clippy::enum_variant_names, reason = "they are AWS's own words")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Comparison {
    GreaterThanOrEqualToThreshold,
    GreaterThanThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
    LessThanLowerOrGreaterThanUpperThreshold,
    LessThanLowerThreshold,
    GreaterThanUpperThreshold,
}

/// What a period without data counts as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissingData {
    /// As nothing: without any data the state becomes INSUFFICIENT_DATA.
    #[default]
    Missing,
    /// The state stays as it is.
    Ignore,
    /// As over the threshold.
    Breaching,
    /// As within it.
    NotBreaching,
}

/// What becomes of periods with few samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LowSamples {
    #[default]
    Evaluate,
    Ignore,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl Resource for CloudwatchAlarm {
    const KIND: &'static str = "cloudwatch-alarm";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        check::flaws(self)
    }

    fn predict(&self, place: &Place) -> Outputs {
        cloudwatch::alarm_outputs(&self.name, place)
    }

    /// AWS says how many datapoints, also where it is all of them.
    fn reconcile(&self, live: &mut Self) {
        if self.datapoints_to_alarm == 0 && live.datapoints_to_alarm == live.evaluation_periods {
            live.datapoints_to_alarm = 0;
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let found = Self::observe_all(aws, std::slice::from_ref(identity)).await;
        found.into_iter().next().unwrap_or(Ok(None))
    }

    async fn observe_all(aws: &Aws, identities: &[Name]) -> Vec<Result<Option<Live<Self>>, Fault>> {
        let found = cloudwatch::alarms(aws, identities).await;
        let each = identities.iter().zip(found);
        each.map(|(name, found)| live(name, found?, &aws.place)).collect()
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        self.put(aws).await
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let arn = cloudwatch::alarm_arn(&self.name, &aws.place);
        let tags = cloudwatch::tag(aws, &arn, &self.tags, &live.spec.tags);
        cloudwatch::update(diff, self.put(aws), tags).await
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        cloudwatch::delete_alarm(aws, identity).await
    }

    async fn watch(aws: &Aws, identities: &[Name]) -> Vec<Result<Sight, Fault>> {
        cloudwatch::watch(aws, identities).await
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        cloudwatch::alarm_of(arn)
    }
}

fn live(
    name: &Name,
    found: Option<Tagged>,
    place: &Place,
) -> Result<Option<Live<CloudwatchAlarm>>, Fault> {
    let (alarm, tags) = match found {
        None => return Ok(None),
        Some((Alarm::Metric(alarm), tags)) => (alarm, tags),
        Some((Alarm::Composite(_), _)) => return Err(cloudwatch::other_sort(name)),
    };
    let spec = spec(name, &alarm, tags)?;
    let outputs = cloudwatch::alarm_outputs(name, place);
    Ok(Some(Live { spec, outputs, phase: Phase::Ready }))
}

fn spec(
    name: &Name,
    alarm: &MetricAlarm,
    tags: BTreeMap<String, String>,
) -> Result<CloudwatchAlarm, Fault> {
    let periods = alarm.evaluation_periods().map_or(1, i32::unsigned_abs);
    let queries = alarm.metrics().iter();
    Ok(CloudwatchAlarm {
        name: name.clone(),
        description: alarm.alarm_description().unwrap_or_default().to_owned(),
        metric: alarm.metrics().is_empty().then(|| Metric::of_alarm(alarm)),
        metrics: queries.map(|q| (q.id().unwrap_or_default().into(), Query::read(q))).collect(),
        comparison: comparison(alarm)?,
        threshold: alarm.threshold(),
        threshold_metric_id: alarm.threshold_metric_id().unwrap_or_default().to_owned(),
        evaluation_periods: periods,
        datapoints_to_alarm: alarm.datapoints_to_alarm().map_or(periods, i32::unsigned_abs),
        treat_missing_data: match alarm.treat_missing_data() {
            Some("ignore") => MissingData::Ignore,
            Some("breaching") => MissingData::Breaching,
            Some("notBreaching") => MissingData::NotBreaching,
            _ => MissingData::Missing,
        },
        low_samples: match alarm.evaluate_low_sample_count_percentile() {
            Some("ignore") => LowSamples::Ignore,
            _ => LowSamples::Evaluate,
        },
        actions_enabled: alarm.actions_enabled().unwrap_or(true),
        alarm_actions: alarm.alarm_actions().iter().cloned().collect(),
        ok_actions: alarm.ok_actions().iter().cloned().collect(),
        insufficient_data_actions: alarm.insufficient_data_actions().iter().cloned().collect(),
        tags,
    })
}

/// AWS and the blueprint have the same words. An alarm on a query language has none of them.
fn comparison(alarm: &MetricAlarm) -> Result<Comparison, Fault> {
    let word = alarm.comparison_operator().map_or("", ComparisonOperator::as_str);
    serde_json::from_value(word.into()).map_err(|_| {
        Fault::new(
            Class::Invalid,
            DESCRIBE,
            format!("the alarm compares with `{word}`, which is not known here"),
        )
    })
}

impl Comparison {
    fn operator(self) -> ComparisonOperator {
        match self {
            Self::GreaterThanOrEqualToThreshold => {
                ComparisonOperator::GreaterThanOrEqualToThreshold
            }
            Self::GreaterThanThreshold => ComparisonOperator::GreaterThanThreshold,
            Self::LessThanThreshold => ComparisonOperator::LessThanThreshold,
            Self::LessThanOrEqualToThreshold => ComparisonOperator::LessThanOrEqualToThreshold,
            Self::LessThanLowerOrGreaterThanUpperThreshold => {
                ComparisonOperator::LessThanLowerOrGreaterThanUpperThreshold
            }
            Self::LessThanLowerThreshold => ComparisonOperator::LessThanLowerThreshold,
            Self::GreaterThanUpperThreshold => ComparisonOperator::GreaterThanUpperThreshold,
        }
    }

    /// Whether it compares with an anomaly detection band.
    fn with_band(self) -> bool {
        matches!(
            self,
            Self::LessThanLowerOrGreaterThanUpperThreshold
                | Self::LessThanLowerThreshold
                | Self::GreaterThanUpperThreshold
        )
    }
}

impl CloudwatchAlarm {
    async fn put(&self, aws: &Aws) -> Result<(), Fault> {
        let datapoints = match self.datapoints_to_alarm {
            0 => self.evaluation_periods,
            some => some,
        };
        let band = &self.threshold_metric_id;
        let mut call = aws
            .client::<Client>()
            .put_metric_alarm()
            .alarm_name(self.name.as_str())
            .alarm_description(&self.description)
            .comparison_operator(self.comparison.operator())
            .evaluation_periods(self.evaluation_periods.cast_signed())
            .datapoints_to_alarm(datapoints.cast_signed())
            .set_threshold(self.threshold)
            .set_threshold_metric_id((!band.is_empty()).then(|| band.clone()))
            .treat_missing_data(match self.treat_missing_data {
                MissingData::Missing => "missing",
                MissingData::Ignore => "ignore",
                MissingData::Breaching => "breaching",
                MissingData::NotBreaching => "notBreaching",
            })
            .actions_enabled(self.actions_enabled)
            .set_alarm_actions(Some(list(&self.alarm_actions)))
            .set_ok_actions(Some(list(&self.ok_actions)))
            .set_insufficient_data_actions(Some(list(&self.insufficient_data_actions)))
            .set_tags(Some(cloudwatch::pairs(&self.tags)));
        // AWS takes the word only where the statistic is a percentile; absent means `evaluate`.
        if self.low_samples == LowSamples::Ignore {
            call = call.evaluate_low_sample_count_percentile("ignore");
        }
        if let Some(metric) = &self.metric {
            call = metric.put(call);
        } else {
            let queries = self.metrics.iter().map(|(id, query)| query.data(id));
            call = call.set_metrics(Some(queries.collect()));
        }
        call.send().await.during("cloudwatch:PutMetricAlarm")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::diff::diff;
    use aws_sdk_cloudwatch::types::{Dimension, MetricDataQuery, StandardUnit, Statistic};
    use serde_json::{Value, json};

    fn alarm(value: Value) -> CloudwatchAlarm {
        serde_json::from_value(value).expect("an alarm")
    }

    fn json_of(alarm: &CloudwatchAlarm) -> Value {
        serde_json::to_value(alarm).expect("an alarm is JSON")
    }

    fn paths(written: &CloudwatchAlarm, live: &CloudwatchAlarm) -> Vec<String> {
        let mut live = live.clone();
        written.reconcile(&mut live);
        diff(&json_of(written), &json_of(&live), CloudwatchAlarm::RULES).paths()
    }

    fn read(found: &MetricAlarm) -> CloudwatchAlarm {
        spec(&Name::new("a"), found, BTreeMap::new()).expect("an alarm that can be read")
    }

    fn written() -> CloudwatchAlarm {
        alarm(json!({"name": "a", "threshold": 1, "comparison": "GreaterThanThreshold",
            "metric": {"namespace": "AWS/SQS", "name": "Visible", "statistic": "Maximum",
                "dimensions": {"QueueName": "q"}}, "evaluation_periods": 3}))
    }

    fn found() -> aws_sdk_cloudwatch::types::builders::MetricAlarmBuilder {
        MetricAlarm::builder()
            .namespace("AWS/SQS")
            .metric_name("Visible")
            .statistic(Statistic::Maximum)
            .dimensions(Dimension::builder().name("QueueName").value("q").build())
            .period(300)
            .threshold(1.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .evaluation_periods(3)
    }

    #[test]
    fn what_aws_fills_in_is_the_default() {
        for found in [
            found(),
            found()
                .datapoints_to_alarm(3)
                .treat_missing_data("missing")
                .evaluate_low_sample_count_percentile("evaluate")
                .actions_enabled(true)
                .alarm_description(""),
        ] {
            assert_eq!(paths(&written(), &read(&found.build())), Vec::<String>::new());
        }
    }

    #[test]
    fn what_was_changed_by_hand_shows() {
        for (found, path) in [
            (found().unit(StandardUnit::Seconds), "metric.unit"),
            (found().datapoints_to_alarm(2), "datapoints_to_alarm"),
            (found().period(60), "metric.period"),
            (found().actions_enabled(false), "actions_enabled"),
            (found().treat_missing_data("notBreaching"), "treat_missing_data"),
            (found().statistic(Statistic::Sum), "metric.statistic"),
            (found().alarm_actions("arn:aws:sns:::t"), "alarm_actions"),
            (
                found().dimensions(Dimension::builder().name("More").value("m").build()),
                "metric.dimensions.More",
            ),
        ] {
            assert_eq!(paths(&written(), &read(&found.build())), [path]);
        }
    }

    #[test]
    fn all_datapoints_is_as_many_as_there_are_periods() {
        let live = read(&found().datapoints_to_alarm(3).build());
        for (datapoints, differs) in [(0, false), (3, false), (2, true)] {
            let written = CloudwatchAlarm { datapoints_to_alarm: datapoints, ..written() };
            assert_eq!(!paths(&written, &live).is_empty(), differs, "{datapoints}");
        }
    }

    #[test]
    fn an_alarm_on_several_metrics_reads_as_it_is_sent() {
        let written = alarm(json!({"name": "a", "threshold": 0.5,
            "comparison": "LessThanThreshold", "metrics": {
                "ok": {"metric": {"namespace": "N", "name": "Ok", "statistic": "p90",
                    "period": "1m", "unit": "Count"}},
                "ratio": {"expression": "ok / 100", "label": "Ratio", "return_data": true,
                    "period": "1m", "account_id": "123456789012"}}}));
        let queries = written.metrics.iter().map(|(id, query)| query.data(id));
        let found = MetricAlarm::builder()
            .set_metrics(Some(queries.collect()))
            .threshold(0.5)
            .comparison_operator(ComparisonOperator::LessThanThreshold)
            .evaluation_periods(1)
            .build();
        assert_eq!(paths(&written, &read(&found)), Vec::<String>::new());
        assert_eq!(read(&found).metric, None);
    }

    #[test]
    fn a_query_returns_its_data_unless_aws_says_otherwise() {
        assert!(Query::read(&MetricDataQuery::builder().id("m").build()).return_data);
    }

    #[test]
    fn an_alarm_of_one_metric_becomes_one_of_several() {
        let several = alarm(json!({"name": "a", "threshold": 1,
            "comparison": "GreaterThanThreshold", "evaluation_periods": 3,
            "metrics": {"e": {"expression": "1", "return_data": true}}}));
        assert_eq!(paths(&several, &read(&found().build())), ["metrics.e"]);
        let live = CloudwatchAlarm { metric: None, metrics: several.metrics.clone(), ..written() };
        assert_eq!(paths(&written(), &live), ["metric", "metrics.e"]);
    }
}
