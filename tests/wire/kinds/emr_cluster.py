"""`emr-cluster`: the roles are names that IAM does not know, so that nothing waits for them to ripen."""

import time
from collections.abc import Callable

from case import OTHER_TAGS, TAGS, Aws, Case, Change, change, make_bucket, pairs
from case import tag_changes, without

KIND = "emr-cluster"
FIXED = "EMR fixes it when the cluster is made"
OURS = "it is not EMR's"
UNWRITTEN = {"terminate_after_steps": "a cluster without steps would end as soon as it is there"}
UNREACHABLE = {
    **dict.fromkeys(
        [
            *("name", "release", "applications", "service_role", "instance_profile"),
            *("autoscaling_role", "primary", "core.type", "core.market", "core.bid_price"),
            *("core.ebs", "fleets.primary", "fleets.core.spot", "fleets.core.on_demand"),
            *("fleets.task.spot", "fleets.task.on_demand", "configurations"),
            *("bootstrap_actions", "security_configuration", "log_uri", "log_key", "subnets"),
            *("key_pair", "security_groups", "scale_down", "root_volume", "custom_ami"),
            *("os_release", "kerberos"),
        ],
        FIXED,
    ),
    "lifecycle": OURS,
    "task.*.type": "the nodes of a group stay as they are; a group that comes shows whole",
    "task.*.market": "as above",
    "task.*.bid_price": "as above",
    "task.*.ebs": "as above",
}
SETTLED = {
    **{field: why for field, why in UNREACHABLE.items() if why == FIXED},
    "lifecycle": OURS,
}
ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
VOLATILE = ("Id", "ClusterArn", "Status", "Timeline", "NormalizedInstanceHours", "ResponseMetadata")
GROUPS, SCALED, CORE, TASK = "wire-groups", "wire-scaled", "wire-core", "wire-task"
SCRIPTS = "wire-emr-scripts"


def _id(aws: Aws, name: str) -> str:
    listed = aws.emr.list_clusters(ClusterStates=ALIVE)["Clusters"]
    return next(each["Id"] for each in listed if each["Name"] == name)


def _groups(aws: Aws, name: str) -> list[dict]:
    """A group cannot be deleted, so one without nodes is none."""
    groups = aws.emr.list_instance_groups(ClusterId=_id(aws, name))["InstanceGroups"]
    return [group for group in groups if group["RequestedInstanceCount"] > 0]


def _fleets(aws: Aws, name: str) -> list[dict]:
    return aws.emr.list_instance_fleets(ClusterId=_id(aws, name))["InstanceFleets"]


def _look(name: str):
    def look(aws: Aws):
        cluster = {"ClusterId": _id(aws, name)}
        told = {
            "cluster": aws.emr.describe_cluster(**cluster)["Cluster"],
            "actions": aws.emr.list_bootstrap_actions(**cluster)["BootstrapActions"],
            "scaling": aws.emr.get_managed_scaling_policy(**cluster),
            "idle": aws.emr.get_auto_termination_policy(**cluster),
            "nodes": _fleets(aws, name) if name in (CORE, TASK) else _groups(aws, name),
        }
        moving = ("RunningInstanceCount", "ProvisionedOnDemandCapacity", "ProvisionedSpotCapacity")
        return without(told, *VOLATILE, *moving)

    return look


def _delete(name: str):
    def delete(aws: Aws) -> None:
        cluster = _id(aws, name)
        aws.emr.terminate_job_flows(JobFlowIds=[cluster])
        _until(lambda: _state(aws, cluster) == "TERMINATED")

    return delete


def _state(aws: Aws, cluster: str) -> str:
    return aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"]


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if holds():
            return
        time.sleep(0.1)
    raise TimeoutError("the cluster did not get there")


def _of(name: str, operation: str, key: str = "ClusterId", **sent) -> Callable[[Aws], object]:
    def make(aws: Aws) -> None:
        id = _id(aws, name)
        cluster = {key: [id] if key == "JobFlowIds" else id}
        getattr(aws.emr, operation)(**cluster, **sent)

    return make


def _switch(name: str, operation: str, **sent) -> Callable[[Aws], object]:
    return _of(name, operation, "JobFlowIds", **sent)


def _busy(aws: Aws) -> None:
    """A cluster that has nothing to do would end at once, so it has: for longer than this takes."""
    body = b"import time\ntime.sleep(300)\n"
    aws.s3.put_object(Bucket=SCRIPTS, Key="wait.py", Body=body)
    args = ["spark-submit", f"s3://{SCRIPTS}/wait.py"]
    step = {"Name": "wait", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": args}}
    cluster = _id(aws, GROUPS)
    aws.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step])
    aws.emr.set_keep_job_flow_alive_when_no_steps(
        JobFlowIds=[cluster], KeepJobFlowAliveWhenNoSteps=False
    )


def _idle(aws: Aws) -> None:
    cluster = _id(aws, GROUPS)
    steps = [step["Id"] for step in aws.emr.list_steps(ClusterId=cluster)["Steps"]]
    aws.emr.cancel_steps(ClusterId=cluster, StepIds=steps)
    _until(lambda: _state(aws, cluster) == "WAITING")


def _resize(name: str, count: int) -> Callable[[Aws], object]:
    def make(aws: Aws) -> None:
        group = next(one for one in _groups(aws, GROUPS) if one["Name"] == name)
        sent = {"InstanceGroupId": group["Id"], "InstanceCount": count}
        aws.emr.modify_instance_groups(ClusterId=_id(aws, GROUPS), InstanceGroups=[sent])
        _until(lambda: _all_run(_groups(aws, GROUPS)))

    return make


def _all_run(nodes: list[dict]) -> bool:
    return all(each["Status"]["State"] == "RUNNING" for each in nodes)


def _another_group(aws: Aws) -> None:
    group = {"Name": "intruder", "InstanceRole": "TASK", "InstanceType": "m5.xlarge"}
    groups = [{**group, "InstanceCount": 1}]
    aws.emr.add_instance_groups(JobFlowId=_id(aws, GROUPS), InstanceGroups=groups)
    _until(lambda: _all_run(_groups(aws, GROUPS)))


def _tag(aws: Aws, tags: dict) -> None:
    aws.emr.add_tags(ResourceId=_id(aws, GROUPS), Tags=pairs(tags))


def _untag(aws: Aws, keys: list) -> None:
    aws.emr.remove_tags(ResourceId=_id(aws, GROUPS), TagKeys=keys)


def _limits(*paths: str, **sent) -> Change:
    @change(*(f"managed_scaling.{path}" for path in paths))
    def make(aws: Aws) -> None:
        cluster = {"ClusterId": _id(aws, SCALED)}
        policy = aws.emr.get_managed_scaling_policy(**cluster)["ManagedScalingPolicy"]
        policy["ComputeLimits"].update(sent)
        aws.emr.put_managed_scaling_policy(**cluster, ManagedScalingPolicy=policy)

    return make


def _fleet(name: str, role: str, *paths: str, **targets) -> Change:
    @change(*(f"fleets.{role}.{path}" for path in paths))
    def make(aws: Aws) -> None:
        fleet = next(one for one in _fleets(aws, name) if one["Name"] == role)
        held = {key: fleet[key] for key in ("TargetOnDemandCapacity", "TargetSpotCapacity")}
        sent = {"InstanceFleetId": fleet["Id"], **held, **targets}
        aws.emr.modify_instance_fleet(ClusterId=_id(aws, name), InstanceFleet=sent)
        _until(lambda: _all_run(_fleets(aws, name)))

    return make


def _types(name: str, role: str, *paths: str):
    """A change of the types of a fleet, by a function that is handed them by their names."""

    def decorate(edit: Callable[[dict], object]) -> Change:
        @change(*(f"fleets.{role}.types.{path}" for path in paths))
        def make(aws: Aws) -> None:
            fleet = next(one for one in _fleets(aws, name) if one["Name"] == role)
            types = {of["InstanceType"]: _config(of) for of in fleet["InstanceTypeSpecifications"]}
            edit(types)
            sent = {"InstanceFleetId": fleet["Id"], "InstanceTypeConfigs": list(types.values())}
            aws.emr.modify_instance_fleet(ClusterId=_id(aws, name), InstanceFleet=sent)

        return make

    return decorate


def _config(of: dict) -> dict:
    """What is told of a type, as it is asked for; its equal volumes one by one."""
    keys = ("InstanceType", "WeightedCapacity", "BidPrice", "Priority")
    percent = "BidPriceAsPercentageOfOnDemandPrice"
    config = {key: of[key] for key in (*keys, percent) if key in of}
    volumes = [
        {"VolumeSpecification": device["VolumeSpecification"], "VolumesPerInstance": 1}
        for device in of["EbsBlockDevices"]
    ]
    config["EbsConfiguration"] = {"EbsBlockDeviceConfigs": volumes}
    return config


def _volumes(**fields) -> Callable[[dict], object]:
    """Of the big type, every volume."""

    def edit(types: dict) -> None:
        for volume in types[BIG]["EbsConfiguration"]["EbsBlockDeviceConfigs"]:
            volume["VolumeSpecification"].update(fields)

    return edit


def _fewer_volumes(types: dict) -> None:
    types[BIG]["EbsConfiguration"]["EbsBlockDeviceConfigs"].pop()


SMALL, BIG = "m5.xlarge", "m5.2xlarge"
VOLUME = {"type": "gp3", "size_gb": 64, "count": 2, "iops": 4000, "throughput": 250}
TYPES = {
    SMALL: {"weight": 1, "bid_price": "0.25", "ebs": [VOLUME]},
    BIG: {"weight": 2, "bid_percent": 80, "priority": 1, "ebs": [VOLUME]},
}
OTHER_VOLUME = {"type": "io1", "size_gb": 32, "count": 1, "iops": 1000}
OTHER_TYPES = {
    SMALL: {"weight": 3, "bid_percent": 50, "priority": 4, "ebs": [OTHER_VOLUME]},
    BIG: {"weight": 5, "bid_price": "0.5", "ebs": [{**VOLUME, "throughput": 300}]},
}
FLEET = {
    "on_demand_capacity": 4,
    "spot_capacity": 6,
    "types": TYPES,
    "spot": {
        "timeout": "10m",
        "timeout_action": "terminate-cluster",
        "allocation_strategy": "diversified",
    },
    "on_demand": {"allocation_strategy": "prioritized"},
}
OTHER_FLEET = {**FLEET, "on_demand_capacity": 5, "spot_capacity": 3, "types": OTHER_TYPES}
ALL_FLEETS = {
    "primary": {**FLEET, "on_demand_capacity": 0, "spot_capacity": 1},
    "core": FLEET,
    "task": FLEET,
}
BASE = {
    "kind": KIND,
    "release": "emr-7.5.0",
    "service_role": "wire-service",
    "instance_profile": "wire-nodes",
    "lifecycle": "persistent",
}


def _fleet_changes(name: str, role: str) -> list[Change]:
    return [
        _fleet(name, role, "on_demand_capacity", TargetOnDemandCapacity=7),
        _fleet(name, role, "spot_capacity", TargetSpotCapacity=2),
        _types(name, role, f"{SMALL}.weight")(lambda types: types[SMALL].update(WeightedCapacity=4)),
        _types(name, role, f"{SMALL}.bid_price")(lambda types: types[SMALL].update(BidPrice="0.9")),
        _types(name, role, f"{BIG}.bid_percent")(
            lambda types: types[BIG].update(BidPriceAsPercentageOfOnDemandPrice=10.0)
        ),
        _types(name, role, f"{BIG}.priority")(lambda types: types[BIG].update(Priority=9.0)),
        _types(name, role, f"{BIG}.ebs.0.count")(_fewer_volumes),
        _types(name, role, f"{BIG}.ebs.0.size_gb")(_volumes(SizeInGB=65)),
        _types(name, role, f"{BIG}.ebs.0.iops")(_volumes(Iops=5000)),
        _types(name, role, f"{BIG}.ebs.0.throughput")(_volumes(Throughput=300)),
        _types(name, role, f"{BIG}.ebs.0.type")(_volumes(VolumeType="io2")),
        _types(name, role, SMALL)(lambda types: types.pop(SMALL)),
        _types(name, role, "r5.xlarge")(
            lambda types: types.update({"r5.xlarge": {"InstanceType": "r5.xlarge"}})
        ),
    ]


def _fleet_case(label: str, name: str, role: str) -> Case:
    """EMR is called four times a second, so the fleets of one cluster would take twice as long."""
    return Case(
        label,
        slow=True,
        resources={"subject": {**BASE, "name": name, "fleets": ALL_FLEETS}},
        other={"fleets": {**ALL_FLEETS, role: OTHER_FLEET}},
        changes=_fleet_changes(name, role),
        look=_look(name),
        delete=_delete(name),
    )


CASES = [
    Case(
        "groups",
        slow=True,
        resources={
            "subject": {
                **BASE,
                "name": GROUPS,
                "applications": ["Spark", "Hive"],
                "idle_timeout": "4h",
                "autoscaling_role": "wire-scaling",
                "primary": {
                    "type": "m5.xlarge",
                    "market": "spot",
                    "bid_price": "0.3",
                    "ebs": [VOLUME],
                },
                "core": {
                    "type": "m5.2xlarge",
                    "count": 2,
                    "market": "spot",
                    "bid_price": "0.6",
                    "ebs": [VOLUME],
                },
                "task": {
                    "spot": {
                        "type": "c5.xlarge",
                        "count": 3,
                        "market": "spot",
                        "bid_price": "0.2",
                        "ebs": [VOLUME],
                    },
                    "more": {"type": "c5.2xlarge"},
                },
                "configurations": {
                    "spark-defaults": {"properties": {"spark.executor.memory": "2g"}},
                    "spark-env": {
                        "configurations": {"export": {"properties": {"PYSPARK_PYTHON": "python3"}}}
                    },
                },
                "bootstrap_actions": [
                    {"name": "one", "path": "s3://wire/one.sh", "args": ["a", "b"]},
                    {"name": "two", "path": "s3://wire/two.sh"},
                ],
                "security_configuration": "wire",
                "step_concurrency": 5,
                "log_uri": "s3://wire-logs/emr/",
                "log_key": "arn:aws:kms:eu-west-1:${account}:key/wire",
                "subnets": ["subnet-0123456789abcdef0"],
                "key_pair": "wire",
                "security_groups": {
                    "primary": "sg-1",
                    "core": "sg-2",
                    "service_access": "sg-3",
                    "additional_primary": ["sg-4", "sg-5"],
                    "additional_core": ["sg-6"],
                },
                "scale_down": "instance-hour",
                "unhealthy_node_replacement": True,
                "root_volume": {"size_gb": 40, "iops": 4000, "throughput": 200},
                "custom_ami": "ami-0123456789abcdef0",
                "os_release": "2023.6.20250218.2",
                "kerberos": {
                    "realm": "EC2.INTERNAL",
                    "kdc_admin_password": "one",
                    "cross_realm_trust_password": "two",
                    "ad_domain_join_user": "wire",
                    "ad_domain_join_password": "three",
                },
                "tags": TAGS,
            },
        },
        other={
            "idle_timeout": "none",
            "core": {
                "type": "m5.2xlarge",
                "count": 4,
                "market": "spot",
                "bid_price": "0.6",
                "ebs": [VOLUME],
            },
            "task": {
                "spot": {"type": "c5.2xlarge", "count": 1, "ebs": [OTHER_VOLUME]},
                "new": {"type": "r5.xlarge", "count": 2},
            },
            "step_concurrency": 1,
            "termination_protection": True,
            "unhealthy_node_replacement": False,
            "tags": OTHER_TAGS,
        },
        changes=[
            change("terminate_after_steps", after=_idle)(_busy),
            change("idle_timeout")(
                _of(
                    GROUPS,
                    "put_auto_termination_policy",
                    AutoTerminationPolicy={"IdleTimeout": 7200},
                )
            ),
            change("idle_timeout")(_of(GROUPS, "remove_auto_termination_policy")),
            change("core.count")(_resize("core", 3)),
            change("task.spot.count")(_resize("spot", 1)),
            change("task.more.count")(_resize("more", 0)),
            change("task.intruder")(_another_group),
            change("step_concurrency")(_of(GROUPS, "modify_cluster", StepConcurrencyLevel=9)),
            change("termination_protection")(
                _switch(GROUPS, "set_termination_protection", TerminationProtected=True)
            ),
            change("unhealthy_node_replacement")(
                _switch(GROUPS, "set_unhealthy_node_replacement", UnhealthyNodeReplacement=False)
            ),
            change(*(f"managed_scaling.{f}" for f in ("max", "max_core", "max_on_demand", "min")))(
                _of(
                    GROUPS,
                    "put_managed_scaling_policy",
                    ManagedScalingPolicy={
                        "ComputeLimits": {
                            "UnitType": "Instances",
                            "MinimumCapacityUnits": 2,
                            "MaximumCapacityUnits": 9,
                        }
                    },
                )
            ),
            *tag_changes(_tag, _untag),
        ],
        look=_look(GROUPS),
        before=make_bucket(SCRIPTS),
        delete=_delete(GROUPS),
    ),
    Case(
        "scaled",
        slow=True,
        resources={
            "subject": {
                **BASE,
                "name": SCALED,
                # EMR protects three primary nodes, whatever it is asked for.
                "primary": {"type": "m5.xlarge", "count": 3},
                "core": {"type": "m5.xlarge", "count": 2},
                "managed_scaling": {
                    "unit": "vcpu",
                    "min": 2,
                    "max": 20,
                    "max_on_demand": 10,
                    "max_core": 8,
                },
            },
        },
        other={
            "managed_scaling": {
                "unit": "instances",
                "min": 3,
                "max": 30,
                "max_on_demand": 0,
                "max_core": 9,
            },
        },
        changes=[
            _limits("unit", UnitType="Instances"),
            _limits("min", MinimumCapacityUnits=3),
            _limits("max", MaximumCapacityUnits=25),
            _limits("max_on_demand", MaximumOnDemandCapacityUnits=4),
            _limits("max_core", MaximumCoreCapacityUnits=5),
            change(
                *(f"managed_scaling.{f}" for f in ("max", "max_core", "max_on_demand", "min")),
                "managed_scaling.unit",
            )(_of(SCALED, "remove_managed_scaling_policy")),
        ],
        look=_look(SCALED),
        delete=_delete(SCALED),
    ),
    _fleet_case("core fleet", CORE, "core"),
    _fleet_case("task fleet", TASK, "task"),
]
