"""Poison for the flagship's path, who does harm to it, and where each record ended, for the test beside this file."""

import base64
import collections
import gzip
import io
import json
import os
import random
import shutil
import threading
import time
import zlib

import pyarrow.parquet
from outside import _control, advance, answer, client, clusters, objects, put, steps, wait  # noqa: F401

control = _control

R = "ap-northeast-2"
ACCOUNT = "000000000000"
# When to give up, on a machine that has much else to do.
GIVE_UP_SECONDS = 1800
HOURS = ["2013-01-15T10", "2013-01-15T11", "2013-01-15T12", "2013-01-15T13"]
THROWN, POISONED, CUT, FAILING = HOURS


def bucket(name):
    return f"{name}-{ACCOUNT}-{R}"


def place(hour):
    return f"year={hour[:4]}/month={hour[5:7]}/day={hour[8:10]}/hour={hour[11:]}"


def patiently(what):
    """What is true at last. Nothing here is about how long it takes."""
    return wait(what, GIVE_UP_SECONDS)


# ---- what is sent ----------------------------------------------------------------------------------------------------


def make(folder):
    """Writes HOUR.jsonl for each hour, to be sent, and what of it should arrive where the flagship's sample was. How many
    lines are to be sent, which of them Firehose cannot place, and how many can be read of what is cut."""
    shutil.rmtree(f"{folder}/data/streaming-data")
    hours = {hour: [] for hour in HOURS}
    for line in open(f"{folder}/data/departures-2013-01-15.jsonl", encoding="utf-8"):
        hours.get(json.loads(line)["timestamp"][:13], []).append(line.rstrip("\n"))
    placeable, refused = _poison(json.loads(hours[POISONED][0]))
    hours[POISONED] += placeable
    for hour, lines in hours.items():
        random.Random(hour).shuffle(lines)
        _write(f"{folder}/data/streaming-data/{place(hour)}/sent.jsonl", lines)
        more = refused if hour == POISONED else []
        _write(f"{folder}/{hour}.jsonl", lines[:9] + more + lines[9:])
    cut = _cut(json.loads(hours[CUT][0]))
    with open(f"{folder}/data/streaming-data/{place(CUT)}/cut.jsonl.gz", "wb") as file:
        file.write(cut)
    readable = zlib.decompressobj(wbits=31).decompress(cut).splitlines()
    return {"sent": sum(map(len, hours.values())) + len(refused), "refused": sorted(refused), "cut": len(readable)}


def _poison(event):
    """Records that find their hour and should not count, and such as find none."""

    def changed(name, **fields):
        record = {**event, "event_id": name, **fields}
        return json.dumps({key: value for key, value in record.items() if value != "left out"})

    breaks_a_rule = [changed("p1", value=9999), changed("p2", user_id=""), changed("p3", session_id="left out")]
    misfits = [changed("p4", colour="red"), changed("p5", colour=None)]
    again = [json.dumps(event), json.dumps(event), changed(event["event_id"], value=7.5)]
    no_time = [changed("p6", timestamp="left out"), changed("p7", timestamp="soon"), changed("p8", timestamp=5)]
    no_record = ["no JSON", '{"event_id": "p9", "timestamp": "2013-01-15T11:0', "[1]"]
    return breaks_a_rule + misfits + again, no_time + no_record


def _cut(event):
    """An object whose end is missing, in the middle of a record."""
    chance = random.Random(1)
    lines = [json.dumps({**event, "event_id": f"c{n}", "value": chance.randint(-60, 600) / 4}) for n in range(90)]
    whole = gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)
    return whole[: len(whole) // 2]


def _write(path, lines):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


# ---- what happens to it ----------------------------------------------------------------------------------------------


def delivered(name, taken):
    """Once Firehose has taken so many records and holds none."""
    stream = f"{name}-delivery"

    def found():
        did = control("firehose", {"stream": stream})["streams"].get(stream, {})
        if did.get("taken") != taken:
            return None
        return control("firehose", {"stream": stream, "flush": True}) and not did["held"] and did

    return patiently(found)


def claim(name, hour):
    """What the trigger last did about an hour."""
    s3 = client("s3", R)
    try:
        return json.load(s3.get_object(Bucket=bucket(name), Key=f"trigger/leases/hours/{hour}.json")["Body"])
    except s3.exceptions.NoSuchKey:
        return {"state": None}


def ended(name, hours, state="completed"):
    """Once the trigger is done with these hours, in this way."""
    return patiently(lambda: all(claim(name, hour)["state"] == state for hour in hours))


def queue(name, which):
    return client("sqs", R).get_queue_url(QueueName=f"{name}-{which}")["QueueUrl"]


def given_up(name):
    """The messages of the dead-letter queue, which stay there: body and reason."""
    sqs, found = client("sqs", R), {}
    for _ in range(3):
        received = sqs.receive_message(
            QueueUrl=queue(name, "unhandled"), VisibilityTimeout=0, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        for message in received.get("Messages", []):
            reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
            found[message["MessageId"]] = [message["Body"], reason]
    return sorted(found.values(), key=str)


def at_rest(name):
    """Once no message waits and no step runs."""
    counts = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]

    def found():
        told = client("sqs", R).get_queue_attributes(QueueUrl=queue(name, "arrivals"), AttributeNames=counts)
        going = [step for step in all_steps(name) if step[1] in ("PENDING", "RUNNING", "CANCEL_PENDING")]
        return not going and all(told["Attributes"][count] == "0" for count in counts)

    return patiently(found)


def all_steps(name):
    found = [step for cluster in clusters(f"{name}-spark", region=R) for step in steps(cluster, R)]
    return [[step["Name"], step["Status"]["State"]] for step in found]


def alarms(name):
    """The names of those that are off."""
    told = client("cloudwatch", R).describe_alarms(
        AlarmNamePrefix=name, AlarmTypes=["MetricAlarm", "CompositeAlarm"], StateValue="ALARM"
    )
    return sorted(alarm["AlarmName"].removeprefix(f"{name}-") for alarm in told["MetricAlarms"] + told["CompositeAlarms"])


# ---- who does harm ---------------------------------------------------------------------------------------------------


def at_once(name, hour, functions=6):
    """Calls the trigger several times in one moment for an hour that has just become due, with the same message."""
    settle = int(_environment(name)["SETTLE_SECONDS"])
    keys = objects(bucket(name), f"streaming-data/{place(hour)}/", R).values()
    due = max(modified.timestamp() for _, modified in keys) + settle
    time.sleep(max(0, due + 1 - time.time()))
    body = json.dumps({"hour": hour})
    record = {"messageId": "one", "body": body, "attributes": {"ApproximateReceiveCount": "1"}, "eventSource": "aws:sqs"}
    together, answers = threading.Barrier(functions), []

    def call():
        functions = client("lambda", R)
        together.wait()
        told = functions.invoke(FunctionName=f"{name}-trigger", Payload=json.dumps({"Records": [record]}))
        answers.append([told.get("FunctionError"), json.load(told["Payload"])])

    threads = [threading.Thread(target=call) for _ in range(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _environment(name):
    found = client("lambda", R).get_function_configuration(FunctionName=f"{name}-trigger")
    return found["Environment"]["Variables"]


def spoil_job(name):
    """The description of the job becomes rubbish, and three receipts take less than a quarter of an hour."""
    put(bucket(name), "trigger/job.json", b"{ rubbish", R)
    arrivals = queue(name, "arrivals")
    client("sqs", R).set_queue_attributes(QueueUrl=arrivals, Attributes={"VisibilityTimeout": "20"})


def spoil_function(name):
    """The function is told something it cannot even read."""
    functions = client("lambda", R)
    variables = {**_environment(name), "SETTLE_SECONDS": "soon"}
    functions.update_function_configuration(FunctionName=f"{name}-trigger", Environment={"Variables": variables})
    functions.get_waiter("function_updated_v2").wait(FunctionName=f"{name}-trigger")


# ---- where it ended --------------------------------------------------------------------------------------------------


def _bodies(name, prefix):
    s3 = client("s3", R)
    for key in sorted(objects(bucket(name), prefix, R)):
        yield key, s3.get_object(Bucket=bucket(name), Key=key)["Body"].read()


def written_twice(name, folder):
    """The lines of the object that was delivered twice, put beside what was sent; nothing else is there twice."""
    found = collections.Counter(body for _, body in _bodies(name, f"streaming-data/{place(POISONED)}/"))
    [twice] = [gzip.decompress(body).decode().splitlines() for body, count in found.items() if count > 1]
    _write(f"{folder}/data/streaming-data/{place(POISONED)}/twice.jsonl", twice)
    return len(twice)


def refused(name):
    """What Firehose could not place: where, why and what it was."""
    found = []
    for key, body in _bodies(name, "delivery-errors/"):
        for line in map(json.loads, body.splitlines()):
            sent = base64.b64decode(line["rawData"]).decode()
            found.append([key.split("/")[1], line["errorCode"], line["errorMessage"], sent])
    return sorted(found, key=lambda each: each[3])


def account(name):
    """How many records of each hour ended where, by what is in the lake. What was dropped leaves only a count there."""
    return {hour: _account(name, hour) for hour in HOURS}


def _account(name, hour):
    [trends] = [body for _, body in _bodies(name, f"processed-data/{place(hour)}/hourly-trends/part-")]
    [trend] = pyarrow.parquet.read_table(io.BytesIO(trends)).to_pylist()
    dead = _lines(name, "dead-letter", hour)
    whole_objects = [row for row in dead if row["line"].startswith("s3://")]
    return {
        "accepted": trend["events"],
        "duplicates": _printed(name, hour)["duplicates"],
        "rejected": len(_lines(name, "error-data", hour)),
        "dead_letter": len(dead) - len(whole_objects),
        "broken_objects": [row["line"] for row in whole_objects],
    }


def _lines(name, where, hour):
    return [json.loads(line) for _, body in _bodies(name, f"{where}/{place(hour)}/part-") for line in body.splitlines()]


def _printed(name, hour):
    """The counts in the log of the hour's last step."""
    last = claim(name, hour)
    key = f"logs/emr/{last['cluster']}/steps/{last['step']}/stdout.gz"
    body = client("s3", R).get_object(Bucket=bucket(name), Key=key)["Body"].read()
    [line] = [line for line in gzip.decompress(body).decode().splitlines() if line.startswith(f"hour={hour} ")]
    return {word.partition("=")[0]: int(word.partition("=")[2]) for word in line.split()[1:]}


def sent_steps(name):
    """Every step that the trigger sent, by its own log: hour, hash and attempt."""
    pages = client("logs", R).get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}-trigger")
    lines = [event["message"] for page in pages for event in page["events"] if event["message"].startswith("{")]
    told = [line for line in map(json.loads, lines) if line.get("action") == "submitted"]
    return sorted([line["hour"], line["hash"], line["attempt"]] for line in told)
