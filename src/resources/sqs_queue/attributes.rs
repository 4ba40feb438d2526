//! A queue as SQS tells it and takes it: attributes, all of them texts.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde_json::{Value, json};

use crate::cloud::{Class, Fault};
use crate::kind::Name;
use crate::kind::values::duration::Duration;
use crate::kind::values::or_none::OrNone;
use crate::kind::values::policy::Policy;
use crate::plan::diff::Diff;

use super::{
    DeduplicationScope, Encryption, GET, Redrive, RedriveAllow, SqsQueue, Sse, ThroughputLimit,
    at_once, four_days, half_a_minute,
};

type Attributes = HashMap<Attribute, String>;

const MESSAGE_GROUP: &str = "messageGroup";
const PER_MESSAGE_GROUP: &str = "perMessageGroupId";

/// What a new queue is made with. An empty text takes something away, and there is nothing yet.
pub(super) fn new(queue: &SqsQueue) -> Attributes {
    let each = fields(queue).into_iter().map(|(_, attribute, text)| (attribute, text));
    let mut attributes: Attributes = each.filter(|(_, text)| !text.is_empty()).collect();
    if queue.fifo {
        attributes.insert(Attribute::FifoQueue, "true".into());
    }
    attributes.extend(match queue.encryption.sse {
        Sse::Kms => key(&queue.encryption),
        sse => own_keys(sse),
    });
    attributes
}

/// What is set of a queue that is there.
pub(super) fn changed(queue: &SqsQueue, live: &SqsQueue, diff: &Diff) -> Attributes {
    let differs = fields(queue).into_iter().filter(|(field, _, _)| diff.touches(field));
    let mut changed: Attributes = differs.map(|(_, attribute, text)| (attribute, text)).collect();
    if diff.touches("encryption") {
        changed.extend(match (queue.encryption.sse, live.encryption.sse) {
            (Sse::Kms, _) => key(&queue.encryption),
            // SQS refuses to be told of a key and of its own keys at once: the key goes first, and
            // what is left to say then, the next look finds.
            (_, Sse::Kms) => Attributes::from([(Attribute::KmsMasterKeyId, String::new())]),
            (sse, _) => own_keys(sse),
        });
    }
    changed
}

fn key(encryption: &Encryption) -> Attributes {
    Attributes::from([
        (Attribute::KmsMasterKeyId, encryption.key.clone()),
        (Attribute::KmsDataKeyReusePeriodSeconds, encryption.key_reuse.seconds.to_string()),
    ])
}

fn own_keys(sse: Sse) -> Attributes {
    Attributes::from([(Attribute::SqsManagedSseEnabled, (sse == Sse::Sqs).to_string())])
}

/// Each field but the encryption, its attribute, and what that becomes.
fn fields(queue: &SqsQueue) -> Vec<(&'static str, Attribute, String)> {
    let seconds = |duration: Duration| duration.seconds.to_string();
    let policy = if queue.policy.is_empty() { String::new() } else { queue.policy.json() };
    let mut fields = vec![
        ("retention", Attribute::MessageRetentionPeriod, seconds(queue.retention)),
        ("visibility_timeout", Attribute::VisibilityTimeout, seconds(queue.visibility_timeout)),
        ("delay", Attribute::DelaySeconds, seconds(queue.delay)),
        ("receive_wait", Attribute::ReceiveMessageWaitTimeSeconds, seconds(queue.receive_wait)),
        ("redrive", Attribute::RedrivePolicy, redrive(&queue.redrive)),
        ("redrive_allow", Attribute::RedriveAllowPolicy, redrive_allow(&queue.redrive_allow)),
        ("policy", Attribute::Policy, policy),
    ];
    if let Some(bytes) = queue.max_message_size {
        fields.push(("max_message_size", Attribute::MaximumMessageSize, bytes.to_string()));
    }
    if queue.fifo {
        let deduplicates = queue.content_based_deduplication.to_string();
        let scope = match queue.deduplication_scope {
            DeduplicationScope::Queue => "queue",
            DeduplicationScope::MessageGroup => MESSAGE_GROUP,
        };
        let limit = match queue.throughput_limit {
            ThroughputLimit::PerQueue => "perQueue",
            ThroughputLimit::PerMessageGroupId => PER_MESSAGE_GROUP,
        };
        fields.extend([
            ("content_based_deduplication", Attribute::ContentBasedDeduplication, deduplicates),
            ("deduplication_scope", Attribute::DeduplicationScope, scope.to_owned()),
            ("throughput_limit", Attribute::FifoThroughputLimit, limit.to_owned()),
        ]);
    }
    fields
}

fn redrive(redrive: &OrNone<Redrive>) -> String {
    redrive.as_ref().map_or_else(String::new, |redrive| {
        json!({
            "deadLetterTargetArn": redrive.queue,
            "maxReceiveCount": redrive.max_receives,
        })
        .to_string()
    })
}

fn redrive_allow(allow: &RedriveAllow) -> String {
    match allow {
        RedriveAllow::All => String::new(),
        RedriveAllow::None => json!({"redrivePermission": "denyAll"}).to_string(),
        RedriveAllow::Queues(arns) => {
            json!({"redrivePermission": "byQueue", "sourceQueueArns": arns}).to_string()
        }
    }
}

/// All messages that SQS counts.
pub(super) fn messages(told: &Attributes) -> u64 {
    let waiting = Attribute::ApproximateNumberOfMessages;
    let hidden = Attribute::ApproximateNumberOfMessagesNotVisible;
    let delayed = Attribute::ApproximateNumberOfMessagesDelayed;
    [waiting, hidden, delayed].iter().filter_map(|each| told.get(each)?.parse::<u64>().ok()).sum()
}

pub(super) fn read(
    name: &Name,
    told: &Attributes,
    tags: BTreeMap<String, String>,
) -> Result<SqsQueue, Fault> {
    let text = |attribute| told.get(&attribute).map(String::as_str).unwrap_or_default();
    let number = |attribute| text(attribute).parse::<u64>().ok();
    let seconds = |attribute, otherwise| number(attribute).map_or(otherwise, Duration::seconds);
    let policy = match text(Attribute::Policy) {
        "" => Policy::default(),
        text => Policy::parse(text).map_err(malformed)?,
    };
    let by_group = text(Attribute::DeduplicationScope) == MESSAGE_GROUP;
    let limits_groups = text(Attribute::FifoThroughputLimit) == PER_MESSAGE_GROUP;
    let size = number(Attribute::MaximumMessageSize);
    Ok(SqsQueue {
        name: name.clone(),
        fifo: text(Attribute::FifoQueue) == "true",
        content_based_deduplication: text(Attribute::ContentBasedDeduplication) == "true",
        deduplication_scope: match by_group {
            true => DeduplicationScope::MessageGroup,
            false => DeduplicationScope::Queue,
        },
        throughput_limit: match limits_groups {
            true => ThroughputLimit::PerMessageGroupId,
            false => ThroughputLimit::PerQueue,
        },
        retention: seconds(Attribute::MessageRetentionPeriod, four_days()),
        visibility_timeout: seconds(Attribute::VisibilityTimeout, half_a_minute()),
        delay: seconds(Attribute::DelaySeconds, at_once()),
        receive_wait: seconds(Attribute::ReceiveMessageWaitTimeSeconds, at_once()),
        max_message_size: size.and_then(|bytes| bytes.try_into().ok()),
        encryption: encryption(told),
        redrive: read_redrive(text(Attribute::RedrivePolicy))?,
        redrive_allow: read_redrive_allow(text(Attribute::RedriveAllowPolicy))?,
        policy,
        tags,
    })
}

fn encryption(told: &Attributes) -> Encryption {
    let plain = Encryption::default();
    let key = told.get(&Attribute::KmsMasterKeyId).filter(|key| !key.is_empty());
    let own = told.get(&Attribute::SqsManagedSseEnabled).is_some_and(|own| own == "true");
    let reuse = told.get(&Attribute::KmsDataKeyReusePeriodSeconds).and_then(|t| t.parse().ok());
    match key {
        Some(key) => Encryption {
            sse: Sse::Kms,
            key: key.clone(),
            key_reuse: reuse.map_or(plain.key_reuse, Duration::seconds),
        },
        None if own => plain,
        None => Encryption { sse: Sse::None, ..plain },
    }
}

fn malformed(why: impl ToString) -> Fault {
    Fault::new(Class::Broken, GET, why.to_string())
}

fn read_redrive(text: &str) -> Result<OrNone<Redrive>, Fault> {
    if text.is_empty() {
        return Ok(OrNone(None));
    }
    let told: Value = serde_json::from_str(text).map_err(malformed)?;
    let Some(queue) = told["deadLetterTargetArn"].as_str() else { return Ok(OrNone(None)) };
    let count = &told["maxReceiveCount"];
    // SQS tells it as it was sent: as a number, or as a text.
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    let max_receives = count.and_then(|count| count.try_into().ok()).unwrap_or_default();
    Ok(OrNone(Some(Redrive { queue: queue.to_owned(), max_receives })))
}

fn read_redrive_allow(text: &str) -> Result<RedriveAllow, Fault> {
    if text.is_empty() {
        return Ok(RedriveAllow::All);
    }
    let told: Value = serde_json::from_str(text).map_err(malformed)?;
    let arns = told["sourceQueueArns"].as_array().into_iter().flatten();
    Ok(match told["redrivePermission"].as_str() {
        Some("denyAll") => RedriveAllow::None,
        Some("byQueue") => {
            RedriveAllow::Queues(arns.filter_map(Value::as_str).map(str::to_owned).collect())
        }
        _ => RedriveAllow::All,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::diff::diff;
    use crate::resources::sqs_queue::tests::queue;

    fn told(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(name, text)| (Attribute::from(*name), (*text).to_owned())).collect()
    }

    fn found(pairs: &[(&str, &str)]) -> SqsQueue {
        read(&Name::new("q"), &told(pairs), BTreeMap::new()).expect("a queue")
    }

    #[test]
    fn a_new_queue_reads_as_one_that_says_nothing() {
        for size in ["262144", "1048576"] {
            let mut live = found(&[
                ("MessageRetentionPeriod", "345600"),
                ("VisibilityTimeout", "30"),
                ("DelaySeconds", "0"),
                ("ReceiveMessageWaitTimeSeconds", "0"),
                ("MaximumMessageSize", size),
                ("SqsManagedSseEnabled", "true"),
                ("QueueArn", "arn:aws:sqs:eu-west-1:123456789012:q"),
            ]);
            assert_eq!(live.max_message_size.map(|bytes| bytes.to_string()).as_deref(), Some(size));
            live.max_message_size = None;
            assert_eq!(live, queue(json!({})));
        }
    }

    #[test]
    fn attributes_are_read_as_they_are_written() {
        let target = "arn:aws:sqs:eu-west-1:123456789012:dead";
        for written in [
            queue(json!({"max_message_size": 2048, "retention": "14d", "delay": "15m",
                "visibility_timeout": "12h", "receive_wait": "20s",
                "encryption": {"sse": "kms", "key": "alias/a", "key_reuse": "1d"},
                "redrive": {"queue": target, "max_receives": 3}, "redrive_allow": "none",
                "policy": {"Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage",
                    "Principal": {"Service": "s3.amazonaws.com"}}]}})),
            queue(json!({"fifo": true, "content_based_deduplication": true,
                "deduplication_scope": "message-group",
                "throughput_limit": "per-message-group-id", "encryption": {"sse": "none"},
                "redrive_allow": {"queues": [target]}, "max_message_size": 1024})),
        ] {
            let read = read(&Name::new("q"), &new(&written), BTreeMap::new()).expect("a queue");
            assert_eq!(read, written);
        }
    }

    #[test]
    fn a_redrive_policy_is_read_in_either_spelling() {
        for text in [
            r#"{"deadLetterTargetArn":"a","maxReceiveCount":3}"#,
            r#"{"maxReceiveCount":"3","deadLetterTargetArn":"a"}"#,
        ] {
            let wanted = OrNone(Some(Redrive { queue: "a".into(), max_receives: 3 }));
            assert_eq!(found(&[("RedrivePolicy", text)]).redrive, wanted, "{text}");
        }
        assert_eq!(found(&[("RedrivePolicy", "")]).redrive, OrNone(None));
        assert!(read_redrive("{").is_err());
    }

    #[test]
    fn allowing_all_is_as_good_as_no_policy() {
        let all = r#"{"redrivePermission":"allowAll"}"#;
        assert_eq!(found(&[("RedriveAllowPolicy", all)]).redrive_allow, RedriveAllow::All);
    }

    fn set(desired: Value, live: Value) -> Vec<(String, String)> {
        let (desired, live) = (queue(desired), queue(live));
        let json = |queue: &SqsQueue| serde_json::to_value(queue).expect("JSON");
        let changes = diff(&json(&desired), &json(&live), &[]);
        let set = changed(&desired, &live, &changes).into_iter();
        let mut set: Vec<_> =
            set.map(|(attribute, text)| (attribute.as_str().to_owned(), text)).collect();
        set.sort();
        set
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn only_what_differs_is_set_and_what_goes_is_set_to_nothing() {
        let redrive = json!({"queue": "a", "max_receives": 3});
        let held = json!({"redrive": redrive, "redrive_allow": "none", "delay": "5s"});
        let emptied = [("DelaySeconds", "0"), ("RedriveAllowPolicy", ""), ("RedrivePolicy", "")];
        assert_eq!(set(json!({}), held), pairs(&emptied));
        assert_eq!(set(json!({}), json!({"max_message_size": 1024})), pairs(&[]));
    }

    /// SQS takes one way of encrypting at a time: a key goes before SQS's own keys come.
    #[test]
    fn a_key_and_sqs_s_own_keys_are_never_set_at_once() {
        let with = |sse: &str| json!({"encryption": {"sse": sse}});
        let own = "SqsManagedSseEnabled";
        for (desired, live, wanted) in [
            ("sqs", "kms", vec![("KmsMasterKeyId", "")]),
            ("none", "kms", vec![("KmsMasterKeyId", "")]),
            ("sqs", "none", vec![(own, "true")]),
            ("none", "sqs", vec![(own, "false")]),
            (
                "kms",
                "sqs",
                vec![("KmsDataKeyReusePeriodSeconds", "300"), ("KmsMasterKeyId", "alias/aws/sqs")],
            ),
        ] {
            assert_eq!(set(with(desired), with(live)), pairs(&wanted), "{live} to {desired}");
        }
    }

    #[test]
    fn a_new_queue_says_only_one_way_of_encrypting() {
        for (sse, attribute, text) in [
            ("sqs", Attribute::SqsManagedSseEnabled, "true"),
            ("none", Attribute::SqsManagedSseEnabled, "false"),
            ("kms", Attribute::KmsMasterKeyId, "alias/aws/sqs"),
        ] {
            let made = new(&queue(json!({"encryption": {"sse": sse}})));
            assert_eq!(made.get(&attribute).map(String::as_str), Some(text), "{sse}");
            let own = made.contains_key(&Attribute::SqsManagedSseEnabled);
            assert_ne!(own, made.contains_key(&Attribute::KmsMasterKeyId), "{sse}");
        }
    }

    #[test]
    fn waiting_hidden_and_delayed_messages_count() {
        let counts = told(&[
            ("ApproximateNumberOfMessages", "5"),
            ("ApproximateNumberOfMessagesNotVisible", "2"),
            ("ApproximateNumberOfMessagesDelayed", "1"),
        ]);
        assert_eq!(messages(&counts), 8);
    }
}
