"""Managed scaling, auto-termination and custom scaling policies."""

from emr_catalog import supports_auto_termination
from emr_groups import read_scaling_policy
from emr_store import CLOCK, Cluster, cluster_by_id, invalid_request, validation_error

DEFAULT_IDLE_SECONDS = 3600
LEAST_IDLE_SECONDS, MOST_IDLE_SECONDS = 60, 604800
_UNIT_TYPES = {True: ("InstanceFleetUnits",), False: ("Instances", "VCPU")}


def set_managed_scaling(cluster: Cluster, policy: dict) -> None:
    limits = policy.get("ComputeLimits") or {}
    if limits.get("UnitType") not in _UNIT_TYPES[cluster.uses_fleets]:
        raise validation_error(
            f"The compute limit unit type {limits.get('UnitType')} does not fit the cluster's instance collection type."
        )
    least, most = limits.get("MinimumCapacityUnits"), limits.get("MaximumCapacityUnits")
    if least is None or most is None or least < 1 or least > most:
        raise validation_error(
            "The minimum capacity units must be at least 1 and at most the maximum capacity units."
        )
    for key in ("MaximumOnDemandCapacityUnits", "MaximumCoreCapacityUnits"):
        if (limits.get(key) or 0) > most:
            raise validation_error(f"{key} must not be greater than MaximumCapacityUnits.")
    cluster.managed_scaling = policy


def put_managed_scaling(request: dict) -> dict:
    cluster = _live_cluster(request)
    set_managed_scaling(cluster, request.get("ManagedScalingPolicy") or {})
    return {}


def get_managed_scaling(request: dict) -> dict:
    """Reading is refused on a cluster that has ended, like writing."""
    policy = _live_cluster(request).managed_scaling
    return {"ManagedScalingPolicy": policy} if policy else {}


def remove_managed_scaling(request: dict) -> dict:
    _live_cluster(request).managed_scaling = None
    return {}


def set_auto_termination(cluster: Cluster, policy: dict) -> None:
    if not supports_auto_termination(cluster.request["ReleaseLabel"]):
        raise validation_error("Auto-termination is not available for this account when using this release.")
    timeout = policy.get("IdleTimeout") or DEFAULT_IDLE_SECONDS
    if not LEAST_IDLE_SECONDS <= timeout <= MOST_IDLE_SECONDS:
        raise validation_error(
            f"IdleTimeout must be between {LEAST_IDLE_SECONDS} and {MOST_IDLE_SECONDS} seconds."
        )
    cluster.auto_termination = {"IdleTimeout": timeout}
    cluster.policy_since = CLOCK.now()


def put_auto_termination(request: dict) -> dict:
    cluster = _live_cluster(request)
    set_auto_termination(cluster, request.get("AutoTerminationPolicy") or {})
    return {}


def get_auto_termination(request: dict) -> dict:
    policy = cluster_by_id(request.get("ClusterId")).auto_termination
    return {"AutoTerminationPolicy": policy} if policy else {}


def remove_auto_termination(request: dict) -> dict:
    _live_cluster(request).auto_termination = None
    return {}


def put_auto_scaling(request: dict) -> dict:
    cluster, group = _group(request)
    if cluster.managed_scaling:
        raise validation_error(
            "A cluster with a managed scaling policy cannot have an automatic scaling policy."
        )
    group["AutoScalingPolicy"] = read_scaling_policy(request.get("AutoScalingPolicy") or {})
    return {
        "ClusterId": cluster.id,
        "InstanceGroupId": group["Id"],
        "AutoScalingPolicy": group["AutoScalingPolicy"],
        "ClusterArn": cluster.arn,
    }


def remove_auto_scaling(request: dict) -> dict:
    _, group = _group(request)
    group.pop("AutoScalingPolicy", None)
    return {}


def _live_cluster(request: dict) -> Cluster:
    cluster = cluster_by_id(request.get("ClusterId"))
    cluster.require_live()
    return cluster


def _group(request: dict) -> tuple[Cluster, dict]:
    cluster = _live_cluster(request)
    for group in cluster.groups:
        if group["Id"] == request.get("InstanceGroupId"):
            return cluster, group
    raise invalid_request(f"Instance group id '{request.get('InstanceGroupId')}' is not valid.")
