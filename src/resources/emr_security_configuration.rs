//! `emr-security-configuration`: how EMR clusters encrypt and who may use them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_sdk_emr::Client;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::aws::{Aws, During};
use crate::cloud::{Fault, Owned};
use crate::kind::place::OWNER_TAG;
use crate::kind::rule::replace;
use crate::kind::values::key::same_key;
use crate::kind::{Flaw, Live, Name, Outputs, Owner, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::Resource;

/// An EMR security configuration. EMR cannot change one, so another configuration means another
/// one in its place; clusters take it when they start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmrSecurityConfiguration {
    /// What the blueprint calls it. EMR has no tags for it, so its name in AWS, the output `name`,
    /// ends with a mark of whose it is.
    pub name: Name,
    /// The document as EMR has it: `EncryptionConfiguration` and its like.
    pub configuration: Document,
    /// Kept by no one: the name in AWS says whose it is.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A document of a security configuration; a `null` in it is as good as nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Document(Value);

const SECTIONS: [&str; 4] = [
    "EncryptionConfiguration",
    "AuthenticationConfiguration",
    "AuthorizationConfiguration",
    "InstanceMetadataServiceConfiguration",
];
const S3_MODES: [&str; 4] = ["SSE-S3", "SSE-KMS", "CSE-KMS", "CSE-Custom"];

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|map| Self(without_nulls(map)))
    }
}

impl JsonSchema for Document {
    fn schema_name() -> Cow<'static, str> {
        "SecurityConfiguration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A security configuration, in EMR's own words.",
            "properties": {
                "EncryptionConfiguration": section("What is encrypted at rest and in transit."),
                "AuthenticationConfiguration": section("Kerberos."),
                "AuthorizationConfiguration": section("Roles for EMRFS, and Lake Formation."),
                "InstanceMetadataServiceConfiguration": section("How nodes ask EC2 who they are."),
            },
            "additionalProperties": false,
        })
    }
}

fn section(description: &str) -> Value {
    serde_json::json!({ "type": "object", "description": description })
}

fn without_nulls(map: Map<String, Value>) -> Value {
    let kept = map.into_iter().filter(|(_, value)| !value.is_null());
    let clean = |value| match value {
        Value::Object(map) => without_nulls(map),
        other => other,
    };
    kept.map(|(key, value)| (key, clean(value))).collect::<Map<_, _>>().into()
}

impl Resource for EmrSecurityConfiguration {
    const KIND: &'static str = "emr-security-configuration";
    const OUTPUTS: &'static [&'static str] = &["name"];
    const RULES: &'static [Rule] = &[replace("name"), replace("configuration")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.name.as_str().is_empty() {
            flaws.push(Flaw::error("name", "a security configuration needs a name"));
        }
        let sections = self.configuration.0.as_object().into_iter().flatten();
        for (section, _) in sections.filter(|(key, _)| !SECTIONS.contains(&key.as_str())) {
            let what = format!("a security configuration has no `{section}`");
            let hint = format!("it has {}", SECTIONS.join(", "));
            flaws.push(Flaw::error(format!("configuration.{section}"), what).hint(hint));
        }
        if let Some(encryption) = self.configuration.0.get("EncryptionConfiguration") {
            check_encryption(encryption, &mut flaws);
        }
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.name, &place.owner)
    }

    fn reconcile(&self, live: &mut Self) {
        // There are no tags in AWS: whose it is, its name says, and the rest is the blueprint's.
        if live.tags.get(OWNER_TAG) == self.tags.get(OWNER_TAG) {
            live.tags.clone_from(&self.tags);
        }
        respell(&self.configuration.0, &mut live.configuration.0);
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let operation = "elasticmapreduce:DescribeSecurityConfiguration";
        let real = real_name(identity, &aws.place.owner);
        let call = aws.client::<Client>().describe_security_configuration().name(real);
        let answer = match call.send().await.during(operation) {
            Err(fault) if missing(&fault) => return Ok(None),
            answer => answer?,
        };
        let text = answer.security_configuration().unwrap_or("{}");
        Ok(Some(live(identity, &aws.place.owner, text)))
    }

    /// Sent again after a lost answer, it finds its own work: the name is nobody else's.
    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        let real = real_name(&self.name, &aws.place.owner);
        let call = aws.client::<Client>().create_security_configuration().name(real);
        let call = call.security_configuration(self.configuration.0.to_string());
        match call.send().await.during("elasticmapreduce:CreateSecurityConfiguration") {
            Err(fault) if !fault.says("InvalidRequestException", "already exists") => Err(fault),
            _ => Ok(()),
        }
    }

    /// Nothing of it can change.
    async fn update(&self, _aws: &Aws, _live: &Live<Self>, _diff: &Diff) -> Result<(), Fault> {
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let real = real_name(identity, &aws.place.owner);
        let call = aws.client::<Client>().delete_security_configuration().name(real);
        match call.send().await.during("elasticmapreduce:DeleteSecurityConfiguration") {
            Err(fault) if !missing(&fault) => Err(fault),
            _ => Ok(()),
        }
    }

    async fn owned(aws: &Aws) -> Result<Vec<Owned>, Fault> {
        let pages = aws.client::<Client>().list_security_configurations().into_paginator();
        let found: Result<Vec<_>, _> = pages.items().send().try_collect().await;
        let found = found.during("elasticmapreduce:ListSecurityConfigurations")?;
        let names = found.iter().filter_map(|summary| summary.name());
        let ours = names.filter_map(|real| blueprint_name(real, &aws.place.owner));
        Ok(ours
            .map(|name| Owned {
                kind: Self::KIND.into(),
                id: name.to_owned(),
                identity: Name::new(name),
                arn: None,
            })
            .collect())
    }
}

/// "Security configuration with name '…' does not exist".
fn missing(fault: &Fault) -> bool {
    fault.says("InvalidRequestException", "does not exist")
}

fn real_name(name: &Name, owner: &Owner) -> String {
    format!("{name}-{}", owner.mark())
}

/// The name in the blueprint of what is called so in AWS, if it is this owner's.
fn blueprint_name<'a>(real: &'a str, owner: &Owner) -> Option<&'a str> {
    real.strip_suffix(&owner.mark())?.strip_suffix('-').filter(|name| !name.is_empty())
}

fn outputs(name: &Name, owner: &Owner) -> Outputs {
    Outputs::from([("name".into(), real_name(name, owner))])
}

/// A document that is no JSON object is shown as it is: different from any that is written.
fn live(name: &Name, owner: &Owner, text: &str) -> Live<EmrSecurityConfiguration> {
    let document = match serde_json::from_str(text) {
        Ok(Value::Object(map)) => without_nulls(map),
        _ => Map::from_iter([("Unreadable".to_owned(), text.into())]).into(),
    };
    let spec = EmrSecurityConfiguration {
        name: name.clone(),
        configuration: Document(document),
        tags: BTreeMap::from([(OWNER_TAG.to_owned(), owner.0.clone())]),
    };
    Live { spec, outputs: outputs(name, owner), phase: Phase::Ready }
}

/// A key by id and by ARN is one key.
fn respell(desired: &Value, live: &mut Value) {
    match (desired, live) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, have) in have {
                if let Some(want) = want.get(key) {
                    respell(want, have);
                }
            }
        }
        (Value::String(want), Value::String(have)) if same_key(want, have) => have.clone_from(want),
        _ => {}
    }
}

fn check_encryption(encryption: &Value, flaws: &mut Vec<Flaw>) {
    const PATH: &str = "configuration.EncryptionConfiguration";
    let at = |field: &str| format!("{PATH}.{field}");
    for (switch, section) in [
        ("EnableAtRestEncryption", "AtRestEncryptionConfiguration"),
        ("EnableInTransitEncryption", "InTransitEncryptionConfiguration"),
    ] {
        match (encryption.get(switch).and_then(Value::as_bool), encryption.get(section)) {
            (None, _) => {
                let what = format!("EMR wants `{switch}` said: true or false");
                flaws.push(Flaw::error(at(switch), what));
            }
            (Some(true), None) => {
                let what = format!("`{switch}: true` needs `{section}`");
                flaws.push(Flaw::error(at(section), what));
            }
            (Some(false), Some(_)) => {
                let what = format!("EMR takes no `{section}` with `{switch}: false`");
                flaws.push(Flaw::error(at(section), what));
            }
            _ => {}
        }
    }
    let s3 = &encryption["AtRestEncryptionConfiguration"]["S3EncryptionConfiguration"];
    let path = at("AtRestEncryptionConfiguration.S3EncryptionConfiguration");
    let Some(mode) = s3["EncryptionMode"].as_str().filter(|mode| !mode.contains("${")) else {
        return;
    };
    if !S3_MODES.contains(&mode) {
        let what = format!("`{mode}` is no way to encrypt S3: there are {}", S3_MODES.join(", "));
        flaws.push(Flaw::error(format!("{path}.EncryptionMode"), what));
    }
    if mode.ends_with("KMS") && s3.get("AwsKmsKey").is_none() {
        flaws.push(Flaw::error(format!("{path}.AwsKmsKey"), format!("{mode} needs `AwsKmsKey`")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owner() -> Owner {
        Owner::new("clickstream", "dev", "eu-west-1")
    }

    fn written(configuration: Value) -> EmrSecurityConfiguration {
        let tags = json!({OWNER_TAG: owner().0, "team": "data"});
        let spec = json!({"name": "lake", "configuration": configuration, "tags": tags});
        EmrSecurityConfiguration::deserialize(spec).expect("well written")
    }

    #[test]
    fn the_name_in_aws_says_whose_it_is() {
        let name = Name::new("lake");
        let real = real_name(&name, &owner());
        assert_eq!(blueprint_name(&real, &owner()), Some("lake"));
        let other = Owner::new("clickstream", "prod", "eu-west-1");
        assert_eq!(blueprint_name(&real, &other), None);
        assert_ne!(real, real_name(&name, &other));
        assert_eq!(blueprint_name("lake", &owner()), None);
    }

    #[test]
    fn documents_of_one_meaning_do_not_differ() {
        let arn = "arn:aws:kms:eu-west-1:123456789012:key/1234";
        let desired = written(json!({"EncryptionConfiguration": {
            "EnableInTransitEncryption": false, "EnableAtRestEncryption": true,
            "InTransitEncryptionConfiguration": null,
            "AtRestEncryptionConfiguration": {"S3EncryptionConfiguration":
                {"EncryptionMode": "SSE-KMS", "AwsKmsKey": arn}}}}));
        let text = r#"{"EncryptionConfiguration": {"AtRestEncryptionConfiguration":
            {"S3EncryptionConfiguration": {"AwsKmsKey": "1234", "EncryptionMode": "SSE-KMS"}},
            "EnableAtRestEncryption": true, "EnableInTransitEncryption": false}}"#;
        let mut found = live(&desired.name, &owner(), text).spec;
        desired.reconcile(&mut found);
        assert_eq!(found, desired);
    }

    #[test]
    fn one_of_another_owner_keeps_its_tags() {
        let desired = written(json!({}));
        let mut found = live(&desired.name, &Owner("other".into()), "{}").spec;
        desired.reconcile(&mut found);
        assert_eq!(found.tags, BTreeMap::from([(OWNER_TAG.into(), "other".into())]));
    }

    #[test]
    fn what_emr_would_refuse_is_told() {
        let at_rest = |s3: Value| {
            json!({"EncryptionConfiguration": {
                "EnableInTransitEncryption": false, "EnableAtRestEncryption": true,
                "AtRestEncryptionConfiguration": {"S3EncryptionConfiguration": s3}}})
        };
        for (configuration, told) in [
            (json!({"InstanceMetadataServiceConfiguration": {}}), vec![]),
            (json!({"Encryption": {}}), vec!["no `Encryption`"]),
            (
                json!({"EncryptionConfiguration": {"EnableAtRestEncryption": true}}),
                vec!["needs `AtRest", "wants `EnableInTransit"],
            ),
            (at_rest(json!({"EncryptionMode": "SSE-S3"})), vec![]),
            (at_rest(json!({"EncryptionMode": "SSE-KMS"})), vec!["needs `AwsKmsKey`"]),
            (at_rest(json!({"EncryptionMode": "SSE"})), vec!["no way to encrypt"]),
        ] {
            let flaws = written(configuration.clone()).check();
            assert_eq!(flaws.len(), told.len(), "{configuration}: {flaws:?}");
            for (flaw, told) in flaws.iter().zip(told) {
                assert!(flaw.what.contains(told), "{} says {told}", flaw.what);
            }
        }
    }
}
