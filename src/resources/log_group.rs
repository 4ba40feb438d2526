//! `log-group`: a CloudWatch log group.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{LogGroup as Found, LogGroupClass};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::rule::replace;
use crate::kind::values::key::same_key;
use crate::kind::values::tags::{unwanted, without_aws};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::{Resource, Tags};

/// A CloudWatch log group.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogGroup {
    /// As `/aws/lambda/trigger`; 1 to 512 characters.
    pub name: Name,
    /// How long events are kept: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
    /// 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days; 0, the default, keeps them for good.
    #[serde(default)]
    pub retention_days: u32,
    /// ARN of the KMS key that encrypts the events; `none` for none of your own.
    #[serde(default = "none")]
    pub key: String,
    /// `standard`, or `infrequent-access`, which costs less and can do less; it cannot be changed.
    #[serde(default)]
    pub class: StorageClass,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What a log group costs and can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StorageClass {
    #[default]
    Standard,
    InfrequentAccess,
    /// Only hands logs on; AWS fixes how long it keeps them.
    Delivery,
}

fn none() -> String {
    NONE.to_owned()
}

const NONE: &str = "none";
const ABSENT: &[&str] = &["ResourceNotFoundException"];
const DESCRIBE: &str = "logs:DescribeLogGroups";
/// As many as one DescribeLogGroups takes.
const BATCH: usize = 50;
const RETENTION_DAYS: [u32; 23] = [
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

impl Resource for LogGroup {
    const KIND: &'static str = "log-group";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name"), replace("class")];
    const HOLDS_DATA: bool = true;

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let name = self.name.as_str();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-/.#".contains(c);
        let fits = (1..=512).contains(&name.len()) && name.chars().all(allowed);
        if !name.contains("${") && (!fits || name.starts_with("aws/")) {
            flaws
                .push(Flaw::error("name", format!("`{name}` is not a log group's name")).hint(
                    "1 to 512 letters, digits and any of `_-/.#`, not beginning with `aws/`",
                ));
        }
        if !RETENTION_DAYS.contains(&self.retention_days) {
            let longer = RETENTION_DAYS.iter().find(|days| **days > self.retention_days);
            let what = format!("CloudWatch does not keep events for {} days", self.retention_days);
            let hint = longer.map_or("0 keeps them for good".to_owned(), |days| {
                format!("the next longer is {days}; 0 keeps them for good")
            });
            flaws.push(Flaw::error("retention_days", what).hint(hint));
        }
        if self.class == StorageClass::Delivery && self.retention_days != 0 {
            let what = "AWS fixes how long a delivery log group keeps events";
            flaws.push(Flaw::error("retention_days", what).hint("leave out `retention_days`"));
        }
        let arn = self.key.starts_with("arn:") || self.key.contains("${");
        if self.key != NONE && !arn {
            let what = format!("`{}` is not the ARN of a key", self.key);
            flaws.push(
                Flaw::error("key", what).hint("CloudWatch Logs takes neither ids nor aliases"),
            );
        }
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.name, place)
    }

    fn reconcile(&self, live: &mut Self) {
        if same_key(&self.key, &live.key) {
            live.key.clone_from(&self.key);
        }
        if live.class == StorageClass::Delivery {
            live.retention_days = self.retention_days;
        }
    }

    fn created(&self) -> Option<Self> {
        Some(Self { retention_days: 0, ..self.clone() })
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let found = describe(aws, std::slice::from_ref(identity)).await?;
        complete(aws, identity, found.get(identity.as_str())).await
    }

    async fn observe_all(aws: &Aws, identities: &[Name]) -> Vec<Result<Option<Live<Self>>, Fault>> {
        let batches = identities.chunks(BATCH).map(|batch| observe_batch(aws, batch));
        join_all(batches).await.into_iter().flatten().collect()
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        // Not every partition knows classes, so the usual one is not named.
        let class = match self.class {
            StorageClass::Standard => None,
            StorageClass::InfrequentAccess => Some(LogGroupClass::InfrequentAccess),
            StorageClass::Delivery => Some(LogGroupClass::Delivery),
        };
        let call = aws
            .client::<Client>()
            .create_log_group()
            .log_group_name(self.name.as_str())
            .set_kms_key_id((self.key != NONE).then(|| self.key.clone()))
            .set_log_group_class(class)
            .set_tags(Some(self.tags.clone().into_iter().collect()));
        call.send().await.during("logs:CreateLogGroup").map_err(taken).map_err(young_key)?;
        Ok(())
    }

    /// One call after another: CloudWatch Logs aborts one of two changes to a group at once.
    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        if diff.touches("tags") {
            self.tag(aws, &api, &live.spec.tags).await?;
        }
        if diff.touches("retention_days") {
            self.retain(&api).await?;
        }
        if diff.touches("key") {
            self.encrypt(&api).await?;
        }
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let call = aws.client::<Client>().delete_log_group().log_group_name(identity.as_str());
        absent(call.send().await.during("logs:DeleteLogGroup"), ABSENT)?;
        Ok(())
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":logs:")?.1.split_once(":log-group:")?;
        let name = name.strip_suffix(":*").unwrap_or(name);
        (!name.contains(':')).then(|| Name::new(name))
    }
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), arn(name, place)), ("name".into(), name.to_string())])
}

/// Without the `:*` at the end, which the tag calls do not take.
fn arn(name: &Name, place: &Place) -> String {
    place.arn("logs", &format!("log-group:{name}"))
}

/// Lambda, Firehose and EMR make their groups themselves when they first write.
fn taken(fault: Fault) -> Fault {
    let exists = fault.is("ResourceAlreadyExistsException");
    if exists { fault.class(Class::Conflict) } else { fault }
}

/// "The specified KMS key does not exist or is not allowed to be used with ...": a key or a key
/// policy of this apply may not be known yet.
fn young_key(fault: Fault) -> Fault {
    let passes = fault.says("InvalidParameterException", "KMS")
        || fault.says("AccessDeniedException", "KMS key does not exist or is not allowed");
    if passes { fault.class(Class::NotYet) } else { fault }
}

async fn observe_batch(aws: &Aws, batch: &[Name]) -> Vec<Result<Option<Live<LogGroup>>, Fault>> {
    match describe(aws, batch).await {
        Ok(found) => {
            let each = batch.iter().map(|name| complete(aws, name, found.get(name.as_str())));
            join_all(each).await
        }
        // One that is absent must not hide the others.
        Err(fault) if batch.len() > 1 && fault.is(ABSENT[0]) => {
            join_all(batch.iter().map(|name| LogGroup::observe(aws, name))).await
        }
        Err(fault) => batch.iter().map(|_| Err(fault.clone())).collect(),
    }
}

async fn describe(aws: &Aws, names: &[Name]) -> Result<BTreeMap<String, Found>, Fault> {
    let names: Vec<_> = names.iter().map(Name::to_string).collect();
    let call = aws.client::<Client>().describe_log_groups();
    let call = call.set_log_group_identifiers(Some(names.clone()));
    let pages = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let answer = pages.during(DESCRIBE);
    let found = if names.len() == 1 { absent(answer, ABSENT)? } else { Some(answer?) };
    let named = |group: Found| {
        let name = group.log_group_name()?.to_owned();
        names.contains(&name).then_some((name, group))
    };
    Ok(found.unwrap_or_default().into_iter().filter_map(named).collect())
}

/// Asks for the tags of a group that was found.
async fn complete(
    aws: &Aws,
    name: &Name,
    found: Option<&Found>,
) -> Result<Option<Live<LogGroup>>, Fault> {
    let Some(group) = found else { return Ok(None) };
    let arn = arn(name, &aws.place);
    let Some(tags) = aws.tags(&arn, tags_of(aws, &arn)).await? else { return Ok(None) };
    let spec = spec(name, group, tags);
    Ok(Some(Live { spec, outputs: outputs(name, &aws.place), phase: Phase::Ready }))
}

async fn tags_of(aws: &Aws, arn: &str) -> Result<Option<Tags>, Fault> {
    let call = aws.client::<Client>().list_tags_for_resource().resource_arn(arn);
    let answer = absent(call.send().await.during("logs:ListTagsForResource"), ABSENT)?;
    Ok(answer.map(|answer| without_aws(answer.tags().cloned().unwrap_or_default())))
}

fn spec(name: &Name, group: &Found, tags: BTreeMap<String, String>) -> LogGroup {
    LogGroup {
        name: name.clone(),
        retention_days: group.retention_in_days().map_or(0, i32::unsigned_abs),
        key: group.kms_key_id().map_or_else(none, str::to_owned),
        class: match group.log_group_class() {
            Some(LogGroupClass::InfrequentAccess) => StorageClass::InfrequentAccess,
            Some(LogGroupClass::Delivery) => StorageClass::Delivery,
            _ => StorageClass::Standard,
        },
        tags,
    }
}

impl LogGroup {
    async fn tag(
        &self,
        aws: &Aws,
        api: &Client,
        live: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let arn = arn(&self.name, &aws.place);
        if !self.tags.is_empty() {
            let call = api.tag_resource().resource_arn(&arn);
            let call = call.set_tags(Some(self.tags.clone().into_iter().collect()));
            call.send().await.during("logs:TagResource")?;
        }
        let gone = unwanted(&self.tags, live);
        if !gone.is_empty() {
            let call = api.untag_resource().resource_arn(&arn).set_tag_keys(Some(gone));
            call.send().await.during("logs:UntagResource")?;
        }
        Ok(())
    }

    async fn retain(&self, api: &Client) -> Result<(), Fault> {
        let name = self.name.as_str();
        if self.retention_days == 0 {
            let call = api.delete_retention_policy().log_group_name(name);
            absent(call.send().await.during("logs:DeleteRetentionPolicy"), ABSENT)?;
        } else {
            let call = api.put_retention_policy().log_group_name(name);
            let call = call.retention_in_days(self.retention_days.cast_signed());
            call.send().await.during("logs:PutRetentionPolicy")?;
        }
        Ok(())
    }

    async fn encrypt(&self, api: &Client) -> Result<(), Fault> {
        let name = self.name.as_str();
        if self.key == NONE {
            let call = api.disassociate_kms_key().log_group_name(name);
            call.send().await.during("logs:DisassociateKmsKey")?;
        } else {
            let call = api.associate_kms_key().log_group_name(name).kms_key_id(&self.key);
            call.send().await.during("logs:AssociateKmsKey").map_err(young_key)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(fields: &str) -> LogGroup {
        let text = format!("{{\"name\": \"/aws/lambda/f\"{fields}}}");
        serde_json::from_str(&text).expect("a log group in JSON")
    }

    #[test]
    fn what_aws_leaves_out_is_the_default() {
        let found = Found::builder().log_group_name("/aws/lambda/f").build();
        let read = spec(&Name::new("/aws/lambda/f"), &found, BTreeMap::new());
        let written = group("");
        assert_eq!(serde_json::to_value(read).ok(), serde_json::to_value(written).ok());
    }

    #[test]
    fn what_aws_says_is_read_in_the_blueprints_words() {
        let found = Found::builder()
            .retention_in_days(30)
            .kms_key_id("arn:aws:kms:eu-west-1:123456789012:key/1")
            .log_group_class(LogGroupClass::InfrequentAccess)
            .build();
        let read = spec(&Name::new("g"), &found, BTreeMap::new());
        assert_eq!(read.retention_days, 30);
        assert_eq!(read.key, "arn:aws:kms:eu-west-1:123456789012:key/1");
        assert_eq!(read.class, StorageClass::InfrequentAccess);
    }

    #[test]
    fn what_aws_would_refuse_is_found_before() {
        for (fields, path) in [
            ("", None),
            (", \"retention_days\": 14, \"key\": \"${k.arn}\"", None),
            (", \"retention_days\": 15", Some("retention_days")),
            (", \"retention_days\": 4000", Some("retention_days")),
            (", \"retention_days\": 1, \"class\": \"delivery\"", Some("retention_days")),
            (", \"key\": \"alias/lake\"", Some("key")),
        ] {
            let found = group(fields).check();
            let paths: Vec<_> = found.iter().map(|flaw| flaw.path.as_str()).collect();
            assert_eq!(paths, path.into_iter().collect::<Vec<_>>(), "{fields}");
        }
    }

    #[test]
    fn an_arn_names_its_group_with_and_without_its_star() {
        for (arn, name) in [
            ("arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/f", Some("/aws/lambda/f")),
            ("arn:aws:logs:eu-west-1:1:log-group:g:*", Some("g")),
            ("arn:aws:logs:eu-west-1:1:log-group:g:log-stream:s", None),
            ("arn:aws:logs:eu-west-1:1:destination:d", None),
        ] {
            assert_eq!(LogGroup::listed(arn, &BTreeMap::new()), name.map(Name::new), "{arn}");
        }
    }
}
