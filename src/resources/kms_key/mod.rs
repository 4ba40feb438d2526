//! `kms-key`: a symmetric KMS key and the alias that names it.
//!
//! AWS names a key by a number of its own. Ours is found by its alias, and until it has one by the
//! tags that it is made with: `pipeline:name` holds the alias, so that a crash between the two
//! calls leaves a key that the next look finds.

mod find;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::operation::get_key_rotation_status::GetKeyRotationStatusOutput;
use aws_sdk_kms::types::{KeyMetadata, Tag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::place::{ID_TAG, OWNER_TAG};
use crate::kind::values::policy::Policy;
use crate::kind::values::tags::unwanted;
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place};
use crate::plan::diff::Diff;

use super::{Resource, Tags};

use find::{described, phase, tags_of};

/// A symmetric KMS key, known by its alias.
///
/// Deleting one starts its deletion window; until that ends, applying the same blueprint again
/// takes the key back instead of making another, and what it encrypted stays readable. Of two that
/// were made for one alias the one that it names is kept, and the plan schedules the other's end.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KmsKey {
    /// The alias, without `alias/`.
    pub name: Name,
    /// What the key is for, in words.
    #[serde(default)]
    pub description: String,
    /// Whether AWS replaces the key material by itself. What the old encrypted stays readable.
    #[serde(default = "yes")]
    pub rotation: bool,
    /// Days between rotations, 90 to 2560. Left out: AWS decides (365), and leaving it out later
    /// changes nothing.
    #[serde(default)]
    pub rotation_period_days: Option<u32>,
    /// Who may use and manage the key. Left out, or without statements: AWS's own default, which
    /// leaves it to the account's IAM policies.
    #[serde(default)]
    pub policy: Policy,
    /// A disabled key neither encrypts nor decrypts.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Days between deletion and the end of the key, 7 to 30, in which deletion can be taken back.
    #[serde(default = "thirty")]
    pub deletion_window_days: u32,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

fn thirty() -> u32 {
    WINDOW_MAX
}

const WINDOW_MAX: u32 = 30;
const ABSENT: &[&str] = &["NotFoundException"];
/// The alias, on the key itself.
const NAME_TAG: &str = "pipeline:name";
/// The deletion window is known to AWS only once deletion starts, when the blueprint may be gone.
const WINDOW_TAG: &str = "pipeline:deletion-window-days";

impl Resource for KmsKey {
    const KIND: &'static str = "kms-key";
    const OUTPUTS: &'static [&'static str] = &["arn", "key_id", "alias", "name"];
    const HOLDS_DATA: bool = true;

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if let Some(flaw) = alias_flaw(self.name.as_str()) {
            flaws.push(flaw);
        }
        if self.description.chars().count() > 8192 {
            flaws.push(Flaw::error("description", "a description has at most 8192 characters"));
        }
        match self.rotation_period_days {
            Some(days) if !(90..=2560).contains(&days) => {
                let what = format!("a key rotates every 90 to 2560 days, not every {days}");
                flaws.push(Flaw::error("rotation_period_days", what));
            }
            Some(_) if !self.rotation => flaws.push(
                Flaw::error("rotation_period_days", "a key without rotation has no period")
                    .hint("leave out `rotation_period_days`, or write `rotation: true`"),
            ),
            _ => {}
        }
        if !(7..=WINDOW_MAX).contains(&self.deletion_window_days) {
            let days = self.deletion_window_days;
            let what = format!("a deletion window has 7 to 30 days, not {days}");
            flaws.push(Flaw::error("deletion_window_days", what));
        }
        flaws
    }

    fn predict(&self, _place: &Place) -> Outputs {
        named(&self.name)
    }

    fn reconcile(&self, live: &mut Self) {
        if self.policy.is_empty() && is_default(&live.policy) {
            live.policy.clone_from(&self.policy);
        }
        // A disabled key does not rotate and cannot be told to: that waits until it is enabled.
        if !self.enabled && !live.enabled {
            live.rotation = self.rotation;
            live.rotation_period_days = self.rotation_period_days;
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let api = aws.client::<Client>();
        let Some(found) = find::find(&api, aws, identity).await? else { return Ok(None) };
        let key = &found.key;
        let id = key.key_id();
        let arn = aws.place.arn("kms", &format!("key/{id}"));
        let (policy, rotation, tags, twins) = futures_util::join!(
            api.get_key_policy().key_id(id).policy_name("default").send(),
            api.get_key_rotation_status().key_id(id).send(),
            aws.tags(&arn, tags_of(&api, id)),
            found.twins(&api, aws, identity),
        );
        let Some(policy) = absent(policy.during("kms:GetKeyPolicy"), ABSENT)? else {
            return Ok(None);
        };
        let policy = Policy::parse(policy.policy().unwrap_or_default())
            .map_err(|why| Fault::new(Class::Broken, "kms:GetKeyPolicy", why))?;
        // Only symmetric keys whose material AWS made rotate, and none that awaits its end.
        let unsupported: &[&str] = &["UnsupportedOperationException", "KMSInvalidStateException"];
        let rotation = absent(rotation.during("kms:GetKeyRotationStatus"), unsupported)?;
        let Some(tags) = tags? else { return Ok(None) };
        let mut outputs = found.named(identity);
        outputs.insert("arn".into(), key.arn().unwrap_or_default().into());
        outputs.insert("key_id".into(), id.into());
        // Beside a key of somebody else's, ours is the one that was meant.
        if tags.get(OWNER_TAG) == Some(&aws.place.owner.0) {
            twins?.iter().for_each(|twin| twin.note(&mut outputs));
        }
        let spec = Self::read(found.name(identity), key, policy, rotation.as_ref(), tags);
        Ok(Some(Live { spec, outputs, phase: phase(key) }))
    }

    /// A key of ours that waits for its end under this alias is taken back; otherwise one is made.
    /// The next look finds its alias, its rotation and whether it is enabled as differences.
    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        if let Some(key) = described(&api, &alias(&self.name)).await.map_err(Fault::before)? {
            return self.take_back(&api, aws, &key).await;
        }
        let policy = (!self.policy.is_empty()).then(|| self.policy.json());
        // CreateKey knows no token, so it is sent once; by the tags the next look finds it.
        let once = Builder::new().retry_config(RetryConfig::disabled());
        api.create_key()
            .description(&self.description)
            .set_policy(policy)
            .set_tags(Some(tag_list(&self.all_tags())?))
            .customize()
            .config_override(once)
            .send()
            .await
            .during("kms:CreateKey")
            .map_err(young_principal)?;
        Ok(())
    }

    /// A disabled key refuses most changes: it is enabled first, or disabled last.
    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let id = key_id(live)?;
        if diff.touches("enabled") && self.enabled {
            api.enable_key().key_id(id).send().await.during("kms:EnableKey")?;
        }
        if diff.touches("name") {
            let call = api.create_alias().alias_name(alias(&self.name)).target_key_id(id);
            let taken = |fault: Fault| {
                let taken = fault.is("AlreadyExistsException");
                if taken { fault.class(Class::Conflict) } else { fault }
            };
            call.send().await.during("kms:CreateAlias").map_err(taken)?;
        }
        if diff.touches("tags") || diff.touches("deletion_window_days") {
            self.update_tags(&api, id, &live.spec).await?;
        }
        if diff.touches("description") {
            let call = api.update_key_description().key_id(id).description(&self.description);
            call.send().await.during("kms:UpdateKeyDescription")?;
        }
        if diff.touches("policy") {
            self.update_policy(&api, aws, id).await?;
        }
        if diff.touches("rotation") || diff.touches("rotation_period_days") {
            self.rotate(&api, id).await?;
        }
        if diff.touches("enabled") && !self.enabled {
            api.disable_key().key_id(id).send().await.during("kms:DisableKey")?;
        }
        Ok(())
    }

    /// The alias stays on the key: by it a later apply finds the key and takes it back.
    async fn delete(aws: &Aws, _identity: &Name, live: &Live<Self>) -> Result<(), Fault> {
        let call = aws
            .client::<Client>()
            .schedule_key_deletion()
            .key_id(key_id(live)?)
            .pending_window_in_days(live.spec.deletion_window_days.cast_signed());
        match absent(call.send().await.during("kms:ScheduleKeyDeletion"), ABSENT) {
            // "arn:aws:kms:… is pending deletion."
            Err(fault) if fault.says("KMSInvalidStateException", "pending deletion") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The ARN of a key does not hold its alias; the tags that come with it do.
    fn listed(arn: &str, tags: &Tags) -> Option<Name> {
        arn.contains(":kms:").then(|| tags.get(NAME_TAG).map(Name::new))?
    }
}

fn alias_flaw(name: &str) -> Option<Flaw> {
    if name.contains("${") {
        return None;
    }
    if let Some(bare) = name.strip_prefix("alias/") {
        let what = "the name of a key is its alias without `alias/`";
        return Some(Flaw::error("name", what).hint(format!("write `{bare}`")));
    }
    if name.starts_with("aws/") {
        return Some(Flaw::error("name", "aliases that begin with `aws/` are AWS's own"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    if find::is_id(name) {
        return Some(Flaw::error("name", "an alias that looks like a key's id leads to that key"));
    }
    if name.is_empty() || name.len() > 250 || !name.chars().all(allowed) {
        let what = "an alias has 1 to 250 letters, digits, `/`, `_` and `-`";
        return Some(Flaw::error("name", what));
    }
    None
}

fn alias(name: &Name) -> String {
    format!("alias/{name}")
}

fn named(name: &Name) -> Outputs {
    Outputs::from([("alias".into(), alias(name)), ("name".into(), name.to_string())])
}

fn key_id(live: &Live<KmsKey>) -> Result<&str, Fault> {
    let missing = || Fault::new(Class::Broken, "kms:DescribeKey", "no key id in the answer");
    live.outputs.get("key_id").map(String::as_str).ok_or_else(missing)
}

/// The statement that AWS gives a key for which none was written.
fn is_default(policy: &Policy) -> bool {
    let [statement] = policy.statements() else { return false };
    let root = statement["Principal"]["AWS"].as_array().is_some_and(|who| {
        let number = |s: &str| s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit());
        who.len() == 1 && who[0].as_str().is_some_and(number)
    });
    root && statement["Principal"].as_object().is_some_and(|by_type| by_type.len() == 1)
        && statement["Effect"] == "Allow"
        && statement["Action"] == serde_json::json!(["kms:*"])
        && statement["Resource"] == serde_json::json!(["*"])
        && statement.get("Condition").is_none()
}

fn default_policy(place: &Place) -> Result<Policy, Fault> {
    let root = place.global_arn("iam", "root");
    let document = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": { "AWS": root },
        "Action": "kms:*", "Resource": "*",
    }]});
    Policy::new(&document).map_err(|why| Fault::new(Class::Invalid, "kms:PutKeyPolicy", why))
}

/// A role made in this apply may not be a principal yet: "… contains one or more invalid
/// principals". The lockout check, "will not allow you to update the key policy", never passes.
fn young_principal(fault: Fault) -> Fault {
    if fault.says("MalformedPolicyDocumentException", "invalid principals") {
        fault.class(Class::NotYet)
    } else {
        fault
    }
}

fn tag_list(tags: &BTreeMap<String, String>) -> Result<Vec<Tag>, Fault> {
    let build = |(key, value): (&String, &String)| {
        Tag::builder().tag_key(key).tag_value(value).build().during("kms:TagResource")
    };
    tags.iter().map(build).collect()
}

impl KmsKey {
    /// What AWS answered, in the blueprint's words. `name` is the alias, or the id of a key that
    /// has none yet.
    fn read(
        name: Name,
        key: &KeyMetadata,
        policy: Policy,
        rotation: Option<&GetKeyRotationStatusOutput>,
        mut tags: BTreeMap<String, String>,
    ) -> Self {
        tags.retain(|key, _| !key.starts_with("aws:") && key != NAME_TAG);
        let window = tags.remove(WINDOW_TAG).and_then(|days| days.parse().ok());
        let rotation = rotation.filter(|status| status.key_rotation_enabled());
        let period = rotation.and_then(|status| status.rotation_period_in_days());
        Self {
            name,
            description: key.description().unwrap_or_default().to_owned(),
            rotation: rotation.is_some(),
            rotation_period_days: period.map(i32::unsigned_abs),
            policy,
            enabled: key.enabled(),
            deletion_window_days: window.unwrap_or(WINDOW_MAX),
            tags,
        }
    }

    /// The blueprint's tags and this kind's own.
    fn all_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        tags.insert(NAME_TAG.into(), self.name.to_string());
        tags.insert(WINDOW_TAG.into(), self.deletion_window_days.to_string());
        tags
    }

    async fn take_back(&self, api: &Client, aws: &Aws, key: &KeyMetadata) -> Result<(), Fault> {
        let operation = "kms:CancelKeyDeletion";
        let (name, id) = (&self.name, key.key_id());
        if !matches!(phase(key), Phase::Gone(_)) {
            let what = format!("`alias/{name}` names the key {id} already");
            return Err(Fault::new(Class::Conflict, operation, what));
        }
        let tags = tags_of(api, id).await?.unwrap_or_default();
        let ours = |tag| tags.get(tag) == self.tags.get(tag);
        if tags.get(OWNER_TAG) != Some(&aws.place.owner.0) || !ours(ID_TAG) {
            let what = format!(
                "`alias/{name}` names the key {id}, which awaits deletion and is not this \
                 blueprint's; delete that alias (aws kms delete-alias), or choose another name"
            );
            return Err(Fault::new(Class::Invalid, operation, what));
        }
        api.cancel_key_deletion().key_id(id).send().await.during(operation)?;
        Ok(())
    }

    async fn update_tags(&self, api: &Client, id: &str, live: &Self) -> Result<(), Fault> {
        let call = api.tag_resource().key_id(id).set_tags(Some(tag_list(&self.all_tags())?));
        call.send().await.during("kms:TagResource")?;
        let gone = unwanted(&self.tags, &live.tags);
        if !gone.is_empty() {
            let call = api.untag_resource().key_id(id).set_tag_keys(Some(gone));
            call.send().await.during("kms:UntagResource")?;
        }
        Ok(())
    }

    async fn update_policy(&self, api: &Client, aws: &Aws, id: &str) -> Result<(), Fault> {
        let policy = match self.policy.is_empty() {
            true => default_policy(&aws.place)?,
            false => self.policy.clone(),
        };
        let call = api.put_key_policy().key_id(id).policy_name("default").policy(policy.json());
        call.send().await.during("kms:PutKeyPolicy").map_err(young_principal)?;
        Ok(())
    }

    async fn rotate(&self, api: &Client, id: &str) -> Result<(), Fault> {
        // A key that was enabled a moment ago may still be seen as disabled.
        let late = |fault: Fault| {
            let late = self.enabled && fault.is("DisabledException");
            if late { fault.class(Class::NotYet) } else { fault }
        };
        if self.rotation {
            let days = self.rotation_period_days.map(u32::cast_signed);
            let call = api.enable_key_rotation().key_id(id).set_rotation_period_in_days(days);
            call.send().await.during("kms:EnableKeyRotation").map_err(late)?;
        } else {
            let call = api.disable_key_rotation().key_id(id);
            call.send().await.during("kms:DisableKeyRotation").map_err(late)?;
        }
        Ok(())
    }
}
