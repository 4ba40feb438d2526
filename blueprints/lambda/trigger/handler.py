"""The trigger: messages about objects in the lake in, one Spark step for each finished hour out.

`handler` is what Lambda calls with a batch of an SQS queue. Messages that it does not name in its answer are done with.
"""

import json
import os
import time
import uuid
from typing import Callable, NamedTuple

import boto3
from botocore.config import Config

import hours
import job
import messages
import settings
from advance import Tools, advance
from cluster import Clusters
from faults import Later, Unhandled
from lease import Leases
from log import tell
from messages import Poke
from queues import Queues

# A new hour is not begun with less time than this; its message is put back.
RESERVE_SECONDS = 20
# The queue's maxReceiveCount. At the last receipt the reason is known, so the message is moved with it.
RECEIVES_MAX = 3


class Clients(NamedTuple):
    s3: object
    sqs: object
    emr: object
    # Neither RunJobFlow nor AddJobFlowSteps can be repeated blindly.
    emr_once: object


def clients() -> Clients:
    patient = Config(connect_timeout=3, read_timeout=10)
    once = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 1})
    return Clients(
        s3=boto3.client("s3", config=patient),
        sqs=boto3.client("sqs", config=patient),
        emr=boto3.client("emr", config=patient),
        emr_once=boto3.client("emr", config=once),
    )


_warm: list[Clients] = []


def handler(event: dict, context) -> dict:
    if not _warm:
        _warm.append(clients())
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000
    return handle(event, settings.read(os.environ), _warm[0], deadline, time.time, lambda: str(uuid.uuid4()))


def handle(
    event: dict,
    told: settings.Settings,
    aws: Clients,
    deadline: float,
    clock: Callable[[], float],
    nonce: Callable[[], str],
) -> dict:
    """A batch: each of its hours once, and the messages that failed in the answer."""
    queues = Queues(aws.sqs, told.queue, told.dead_letter_queue)
    troubles: dict[str, Exception] = {}
    pokes: dict[str, list[Poke]] = {}
    about: dict[str, list[str]] = {}
    for record in event["Records"]:
        try:
            found = _read(record, told, queues)
        except Exception as error:
            troubles[record["messageId"]] = error
            continue
        for poke in found:
            pokes.setdefault(poke.hour, []).append(poke)
            about.setdefault(poke.hour, []).append(record["messageId"])
    if pokes:
        failed = _hours(pokes, Workshop(told, aws, queues, deadline, clock, nonce))
        troubles.update((message, error) for hour, error in failed.items() for message in about[hour])
    records = {record["messageId"]: record for record in event["Records"]}
    kept = [message for message, error in troubles.items() if not _given_up(records[message], error, queues)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in kept]}


def _read(record: dict, told: settings.Settings, queues: Queues) -> list[Poke]:
    try:
        return messages.read(record["body"], told.bucket, told.prefix)
    except messages.Unreadable as error:
        queues.dead_letter(record["body"], str(error))
        tell(None, "dead letter", str(error), message=record["messageId"])
        return []


def _given_up(record: dict, error: Exception, queues: Queues) -> bool:
    """Moves a message that failed for the last time, with the reason; SQS would move it without."""
    said = f"{type(error).__name__}: {error}"
    if int(record.get("attributes", {}).get("ApproximateReceiveCount", 1)) < RECEIVES_MAX:
        tell(None, "error", said, message=record["messageId"])
        return False
    try:
        queues.dead_letter(record["body"], said)
    except Exception as another:
        tell(None, "error", f"{said}; and {another}", message=record["messageId"])
        return False
    tell(None, "dead letter", said, message=record["messageId"])
    return True


class Workshop(NamedTuple):
    """All that an invocation's tools are made of."""

    told: settings.Settings
    aws: Clients
    queues: Queues
    deadline: float
    clock: Callable[[], float]
    nonce: Callable[[], str]

    def tools(self) -> Tools:
        told, aws = self.told, self.aws
        leases = Leases(aws.s3, self.nonce)
        request, description = job.load(aws.s3, told.cluster), job.load(aws.s3, told.job)
        starting = settings.uri(description["start"])
        return Tools(
            settings=told,
            leases=leases,
            clusters=Clusters(aws.emr, aws.emr_once, leases, starting, self.clock),
            request=request,
            job=job.Job(aws.s3, description, request.get("LogUri")),
            queues=self.queues,
            s3=aws.s3,
            emr=aws.emr,
            emr_once=aws.emr_once,
            clock=self.clock,
            deadline=self.deadline,
        )


def _hours(pokes: dict[str, list[Poke]], workshop: Workshop) -> dict[str, Exception]:
    """Each hour once, and why it failed where it did. One hour's trouble is not another's."""
    try:
        tools = workshop.tools()
    except Exception as error:
        return dict.fromkeys(pokes, error)
    failed = {}
    for hour in sorted(pokes):
        try:
            _hour(messages.merged(pokes[hour]), tools)
        except Exception as error:
            failed[hour] = error
            tell(hour, "error", f"{type(error).__name__}: {error}")
    return failed


def _hour(poke: Poke, tools: Tools) -> None:
    now = tools.clock()
    if tools.deadline - now < RESERVE_SECONDS:
        tools.queues.put_back(messages.repeated(poke), 1)
        tell(poke.hour, "put back", "there is no time left for it")
        return
    try:
        tell(poke.hour, "looked", advance(tools, poke))
    except Later as later:
        delay = hours.delay(later.seconds, tools.clock())
        tools.queues.put_back(messages.repeated(poke), delay)
        tell(poke.hour, "put back", later.reason, seconds=delay)
    except Unhandled as error:
        tools.queues.dead_letter(json.dumps(messages.repeated(poke)), f"hour {poke.hour}: {error}")
        tell(poke.hour, "dead letter", str(error))
