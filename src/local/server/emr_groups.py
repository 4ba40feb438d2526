"""Instance groups and instance fleets: what was asked for, and what there is."""

from emr_catalog import check_instance_type
from emr_instances import (
    change_state,
    follow_cluster,
    new_status,
    read_configurations,
    read_volumes,
    require_groups,
)
from emr_store import (
    Cluster,
    cluster_by_id,
    clusters_here,
    invalid_request,
    job_flow_by_id,
    new_id,
    page,
    validation_error,
    without_empty,
)


def new_groups(instances: dict) -> list[dict]:
    """The groups of a new cluster."""
    groups = [_new_group(group) for group in instances.get("InstanceGroups") or _short_form(instances)]
    _check_primary_group(groups)
    return groups


def _short_form(instances: dict) -> list[dict]:
    """MasterInstanceType, SlaveInstanceType and InstanceCount, as groups."""
    count = instances.get("InstanceCount") or 1
    groups = [
        {"InstanceRole": "MASTER", "InstanceType": instances.get("MasterInstanceType"), "InstanceCount": 1}
    ]
    if count > 1:
        core = instances.get("SlaveInstanceType") or instances.get("MasterInstanceType")
        groups.append({"InstanceRole": "CORE", "InstanceType": core, "InstanceCount": count - 1})
    return groups


def _check_primary_group(groups: list[dict]) -> None:
    primary = [group for group in groups if group["InstanceGroupType"] == "MASTER"]
    if len(primary) != 1:
        raise validation_error("A job flow must have exactly one master instance group.")
    if primary[0]["RequestedInstanceCount"] not in (1, 3):
        raise validation_error(
            "The master instance group must have exactly 1 instance, or 3 for high availability."
        )


def _new_group(request: dict) -> dict:
    role = request.get("InstanceRole")
    if role not in ("MASTER", "CORE", "TASK"):
        raise validation_error(f"Instance role '{role}' is not valid.")
    count = request.get("InstanceCount")
    if not isinstance(count, int) or count < (0 if role == "TASK" else 1):
        raise validation_error("Specified instance group must have at least one instance.")
    volumes, optimized = read_volumes(request)
    configurations = read_configurations(request.get("Configurations"))
    return without_empty(
        {
            "Id": new_id("ig"),
            "Name": request.get("Name"),
            "Market": request.get("Market") or "ON_DEMAND",
            "InstanceGroupType": role,
            "BidPrice": request.get("BidPrice"),
            "InstanceType": check_instance_type(request.get("InstanceType")),
            "RequestedInstanceCount": count,
            "RunningInstanceCount": 0,
            "Status": new_status(),
            "Configurations": configurations,
            "ConfigurationsVersion": 0,
            "LastSuccessfullyAppliedConfigurations": configurations,
            "LastSuccessfullyAppliedConfigurationsVersion": 0,
            "EbsBlockDevices": volumes,
            "EbsOptimized": optimized,
            "ShrinkPolicy": {},
            "AutoScalingPolicy": read_scaling_policy(request["AutoScalingPolicy"])
            if request.get("AutoScalingPolicy")
            else None,
            "CustomAmiId": request.get("CustomAmiId"),
        }
    )


def read_scaling_policy(policy: dict) -> dict:
    """A custom scaling policy as AWS reads it back: attached, with a status of its own."""
    return {
        **policy,
        "Status": {"State": "ATTACHED", "StateChangeReason": {"Code": "USER_REQUEST", "Message": ""}},
    }


def list_groups(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    require_groups(cluster)
    return page(cluster.groups, request.get("Marker"), "InstanceGroups")


def add_groups(request: dict) -> dict:
    cluster = job_flow_by_id(request.get("JobFlowId"))
    cluster.require_live()
    if cluster.uses_fleets:
        raise validation_error("Instance groups cannot be added to a cluster that uses instance fleets.")
    groups = [_new_group(group) for group in request.get("InstanceGroups") or []]
    if any(group["InstanceGroupType"] != "TASK" for group in groups):
        raise validation_error("Only task instance groups can be added to a running job flow.")
    for group in groups:
        cluster.groups.append(group)
        follow_cluster(cluster, group)
    return {
        "JobFlowId": cluster.id,
        "InstanceGroupIds": [group["Id"] for group in groups],
        "ClusterArn": cluster.arn,
    }


def modify_groups(request: dict) -> dict:
    changes = request.get("InstanceGroups") or []
    found = [_group_of(request.get("ClusterId"), change.get("InstanceGroupId")) for change in changes]
    for (cluster, group), change in zip(found, changes, strict=True):
        _check_group_change(cluster, group, change)
    for (cluster, group), change in zip(found, changes, strict=True):
        _modify_group(cluster, group, change)
    return {}


def _group_of(cluster_id: str | None, group_id: str | None) -> tuple[Cluster, dict]:
    clusters = [cluster_by_id(cluster_id)] if cluster_id else clusters_here()
    for cluster in clusters:
        for group in cluster.groups:
            if group["Id"] == group_id:
                return cluster, group
    raise invalid_request(f"Instance group id '{group_id}' is not valid.")


def _check_group_change(cluster: Cluster, group: dict, change: dict) -> None:
    cluster.require_live()
    if cluster.state not in ("RUNNING", "WAITING"):
        raise validation_error(
            "An instance group may only be modified when the cluster is running or waiting."
        )
    if group["Status"]["State"] in ("RESIZING", "RECONFIGURING"):
        raise validation_error(
            f"Instance group {group['Id']} is {group['Status']['State']} and cannot be modified."
        )
    count = change.get("InstanceCount")
    if count is None:
        return
    if group["InstanceGroupType"] == "MASTER":
        raise validation_error("The number of instances of the master instance group cannot be changed.")
    if count < (0 if group["InstanceGroupType"] == "TASK" else 1):
        raise validation_error("Specified instance group must have at least one instance.")


def _modify_group(cluster: Cluster, group: dict, change: dict) -> None:
    state = "RUNNING"
    if change.get("ShrinkPolicy") is not None:
        group["ShrinkPolicy"] = change["ShrinkPolicy"]
    if change.get("Configurations") is not None:
        _reconfigure(group, change)
        state = "RECONFIGURING"
    if change.get("InstanceCount") not in (None, group["RequestedInstanceCount"]):
        group["RequestedInstanceCount"] = change["InstanceCount"]
        state = "RESIZING"
    if state != "RUNNING":
        change_state(cluster, group, state)


def _reconfigure(group: dict, change: dict) -> None:
    new = read_configurations(change["Configurations"])
    if change.get("ReconfigurationType") == "MERGE":
        new = _merge(group["Configurations"], new)
    group["Configurations"] = group["LastSuccessfullyAppliedConfigurations"] = new
    group["ConfigurationsVersion"] += 1
    group["LastSuccessfullyAppliedConfigurationsVersion"] = group["ConfigurationsVersion"]


def _merge(old: list[dict], new: list[dict]) -> list[dict]:
    merged = {entry["Classification"]: dict(entry) for entry in old}
    for entry in new:
        before = merged.get(entry["Classification"], {})
        merged[entry["Classification"]] = {
            **before,
            **entry,
            "Properties": {**before.get("Properties", {}), **entry["Properties"]},
        }
    return list(merged.values())
