"""Dead-letter queues: whose they are, and moving what is in them, neither of which ministack can tell or do.

AWS moves in the background, one task a queue at a time. A message goes to the queue that is asked for, or else to the
one that it came from; a task that does not know where a message came from fails.
"""

import asyncio
import json
import time

from ministack.core.concurrency import esm_wake
from ministack.core.responses import new_uuid
from ministack.services import sqs

_BATCH = 10
_PAUSE_SECONDS = 0.05
_tasks: dict[str, list[dict]] = {}
_running: set[asyncio.Task] = set()


def _queue(arn: str, what: str) -> dict:
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        raise sqs._Err("ResourceNotFoundException", f"The resource that you specified for the {what} parameter doesn't exist.")
    return queue


def _is_dead_letter_queue(arn: str) -> bool:
    return any(_dead_letters_of(queue) == arn for _, queue in sqs._queues.all_items())


def _dead_letters_of(queue: dict) -> str | None:
    return json.loads(queue["attributes"].get("RedrivePolicy") or "{}").get("deadLetterTargetArn")


def _sources(data: dict, url: str) -> dict:
    arn = sqs._get_q(url, "sqs:ListDeadLetterSourceQueues")["attributes"]["QueueArn"]
    found = [source for source, queue in sqs._queues.items() if _dead_letters_of(queue) == arn]
    first = int(data.get("NextToken") or 0)
    last = first + int(data.get("MaxResults") or 1000)
    more = {"NextToken": str(last)} if data.get("MaxResults") and last < len(found) else {}
    return {"queueUrls": found[first:last], **more}


def _current(arn: str) -> list[dict]:
    """Tasks of queues that are there: a queue that was made anew has none."""
    return [task for task in _tasks.get(arn, []) if task["queue"] is sqs._queue_by_arn(arn)]


def _start(data: dict, _url: str) -> dict:
    arn = data.get("SourceArn", "")
    source = _queue(arn, "SourceArn")
    if data.get("DestinationArn"):
        _queue(data["DestinationArn"], "DestinationArn")
    if not _is_dead_letter_queue(arn):
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    if any(task["Status"] in ("RUNNING", "CANCELLING") for task in _current(arn)):
        message = "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
        raise sqs._Err("InvalidParameterValue", message)
    sqs._refresh_counts(source)
    newest = max((task["StartedTimestamp"] for task in _current(arn)), default=0)
    task = {
        "queue": source,
        "TaskHandle": new_uuid(),
        "Status": "RUNNING",
        "SourceArn": arn,
        "DestinationArn": data.get("DestinationArn"),
        "MaxNumberOfMessagesPerSecond": data.get("MaxNumberOfMessagesPerSecond"),
        "ApproximateNumberOfMessagesMoved": 0,
        "ApproximateNumberOfMessagesToMove": int(source["attributes"]["ApproximateNumberOfMessages"]),
        "FailureReason": None,
        "StartedTimestamp": max(int(time.time() * 1000), newest + 1),
    }
    _tasks.setdefault(arn, []).append(task)
    running = asyncio.get_running_loop().create_task(_run(task))
    _running.add(running)
    running.add_done_callback(_running.discard)
    return {"TaskHandle": task["TaskHandle"]}


async def _run(task: dict) -> None:
    rate = task["MaxNumberOfMessagesPerSecond"]
    while task["Status"] == "RUNNING":
        await asyncio.sleep(1 / rate if rate else _PAUSE_SECONDS)
        waiting = [message for message in task["queue"]["messages"] if message["visible_at"] <= time.time()]
        if not waiting:
            task["Status"] = "COMPLETED"
        for message in waiting[: 1 if rate else _BATCH]:
            if not _move(task, message):
                return
    if task["Status"] == "CANCELLING":
        task["Status"] = "CANCELLED"


def _move(task: dict, message: dict) -> bool:
    """Whether it could be moved. A message that was moved is a new one, with the attributes of the old."""
    arn = task["DestinationArn"] or message["sys"].get("DeadLetterQueueSourceArn")
    destination = sqs._queue_by_arn(arn) if arn else None
    if destination is None:
        task["Status"] = "FAILED"
        task["FailureReason"] = "AWS.SimpleQueueService.NonExistentQueue" if arn else "CouldNotDetermineMessageSource"
        return False
    task["queue"]["messages"].remove(message)
    now = time.time()
    kept = {key: value for key, value in message["sys"].items() if key != "DeadLetterQueueSourceArn"}
    moved = {
        **message,
        "id": new_uuid(),
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now + sqs.queue_delay(destination),
        "receive_count": 0,
        "first_receive_at": None,
        "sys": {**kept, "SentTimestamp": str(int(now * 1000))},
    }
    destination["messages"].append(moved)
    task["ApproximateNumberOfMessagesMoved"] += 1
    esm_wake.set()
    return True


def _shown(task: dict) -> dict:
    hidden = {"queue"} if task["Status"] == "RUNNING" else {"queue", "TaskHandle"}
    return {key: value for key, value in task.items() if key not in hidden and value is not None}


def _list(data: dict, _url: str) -> dict:
    arn = data.get("SourceArn", "")
    _queue(arn, "SourceArn")
    newest = sorted(_current(arn), key=lambda task: -task["StartedTimestamp"])
    return {"Results": [_shown(task) for task in newest[: int(data.get("MaxResults") or 1)]]}


def _cancel(data: dict, _url: str) -> dict:
    for task in [task for tasks in _tasks.values() for task in tasks]:
        if task["TaskHandle"] == data.get("TaskHandle"):
            if task["Status"] != "RUNNING":
                raise sqs._Err("UnsupportedOperation", "Only active tasks can be cancelled.")
            task["Status"] = "CANCELLING"
            return {"ApproximateNumberOfMessagesMoved": task["ApproximateNumberOfMessagesMoved"]}
    raise sqs._Err("ResourceNotFoundException", "Task does not exist.")


sqs._HANDLERS.update(
    {
        "ListDeadLetterSourceQueues": _sources,
        "StartMessageMoveTask": _start,
        "ListMessageMoveTasks": _list,
        "CancelMessageMoveTask": _cancel,
    }
)
