//! What S3 would refuse.

use aws_sdk_s3::types::Event;

use crate::kind::Flaw;

use super::super::s3::bucket_flaw;
use super::{S3Notification, Target};

/// An id has 255 characters; the mark and the resource's id take some of it.
const KEY_MAX: usize = 100;
const FILTER_BYTES: usize = 1024;

pub(super) fn flaws(notification: &S3Notification) -> Vec<Flaw> {
    let mut flaws: Vec<_> = bucket_flaw(&notification.bucket).into_iter().collect();
    if notification.to.is_empty() && notification.event_bridge != Some(true) {
        let what = "nobody is told of anything";
        flaws.push(Flaw::error("to", what).hint("name a target, or write `event_bridge: true`"));
    }
    for (key, target) in &notification.to {
        let path = format!("to.{key}");
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(1..=KEY_MAX).contains(&key.len()) || !key.chars().all(word) {
            let what = format!("a target's name has 1 to {KEY_MAX} letters, digits, `-` and `_`");
            flaws.push(Flaw::error(&path, what));
        }
        receiver(&path, target, &mut flaws);
        events(&path, target, &mut flaws);
        for (field, text) in [("prefix", &target.prefix), ("suffix", &target.suffix)] {
            filter(&format!("{path}.{field}"), text, &mut flaws);
        }
    }
    overlaps(notification, &mut flaws);
    flaws
}

fn receiver(path: &str, target: &Target, flaws: &mut Vec<Flaw>) {
    let told: Vec<_> = [
        ("queue", ":sqs:", &target.queue),
        ("topic", ":sns:", &target.topic),
        ("function", ":lambda:", &target.function),
    ]
    .into_iter()
    .filter_map(|(field, service, arn)| Some((field, service, arn.as_deref()?)))
    .collect();
    let &[(field, service, arn)] = told.as_slice() else {
        let what = format!("a target is one `queue`, `topic` or `function`, not {}", told.len());
        flaws.push(Flaw::error(path, what));
        return;
    };
    let at = format!("{path}.{field}");
    if !literal(arn) {
        return;
    }
    if !arn.starts_with("arn:") || !arn.contains(service) {
        let what = format!("`{arn}` is not the ARN of a {field}");
        flaws.push(Flaw::error(at, what).hint("write `${id.arn}` of one in this blueprint"));
    } else if arn.ends_with(".fifo") {
        let what = format!("S3 does not send to a FIFO {field}");
        let hint = "send to a standard one, or to EventBridge, which can send on to it";
        flaws.push(Flaw::error(at, what).hint(hint));
    }
}

fn events(path: &str, target: &Target, flaws: &mut Vec<Flaw>) {
    let at = format!("{path}.events");
    if target.events.is_empty() {
        let hint = "as `[s3:ObjectCreated:*]`";
        flaws.push(Flaw::error(&at, "it is told of no event").hint(hint));
    }
    let literal = target.events.iter().filter(|event| literal(event));
    for event in literal.filter(|event| !Event::values().contains(&event.as_str())) {
        let what = format!("`{event}` is not an event of S3");
        let hint = "as `s3:ObjectCreated:*` or `s3:ObjectRemoved:Delete`";
        flaws.push(Flaw::error(&at, what).hint(hint));
    }
}

fn filter(path: &str, text: &str, flaws: &mut Vec<Flaw>) {
    if text.len() > FILTER_BYTES {
        let what = format!("it has at most {FILTER_BYTES} bytes");
        flaws.push(Flaw::error(path, what));
    }
    if text.contains('*') {
        let what = "`*` stands for itself here, and not for any text";
        flaws.push(Flaw::warning(path, what));
    }
}

/// "Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same
/// event type": S3 says so, or that it cannot validate the destinations.
fn overlaps(notification: &S3Notification, flaws: &mut Vec<Flaw>) {
    let mut before: Vec<(&String, &Target)> = Vec::new();
    for (key, target) in &notification.to {
        let found = before.iter().find_map(|(other, held)| Some((other, overlap(target, held)?)));
        if let Some((other, event)) = found {
            let what = format!("`{other}` and `{key}` both want `{event}` of the same objects");
            let hint = "S3 tells one target only: let their prefixes or suffixes differ, or send \
                to an SNS topic, which tells many";
            flaws.push(Flaw::error(format!("to.{key}"), what).hint(hint));
        }
        before.push((key, target));
    }
}

/// An event of one object that both want, if S3 sees one.
pub(super) fn overlap<'a>(one: &'a Target, other: &'a Target) -> Option<&'a str> {
    let texts = [&one.prefix, &one.suffix, &other.prefix, &other.suffix];
    if texts.iter().any(|text| !literal(text)) {
        return None;
    }
    let (a, b) = (one.prefix.as_str(), other.prefix.as_str());
    let prefixes = a.starts_with(b) || b.starts_with(a);
    let (a, b) = (one.suffix.as_str(), other.suffix.as_str());
    let suffixes = a.ends_with(b) || b.ends_with(a);
    let pairs = one.events.iter().flat_map(|a| other.events.iter().map(move |b| (a, b)));
    let common = pairs.filter_map(|(a, b)| common(a, b)).next();
    common.filter(|_| prefixes && suffixes)
}

/// The narrower of two events, where one contains the other.
fn common<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    let within = |part: &str, whole: &str| {
        part == whole || whole.strip_suffix('*').is_some_and(|start| part.starts_with(start))
    };
    match (within(one, other), within(other, one)) {
        (true, _) => Some(one),
        (_, true) => Some(other),
        _ => None,
    }
}

fn literal(text: &str) -> bool {
    !text.contains("${")
}
