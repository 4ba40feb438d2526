//! A role as IAM holds it: the role itself, and the parts that hang on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{EntityType, InstanceProfile, Role, RoleDetail, Tag};
use futures_util::future::try_join_all;
use percent_encoding::percent_decode_str;

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault, Owned};
use crate::kind::place::{ID_TAG, OWNER_TAG};
use crate::kind::values::duration::Duration;
use crate::kind::values::policy::Policy;
use crate::kind::values::tags::without_aws;
use crate::kind::{Live, Name, Outputs, Phase, Place};

use super::trust::Trust;
use super::{ABSENT, IamRole, none};

const GET: &str = "iam:GetRole";
const LIST: &str = "iam:GetAccountAuthorizationDetails";
/// Fewer pages: a page holds 100 roles unless more are asked for.
const PAGE: i32 = 1000;

/// What hangs on a role.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Inline policies by name, as the API spells them: percent-encoded JSON.
    pub policies: Vec<(String, String)>,
    pub managed: Vec<String>,
    pub profiles: Vec<InstanceProfile>,
}

pub(super) async fn role(api: &Client, name: &str) -> Result<Option<Role>, Fault> {
    let answer = absent(api.get_role().role_name(name).send().await.during(GET), ABSENT)?;
    Ok(answer.and_then(|found| found.role().cloned()))
}

pub(super) async fn parts(api: &Client, name: &str) -> Result<Option<Parts>, Fault> {
    let managed = api.list_attached_role_policies().role_name(name).into_paginator().items();
    let managed = async { managed.send().collect::<Result<Vec<_>, _>>().await };
    let (policies, managed, profiles) =
        futures_util::join!(policies(api, name), managed, profiles(api, name));
    let managed = absent(managed.during("iam:ListAttachedRolePolicies"), ABSENT)?;
    let (Some(policies), Some(managed), Some(profiles)) = (policies?, managed, profiles?) else {
        return Ok(None);
    };
    let managed = managed.iter().filter_map(|p| p.policy_arn()).map(str::to_owned).collect();
    Ok(Some(Parts { policies, managed, profiles }))
}

async fn policies(api: &Client, role: &str) -> Result<Option<Vec<(String, String)>>, Fault> {
    let names = api.list_role_policies().role_name(role).into_paginator().items().send();
    let names = names.collect::<Result<Vec<_>, _>>().await.during("iam:ListRolePolicies");
    let Some(names) = absent(names, ABSENT)? else { return Ok(None) };
    let each = names.into_iter().map(async |name| {
        let call = api.get_role_policy().role_name(role).policy_name(&name);
        let found = absent(call.send().await.during("iam:GetRolePolicy"), ABSENT)?;
        Ok(found.map(|found| (name, found.policy_document().to_owned())))
    });
    let found = try_join_all(each).await?;
    Ok(Some(found.into_iter().flatten().collect()))
}

pub(super) async fn profiles(
    api: &Client,
    role: &str,
) -> Result<Option<Vec<InstanceProfile>>, Fault> {
    let pages = api.list_instance_profiles_for_role().role_name(role).into_paginator().items();
    let found = pages.send().collect::<Result<Vec<_>, _>>().await;
    absent(found.during("iam:ListInstanceProfilesForRole"), ABSENT)
}

/// The parts of every role of the account, by name.
pub(super) async fn account(aws: &Aws) -> Result<BTreeMap<String, Parts>, Fault> {
    let named = |role: &RoleDetail| role.role_name().map(|name| (name.to_owned(), hung_on(role)));
    Ok(details(aws).await?.iter().filter_map(named).collect())
}

fn hung_on(role: &RoleDetail) -> Parts {
    let policies = role.role_policy_list().iter().filter_map(|policy| {
        Some((policy.policy_name()?.to_owned(), policy.policy_document()?.to_owned()))
    });
    let managed = role.attached_managed_policies().iter().filter_map(|p| p.policy_arn());
    Parts {
        policies: policies.collect(),
        managed: managed.map(str::to_owned).collect(),
        profiles: role.instance_profile_list().to_vec(),
    }
}

async fn details(aws: &Aws) -> Result<Arc<Vec<RoleDetail>>, Fault> {
    let listing = aws.once(&aws.place.account, async {
        let api = aws.client::<Client>();
        let call = api.get_account_authorization_details().filter(EntityType::Role).max_items(PAGE);
        let mut pages = call.into_paginator().send();
        let mut roles = Vec::new();
        while let Some(page) = pages.next().await {
            roles.extend_from_slice(page.during(LIST)?.role_detail_list());
        }
        Ok(roles)
    });
    listing.await
}

/// The roles that carry the owner's tag; the tagging API lists no roles.
pub(super) async fn owned(aws: &Aws, kind: &str) -> Result<Vec<Owned>, Fault> {
    let roles = details(aws).await?;
    let each = roles.iter().filter_map(|role| {
        let tags = pairs(role.tags());
        let ours = tags.get(OWNER_TAG) == Some(&aws.place.owner.0);
        let id = tags.get(ID_TAG).cloned().unwrap_or_default();
        let identity = Name::new(role.role_name()?);
        ours.then(|| Owned {
            kind: kind.to_owned(),
            id,
            identity,
            arn: role.arn().map(str::to_owned),
        })
    });
    Ok(each.collect())
}

fn pairs(tags: &[Tag]) -> BTreeMap<String, String> {
    without_aws(tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())))
}

pub(super) fn live(role: &Role, parts: &Parts, place: &Place) -> Result<Live<IamRole>, Fault> {
    let name = role.role_name();
    let trust = document(role.assume_role_policy_document().unwrap_or_default(), GET)?;
    let policies = parts
        .policies
        .iter()
        .map(|(name, text)| Ok((name.clone(), document(text, "iam:GetRolePolicy")?)));
    let boundary = role.permissions_boundary().and_then(|b| b.permissions_boundary_arn());
    let session = role.max_session_duration().map_or(3600, i32::unsigned_abs);
    let profile = parts.profiles.iter().find(|profile| profile.instance_profile_name() == name);
    let spec = IamRole {
        name: Name::new(name),
        path: role.path().to_owned(),
        description: role.description().unwrap_or_default().to_owned(),
        trust: Trust(trust),
        policies: policies.collect::<Result<_, Fault>>()?,
        managed_policies: parts.managed.iter().cloned().collect(),
        boundary: boundary.map_or_else(none, str::to_owned),
        max_session: Duration::seconds(session.into()),
        instance_profile: profile.is_some(),
        tags: pairs(role.tags()),
    };
    // Right after a create the field may hold the unique id instead.
    let phase = if role.arn().starts_with("arn:") {
        Phase::Ready
    } else {
        Phase::Settling("no ARN yet".into())
    };
    let mut outputs = outputs(role, profile);
    if phase != Phase::Ready {
        // Whatever refers to it is filled in with this, also where it does not wait for the role.
        let path = format!("role{}{name}", role.path());
        outputs.insert("arn".into(), place.global_arn("iam", &path));
    }
    Ok(Live { spec, outputs, phase })
}

/// `created` is a note for those who must know how young a role is: seconds since 1970.
fn outputs(role: &Role, profile: Option<&InstanceProfile>) -> Outputs {
    let mut outputs = Outputs::from([
        ("arn".into(), role.arn().to_owned()),
        ("created".into(), role.create_date().secs().to_string()),
        ("name".into(), role.role_name().to_owned()),
        ("unique_id".into(), role.role_id().to_owned()),
    ]);
    if let Some(profile) = profile {
        outputs.insert("instance_profile".into(), profile.instance_profile_name().to_owned());
        outputs.insert("instance_profile_arn".into(), profile.arn().to_owned());
    }
    outputs
}

/// IAM answers documents percent-encoded.
fn document(text: &str, operation: &'static str) -> Result<Policy, Fault> {
    let text = percent_decode_str(text).decode_utf8_lossy();
    Policy::parse(&text).map_err(|why| Fault::new(Class::Broken, operation, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_iam::types::{AttachedPermissionsBoundary, AttachedPolicy, PolicyDetail};
    use aws_smithy_types::DateTime;
    use serde_json::{Value, json};

    const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect\
        %22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22\
        Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";

    fn role() -> aws_sdk_iam::types::builders::RoleBuilder {
        Role::builder()
            .path("/")
            .role_name("r")
            .role_id("AROAEXAMPLE")
            .arn("arn:aws:iam::123456789012:role/r")
            .create_date(DateTime::from_secs(1_700_000_000))
            .assume_role_policy_document(TRUST)
    }

    fn profile(name: &str) -> InstanceProfile {
        InstanceProfile::builder()
            .path("/")
            .instance_profile_name(name)
            .instance_profile_id("AIPAEXAMPLE")
            .arn(format!("arn:aws:iam::123456789012:instance-profile/{name}"))
            .create_date(DateTime::from_secs(0))
            .set_roles(Some(Vec::new()))
            .build()
            .expect("a whole profile")
    }

    fn read(role: aws_sdk_iam::types::builders::RoleBuilder, parts: &Parts) -> Live<IamRole> {
        let place = Place {
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            owner: crate::kind::Owner::new("x", "default", "eu-west-1"),
        };
        live(&role.build().expect("a whole role"), parts, &place).expect("a role that can be read")
    }

    fn json_of(role: &IamRole) -> Value {
        serde_json::to_value(role).expect("a role is JSON")
    }

    #[test]
    fn a_new_role_reads_as_one_that_says_only_who_may_assume_it() {
        let found = read(role(), &Parts::default());
        let written: IamRole =
            serde_json::from_value(json!({"name": "r", "trust": "ec2.amazonaws.com"}))
                .expect("a role");
        assert_eq!(json_of(&found.spec), json_of(&written));
        assert_eq!(found.phase, Phase::Ready);
        assert_eq!(found.outputs["created"], "1700000000");
        assert_eq!(found.outputs["unique_id"], "AROAEXAMPLE");
        assert!(!found.outputs.contains_key("instance_profile"));
    }

    #[test]
    fn what_hangs_on_a_role_is_part_of_it() {
        let boundary = AttachedPermissionsBoundary::builder()
            .permissions_boundary_arn("arn:aws:iam::123456789012:policy/b")
            .build();
        let tag = |key, value| Tag::builder().key(key).value(value).build().expect("a tag");
        let document = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A\
            %22s3%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%7D";
        let detail = RoleDetail::builder()
            .role_name("r")
            .role_policy_list(
                PolicyDetail::builder().policy_name("p").policy_document(document).build(),
            )
            .attached_managed_policies(AttachedPolicy::builder().policy_arn("arn:m").build())
            .instance_profile_list(profile("other"))
            .instance_profile_list(profile("r"))
            .build();
        let role = role()
            .max_session_duration(7200)
            .permissions_boundary(boundary)
            .tags(tag("team", "data"))
            .tags(tag("aws:cloudformation:stack-name", "s"));
        let found = read(role, &hung_on(&detail));
        let written: IamRole = serde_json::from_value(json!({
            "name": "r", "trust": "ec2.amazonaws.com", "max_session": "2h",
            "boundary": "arn:aws:iam::123456789012:policy/b", "instance_profile": true,
            "managed_policies": ["arn:m"], "tags": {"team": "data"},
            "policies": {"p": {"Statement": [
                {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]}}}))
        .expect("a role");
        assert_eq!(json_of(&found.spec), json_of(&written));
        let arn = "arn:aws:iam::123456789012:instance-profile/r";
        assert_eq!(found.outputs["instance_profile_arn"], arn);
    }

    #[test]
    fn a_profile_of_another_name_is_not_the_roles() {
        let parts = Parts { profiles: vec![profile("other")], ..Parts::default() };
        assert!(!read(role(), &parts).spec.instance_profile);
    }

    #[test]
    fn a_role_without_its_arn_is_not_ready_and_known_by_the_arn_that_it_will_have() {
        let found = read(role().arn("AROAEXAMPLE").path("/team/"), &Parts::default());
        assert!(matches!(found.phase, Phase::Settling(_)));
        assert_eq!(found.outputs["arn"], "arn:aws:iam::123456789012:role/team/r");
    }
}
