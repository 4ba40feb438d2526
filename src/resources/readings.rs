//! `Watch` by the SDK: each kind tells of its own, and one call for all of them reads the metrics.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy,
};
use futures_util::future::{join, join_all};

use crate::aws::{Aws, During};
use crate::cloud::{Boxed, Class, Fault};
use crate::kind::Name;
use crate::status::reading::{Asked, Gauge, Health, Of, Reading, Sight, Value, Watch};

use super::driver_of;

/// As many as one GetMetricData takes.
const BATCH: usize = 500;
const MINUTE: i32 = 60;

impl Watch for Aws {
    fn watch<'a>(&'a self, asked: &'a [Asked]) -> Boxed<'a, Vec<Result<Sight, Fault>>> {
        Box::pin(async move {
            let gauges: Vec<Vec<Gauge>> = asked.iter().map(gauges).collect();
            let all: Vec<&Gauge> = gauges.iter().flatten().collect();
            let (sights, measured) = join(sights(self, asked), measure(self, &all)).await;
            let mut measured = measured.into_iter();
            let each = sights.into_iter().zip(gauges);
            each.map(|(sight, gauges)| {
                let more: Vec<_> = measured.by_ref().take(gauges.len()).flatten().collect();
                sight.map(|sight| with(sight, more))
            })
            .collect()
        })
    }
}

fn gauges(asked: &Asked) -> Vec<Gauge> {
    driver_of(&asked.kind).map(|driver| driver.gauges(&asked.identity)).unwrap_or_default()
}

/// Metrics outlive what they are of.
fn with(sight: Sight, more: Vec<Reading>) -> Sight {
    match sight {
        Sight::There(readings) => Sight::There(readings.into_iter().chain(more).collect()),
        other => other,
    }
}

/// All kinds at once, each asked for all of its own.
async fn sights(aws: &Aws, asked: &[Asked]) -> Vec<Result<Sight, Fault>> {
    let mut by_kind: BTreeMap<&str, (Vec<usize>, Vec<Name>)> = BTreeMap::new();
    for (index, Asked { kind, identity }) in asked.iter().enumerate() {
        let (indices, identities) = by_kind.entry(kind).or_default();
        indices.push(index);
        identities.push(identity.clone());
    }
    let looks = by_kind.iter().map(async |(kind, (_, identities))| match driver_of(kind) {
        Some(driver) => driver.watch(aws, identities).await,
        None => Vec::new(),
    });
    let answers = join_all(looks).await;
    let none = || Err(Fault::new(Class::Broken, "status", "no answer came for it"));
    let mut sights: Vec<_> = asked.iter().map(|_| none()).collect();
    for ((indices, _), answers) in by_kind.values().zip(answers) {
        for (index, answer) in indices.iter().zip(answers) {
            sights[*index] = answer;
        }
    }
    sights
}

/// One reading a gauge, in the order asked; none where there is no data that means something.
async fn measure(aws: &Aws, gauges: &[&Gauge]) -> Vec<Option<Reading>> {
    let now = SystemTime::now();
    let batches = gauges.chunks(BATCH).map(async |batch| match ask(aws, batch, now).await {
        Ok(results) => {
            let each = batch.iter().enumerate();
            each.map(|(index, gauge)| reading(gauge, results.get(&id(index)), now)).collect()
        }
        Err(fault) => batch.iter().map(|gauge| Some(unknown(gauge, &fault))).collect::<Vec<_>>(),
    });
    join_all(batches).await.into_iter().flatten().collect()
}

async fn ask(
    aws: &Aws,
    gauges: &[&Gauge],
    now: SystemTime,
) -> Result<BTreeMap<String, MetricDataResult>, Fault> {
    let longest = gauges.iter().map(|gauge| gauge.within).max().unwrap_or_default();
    let queries = gauges.iter().enumerate().map(|(index, gauge)| query(index, gauge));
    let pages = aws
        .client::<Client>()
        .get_metric_data()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time(DateTime::from(now - Duration::from_secs(longest)))
        .end_time(DateTime::from(now))
        .scan_by(ScanBy::TimestampDescending)
        .into_paginator();
    let mut pages = pages.send();
    let mut found: BTreeMap<String, MetricDataResult> = BTreeMap::new();
    while let Some(page) = pages.next().await {
        for result in
            page.during("cloudwatch:GetMetricData")?.metric_data_results.unwrap_or_default()
        {
            let id = result.id().unwrap_or_default().to_owned();
            match found.get_mut(&id) {
                // A page may end in the middle of a metric.
                Some(known) => {
                    known.values.get_or_insert_default().extend(result.values.unwrap_or_default());
                    let more = result.timestamps.unwrap_or_default();
                    known.timestamps.get_or_insert_default().extend(more);
                }
                None => {
                    found.insert(id, result);
                }
            }
        }
    }
    Ok(found)
}

fn id(index: usize) -> String {
    format!("m{index}")
}

fn query(index: usize, gauge: &Gauge) -> MetricDataQuery {
    let dimension =
        |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
    let metric = Metric::builder()
        .namespace(gauge.namespace)
        .metric_name(gauge.metric)
        .set_dimensions(Some(gauge.dimensions.iter().map(dimension).collect()))
        .build();
    let statistic = match gauge.of {
        Of::Sum => "Sum",
        Of::LatestSeconds => "Maximum",
    };
    let stat = MetricStat::builder().metric(metric).period(MINUTE).stat(statistic).build();
    MetricDataQuery::builder().id(id(index)).metric_stat(stat).build()
}

fn reading(gauge: &Gauge, result: Option<&MetricDataResult>, now: SystemTime) -> Option<Reading> {
    let since = DateTime::from(now - Duration::from_secs(gauge.within));
    let points = result.into_iter().flat_map(|result| {
        result.timestamps().iter().zip(result.values()).filter(|(at, _)| at.secs() >= since.secs())
    });
    let (number, value): (u64, fn(u64) -> Value) = match gauge.of {
        Of::Sum => (whole(points.map(|(_, value)| value).sum()), Value::Count),
        Of::LatestSeconds => {
            let latest = points.max_by_key(|(at, _)| at.secs())?;
            (whole(*latest.1), Value::Seconds)
        }
    };
    Some(Reading::new(gauge.what, value(number)).health((gauge.judge)(number)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and seconds are small and not negative; what is not is cut off"
)]
fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

fn unknown(gauge: &Gauge, fault: &Fault) -> Reading {
    let why = format!("not known: {fault}");
    Reading::text(gauge.what, why).health(Health::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::reading::none_is_good;

    fn gauge(of: Of) -> Gauge {
        Gauge {
            what: "errors in 1 h",
            namespace: "AWS/Lambda",
            metric: "Errors",
            dimensions: vec![("FunctionName", "trigger".to_owned())],
            of,
            within: 3600,
            judge: none_is_good,
        }
    }

    #[test]
    fn a_sum_is_of_its_time_and_the_latest_is_the_newest() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100_000);
        let result = |points: &[(i64, f64)]| {
            let at = points.iter().map(|(at, _)| DateTime::from_secs(*at)).collect();
            let values = points.iter().map(|(_, value)| *value).collect();
            MetricDataResult::builder().set_timestamps(Some(at)).set_values(Some(values)).build()
        };
        let points = [(99_900, 2.0), (99_960, 3.4), (96_000, 50.0)];
        for (of, points, told) in [
            (Of::Sum, &points[..], Some((Value::Count(5), Health::Attention))),
            (Of::LatestSeconds, &points[..], Some((Value::Seconds(3), Health::Attention))),
            (Of::Sum, &[], Some((Value::Count(0), Health::Good))),
            (Of::LatestSeconds, &points[2..], None),
        ] {
            let found = reading(&gauge(of), Some(&result(points)), now);
            assert_eq!(found.map(|found| (found.value, found.health)), told, "{of:?}");
        }
    }
}
