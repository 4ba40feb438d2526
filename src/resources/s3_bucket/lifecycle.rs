//! When objects move to cheaper storage, and when they are deleted.

use std::collections::BTreeMap;

use aws_sdk_s3::types as s3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::During;
use crate::cloud::Fault;
use crate::kind::Flaw;

/// What happens to some of a bucket's objects as they grow old.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRule {
    /// Whether the rule counts.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Only objects whose keys begin with this; left out: all of them.
    #[serde(default)]
    pub prefix: String,
    /// Only objects that carry all of these tags.
    #[serde(default)]
    pub object_tags: BTreeMap<String, String>,
    /// Only objects with more bytes than this; 0 (the default) for no bound.
    #[serde(default)]
    pub min_object_bytes: u64,
    /// Only objects with fewer bytes than this; 0 (the default) for no bound.
    #[serde(default)]
    pub max_object_bytes: u64,
    /// Storage class and the days after creation when objects move to it, as `STANDARD_IA: 30`.
    #[serde(default)]
    pub transitions: BTreeMap<String, u32>,
    /// Days after creation when objects are deleted; 0 (the default) for never.
    #[serde(default)]
    pub expire_days: u32,
    /// Deletes the delete markers behind which no version is left.
    #[serde(default)]
    pub expire_delete_markers: bool,
    /// Storage class and the days after being replaced when old versions move to it.
    #[serde(default)]
    pub noncurrent_transitions: BTreeMap<String, u32>,
    /// Days after being replaced when old versions are deleted; 0 (the default) for never.
    #[serde(default)]
    pub noncurrent_expire_days: u32,
    /// How many old versions are kept whatever their age, up to 100; with `noncurrent_expire_days`.
    #[serde(default)]
    pub noncurrent_keep: u32,
    /// Days after which uploads that were never completed are given up; 0 (the default) for never.
    #[serde(default)]
    pub abort_multipart_days: u32,
}

fn yes() -> bool {
    true
}

/// Objects move only downwards in this list.
const CLASSES: [&str; 6] =
    ["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];
/// Objects stay at least this long before they move here, and are paid for this long.
const INFREQUENT: [&str; 2] = ["STANDARD_IA", "ONEZONE_IA"];
const INFREQUENT_DAYS: u32 = 30;

impl LifecycleRule {
    /// `at` is the rule's own path.
    pub fn check(&self, at: &str) -> Vec<Flaw> {
        let mut flaws = check_transitions(&format!("{at}.transitions"), &self.transitions);
        let noncurrent = format!("{at}.noncurrent_transitions");
        flaws.extend(check_transitions(&noncurrent, &self.noncurrent_transitions));
        for (field, expire, transitions) in [
            ("expire_days", self.expire_days, &self.transitions),
            ("noncurrent_expire_days", self.noncurrent_expire_days, &self.noncurrent_transitions),
        ] {
            let last = transitions.values().copied().max();
            if let Some(last) = last.filter(|last| expire > 0 && expire <= *last) {
                let what = format!("objects would be deleted before they move, after {last} days");
                flaws.push(Flaw::error(format!("{at}.{field}"), what));
            }
        }
        if self.does_nothing() {
            let hint = "write `transitions`, `expire_days` or another action";
            flaws.push(Flaw::error(at, "this rule does nothing").hint(hint));
        }
        flaws.extend(self.check_combinations(at));
        flaws
    }

    fn does_nothing(&self) -> bool {
        self.transitions.is_empty()
            && self.noncurrent_transitions.is_empty()
            && !self.expire_delete_markers
            && self.expire_days == 0
            && self.noncurrent_expire_days == 0
            && self.abort_multipart_days == 0
    }

    fn check_combinations(&self, at: &str) -> Vec<Flaw> {
        let sized = self.min_object_bytes > 0 || self.max_object_bytes > 0;
        let tagged = !self.object_tags.is_empty();
        [
            (
                self.expire_delete_markers && self.expire_days > 0,
                "expire_delete_markers",
                "a rule with `expire_days` deletes such markers already",
            ),
            (
                self.expire_delete_markers && tagged,
                "expire_delete_markers",
                "delete markers have no tags to choose by",
            ),
            (
                self.abort_multipart_days > 0 && (tagged || sized),
                "abort_multipart_days",
                "uploads that were never completed have no tags and no size to choose by",
            ),
            (
                self.noncurrent_keep > 0 && self.noncurrent_expire_days == 0,
                "noncurrent_keep",
                "this needs `noncurrent_expire_days`: without it all old versions are kept",
            ),
            (self.noncurrent_keep > 100, "noncurrent_keep", "at most 100 old versions are kept"),
            (
                self.max_object_bytes > 0 && self.min_object_bytes >= self.max_object_bytes,
                "max_object_bytes",
                "no object is smaller than this and larger than `min_object_bytes`",
            ),
        ]
        .into_iter()
        .filter(|(wrong, ..)| *wrong)
        .map(|(_, field, what)| Flaw::error(format!("{at}.{field}"), what))
        .collect()
    }
}

fn check_transitions(at: &str, transitions: &BTreeMap<String, u32>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (class, days) in transitions {
        let path = format!("{at}.{class}");
        if !CLASSES.contains(&class.as_str()) {
            let what = format!("`{class}` is not a storage class that objects move to");
            flaws.push(Flaw::error(path, what).hint(format!("they are {}", CLASSES.join(", "))));
        } else if INFREQUENT.contains(&class.as_str()) && *days < INFREQUENT_DAYS {
            let what = format!("objects move to {class} after 30 days at the earliest");
            flaws.push(Flaw::error(path, what));
        }
    }
    let ordered = CLASSES.iter().filter_map(|class| Some((*class, *transitions.get(*class)?)));
    let ordered: Vec<_> = ordered.collect();
    for pair in ordered.windows(2) {
        let [(before, sooner), (class, days)] = pair else { continue };
        let path = format!("{at}.{class}");
        if days <= sooner {
            let what =
                format!("objects move from {before} to {class}, so later than {sooner} days");
            flaws.push(Flaw::error(path, what));
        } else if INFREQUENT.contains(before) && days - sooner < INFREQUENT_DAYS {
            let what = format!("objects that leave {before} within 30 days are paid for 30 days");
            flaws.push(Flaw::warning(path, what));
        }
    }
    flaws
}

/// What AWS answered, in the blueprint's words, by rule id.
pub fn read(rules: &[s3::LifecycleRule]) -> BTreeMap<String, LifecycleRule> {
    rules.iter().map(|rule| (rule.id().unwrap_or_default().to_owned(), read_rule(rule))).collect()
}

fn read_rule(rule: &s3::LifecycleRule) -> LifecycleRule {
    let days = |days: Option<i32>| days.unwrap_or_default().unsigned_abs();
    let filter = rule.filter();
    let all = filter.and_then(|filter| filter.and());
    #[expect(deprecated, reason = "rules made long ago still have their prefix here")]
    let old_prefix = rule.prefix();
    let prefix = filter.and_then(|f| f.prefix()).or(all.and_then(|a| a.prefix())).or(old_prefix);
    let tags = all.map_or(&[][..], |a| a.tags()).iter().chain(filter.and_then(|f| f.tag()));
    let bytes =
        |single: Option<i64>, both: Option<i64>| single.or(both).unwrap_or_default().unsigned_abs();
    let expiration = rule.expiration();
    let noncurrent = rule.noncurrent_version_expiration();
    LifecycleRule {
        enabled: *rule.status() == s3::ExpirationStatus::Enabled,
        prefix: prefix.unwrap_or_default().to_owned(),
        object_tags: tags.map(|t| (t.key().to_owned(), t.value().to_owned())).collect(),
        min_object_bytes: bytes(
            filter.and_then(|f| f.object_size_greater_than()),
            all.and_then(|a| a.object_size_greater_than()),
        ),
        max_object_bytes: bytes(
            filter.and_then(|f| f.object_size_less_than()),
            all.and_then(|a| a.object_size_less_than()),
        ),
        transitions: rule
            .transitions()
            .iter()
            .filter_map(|t| Some((t.storage_class()?.as_str().to_owned(), days(t.days()))))
            .collect(),
        expire_days: days(expiration.and_then(|e| e.days())),
        expire_delete_markers: expiration
            .and_then(|e| e.expired_object_delete_marker())
            .unwrap_or_default(),
        noncurrent_transitions: rule
            .noncurrent_version_transitions()
            .iter()
            .filter_map(|t| {
                Some((t.storage_class()?.as_str().to_owned(), days(t.noncurrent_days())))
            })
            .collect(),
        noncurrent_expire_days: days(noncurrent.and_then(|n| n.noncurrent_days())),
        noncurrent_keep: days(noncurrent.and_then(|n| n.newer_noncurrent_versions())),
        abort_multipart_days: days(
            rule.abort_incomplete_multipart_upload().and_then(|a| a.days_after_initiation()),
        ),
    }
}

/// All rules, as AWS takes them: the whole document at once.
pub fn write(
    rules: &BTreeMap<String, LifecycleRule>,
) -> Result<s3::BucketLifecycleConfiguration, Fault> {
    let rules = rules.iter().map(|(id, rule)| write_rule(id, rule)).collect::<Result<_, _>>()?;
    s3::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().during(OPERATION)
}

const OPERATION: &str = "s3:PutBucketLifecycleConfiguration";

fn write_rule(id: &str, rule: &LifecycleRule) -> Result<s3::LifecycleRule, Fault> {
    let some = |days: u32| (days > 0).then(|| days.cast_signed());
    let status = match rule.enabled {
        true => s3::ExpirationStatus::Enabled,
        false => s3::ExpirationStatus::Disabled,
    };
    let transitions = rule.transitions.iter().map(|(class, days)| {
        let class = s3::TransitionStorageClass::from(class.as_str());
        s3::Transition::builder().storage_class(class).days(days.cast_signed()).build()
    });
    let noncurrent_transitions = rule.noncurrent_transitions.iter().map(|(class, days)| {
        let class = s3::TransitionStorageClass::from(class.as_str());
        let days = days.cast_signed();
        let transition = s3::NoncurrentVersionTransition::builder().storage_class(class);
        transition.noncurrent_days(days).build()
    });
    let mut expiration = s3::LifecycleExpiration::builder().set_days(some(rule.expire_days));
    if rule.expire_delete_markers {
        expiration = expiration.expired_object_delete_marker(true);
    }
    let expires = rule.expire_days > 0 || rule.expire_delete_markers;
    let noncurrent = some(rule.noncurrent_expire_days).map(|days| {
        let keep = some(rule.noncurrent_keep);
        let expiration = s3::NoncurrentVersionExpiration::builder().noncurrent_days(days);
        expiration.set_newer_noncurrent_versions(keep).build()
    });
    let abort = some(rule.abort_multipart_days).map(|days| {
        s3::AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build()
    });
    s3::LifecycleRule::builder()
        .id(id)
        .status(status)
        .filter(filter(rule)?)
        .set_transitions(Some(transitions.collect()))
        .set_noncurrent_version_transitions(Some(noncurrent_transitions.collect()))
        .set_expiration(expires.then(|| expiration.build()))
        .set_noncurrent_version_expiration(noncurrent)
        .set_abort_incomplete_multipart_upload(abort)
        .build()
        .during(OPERATION)
}

/// One condition stands alone; several stand in an `And`.
fn filter(rule: &LifecycleRule) -> Result<s3::LifecycleRuleFilter, Fault> {
    let some = |bytes: u64| (bytes > 0).then(|| bytes.cast_signed());
    let (above, below) = (some(rule.min_object_bytes), some(rule.max_object_bytes));
    let tags = rule
        .object_tags
        .iter()
        .map(|(key, value)| s3::Tag::builder().key(key).value(value).build().during(OPERATION));
    let tags = tags.collect::<Result<Vec<_>, _>>()?;
    let prefixed = usize::from(!rule.prefix.is_empty());
    let conditions =
        prefixed + tags.len() + usize::from(above.is_some()) + usize::from(below.is_some());
    let alone = s3::LifecycleRuleFilter::builder();
    if conditions > 1 {
        let all = s3::LifecycleRuleAndOperator::builder()
            .set_prefix((prefixed > 0).then(|| rule.prefix.clone()))
            .set_tags((!tags.is_empty()).then_some(tags))
            .set_object_size_greater_than(above)
            .set_object_size_less_than(below);
        return Ok(alone.and(all.build()).build());
    }
    let alone = alone.set_object_size_greater_than(above).set_object_size_less_than(below);
    let prefix =
        (above.is_none() && below.is_none() && tags.is_empty()).then(|| rule.prefix.clone());
    Ok(alone.set_tag(tags.into_iter().next()).set_prefix(prefix).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Severity;
    use serde_json::{Value, json};

    fn rule(fields: Value) -> LifecycleRule {
        serde_json::from_value(fields).expect("a rule")
    }

    #[test]
    fn what_aws_would_refuse_is_a_flaw() {
        use Severity::{Error, Warning};
        for (fields, found) in [
            (json!({"expire_days": 1}), None),
            (json!({"transitions": {"STANDARD_IA": 30, "GLACIER": 90}, "expire_days": 365}), None),
            (json!({"transitions": {"GLACIER_IR": 0}}), None),
            (json!({}), Some(("old", Error))),
            (
                json!({"transitions": {"STANDARD_IA": 29}}),
                Some(("old.transitions.STANDARD_IA", Error)),
            ),
            (json!({"transitions": {"COLD": 29}}), Some(("old.transitions.COLD", Error))),
            (
                json!({"noncurrent_transitions": {"ONEZONE_IA": 1}}),
                Some(("old.noncurrent_transitions.ONEZONE_IA", Error)),
            ),
            (
                json!({"transitions": {"STANDARD_IA": 90, "GLACIER": 60}}),
                Some(("old.transitions.GLACIER", Error)),
            ),
            (
                json!({"transitions": {"STANDARD_IA": 30, "GLACIER": 45}}),
                Some(("old.transitions.GLACIER", Warning)),
            ),
            (
                json!({"transitions": {"GLACIER": 90}, "expire_days": 90}),
                Some(("old.expire_days", Error)),
            ),
            (
                json!({"expire_delete_markers": true, "expire_days": 1}),
                Some(("old.expire_delete_markers", Error)),
            ),
            (
                json!({"abort_multipart_days": 1, "min_object_bytes": 1}),
                Some(("old.abort_multipart_days", Error)),
            ),
            (json!({"noncurrent_keep": 1, "expire_days": 1}), Some(("old.noncurrent_keep", Error))),
            (
                json!({"min_object_bytes": 9, "max_object_bytes": 9, "expire_days": 1}),
                Some(("old.max_object_bytes", Error)),
            ),
        ] {
            let flaws = rule(fields.clone()).check("old");
            let first = flaws.first().map(|flaw| (flaw.path.as_str(), flaw.severity));
            assert_eq!(first, found, "{fields}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for fields in [
            json!({"expire_days": 1}),
            json!({"enabled": false, "prefix": "raw/", "abort_multipart_days": 7}),
            json!({"min_object_bytes": 1024, "expire_days": 9}),
            json!({"object_tags": {"keep": "no"}, "expire_days": 9}),
            json!({"object_tags": {"keep": "no", "b": "c"}, "prefix": "x", "expire_days": 9}),
            json!({"min_object_bytes": 1, "max_object_bytes": 9, "expire_delete_markers": true}),
            json!({"transitions": {"STANDARD_IA": 30, "GLACIER": 90}, "expire_days": 365,
                   "noncurrent_transitions": {"GLACIER": 0}, "noncurrent_expire_days": 30,
                   "noncurrent_keep": 3}),
        ] {
            let rules = BTreeMap::from([("old".to_owned(), rule(fields.clone()))]);
            let written = write(&rules).expect("complete");
            assert_eq!(read(written.rules()), rules, "{fields}");
        }
    }

    #[test]
    fn the_forms_of_an_empty_filter_are_one() {
        let base = || {
            let expiration = s3::LifecycleExpiration::builder().days(1).build();
            let rule = s3::LifecycleRule::builder().id("old").expiration(expiration);
            rule.status(s3::ExpirationStatus::Enabled)
        };
        let bare = s3::LifecycleRuleFilter::builder();
        #[expect(deprecated, reason = "what rules made long ago look like")]
        let old = base().prefix("");
        for form in [
            base(),
            base().filter(bare.clone().build()),
            base().filter(bare.prefix("").build()),
            old,
        ] {
            let found = read(&[form.build().expect("complete")]);
            assert_eq!(found["old"], rule(json!({"expire_days": 1})));
        }
    }
}
