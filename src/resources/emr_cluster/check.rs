//! What EMR would refuse minutes later, and what deserves a warning.

use crate::kind::Flaw;

use super::find::is_id;
use super::machines::{self, Doubt};
use super::spec::{EmrCluster, Fleet, Group, Lifecycle, Market, ScalingUnit, SpotLaunch, Volume};
use super::words::{NONE, Text};

/// From here on a primary node of the smaller sizes is too small.
const MANY_NODES: u32 = 50;
const MAX_TASK_GROUPS: usize = 48;
/// With an allocation strategy, which is always sent.
const MAX_FLEET_TYPES: usize = 30;
const MAX_BOOTSTRAP_ACTIONS: usize = 16;
const VOLUMES: [&str; 7] = ["gp2", "gp3", "io1", "io2", "sc1", "st1", "standard"];

pub fn check(cluster: &EmrCluster) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    name(cluster, &mut flaws);
    release(cluster, &mut flaws);
    life(cluster, &mut flaws);
    software(cluster, &mut flaws);
    places(cluster, &mut flaws);
    shape(cluster, &mut flaws);
    scaling(cluster, &mut flaws);
    flaws
}

fn open(text: &str) -> bool {
    text.contains("${")
}

fn name(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    let name = cluster.name.as_str();
    if is_id(name) {
        flaws.push(Flaw::error("name", format!("`{name}` reads like the id of a cluster")));
    }
    if name.is_empty() || name.len() > 256 || name.contains(['<', '>', '$', '|', '`']) {
        let what = "a cluster's name has 1 to 256 characters, none of them < > $ | or a backtick";
        flaws.push(Flaw::error("name", what));
    }
}

/// `emr-7.5.0` as numbers.
fn version(release: &str) -> Option<(u32, u32, u32)> {
    let mut parts = release.strip_prefix("emr-")?.split('.').map(|part| part.parse().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

fn release(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    let release = &cluster.release;
    if open(release) {
        return;
    }
    let Some((major, minor, patch)) = version(release) else {
        let what = format!("`{release}` is not a release of EMR");
        flaws.push(Flaw::error("release", what).hint("write it as `emr-7.5.0`"));
        return;
    };
    if major < 7 {
        let what = format!("standard support of {release} has ended");
        flaws.push(Flaw::warning("release", what).hint("use a current one, as `emr-7.5.0`"));
    }
    let ends_when_idle = (major, minor) >= (6, 1) || (major == 5 && minor >= 30);
    if cluster.idle_timeout.0.is_some() && !ends_when_idle {
        let what = format!("emr-{major}.{minor}.{patch} cannot end a cluster that is idle");
        flaws.push(Flaw::error("idle_timeout", what).hint("emr-5.30.0, emr-6.1.0 and later can"));
    }
}

fn life(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    let ends_idle = cluster.idle_timeout.0.is_some();
    if cluster.idle_timeout.0.is_some_and(|idle| !(60..=604_800).contains(&idle.seconds)) {
        let what = "a cluster may be idle for 60 seconds to 7 days before it ends";
        flaws.push(Flaw::error("idle_timeout", what));
    }
    if ends_idle && cluster.terminate_after_steps {
        let what = "a cluster that ends with its last step is never idle";
        let hint = "leave out `idle_timeout` or `terminate_after_steps`";
        flaws.push(Flaw::error("idle_timeout", what).hint(hint));
    }
    let kept = cluster.lifecycle == Some(Lifecycle::Persistent);
    if kept && cluster.terminate_after_steps {
        let what =
            "a cluster that ends with its steps is not kept running: every apply makes a new one";
        flaws.push(Flaw::warning("lifecycle", what).hint("write `lifecycle: on-demand`"));
    }
    if !kept && !ends_idle && !cluster.terminate_after_steps {
        let what = "nothing ends this cluster, so it costs money until somebody does";
        let hint = "write `idle_timeout: 4h`; or `lifecycle: persistent`, if it is to run for ever";
        flaws.push(Flaw::warning("idle_timeout", what).hint(hint));
    }
    if cluster.termination_protection && cluster.terminate_after_steps {
        let what = "EMR ends a cluster with its last step though it is protected";
        flaws.push(Flaw::warning("termination_protection", what));
    }
}

fn software(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    for application in cluster.applications.iter().filter(|a| !a.is_known() && !open(a.as_str())) {
        let what = format!("`{}` is not an application of EMR known here", application.as_str());
        let flaw = Flaw::warning("applications", what);
        flaws.push(match application.nearest() {
            Some(near) => flaw.hint(format!("did you mean `{near}`?")),
            None => flaw,
        });
    }
    if !(1..=256).contains(&cluster.step_concurrency) {
        flaws.push(Flaw::error("step_concurrency", "1 to 256 steps may run at once"));
    }
    if cluster.bootstrap_actions.len() > MAX_BOOTSTRAP_ACTIONS {
        let what = format!("a cluster has at most {MAX_BOOTSTRAP_ACTIONS} bootstrap actions");
        flaws.push(Flaw::error("bootstrap_actions", what));
    }
    for (index, action) in cluster.bootstrap_actions.iter().enumerate() {
        let known = ["s3://", "file:/"].iter().any(|scheme| action.path.starts_with(scheme));
        if !known && !open(&action.path) {
            let path = format!("bootstrap_actions.{index}.path");
            flaws.push(Flaw::error(path, "a bootstrap action is a script in S3: s3://bucket/key"));
        }
    }
    if cluster.kerberos.is_some() && cluster.security_configuration == NONE {
        let what = "Kerberos needs a security configuration that turns it on";
        flaws.push(Flaw::error("kerberos", what).hint("set `security_configuration`"));
    }
}

fn places(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    let logs = &cluster.log_uri;
    if logs == NONE {
        let what = "without a place for logs, a job that fails leaves no trace";
        flaws.push(Flaw::warning("log_uri", what).hint("write `log_uri: s3://bucket/logs/`"));
        if cluster.log_key != NONE {
            flaws.push(Flaw::error("log_key", "there are no logs to encrypt: set `log_uri`"));
        }
    } else if !open(logs) && !["s3://", "s3n://", "s3a://"].iter().any(|s| logs.starts_with(s)) {
        flaws.push(Flaw::error("log_uri", "logs go to S3: s3://bucket/logs/"));
    }
    let subnets = cluster.subnets.as_ref().map_or(1, |subnets| subnets.len());
    if subnets == 0 {
        let what = "an empty list of subnets";
        flaws.push(Flaw::error("subnets", what).hint("leave it out and AWS decides"));
    } else if subnets > 1 && !cluster.uses_fleets() {
        let what = "instance groups live in one subnet";
        flaws.push(Flaw::error("subnets", what).hint("only `fleets` choose from several"));
    }
    let groups = &cluster.security_groups;
    if groups.primary.is_some() != groups.core.is_some() {
        let what = "EMR takes both `primary` and `core`, or neither";
        flaws.push(Flaw::error("security_groups", what));
    }
}

fn shape(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    let groups = cluster.primary.exists() || cluster.core.exists() || !cluster.task.is_empty();
    match (groups, cluster.uses_fleets()) {
        (true, true) => {
            let what =
                "a cluster has instance groups (`primary`, `core`, `task`) or `fleets`, not both";
            flaws.push(Flaw::error("fleets", what));
        }
        (false, false) => {
            let what = "a cluster needs a primary node";
            let hint = "write `primary: { type: m5.xlarge }`, or `fleets`";
            flaws.push(Flaw::error("primary", what).hint(hint));
        }
        (true, false) => instance_groups(cluster, flaws),
        (false, true) => fleets(cluster, flaws),
    }
}

fn instance_groups(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    let (primary, core) = (&cluster.primary, &cluster.core);
    if !primary.exists() {
        flaws.push(Flaw::error("primary", "a cluster needs a primary node"));
    } else if ![1, 3].contains(&primary.count) {
        let what = format!("a cluster has 1 primary node or 3, not {}", primary.count);
        flaws.push(Flaw::error("primary.count", what));
    }
    if core.exists() && core.count == 0 {
        flaws.push(Flaw::error("core.count", "a core group has at least one node"));
    }
    if !core.exists() && (core.count > 0 || !cluster.task.is_empty()) {
        flaws.push(Flaw::error("core", "without core nodes there are no others"));
    }
    if cluster.task.len() > MAX_TASK_GROUPS {
        let what = format!("a cluster has at most {MAX_TASK_GROUPS} task groups");
        flaws.push(Flaw::error("task", what));
    }
    group("primary", primary, flaws);
    group("core", core, flaws);
    for (name, task) in &cluster.task {
        group(&format!("task.{name}"), task, flaws);
        if name.contains('.') || !task.exists() {
            let what = "a task group has a name without dots, and a `type`";
            flaws.push(Flaw::error(format!("task.{name}"), what));
        }
    }
    for (path, group, loss) in
        [("primary", primary, "loses the cluster"), ("core", core, "loses data in HDFS")]
    {
        if group.market == Market::Spot {
            let what = format!("a spot node that AWS takes back {loss}");
            let hint = "`task` is the place for spot, where this is not a test";
            flaws.push(Flaw::warning(format!("{path}.market"), what).hint(hint));
        }
    }
    let fixed = core.count + cluster.task.values().map(|task| task.count).sum::<u32>();
    let scaled = match cluster.managed_scaling.unit {
        ScalingUnit::Instances => cluster.managed_scaling.max,
        _ => 0,
    };
    let nodes = fixed.max(scaled);
    if nodes >= MANY_NODES && machines::is_small(&primary.r#type) {
        let what = format!("a primary node of {} leads {nodes} nodes badly", primary.r#type);
        flaws.push(Flaw::warning("primary.type", what).hint("take a bigger one from 50 nodes on"));
    }
}

fn group(path: &str, group: &Group, flaws: &mut Vec<Flaw>) {
    instance_type(&format!("{path}.type"), &group.r#type, flaws);
    price(&format!("{path}.bid_price"), group.bid_price.as_ref(), flaws);
    if group.bid_price.is_some() && group.market == Market::OnDemand {
        let what = "on-demand nodes have no bid price";
        flaws.push(Flaw::error(format!("{path}.bid_price"), what).hint("write `market: spot`"));
    }
    volumes(path, group.ebs.as_deref(), flaws);
}

fn instance_type(path: &str, name: &str, flaws: &mut Vec<Flaw>) {
    flaws.extend(machines::doubt(name).map(|doubt| match doubt {
        Doubt::Newer => Flaw::warning(path, format!("instance type `{name}` is not known here")),
        Doubt::Unknown(near) => {
            let flaw = Flaw::error(path, format!("there is no instance type `{name}` for EMR"));
            match near {
                Some(near) => flaw.hint(format!("did you mean `{near}`?")),
                None => flaw.hint("write family and size, as `m5.xlarge`"),
            }
        }
    }));
}

fn price(path: &str, bid: Option<&Text>, flaws: &mut Vec<Flaw>) {
    let Some(bid) = bid.map(Text::as_str).filter(|bid| !open(bid)) else { return };
    if !bid.parse::<f64>().is_ok_and(|usd| usd > 0.0 && usd.is_finite()) {
        flaws.push(Flaw::error(path, format!("`{bid}` is not a price in USD, as 0.25")));
    }
}

fn volumes(path: &str, volumes: Option<&[Volume]>, flaws: &mut Vec<Flaw>) {
    for (index, volume) in volumes.unwrap_or_default().iter().enumerate() {
        let path = |field: &str| format!("{path}.ebs.{index}.{field}");
        let sort = volume.r#type.as_str();
        if !VOLUMES.contains(&sort) && !open(sort) {
            let what = format!("`{sort}` is not a type of volume: they are {}", VOLUMES.join(", "));
            flaws.push(Flaw::error(path("type"), what));
        }
        if volume.size_gb == 0 || volume.size_gb > 16_384 {
            flaws.push(Flaw::error(path("size_gb"), "a volume has 1 to 16384 GiB"));
        }
        if !(1..=25).contains(&volume.count) {
            flaws.push(Flaw::error(path("count"), "a node has 1 to 25 volumes of a sort"));
        }
        if ["io1", "io2"].contains(&sort) && volume.iops.is_none() {
            flaws.push(Flaw::error(path("iops"), format!("a volume of type {sort} needs `iops`")));
        }
        if volume.iops.is_some() && !["io1", "io2", "gp3"].contains(&sort) && !open(sort) {
            flaws.push(Flaw::error(path("iops"), format!("{sort} takes no `iops`")));
        }
        if volume.throughput.is_some() && sort != "gp3" && !open(sort) {
            flaws.push(Flaw::error(path("throughput"), "only gp3 takes `throughput`"));
        }
    }
}

fn fleets(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    let all = &cluster.fleets;
    let primary = (all.primary.on_demand_capacity, all.primary.spot_capacity);
    if !matches!(primary, (1, 0) | (0, 1)) || !all.primary.exists() {
        let what = "the primary fleet is one node: a capacity of 1, on demand or spot";
        flaws.push(Flaw::error("fleets.primary", what));
    }
    if !all.core.exists() && all.task.exists() {
        flaws.push(Flaw::error("fleets.core", "without core nodes there are no others"));
    }
    if all.core.exists() && all.core.on_demand_capacity + all.core.spot_capacity == 0 {
        flaws.push(Flaw::error("fleets.core", "a core fleet has a capacity of at least 1"));
    }
    for (role, of) in [("primary", &all.primary), ("core", &all.core), ("task", &all.task)] {
        fleet(&format!("fleets.{role}"), of, flaws);
        if role != "task" && of.spot_capacity > 0 {
            let loss = if role == "core" { "loses data in HDFS" } else { "loses the cluster" };
            let what = format!("a spot node that AWS takes back {loss}");
            let hint = "the task fleet is the place for spot, where this is not a test";
            flaws.push(Flaw::warning(format!("fleets.{role}.spot_capacity"), what).hint(hint));
        }
    }
}

fn fleet(path: &str, fleet: &Fleet, flaws: &mut Vec<Flaw>) {
    if !fleet.exists() && fleet.on_demand_capacity + fleet.spot_capacity > 0 {
        let what = "a fleet with a capacity needs instance types to fill it";
        flaws.push(Flaw::error(format!("{path}.types"), what));
    }
    if fleet.types.len() > MAX_FLEET_TYPES {
        let what = format!("a fleet chooses from at most {MAX_FLEET_TYPES} instance types");
        flaws.push(Flaw::error(format!("{path}.types"), what));
    }
    let SpotLaunch { timeout, .. } = fleet.spot;
    if !(300..=86_400).contains(&timeout.seconds) || !timeout.seconds.is_multiple_of(60) {
        let what = "a fleet waits 5 minutes to 24 hours for spot nodes, in whole minutes";
        flaws.push(Flaw::error(format!("{path}.spot.timeout"), what));
    }
    for (name, of) in &fleet.types {
        let path = format!("{path}.types.{name}");
        instance_type(&path, name, flaws);
        price(&format!("{path}.bid_price"), of.bid_price.as_ref(), flaws);
        volumes(&path, of.ebs.as_deref(), flaws);
        if of.weight == 0 {
            flaws.push(Flaw::error(format!("{path}.weight"), "a node counts for 1 unit or more"));
        }
        if of.bid_price.is_some() && of.bid_percent.is_some() {
            let what = "a bid is a price or a percentage, not both";
            flaws.push(Flaw::error(format!("{path}.bid_percent"), what));
        }
    }
}

fn scaling(cluster: &EmrCluster, flaws: &mut Vec<Flaw>) {
    let scaling = &cluster.managed_scaling;
    if !scaling.is_on() {
        if scaling.min > 0 {
            flaws.push(Flaw::error("managed_scaling.max", "managed scaling needs a `max`"));
        }
        return;
    }
    if !(1..=scaling.max).contains(&scaling.min) {
        let what = format!("`min` is 1 to `max`, which is {}", scaling.max);
        flaws.push(Flaw::error("managed_scaling.min", what));
    }
    for (field, limit) in [("max_on_demand", scaling.max_on_demand), ("max_core", scaling.max_core)]
    {
        if limit > scaling.max {
            let what = format!("`{field}` is at most `max`, which is {}", scaling.max);
            flaws.push(Flaw::error(format!("managed_scaling.{field}"), what));
        }
    }
    if (scaling.unit == ScalingUnit::InstanceFleetUnits) != cluster.uses_fleets() {
        let what = "fleets are scaled by `instance-fleet-units`, groups by `instances` or `vcpu`";
        flaws.push(Flaw::error("managed_scaling.unit", what));
    }
    if cluster.autoscaling_role != NONE {
        let what = "a cluster with managed scaling takes no scaling policies of its groups";
        flaws.push(Flaw::error("autoscaling_role", what));
    }
}
