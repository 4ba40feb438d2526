//! What SNS would refuse.

use crate::kind::Flaw;

use super::subscription::{Scope, Subscription};
use super::{NONE, SnsTopic};

const DISPLAY_NAME_CHARACTERS: usize = 100;
const PROTOCOLS: [&str; 9] =
    ["application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"];
const RAW: [&str; 4] = ["firehose", "http", "https", "sqs"];

pub(super) fn flaws(topic: &SnsTopic) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    name(topic, &mut flaws);
    if topic.display_name.chars().count() > DISPLAY_NAME_CHARACTERS {
        let what = format!("a display name has at most {DISPLAY_NAME_CHARACTERS} characters");
        flaws.push(Flaw::error("display_name", what));
    }
    if topic.content_based_deduplication && !topic.fifo {
        let what = "only a FIFO topic looks for messages of equal content";
        flaws.push(Flaw::error("content_based_deduplication", what));
    }
    for (protocol, endpoints) in &topic.subscriptions {
        let path = format!("subscriptions.{protocol}");
        if !PROTOCOLS.contains(&protocol.as_str()) {
            let what = format!("`{protocol}` is not a protocol of SNS");
            let hint = format!("they are {}", PROTOCOLS.join(", "));
            flaws.push(Flaw::error(path, what).hint(hint));
            continue;
        }
        for (endpoint, one) in endpoints {
            subscription(protocol, endpoint, one, &mut flaws);
        }
    }
    flaws
}

fn name(topic: &SnsTopic, flaws: &mut Vec<Flaw>) {
    let name = topic.name.as_str();
    if !literal(name) {
        return;
    }
    let bare = name.strip_suffix(".fifo");
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let bare_name = bare.unwrap_or(name);
    if bare_name.is_empty() || name.len() > 256 || !bare_name.chars().all(word) {
        let what = format!("`{name}` is not a topic's name");
        let hint = "1 to 256 letters, digits, `-` and `_`";
        flaws.push(Flaw::error("name", what).hint(hint));
    }
    if topic.fifo != bare.is_some() {
        let hint = if topic.fifo {
            format!("name it `{name}.fifo`")
        } else {
            "write `fifo: true`, or another name".to_owned()
        };
        let what = "a FIFO topic's name ends with `.fifo`, and no other's does";
        flaws.push(Flaw::error("name", what).hint(hint));
    }
}

fn subscription(protocol: &str, endpoint: &str, one: &Subscription, flaws: &mut Vec<Flaw>) {
    let path = format!("subscriptions.{protocol}.{endpoint}");
    if literal(endpoint) && !fits(protocol, endpoint) {
        let what = format!("`{endpoint}` is not an endpoint for {protocol}");
        flaws.push(Flaw::error(&path, what));
    }
    if one.raw_delivery && !RAW.contains(&protocol) {
        let what = format!("{protocol} has no raw delivery: {} have", RAW.join(", "));
        flaws.push(Flaw::error(format!("{path}.raw_delivery"), what));
    }
    if one.filter_policy.is_empty() && one.filter_policy_scope != Scope::default() {
        let what = "a scope without a `filter_policy` means nothing";
        flaws.push(Flaw::error(format!("{path}.filter_policy_scope"), what));
    }
    let queue = &one.dead_letter_queue;
    if queue != NONE && literal(queue) && !queue.contains(":sqs:") {
        let what = format!("`{queue}` is not the ARN of a queue");
        flaws.push(Flaw::error(format!("{path}.dead_letter_queue"), what));
    }
    if (one.role != NONE) != (protocol == "firehose") {
        let what = "a subscription by firehose has a `role`, and no other has";
        flaws.push(Flaw::error(format!("{path}.role"), what));
    }
    if one.pending.is_some() {
        let what = "whether a subscription is pending is for AWS to say";
        flaws.push(Flaw::error(format!("{path}.pending"), what).hint("leave out `pending`"));
    }
}

fn fits(protocol: &str, endpoint: &str) -> bool {
    match protocol {
        "email" | "email-json" => endpoint.contains('@'),
        "http" => endpoint.starts_with("http://"),
        "https" => endpoint.starts_with("https://"),
        "sms" => endpoint.chars().any(|c| c.is_ascii_digit()),
        _ => endpoint.starts_with("arn:"),
    }
}

fn literal(text: &str) -> bool {
    !text.contains("${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_sns_would_refuse_is_found_before() {
        let email = |one: Value| json!({"name": "t", "subscriptions": {"email": {"a@b": one}}});
        for (topic, path) in [
            (email(json!({})), None),
            (json!({"name": "t.fifo", "fifo": true, "content_based_deduplication": true}), None),
            (json!({"name": "t", "subscriptions": {"sqs": {"${q.arn}": {}}}}), None),
            (json!({"name": "t.fifo"}), Some("name")),
            (json!({"name": "t", "fifo": true}), Some("name")),
            (json!({"name": "a b"}), Some("name")),
            (
                json!({"name": "t", "content_based_deduplication": true}),
                Some("content_based_deduplication"),
            ),
            (
                json!({"name": "t", "subscriptions": {"mail": {"a@b": {}}}}),
                Some("subscriptions.mail"),
            ),
            (email(json!({"raw_delivery": true})), Some("subscriptions.email.a@b.raw_delivery")),
            (email(json!({"role": "arn:x"})), Some("subscriptions.email.a@b.role")),
            (email(json!({"pending": true})), Some("subscriptions.email.a@b.pending")),
            (
                email(json!({"filter_policy_scope": "message-body"})),
                Some("subscriptions.email.a@b.filter_policy_scope"),
            ),
            (
                json!({"name": "t", "subscriptions": {"https": {"a@b": {}}}}),
                Some("subscriptions.https.a@b"),
            ),
        ] {
            let read: SnsTopic = serde_json::from_value(topic.clone()).expect("a topic");
            let found = flaws(&read);
            let paths: Vec<_> = found.iter().map(|flaw| flaw.path.as_str()).collect();
            assert_eq!(paths, path.into_iter().collect::<Vec<_>>(), "{topic}");
        }
    }
}
