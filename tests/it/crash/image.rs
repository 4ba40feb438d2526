//! What an AWS holds, told so that two of them can be compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// By place, as `iam/roles/NAME/Path`. What differs from one undisturbed run to the next is left
/// out: times, counts of use, and the ids that AWS makes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(BTreeMap<String, String>);

/// Members that tell when something was done, how often, or by what made-up name.
const PASSING: &[&str] = &[
    "CreateDate",
    "CreatedTimestamp",
    "CreationDate",
    "DeletionDate",
    "LastModified",
    "LastModifiedTimestamp",
    "LastProcessingResult",
    "RevisionId",
    "RoleId",
    "InstanceProfileId",
    "_symmetric_key_b64",
    "alias_dates",
    "created",
    "creationTime",
    "last_modified",
    "messages",
    "version_id",
    "VersionId",
    "_dest_counter",
    "dedup_cache",
    "LastUpdatedDate",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "starting_sequence_number",
    // Of log groups: what functions wrote.
    "streams",
    "started",
];

/// Endings of members that tell a time or a passing state.
const PASSING_ENDS: &[&str] = &[
    "Timestamp",
    "Time",
    "_at",
    "since",
    "StateReason",
    "StateReasonData",
    "StateValue",
    "lastIngestionTime",
    "ended",
    "ready",
];

/// Services of which a blueprint can hold something, and what of them is kept.
const KEPT: &[(&str, &[&str])] = &[
    ("cloudwatch", &["alarms", "composite_alarms", "dashboards", "resource_tags"]),
    ("cloudwatch_logs", &["log_groups"]),
    ("emr", &["clusters", "security_configurations"]),
    ("firehose", &["_streams"]),
    ("glue", &[]),
    ("iam", &["roles", "instance_profiles", "policies", "users", "groups"]),
    ("kinesis", &["streams"]),
    ("kms", &[]),
    ("lambda", &["functions", "esms"]),
    ("s3", &[]),
    ("sns", &[]),
    ("sqs", &[]),
];

impl Image {
    pub fn of(told: &Value) -> Self {
        let mut found = BTreeMap::new();
        for (service, stores) in KEPT {
            let Some(all) = told[service].as_object() else { continue };
            for (store, value) in all {
                if stores.is_empty() || stores.contains(&store.as_str()) {
                    flatten(&format!("{service}/{store}"), &lasting(value), &mut found);
                }
            }
        }
        found.retain(|place, _| !is_record(place));
        Self(found)
    }

    /// Each place at which two differ, with both.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let places: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let none = "nothing".to_owned();
        let differing =
            places.into_iter().filter(|place| self.0.get(*place) != other.0.get(*place));
        differing
            .map(|place| {
                let at = |image: &Self| image.0.get(place).unwrap_or(&none).clone();
                format!("{place}: {} / {}", at(self), at(other))
            })
            .collect()
    }
}

/// Without what passes. Two things whose names differ by a made-up id alone are told apart by a
/// number, in the order of what they hold.
fn lasting(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let passing = |name: &str| {
                PASSING.contains(&name) || PASSING_ENDS.iter().any(|end| name.ends_with(end))
            };
            let kept = fields.iter().filter(|(name, _)| !passing(name));
            let mut all: Vec<_> = kept.map(|(name, it)| (anonymous(name), lasting(it))).collect();
            all.sort_by_cached_key(|(name, it)| (name.clone(), it.to_string()));
            let mut told = serde_json::Map::new();
            for (name, it) in all {
                let alike = (2..).map(|number| format!("{name} ({number})"));
                let mut names = std::iter::once(name.clone()).chain(alike);
                let free = names.find(|name| !told.contains_key(name)).expect("numbers never end");
                told.insert(free, it);
            }
            Value::Object(told)
        }
        Value::Array(items) => Value::Array(items.iter().map(lasting).collect()),
        Value::String(text) => Value::String(anonymous(text)),
        other => other.clone(),
    }
}

/// A text with `*` for each id that AWS makes up, and for the port of the local AWS.
fn anonymous(text: &str) -> String {
    let mut told = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        told.push_str(&rest[..at]);
        let word = &rest[at..];
        let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(word.len());
        told.push_str(if made_up(&word[..end]) { "*" } else { &word[..end] });
        rest = &word[end..];
    }
    let told = told + rest;
    match told.split_once("127.0.0.1:") {
        Some((before, after)) => {
            format!("{before}local{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => told,
    }
}

/// `destinationId-000000000001`, `3a529cf0-3f1a-4111-a0e9-1aac2d4bb4f3`, `j-2AXXXXXXGAPLF`.
fn made_up(word: &str) -> bool {
    let parts: Vec<_> = word.split('-').collect();
    if parts[0] == "destinationId" {
        return true;
    }
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    let hex = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    if lengths == [8, 4, 4, 4, 12] {
        return parts.iter().all(hex);
    }
    let [prefix, rest] = parts[..] else { return false };
    matches!(prefix, "j" | "s" | "ig" | "if" | "i")
        && rest.len() >= 12
        && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// The lock of a killed run is nobody's, and stays until an apply has something to do; what is on
/// record of a job's run tells when it was, but not that it was.
fn is_record(place: &str) -> bool {
    let dated = ["/sha256", "/etag", "/size", "/checksums/CRC32"];
    place.contains("/lock.json/")
        || (place.contains("/pipeline/") && dated.iter().any(|end| place.ends_with(end)))
}

fn flatten(place: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                flatten(&format!("{place}/{name}"), value, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, value) in items.iter().enumerate() {
                flatten(&format!("{place}[{at}]"), value, found);
            }
        }
        other => {
            found.insert(place.to_owned(), other.to_string());
        }
    }
}
