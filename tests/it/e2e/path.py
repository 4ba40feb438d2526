"""The flagship's path, from its stream to its results, for the test beside this file."""

import gzip
import json

from outside import ALIVE, _control, advance, answer, client, clusters, objects, snapshot, steps, wait  # noqa: F401

R = "ap-northeast-2"
# When to give up, on a machine that has much else to do.
GIVE_UP_SECONDS = 2400
ACTIVE = {"PENDING", "RUNNING", "CANCEL_PENDING"}
COUNTS = ("", "NotVisible", "Delayed")


def look(name):
    """Runs on record, the oldest hour first, steps as [id, state], clusters, messages, and what was given up."""
    found = clusters(f"{name}-spark", region=R)
    status = [[step["Id"], step["Status"]["State"]] for cluster in found for step in steps(cluster, R)]
    return {"runs": _runs(name), "steps": status, "clusters": found, "queues": _queues(name), "given_up": _given_up(name)}


def at_rest(name, events, runs):
    """What is there once so many events are delivered, so many runs on record, and nothing is left to do; or once
    something was given up."""

    def rested():
        did = _control("firehose", {"stream": f"{name}-delivery"})["streams"].get(f"{name}-delivery", {})
        is_delivered = did.get("delivered", 0) >= events and not did["held"]
        is_recorded = len(_records(name)) >= runs
        if not (is_delivered and is_recorded) and not _given_up(name):
            return None
        found = look(name)
        is_idle = not any(state in ACTIVE for _, state in found["steps"]) and not any(found["queues"]["arrivals"])
        return found if is_idle or found["given_up"] else None

    return wait(rested, GIVE_UP_SECONDS, pause=1)


def _bucket(name):
    return f"{name}-000000000000-{R}"


def _read(bucket, key):
    return client("s3", R).get_object(Bucket=bucket, Key=key)["Body"].read()


def _records(name):
    return objects(_bucket(name), f"pipeline/{name.replace('-', '/')}/runs/process/", R)


def _runs(name):
    runs = [json.loads(_read(_bucket(name), key)) for key in _records(name)]
    return sorted(runs, key=lambda run: run["params"]["hour"])


def printed(run):
    """What a run's driver printed."""
    bucket, _, folder = run["log"].removeprefix("s3://").partition("/")
    return gzip.decompress(_read(bucket, f"{folder}stdout.gz")).decode()


def _queue(name):
    return client("sqs", R).get_queue_url(QueueName=name)["QueueUrl"]


def _queues(name):
    """Messages that are visible, in flight and delayed."""
    names = [f"ApproximateNumberOfMessages{count}" for count in COUNTS]
    found = {}
    for queue in ("arrivals", "unhandled"):
        told = client("sqs", R).get_queue_attributes(QueueUrl=_queue(f"{name}-{queue}"), AttributeNames=names)
        found[queue] = [int(told["Attributes"][name]) for name in names]
    return found


def _given_up(name):
    received = client("sqs", R).receive_message(
        QueueUrl=_queue(f"{name}-unhandled"), VisibilityTimeout=0, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return [[message["Body"], message.get("MessageAttributes")] for message in received.get("Messages", [])]


def tags(cluster):
    found = client("emr", R).describe_cluster(ClusterId=cluster)["Cluster"]["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


def end_by_idling(name):
    """Lets four idle hours pass for the clusters."""
    advance(14_401)
    wait(lambda: not clusters(f"{name}-spark", ALIVE, R))
