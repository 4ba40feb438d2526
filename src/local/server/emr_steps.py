"""The operations on steps."""

import emr_life
from emr_store import (
    CLOCK,
    Cluster,
    Step,
    cluster_by_id,
    invalid_request,
    job_flow_by_id,
    new_id,
    page,
    validation_error,
    without_empty,
)

MOST_ACTIVE_STEPS = 256
MOST_IDS = 10
MOST_ARGUMENT_CHARACTERS = 10240
_ON_FAILURE = ("TERMINATE_JOB_FLOW", "TERMINATE_CLUSTER", "CANCEL_AND_WAIT", "CONTINUE")


def check_concurrency(level: int) -> None:
    if not 1 <= level <= 256:
        raise validation_error("StepConcurrencyLevel must be between 1 and 256.")


def new_steps(cluster: Cluster, requests: list[dict]) -> list[Step]:
    """Steps as requested, refused together when one of them is not acceptable."""
    for request in requests:
        _check(cluster, request)
    active = sum(step.active for step in cluster.steps)
    if active + len(requests) > MOST_ACTIVE_STEPS:
        raise validation_error(
            "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster exceeded."
        )
    return [Step(id=new_id("s"), request=request, created=CLOCK.now()) for request in requests]


def _check(cluster: Cluster, request: dict) -> None:
    config = request.get("HadoopJarStep") or {}
    if not request.get("Name") or not config.get("Jar"):
        raise validation_error("A step must have a name and a jar.")
    if sum(len(arg) for arg in config.get("Args") or []) > MOST_ARGUMENT_CHARACTERS:
        raise validation_error(
            f"The arguments of a step may not exceed {MOST_ARGUMENT_CHARACTERS} characters."
        )
    action = request.get("ActionOnFailure") or "CONTINUE"
    if action not in _ON_FAILURE:
        raise validation_error(f"ActionOnFailure '{action}' is not valid.")
    if action != "CONTINUE" and cluster.step_concurrency > 1:
        raise validation_error(
            "ActionOnFailure must be CONTINUE when the step concurrency level is greater than 1."
        )


def add_steps(request: dict) -> dict:
    cluster = job_flow_by_id(request.get("JobFlowId"))
    cluster.require_live()
    if not request.get("Steps"):
        raise validation_error("At least one step must be given.")
    steps = new_steps(cluster, request["Steps"])
    cluster.steps.extend(steps)
    emr_life.settle(cluster)
    return {"StepIds": [step.id for step in steps]}


def describe_step(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    for step in cluster.steps:
        if step.id == request.get("StepId"):
            return {"Step": _describe(step)}
    raise invalid_request(f"Step id '{request.get('StepId')}' is not valid.")


def list_steps(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    ids, states = request.get("StepIds"), request.get("StepStates")
    if ids and states:
        raise invalid_request("StepIds and StepStates cannot be given together.")
    if ids and len(ids) > MOST_IDS:
        raise invalid_request(f"At most {MOST_IDS} step ids can be given.")
    found = [
        _describe(step)
        for step in reversed(cluster.steps)
        if (not ids or step.id in ids) and (not states or step.state in states)
    ]
    return page(found, request.get("Marker"), "Steps")


def cancel_steps(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    cluster.require_live()
    by_id = {step.id: step for step in cluster.steps}
    return {
        "CancelStepsInfoList": [_cancel(cluster, by_id.get(id), id) for id in request.get("StepIds") or []]
    }


def _cancel(cluster: Cluster, step: Step | None, step_id: str) -> dict:
    if step is None:
        return {"StepId": step_id, "Status": "FAILED", "Reason": "The step does not exist."}
    if step.state not in ("PENDING", "RUNNING"):
        return {
            "StepId": step_id,
            "Status": "FAILED",
            "Reason": f"The step is {step.state} and cannot be cancelled.",
        }
    emr_life.cancel(cluster, step)
    return {"StepId": step_id, "Status": "SUBMITTED"}


def _describe(step: Step) -> dict:
    config = step.request["HadoopJarStep"]
    return without_empty(
        {
            "Id": step.id,
            "Name": step.request["Name"],
            "Config": without_empty(
                {
                    "Jar": config["Jar"],
                    "Properties": {
                        item["Key"]: item.get("Value") or "" for item in config.get("Properties") or []
                    },
                    "MainClass": config.get("MainClass"),
                    "Args": step.args,
                }
            ),
            "ActionOnFailure": step.on_failure,
            "Status": _status(step),
            **_monitoring(step.request),
        }
    )


def _status(step: Step) -> dict:
    return without_empty(
        {
            "State": step.state,
            "StateChangeReason": {"Message": step.message} if step.message else {},
            "FailureDetails": step.failure,
            "Timeline": without_empty(
                {
                    "CreationDateTime": step.created,
                    "StartDateTime": step.started,
                    "EndDateTime": step.ended,
                }
            ),
        }
    )


def _monitoring(request: dict) -> dict:
    s3 = (request.get("StepMonitoringConfiguration") or {}).get("S3MonitoringConfiguration") or {}
    return {"LogUri": s3.get("LogUri"), "EncryptionKeyArn": s3.get("EncryptionKeyArn")}
