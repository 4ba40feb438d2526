"""EMR: which function answers which operation. Takes the place of ministack's own EMR module."""

import json
import uuid

import emr_clusters
import emr_fleets
import emr_groups
import emr_instances
import emr_life
import emr_policies
import emr_security
import emr_steps
from emr_store import CLOCK, CLUSTERS, SECURITY_CONFIGURATIONS, ApiError

OPERATIONS = {
    "AddInstanceFleet": emr_fleets.add_fleet,
    "AddInstanceGroups": emr_groups.add_groups,
    "AddJobFlowSteps": emr_steps.add_steps,
    "AddTags": emr_clusters.add_tags,
    "CancelSteps": emr_steps.cancel_steps,
    "CreateSecurityConfiguration": emr_security.create,
    "DeleteSecurityConfiguration": emr_security.delete,
    "DescribeCluster": emr_clusters.describe_cluster,
    "DescribeSecurityConfiguration": emr_security.describe,
    "DescribeStep": emr_steps.describe_step,
    "GetAutoTerminationPolicy": emr_policies.get_auto_termination,
    "GetManagedScalingPolicy": emr_policies.get_managed_scaling,
    "ListBootstrapActions": emr_clusters.list_bootstrap_actions,
    "ListClusters": emr_clusters.list_clusters,
    "ListInstanceFleets": emr_fleets.list_fleets,
    "ListInstanceGroups": emr_groups.list_groups,
    "ListInstances": emr_instances.list_instances,
    "ListSecurityConfigurations": emr_security.list_all,
    "ListSteps": emr_steps.list_steps,
    "ModifyCluster": emr_clusters.modify_cluster,
    "ModifyInstanceFleet": emr_fleets.modify_fleet,
    "ModifyInstanceGroups": emr_groups.modify_groups,
    "PutAutoScalingPolicy": emr_policies.put_auto_scaling,
    "PutAutoTerminationPolicy": emr_policies.put_auto_termination,
    "PutManagedScalingPolicy": emr_policies.put_managed_scaling,
    "RemoveAutoScalingPolicy": emr_policies.remove_auto_scaling,
    "RemoveAutoTerminationPolicy": emr_policies.remove_auto_termination,
    "RemoveManagedScalingPolicy": emr_policies.remove_managed_scaling,
    "RemoveTags": emr_clusters.remove_tags,
    "RunJobFlow": emr_clusters.run_job_flow,
    "SetKeepJobFlowAliveWhenNoSteps": emr_clusters.set_keep_alive,
    "SetTerminationProtection": emr_clusters.set_termination_protection,
    "SetUnhealthyNodeReplacement": emr_clusters.set_unhealthy_node_replacement,
    "SetVisibleToAllUsers": emr_clusters.set_visible_to_all_users,
    "TerminateJobFlows": emr_clusters.terminate_job_flows,
}


async def handle_request(method, path, headers, body, query_params):
    """Answers a request in the form in which ministack asks its service modules."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        return _answer(200, _call(operation, body))
    except ApiError as error:
        return _answer(400, _error_body(error))


def _call(operation: str, body: bytes) -> dict:
    if operation not in OPERATIONS:
        raise ApiError("UnknownOperationException", f"Could not find operation {operation}")
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        raise ApiError("SerializationException", "The request is not valid JSON.") from None
    return OPERATIONS[operation](request)


def _error_body(error: ApiError) -> dict:
    body = {"__type": error.kind, "message": error.message, "Message": error.message}
    return {**body, "ErrorCode": error.code} if error.code else body


def _answer(status: int, body: dict):
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-requestid": str(uuid.uuid4())}
    return status, headers, json.dumps(body).encode()


def reset() -> None:
    """Forgets everything and ends what runs, as ministack's reset asks of every service."""
    for cluster in CLUSTERS.values():
        cluster.state = "TERMINATED"
    emr_life.stop_everything()
    CLUSTERS.clear()
    SECURITY_CONFIGURATIONS.clear()
    CLOCK.reset()
