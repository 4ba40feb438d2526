"""Lambda: what it refuses, and how queues feed functions."""

import json
import threading
import time

from ministack.services import lambda_svc, sqs

from emr_pace import Pace
from patching import wrap

STREAM_BATCH = 100
QUEUE_BATCH = 10


@wrap(lambda_svc, "_create_esm")
def refuse_and_fill(create, data):
    """AWS refuses a second mapping of the same two, and what could not be read; it has other defaults for streams.
    ministack makes any."""
    source = data.get("EventSourceArn", "")
    name = lambda_svc._resolve_request_scoped_name(data.get("FunctionName", ""))
    for held in lambda_svc._esms.values():
        if (held["EventSourceArn"], held["FunctionName"]) == (source, name):
            return _conflict(
                f"An event source mapping with source arn ({source}) and function ({name}) already exists. "
                f"Please update or delete the existing mapping with UUID {held['UUID']}"
            )
    why = _refused(data, source, name)
    if why:
        return lambda_svc._invalid_parameter_value(why)
    if ":sqs:" in source:
        return create({**data, "BatchSize": data.get("BatchSize", QUEUE_BATCH)})
    plain = {
        "BatchSize": STREAM_BATCH,
        "ParallelizationFactor": 1,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": False,
    }
    return create({**plain, **data})


def _conflict(message: str):
    return lambda_svc.error_response_json("ResourceConflictException", message, 409)


def _refused(data: dict, source: str, name: str) -> str | None:
    """Why AWS does not take a mapping."""
    if ":sqs:" not in source:
        return None if data.get("StartingPosition") else "StartingPosition is required for stream sources."
    queue, function = sqs._queue_by_arn(source), lambda_svc._functions.get(name)
    if queue is None:
        return (
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist."
        )
    visible = int(queue["attributes"].get("VisibilityTimeout", "30"))
    timeout = function["config"]["Timeout"] if function else 0
    if visible < timeout:
        return f"Queue visibility timeout: {visible} seconds is less than Function timeout: {timeout} seconds"
    return _too_many(data)


def _too_many(mapping: dict) -> str | None:
    if mapping.get("BatchSize", 0) > QUEUE_BATCH and not mapping.get("MaximumBatchingWindowInSeconds"):
        return "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    return None


@wrap(lambda_svc, "_update_esm")
def refuse_too_many(update, mapping_id, data):
    """AWS refuses a batch of more than ten without a window, also here; ministack takes it."""
    held = lambda_svc._esms.get(mapping_id)
    if held and ":sqs:" in held["EventSourceArn"]:
        why = _too_many({**held, **data})
        if why:
            return lambda_svc._invalid_parameter_value(why)
    return update(mapping_id, data)


@wrap(lambda_svc, "_get_policy")
def tell_of_no_policy(get, name, query_params=None, path_qualifier=None):
    """AWS says that there is no policy where there is no statement; ministack answers an empty one."""
    function = lambda_svc._functions.get(name)
    if function and not function["policy"]["Statement"]:
        message = "The resource you requested does not exist."
        return lambda_svc.error_response_json("ResourceNotFoundException", message, 404)
    return get(name, query_params, path_qualifier)


def _one_at_a_time(update, name, data):
    """AWS takes one change of a function at a time, and it goes on running meanwhile; ministack takes any, and has it
    pending."""
    function = lambda_svc._functions.get(name)
    busy = function and "InProgress" == function["config"].get("LastUpdateStatus")
    if busy:
        arn = function["config"]["FunctionArn"]
        return _conflict(
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {arn}"
        )
    response = update(name, data)
    if response[0] == 200:
        function["config"].update(State="Active", StateReason="", StateReasonCode="")
    return response


wrap(lambda_svc, "_update_code")(_one_at_a_time)
wrap(lambda_svc, "_update_config")(_one_at_a_time)


class Gathered:
    """What a mapping has received and not yet handed over."""

    def __init__(self) -> None:
        self.messages: list[dict] = []
        self.until = 0.0


class Polled:
    """The mapping that the one polling thread looks at, and what each has gathered, by its id."""

    mapping: dict = {}
    gathered: dict[str, Gathered] = {}


@wrap(lambda_svc, "_iter_all_esms")
def remember_mapping(mappings):
    """Tells `gather` for whom messages are received; none, while queues are to set off nothing."""
    for account, region, mapping in mappings() if Pace.triggers else ():
        Polled.mapping = mapping
        yield account, region, mapping


@wrap(sqs, "_receive_messages_for_esm")
def gather(_receive, queue_url, batch_size):
    """AWS calls a function once a batch is full or its window is over, and a batch has up to 10000 messages;
    ministack calls it for what is there now, ten at most."""
    window = Polled.mapping.get("MaximumBatchingWindowInSeconds") or 0
    held = Polled.gathered.setdefault(Polled.mapping["UUID"], Gathered())
    now = time.time()
    # What became visible again is somebody else's by now.
    held.messages = [message for message in held.messages if message["visible_at"] > now]
    began = bool(held.messages)
    with sqs._queues_lock:
        queue = sqs._get_q(queue_url)
        visible = int(queue["attributes"].get("VisibilityTimeout", "30"))
        sqs._expire_retained(queue)
        sqs._dlq_sweep(queue)
        # A message is changed in place when it is received again, so what is handed over is a copy.
        received = sqs._collect_msgs(queue, int(batch_size) - len(held.messages), visible)
        held.messages += [dict(message) for message in received]
    if held.messages and not began:
        held.until = now + window
    if not held.messages or (len(held.messages) < int(batch_size) and now < held.until):
        return []
    del Polled.gathered[Polled.mapping["UUID"]]
    return held.messages


_batch = threading.local()


@wrap(lambda_svc, "_run_sqs_batch")
def run_batch(run, mapping, function, event, messages, queue_url, queue_name):
    """Tells `judge` that a function is called for a mapping, and with what."""
    _batch.mapping, _batch.ids = mapping, {message["id"] for message in messages}
    try:
        run(mapping, function, event, messages, queue_url, queue_name)
    finally:
        _batch.mapping = None


@wrap(lambda_svc, "_execute_function")
def judge(execute, function, event):
    """AWS takes an answer that names no message of the batch for a failure of the batch, and counts each call in its
    metrics; ministack takes the batch for done, and counts only calls by Invoke."""
    mapping = getattr(_batch, "mapping", None)
    began = time.time()
    result = execute(function, event)
    if mapping is None:
        return result
    if not result.get("error") and "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", []):
        why = _malformed(result.get("body"), _batch.ids)
        if why:
            body = {"errorType": "MalformedBatchResponse", "errorMessage": why}
            result = {**result, "error": True, "body": body}
    lambda_svc._emit_lambda_metrics(
        mapping["FunctionName"],
        duration_ms=(time.time() - began) * 1000,
        error=bool(result.get("error")) and not result.get("throttle"),
        throttle=False,  # A throttle has been counted.
    )
    return result


def _malformed(answer, ids: set[str]) -> str | None:
    """Why an answer of which messages failed is none. Nothing at all means that none failed."""
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except ValueError:
            return "the answer is not JSON"
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else answer
    if not failures:
        return None
    if not isinstance(failures, list):
        return "the failures are not a list"
    named = [each.get("itemIdentifier") if isinstance(each, dict) else None for each in failures]
    unknown = [name for name in named if name not in ids]
    return f"no message of the batch: {unknown[0]!r}" if unknown else None
