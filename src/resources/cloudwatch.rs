//! CloudWatch: what its alarms share, and the tags of whatever it keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, MetricAlarm, StateValue, Tag};
use futures_util::future::join_all;

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::values::tags::{unwanted, without_aws};
use crate::kind::{Flaw, Name, Outputs, Place};
use crate::plan::diff::Diff;
use crate::status::reading::{Health, Reading, Sight, Value};

use super::Tags;

pub(super) const DESCRIBE: &str = "cloudwatch:DescribeAlarms";
pub(super) const ABSENT: &[&str] =
    &["ResourceNotFound", "ResourceNotFoundException", "DashboardNotFoundError"];
/// As many as one DescribeAlarms takes.
const BATCH: usize = 100;
const ACTIONS: usize = 5;
const DESCRIPTION_CHARACTERS: usize = 1024;

/// What DescribeAlarms found under a name: alarms of all sorts have their names from one set.
#[derive(Debug, Clone)]
pub(super) enum Alarm {
    Metric(Box<MetricAlarm>),
    Composite(Box<CompositeAlarm>),
}

/// An alarm that was found, with its tags.
pub(super) type Tagged = (Alarm, Tags);

/// Looks alarms up, in the order asked.
pub(super) async fn alarms(aws: &Aws, names: &[Name]) -> Vec<Result<Option<Tagged>, Fault>> {
    let ours = ours(aws).await;
    let others: Vec<_> =
        names.iter().filter(|name| !ours.contains_key(name.as_str())).cloned().collect();
    let mut others = described(aws, &others).await.into_iter();
    let found = names.iter().map(|name| match ours.get(name.as_str()) {
        Some(alarm) => Ok(Some(alarm.clone())),
        None => others.next().unwrap_or(Ok(None)),
    });
    let each = names.iter().zip(found);
    join_all(each.map(async |(name, alarm)| complete(aws, name, alarm?).await)).await
}

/// A look asks for both sorts, and for each alarm that strayed as either: those that the tagging
/// API lists as ours are described together.
async fn ours(aws: &Aws) -> Arc<BTreeMap<String, Alarm>> {
    if !aws.looks_at_everything() {
        return Arc::default();
    }
    let ask = async {
        let listing = aws.listed().await?;
        let names: Vec<_> = listing.iter().filter_map(|(arn, _)| alarm_of(arn)).collect();
        let found = described(aws, &names).await.into_iter().zip(&names);
        let each = found.map(|(alarm, name)| Ok(alarm?.map(|alarm| (name.to_string(), alarm))));
        Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    };
    // Whom it does not find is asked for by name.
    aws.once(&aws.place.region, ask).await.unwrap_or_default()
}

/// Alarms, a hundred a call, in the order asked.
async fn described(aws: &Aws, names: &[Name]) -> Vec<Result<Option<Alarm>, Fault>> {
    let batches = names.chunks(BATCH).map(async |batch| match describe(aws, batch).await {
        Ok(found) => batch.iter().map(|name| Ok(found.get(name.as_str()).cloned())).collect(),
        Err(fault) => batch.iter().map(|_| Err(fault.clone())).collect::<Vec<_>>(),
    });
    join_all(batches).await.into_iter().flatten().collect()
}

async fn describe(aws: &Aws, names: &[Name]) -> Result<BTreeMap<String, Alarm>, Fault> {
    let call = aws
        .client::<Client>()
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
            found.insert(name, Alarm::Metric(Box::new(alarm.clone())));
        }
        for alarm in page.composite_alarms() {
            let name = alarm.alarm_name().unwrap_or_default().to_owned();
            found.insert(name, Alarm::Composite(Box::new(alarm.clone())));
        }
    }
    Ok(found)
}

async fn complete(aws: &Aws, name: &Name, alarm: Option<Alarm>) -> Result<Option<Tagged>, Fault> {
    let Some(alarm) = alarm else { return Ok(None) };
    let arn = alarm_arn(name, &aws.place);
    let tags = aws.tags(&arn, tags(aws, &arn)).await?;
    Ok(tags.map(|tags| (alarm, tags)))
}

/// How alarms do, in the order asked.
pub(super) async fn watch(aws: &Aws, names: &[Name]) -> Vec<Result<Sight, Fault>> {
    let found = described(aws, names).await.into_iter();
    found.map(|alarm| alarm.map(|alarm| sight(alarm.as_ref()))).collect()
}

fn sight(alarm: Option<&Alarm>) -> Sight {
    let (state, reason, since) = match alarm {
        None => return Sight::Absent(Vec::new()),
        Some(Alarm::Metric(alarm)) => (
            alarm.state_value(),
            alarm.state_reason(),
            alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp()),
        ),
        Some(Alarm::Composite(alarm)) => (
            alarm.state_value(),
            alarm.state_reason(),
            alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp()),
        ),
    };
    let health = match state {
        Some(StateValue::Ok) => Health::Good,
        Some(StateValue::Alarm) => Health::Bad,
        _ => Health::Unknown,
    };
    let word = state.map_or("UNKNOWN", StateValue::as_str);
    let mut readings = vec![Reading::text("state", word).health(health)];
    readings.extend(since.map(|at| Reading::new("since", Value::At(at.secs()))));
    let told = reason.filter(|reason| health == Health::Bad && !reason.is_empty());
    readings.extend(told.map(|reason| Reading::text("reason", reason)));
    Sight::There(readings)
}

/// The name is taken by an alarm of another sort: they have their names from one set.
pub(super) fn other_sort(name: &Name) -> Fault {
    let why = format!("an alarm of another sort has the name `{name}`, and a name is one alarm's");
    Fault::new(Class::Invalid, DESCRIBE, why)
}

pub(super) async fn delete_alarm(aws: &Aws, name: &Name) -> Result<(), Fault> {
    let call = aws.client::<Client>().delete_alarms().alarm_names(name.as_str());
    let answer = call.send().await.during("cloudwatch:DeleteAlarms");
    absent(answer, ABSENT).map_err(watched)?;
    Ok(())
}

/// "Cannot delete x as there are composite alarm(s) depending on it.": until they have changed.
fn watched(fault: Fault) -> Fault {
    let passes = fault.says("ValidationError", "composite alarm(s) depending on it");
    if passes { fault.class(Class::NotYet) } else { fault }
}

pub(super) fn alarm_arn(name: &Name, place: &Place) -> String {
    place.arn("cloudwatch", &format!("alarm:{name}"))
}

pub(super) fn alarm_outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), alarm_arn(name, place)), ("name".into(), name.to_string())])
}

/// The name in an alarm's ARN, which says nothing of its sort.
pub(super) fn alarm_of(arn: &str) -> Option<Name> {
    let (_, name) = arn.split_once(":cloudwatch:")?.1.split_once(":alarm:")?;
    Some(Name::new(name))
}

/// What CloudWatch would refuse of any alarm.
pub(super) fn alarm_flaws(
    name: &Name,
    description: &str,
    actions: [(&str, &BTreeSet<String>); 3],
) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if !(1..=255).contains(&name.as_str().chars().count()) {
        flaws.push(Flaw::error("name", "an alarm's name has 1 to 255 characters"));
    }
    if description.chars().count() > DESCRIPTION_CHARACTERS {
        let what = format!("a description has at most {DESCRIPTION_CHARACTERS} characters");
        flaws.push(Flaw::error("description", what));
    }
    for (path, actions) in actions {
        if actions.len() > ACTIONS {
            flaws.push(Flaw::error(path, format!("there are at most {ACTIONS} actions")));
        }
        let literal = |arn: &&String| !arn.contains("${");
        for arn in actions.iter().filter(literal).filter(|arn| !arn.starts_with("arn:")) {
            flaws.push(Flaw::error(path, format!("`{arn}` is not an ARN")));
        }
    }
    flaws
}

/// The tags of what has this ARN; `None`: there is no such thing.
pub(super) async fn tags(aws: &Aws, arn: &str) -> Result<Option<Tags>, Fault> {
    let call = aws.client::<Client>().list_tags_for_resource().resource_arn(arn);
    let answer = absent(call.send().await.during("cloudwatch:ListTagsForResource"), ABSENT)?;
    let pair = |tag: &Tag| Some((tag.key()?.into(), tag.value().unwrap_or_default().into()));
    Ok(answer.map(|answer| without_aws(answer.tags().iter().filter_map(pair))))
}

/// A put replaces the whole definition, and of what exists it ignores the tags: they have calls of
/// their own.
pub(super) async fn update(
    diff: &Diff,
    put: impl Future<Output = Result<(), Fault>>,
    tag: impl Future<Output = Result<(), Fault>>,
) -> Result<(), Fault> {
    if diff.paths().iter().any(|path| path.split('.').next() != Some("tags")) {
        put.await?;
    }
    if diff.touches("tags") {
        tag.await?;
    }
    Ok(())
}

pub(super) async fn tag(aws: &Aws, arn: &str, wanted: &Tags, held: &Tags) -> Result<(), Fault> {
    let api = aws.client::<Client>();
    if !wanted.is_empty() {
        let call = api.tag_resource().resource_arn(arn).set_tags(Some(pairs(wanted)));
        call.send().await.during("cloudwatch:TagResource")?;
    }
    let gone = unwanted(wanted, held);
    if !gone.is_empty() {
        let call = api.untag_resource().resource_arn(arn).set_tag_keys(Some(gone));
        call.send().await.during("cloudwatch:UntagResource")?;
    }
    Ok(())
}

pub(super) fn pairs(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

pub(super) fn list(set: &BTreeSet<String>) -> Vec<String> {
    set.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_its_alarm() {
        for (arn, name) in [
            ("arn:aws:cloudwatch:eu-west-1:1:alarm:a: b", Some("a: b")),
            ("arn:aws:cloudwatch::1:dashboard/d", None),
        ] {
            assert_eq!(alarm_of(arn), name.map(Name::new), "{arn}");
        }
    }

    #[test]
    fn an_alarm_that_is_off_says_why_and_since_when() {
        use aws_sdk_cloudwatch::primitives::DateTime;
        let at = DateTime::from_secs(7);
        let metric = |state: StateValue| {
            let alarm = MetricAlarm::builder().state_value(state).state_reason("Threshold Crossed");
            Alarm::Metric(Box::new(alarm.state_transitioned_timestamp(at).build()))
        };
        let composite = CompositeAlarm::builder().state_value(StateValue::Ok).build();
        for (alarm, told) in [
            (
                metric(StateValue::Alarm),
                vec![("state", Health::Bad), ("since", Health::Good), ("reason", Health::Good)],
            ),
            (
                metric(StateValue::InsufficientData),
                vec![("state", Health::Unknown), ("since", Health::Good)],
            ),
            (Alarm::Composite(Box::new(composite)), vec![("state", Health::Good)]),
        ] {
            let Sight::There(readings) = sight(Some(&alarm)) else { panic!("it is there") };
            let found: Vec<_> = readings.iter().map(|one| (one.what, one.health)).collect();
            assert_eq!(found, told);
        }
        assert_eq!(sight(None), Sight::Absent(Vec::new()));
    }

    #[test]
    fn an_alarm_goes_once_no_other_watches_it() {
        let says = |message: &str| Fault {
            code: Some("ValidationError".into()),
            ..Fault::new(Class::Invalid, "cloudwatch:DeleteAlarms", message)
        };
        let depended = says("Cannot delete a as there are composite alarm(s) depending on it.");
        assert_eq!(watched(depended).class, Class::NotYet);
        assert_eq!(watched(says("1 validation error detected")).class, Class::Invalid);
    }
}
