//! The instance profile of a role: same name, same path, same tags.

use aws_sdk_iam::Client;
use aws_sdk_iam::types::InstanceProfile;

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::place::OWNER_TAG;

use super::{ABSENT, IamRole, tags, young};

/// Makes the profile if there is none, and puts the role into it.
pub(super) async fn enter(role: &IamRole, aws: &Aws, api: &Client) -> Result<(), Fault> {
    const CREATE: &str = "iam:CreateInstanceProfile";
    let name = role.name.as_str();
    let call = api.create_instance_profile().instance_profile_name(name).path(&role.path);
    let call = call.set_tags(Some(tags(&role.tags, CREATE)?));
    match call.send().await.during(CREATE) {
        Ok(_) => {}
        Err(fault) if fault.is("EntityAlreadyExists") => {
            if take_over(role, aws, api).await? == Occupant::ThisRole {
                return Ok(());
            }
        }
        Err(fault) => return Err(fault),
    }
    let call = api.add_role_to_instance_profile().instance_profile_name(name).role_name(name);
    call.send().await.during("iam:AddRoleToInstanceProfile").map_err(young)?;
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Occupant {
    ThisRole,
    Nobody,
}

/// A profile of the name exists: it is emptied for the role if it is ours, and taken as it is if
/// nobody is in it.
async fn take_over(role: &IamRole, aws: &Aws, api: &Client) -> Result<Occupant, Fault> {
    const GET: &str = "iam:GetInstanceProfile";
    let name = role.name.as_str();
    let answer = api.get_instance_profile().instance_profile_name(name).send().await.during(GET);
    let found = answer.map_err(young)?;
    let profile = found.instance_profile();
    let mut occupant = Occupant::Nobody;
    for other in profile.iter().flat_map(|profile| profile.roles()) {
        if other.role_name() == name {
            occupant = Occupant::ThisRole;
        } else if profile.is_some_and(|profile| ours(profile, aws)) {
            leave_one(name, other.role_name(), api).await?;
        } else {
            let why = format!(
                "the instance profile `{name}` is not ours and holds the role `{}`: delete it, \
                 or name this role otherwise",
                other.role_name()
            );
            return Err(Fault::new(Class::Invalid, "iam:AddRoleToInstanceProfile", why));
        }
    }
    tag(role, &[], api).await?;
    Ok(occupant)
}

fn ours(profile: &InstanceProfile, aws: &Aws) -> bool {
    profile.tags().iter().any(|tag| tag.key() == OWNER_TAG && tag.value() == aws.place.owner.0)
}

/// Takes the role out of the profile of its own name.
pub(super) async fn leave(name: &str, api: &Client) -> Result<(), Fault> {
    leave_one(name, name, api).await
}

pub(super) async fn leave_one(profile: &str, role: &str, api: &Client) -> Result<(), Fault> {
    let call =
        api.remove_role_from_instance_profile().instance_profile_name(profile).role_name(role);
    absent(call.send().await.during("iam:RemoveRoleFromInstanceProfile"), ABSENT)?;
    Ok(())
}

/// Deletes the profile of the role's name if it is ours. It is asked for by name: a run that
/// ended after the role had left it would otherwise leave it behind for good.
pub(super) async fn delete(name: &str, aws: &Aws, api: &Client) -> Result<(), Fault> {
    let call = api.get_instance_profile().instance_profile_name(name);
    let Some(found) = absent(call.send().await.during("iam:GetInstanceProfile"), ABSENT)? else {
        return Ok(());
    };
    if found.instance_profile().is_some_and(|profile| ours(profile, aws)) {
        let call = api.delete_instance_profile().instance_profile_name(name);
        absent(call.send().await.during("iam:DeleteInstanceProfile"), ABSENT)?;
    }
    Ok(())
}

pub(super) async fn tag(role: &IamRole, gone: &[String], api: &Client) -> Result<(), Fault> {
    const TAG: &str = "iam:TagInstanceProfile";
    let name = role.name.as_str();
    if !role.tags.is_empty() {
        let call = api.tag_instance_profile().instance_profile_name(name);
        let call = call.set_tags(Some(tags(&role.tags, TAG)?));
        call.send().await.during(TAG).map_err(young)?;
    }
    if !gone.is_empty() {
        let call = api.untag_instance_profile().instance_profile_name(name);
        let call = call.set_tag_keys(Some(gone.to_vec()));
        call.send().await.during("iam:UntagInstanceProfile").map_err(young)?;
    }
    Ok(())
}
