//! What EMR is sent: the blueprint's vocabulary in the SDK's, and `RunJobFlow`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sdk_emr::Client;
use aws_sdk_emr::config::Config;
use aws_sdk_emr::config::retry::RetryConfig;
use aws_sdk_emr::operation::run_job_flow::builders::RunJobFlowFluentBuilder;
use aws_sdk_emr::primitives::DateTime;
use aws_sdk_emr::types::{
    Application, AutoTerminationPolicy, BootstrapActionConfig, ComputeLimits,
    ComputeLimitsUnitType, Configuration, EbsBlockDeviceConfig, EbsConfiguration,
    InstanceFleetConfig, InstanceFleetProvisioningSpecifications, InstanceFleetType,
    InstanceGroupConfig, InstanceRoleType, InstanceTypeConfig, JobFlowInstancesConfig,
    KerberosAttributes, ManagedScalingPolicy, MarketType, OnDemandProvisioningAllocationStrategy,
    OnDemandProvisioningSpecification, ScaleDownBehavior, ScriptBootstrapActionConfig,
    SpotProvisioningAllocationStrategy, SpotProvisioningSpecification,
    SpotProvisioningTimeoutAction, Tag, VolumeSpecification,
};
use serde_json::Value;

use crate::aws::{Aws, During, body};
use crate::cloud::{Class, Fault};

use super::spec::{
    EmrCluster, Fleet, FleetType, Group, Kerberos, ManagedScaling, Market, OnDemandStrategy,
    ScaleDown, ScalingUnit, Settings, SpotStrategy, TimeoutAction, Volume,
};
use super::start::Lease;
use super::words::{Idle, NONE, Text};

const RUN: &str = "elasticmapreduce:RunJobFlow";
/// A younger role may not have reached EMR, which then takes the cluster and ends it minutes later.
const ROLE_SECONDS: i64 = 30;
/// A clock that is wrong by no more than this may show a new role as made in the future.
const CLOCK_SECONDS: i64 = 60;

/// Sent once: EMR has no token for it, so a second try could make a second cluster.
pub fn once() -> aws_sdk_emr::config::Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

pub async fn create(cluster: &EmrCluster, aws: &Aws) -> Result<(), Fault> {
    ripe_roles(cluster, aws).await?;
    let lease = Lease::take(aws, cluster).await?;
    let call = run_job_flow(cluster, &aws.client()).customize().config_override(once());
    match call.send().await.during(RUN).map_err(young_profile) {
        Ok(answer) => lease.started(answer.job_flow_id().unwrap_or_default()).await,
        // It may have been started: the lease keeps others from it until it would be listed.
        Err(fault) if matches!(fault.class, Class::Lost | Class::Broken) => return Err(fault),
        Err(fault) => {
            lease.give_back().await;
            return Err(fault);
        }
    }
    Ok(())
}

/// The request that makes the cluster, as JSON: for those who start one in our place. The SDK
/// writes maps in any order; here equal clusters have equal requests.
pub fn request(cluster: &EmrCluster) -> Option<String> {
    let body = body(|config| run_job_flow(cluster, &Client::new(config)).send())?;
    serde_json::from_str(&body).ok().map(|request: Value| request.to_string())
}

fn run_job_flow(cluster: &EmrCluster, api: &Client) -> RunJobFlowFluentBuilder {
    let EmrCluster { root_volume, .. } = cluster;
    let root = root_volume.clone().unwrap_or_default();
    api.run_job_flow()
        .name(cluster.name.as_str())
        .release_label(&cluster.release)
        .set_applications(Some(applications(cluster)))
        .service_role(&cluster.service_role)
        .job_flow_role(&cluster.instance_profile)
        .set_auto_scaling_role(given(&cluster.autoscaling_role))
        .instances(instances(cluster))
        .set_managed_scaling_policy(scaling(&cluster.managed_scaling))
        .set_auto_termination_policy(idle(cluster.idle_timeout))
        .set_configurations(Some(configurations(&cluster.configurations)))
        .set_bootstrap_actions(Some(bootstrap_actions(cluster)))
        .set_security_configuration(given(&cluster.security_configuration))
        .step_concurrency_level(signed(cluster.step_concurrency))
        .set_log_uri(given(&cluster.log_uri))
        .set_log_encryption_kms_key_id(given(&cluster.log_key))
        .scale_down_behavior(match cluster.scale_down {
            ScaleDown::TaskCompletion => ScaleDownBehavior::TerminateAtTaskCompletion,
            ScaleDown::InstanceHour => ScaleDownBehavior::TerminateAtInstanceHour,
        })
        .set_ebs_root_volume_size(root.size_gb.map(signed))
        .set_ebs_root_volume_iops(root.iops.map(signed))
        .set_ebs_root_volume_throughput(root.throughput.map(signed))
        .set_custom_ami_id(cluster.custom_ami.clone())
        .set_os_release_label(cluster.os_release.clone())
        .set_kerberos_attributes(cluster.kerberos.as_ref().map(kerberos))
        .visible_to_all_users(true)
        .set_tags(Some(tags(&cluster.tags)))
}

/// "Invalid InstanceProfile: …" and "Failed to authorize instance profile …" pass within minutes
/// of the profile's making.
pub fn young_profile(fault: Fault) -> Fault {
    let young = fault.says("ValidationException", "Invalid InstanceProfile")
        || fault.says("AccessDeniedException", "Failed to authorize instance profile");
    if young { fault.class(Class::NotYet) } else { fault }
}

/// Roles that the caller may not look at are taken as ripe.
async fn ripe_roles(cluster: &EmrCluster, aws: &Aws) -> Result<(), Fault> {
    let iam = aws.client::<aws_sdk_iam::Client>();
    let (role, profile) = futures_util::join!(
        iam.get_role().role_name(plain(&cluster.service_role)).send(),
        iam.get_instance_profile().instance_profile_name(plain(&cluster.instance_profile)).send(),
    );
    let role = role.ok().and_then(|answer| answer.role);
    let profile = profile.ok().and_then(|answer| answer.instance_profile);
    let made = profile
        .as_ref()
        .map(|p| (format!("instance profile `{}`", p.instance_profile_name()), p.create_date()));
    let roles = role.iter().chain(profile.iter().flat_map(|p| p.roles()));
    let now = DateTime::from(SystemTime::now()).secs();
    for (name, created) in
        roles.map(|r| (format!("role `{}`", r.role_name()), r.create_date())).chain(made)
    {
        unripe(&name, now - created.secs()).map_or(Ok(()), Err)?;
    }
    Ok(())
}

pub fn unripe(name: &str, age: i64) -> Option<Fault> {
    (-CLOCK_SECONDS..ROLE_SECONDS).contains(&age).then(|| {
        let age = age.max(0);
        let what = format!("{name} is {age} seconds old; EMR needs it to be {ROLE_SECONDS}");
        Fault::new(Class::NotYet, RUN, what)
    })
}

/// The name in an ARN.
pub fn plain(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}

fn given(text: &str) -> Option<String> {
    (text != NONE).then(|| text.to_owned())
}

pub fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn applications(cluster: &EmrCluster) -> Vec<Application> {
    let named = |name: &super::words::Application| Application::builder().name(name.as_str());
    cluster.applications.iter().map(|name| named(name).build()).collect()
}

/// EMR's own default would end the cluster with its first steps, whatever its idle timeout says,
/// so keeping it alive is always said.
pub fn instances(cluster: &EmrCluster) -> JobFlowInstancesConfig {
    let fleets = cluster.uses_fleets();
    let subnets: Option<Vec<String>> =
        cluster.subnets.as_ref().map(|s| s.iter().cloned().collect());
    let security = &cluster.security_groups;
    let mut config = JobFlowInstancesConfig::builder()
        .keep_job_flow_alive_when_no_steps(!cluster.terminate_after_steps)
        .termination_protected(cluster.termination_protection)
        .set_unhealthy_node_replacement(cluster.unhealthy_node_replacement)
        .set_ec2_key_name(given(&cluster.key_pair))
        .set_emr_managed_master_security_group(security.primary.clone())
        .set_emr_managed_slave_security_group(security.core.clone())
        .set_service_access_security_group(security.service_access.clone())
        .set_additional_master_security_groups(some(&security.additional_primary))
        .set_additional_slave_security_groups(some(&security.additional_core));
    config = if fleets {
        config.set_instance_fleets(Some(fleet_configs(cluster))).set_ec2_subnet_ids(subnets)
    } else {
        let subnet = subnets.and_then(|subnets| subnets.into_iter().next());
        config.set_instance_groups(Some(group_configs(cluster))).set_ec2_subnet_id(subnet)
    };
    config.build()
}

fn some(ids: &std::collections::BTreeSet<String>) -> Option<Vec<String>> {
    (!ids.is_empty()).then(|| ids.iter().cloned().collect())
}

fn group_configs(cluster: &EmrCluster) -> Vec<InstanceGroupConfig> {
    let single = [
        ("primary", InstanceRoleType::Master, &cluster.primary),
        ("core", InstanceRoleType::Core, &cluster.core),
    ];
    let tasks = cluster.task.iter().filter(|(_, group)| group.count > 0);
    let tasks = tasks.map(|(name, group)| task_config(name, group));
    let present = single.into_iter().filter(|(_, _, group)| group.exists());
    present.map(|(name, role, group)| group_config(name, role, group)).chain(tasks).collect()
}

pub fn task_config(name: &str, group: &Group) -> InstanceGroupConfig {
    group_config(name, InstanceRoleType::Task, group)
}

fn group_config(name: &str, role: InstanceRoleType, group: &Group) -> InstanceGroupConfig {
    InstanceGroupConfig::builder()
        .name(name)
        .instance_role(role)
        .instance_type(&group.r#type)
        .instance_count(signed(group.count))
        .market(match group.market {
            Market::OnDemand => MarketType::OnDemand,
            Market::Spot => MarketType::Spot,
        })
        .set_bid_price(text(group.bid_price.as_ref()))
        .set_ebs_configuration(group.ebs.as_deref().and_then(ebs))
        .build()
}

fn text(text: Option<&Text>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

fn ebs(volumes: &[Volume]) -> Option<EbsConfiguration> {
    let configs = volumes.iter().map(|volume| {
        let specification = VolumeSpecification::builder()
            .volume_type(&volume.r#type)
            .size_in_gb(signed(volume.size_gb))
            .set_iops(volume.iops.map(signed))
            .set_throughput(volume.throughput.map(signed))
            .build();
        EbsBlockDeviceConfig::builder()
            .volume_specification(specification)
            .volumes_per_instance(signed(volume.count))
            .build()
    });
    let configs: Vec<_> = configs.collect();
    let configuration = || EbsConfiguration::builder().set_ebs_block_device_configs(Some(configs));
    (!volumes.is_empty()).then(|| configuration().build())
}

fn fleet_configs(cluster: &EmrCluster) -> Vec<InstanceFleetConfig> {
    let fleets = &cluster.fleets;
    let all = [
        ("primary", InstanceFleetType::Master, &fleets.primary),
        ("core", InstanceFleetType::Core, &fleets.core),
        ("task", InstanceFleetType::Task, &fleets.task),
    ];
    let present = all.into_iter().filter(|(_, _, fleet)| fleet.exists());
    present.map(|(name, role, fleet)| fleet_config(name, role, fleet)).collect()
}

pub fn fleet_config(name: &str, role: InstanceFleetType, fleet: &Fleet) -> InstanceFleetConfig {
    InstanceFleetConfig::builder()
        .name(name)
        .instance_fleet_type(role)
        .target_on_demand_capacity(signed(fleet.on_demand_capacity))
        .target_spot_capacity(signed(fleet.spot_capacity))
        .set_instance_type_configs(Some(type_configs(fleet)))
        .launch_specifications(launch(fleet))
        .build()
}

pub fn type_configs(fleet: &Fleet) -> Vec<InstanceTypeConfig> {
    fleet.types.iter().map(|(name, of)| type_config(name, of)).collect()
}

fn type_config(name: &str, of: &FleetType) -> InstanceTypeConfig {
    InstanceTypeConfig::builder()
        .instance_type(name)
        .weighted_capacity(signed(of.weight))
        .set_bid_price(text(of.bid_price.as_ref()))
        .set_bid_price_as_percentage_of_on_demand_price(of.bid_percent)
        .set_priority(of.priority)
        .set_ebs_configuration(of.ebs.as_deref().and_then(ebs))
        .build()
}

fn launch(fleet: &Fleet) -> InstanceFleetProvisioningSpecifications {
    let minutes = u32::try_from(fleet.spot.timeout.seconds / 60).unwrap_or(u32::MAX);
    let spot = SpotProvisioningSpecification::builder()
        .timeout_duration_minutes(signed(minutes))
        .timeout_action(match fleet.spot.timeout_action {
            TimeoutAction::SwitchToOnDemand => SpotProvisioningTimeoutAction::SwitchToOnDemand,
            TimeoutAction::TerminateCluster => SpotProvisioningTimeoutAction::TerminateCluster,
        })
        .allocation_strategy(spot_strategy(fleet.spot.allocation_strategy));
    let on_demand = OnDemandProvisioningSpecification::builder().allocation_strategy(
        match fleet.on_demand.allocation_strategy {
            OnDemandStrategy::LowestPrice => OnDemandProvisioningAllocationStrategy::LowestPrice,
            OnDemandStrategy::Prioritized => OnDemandProvisioningAllocationStrategy::Prioritized,
        },
    );
    InstanceFleetProvisioningSpecifications::builder()
        .spot_specification(spot.build())
        .on_demand_specification(on_demand.build())
        .build()
}

fn spot_strategy(strategy: SpotStrategy) -> SpotProvisioningAllocationStrategy {
    use SpotProvisioningAllocationStrategy as Emr;
    match strategy {
        SpotStrategy::CapacityOptimized => Emr::CapacityOptimized,
        SpotStrategy::CapacityOptimizedPrioritized => Emr::CapacityOptimizedPrioritized,
        SpotStrategy::PriceCapacityOptimized => Emr::PriceCapacityOptimized,
        SpotStrategy::Diversified => Emr::Diversified,
        SpotStrategy::LowestPrice => Emr::LowestPrice,
    }
}

/// A limit of 0 means something, so every limit is sent.
pub fn scaling(scaling: &ManagedScaling) -> Option<ManagedScalingPolicy> {
    let limits = ComputeLimits::builder()
        .unit_type(match scaling.unit {
            ScalingUnit::Instances => ComputeLimitsUnitType::Instances,
            ScalingUnit::Vcpu => ComputeLimitsUnitType::Vcpu,
            ScalingUnit::InstanceFleetUnits => ComputeLimitsUnitType::InstanceFleetUnits,
        })
        .minimum_capacity_units(signed(scaling.min))
        .maximum_capacity_units(signed(scaling.max))
        .maximum_on_demand_capacity_units(signed(scaling.max_on_demand))
        .maximum_core_capacity_units(signed(scaling.max_core))
        .build();
    scaling.is_on().then(|| ManagedScalingPolicy::builder().compute_limits(limits).build())
}

pub fn idle(idle: Idle) -> Option<AutoTerminationPolicy> {
    let seconds = i64::try_from(idle.0?.seconds).unwrap_or(i64::MAX);
    Some(AutoTerminationPolicy::builder().idle_timeout(seconds).build())
}

fn configurations(settings: &BTreeMap<String, Settings>) -> Vec<Configuration> {
    let one = |(classification, settings): (&String, &Settings)| {
        let properties = settings.properties.iter();
        let properties = properties.map(|(key, value)| (key.clone(), value.as_str().to_owned()));
        let within = configurations(&settings.configurations);
        Configuration::builder()
            .classification(classification)
            .set_properties(Some(properties.collect()))
            .set_configurations((!within.is_empty()).then_some(within))
            .build()
    };
    settings.iter().map(one).collect()
}

fn bootstrap_actions(cluster: &EmrCluster) -> Vec<BootstrapActionConfig> {
    let actions = cluster.bootstrap_actions.iter().map(|action| {
        let args = action.args.iter().map(|arg| arg.as_str().to_owned()).collect();
        let script = ScriptBootstrapActionConfig::builder().path(&action.path).set_args(Some(args));
        let config = BootstrapActionConfig::builder().name(&action.name);
        config.script_bootstrap_action(script.build()).build()
    });
    actions.collect()
}

fn kerberos(kerberos: &Kerberos) -> KerberosAttributes {
    KerberosAttributes::builder()
        .realm(&kerberos.realm)
        .kdc_admin_password(&kerberos.kdc_admin_password)
        .set_cross_realm_trust_principal_password(kerberos.cross_realm_trust_password.clone())
        .set_ad_domain_join_user(kerberos.ad_domain_join_user.clone())
        .set_ad_domain_join_password(kerberos.ad_domain_join_password.clone())
        .build()
}
