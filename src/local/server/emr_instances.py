"""What instance groups and instance fleets have in common: volumes, configurations and states."""

import asyncio

from emr_catalog import check_instance_type, default_volumes
from emr_pace import Pace, spawn
from emr_store import CLOCK, Cluster, cluster_by_id, invalid_request, page

_LISTING = (
    "Instance fleets and instance groups are mutually exclusive. The EMR cluster specified in the request uses {used}. "
    "The {call} operation does not support clusters that use {used}. Use the {other} operation instead."
)


def require_groups(cluster: Cluster) -> None:
    if cluster.uses_fleets:
        raise invalid_request(
            _LISTING.format(used="instance fleets", call="ListInstanceGroups", other="ListInstanceFleets")
        )


def require_fleets(cluster: Cluster) -> None:
    if not cluster.uses_fleets:
        raise invalid_request(
            _LISTING.format(used="instance groups", call="ListInstanceFleets", other="ListInstanceGroups")
        )


def new_status() -> dict:
    return {
        "State": "PROVISIONING",
        "StateChangeReason": {"Message": ""},
        "Timeline": {"CreationDateTime": CLOCK.now()},
    }


def read_volumes(request: dict) -> tuple[list[dict], bool]:
    """One entry for each volume of an instance, and whether it is EBS-optimized."""
    ebs = request.get("EbsConfiguration") or {}
    specs = []
    for config in ebs.get("EbsBlockDeviceConfigs") or []:
        specs += [_volume(config["VolumeSpecification"])] * (config.get("VolumesPerInstance") or 1)
    specs = specs or default_volumes(check_instance_type(request.get("InstanceType")))
    devices = [
        {"VolumeSpecification": dict(spec), "Device": f"/dev/sd{chr(ord('b') + n)}"}
        for n, spec in enumerate(specs)
    ]
    return devices, bool(ebs.get("EbsOptimized"))


def _volume(spec: dict) -> dict:
    if spec.get("VolumeType") == "gp3":
        return {"Iops": 3000, "Throughput": 125, **spec}
    return dict(spec)


def read_configurations(configurations: list[dict] | None) -> list[dict]:
    """Configurations as AWS reads them back: properties always there, nested ones only when there are any."""
    read = []
    for configuration in configurations or []:
        entry = {
            "Classification": configuration.get("Classification"),
            "Properties": configuration.get("Properties") or {},
        }
        if configuration.get("Configurations"):
            entry["Configurations"] = read_configurations(configuration["Configurations"])
        read.append(entry)
    return read


def move_all(cluster: Cluster, state: str) -> None:
    """Moves every group and fleet with its cluster."""
    for collection in cluster.groups + cluster.fleets:
        _move(collection, state)


def _move(collection: dict, state: str) -> None:
    status = collection["Status"]
    status["State"] = state
    if state == "RUNNING":
        status["Timeline"].setdefault("ReadyDateTime", CLOCK.now())
        _provision(collection)
    elif state == "TERMINATED":
        status["Timeline"]["EndDateTime"] = CLOCK.now()
        status["StateChangeReason"] = {"Code": "CLUSTER_TERMINATED", "Message": "Job flow terminated"}
        collection.update({key: 0 for key in collection if key.startswith(("Running", "Provisioned"))})


def _provision(collection: dict) -> None:
    if "RequestedInstanceCount" in collection:
        collection["RunningInstanceCount"] = collection["RequestedInstanceCount"]
    else:
        collection["ProvisionedOnDemandCapacity"] = collection["TargetOnDemandCapacity"]
        collection["ProvisionedSpotCapacity"] = collection["TargetSpotCapacity"]


async def _resize(cluster: Cluster, collection: dict) -> None:
    await asyncio.sleep(Pace.start_seconds / 2)
    if cluster.live:
        _move(collection, "RUNNING")


def change_state(cluster: Cluster, collection: dict, state: str) -> None:
    """Puts a group or fleet into a passing state; soon it has what it is meant to have."""
    collection["Status"]["State"] = state
    spawn(_resize(cluster, collection))


def follow_cluster(cluster: Cluster, collection: dict) -> None:
    """Sets up a group or fleet added later; one added early comes up with its cluster."""
    if cluster.state in ("RUNNING", "WAITING"):
        change_state(cluster, collection, "PROVISIONING")


def list_instances(request: dict) -> dict:
    """One entry for each instance a group has; the instances themselves do not exist here."""
    cluster = cluster_by_id(request.get("ClusterId"))
    wanted = request.get("InstanceGroupId") or request.get("InstanceFleetId")
    roles = request.get("InstanceGroupTypes") or [request.get("InstanceFleetType")]
    found = []
    for collection in cluster.groups + cluster.fleets:
        role = collection.get("InstanceGroupType") or collection["InstanceFleetType"]
        if wanted in (None, collection["Id"]) and (roles == [None] or role in roles):
            found += _instances(collection)
    return page(found, request.get("Marker"), "Instances")


def _instances(collection: dict) -> list[dict]:
    count = collection.get("RunningInstanceCount")
    key, kind = "InstanceGroupId", collection.get("InstanceType")
    if count is None:
        count = collection["ProvisionedOnDemandCapacity"] + collection["ProvisionedSpotCapacity"]
        specs = collection["InstanceTypeSpecifications"]
        key, kind = "InstanceFleetId", specs[0]["InstanceType"] if specs else None
    return [
        {
            "Id": f"ci-{collection['Id'][3:]}{n:03}",
            "Ec2InstanceId": f"i-{int(collection['Id'][3:], 36) % 16**14:014x}{n:03x}",
            "Status": collection["Status"],
            key: collection["Id"],
            "Market": collection.get("Market", "ON_DEMAND"),
            "InstanceType": kind,
            "EbsVolumes": [],
        }
        for n in range(count)
    ]
