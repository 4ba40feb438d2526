//! The pure parts, fed with what AWS answers and no emulator shows.

mod life;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_emr::primitives::DateTime;
use aws_sdk_emr::types::{
    Application, AutoTerminationPolicy, Cluster, ComputeLimits, ComputeLimitsUnitType,
    Configuration, EbsBlockDevice, Ec2InstanceAttributes, InstanceFleet,
    InstanceFleetProvisioningSpecifications, InstanceFleetType, InstanceGroup, InstanceGroupStatus,
    InstanceGroupTimeline, InstanceGroupType, InstanceTypeSpecification, ManagedScalingPolicy,
    MarketType, SpotProvisioningAllocationStrategy, SpotProvisioningSpecification,
    SpotProvisioningTimeoutAction, VolumeSpecification,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::canned::Scripted;
use crate::cloud::Class;
use crate::kind::{Live, Name, Outputs, Owner, Phase, Place};
use crate::plan::diff::{Diff, Effect, diff};

use super::change::{Resizing, resizing, update};
use super::read::{self, Details};
use super::spec::EmrCluster;
use super::write;
use super::{Resource, reconcile};

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// The flagship's cluster, with some fields otherwise; `null` takes one out.
fn written(otherwise: Value) -> EmrCluster {
    let mut spec = json!({
        "name": "clicks", "release": "emr-7.5.0", "applications": ["spark", "Hadoop"],
        "service_role": "arn:aws:iam::123456789012:role/emr", "instance_profile": "nodes",
        "primary": {"type": "m5.xlarge"},
        "core": {"type": "m5.large", "count": 2, "market": "spot"},
        "idle_timeout": "14400s", "log_uri": "s3://lake/logs",
        "configurations": {"spark-defaults": {"properties": {"spark.sql.adaptive.enabled": true}}},
    });
    merge(&mut spec, otherwise);
    EmrCluster::deserialize(&spec).unwrap_or_else(|error| panic!("{error}: {spec}"))
}

fn volume(sort: &str, size: i32, iops: i32) -> EbsBlockDevice {
    let volume = VolumeSpecification::builder().volume_type(sort).size_in_gb(size).iops(iops);
    EbsBlockDevice::builder().device("/dev/sdb").volume_specification(volume.build()).build()
}

fn group(role: InstanceGroupType, name: &str, sort: &str, count: i32) -> InstanceGroup {
    let spot = role == InstanceGroupType::Core;
    InstanceGroup::builder()
        .id(format!("ig-{name}-{count}"))
        .name(name)
        .instance_group_type(role)
        .instance_type(sort)
        .market(if spot { MarketType::Spot } else { MarketType::OnDemand })
        .requested_instance_count(count)
        .running_instance_count(0)
        .set_ebs_block_devices(Some(vec![volume("gp2", 32, 0), volume("gp2", 32, 0)]))
        .build()
}

fn task(name: &str, sort: &str, count: i32, made: i64) -> InstanceGroup {
    let timeline = InstanceGroupTimeline::builder().creation_date_time(DateTime::from_secs(made));
    let mut group = group(InstanceGroupType::Task, name, sort, count);
    group.status = Some(InstanceGroupStatus::builder().timeline(timeline.build()).build());
    group
}

/// The flagship's cluster as AWS tells it, with all that AWS fills in.
fn cluster() -> Cluster {
    let settings = Configuration::builder()
        .classification("spark-defaults")
        .properties("spark.sql.adaptive.enabled", "true")
        .set_configurations(Some(Vec::new()));
    let ec2 = Ec2InstanceAttributes::builder()
        .iam_instance_profile("arn:aws:iam::123456789012:instance-profile/nodes")
        .ec2_subnet_id("subnet-default")
        .emr_managed_master_security_group("sg-1")
        .emr_managed_slave_security_group("sg-2");
    Cluster::builder()
        .id("j-2AXXXXXXGAPLF")
        .name("clicks")
        .release_label("emr-7.5.0")
        .applications(Application::builder().name("Hadoop").version("3.4.0").build())
        .applications(Application::builder().name("Spark").version("3.5.2").build())
        .service_role("emr")
        .ec2_instance_attributes(ec2.build())
        .log_uri("s3n://lake/logs/")
        .configurations(settings.build())
        .auto_terminate(false)
        .os_release_label("2023.6.20250218.2")
        .ebs_root_volume_size(15)
        .unhealthy_node_replacement(true)
        .build()
}

fn details() -> Details {
    Details {
        groups: vec![
            group(InstanceGroupType::Master, "primary", "m5.xlarge", 1),
            group(InstanceGroupType::Core, "core", "m5.large", 2),
        ],
        idle: Some(AutoTerminationPolicy::builder().idle_timeout(14_400).build()),
        ..Details::default()
    }
}

fn live(cluster: &Cluster, details: &Details) -> EmrCluster {
    read::spec(&Name::new("clicks"), cluster, details)
}

fn compare(desired: &EmrCluster, live: &EmrCluster) -> Diff {
    let mut live = live.clone();
    reconcile::reconcile(desired, &mut live);
    let value = |spec: &EmrCluster| serde_json::to_value(spec).expect("plain data");
    diff(&value(desired), &value(&live), EmrCluster::RULES)
}

#[test]
fn what_aws_fills_in_is_no_difference() {
    assert_eq!(compare(&written(json!({})), &live(&cluster(), &details())), Diff::default());
}

#[test]
fn reading_a_spec_again_changes_nothing() {
    for spec in [
        json!({}),
        json!({"managed_scaling": {"min": 1, "max": 9}, "task": {"a": {"type": "m5.xlarge"}}}),
        json!({"primary": null, "core": null, "fleets": {"primary": {"on_demand_capacity": 1,
               "types": {"m5.xlarge": {"ebs": [{"type": "gp3", "size_gb": 9}]}}}}}),
    ] {
        let once = serde_json::to_value(written(spec)).expect("plain data");
        let again = EmrCluster::deserialize(&once).expect("reads its own words");
        assert_eq!(serde_json::to_value(again).expect("plain data"), once);
    }
}

#[test]
fn a_change_is_made_in_place_where_emr_can_and_else_replaces() {
    use Effect::{Replace, Update};
    for (otherwise, path, effect) in [
        (json!({"core": {"count": 5}}), "core.count", Update),
        (json!({"core": {"type": "m5.xlarge"}}), "core.type", Replace),
        (json!({"core": {"market": "on-demand"}}), "core.market", Replace),
        (json!({"core": null}), "core.count", Update),
        (json!({"primary": {"type": "m5.2xlarge"}}), "primary.type", Replace),
        (json!({"primary": {"count": 3}}), "primary.count", Replace),
        (json!({"task": {"t": {"type": "m5.xlarge"}}}), "task.t", Update),
        (json!({"idle_timeout": "1h"}), "idle_timeout", Update),
        (json!({"idle_timeout": null}), "idle_timeout", Update),
        (json!({"terminate_after_steps": true}), "terminate_after_steps", Update),
        (json!({"managed_scaling": {"min": 1, "max": 4}}), "managed_scaling.max", Update),
        (json!({"termination_protection": true}), "termination_protection", Update),
        (json!({"step_concurrency": 4}), "step_concurrency", Update),
        (json!({"unhealthy_node_replacement": false}), "unhealthy_node_replacement", Update),
        (json!({"tags": {"team": "data"}}), "tags.team", Update),
        (json!({"release": "emr-7.6.0"}), "release", Replace),
        (json!({"applications": ["Spark", "Hive"]}), "applications", Replace),
        (json!({"log_uri": "s3://lake/other"}), "log_uri", Replace),
        (json!({"service_role": "other"}), "service_role", Replace),
        (json!({"subnets": ["subnet-1"]}), "subnets.0", Replace),
        (json!({"security_configuration": "s"}), "security_configuration", Replace),
        (json!({"root_volume": {"size_gb": 50}}), "root_volume.size_gb", Replace),
    ] {
        let found = compare(&written(otherwise.clone()), &live(&cluster(), &details()));
        let change = found.0.iter().find(|change| change.path == path);
        assert_eq!(change.map(|c| c.effect), Some(effect), "{otherwise}: {:?}", found.paths());
    }
    let without_core = compare(&written(json!({"core": null})), &live(&cluster(), &details()));
    assert!(without_core.replaces(), "core nodes cannot all go");
}

#[test]
fn volumes_are_counted_together() {
    let ebs = |volumes: Value| written(json!({"core": {"ebs": volumes}}));
    let mut answer = details();
    answer.groups[1].ebs_block_devices =
        Some(vec![volume("gp3", 100, 3000), volume("gp2", 32, 0), volume("gp3", 100, 3000)]);
    let found = live(&cluster(), &answer);
    for (declared, differs) in [
        (json!(null), false),
        (
            json!([{"type": "gp3", "size_gb": 100, "count": 2}, {"type": "gp2", "size_gb": 32}]),
            false,
        ),
        (
            json!([{"type": "gp2", "size_gb": 32}, {"type": "gp3", "size_gb": 100, "iops": 3000},
                   {"type": "gp3", "size_gb": 100, "iops": 3000}]),
            false,
        ),
        (json!([{"type": "gp3", "size_gb": 100, "count": 2}]), true),
        (
            json!([{"type": "gp3", "size_gb": 100, "count": 3}, {"type": "gp2", "size_gb": 32}]),
            true,
        ),
    ] {
        let found = compare(&ebs(declared.clone()), &found);
        assert_eq!(found.replaces(), differs, "{declared}: {found:?}");
    }
}

#[test]
fn managed_scaling_governs_the_counts() {
    let policy = |limits: aws_sdk_emr::types::builders::ComputeLimitsBuilder| {
        Some(ManagedScalingPolicy::builder().compute_limits(limits.build()).build())
    };
    let limits = ComputeLimits::builder()
        .unit_type(ComputeLimitsUnitType::Instances)
        .minimum_capacity_units(2)
        .maximum_capacity_units(10);
    let mut answer = details();
    answer.scaling = policy(limits.clone());
    answer.groups[1].requested_instance_count = Some(9);
    let scaled = live(&cluster(), &answer);
    let scaling = json!({"min": 2, "max": 10});
    assert!(compare(&written(json!({"managed_scaling": scaling})), &scaled).is_empty());

    let spot_only = json!({"managed_scaling": {"min": 2, "max": 10, "max_on_demand": 0}});
    let found = compare(&written(spot_only.clone()), &scaled);
    assert_eq!(found.paths(), ["managed_scaling.max_on_demand"]);
    answer.scaling = policy(limits.maximum_on_demand_capacity_units(0));
    assert!(compare(&written(spot_only), &live(&cluster(), &answer)).is_empty());

    let fixed = compare(&written(json!({})), &scaled);
    assert!(fixed.touches("managed_scaling.max") && fixed.touches("core.count"));
}

#[test]
fn keeping_alive_reads_back_inverted_and_is_always_said() {
    let mut answer = cluster();
    answer.auto_terminate = Some(true);
    assert!(live(&answer, &details()).terminate_after_steps);
    for (ends, keep) in [(false, true), (true, false)] {
        let config = write::instances(&written(json!({"terminate_after_steps": ends})));
        assert_eq!(config.keep_job_flow_alive_when_no_steps(), Some(keep));
    }
}

#[test]
fn configurations_of_one_meaning_do_not_differ() {
    let export = Configuration::builder().classification("export").properties("A", "512").build();
    let env = Configuration::builder().classification("spark-env").configurations(export);
    let site = |key: &str| {
        Configuration::builder().classification("core-site").properties(key, "false").build()
    };
    let mut answer = cluster();
    answer.configurations = Some(vec![site("b"), env.build(), site("a")]);
    let desired = written(json!({"configurations": {
        "spark-defaults": null,
        "core-site": {"properties": {"a": false, "b": "false"}},
        "spark-env": {"configurations": {"export": {"properties": {"A": 512}}}},
    }}));
    assert!(compare(&desired, &live(&answer, &details())).is_empty());
    answer.configurations = Some(vec![site("b"), site("a")]);
    let found = compare(&desired, &live(&answer, &details()));
    assert_eq!((found.paths(), found.replaces()), (vec!["configurations.spark-env".into()], true));
}

fn fleet(role: InstanceFleetType, on_demand: i32, spot: i32, strategy: &str) -> InstanceFleet {
    let strategy = SpotProvisioningAllocationStrategy::from(strategy);
    let launch = SpotProvisioningSpecification::builder()
        .timeout_duration_minutes(60)
        .timeout_action(SpotProvisioningTimeoutAction::SwitchToOnDemand)
        .allocation_strategy(strategy);
    let launch = InstanceFleetProvisioningSpecifications::builder()
        .spot_specification(launch.build())
        .build();
    let of = InstanceTypeSpecification::builder()
        .instance_type("m5.xlarge")
        .bid_price_as_percentage_of_on_demand_price(100.0);
    InstanceFleet::builder()
        .id(format!("if-{}", role.as_str()))
        .instance_fleet_type(role)
        .target_on_demand_capacity(on_demand)
        .target_spot_capacity(spot)
        .instance_type_specifications(of.build())
        .launch_specifications(launch)
        .build()
}

fn fleets(otherwise: Value) -> EmrCluster {
    let mut fleets = json!({
        "primary": {"on_demand_capacity": 1, "types": {"m5.xlarge": {}}},
        "core": {"spot_capacity": 4, "types": {"m5.xlarge": {}}},
    });
    merge(&mut fleets, otherwise);
    written(json!({"primary": null, "core": null, "fleets": fleets}))
}

fn of_fleets(more: Option<InstanceFleet>) -> EmrCluster {
    let mut all = vec![
        fleet(InstanceFleetType::Master, 1, 0, "capacity-optimized"),
        fleet(InstanceFleetType::Core, 0, 4, "CAPACITY_OPTIMIZED"),
    ];
    all.extend(more);
    live(&cluster(), &Details { groups: Vec::new(), fleets: all, ..details() })
}

#[test]
fn fleets_are_compared_with_their_defaults() {
    let capacity_of_core = fleets(json!({"core": {"spot_capacity": 6}}));
    let types_of_core = fleets(json!({"core": {"types": {"r5.xlarge": {"weight": 2}}}}));
    let launch_of_core = fleets(json!({"core": {"spot": {"timeout": "10m"}}}));
    let task = json!({"task": {"spot_capacity": 2, "types": {"c5.xlarge": {}},
                      "spot": {"timeout": "20m"}}});
    let idle_task = || Some(fleet(InstanceFleetType::Task, 0, 0, "diversified"));
    let busy_task = || Some(fleet(InstanceFleetType::Task, 0, 3, "diversified"));
    for (case, desired, live, paths, replaces) in [
        ("the same", fleets(json!({})), of_fleets(None), vec![], false),
        ("capacity", capacity_of_core, of_fleets(None), vec!["fleets.core.spot_capacity"], false),
        ("types", types_of_core, of_fleets(None), vec!["fleets.core.types.r5.xlarge"], false),
        ("launch", launch_of_core, of_fleets(None), vec!["fleets.core.spot.timeout"], true),
        (
            "a task fleet to come",
            fleets(task),
            of_fleets(None),
            vec!["fleets.task.spot_capacity", "fleets.task.types.c5.xlarge"],
            false,
        ),
        (
            "a task fleet to be emptied",
            fleets(json!({})),
            of_fleets(busy_task()),
            vec!["fleets.task.spot_capacity"],
            false,
        ),
        ("an empty task fleet", fleets(json!({})), of_fleets(idle_task()), vec![], false),
    ] {
        let found = compare(&desired, &live);
        assert_eq!((found.paths(), found.replaces()), (to_owned(&paths), replaces), "{case}");
    }
    assert!(compare(&written(json!({})), &of_fleets(None)).replaces(), "groups are not fleets");
    let groups = live(&cluster(), &details());
    assert!(compare(&fleets(json!({})), &groups).replaces(), "fleets are not groups");
    let primary_alone = live(
        &cluster(),
        &Details {
            groups: Vec::new(),
            fleets: vec![fleet(InstanceFleetType::Master, 1, 0, "capacity-optimized")],
            ..details()
        },
    );
    assert!(compare(&fleets(json!({})), &primary_alone).replaces(), "no core fleet is added");
}

fn to_owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn a_task_group_that_cannot_change_is_emptied_and_its_successor_added() {
    let want = |count: u32| json!({"task": {"t": {"type": "m5.2xlarge", "count": count}}});
    let size = |name: &str, size: u32| ([(format!("group.task.{name}"), size)].into(), vec![]);
    let none = || (std::collections::BTreeMap::new(), vec![]);
    let add = || (std::collections::BTreeMap::new(), vec!["t".to_owned()]);
    let old = || task("t", "m5.xlarge", 3, 1);
    let emptied = || task("t", "m5.xlarge", 0, 1);
    for (case, desired, tasks, (sizes, add)) in [
        ("missing", want(2), vec![], add()),
        ("as wanted", want(2), vec![task("t", "m5.2xlarge", 2, 1)], none()),
        ("another size", want(2), vec![task("t", "m5.2xlarge", 5, 1)], size("t", 2)),
        ("empty, to be filled", want(2), vec![task("t", "m5.2xlarge", 0, 1)], size("t", 2)),
        (
            "another type",
            want(2),
            vec![old()],
            ([("group.task.t".into(), 0)].into(), vec!["t".into()]),
        ),
        ("another type, emptied", want(2), vec![emptied()], add()),
        ("its successor runs", want(2), vec![task("t", "m5.2xlarge", 2, 2), emptied()], none()),
        (
            "added twice",
            want(2),
            vec![task("t", "m5.2xlarge", 3, 2), task("t", "m5.2xlarge", 2, 1)],
            size("ig-t-3", 0),
        ),
        ("to be empty", want(0), vec![old()], size("t", 0)),
        ("empty is none", want(0), vec![], none()),
        ("taken out", json!({}), vec![old()], size("t", 0)),
        ("taken out and empty", json!({}), vec![emptied()], none()),
    ] {
        let desired = written(desired);
        let mut answer = details();
        answer.groups.extend(tasks);
        let live = live(&cluster(), &answer);
        let found = compare(&desired, &live);
        assert_eq!(resizing(&desired, &live, &found), Resizing { sizes, add }, "{case}");
        assert!(!found.replaces(), "{case}");
    }
}

#[test]
fn what_the_diff_leaves_out_is_not_touched() {
    let desired = written(json!({"core": {"count": 9}}));
    let live = live(&cluster(), &details());
    let found = compare(&desired, &live);
    let core = [("group.core".to_owned(), 9)].into();
    assert_eq!(resizing(&desired, &live, &found), Resizing { sizes: core, add: vec![] });
    let ignoring = found.ignoring(&["core.count".into()]);
    assert_eq!(resizing(&desired, &live, &ignoring), Resizing::default());
}

#[test]
fn whoever_starts_one_in_our_place_sends_what_we_would() {
    let spark = json!({"properties": {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}});
    let fields = json!({
        "service_role": "${role.arn}", "log_uri": "s3://${lake.name}/logs",
        "configurations": {"spark-env": spark}, "tags": {"pipeline:owner": "a/b/c"},
    });
    let request = write::request(&written(fields.clone())).expect("a request");
    assert_eq!(write::request(&written(fields)).as_ref(), Some(&request));
    let request: Value = serde_json::from_str(&request).expect("JSON");
    for (field, value) in [
        ("/Name", json!("clicks")),
        ("/ServiceRole", json!("${role.arn}")),
        ("/LogUri", json!("s3://${lake.name}/logs")),
        ("/Instances/KeepJobFlowAliveWhenNoSteps", json!(true)),
        ("/Instances/InstanceGroups/1/InstanceCount", json!(2)),
        ("/AutoTerminationPolicy/IdleTimeout", json!(14400)),
        ("/Tags", json!([{"Key": "pipeline:owner", "Value": "a/b/c"}])),
    ] {
        assert_eq!(request.pointer(field), Some(&value), "{field}");
    }
}

#[test]
fn a_limit_of_zero_is_sent() {
    let spec = written(json!({"managed_scaling": {"min": 1, "max": 4, "max_on_demand": 0}}));
    let policy = write::scaling(&spec.managed_scaling).expect("it is on");
    let limits = policy.compute_limits().expect("it has limits");
    assert_eq!(limits.maximum_on_demand_capacity_units(), Some(0));
    assert_eq!(limits.maximum_core_capacity_units(), Some(4));
    assert_eq!(write::scaling(&written(json!({})).managed_scaling), None);
}

#[test]
fn a_role_must_be_thirty_seconds_old() {
    for (age, told) in [(0, true), (29, true), (30, false), (9999, false), (-5, true), (-90, false)]
    {
        let fault = write::unripe("role `emr`", age);
        assert_eq!(fault.as_ref().map(|f| f.class), told.then_some(Class::NotYet), "{age}");
        assert!(fault.is_none_or(|fault| fault.message.contains("EMR needs it to be 30")));
    }
}

/// EMR has no token for it, and lists a new group late.
#[tokio::test(start_paused = true)]
async fn what_adds_another_one_each_time_is_sent_once_and_its_lost_answer_told() {
    let place = Place {
        partition: "aws".into(),
        account: "1".into(),
        region: "eu-west-1".into(),
        owner: Owner::new("shop", "dev", "eu-west-1"),
    };
    let sent = Arc::new(AtomicU32::new(0));
    let heard = sent.clone();
    let aws = Scripted::aws(place, move |operation, _| {
        assert_eq!(operation, "AddInstanceGroups");
        heard.fetch_add(1, Ordering::Relaxed);
        Err("RequestTimeout")
    });
    let more = json!({"task": {"spot": {"type": "m5.xlarge", "count": 1}}});
    let (desired, there) = (written(more), written(json!({})));
    let differs = compare(&desired, &there);
    let outputs = Outputs::from([("cluster_id".into(), "j-1".into())]);
    let live = Live { spec: there, outputs, phase: Phase::Ready };
    let fault = update(&desired, &aws, &live, &differs).await.expect_err("it is refused");
    assert_eq!(fault.class, Class::Unheard);
    assert_eq!(sent.load(Ordering::Relaxed), 1);
}
