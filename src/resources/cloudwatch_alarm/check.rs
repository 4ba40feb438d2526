//! What CloudWatch would refuse.

use aws_sdk_cloudwatch::types::StandardUnit;

use crate::kind::Flaw;

use super::super::cloudwatch::alarm_flaws;
use super::metric::{Metric, Query, STATISTICS};
use super::{CloudwatchAlarm, LowSamples};

const DAY_SECONDS: u64 = 86_400;
const HOUR_SECONDS: u64 = 3_600;
const DIMENSIONS: usize = 30;
/// How the extended statistics begin: percentile, trimmed mean, count and sum, winsorized mean,
/// percentile rank, and the mean between the quartiles.
const EXTENDED: [&str; 7] = ["p", "tm", "tc", "ts", "wm", "pr", "iqm"];

pub(super) fn flaws(alarm: &CloudwatchAlarm) -> Vec<Flaw> {
    let actions = [
        ("alarm_actions", &alarm.alarm_actions),
        ("ok_actions", &alarm.ok_actions),
        ("insufficient_data_actions", &alarm.insufficient_data_actions),
    ];
    let mut flaws = alarm_flaws(&alarm.name, &alarm.description, actions);
    watched(alarm, &mut flaws);
    compared(alarm, &mut flaws);
    periods(alarm, &mut flaws);
    flaws
}

fn watched(alarm: &CloudwatchAlarm, flaws: &mut Vec<Flaw>) {
    match (&alarm.metric, alarm.metrics.is_empty()) {
        (None, true) => {
            flaws.push(Flaw::error("", "an alarm watches something: `metric` or `metrics`"))
        }
        (Some(_), false) => {
            let what = "an alarm has either `metric` or `metrics`, not both";
            flaws.push(Flaw::error("metrics", what));
        }
        (Some(one), true) => metric("metric", one, flaws),
        (None, false) => {}
    }
    for (id, each) in &alarm.metrics {
        query(id, each, flaws);
    }
    let watched = alarm.metrics.values().filter(|query| query.return_data).count();
    // With a band two are watched: the metric and its band.
    let wanted = if alarm.threshold_metric_id.is_empty() { 1..=1 } else { 1..=2 };
    if !alarm.metrics.is_empty() && !wanted.contains(&watched) {
        let what = format!("exactly one of `metrics` has `return_data: true`, not {watched}");
        flaws.push(Flaw::error("metrics", what));
    }
    if alarm.low_samples == LowSamples::Ignore
        && alarm.metric.as_ref().is_none_or(|metric| !metric.statistic.starts_with('p'))
    {
        let what = "few samples are ignored only where `metric.statistic` is a percentile";
        flaws.push(Flaw::error("low_samples", what));
    }
}

fn metric(path: &str, metric: &Metric, flaws: &mut Vec<Flaw>) {
    let statistic = metric.statistic.as_str();
    if literal(statistic) && !STATISTICS.contains(&statistic) && !extended(statistic) {
        let what = format!("`{statistic}` is not a statistic");
        let hint = format!("it is {}, or one as `p99` or `tm90`", STATISTICS.join(", "));
        flaws.push(Flaw::error(format!("{path}.statistic"), what).hint(hint));
    }
    period(&format!("{path}.period"), metric.period.seconds, flaws);
    if metric.dimensions.len() > DIMENSIONS {
        let what = format!("a metric has at most {DIMENSIONS} dimensions");
        flaws.push(Flaw::error(format!("{path}.dimensions"), what));
    }
    let unit = metric.unit.as_str();
    if !unit.is_empty() && literal(unit) && !StandardUnit::values().contains(&unit) {
        let what = format!("`{unit}` is not a unit that CloudWatch knows");
        let hint = format!("it is one of {}", StandardUnit::values().join(", "));
        flaws.push(Flaw::error(format!("{path}.unit"), what).hint(hint));
    }
}

fn query(id: &str, query: &Query, flaws: &mut Vec<Flaw>) {
    let path = format!("metrics.{id}");
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !(id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(word)) {
        let what = "an id begins with a small letter and has letters, digits and `_`";
        flaws.push(Flaw::error(&path, what));
    }
    match (&query.metric, query.expression.is_empty()) {
        (Some(_), false) | (None, true) => {
            flaws.push(Flaw::error(&path, "each of `metrics` has either `metric` or `expression`"))
        }
        (Some(one), true) => {
            metric(&format!("{path}.metric"), one, flaws);
            if query.period.seconds != 0 {
                let what = "a metric's period stands in `metric`";
                flaws.push(Flaw::error(format!("{path}.period"), what));
            }
        }
        (None, false) if query.period.seconds != 0 => {
            period(&format!("{path}.period"), query.period.seconds, flaws);
        }
        (None, false) => {}
    }
}

fn period(path: &str, seconds: u64, flaws: &mut Vec<Flaw>) {
    let whole_minutes = seconds > 0 && seconds.is_multiple_of(60);
    if !([10, 20, 30].contains(&seconds) || whole_minutes) {
        let what = format!("a period is 10s, 20s, 30s or whole minutes, not {seconds}s");
        flaws.push(Flaw::error(path, what));
    }
}

fn compared(alarm: &CloudwatchAlarm, flaws: &mut Vec<Flaw>) {
    let band = &alarm.threshold_metric_id;
    if alarm.threshold.is_some() != band.is_empty() {
        let what = "an alarm has either `threshold` or `threshold_metric_id`";
        flaws.push(Flaw::error("threshold", what));
    }
    if alarm.comparison.with_band() == band.is_empty() {
        let what = if band.is_empty() {
            "this comparison is with an anomaly detection band: name it in `threshold_metric_id`"
        } else {
            "a band is compared with LessThanLowerOrGreaterThanUpperThreshold, \
             LessThanLowerThreshold or GreaterThanUpperThreshold"
        };
        flaws.push(Flaw::error("comparison", what));
    }
    if !band.is_empty() && !alarm.metrics.contains_key(band) {
        let what = format!("`metrics` has no `{band}`");
        flaws.push(Flaw::error("threshold_metric_id", what));
    }
}

fn periods(alarm: &CloudwatchAlarm, flaws: &mut Vec<Flaw>) {
    if alarm.evaluation_periods == 0 {
        flaws.push(Flaw::error("evaluation_periods", "an alarm looks at one period at least"));
    }
    if alarm.datapoints_to_alarm > alarm.evaluation_periods {
        let what = format!(
            "of {} periods, {} cannot be over the threshold",
            alarm.evaluation_periods, alarm.datapoints_to_alarm
        );
        flaws.push(Flaw::error("datapoints_to_alarm", what));
    }
    let metrics =
        alarm.metric.iter().chain(alarm.metrics.values().filter_map(|q| q.metric.as_ref()));
    let Some(period) = metrics.map(|metric| metric.period.seconds).max() else { return };
    let days = if period >= HOUR_SECONDS { 7 } else { 1 };
    if period * u64::from(alarm.evaluation_periods) > days * DAY_SECONDS {
        let span = if days == 1 { "a day" } else { "7 days" };
        let what = format!("an alarm looks back over {span} at most with this period");
        flaws.push(Flaw::error("evaluation_periods", what));
    }
}

fn literal(text: &str) -> bool {
    !text.contains("${")
}

/// `p99`, `tm90.5`, `IQM`, `PR(10:20)`.
fn extended(statistic: &str) -> bool {
    let lower = statistic.to_ascii_lowercase();
    let letters = lower.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
    let rest = &lower[letters.len()..];
    let numbers = |c: char| c.is_ascii_digit() || ".:%()".contains(c);
    EXTENDED.contains(&letters)
        && rest.chars().all(numbers)
        && (letters == "iqm") == rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn metric(more: &[(&str, Value)]) -> Value {
        let mut metric = json!({"namespace": "N", "name": "M", "statistic": "Sum"});
        for (field, value) in more {
            metric[*field] = value.clone();
        }
        metric
    }

    #[test]
    fn what_cloudwatch_would_refuse_is_found_before() {
        let expression = json!({"expression": "m / 2", "return_data": true});
        let band = json!({"expression": "ANOMALY_DETECTION_BAND(m, 2)", "return_data": true});
        let m = json!({"metric": metric(&[]), "return_data": true});
        for (fields, paths) in [
            (json!({}), vec![]),
            (json!({"metric": metric(&[("statistic", json!("p99.9"))])}), vec![]),
            (json!({"metric": metric(&[("statistic", json!("TM(10%:90%)"))])}), vec![]),
            (json!({"metric": metric(&[("statistic", json!("IQM"))])}), vec![]),
            (
                json!({"metric": metric(&[("statistic", json!("average"))])}),
                vec!["metric.statistic"],
            ),
            (json!({"metric": metric(&[("period", json!("45s"))])}), vec!["metric.period"]),
            (json!({"metric": metric(&[("unit", json!("seconds"))])}), vec!["metric.unit"]),
            (json!({"metric": null}), vec![""]),
            (json!({"metrics": {"e": expression}}), vec!["metrics"]),
            (json!({"metric": null, "metrics": {"e": expression}}), vec![]),
            (json!({"metric": null, "metrics": {"m": m, "e": expression}}), vec!["metrics"]),
            (json!({"metric": null, "metrics": {"E": expression}}), vec!["metrics.E"]),
            (json!({"metric": null, "metrics": {"e": {"return_data": true}}}), vec!["metrics.e"]),
            (json!({"threshold": null}), vec!["threshold"]),
            (json!({"comparison": "GreaterThanUpperThreshold"}), vec!["comparison"]),
            (
                json!({"metric": null, "metrics": {"m": m, "band": band}, "threshold": null,
                    "threshold_metric_id": "band", "comparison": "GreaterThanUpperThreshold"}),
                vec![],
            ),
            (json!({"datapoints_to_alarm": 2}), vec!["datapoints_to_alarm"]),
            (json!({"evaluation_periods": 0}), vec!["evaluation_periods"]),
            (json!({"evaluation_periods": 289}), vec!["evaluation_periods"]),
            (json!({"low_samples": "ignore"}), vec!["low_samples"]),
            (json!({"alarm_actions": ["${t.arn}"]}), vec![]),
            (json!({"alarm_actions": ["oncall"]}), vec!["alarm_actions"]),
        ] {
            let mut alarm = json!({"name": "a", "threshold": 1, "metric": metric(&[]),
                "comparison": "GreaterThanThreshold"});
            for (field, value) in fields.as_object().into_iter().flatten() {
                alarm[field] = value.clone();
            }
            let read: CloudwatchAlarm = serde_json::from_value(alarm).expect("an alarm");
            let found = flaws(&read);
            let found: Vec<_> = found.iter().map(|flaw| flaw.path.as_str()).collect();
            assert_eq!(found, paths, "{fields}");
        }
    }
}
