"""The operations on clusters."""

from ministack.core.responses import get_account_id, get_region

import emr_fleets
import emr_groups
import emr_life
import emr_policies
import emr_steps
from emr_catalog import check_release, read_applications
from emr_describe import describe, summary
from emr_store import (
    CLOCK,
    CLUSTERS,
    Cluster,
    cluster_by_id,
    clusters_here,
    invalid_request,
    job_flow_by_id,
    new_id,
    page,
    validation_error,
)


def run_job_flow(request: dict) -> dict:
    _check(request)
    cluster = _new_cluster(request)
    _add_instances(cluster)
    if request.get("ManagedScalingPolicy"):
        emr_policies.set_managed_scaling(cluster, request["ManagedScalingPolicy"])
    if request.get("AutoTerminationPolicy") is not None:
        emr_policies.set_auto_termination(cluster, request["AutoTerminationPolicy"])
    cluster.steps = emr_steps.new_steps(cluster, request.get("Steps") or [])
    CLUSTERS[cluster.id] = cluster
    emr_life.begin(cluster)
    return {"JobFlowId": cluster.id, "ClusterArn": cluster.arn}


def _check(request: dict) -> None:
    for key in ("Name", "Instances"):
        if not request.get(key):
            raise validation_error(
                f"Value null at '{key[0].lower()}{key[1:]}' failed to satisfy constraint: Member must not be null"
            )
    major, _ = check_release(request.get("ReleaseLabel"))
    read_applications(request.get("Applications") or [], major)
    if not request.get("JobFlowRole"):
        raise validation_error("InstanceProfile is required for creating cluster.")
    if not request.get("ServiceRole"):
        raise validation_error("ServiceRole is required for creating cluster.")
    _check_log_uri(request.get("LogUri"))
    emr_steps.check_concurrency(request.get("StepConcurrencyLevel") or 1)


def _check_log_uri(uri: str | None) -> None:
    if uri and not uri.startswith(("s3://", "s3n://", "s3a://")):
        raise validation_error(f"Invalid log URI: {uri}.")


def _new_cluster(request: dict) -> Cluster:
    instances = request["Instances"]
    cluster = Cluster(
        id=new_id("j"),
        account=get_account_id(),
        region=get_region(),
        request=request,
        created=CLOCK.now(),
        keep_alive=bool(instances.get("KeepJobFlowAliveWhenNoSteps")),
        protected=bool(instances.get("TerminationProtected")),
        replace_unhealthy=bool(instances.get("UnhealthyNodeReplacement")),
        visible=request.get("VisibleToAllUsers") is not False,
        step_concurrency=request.get("StepConcurrencyLevel") or 1,
    )
    _put_tags(cluster, request.get("Tags") or [])
    return cluster


def _add_instances(cluster: Cluster) -> None:
    instances = cluster.request["Instances"]
    if instances.get("InstanceFleets") and instances.get("InstanceGroups"):
        raise validation_error("Instance fleets and instance groups are mutually exclusive.")
    if cluster.uses_fleets:
        cluster.fleets = emr_fleets.new_fleets(instances["InstanceFleets"])
        return
    cluster.groups = emr_groups.new_groups(instances)
    primary = next(group for group in cluster.groups if group["InstanceGroupType"] == "MASTER")
    if primary["RequestedInstanceCount"] == 3:
        cluster.protected = True  # AWS protects highly available clusters whatever was asked for


def describe_cluster(request: dict) -> dict:
    return {"Cluster": describe(cluster_by_id(request.get("ClusterId")))}


def list_clusters(request: dict) -> dict:
    after, before = request.get("CreatedAfter"), request.get("CreatedBefore")
    states = request.get("ClusterStates")
    found = [
        summary(cluster)
        for cluster in clusters_here()
        if (not states or cluster.state in states)
        and (after is None or cluster.created > after)
        and (before is None or cluster.created < before)
    ]
    return page(found, request.get("Marker"), "Clusters")


def terminate_job_flows(request: dict) -> dict:
    """Ends what is not protected, and then refuses when something was."""
    clusters = _job_flows(request)
    for cluster in clusters:
        if not cluster.protected or not cluster.keep_alive:
            emr_life.end(cluster, "USER_REQUEST", "Terminated by user request")
    if any(cluster.live for cluster in clusters):
        raise validation_error(
            "Could not shut down one or more job flows since they are termination protected."
        )
    return {}


def _job_flows(request: dict) -> list[Cluster]:
    return [job_flow_by_id(job_flow_id) for job_flow_id in request.get("JobFlowIds") or []]


def _live_job_flows(request: dict) -> list[Cluster]:
    clusters = _job_flows(request)
    for cluster in clusters:
        cluster.require_live()
    return clusters


def set_termination_protection(request: dict) -> dict:
    for cluster in _live_job_flows(request):
        cluster.protected = bool(request.get("TerminationProtected"))
    return {}


def set_keep_alive(request: dict) -> dict:
    for cluster in _live_job_flows(request):
        cluster.keep_alive = bool(request.get("KeepJobFlowAliveWhenNoSteps"))
        emr_life.settle(cluster)
    return {}


def set_unhealthy_node_replacement(request: dict) -> dict:
    for cluster in _live_job_flows(request):
        cluster.replace_unhealthy = bool(request.get("UnhealthyNodeReplacement"))
    return {}


def set_visible_to_all_users(request: dict) -> dict:
    for cluster in _live_job_flows(request):
        cluster.visible = bool(request.get("VisibleToAllUsers"))
    return {}


def modify_cluster(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    cluster.require_live()
    if request.get("StepConcurrencyLevel") is not None:
        emr_steps.check_concurrency(request["StepConcurrencyLevel"])
        cluster.step_concurrency = request["StepConcurrencyLevel"]
        emr_life.settle(cluster)
    return {"StepConcurrencyLevel": cluster.step_concurrency, "ExtendedSupport": False}


def list_bootstrap_actions(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    commands = []
    for action in cluster.request.get("BootstrapActions") or []:
        script = action.get("ScriptBootstrapAction") or {}
        commands.append(
            {"Name": action.get("Name"), "ScriptPath": script.get("Path"), "Args": script.get("Args") or []}
        )
    return page(commands, request.get("Marker"), "BootstrapActions")


def add_tags(request: dict) -> dict:
    cluster = _tagged(request.get("ResourceId"))
    _put_tags(cluster, request.get("Tags") or [])
    return {}


def remove_tags(request: dict) -> dict:
    cluster = _tagged(request.get("ResourceId"))
    for key in request.get("TagKeys") or []:
        cluster.tags.pop(key, None)
    return {}


def _tagged(resource_id: str | None) -> Cluster:
    cluster = cluster_by_id(resource_id)
    cluster.require_live()
    return cluster


def _put_tags(cluster: Cluster, tags: list[dict]) -> None:
    for tag in tags:
        if (tag.get("Key") or "").lower().startswith("aws:"):
            raise invalid_request("Tag keys that start with 'aws:' are reserved.")
    cluster.tags.update({tag["Key"]: tag.get("Value") or "" for tag in tags})
