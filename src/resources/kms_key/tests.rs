//! What AWS answers of keys, and what is made of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_kms::operation::get_key_rotation_status::GetKeyRotationStatusOutput;
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::aws::canned::Scripted;
use crate::kind::place::{ID_TAG, OWNER_TAG};
use crate::kind::values::policy::Policy;
use crate::kind::{Live, Name, Owner, Phase, Place, Twin};

use super::super::{Resource, Tags};
use super::find::{is_id, phase};
use super::{KmsKey, NAME_TAG, WINDOW_TAG};

fn spec(fields: Value) -> KmsKey {
    let mut spec = json!({"name": "lake"});
    spec.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    serde_json::from_value(spec).expect("a spec")
}

fn default_of(account: &str) -> Policy {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Id": "key-default-1", "Statement": [{{
            "Sid": "Enable IAM User Permissions", "Effect": "Allow",
            "Principal": {{"AWS": "arn:aws:iam::{account}:root"}},
            "Action": "kms:*", "Resource": "*"}}]}}"#
    );
    Policy::parse(&text).expect("a policy")
}

fn metadata(state: KeyState) -> KeyMetadata {
    let enabled = state == KeyState::Enabled;
    let key = KeyMetadata::builder().key_id("1234").enabled(enabled).key_state(state);
    key.description("").build().expect("complete")
}

#[test]
fn what_aws_would_refuse_is_a_flaw() {
    for (fields, path) in [
        (json!({}), None),
        (json!({"name": "${var.x}"}), None),
        (json!({"name": "alias/lake"}), Some("name")),
        (json!({"name": "aws/s3"}), Some("name")),
        (json!({"name": "a lake"}), Some("name")),
        (json!({"name": ids::OLD}), Some("name")),
        (json!({"rotation_period_days": 90}), None),
        (json!({"rotation_period_days": 89}), Some("rotation_period_days")),
        (json!({"rotation": false, "rotation_period_days": 90}), Some("rotation_period_days")),
        (json!({"deletion_window_days": 6}), Some("deletion_window_days")),
        (json!({"deletion_window_days": 31}), Some("deletion_window_days")),
    ] {
        let flaws = spec(fields.clone()).check();
        assert_eq!(flaws.first().map(|flaw| flaw.path.as_str()), path, "{fields}");
    }
}

#[test]
fn an_answer_reads_as_a_blueprint_writes() {
    let tags = BTreeMap::from([
        ("aws:createdBy".into(), "x".into()),
        (NAME_TAG.into(), "lake".into()),
        (WINDOW_TAG.into(), "7".into()),
        ("team".into(), "data".into()),
    ]);
    let rotation = GetKeyRotationStatusOutput::builder()
        .key_rotation_enabled(true)
        .rotation_period_in_days(180)
        .build();
    let key = metadata(KeyState::Enabled);
    let policy = default_of("123456789012");
    let live = KmsKey::read(Name::new("lake"), &key, policy, Some(&rotation), tags);
    assert!(live.rotation && live.enabled);
    assert_eq!(live.rotation_period_days, Some(180));
    assert_eq!(live.deletion_window_days, 7);
    assert_eq!(live.tags, BTreeMap::from([("team".into(), "data".into())]));
}

#[test]
fn a_key_that_awaits_its_end_is_gone() {
    for (state, phase_word) in [
        (KeyState::Enabled, Phase::Ready),
        (KeyState::Disabled, Phase::Ready),
        (KeyState::Creating, Phase::Settling("Creating".into())),
        (KeyState::PendingDeletion, Phase::Gone("PendingDeletion".into())),
        (KeyState::Unavailable, Phase::Failed("Unavailable".into())),
    ] {
        assert_eq!(phase(&metadata(state)), phase_word);
    }
}

#[test]
fn the_policy_that_aws_gives_is_the_one_left_out() {
    let narrow = r#"{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"},
        "Action": "kms:Decrypt", "Resource": "*"}]}"#;
    for (policy, same) in
        [(default_of("123456789012"), true), (Policy::parse(narrow).expect("a policy"), false)]
    {
        let mut live = KmsKey { policy, ..spec(json!({})) };
        spec(json!({})).reconcile(&mut live);
        assert_eq!(live.policy.is_empty(), same, "{}", live.policy.json());
    }
}

#[test]
fn rotation_of_a_disabled_key_waits_until_it_is_enabled() {
    for (enabled, waits) in [(false, true), (true, false)] {
        let mut live = spec(json!({"enabled": false, "rotation": false}));
        spec(json!({"enabled": enabled})).reconcile(&mut live);
        assert_eq!(live.rotation, waits);
    }
}

#[test]
fn a_key_listed_by_its_tags_is_known_by_its_alias() {
    let tags = Tags::from([(NAME_TAG.into(), "lake".into())]);
    let arn = "arn:aws:kms:eu-west-1:123456789012:key/1234";
    assert_eq!(KmsKey::listed(arn, &tags), Some(Name::new("lake")));
    assert_eq!(KmsKey::listed("arn:aws:s3:::lake", &tags), None);
}

mod ids {
    pub const OLD: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    pub const NEW: &str = "0000abcd-12ab-34cd-56ef-1234567890ab";
}

#[test]
fn an_id_is_told_from_an_alias() {
    let replicated = format!("mrk-{}", "0a".repeat(16));
    for (identity, id) in [
        (ids::OLD, true),
        (&*replicated, true),
        ("lake", false),
        ("a-b-c-d-e", false),
        ("1234ABCD-12ab-34cd-56ef-1234567890ab", false),
    ] {
        assert_eq!(is_id(identity), id, "{identity}");
    }
}

/// A key of the account in memory.
#[derive(Clone)]
struct Key {
    id: &'static str,
    made: i64,
    state: &'static str,
    owner: &'static str,
    alias: bool,
}

fn key(id: &'static str, made: i64) -> Key {
    Key { id, made, state: "Enabled", owner: "shop/dev/eu-west-1", alias: false }
}

impl Key {
    fn told(&self) -> Value {
        json!({ "KeyMetadata": { "KeyId": self.id, "Arn": self.arn(), "CreationDate": self.made,
            "Enabled": self.state == "Enabled", "KeyState": self.state } })
    }

    fn arn(&self) -> String {
        format!("arn:aws:kms:eu-west-1:1:key/{}", self.id)
    }

    fn tags(&self) -> Value {
        json!([
            [OWNER_TAG, self.owner],
            [ID_TAG, "lake_key"],
            [NAME_TAG, "lake"],
            [WINDOW_TAG, "7"]
        ])
    }

    fn tags_as(&self, key: &str, value: &str) -> Value {
        let tags = self.tags();
        tags.as_array().expect("a list").iter().map(|t| json!({ key: t[0], value: t[1] })).collect()
    }
}

type Heard = Arc<Mutex<Vec<String>>>;

/// An account with these keys, of which the tagging API lists some.
fn account(keys: Vec<Key>, listed: Vec<Key>) -> (Aws, Heard) {
    let heard = Heard::default();
    let place = Place {
        partition: "aws".into(),
        account: "1".into(),
        region: "eu-west-1".into(),
        owner: Owner::new("shop", "dev", "eu-west-1"),
    };
    let told = heard.clone();
    let aws = Scripted::aws(place, move |operation, asked| {
        told.lock().expect("no test panics here").push(operation.to_owned());
        let of = |key: &&Key| match asked["KeyId"].as_str() {
            Some("alias/lake") => key.alias,
            id => id == Some(key.id),
        };
        let found = || keys.iter().find(of).ok_or("NotFoundException");
        Ok(match operation {
            "DescribeKey" => found()?.told(),
            "GetKeyPolicy" => json!({ "Policy": default_of("123456789012").json() }),
            "GetKeyRotationStatus" => json!({ "KeyRotationEnabled": true }),
            "ListResourceTags" => json!({ "Tags": found()?.tags_as("TagKey", "TagValue") }),
            "ListKeys" => {
                json!({ "Keys": keys.iter().map(|k| json!({"KeyId": k.id})).collect::<Vec<_>>() })
            }
            "ListAliases" => {
                let named = keys.iter().filter(|key| key.alias);
                let alias = |k: &Key| json!({ "AliasName": "alias/lake", "TargetKeyId": k.id });
                json!({ "Aliases": named.map(alias).collect::<Vec<_>>() })
            }
            "GetResources" => {
                let one =
                    |k: &Key| json!({ "ResourceARN": k.arn(), "Tags": k.tags_as("Key", "Value") });
                let all: Vec<_> = listed.iter().map(one).collect();
                json!({ "ResourceTagMappingList": all })
            }
            other => panic!("nobody asks for {other}"),
        })
    });
    (aws, heard)
}

async fn seen(aws: &Aws, identity: &str) -> Live<KmsKey> {
    let found = KmsKey::observe(aws, &Name::new(identity)).await.expect("an answer");
    found.expect("a key")
}

fn twins(live: &Live<KmsKey>) -> Vec<(String, bool)> {
    Twin::noted(&live.outputs).map(|twin| (twin.identity.to_string(), twin.in_use)).collect()
}

#[tokio::test(start_paused = true)]
async fn of_two_keys_without_the_alias_the_older_is_to_have_it() {
    let theirs = Key { owner: "other", ..key("k-theirs", 1) };
    let given_up = Key { state: "PendingDeletion", ..key("k-given-up", 1) };
    let keys = vec![key(ids::NEW, 30), key(ids::OLD, 20), theirs, given_up];
    let (aws, _) = account(keys, vec![]);
    let live = seen(&aws, "lake").await;
    assert_eq!(live.outputs["key_id"], ids::OLD);
    assert_eq!(live.spec.name.as_str(), ids::OLD, "the alias is missing");
    assert_eq!(twins(&live), [(ids::NEW.to_owned(), false)]);
    let twin = Twin::noted(&live.outputs).next().expect("one");
    let kept = "1234abcd-12ab-34cd-56ef-1234567890ab, made at 1970-01-01T00:00:20Z, is kept";
    let rest = "for 7 days the deletion of this one can be taken back";
    assert_eq!(twin.why, format!("a second key for `alias/lake`; {kept}; {rest}"));
}

#[tokio::test(start_paused = true)]
async fn a_key_beside_the_one_that_the_alias_names_is_its_twin() {
    let kept = Key { alias: true, ..key(ids::OLD, 20) };
    for (other, twin) in [
        (key(ids::NEW, 3620), Some(false)),
        (key(ids::NEW, 3621), Some(true)),
        (Key { state: "Disabled", ..key(ids::NEW, 10) }, Some(false)),
        (Key { state: "PendingDeletion", ..key(ids::NEW, 21) }, None),
        (Key { owner: "other", ..key(ids::NEW, 21) }, None),
    ] {
        let (aws, _) = account(vec![kept.clone(), other], vec![]);
        let live = seen(&aws, "lake").await;
        assert_eq!(live.outputs["key_id"], ids::OLD);
        assert_eq!(live.spec.name.as_str(), "lake");
        let expected: Vec<_> =
            twin.into_iter().map(|in_use| (ids::NEW.to_owned(), in_use)).collect();
        assert_eq!(twins(&live), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_twin_is_looked_at_by_its_id() {
    let kept = Key { alias: true, ..key(ids::OLD, 20) };
    let (aws, _) = account(vec![kept, key(ids::NEW, 21)], vec![]);
    let live = seen(&aws, ids::NEW).await;
    assert_eq!((live.outputs["key_id"].as_str(), live.phase.clone()), (ids::NEW, Phase::Ready));
    assert_eq!(live.spec.deletion_window_days, 7);
    assert!(twins(&live).is_empty() && !live.outputs.contains_key("alias"));
}

#[tokio::test(start_paused = true)]
async fn beside_a_key_of_somebody_elses_ours_is_no_twin() {
    let theirs = Key { alias: true, owner: "other", ..key(ids::OLD, 20) };
    let (aws, _) = account(vec![theirs, key(ids::NEW, 21)], vec![]);
    assert!(twins(&seen(&aws, "lake").await).is_empty());
}

/// A plan with nothing wrong makes the calls that it would make if there were no twins.
#[tokio::test(start_paused = true)]
async fn who_only_looks_finds_twins_in_the_listing_that_it_has_anyway() {
    let kept = Key { alias: true, ..key(ids::OLD, 20) };
    let younger = key(ids::NEW, 21);
    let wanted: Tags =
        [(OWNER_TAG, kept.owner), (ID_TAG, "lake_key")].map(|(k, v)| (k.into(), v.into())).into();
    let hopes = BTreeMap::from([("lake_key".to_owned(), wanted)]);
    let keys = vec![kept.clone(), younger.clone()];
    let plain = ["DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "GetResources"];
    for (listed, more, twin) in [
        (vec![kept.clone()], vec![], vec![]),
        (vec![kept, younger], vec!["DescribeKey"], vec![(ids::NEW.to_owned(), false)]),
    ] {
        let (mut aws, heard) = account(keys.clone(), listed);
        aws.hope(hopes.clone());
        assert_eq!(twins(&seen(&aws.afresh(), "lake").await), twin);
        let mut calls = heard.lock().expect("no test panics here").clone();
        calls.sort();
        let mut expected: Vec<_> = plain.iter().chain(&more).map(ToString::to_string).collect();
        expected.sort();
        assert_eq!(calls, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_things_asks_the_keys_without_an_alias_once() {
    let kept = Key { alias: true, ..key(ids::OLD, 20) };
    let (aws, heard) = account(vec![kept, key(ids::NEW, 21)], vec![]);
    for _ in 0..3 {
        assert_eq!(twins(&seen(&aws, "lake").await), [(ids::NEW.to_owned(), false)]);
    }
    let heard = heard.lock().expect("no test panics here");
    assert_eq!(heard.iter().filter(|operation| *operation == "ListKeys").count(), 1);
}
