//! A topic as SNS holds it.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sns::Client;
use aws_sdk_sns::types::{Subscription as Listed, Tag};
use futures_util::future::try_join_all;

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::values::policy::Policy;
use crate::kind::values::tags::without_aws;
use crate::kind::{Live, Name, Phase};

use super::subscription::Subscription;
use super::{ABSENT, SnsTopic, Subscriptions, Tags, arn, none, note, outputs, policy};

const GET: &str = "sns:GetTopicAttributes";

pub(super) async fn observe(aws: &Aws, name: &Name) -> Result<Option<Live<SnsTopic>>, Fault> {
    let api = aws.client::<Client>();
    let arn = arn(name, &aws.place);
    let pages = api.list_subscriptions_by_topic().topic_arn(&arn).into_paginator().items().send();
    let (attributes, tags, listed) = futures_util::join!(
        api.get_topic_attributes().topic_arn(&arn).send(),
        aws.tags(&arn, tags_of(&api, &arn)),
        pages.collect::<Result<Vec<_>, _>>(),
    );
    let attributes = absent(attributes.during(GET), ABSENT)?;
    let tags = tags?;
    let listed = absent(listed.during("sns:ListSubscriptionsByTopic"), ABSENT)?;
    let (Some(attributes), Some(tags), Some(listed)) = (attributes, tags, listed) else {
        return Ok(None);
    };
    let each = listed.iter().map(|listed| subscription(&api, listed));
    let subscriptions = try_join_all(each).await?.into_iter().flatten();
    let told = attributes.attributes().cloned().unwrap_or_default();
    let spec = spec(name, &told, subscriptions.collect(), tags)?;
    let mut outputs = outputs(name, &aws.place);
    for listed in listed.iter().filter(|listed| confirmed(listed)) {
        let (protocol, endpoint) = key(listed);
        let arn = listed.subscription_arn().unwrap_or_default();
        outputs.insert(note(protocol, endpoint), arn.to_owned());
    }
    Ok(Some(Live { spec, outputs, phase: Phase::Ready }))
}

async fn tags_of(api: &Client, arn: &str) -> Result<Option<Tags>, Fault> {
    let answer = api.list_tags_for_resource().resource_arn(arn).send().await;
    let answer = absent(answer.during("sns:ListTagsForResource"), ABSENT)?;
    let pair = |tag: &Tag| (tag.key().to_owned(), tag.value().to_owned());
    Ok(answer.map(|answer| without_aws(answer.tags().iter().map(pair))))
}

fn key(listed: &Listed) -> (&str, &str) {
    (listed.protocol().unwrap_or_default(), listed.endpoint().unwrap_or_default())
}

/// The others have `PendingConfirmation` or `Deleted` where their ARN would be.
fn confirmed(listed: &Listed) -> bool {
    listed.subscription_arn().is_some_and(|arn| arn.starts_with("arn:"))
}

/// A subscription with its protocol and endpoint; none where it is on its way out.
type Keyed = (String, String, Subscription);

async fn subscription(api: &Client, listed: &Listed) -> Result<Option<Keyed>, Fault> {
    let (protocol, endpoint) = key(listed);
    let keyed = |found| Some((protocol.to_owned(), endpoint.to_owned(), found));
    if listed.subscription_arn() == Some("Deleted") {
        return Ok(None);
    }
    if !confirmed(listed) {
        return Ok(keyed(Subscription::unconfirmed()));
    }
    let call = api
        .get_subscription_attributes()
        .set_subscription_arn(listed.subscription_arn().map(str::to_owned));
    let answer = absent(call.send().await.during("sns:GetSubscriptionAttributes"), ABSENT)?;
    let told = answer.map(|answer| answer.attributes().cloned().unwrap_or_default());
    Ok(told.and_then(|told| keyed(Subscription::read(&told.into_iter().collect()))))
}

fn spec(
    name: &Name,
    told: &HashMap<String, String>,
    found: Vec<Keyed>,
    tags: BTreeMap<String, String>,
) -> Result<SnsTopic, Fault> {
    let text = |name: &str| told.get(name).map(String::as_str).unwrap_or_default();
    let mut subscriptions = Subscriptions::new();
    for (protocol, endpoint, subscription) in found {
        subscriptions.entry(protocol).or_default().insert(endpoint, subscription);
    }
    let key = text("KmsMasterKeyId");
    Ok(SnsTopic {
        name: name.clone(),
        display_name: text("DisplayName").to_owned(),
        key: if key.is_empty() { none() } else { key.to_owned() },
        policy: access(text("Policy"))?,
        fifo: text("FifoTopic") == "true",
        content_based_deduplication: text("ContentBasedDeduplication") == "true",
        subscriptions,
        tags,
    })
}

fn access(text: &str) -> Result<Policy, Fault> {
    if text.is_empty() {
        return Ok(policy::left_out());
    }
    let told = Policy::parse(text).map_err(|why| Fault::new(Class::Broken, GET, why))?;
    Ok(if policy::is_default(&told) { policy::left_out() } else { told })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Resource;
    use serde_json::{Value, json};

    fn topic(value: Value) -> SnsTopic {
        serde_json::from_value(value).expect("a topic")
    }

    fn json_of(topic: &SnsTopic) -> Value {
        serde_json::to_value(topic).expect("a topic is JSON")
    }

    fn told(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_new_topic_reads_as_one_that_says_nothing() {
        let default = policy::default_of("arn:aws:sns:eu-west-1:123456789012:t", "123456789012");
        let told = told(&[("Policy", &default), ("DisplayName", "")]);
        let read = spec(&Name::new("t"), &told, Vec::new(), BTreeMap::new()).expect("a topic");
        assert_eq!(json_of(&read), json_of(&topic(json!({"name": "t"}))));
    }

    #[test]
    fn the_default_policy_written_out_is_the_default() {
        let text = policy::default_of("arn:aws:sns:eu-west-1:123456789012:t", "123456789012");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let written = topic(json!({"name": "t", "policy": document}));
        let mut live = topic(json!({"name": "t"}));
        written.reconcile(&mut live);
        assert_eq!(json_of(&written), json_of(&live));
    }

    #[test]
    fn what_is_pending_is_neither_changed_nor_ended() {
        let filter = json!({"filter_policy": {"a": ["b"]}});
        let written = topic(json!({"name": "t", "subscriptions": {"email": {"a@b": filter}}}));
        let pending = json!({"pending": true});
        let mut live = topic(json!({"name": "t", "subscriptions": {
            "email": {"a@b": pending, "c@d": pending}, "https": {"https://x": pending}}}));
        written.reconcile(&mut live);
        let changes = crate::plan::diff::diff(&json_of(&written), &json_of(&live), &[]);
        assert_eq!(changes.paths(), Vec::<String>::new());
    }

    #[test]
    fn what_is_confirmed_is_both() {
        let written = topic(json!({"name": "t", "subscriptions": {
            "email": {"a@b": {"filter_policy": {"a": ["b"]}}}}}));
        let confirmed = json!({"pending": false});
        let mut live = topic(json!({"name": "t", "subscriptions": {
            "email": {"a@b": confirmed, "c@d": confirmed}}}));
        written.reconcile(&mut live);
        let changes = crate::plan::diff::diff(&json_of(&written), &json_of(&live), &[]);
        let paths = ["subscriptions.email.a@b.filter_policy.a", "subscriptions.email.c@d"];
        assert_eq!(changes.paths(), paths);
    }

    #[test]
    fn a_protocol_without_subscriptions_is_no_protocol() {
        let written = topic(json!({"name": "t", "subscriptions": {"email": {}}}));
        assert!(written.subscriptions.is_empty());
    }

    #[test]
    fn a_masked_password_is_the_one_that_is_written() {
        let written = topic(json!({"name": "t", "subscriptions": {
            "https": {"https://u:secret@h/": {}}}}));
        let mut live = topic(json!({"name": "t", "subscriptions": {
            "https": {"https://u:****@h/": {"pending": false}}}}));
        written.reconcile(&mut live);
        let changes = crate::plan::diff::diff(&json_of(&written), &json_of(&live), &[]);
        assert_eq!(changes.paths(), Vec::<String>::new());
    }

    #[test]
    fn the_arn_of_a_subscription_is_not_a_topics() {
        for (arn, name) in [
            ("arn:aws:sns:eu-west-1:123456789012:t.fifo", Some("t.fifo")),
            ("arn:aws:sns:eu-west-1:123456789012:t:3c48295f", None),
            ("arn:aws:sqs:eu-west-1:123456789012:q", None),
        ] {
            assert_eq!(SnsTopic::listed(arn, &BTreeMap::new()), name.map(Name::new), "{arn}");
        }
    }
}
