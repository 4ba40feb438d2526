//! What SQS would refuse.

use std::ops::RangeInclusive;

use crate::kind::Flaw;
use crate::kind::values::duration::Duration;

use super::{
    AWS_KEY, DeduplicationScope, Encryption, Redrive, RedriveAllow, SqsQueue, Sse, ThroughputLimit,
};

const NAME_MAX: usize = 80;
const FIFO: &str = ".fifo";
const MESSAGE_BYTES: RangeInclusive<u32> = 1024..=1_048_576;
const RECEIVES: RangeInclusive<u32> = 1..=1000;
const SOURCES_MAX: usize = 10;

pub(super) fn flaws(queue: &SqsQueue) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    name(queue, &mut flaws);
    ranges(queue, &mut flaws);
    encryption(&queue.encryption, &mut flaws);
    if !queue.fifo {
        standard(queue, &mut flaws);
    }
    let by_group = queue.deduplication_scope == DeduplicationScope::MessageGroup;
    if queue.throughput_limit == ThroughputLimit::PerMessageGroupId && !by_group {
        let what = "a limit for each group needs deduplication within the group";
        let hint = "write `deduplication_scope: message-group` beside it";
        flaws.push(Flaw::error("throughput_limit", what).hint(hint));
    }
    if let Some(redrive) = queue.redrive.as_ref() {
        dead_letters(queue, redrive, &mut flaws);
    }
    if let RedriveAllow::Queues(arns) = &queue.redrive_allow {
        if !(1..=SOURCES_MAX).contains(&arns.len()) {
            let what = format!("1 to {SOURCES_MAX} queues can be named, not {}", arns.len());
            flaws.push(Flaw::error("redrive_allow.queues", what).hint("or write `all` or `none`"));
        }
        let wrong = arns.iter().find(|arn| !may_be_queue(arn));
        flaws.extend(wrong.map(|arn| not_a_queue("redrive_allow.queues", arn)));
    }
    flaws
}

fn name(queue: &SqsQueue, flaws: &mut Vec<Flaw>) {
    let name = queue.name.as_str();
    if !literal(name) {
        return;
    }
    let bare = name.strip_suffix(FIFO);
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let bare_name = bare.unwrap_or(name);
    if bare_name.is_empty() || name.len() > NAME_MAX || !bare_name.chars().all(word) {
        let what = format!("`{name}` is not a queue's name");
        let hint = format!("1 to {NAME_MAX} letters, digits, `-` and `_`");
        flaws.push(Flaw::error("name", what).hint(hint));
    }
    if queue.fifo != bare.is_some() {
        let hint = if queue.fifo {
            format!("name it `{name}{FIFO}`")
        } else {
            "write `fifo: true`, or another name".to_owned()
        };
        let what = "a FIFO queue's name ends with `.fifo`, and no other's does";
        flaws.push(Flaw::error("name", what).hint(hint));
    }
}

fn ranges(queue: &SqsQueue, flaws: &mut Vec<Flaw>) {
    for (field, duration, least, most) in [
        ("retention", queue.retention, "60s", "14d"),
        ("visibility_timeout", queue.visibility_timeout, "0s", "12h"),
        ("delay", queue.delay, "0s", "15m"),
        ("receive_wait", queue.receive_wait, "0s", "20s"),
        ("encryption.key_reuse", queue.encryption.key_reuse, "60s", "1d"),
    ] {
        let bound = |text| Duration::parse(text).expect("it is written here");
        if !(bound(least)..=bound(most)).contains(&duration) {
            let what = format!("`{field}` is {least} to {most}, not {duration}");
            flaws.push(Flaw::error(field, what));
        }
    }
    if let Some(bytes) = queue.max_message_size.filter(|bytes| !MESSAGE_BYTES.contains(bytes)) {
        let (least, most) = (MESSAGE_BYTES.start(), MESSAGE_BYTES.end());
        let what = format!("a message has at most {least} to {most} bytes, not {bytes}");
        flaws.push(Flaw::error("max_message_size", what));
    }
}

fn encryption(encryption: &Encryption, flaws: &mut Vec<Flaw>) {
    if encryption.sse == Sse::Kms {
        return;
    }
    let plain = Encryption::default();
    let hint = "write `sse: kms` beside it, or leave it out";
    if encryption.key != AWS_KEY {
        let what = "only `sse: kms` has a key";
        flaws.push(Flaw::error("encryption.key", what).hint(hint));
    }
    if encryption.key_reuse != plain.key_reuse {
        let what = "only `sse: kms` has data keys to use again";
        flaws.push(Flaw::error("encryption.key_reuse", what).hint(hint));
    }
}

/// What only FIFO queues have.
fn standard(queue: &SqsQueue, flaws: &mut Vec<Flaw>) {
    for (field, written) in [
        ("content_based_deduplication", queue.content_based_deduplication),
        ("deduplication_scope", queue.deduplication_scope != DeduplicationScope::default()),
        ("throughput_limit", queue.throughput_limit != ThroughputLimit::default()),
    ] {
        if written {
            let what = "only a FIFO queue looks for equal messages and has groups of them";
            flaws.push(Flaw::error(field, what).hint("write `fifo: true`, or leave it out"));
        }
    }
}

fn dead_letters(queue: &SqsQueue, redrive: &Redrive, flaws: &mut Vec<Flaw>) {
    if !RECEIVES.contains(&redrive.max_receives) {
        let (least, most) = (RECEIVES.start(), RECEIVES.end());
        let what = format!(
            "a message goes there after {least} to {most} receives, not {}",
            redrive.max_receives
        );
        flaws.push(Flaw::error("redrive.max_receives", what));
    }
    let target = redrive.queue.as_str();
    if !may_be_queue(target) {
        flaws.push(not_a_queue("redrive.queue", target));
    } else if literal(target) && target.ends_with(FIFO) != queue.fifo {
        let what = "the dead-letter queue of a FIFO queue is one too, and of no other";
        flaws.push(Flaw::error("redrive.queue", what));
    }
}

fn not_a_queue(path: &str, arn: &str) -> Flaw {
    let hint = "as `arn:aws:sqs:eu-west-1:123456789012:name`, or `${id.arn}`";
    Flaw::error(path, format!("`{arn}` is not the ARN of a queue")).hint(hint)
}

fn may_be_queue(arn: &str) -> bool {
    !literal(arn) || arn.starts_with("arn:") && arn.contains(":sqs:")
}

fn literal(text: &str) -> bool {
    !text.contains("${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn target(queue: &str, max_receives: u32) -> Value {
        json!({"redrive": {"queue": queue, "max_receives": max_receives}})
    }

    #[test]
    fn what_sqs_would_refuse_is_found_before() {
        let fifo = |more: Value| {
            let mut queue = json!({"name": "q.fifo", "fifo": true});
            let more = more.as_object().expect("fields").clone();
            queue.as_object_mut().expect("an object").extend(more);
            queue
        };
        let arn = "arn:aws:sqs:eu-west-1:123456789012:dead";
        let grouped = json!({"deduplication_scope": "message-group",
            "throughput_limit": "per-message-group-id"});
        let sources: Vec<_> = (0..11).map(|number| format!("{arn}{number}")).collect();
        for (fields, path) in [
            (json!({}), None),
            (json!({"name": "${var.x} and so"}), None),
            (json!({"name": "q.fifo"}), Some("name")),
            (json!({"fifo": true}), Some("name")),
            (json!({"name": "a b"}), Some("name")),
            (json!({"name": "q".repeat(81)}), Some("name")),
            (json!({"retention": "59s"}), Some("retention")),
            (json!({"retention": "15d"}), Some("retention")),
            (json!({"retention": "14d", "visibility_timeout": "0s", "delay": "15m"}), None),
            (json!({"visibility_timeout": "13h"}), Some("visibility_timeout")),
            (json!({"delay": "16m"}), Some("delay")),
            (json!({"receive_wait": "21s"}), Some("receive_wait")),
            (json!({"max_message_size": 1023}), Some("max_message_size")),
            (json!({"max_message_size": 1_048_576}), None),
            (json!({"encryption": {"sse": "kms", "key": "k", "key_reuse": "60s"}}), None),
            (
                json!({"encryption": {"sse": "kms", "key_reuse": "59s"}}),
                Some("encryption.key_reuse"),
            ),
            (json!({"encryption": {"key": "k"}}), Some("encryption.key")),
            (
                json!({"encryption": {"sse": "none", "key_reuse": "1h"}}),
                Some("encryption.key_reuse"),
            ),
            (json!({"content_based_deduplication": true}), Some("content_based_deduplication")),
            (json!({"deduplication_scope": "message-group"}), Some("deduplication_scope")),
            (fifo(grouped), None),
            (fifo(json!({"throughput_limit": "per-message-group-id"})), Some("throughput_limit")),
            (target("${dead.arn}", 3), None),
            (target(arn, 1000), None),
            (target(arn, 0), Some("redrive.max_receives")),
            (target(arn, 1001), Some("redrive.max_receives")),
            (target("dead", 3), Some("redrive.queue")),
            (fifo(target(arn, 3)), Some("redrive.queue")),
            (target(&format!("{arn}.fifo"), 3), Some("redrive.queue")),
            (json!({"redrive_allow": {"queues": [arn]}}), None),
            (json!({"redrive_allow": {"queues": []}}), Some("redrive_allow.queues")),
            (json!({"redrive_allow": {"queues": sources}}), Some("redrive_allow.queues")),
            (json!({"redrive_allow": {"queues": ["dead"]}}), Some("redrive_allow.queues")),
        ] {
            let mut spec = json!({"name": "q"});
            let fields = fields.as_object().expect("fields").clone();
            spec.as_object_mut().expect("an object").extend(fields.clone());
            let queue: SqsQueue = serde_json::from_value(spec).expect("a queue");
            let found = flaws(&queue);
            let paths: Vec<_> = found.iter().map(|flaw| flaw.path.as_str()).collect();
            assert_eq!(paths, path.into_iter().collect::<Vec<_>>(), "{fields:?}");
        }
    }
}
