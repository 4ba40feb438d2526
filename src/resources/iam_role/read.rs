//! A role as IAM holds it: the role itself, and the parts that hang on it.

use std::collections::BTreeMap;

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
use crate::kind::{Live, Name, Outputs, Phase};

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
pub(super) async fn account(api: &Client) -> Result<BTreeMap<String, Parts>, Fault> {
    let named = |role: RoleDetail| role.role_name().map(|name| (name.to_owned(), hung_on(&role)));
    Ok(details(api).await?.into_iter().filter_map(named).collect())
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

async fn details(api: &Client) -> Result<Vec<RoleDetail>, Fault> {
    let call = api.get_account_authorization_details().filter(EntityType::Role).max_items(PAGE);
    let mut pages = call.into_paginator().send();
    let mut roles = Vec::new();
    while let Some(page) = pages.next().await {
        roles.extend_from_slice(page.during(LIST)?.role_detail_list());
    }
    Ok(roles)
}

/// The roles that carry the owner's tag; the tagging API lists no roles.
pub(super) async fn owned(aws: &Aws, kind: &str) -> Result<Vec<Owned>, Fault> {
    let roles = details(&Client::new(&aws.config)).await?;
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

pub(super) fn live(role: &Role, parts: &Parts) -> Result<Live<IamRole>, Fault> {
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
    Ok(Live { spec, outputs: outputs(role, profile), phase })
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
