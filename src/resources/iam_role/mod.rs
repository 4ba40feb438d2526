//! `iam-role`: an IAM role, its policies, and its instance profile.

mod check;
mod profile;
mod read;
mod trust;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use aws_sdk_iam::types::Tag;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault, Owned};
use crate::kind::rule::replace;
use crate::kind::values::duration::Duration;
use crate::kind::values::policy::Policy;
use crate::kind::values::tags::unwanted;
use crate::kind::{Flaw, Live, Name, Outputs, Place, Rule};
use crate::plan::diff::Diff;

use super::Resource;
use trust::Trust;

/// An IAM role. All its policies are the blueprint's: what others attach is planned for removal,
/// unless `ignore` leaves it to them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IamRole {
    /// At most 64 characters; unique in the account, whatever the path and the case of letters.
    pub name: Name,
    /// Where the ARN places it, as `/pipelines/`.
    #[serde(default = "root")]
    pub path: String,
    /// What the role is for, in words.
    #[serde(default)]
    pub description: String,
    /// Who may assume it: a service, as `firehose.amazonaws.com`, a list of services, or a whole
    /// policy document.
    pub trust: Trust,
    /// Inline policies by name; together at most 10,240 characters without white space.
    #[serde(default)]
    pub policies: BTreeMap<String, Policy>,
    /// ARNs of managed policies, at most 20.
    #[serde(default)]
    pub managed_policies: BTreeSet<String>,
    /// ARN of the managed policy that bounds what the role may do; `none` for none.
    #[serde(default = "none")]
    pub boundary: String,
    /// How long a session lasts at most, 1h to 12h.
    #[serde(default = "an_hour")]
    pub max_session: Duration,
    /// An instance profile of the same name, with the role in it and with its tags.
    #[serde(default)]
    pub instance_profile: bool,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn root() -> String {
    "/".to_owned()
}

fn none() -> String {
    NONE.to_owned()
}

fn an_hour() -> Duration {
    Duration::seconds(3600)
}

const NONE: &str = "none";
const ABSENT: &[&str] = &["NoSuchEntity"];
/// From this many roles on, one listing of the account's roles costs fewer calls than asking
/// for the parts of each.
const MANY: usize = 3;

impl Resource for IamRole {
    const KIND: &'static str = "iam-role";
    const OUTPUTS: &'static [&'static str] =
        &["arn", "instance_profile", "instance_profile_arn", "name", "unique_id"];
    const RULES: &'static [Rule] = &[replace("name"), replace("path")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        check::flaws(self)
    }

    fn predict(&self, place: &Place) -> Outputs {
        let Self { name, path, .. } = self;
        let arn = place.global_arn("iam", &format!("role{path}{name}"));
        let mut outputs = Outputs::from([("arn".into(), arn), ("name".into(), name.to_string())]);
        if self.instance_profile {
            let arn = place.global_arn("iam", &format!("instance-profile{path}{name}"));
            outputs.insert("instance_profile".into(), name.to_string());
            outputs.insert("instance_profile_arn".into(), arn);
        }
        outputs
    }

    fn created(&self) -> Option<Self> {
        let (policies, managed_policies) = (BTreeMap::new(), BTreeSet::new());
        Some(Self { policies, managed_policies, instance_profile: false, ..self.clone() })
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let api = aws.client::<Client>();
        let name = identity.as_str();
        let (role, parts) = futures_util::join!(read::role(&api, name), read::parts(&api, name));
        match (role?, parts?) {
            (Some(role), Some(parts)) => read::live(&role, &parts, &aws.place).map(Some),
            _ => Ok(None),
        }
    }

    async fn observe_all(aws: &Aws, identities: &[Name]) -> Vec<Result<Option<Live<Self>>, Fault>> {
        let each = |identity| Self::observe(aws, identity);
        if identities.len() < MANY {
            return join_all(identities.iter().map(each)).await;
        }
        let api = aws.client::<Client>();
        let roles = join_all(identities.iter().map(|name| read::role(&api, name.as_str())));
        let (listed, roles) = futures_util::join!(read::account(aws), roles);
        // Who may not list the account can still read each role.
        let Ok(listed) = listed else { return join_all(identities.iter().map(each)).await };
        let each = identities.iter().zip(roles).map(async |(identity, role)| {
            let Some(role) = role? else { return Ok(None) };
            // The listing may not know a young role yet.
            match listed.get(role.role_name()) {
                Some(parts) => read::live(&role, parts, &aws.place).map(Some),
                None => Self::observe(aws, identity).await,
            }
        });
        join_all(each).await
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        const CREATE: &str = "iam:CreateRole";
        let boundary = (self.boundary != NONE).then(|| self.boundary.clone());
        let call = aws
            .client::<Client>()
            .create_role()
            .role_name(self.name.as_str())
            .path(&self.path)
            .description(&self.description)
            .assume_role_policy_document(self.trust.0.json())
            .max_session_duration(self.session_seconds())
            .set_permissions_boundary(boundary)
            .set_tags(Some(tags(&self.tags, CREATE)?));
        call.send().await.during(CREATE).map_err(taken).map_err(young)?;
        Ok(())
    }

    /// One call after another: IAM answers ConcurrentModification to changes of one role at once.
    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        if diff.touches("trust") {
            let call = api.update_assume_role_policy().role_name(self.name.as_str());
            let call = call.policy_document(self.trust.0.json());
            call.send().await.during("iam:UpdateAssumeRolePolicy").map_err(young)?;
        }
        if diff.touches("description") || diff.touches("max_session") {
            let call = api.update_role().role_name(self.name.as_str());
            let call = call.description(&self.description);
            let call = call.max_session_duration(self.session_seconds());
            call.send().await.during("iam:UpdateRole").map_err(young)?;
        }
        if diff.touches("boundary") {
            self.bound(&api).await?;
        }
        if diff.touches("policies") {
            self.put_policies(&api, &live.spec.policies).await?;
        }
        if diff.touches("managed_policies") {
            self.attach(&api, &live.spec.managed_policies).await?;
        }
        if diff.touches("instance_profile") {
            if self.instance_profile {
                profile::enter(self, aws, &api).await?;
            } else {
                profile::leave(self.name.as_str(), &api).await?;
                profile::delete(self.name.as_str(), aws, &api).await?;
            }
        }
        if diff.touches("tags") {
            self.tag(&api, &live.spec).await?;
        }
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, live: &Live<Self>) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let name = identity.as_str();
        for held in read::profiles(&api, name).await?.unwrap_or_default() {
            profile::leave_one(held.instance_profile_name(), name, &api).await?;
        }
        profile::delete(name, aws, &api).await?;
        for arn in &live.spec.managed_policies {
            detach(&api, name, arn).await?;
        }
        for policy in live.spec.policies.keys() {
            delete_policy(&api, name, policy).await?;
        }
        absent(api.delete_role().role_name(name).send().await.during("iam:DeleteRole"), ABSENT)?;
        Ok(())
    }

    async fn owned(aws: &Aws) -> Result<Vec<Owned>, Fault> {
        read::owned(aws, Self::KIND).await
    }
}

/// Made by somebody else since the last look, or by a call whose answer was lost.
fn taken(fault: Fault) -> Fault {
    if fault.is("EntityAlreadyExists") { fault.class(Class::Conflict) } else { fault }
}

/// What was made a moment ago is not known everywhere in IAM: "Invalid principal in policy:
/// "AWS":"arn:..."", "The role with name x cannot be found.", "Instance Profile x cannot be found."
fn young(fault: Fault) -> Fault {
    let passes = fault.says("MalformedPolicyDocument", "Invalid principal")
        || fault.says("NoSuchEntity", "role with name")
        || fault.says("NoSuchEntity", "Instance Profile");
    if passes { fault.class(Class::NotYet) } else { fault }
}

fn tags(tags: &BTreeMap<String, String>, operation: &'static str) -> Result<Vec<Tag>, Fault> {
    let each = |(key, value)| Tag::builder().key(key).value(value).build().during(operation);
    tags.iter().map(each).collect()
}

async fn detach(api: &Client, name: &str, arn: &str) -> Result<(), Fault> {
    let call = api.detach_role_policy().role_name(name).policy_arn(arn);
    absent(call.send().await.during("iam:DetachRolePolicy"), ABSENT)?;
    Ok(())
}

async fn delete_policy(api: &Client, name: &str, policy: &str) -> Result<(), Fault> {
    let call = api.delete_role_policy().role_name(name).policy_name(policy);
    absent(call.send().await.during("iam:DeleteRolePolicy"), ABSENT)?;
    Ok(())
}

impl IamRole {
    fn session_seconds(&self) -> i32 {
        i32::try_from(self.max_session.seconds).unwrap_or(i32::MAX)
    }

    async fn bound(&self, api: &Client) -> Result<(), Fault> {
        let name = self.name.as_str();
        if self.boundary == NONE {
            let call = api.delete_role_permissions_boundary().role_name(name);
            let answer = call.send().await.during("iam:DeleteRolePermissionsBoundary");
            absent(answer, ABSENT)?;
        } else {
            let call = api.put_role_permissions_boundary().role_name(name);
            let call = call.permissions_boundary(&self.boundary);
            call.send().await.during("iam:PutRolePermissionsBoundary").map_err(young)?;
        }
        Ok(())
    }

    /// New permissions first, so that moving one between policies never takes it away.
    async fn put_policies(
        &self,
        api: &Client,
        live: &BTreeMap<String, Policy>,
    ) -> Result<(), Fault> {
        let role = self.name.as_str();
        for (name, policy) in self.policies.iter().filter(|(name, p)| live.get(*name) != Some(p)) {
            let call = api.put_role_policy().role_name(role).policy_name(name);
            let call = call.policy_document(policy.json());
            call.send().await.during("iam:PutRolePolicy").map_err(young)?;
        }
        for name in live.keys().filter(|name| !self.policies.contains_key(*name)) {
            delete_policy(api, role, name).await?;
        }
        Ok(())
    }

    /// What goes goes first: the number of attached policies is limited.
    async fn attach(&self, api: &Client, live: &BTreeSet<String>) -> Result<(), Fault> {
        let role = self.name.as_str();
        for arn in live.difference(&self.managed_policies) {
            detach(api, role, arn).await?;
        }
        for arn in self.managed_policies.difference(live) {
            let call = api.attach_role_policy().role_name(role).policy_arn(arn);
            call.send().await.during("iam:AttachRolePolicy").map_err(young)?;
        }
        Ok(())
    }

    /// The profile before the role: the role's tags are what is looked at, so they come last.
    async fn tag(&self, api: &Client, live: &Self) -> Result<(), Fault> {
        const TAG: &str = "iam:TagRole";
        let gone = unwanted(&self.tags, &live.tags);
        if self.instance_profile && live.instance_profile {
            profile::tag(self, &gone, api).await?;
        }
        let name = self.name.as_str();
        if !self.tags.is_empty() {
            let call = api.tag_role().role_name(name).set_tags(Some(tags(&self.tags, TAG)?));
            call.send().await.during(TAG).map_err(young)?;
        }
        if !gone.is_empty() {
            let call = api.untag_role().role_name(name).set_tag_keys(Some(gone));
            call.send().await.during("iam:UntagRole").map_err(young)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_young_passes_by_itself() {
        for (code, message, class) in [
            ("MalformedPolicyDocument", "Invalid principal in policy: \"AWS\"", Class::NotYet),
            ("MalformedPolicyDocument", "Syntax errors in policy.", Class::Invalid),
            ("NoSuchEntity", "The role with name r cannot be found.", Class::NotYet),
            ("NoSuchEntity", "Instance Profile r cannot be found.", Class::NotYet),
            ("NoSuchEntity", "Policy arn:m does not exist or is not attachable.", Class::Invalid),
            ("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10", Class::Invalid),
        ] {
            let fault = Fault::new(Class::Invalid, "iam:PutRolePolicy", message);
            let fault = young(Fault { code: Some(code.into()), ..fault });
            assert_eq!(fault.class, class, "{code}: {message}");
        }
    }

    #[test]
    fn outputs_follow_from_name_and_path() {
        let role: IamRole = serde_json::from_value(serde_json::json!({
            "name": "r", "path": "/p/", "trust": "ec2.amazonaws.com", "instance_profile": true}))
        .expect("a role");
        let place = Place {
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            owner: crate::kind::Owner::new("x", "default", "eu-west-1"),
        };
        let outputs = role.predict(&place);
        assert_eq!(outputs["arn"], "arn:aws:iam::123456789012:role/p/r");
        let profile = "arn:aws:iam::123456789012:instance-profile/p/r";
        assert_eq!(outputs["instance_profile_arn"], profile);
    }
}
