//! What a blueprint writes of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::kind::Name;
use crate::kind::values::duration::Duration;

use super::words::{Application, Idle, NONE, Text};

/// An EMR cluster on EC2. Its nodes are instance groups (`primary`, `core`, `task`) or instance
/// fleets (`fleets`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmrCluster {
    /// The cluster's label. AWS lets many clusters share it; the one of this blueprint is known by
    /// its tags, and of two the older is kept.
    pub name: Name,
    /// EMR release, as `emr-7.5.0`.
    pub release: String,
    /// Applications to install, as `Spark`; case means nothing.
    #[serde(default)]
    pub applications: BTreeSet<Application>,
    /// `on-demand`: exists while a job needs it. `persistent`: is kept running. Left out:
    /// `on-demand` where the cluster ends itself (`idle_timeout` or `terminate_after_steps`), else
    /// `persistent`.
    #[serde(default)]
    pub lifecycle: Option<Lifecycle>,
    /// The cluster ends itself after this long without work, 60s to 7d; `none` for never.
    #[serde(default)]
    pub idle_timeout: Idle,
    /// The cluster ends with its last step.
    #[serde(default)]
    pub terminate_after_steps: bool,
    /// Role that EMR itself works with: name or ARN.
    pub service_role: String,
    /// Instance profile of the nodes: name or ARN.
    pub instance_profile: String,
    /// Role for automatic scaling policies of instance groups: name or ARN; `none` for none.
    #[serde(default = "none")]
    pub autoscaling_role: String,
    /// The primary node: 1, or 3 for high availability.
    #[serde(default = "Group::none")]
    pub primary: Group,
    /// The nodes that hold HDFS and compute; shrinking them moves data.
    #[serde(default = "Group::none")]
    pub core: Group,
    /// Groups of nodes that only compute, by name. A group that is taken out is scaled to 0.
    #[serde(default)]
    pub task: BTreeMap<String, Group>,
    /// Nodes of many instance types, in place of `primary`, `core` and `task`.
    #[serde(default)]
    pub fleets: Fleets,
    /// Lets EMR set the number of nodes, which then is not compared.
    #[serde(default)]
    pub managed_scaling: ManagedScaling,
    /// Settings of the applications, by classification, as `spark-defaults`.
    #[serde(default)]
    pub configurations: BTreeMap<String, Settings>,
    /// Scripts that run on every node before the applications start, in order.
    #[serde(default)]
    pub bootstrap_actions: Vec<BootstrapAction>,
    /// Name of an EMR security configuration; `none` for none.
    #[serde(default = "none")]
    pub security_configuration: String,
    /// Steps that may run at once, 1 to 256.
    #[serde(default = "one")]
    pub step_concurrency: u32,
    /// Where logs go, as `s3://bucket/logs/`; `none` keeps none.
    #[serde(default = "none")]
    pub log_uri: String,
    /// KMS key that encrypts the logs: id or ARN; `none` for the bucket's own encryption.
    #[serde(default = "none")]
    pub log_key: String,
    /// Subnets by id. Instance groups live in one; fleets choose one of several. Left out: AWS
    /// decides.
    #[serde(default)]
    pub subnets: Option<BTreeSet<String>>,
    /// EC2 key pair for SSH; `none` for none.
    #[serde(default = "none")]
    pub key_pair: String,
    #[serde(default)]
    pub security_groups: SecurityGroups,
    /// Refuses to end the cluster until this is turned off again.
    #[serde(default)]
    pub termination_protection: bool,
    /// How nodes leave when the cluster shrinks.
    #[serde(default)]
    pub scale_down: ScaleDown,
    /// Replaces nodes that fail. Left out: the release decides.
    #[serde(default)]
    pub unhealthy_node_replacement: Option<bool>,
    /// The root volume of every node. Left out: AWS decides.
    #[serde(default)]
    pub root_volume: Option<RootVolume>,
    /// AMI in place of EMR's own, by id. Left out: EMR's own.
    #[serde(default)]
    pub custom_ami: Option<String>,
    /// Amazon Linux release, as `2023.6.20250218.2`. Left out: the newest for the EMR release.
    #[serde(default)]
    pub os_release: Option<String>,
    /// Kerberos, where the security configuration turns it on.
    #[serde(default)]
    pub kerberos: Option<Kerberos>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Whether a cluster is meant to be there all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    OnDemand,
    Persistent,
}

/// Nodes of one instance type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Instance type, as `m5.xlarge`.
    pub r#type: String,
    /// Number of nodes.
    #[serde(default = "one")]
    pub count: u32,
    /// How the nodes are bought.
    #[serde(default)]
    pub market: Market,
    /// The most to pay for an hour of a spot node, in USD. Left out: the on-demand price.
    #[serde(default)]
    pub bid_price: Option<Text>,
    /// Data volumes of each node. Left out: AWS decides by the instance type.
    #[serde(default, deserialize_with = "regrouped")]
    pub ebs: Option<Vec<Volume>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    #[default]
    OnDemand,
    Spot,
}

/// Equal EBS volumes of one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// `gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1` or `standard`.
    pub r#type: String,
    /// Size of each, in GiB.
    pub size_gb: u32,
    /// Volumes of this sort on each node.
    #[serde(default = "one")]
    pub count: u32,
    /// Left out: AWS decides.
    #[serde(default)]
    pub iops: Option<u32>,
    /// MiB a second, of `gp3` only. Left out: AWS decides.
    #[serde(default)]
    pub throughput: Option<u32>,
}

/// Fleets of nodes: each fills its capacity from several instance types.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fleets {
    /// One node, on demand or spot.
    #[serde(default)]
    pub primary: Fleet,
    #[serde(default)]
    pub core: Fleet,
    /// A task fleet that is taken out is scaled to 0.
    #[serde(default)]
    pub task: Fleet,
}

/// A fleet without types is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// Units of capacity to fill with on-demand nodes.
    #[serde(default)]
    pub on_demand_capacity: u32,
    /// Units of capacity to fill with spot nodes.
    #[serde(default)]
    pub spot_capacity: u32,
    /// Instance types to choose from.
    #[serde(default)]
    pub types: BTreeMap<String, FleetType>,
    #[serde(default)]
    pub spot: SpotLaunch,
    #[serde(default)]
    pub on_demand: OnDemandLaunch,
}

/// An instance type of a fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetType {
    /// Units of capacity that a node of this type counts for.
    #[serde(default = "one")]
    pub weight: u32,
    /// The most to pay for an hour of a spot node, in USD.
    #[serde(default)]
    pub bid_price: Option<Text>,
    /// The same as a percentage of the on-demand price. Left out with `bid_price`: 100.
    #[serde(default)]
    pub bid_percent: Option<f64>,
    /// For `prioritized` strategies: the lowest number is tried first.
    #[serde(default)]
    pub priority: Option<f64>,
    /// Data volumes of each node. Left out: AWS decides by the instance type.
    #[serde(default, deserialize_with = "regrouped")]
    pub ebs: Option<Vec<Volume>>,
}

/// How a fleet gets its spot nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpotLaunch {
    /// How long the cluster's start may wait for spot capacity, 5 minutes to 24 hours.
    #[serde(default = "an_hour")]
    pub timeout: Duration,
    /// What happens then.
    #[serde(default)]
    pub timeout_action: TimeoutAction,
    /// How spot capacity is chosen among the types.
    #[serde(default)]
    pub allocation_strategy: SpotStrategy,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeoutAction {
    #[default]
    SwitchToOnDemand,
    TerminateCluster,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpotStrategy {
    #[default]
    CapacityOptimized,
    CapacityOptimizedPrioritized,
    PriceCapacityOptimized,
    Diversified,
    LowestPrice,
}

/// How a fleet gets its on-demand nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnDemandLaunch {
    /// How on-demand capacity is chosen among the types.
    #[serde(default)]
    pub allocation_strategy: OnDemandStrategy,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDemandStrategy {
    #[default]
    LowestPrice,
    Prioritized,
}

/// The bounds within which EMR scales a cluster; without `max` it does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Bounds")]
pub struct ManagedScaling {
    pub unit: ScalingUnit,
    pub min: u32,
    pub max: u32,
    pub max_on_demand: u32,
    pub max_core: u32,
}

/// The bounds within which EMR scales a cluster; without `max` it does not.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ManagedScaling")]
struct Bounds {
    /// What the bounds count.
    #[serde(default)]
    unit: ScalingUnit,
    /// Units at least, 1 or more.
    #[serde(default)]
    min: u32,
    /// Units at most; 0 turns managed scaling off.
    #[serde(default)]
    max: u32,
    /// On-demand units at most; 0 leaves all that is added to spot. Left out: `max`.
    #[serde(default)]
    max_on_demand: Option<u32>,
    /// Units of core nodes at most. Left out: `max`.
    #[serde(default)]
    max_core: Option<u32>,
}

/// EMR fills in the limits that are left out, so both sides do.
impl From<Bounds> for ManagedScaling {
    fn from(written: Bounds) -> Self {
        let Bounds { unit, min, max, max_on_demand, max_core } = written;
        if max == 0 && min == 0 {
            return Self::default();
        }
        let max_on_demand = max_on_demand.unwrap_or(max);
        Self { unit, min, max, max_on_demand, max_core: max_core.unwrap_or(max) }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScalingUnit {
    #[default]
    Instances,
    Vcpu,
    InstanceFleetUnits,
}

/// The settings of one classification.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As `spark.sql.adaptive.enabled: true`.
    #[serde(default)]
    pub properties: BTreeMap<String, Text>,
    /// Classifications within this one, as `export` within `spark-env`.
    #[serde(default)]
    pub configurations: BTreeMap<String, Settings>,
}

/// A script that runs on every node before the applications start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootstrapAction {
    /// What EMR calls it in its logs.
    pub name: String,
    /// The script, as `s3://bucket/bootstrap.sh`.
    pub path: String,
    /// Arguments of the script.
    #[serde(default)]
    pub args: Vec<Text>,
}

/// Security groups by id. Left out: EMR makes and uses its default groups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroups {
    /// Of the primary node; EMR adds rules to it.
    #[serde(default)]
    pub primary: Option<String>,
    /// Of the core and task nodes; EMR adds rules to it.
    #[serde(default)]
    pub core: Option<String>,
    /// Between EMR and the nodes of a private subnet.
    #[serde(default)]
    pub service_access: Option<String>,
    /// More security groups of the primary node, by id.
    #[serde(default)]
    pub additional_primary: BTreeSet<String>,
    /// More security groups of the core and task nodes, by id.
    #[serde(default)]
    pub additional_core: BTreeSet<String>,
}

/// How nodes leave when a cluster shrinks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleDown {
    /// Once their tasks are done.
    #[default]
    TaskCompletion,
    /// At the end of their hour.
    InstanceHour,
}

/// The root volume of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootVolume {
    /// Size in GiB, 15 to 100.
    #[serde(default)]
    pub size_gb: Option<u32>,
    /// Left out: AWS decides.
    #[serde(default)]
    pub iops: Option<u32>,
    /// MiB a second.
    #[serde(default)]
    pub throughput: Option<u32>,
}

/// How the cluster uses Kerberos.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kerberos {
    /// As `EC2.INTERNAL`.
    pub realm: String,
    /// Password of the administrator of the key distribution center.
    pub kdc_admin_password: String,
    /// For a trust with another realm.
    #[serde(default)]
    pub cross_realm_trust_password: Option<String>,
    /// For a trust with an Active Directory domain.
    #[serde(default)]
    pub ad_domain_join_user: Option<String>,
    /// That user's password.
    #[serde(default)]
    pub ad_domain_join_password: Option<String>,
}

pub fn none() -> String {
    NONE.to_owned()
}

fn one() -> u32 {
    1
}

fn an_hour() -> Duration {
    Duration::seconds(3600)
}

impl EmrCluster {
    pub fn uses_fleets(&self) -> bool {
        [&self.fleets.primary, &self.fleets.core, &self.fleets.task].iter().any(|f| f.exists())
    }
}

impl Group {
    /// The group that is not there: so that one that comes or goes shows as another `type`.
    pub fn none() -> Self {
        Self { r#type: none(), count: 0, market: Market::OnDemand, bid_price: None, ebs: None }
    }

    pub fn exists(&self) -> bool {
        self.r#type != NONE
    }
}

impl Fleet {
    pub fn exists(&self) -> bool {
        !self.types.is_empty()
    }
}

impl Default for SpotLaunch {
    fn default() -> Self {
        Self {
            timeout: an_hour(),
            timeout_action: TimeoutAction::default(),
            allocation_strategy: SpotStrategy::default(),
        }
    }
}

impl ManagedScaling {
    pub fn is_on(&self) -> bool {
        self.max > 0
    }
}

fn regrouped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Volume>>, D::Error> {
    Ok(Option::<Vec<Volume>>::deserialize(deserializer)?.map(regroup))
}

/// Equal volumes counted together and in one order: EMR tells them one by one, by device.
pub fn regroup(volumes: Vec<Volume>) -> Vec<Volume> {
    let mut counts = BTreeMap::new();
    for volume in volumes {
        let Volume { r#type, size_gb, count, iops, throughput } = volume;
        *counts.entry((r#type, size_gb, iops, throughput)).or_insert(0) += count;
    }
    counts
        .into_iter()
        .map(|((r#type, size_gb, iops, throughput), count)| Volume {
            r#type,
            size_gb,
            count,
            iops,
            throughput,
        })
        .collect()
}
