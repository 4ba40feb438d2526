use std::collections::BTreeMap;

use aws_sdk_s3::operation::get_bucket_notification_configuration as get;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfigurationFilter, QueueConfiguration,
    S3KeyFilter,
};
use serde_json::{Value, json};

use super::check::overlap;
use super::*;
use crate::plan::diff::diff;

type Told = get::GetBucketNotificationConfigurationOutput;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:q";

fn owner() -> Owner {
    Owner::new("lake", "default", "eu-west-1")
}

fn spec(to: Value) -> S3Notification {
    serde_json::from_value(json!({"bucket": "lake", "to": to})).expect("a notification")
}

fn target(prefix: &str, suffix: &str, event: &str) -> Value {
    json!({"queue": QUEUE, "events": [event], "prefix": prefix, "suffix": suffix})
}

/// What another made, in the spelling of another tool.
fn theirs() -> QueueConfiguration {
    let rule = FilterRule::builder().name(FilterRuleName::from("Prefix")).value("raw/").build();
    let key = S3KeyFilter::builder().filter_rules(rule).build();
    QueueConfiguration::builder()
        .id("theirs")
        .queue_arn(QUEUE)
        .events(Event::S3ObjectCreated)
        .filter(NotificationConfigurationFilter::builder().key(key).build())
        .build()
        .expect("a configuration")
}

#[test]
fn what_s3_would_refuse_is_found_before() {
    let any = "s3:ObjectCreated:*";
    let one = |target: Value| json!({"a": target});
    let two = |a: Value, b: Value| json!({"a": a, "b": b});
    let created = |prefix, suffix| target(prefix, suffix, any);
    let receiver = |field: &str, arn: &str| one(json!({field: arn, "events": [any]}));
    for (to, path) in [
        (json!({}), Some("to")),
        (one(created("", "")), None),
        (one(created("streaming-data/", ".gz")), None),
        (json!({"a.b": created("", "")}), Some("to.a.b")),
        (json!({"a".repeat(101): created("", "")}), Some(&*format!("to.{}", "a".repeat(101)))),
        (one(json!({"events": [any]})), Some("to.a")),
        (one(json!({"queue": QUEUE, "topic": "${t.arn}", "events": [any]})), Some("to.a")),
        (receiver("topic", QUEUE), Some("to.a.topic")),
        (receiver("function", "trigger"), Some("to.a.function")),
        (receiver("function", "${trigger.arn}"), None),
        (receiver("queue", &format!("{QUEUE}.fifo")), Some("to.a.queue")),
        (one(json!({"queue": QUEUE, "events": []})), Some("to.a.events")),
        (one(target("", "", "ObjectCreated:*")), Some("to.a.events")),
        (one(target("", "", "s3:TestEvent")), Some("to.a.events")),
        (one(created(&"p".repeat(1025), "")), Some("to.a.prefix")),
        (one(created("a/*", "")), Some("to.a.prefix")),
        (two(created("", ""), created("a/", "")), Some("to.b")),
        (two(created("a/", ""), created("a/b", "")), Some("to.b")),
        (two(created("a/", ""), created("b/", "")), None),
        (two(created("", ".gz"), created("", ".json.gz")), Some("to.b")),
        (two(created("", ".gz"), created("", ".json")), None),
        (two(created("a/", ".gz"), created("a/b", ".json")), None),
        (two(created("", ""), target("", "", "s3:ObjectCreated:Put")), Some("to.b")),
        (two(created("", ""), target("", "", "s3:ObjectRemoved:*")), None),
        (two(created("${x.y}", ""), created("${x.z}", "")), None),
    ] {
        let flaws = spec(to.clone()).check();
        let paths: Vec<_> = flaws.iter().map(|flaw| flaw.path.as_str()).collect();
        assert_eq!(paths, path.into_iter().collect::<Vec<_>>(), "{to}");
    }
    let bus: S3Notification =
        serde_json::from_value(json!({"bucket": "lake", "event_bridge": true})).expect("one");
    assert_eq!(bus.check(), []);
}

#[test]
fn an_id_says_whose_a_configuration_is() {
    let written = document::id(&owner(), "announce", "arrivals");
    assert_eq!(ours(&owner(), &written), Some(("announce", "arrivals")));
    let other = Owner::new("lake", "prod", "eu-west-1");
    for (owner, id) in [
        (&other, written.as_str()),
        (&owner(), "theirs"),
        (&owner(), "pipeline-announce.arrivals"),
        (&owner(), ""),
    ] {
        assert_eq!(ours(owner, id), None, "{id}");
    }
}

#[test]
fn what_is_written_reads_back_the_same_and_what_is_others_is_not_shown() {
    let mut written = spec(json!({
        "one": target("a/", ".gz", "s3:ObjectCreated:*"),
        "two": {"topic": "arn:aws:sns:eu-west-1:123456789012:t", "events": ["s3:ObjectRemoved:*"]},
        "three": {"function": "arn:aws:lambda:eu-west-1:123456789012:function:f",
            "events": ["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"], "prefix": "b/"}}));
    written.event_bridge = Some(true);
    written.tags = BTreeMap::from([
        (OWNER_TAG.to_owned(), owner().0),
        (ID_TAG.to_owned(), "announce".to_owned()),
    ]);
    let mut document = Document::from(Told::builder().queue_configurations(theirs()).build());
    for (key, target) in &written.to {
        document.add(document::id(&owner(), "announce", key), target).expect("a target");
    }
    document.turn_event_bridge(true);
    assert_eq!(read("lake", &owner(), &document), written);
    document.drop(|id| ours(&owner(), id).is_some());
    assert_eq!(document.queues, [theirs()]);
    assert!(document.topics.is_empty() && document.functions.is_empty());
}

#[test]
fn a_target_of_nobody_is_not_sent() {
    let to = Target::default();
    assert!(Document::default().add("x".into(), &to).is_err());
}

#[test]
fn tags_that_nothing_keeps_do_not_differ_and_another_id_does() {
    let tagged = |id: &str, team: &str| {
        let mut one = spec(json!({}));
        one.tags = [(OWNER_TAG, "lake/default/eu-west-1"), (ID_TAG, id), ("team", team)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        one
    };
    for (id, paths) in [("announce", vec![]), ("other", vec!["tags.pipeline:id"])] {
        let desired = tagged("announce", "data");
        let mut live = tagged(id, "");
        live.tags.remove("team");
        desired.reconcile(&mut live);
        let json = |one: &S3Notification| serde_json::to_value(one).expect("JSON");
        assert_eq!(diff(&json(&desired), &json(&live), &[]).paths(), paths);
    }
}

#[test]
fn what_others_configured_for_the_same_objects_is_told_before_s3_is_asked() {
    let others = Document::from(Told::builder().queue_configurations(theirs()).build());
    let clash = |prefix: &str| {
        spec(json!({"mine": target(prefix, "", "s3:ObjectCreated:Put")})).clash(&others)
    };
    let fault = clash("raw/2013/").expect_err("the same objects");
    assert_eq!(fault.class, Class::Invalid);
    assert!(fault.message.contains("`theirs`") && fault.message.contains("`mine`"), "{fault}");
    assert_eq!(clash("clean/"), Ok(()));
}

#[test]
fn only_a_target_that_cannot_be_reached_yet_passes_by_itself() {
    let one = spec(json!({"a": target("", "", "s3:ObjectCreated:*")}));
    for (code, message, class) in [
        (
            "InvalidArgument",
            "Unable to validate the following destination configurations",
            Class::NotYet,
        ),
        ("InvalidArgument", "Configuration is ambiguously defined.", Class::Invalid),
        ("MalformedXML", "The XML you provided was not well-formed", Class::Invalid),
    ] {
        let fault = Fault { code: Some(code.into()), ..Fault::new(Class::Invalid, PUT, message) };
        let told = one.refused(fault);
        assert_eq!(told.class, class, "{message}");
        assert!(told.message.starts_with(message));
        assert_eq!(told.message.contains(QUEUE), class == Class::NotYet);
    }
    let fault = Fault { code: Some("NoSuchBucket".into()), ..Fault::new(Class::Invalid, PUT, "") };
    assert_eq!(young(fault).class, Class::NotYet);
}

#[test]
fn the_narrower_event_is_the_common_one() {
    let of = |event: &str| -> Target {
        serde_json::from_value(target("", "", event)).expect("a target")
    };
    let (all, put) = (of("s3:ObjectCreated:*"), of("s3:ObjectCreated:Put"));
    assert_eq!(overlap(&all, &put), Some("s3:ObjectCreated:Put"));
    assert_eq!(overlap(&put, &all), Some("s3:ObjectCreated:Put"));
    assert_eq!(overlap(&put, &of("s3:ObjectCreated:Copy")), None);
}
