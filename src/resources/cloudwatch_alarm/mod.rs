//! `cloudwatch-alarm`: an alarm on a metric, or on an expression over several.

mod check;
mod metric;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, MetricAlarm, Tag};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::rule::replace;
use crate::kind::values::tags::{unwanted, without_aws};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

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

const DESCRIBE: &str = "cloudwatch:DescribeAlarms";
const PUT: &str = "cloudwatch:PutMetricAlarm";
const ABSENT: &[&str] = &["ResourceNotFound", "ResourceNotFoundException"];
/// As many as one DescribeAlarms takes.
const BATCH: usize = 100;

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
        outputs(&self.name, place)
    }

    /// AWS says how many datapoints, also where it is all of them.
    fn reconcile(&self, live: &mut Self) {
        if self.datapoints_to_alarm == 0 && live.datapoints_to_alarm == live.evaluation_periods {
            live.datapoints_to_alarm = 0;
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let found = describe(aws, std::slice::from_ref(identity)).await?;
        complete(aws, identity, found.get(identity.as_str())).await
    }

    async fn observe_all(aws: &Aws, identities: &[Name]) -> Vec<Result<Option<Live<Self>>, Fault>> {
        let batches =
            identities.chunks(BATCH).map(async |batch| match describe(aws, batch).await {
                Ok(found) => {
                    let each =
                        batch.iter().map(|name| complete(aws, name, found.get(name.as_str())));
                    join_all(each).await
                }
                Err(fault) => batch.iter().map(|_| Err(fault.clone())).collect(),
            });
        join_all(batches).await.into_iter().flatten().collect()
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        self.put(aws).await
    }

    /// One call replaces the whole definition; of an alarm that exists it ignores the tags.
    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        if diff.paths().iter().any(|path| path.split('.').next() != Some("tags")) {
            self.put(aws).await?;
        }
        if diff.touches("tags") {
            self.tag(aws, &live.spec.tags).await?;
        }
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let call = Client::new(&aws.config).delete_alarms().alarm_names(identity.as_str());
        absent(call.send().await.during("cloudwatch:DeleteAlarms"), ABSENT)?;
        Ok(())
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":cloudwatch:")?.1.split_once(":alarm:")?;
        Some(Name::new(name))
    }
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), arn(name, place)), ("name".into(), name.to_string())])
}

fn arn(name: &Name, place: &Place) -> String {
    place.arn("cloudwatch", &format!("alarm:{name}"))
}

/// What DescribeAlarms found under a name.
enum Found {
    Metric(Box<MetricAlarm>),
    /// Another sort of alarm: they share their names.
    Other(&'static str),
}

async fn describe(aws: &Aws, names: &[Name]) -> Result<BTreeMap<String, Found>, Fault> {
    let call = Client::new(&aws.config)
        .describe_alarms()
        .set_alarm_names(Some(names.iter().map(Name::to_string).collect()))
        // Left out, only metric alarms are told.
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .max_records(100);
    let mut pages = call.into_paginator().send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.during(DESCRIBE)?;
        for alarm in page.metric_alarms() {
            let name = alarm.alarm_name().unwrap_or_default().to_owned();
            found.insert(name, Found::Metric(Box::new(alarm.clone())));
        }
        for alarm in page.composite_alarms() {
            let name = alarm.alarm_name().unwrap_or_default().to_owned();
            found.insert(name, Found::Other("a composite alarm"));
        }
    }
    Ok(found)
}

/// Asks for the tags of an alarm that was found.
async fn complete(
    aws: &Aws,
    name: &Name,
    found: Option<&Found>,
) -> Result<Option<Live<CloudwatchAlarm>>, Fault> {
    let alarm = match found {
        None => return Ok(None),
        Some(Found::Metric(alarm)) => alarm,
        Some(Found::Other(sort)) => {
            let why = format!("`{name}` is {sort}, which has its name from the same set");
            return Err(Fault::new(Class::Invalid, DESCRIBE, why));
        }
    };
    let arn = arn(name, &aws.place);
    let Some(tags) = aws.tags(&arn, tags_of(aws, &arn)).await? else { return Ok(None) };
    let spec = spec(name, alarm, tags)?;
    Ok(Some(Live { spec, outputs: outputs(name, &aws.place), phase: Phase::Ready }))
}

async fn tags_of(aws: &Aws, arn: &str) -> Result<Option<Tags>, Fault> {
    let call = Client::new(&aws.config).list_tags_for_resource().resource_arn(arn);
    let answer = absent(call.send().await.during("cloudwatch:ListTagsForResource"), ABSENT)?;
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().into()));
    Ok(answer.map(|answer| without_aws(answer.tags().iter().filter_map(pair))))
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

fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn list(set: &BTreeSet<String>) -> Vec<String> {
    set.iter().cloned().collect()
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
        let mut call = Client::new(&aws.config)
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
            .set_tags(Some(tags(&self.tags)));
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
        call.send().await.during(PUT)?;
        Ok(())
    }

    async fn tag(&self, aws: &Aws, live: &BTreeMap<String, String>) -> Result<(), Fault> {
        let api = Client::new(&aws.config);
        let arn = arn(&self.name, &aws.place);
        if !self.tags.is_empty() {
            let call = api.tag_resource().resource_arn(&arn).set_tags(Some(tags(&self.tags)));
            call.send().await.during("cloudwatch:TagResource")?;
        }
        let gone = unwanted(&self.tags, live);
        if !gone.is_empty() {
            let call = api.untag_resource().resource_arn(&arn).set_tag_keys(Some(gone));
            call.send().await.during("cloudwatch:UntagResource")?;
        }
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

    #[test]
    fn an_arn_names_its_alarm() {
        for (arn, name) in [
            ("arn:aws:cloudwatch:eu-west-1:1:alarm:a: b", Some("a: b")),
            ("arn:aws:cloudwatch::1:dashboard/d", None),
        ] {
            assert_eq!(
                CloudwatchAlarm::listed(arn, &BTreeMap::new()),
                name.map(Name::new),
                "{arn}"
            );
        }
    }
}
