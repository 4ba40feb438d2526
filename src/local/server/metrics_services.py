"""What the services of this server measure of themselves for CloudWatch, every few seconds, and the alarms on it."""

import asyncio
import logging
import time

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, lambda_svc, sqs

import alarms
import firehose_streams
import metrics
from emr_store import CLOCK, CLUSTERS
from patching import wrap

_EVERY_SECONDS = 2
_EMR, _LAMBDA, _SQS = "AWS/ElasticMapReduce", "AWS/Lambda", "AWS/SQS"
_ENDED = {"FAILED": "StepsFailed", "COMPLETED": "StepsCompleted"}
_told: set[str] = set()

logger = logging.getLogger("metrics")


async def watch() -> None:
    """Measures as long as the server lives."""
    while True:
        try:
            measure()
        except Exception:  # a fault here must not end the watch
            logger.exception("metrics cannot be measured")
        await asyncio.sleep(_EVERY_SECONDS)


def measure() -> None:
    _queues()
    _clusters()
    firehose_streams.measure()
    metrics.store()
    alarms.evaluate_all()


def _queues() -> None:
    now = time.time()
    for (account, region, _), queue in sqs._queues.all_items():
        waiting, flying, delayed, age = 0, 0, 0, 0.0
        for message in list(queue["messages"]):
            age = max(age, CLOCK.since(message["sent_at"]))
            if message["visible_at"] <= now:
                waiting += 1
            elif message["receive_count"]:
                flying += 1
            else:
                delayed += 1
        found = {
            "ApproximateNumberOfMessagesVisible": waiting,
            "ApproximateNumberOfMessagesNotVisible": flying,
            "ApproximateNumberOfMessagesDelayed": delayed,
        }
        dimensions = {"QueueName": queue["name"]}
        for name, value in found.items():
            metrics.count((account, region), _SQS, name, dimensions, value)
        metrics.count((account, region), _SQS, "ApproximateAgeOfOldestMessage", dimensions, age, "Seconds")


def _clusters() -> None:
    """A step that ended counts once; the others are what is so now."""
    for cluster in list(CLUSTERS.values()):
        found = {}
        for step in cluster.steps:
            if step.state in _ENDED and step.id not in _told:
                _told.add(step.id)
                found[_ENDED[step.state]] = found.get(_ENDED[step.state], 0) + 1
        if cluster.live:
            running = sum(step.state == "RUNNING" for step in cluster.steps)
            pending = sum(step.state == "PENDING" for step in cluster.steps)
            now = {"StepsRunning": running, "StepsPending": pending, "IsIdle": int(not running)}
            found = {"StepsFailed": 0, "StepsCompleted": 0, "AppsCompleted": cluster.applications_run, **now, **found}
        for name, value in found.items():
            metrics.count((cluster.account, cluster.region), _EMR, name, {"JobFlowId": cluster.id}, value)


# ---- Lambda ------------------------------------------------------------------------------------


def _count(function: str, name: str, value: float, unit: str = "Count") -> None:
    metrics.count((get_account_id(), get_region()), _LAMBDA, name, {"FunctionName": function}, value, unit)


@wrap(lambda_svc, "_emit_lambda_metrics")
def count_throttles(_emit, name, duration_ms, error, throttle):
    """AWS counts every invocation, whoever asked for it; ministack tells only of those that a client waits for, and
    counts a throttled one as made."""
    if throttle:
        _count(name, "Throttles", 1)


@wrap(lambda_svc, "_execute_function_dispatch")
def count_invocations(execute, function, config, event, request_id, started):
    """As above."""
    name, began = config.get("FunctionName", "unknown"), time.monotonic()
    failed = True
    try:
        result = execute(function, config, event, request_id, started)
        failed = bool(result.get("error"))
        return result
    finally:
        _count(name, "Invocations", 1)
        _count(name, "Errors", int(failed))
        _count(name, "Throttles", 0)
        _count(name, "Duration", (time.monotonic() - began) * 1000, "Milliseconds")


@wrap(cloudwatch, "reset")
def forget(reset):
    metrics.forget()
    alarms.forget()
    _told.clear()
    reset()
