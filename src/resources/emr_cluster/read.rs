//! What EMR answers, in the blueprint's own vocabulary. Pure but for `details`.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_emr::Client;
use aws_sdk_emr::types::{
    AutoTerminationPolicy, Cluster, Command, ComputeLimitsUnitType, Configuration, EbsBlockDevice,
    InstanceCollectionType, InstanceFleet, InstanceFleetType, InstanceGroup, InstanceGroupState,
    InstanceGroupType, InstanceTypeSpecification, KerberosAttributes, ManagedScalingPolicy,
    MarketType, ScaleDownBehavior, SpotProvisioningTimeoutAction, Tag,
};

use crate::aws::During;
use crate::cloud::Fault;
use crate::kind::Name;
use crate::kind::values::duration::Duration;

use super::spec::{
    BootstrapAction, EmrCluster, Fleet, FleetType, Fleets, Group, Kerberos, ManagedScaling, Market,
    OnDemandLaunch, OnDemandStrategy, RootVolume, ScaleDown, ScalingUnit, SecurityGroups, Settings,
    SpotLaunch, SpotStrategy, TimeoutAction, Volume, none, regroup,
};
use super::words::{Application, Idle, Text, folder};

/// What EMR tells of a cluster beside `DescribeCluster`.
#[derive(Debug, Default)]
pub struct Details {
    pub groups: Vec<InstanceGroup>,
    pub fleets: Vec<InstanceFleet>,
    pub bootstrap: Vec<Command>,
    pub scaling: Option<ManagedScalingPolicy>,
    pub idle: Option<AutoTerminationPolicy>,
}

pub async fn details(api: &Client, cluster: &Cluster) -> Result<Details, Fault> {
    let id = cluster.id().unwrap_or_default();
    let fleets = cluster.instance_collection_type() == Some(&InstanceCollectionType::InstanceFleet);
    let (nodes, bootstrap, scaling, idle) = futures_util::join!(
        nodes(api, id, fleets),
        api.list_bootstrap_actions().cluster_id(id).into_paginator().items().send().try_collect(),
        api.get_managed_scaling_policy().cluster_id(id).send(),
        api.get_auto_termination_policy().cluster_id(id).send(),
    );
    let (groups, fleets) = nodes?;
    let scaling = unless_unavailable(scaling.during("elasticmapreduce:GetManagedScalingPolicy"))?;
    let idle = unless_unavailable(idle.during("elasticmapreduce:GetAutoTerminationPolicy"))?;
    Ok(Details {
        groups,
        fleets,
        bootstrap: bootstrap.during("elasticmapreduce:ListBootstrapActions")?,
        scaling: scaling.and_then(|answer| answer.managed_scaling_policy),
        idle: idle.and_then(|answer| answer.auto_termination_policy),
    })
}

/// Asking a cluster of fleets for its groups is an error, and the other way round.
async fn nodes(
    api: &Client,
    id: &str,
    fleets: bool,
) -> Result<(Vec<InstanceGroup>, Vec<InstanceFleet>), Fault> {
    if fleets {
        let pages = api.list_instance_fleets().cluster_id(id).into_paginator();
        let found: Result<Vec<_>, _> = pages.items().send().try_collect().await;
        Ok((Vec::new(), found.during("elasticmapreduce:ListInstanceFleets")?))
    } else {
        let pages = api.list_instance_groups().cluster_id(id).into_paginator();
        let found: Result<Vec<_>, _> = pages.items().send().try_collect().await;
        Ok((found.during("elasticmapreduce:ListInstanceGroups")?, Vec::new()))
    }
}

/// A policy that a cluster cannot have is none: "Auto-termination is not available for this account
/// when using this release", "Could not find operation", "A job flow that is shutting down,
/// terminated, or finished may not be modified".
fn unless_unavailable<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(fault)
            if fault.says("ValidationException", "is not available")
                || fault.says("ValidationException", "shutting down, terminated, or finished")
                || fault.is("UnknownOperationException") =>
        {
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// A cluster as the blueprint would write it.
pub fn spec(name: &Name, cluster: &Cluster, details: &Details) -> EmrCluster {
    let ec2 = cluster.ec2_instance_attributes();
    let or_none = |text: Option<&str>| text.filter(|t| !t.is_empty()).map_or_else(none, Into::into);
    let of = |role| details.groups.iter().find(|g| g.instance_group_type() == Some(&role));
    EmrCluster {
        name: name.clone(),
        release: cluster.release_label().unwrap_or_default().into(),
        applications: cluster
            .applications()
            .iter()
            .filter_map(|a| a.name().map(Application::new))
            .collect(),
        lifecycle: None,
        idle_timeout: idle(details.idle.as_ref()),
        terminate_after_steps: cluster.auto_terminate().unwrap_or_default(),
        service_role: cluster.service_role().unwrap_or_default().into(),
        instance_profile: ec2.and_then(|e| e.iam_instance_profile()).unwrap_or_default().into(),
        autoscaling_role: or_none(cluster.auto_scaling_role()),
        primary: of(InstanceGroupType::Master).map_or_else(Group::none, group),
        core: of(InstanceGroupType::Core).map_or_else(Group::none, group),
        task: task_groups(&details.groups).into_iter().map(|(n, g)| (n, group(g))).collect(),
        fleets: fleets(&details.fleets),
        managed_scaling: scaling(details.scaling.as_ref()),
        configurations: settings(cluster.configurations()),
        bootstrap_actions: details.bootstrap.iter().map(bootstrap_action).collect(),
        security_configuration: or_none(cluster.security_configuration()),
        step_concurrency: cluster.step_concurrency_level().map_or(1, i32::unsigned_abs),
        log_uri: cluster.log_uri().filter(|uri| !uri.is_empty()).map_or_else(none, folder),
        log_key: or_none(cluster.log_encryption_kms_key_id()),
        subnets: subnets(cluster),
        key_pair: or_none(ec2.and_then(|e| e.ec2_key_name())),
        security_groups: security_groups(cluster),
        termination_protection: cluster.termination_protected().unwrap_or_default(),
        scale_down: match cluster.scale_down_behavior() {
            Some(ScaleDownBehavior::TerminateAtInstanceHour) => ScaleDown::InstanceHour,
            _ => ScaleDown::TaskCompletion,
        },
        unhealthy_node_replacement: cluster.unhealthy_node_replacement(),
        root_volume: Some(RootVolume {
            size_gb: positive(cluster.ebs_root_volume_size()),
            iops: positive(cluster.ebs_root_volume_iops()),
            throughput: positive(cluster.ebs_root_volume_throughput()),
        }),
        custom_ami: cluster.custom_ami_id().map(Into::into),
        os_release: cluster.os_release_label().map(Into::into),
        kerberos: cluster.kerberos_attributes().and_then(kerberos),
        tags: tags(cluster.tags()),
    }
}

/// AWS's own tags are not anybody's to write.
pub fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
        .filter(|(key, _)| !key.starts_with("aws:"))
        .collect()
}

/// The task groups by name. A group whose instance type changed leaves an empty one of its name
/// behind for ever, so the one with nodes counts, else the newest. A second one with nodes was
/// added twice, the answer to the first time being lost: the younger goes by its id.
pub fn task_groups(groups: &[InstanceGroup]) -> BTreeMap<String, &InstanceGroup> {
    let mut tasks: Vec<_> = groups.iter().filter(|g| is_live_task(g)).collect();
    tasks.sort_by_key(|group| {
        let timeline = group.status().and_then(|status| status.timeline());
        timeline.and_then(|t| t.creation_date_time()).map(|at| at.as_nanos())
    });
    let has_nodes =
        |group: &InstanceGroup| group.requested_instance_count().unwrap_or_default() > 0;
    let (full, empty): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|group| has_nodes(group));
    let mut named: BTreeMap<_, _> =
        empty.into_iter().map(|group| (task_name(group), group)).collect();
    for group in full {
        let first = named.get(&task_name(group)).is_none_or(|other| !has_nodes(other));
        let name = if first { task_name(group) } else { group.id().unwrap_or_default().to_owned() };
        named.insert(name, group);
    }
    named
}

fn is_live_task(group: &InstanceGroup) -> bool {
    let state = group.status().and_then(|status| status.state());
    let ended = [InstanceGroupState::Ended, InstanceGroupState::Terminated];
    group.instance_group_type() == Some(&InstanceGroupType::Task)
        && !state.is_some_and(|state| ended.contains(state))
}

fn task_name(group: &InstanceGroup) -> String {
    group.name().filter(|n| !n.is_empty()).or(group.id()).unwrap_or_default().to_owned()
}

fn positive(number: Option<i32>) -> Option<u32> {
    number.filter(|n| *n > 0).map(i32::unsigned_abs)
}

fn count(number: Option<i32>) -> u32 {
    number.unwrap_or_default().max(0).unsigned_abs()
}

fn group(group: &InstanceGroup) -> Group {
    Group {
        r#type: group.instance_type().unwrap_or_default().into(),
        count: count(group.requested_instance_count()),
        market: match group.market() {
            Some(MarketType::Spot) => Market::Spot,
            _ => Market::OnDemand,
        },
        bid_price: group.bid_price().filter(|bid| !bid.is_empty()).map(Text::new),
        ebs: Some(volumes(group.ebs_block_devices())),
    }
}

fn volumes(devices: &[EbsBlockDevice]) -> Vec<Volume> {
    let each = devices.iter().filter_map(|device| device.volume_specification());
    regroup(
        each.map(|volume| Volume {
            r#type: volume.volume_type().unwrap_or_default().into(),
            size_gb: count(volume.size_in_gb()),
            count: 1,
            iops: positive(volume.iops()),
            throughput: positive(volume.throughput()),
        })
        .collect(),
    )
}

fn fleets(fleets: &[InstanceFleet]) -> Fleets {
    let of = |role: InstanceFleetType| {
        fleets.iter().find(|f| f.instance_fleet_type() == Some(&role)).map(fleet)
    };
    Fleets {
        primary: of(InstanceFleetType::Master).unwrap_or_default(),
        core: of(InstanceFleetType::Core).unwrap_or_default(),
        task: of(InstanceFleetType::Task).unwrap_or_default(),
    }
}

fn fleet(fleet: &InstanceFleet) -> Fleet {
    let launch = fleet.launch_specifications();
    let spot = launch.and_then(|l| l.spot_specification());
    let on_demand = launch.and_then(|l| l.on_demand_specification());
    let spot = spot.map_or_else(SpotLaunch::default, |spot| SpotLaunch {
        timeout: Duration::seconds(60 * u64::from(count(spot.timeout_duration_minutes()))),
        timeout_action: match spot.timeout_action() {
            Some(SpotProvisioningTimeoutAction::TerminateCluster) => {
                TimeoutAction::TerminateCluster
            }
            _ => TimeoutAction::SwitchToOnDemand,
        },
        allocation_strategy: spot_strategy(spot.allocation_strategy().map(|s| s.as_str())),
    });
    let strategy = on_demand.and_then(|o| o.allocation_strategy()).map(|s| s.as_str());
    Fleet {
        on_demand_capacity: count(fleet.target_on_demand_capacity()),
        spot_capacity: count(fleet.target_spot_capacity()),
        types: fleet
            .instance_type_specifications()
            .iter()
            .filter_map(|of| Some((of.instance_type()?.to_owned(), fleet_type(of))))
            .collect(),
        spot,
        on_demand: OnDemandLaunch { allocation_strategy: on_demand_strategy(strategy) },
    }
}

/// `CAPACITY_OPTIMIZED` and `capacity-optimized` are one strategy.
fn dashed(word: Option<&str>) -> String {
    word.unwrap_or_default().to_ascii_lowercase().replace('_', "-")
}

/// What a fleet without a strategy gets is `lowest-price`.
fn spot_strategy(word: Option<&str>) -> SpotStrategy {
    match dashed(word).as_str() {
        "capacity-optimized" => SpotStrategy::CapacityOptimized,
        "capacity-optimized-prioritized" => SpotStrategy::CapacityOptimizedPrioritized,
        "price-capacity-optimized" => SpotStrategy::PriceCapacityOptimized,
        "diversified" => SpotStrategy::Diversified,
        _ => SpotStrategy::LowestPrice,
    }
}

fn on_demand_strategy(word: Option<&str>) -> OnDemandStrategy {
    match dashed(word).as_str() {
        "prioritized" => OnDemandStrategy::Prioritized,
        _ => OnDemandStrategy::LowestPrice,
    }
}

fn fleet_type(of: &InstanceTypeSpecification) -> FleetType {
    FleetType {
        weight: positive(of.weighted_capacity()).unwrap_or(1),
        bid_price: of.bid_price().filter(|bid| !bid.is_empty()).map(Text::new),
        bid_percent: of.bid_price_as_percentage_of_on_demand_price(),
        priority: of.priority(),
        ebs: Some(volumes(of.ebs_block_devices())),
    }
}

fn scaling(policy: Option<&ManagedScalingPolicy>) -> ManagedScaling {
    let Some(limits) = policy.and_then(|p| p.compute_limits()) else {
        return ManagedScaling::default();
    };
    let max = count(limits.maximum_capacity_units());
    ManagedScaling {
        unit: match limits.unit_type() {
            Some(ComputeLimitsUnitType::Vcpu) => ScalingUnit::Vcpu,
            Some(ComputeLimitsUnitType::InstanceFleetUnits) => ScalingUnit::InstanceFleetUnits,
            _ => ScalingUnit::Instances,
        },
        min: count(limits.minimum_capacity_units()),
        max,
        max_on_demand: limits
            .maximum_on_demand_capacity_units()
            .map_or(max, |units| count(Some(units))),
        max_core: limits.maximum_core_capacity_units().map_or(max, |units| count(Some(units))),
    }
}

fn idle(policy: Option<&AutoTerminationPolicy>) -> Idle {
    let seconds = policy.and_then(|p| p.idle_timeout()).filter(|seconds| *seconds > 0);
    Idle(seconds.map(|seconds| Duration::seconds(seconds.unsigned_abs())))
}

fn settings(configurations: &[Configuration]) -> BTreeMap<String, Settings> {
    let mut found: BTreeMap<String, Settings> = BTreeMap::new();
    for one in configurations {
        let entry = found.entry(one.classification().unwrap_or_default().into()).or_default();
        let properties = one.properties().into_iter().flatten();
        entry.properties.extend(properties.map(|(k, v)| (k.clone(), Text::new(v.clone()))));
        entry.configurations.extend(settings(one.configurations()));
    }
    found
}

fn bootstrap_action(command: &Command) -> BootstrapAction {
    BootstrapAction {
        name: command.name().unwrap_or_default().into(),
        path: command.script_path().unwrap_or_default().into(),
        args: command.args().iter().map(Text::new).collect(),
    }
}

/// What was asked for, not which of them EMR chose.
fn subnets(cluster: &Cluster) -> Option<BTreeSet<String>> {
    let ec2 = cluster.ec2_instance_attributes()?;
    let requested: BTreeSet<_> = ec2.requested_ec2_subnet_ids().iter().cloned().collect();
    if requested.is_empty() {
        ec2.ec2_subnet_id().filter(|id| !id.is_empty()).map(|id| BTreeSet::from([id.to_owned()]))
    } else {
        Some(requested)
    }
}

fn security_groups(cluster: &Cluster) -> SecurityGroups {
    let Some(ec2) = cluster.ec2_instance_attributes() else { return SecurityGroups::default() };
    let given = |id: Option<&str>| id.filter(|id| !id.is_empty()).map(str::to_owned);
    SecurityGroups {
        primary: given(ec2.emr_managed_master_security_group()),
        core: given(ec2.emr_managed_slave_security_group()),
        service_access: given(ec2.service_access_security_group()),
        additional_primary: ec2.additional_master_security_groups().iter().cloned().collect(),
        additional_core: ec2.additional_slave_security_groups().iter().cloned().collect(),
    }
}

/// Passwords are never told.
fn kerberos(attributes: &KerberosAttributes) -> Option<Kerberos> {
    let realm = attributes.realm().filter(|realm| !realm.is_empty())?;
    Some(Kerberos {
        realm: realm.into(),
        ad_domain_join_user: attributes.ad_domain_join_user().map(Into::into),
        ..Kerberos::default()
    })
}

/// The ids of the core group and of the fleets, as the notes of a live cluster call them.
pub fn single_nodes(details: &Details) -> BTreeMap<&'static str, String> {
    let core = details
        .groups
        .iter()
        .find(|group| group.instance_group_type() == Some(&InstanceGroupType::Core))
        .map(|group| ("group.core", group.id()));
    let fleets = details.fleets.iter().filter_map(|fleet| {
        let note = match fleet.instance_fleet_type()? {
            InstanceFleetType::Core => "fleet.core",
            InstanceFleetType::Task => "fleet.task",
            _ => return None,
        };
        Some((note, fleet.id()))
    });
    core.into_iter()
        .chain(fleets)
        .map(|(note, id)| (note, id.unwrap_or_default().to_owned()))
        .collect()
}

/// Groups and fleets that EMR gave up filling, and why.
pub fn troubles(details: &Details) -> BTreeMap<String, String> {
    let groups = details.groups.iter().filter_map(|group| {
        let status = group.status()?;
        let why = status.state_change_reason().and_then(|reason| reason.message());
        Some((group.name().or(group.id())?, status.state()?.as_str(), why))
    });
    let fleets = details.fleets.iter().filter_map(|fleet| {
        let status = fleet.status()?;
        let why = status.state_change_reason().and_then(|reason| reason.message());
        Some((fleet.name().or(fleet.id())?, status.state()?.as_str(), why))
    });
    groups
        .chain(fleets)
        .filter(|(_, state, _)| ["SUSPENDED", "ARRESTED"].contains(state))
        .map(|(name, state, why)| (name.into(), format!("{state}: {}", why.unwrap_or_default())))
        .collect()
}
