//! Changes to a live cluster, one call after the other: EMR takes one change of it at a time.

use std::collections::BTreeMap;

use aws_sdk_emr::Client;
use aws_sdk_emr::types::{
    InstanceFleetModifyConfig, InstanceFleetType, InstanceGroupModifyConfig, Tag,
};

use crate::aws::{Aws, During};
use crate::cloud::{Class, Fault};
use crate::kind::{Live, Twin};
use crate::plan::diff::Diff;

use super::find::{RETIRED_TAG, unknown_id};
use super::spec::{EmrCluster, Fleet};
use super::write::{
    fleet_config, idle, once, scaling, signed, tags, task_config, type_configs, young_profile,
};

/// A live cluster and what is to change of it.
struct Change<'a> {
    api: Client,
    id: &'a str,
    desired: &'a EmrCluster,
    live: &'a Live<EmrCluster>,
}

pub async fn update(
    desired: &EmrCluster,
    aws: &Aws,
    live: &Live<EmrCluster>,
    diff: &Diff,
) -> Result<(), Fault> {
    let change = Change { api: aws.client::<Client>(), id: id(live)?, desired, live };
    if diff.touches("tags") {
        change.tag().await?;
    }
    change.switches(diff).await?;
    change.policies(diff).await?;
    change.shrink_and_grow(diff).await?;
    for role in ["core", "task"] {
        if diff.touches(&format!("fleets.{role}")) {
            change.fleet(role, diff).await?;
        }
    }
    Ok(())
}

/// Marks the cluster, so that its name is its successor's; its twins first, which would take its
/// place otherwise.
pub async fn retire(aws: &Aws, live: &Live<EmrCluster>) -> Result<(), Fault> {
    unprotected(live, "elasticmapreduce:AddTags")?;
    let (api, id) = (aws.client::<Client>(), id(live)?);
    for twin in Twin::noted(&live.outputs) {
        match mark(&api, twin.identity.as_str()).await {
            // It has ended since.
            Err(fault) if fault.class == Class::Conflict || unknown_id(&fault) => {}
            other => other?,
        }
    }
    mark(&api, id).await
}

async fn mark(api: &Client, id: &str) -> Result<(), Fault> {
    let tag = Tag::builder().key(RETIRED_TAG).value("true").build();
    let call = api.add_tags().resource_id(id).tags(tag);
    call.send().await.during("elasticmapreduce:AddTags").map_err(later)?;
    Ok(())
}

pub async fn delete(aws: &Aws, live: &Live<EmrCluster>) -> Result<(), Fault> {
    let operation = "elasticmapreduce:TerminateJobFlows";
    unprotected(live, operation)?;
    let call = aws.client::<Client>().terminate_job_flows().job_flow_ids(id(live)?);
    match call.send().await.during(operation) {
        Err(fault) if !unknown_id(&fault) && !ending(&fault) => Err(fault),
        _ => Ok(()),
    }
}

/// Protection is somebody's word against ending the cluster; only a word takes it back.
fn unprotected(live: &Live<EmrCluster>, operation: &'static str) -> Result<(), Fault> {
    if !live.spec.termination_protection {
        return Ok(());
    }
    let what = format!(
        "termination protection of cluster {} (`{}`) is on: set `termination_protection: false` \
         and apply first, or run `aws emr modify-cluster-attributes --cluster-id {0} \
         --no-termination-protected`",
        id(live)?,
        live.spec.name,
    );
    Err(Fault::new(Class::Invalid, operation, what))
}

fn id(live: &Live<EmrCluster>) -> Result<&str, Fault> {
    let id = live.outputs.get("cluster_id").map(String::as_str);
    id.ok_or_else(|| Fault::new(Class::Invalid, "emr-cluster", "its cluster id is not known"))
}

/// "A job flow that is shutting down, terminated, or finished may not be modified".
fn ending(fault: &Fault) -> bool {
    fault.message.contains("shutting down, terminated, or finished")
}

/// "An instance group may only be modified when the cluster is running or waiting", and so for
/// fleets; a group that is RESIZING or RECONFIGURING takes no other change until it is done.
fn later(fault: Fault) -> Fault {
    const PASSES: [&str; 3] = ["cluster is running or waiting", "RESIZING", "RECONFIGURING"];
    if ending(&fault) {
        fault.class(Class::Conflict)
    } else if PASSES.iter().any(|words| fault.message.contains(words)) {
        fault.class(Class::NotYet)
    } else {
        young_profile(fault)
    }
}

/// What must be called for the task groups to be as desired.
#[derive(Debug, Default, PartialEq)]
pub struct Resizing {
    /// Groups, by the note that holds their id, and their new size.
    pub sizes: BTreeMap<String, u32>,
    /// Names of the task groups to add.
    pub add: Vec<String>,
}

/// A group cannot be deleted, nor its nodes become others: it is emptied, and one of its name
/// added.
pub fn resizing(desired: &EmrCluster, live: &EmrCluster, diff: &Diff) -> Resizing {
    let mut out = Resizing::default();
    if desired.core.exists() && diff.touches("core.count") {
        out.sizes.insert("group.core".into(), desired.core.count);
    }
    for (name, have) in &live.task {
        let want = desired.task.get(name).filter(|want| want.count > 0);
        let size = match want {
            Some(want) if !other_nodes(name, diff) => want.count,
            _ => 0,
        };
        let touched = diff.touches(&format!("task.{name}.count")) || other_nodes(name, diff);
        if size != have.count && touched {
            out.sizes.insert(format!("group.task.{name}"), size);
        }
    }
    let missing = |name: &String| !live.task.contains_key(name) || other_nodes(name, diff);
    let wanted = desired.task.iter().filter(|(_, want)| want.count > 0).map(|(name, _)| name);
    let wanted = wanted.filter(|name| diff.touches(&format!("task.{name}")));
    out.add = wanted.filter(|name| missing(name)).cloned().collect();
    out
}

/// Whether a task group is to consist of other nodes than it does.
fn other_nodes(name: &str, diff: &Diff) -> bool {
    let fields = ["type", "market", "bid_price", "ebs"];
    fields.iter().any(|field| diff.touches(&format!("task.{name}.{field}")))
}

impl Change<'_> {
    async fn tag(&self) -> Result<(), Fault> {
        let Self { api, id, desired, live } = self;
        let gone = live.spec.tags.keys();
        let gone: Vec<_> = gone.filter(|key| !desired.tags.contains_key(*key)).cloned().collect();
        if !gone.is_empty() {
            let call = api.remove_tags().resource_id(*id).set_tag_keys(Some(gone));
            call.send().await.during("elasticmapreduce:RemoveTags").map_err(later)?;
        }
        if desired.tags.iter().any(|(key, value)| live.spec.tags.get(key) != Some(value)) {
            let call = api.add_tags().resource_id(*id).set_tags(Some(tags(&desired.tags)));
            call.send().await.during("elasticmapreduce:AddTags").map_err(later)?;
        }
        Ok(())
    }

    async fn switches(&self, diff: &Diff) -> Result<(), Fault> {
        let Self { api, id, desired, .. } = self;
        if diff.touches("termination_protection") {
            let on = desired.termination_protection;
            let call = api.set_termination_protection().job_flow_ids(*id);
            let call = call.termination_protected(on).send();
            call.await.during("elasticmapreduce:SetTerminationProtection").map_err(later)?;
        }
        if diff.touches("terminate_after_steps") {
            let call = api.set_keep_job_flow_alive_when_no_steps().job_flow_ids(*id);
            let call =
                call.keep_job_flow_alive_when_no_steps(!desired.terminate_after_steps).send();
            call.await.during("elasticmapreduce:SetKeepJobFlowAliveWhenNoSteps").map_err(later)?;
        }
        if let Some(on) = desired.unhealthy_node_replacement
            && diff.touches("unhealthy_node_replacement")
        {
            let call = api.set_unhealthy_node_replacement().job_flow_ids(*id);
            let call = call.unhealthy_node_replacement(on).send();
            call.await.during("elasticmapreduce:SetUnhealthyNodeReplacement").map_err(later)?;
        }
        if diff.touches("step_concurrency") {
            let level = signed(desired.step_concurrency);
            let call = api.modify_cluster().cluster_id(*id).step_concurrency_level(level);
            call.send().await.during("elasticmapreduce:ModifyCluster").map_err(later)?;
        }
        Ok(())
    }

    async fn policies(&self, diff: &Diff) -> Result<(), Fault> {
        let Self { api, id, desired, .. } = self;
        if diff.touches("idle_timeout") {
            if let Some(policy) = idle(desired.idle_timeout) {
                let call = api.put_auto_termination_policy().cluster_id(*id);
                let call = call.auto_termination_policy(policy).send();
                call.await.during("elasticmapreduce:PutAutoTerminationPolicy").map_err(later)?;
            } else {
                let call = api.remove_auto_termination_policy().cluster_id(*id).send();
                call.await.during("elasticmapreduce:RemoveAutoTerminationPolicy").map_err(later)?;
            }
        }
        if diff.touches("managed_scaling") {
            if let Some(policy) = scaling(&desired.managed_scaling) {
                let call = api.put_managed_scaling_policy().cluster_id(*id);
                let call = call.managed_scaling_policy(policy).send();
                call.await.during("elasticmapreduce:PutManagedScalingPolicy").map_err(later)?;
            } else {
                let call = api.remove_managed_scaling_policy().cluster_id(*id).send();
                call.await.during("elasticmapreduce:RemoveManagedScalingPolicy").map_err(later)?;
            }
        }
        Ok(())
    }

    /// First the groups that there are, then those to come: killed in between, the next look finds
    /// an empty group and adds its successor.
    async fn shrink_and_grow(&self, diff: &Diff) -> Result<(), Fault> {
        let Self { api, id, desired, live } = self;
        let Resizing { sizes, add } = resizing(desired, &live.spec, diff);
        let sizes: Vec<_> = sizes
            .iter()
            .filter_map(|(note, size)| Some((live.outputs.get(note)?, *size)))
            .map(|(group, size)| {
                let config = InstanceGroupModifyConfig::builder().instance_group_id(group);
                config.instance_count(signed(size)).build()
            })
            .collect();
        if !sizes.is_empty() {
            let call = api.modify_instance_groups().cluster_id(*id);
            let call = call.set_instance_groups(Some(sizes)).send();
            call.await.during("elasticmapreduce:ModifyInstanceGroups").map_err(later)?;
        }
        let add: Vec<_> = add.iter().map(|name| task_config(name, &desired.task[name])).collect();
        if !add.is_empty() {
            let call = api.add_instance_groups().job_flow_id(*id).set_instance_groups(Some(add));
            let call = call.customize().config_override(once()).send();
            let added = call.await.during("elasticmapreduce:AddInstanceGroups");
            added.map_err(later).map_err(Fault::once)?;
        }
        Ok(())
    }

    async fn fleet(&self, role: &str, diff: &Diff) -> Result<(), Fault> {
        let Self { api, id, desired, live } = self;
        let of = |spec: &EmrCluster| match role {
            "core" => spec.fleets.core.clone(),
            _ => spec.fleets.task.clone(),
        };
        let (want, have) = (of(desired), of(&live.spec));
        let Some(fleet) = live.outputs.get(&format!("fleet.{role}")) else {
            let config = fleet_config(role, InstanceFleetType::Task, &want);
            let call = api.add_instance_fleet().cluster_id(*id).instance_fleet(config);
            let call = call.customize().config_override(once()).send();
            let added = call.await.during("elasticmapreduce:AddInstanceFleet");
            added.map_err(later).map_err(Fault::once)?;
            return Ok(());
        };
        let config =
            modified(fleet, &want, &have, &|field| diff.touches(&format!("fleets.{role}.{field}")));
        let call = api.modify_instance_fleet().cluster_id(*id).instance_fleet(config);
        call.send().await.during("elasticmapreduce:ModifyInstanceFleet").map_err(later)?;
        Ok(())
    }
}

/// Both targets are sent though one changes: EMR refuses one alone. A target that does not differ
/// is sent as it is, because managed scaling may have set it.
fn modified(
    id: &str,
    want: &Fleet,
    have: &Fleet,
    touched: &dyn Fn(&str) -> bool,
) -> InstanceFleetModifyConfig {
    let target = |field, want, have| signed(if touched(field) { want } else { have });
    let config = InstanceFleetModifyConfig::builder()
        .instance_fleet_id(id)
        .target_on_demand_capacity(target(
            "on_demand_capacity",
            want.on_demand_capacity,
            have.on_demand_capacity,
        ))
        .target_spot_capacity(target("spot_capacity", want.spot_capacity, have.spot_capacity));
    let types = (want.exists() && touched("types")).then(|| type_configs(want));
    config.set_instance_type_configs(types).build()
}
