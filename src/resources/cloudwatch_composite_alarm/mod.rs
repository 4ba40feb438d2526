//! `cloudwatch-composite-alarm`: an alarm on the states of other alarms.

mod rule;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::CompositeAlarm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During};
use crate::cloud::{Class, Fault};
use crate::kind::rule::replace;
use crate::kind::values::duration::Duration;
use crate::kind::values::or_none::OrNone;
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place};
use crate::plan::diff::Diff;
use crate::status::reading::Sight;

use super::cloudwatch::{self, Alarm, Tagged, list};
use super::{Resource, Tags};
use rule::Rule;

/// A CloudWatch alarm on the states of other alarms, so that one message comes where several go
/// off. All alarms have their names from one set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudwatchCompositeAlarm {
    pub name: Name,
    /// What it means and what to do about it, for whoever is told.
    #[serde(default)]
    pub description: String,
    /// When it goes off: `ALARM("…")`, `OK("…")` and `INSUFFICIENT_DATA("…")` of other alarms, by
    /// name or ARN, joined by `AND`, `OR`, `NOT` and parentheses.
    pub rule: Rule,
    /// An alarm that keeps this one's actions back while it is in ALARM; or `none`.
    #[serde(default)]
    pub suppressor: OrNone<Suppressor>,
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

/// An alarm that keeps another one's actions back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppressor {
    /// Its name or ARN.
    pub alarm: String,
    /// How long actions wait for it to go off.
    pub wait: Duration,
    /// How long actions are still kept back once it is over.
    pub extension: Duration,
}

fn yes() -> bool {
    true
}

impl Resource for CloudwatchCompositeAlarm {
    const KIND: &'static str = "cloudwatch-composite-alarm";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [crate::kind::Rule] = &[replace("name")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let actions = [
            ("alarm_actions", &self.alarm_actions),
            ("ok_actions", &self.ok_actions),
            ("insufficient_data_actions", &self.insufficient_data_actions),
        ];
        let mut flaws = cloudwatch::alarm_flaws(&self.name, &self.description, actions);
        flaws.extend(self.rule.flaws().into_iter().map(|what| Flaw::error("rule", what)));
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        cloudwatch::alarm_outputs(&self.name, place)
    }

    /// An alarm by its name and by its ARN is one alarm.
    fn reconcile(&self, live: &mut Self) {
        let (Some(want), OrNone(Some(have))) = (self.suppressor.as_ref(), &mut live.suppressor)
        else {
            return;
        };
        let name = |alarm: &str| cloudwatch::alarm_of(alarm).unwrap_or_else(|| Name::new(alarm));
        if name(&want.alarm) == name(&have.alarm) {
            have.alarm.clone_from(&want.alarm);
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

impl CloudwatchCompositeAlarm {
    async fn put(&self, aws: &Aws) -> Result<(), Fault> {
        let mut call = aws
            .client::<Client>()
            .put_composite_alarm()
            .alarm_name(self.name.as_str())
            .alarm_description(&self.description)
            .alarm_rule(self.rule.as_str())
            .actions_enabled(self.actions_enabled)
            .set_alarm_actions(Some(list(&self.alarm_actions)))
            .set_ok_actions(Some(list(&self.ok_actions)))
            .set_insufficient_data_actions(Some(list(&self.insufficient_data_actions)))
            .set_tags(Some(cloudwatch::pairs(&self.tags)));
        if let Some(suppressor) = self.suppressor.as_ref() {
            call = call
                .actions_suppressor(&suppressor.alarm)
                .actions_suppressor_wait_period(seconds(suppressor.wait))
                .actions_suppressor_extension_period(seconds(suppressor.extension));
        }
        call.send().await.during("cloudwatch:PutCompositeAlarm").map_err(young)?;
        Ok(())
    }
}

/// "Could not save the composite alarm as alarms [...] in the alarm rule do not exist": they may
/// be a moment old.
fn young(fault: Fault) -> Fault {
    let passes = fault.says("ValidationError", "in the alarm rule do not exist");
    if passes { fault.class(Class::NotYet) } else { fault }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.seconds).unwrap_or(i32::MAX)
}

fn live(
    name: &Name,
    found: Option<Tagged>,
    place: &Place,
) -> Result<Option<Live<CloudwatchCompositeAlarm>>, Fault> {
    let (alarm, tags) = match found {
        None => return Ok(None),
        Some((Alarm::Composite(alarm), tags)) => (alarm, tags),
        Some((Alarm::Metric(_), _)) => return Err(cloudwatch::other_sort(name)),
    };
    let outputs = cloudwatch::alarm_outputs(name, place);
    Ok(Some(Live { spec: spec(name, &alarm, tags), outputs, phase: Phase::Ready }))
}

fn spec(name: &Name, alarm: &CompositeAlarm, tags: Tags) -> CloudwatchCompositeAlarm {
    let period = |seconds: Option<i32>| {
        Duration::seconds(u64::try_from(seconds.unwrap_or_default()).unwrap_or_default())
    };
    let suppressor = alarm.actions_suppressor().filter(|alarm| !alarm.is_empty());
    CloudwatchCompositeAlarm {
        name: name.clone(),
        description: alarm.alarm_description().unwrap_or_default().to_owned(),
        rule: Rule::new(alarm.alarm_rule().unwrap_or_default()),
        suppressor: OrNone(suppressor.map(|suppressor| Suppressor {
            alarm: suppressor.to_owned(),
            wait: period(alarm.actions_suppressor_wait_period()),
            extension: period(alarm.actions_suppressor_extension_period()),
        })),
        actions_enabled: alarm.actions_enabled().unwrap_or(true),
        alarm_actions: alarm.alarm_actions().iter().cloned().collect(),
        ok_actions: alarm.ok_actions().iter().cloned().collect(),
        insufficient_data_actions: alarm.insufficient_data_actions().iter().cloned().collect(),
        tags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::diff::diff;
    use aws_sdk_cloudwatch::types::MetricAlarm;
    use serde_json::{Value, json};

    fn written(more: Value) -> CloudwatchCompositeAlarm {
        let mut alarm = json!({"name": "a", "rule": "ALARM(x) OR ALARM(\"y\")"});
        for (field, value) in more.as_object().into_iter().flatten() {
            alarm[field] = value.clone();
        }
        serde_json::from_value(alarm).expect("a composite alarm")
    }

    fn found() -> aws_sdk_cloudwatch::types::builders::CompositeAlarmBuilder {
        CompositeAlarm::builder().alarm_name("a").alarm_rule("ALARM(\"x\") OR ALARM(\"y\")")
    }

    fn paths(written: &CloudwatchCompositeAlarm, alarm: &CompositeAlarm) -> Vec<String> {
        let mut live = spec(&Name::new("a"), alarm, Tags::new());
        written.reconcile(&mut live);
        let json = |spec| serde_json::to_value(spec).expect("plain data");
        diff(&json(written), &json(&live), CloudwatchCompositeAlarm::RULES).paths()
    }

    #[test]
    fn what_aws_fills_in_is_the_default_and_what_was_changed_by_hand_shows() {
        for (found, differs) in [
            (found(), vec![]),
            (found().actions_enabled(true).alarm_description(""), vec![]),
            (found().alarm_rule("ALARM( x )\n OR ALARM(y)"), vec![]),
            (found().alarm_rule("ALARM(x) AND ALARM(y)"), vec!["rule"]),
            (found().actions_enabled(false), vec!["actions_enabled"]),
            (found().ok_actions("arn:aws:sns:::t"), vec!["ok_actions"]),
            (
                found().actions_suppressor("z").actions_suppressor_wait_period(60),
                vec!["suppressor"],
            ),
        ] {
            assert_eq!(paths(&written(json!({})), &found.build()), differs);
        }
    }

    #[test]
    fn a_suppressor_is_one_alarm_by_its_name_and_by_its_arn() {
        let arn = "arn:aws:cloudwatch:eu-west-1:1:alarm:z";
        let live = |alarm: &str| {
            found()
                .actions_suppressor(alarm)
                .actions_suppressor_wait_period(60)
                .actions_suppressor_extension_period(120)
                .build()
        };
        for (alarm, told, differs) in
            [("z", arn, vec![]), (arn, "z", vec![]), ("z", "other", vec!["suppressor.alarm"])]
        {
            let suppressor = json!({"alarm": alarm, "wait": "1m", "extension": "2m"});
            let written = written(json!({"suppressor": suppressor}));
            assert_eq!(paths(&written, &live(told)), differs, "{alarm} and {told}");
        }
    }

    #[test]
    fn an_alarm_of_another_sort_has_the_name() {
        let place = Place {
            partition: "aws".into(),
            account: "1".into(),
            region: "eu-west-1".into(),
            owner: crate::kind::Owner("a".into()),
        };
        let metric = Alarm::Metric(Box::new(MetricAlarm::builder().build()));
        let fault = live(&Name::new("a"), Some((metric, Tags::new())), &place).err();
        assert!(fault.is_some_and(|fault| fault.message.contains("another sort")));
    }

    #[test]
    fn alarms_that_are_a_moment_old_are_waited_for() {
        let says = |message: &str| Fault {
            code: Some("ValidationError".into()),
            ..Fault::new(Class::Invalid, "cloudwatch:PutCompositeAlarm", message)
        };
        let missing =
            "Could not save the composite alarm as alarms [x] in the alarm rule do not exist";
        assert_eq!(young(says(missing)).class, Class::NotYet);
        assert_eq!(young(says("Error in AlarmRule")).class, Class::Invalid);
    }
}
