"""Events on their way from a stream through Firehose into S3 and a queue, for the tests beside this file."""

import base64
import gzip
import json

from outside import REGION, _control, advance, answer, client, objects, wait  # noqa: F401

control = _control
HOURS = ["08", "09", "10"]


def prepare(name, account="000000000000"):
    """A queue that a bucket's notifications of `events/` go to."""
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName=f"{name}-arrivals")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    configuration = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    configuration["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "events/"}]}}
    refused = notify(name, configuration)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{name}-{account}"}},
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [statement]})})
    return refused, notify(name, configuration)


def notify(name, configuration, account="000000000000"):
    """What refused the configuration, if something did."""
    s3 = client("s3")
    try:
        s3.put_bucket_notification_configuration(
            Bucket=f"{name}-{account}", NotificationConfiguration={"QueueConfigurations": [configuration]}
        )
    except s3.exceptions.ClientError as error:
        return error.response["Error"]["Message"].split(":")[0]
    return None


def event(number):
    return {"id": number, "at": f"2013-01-15T{HOURS[number % len(HOURS)]}:00:00Z", "pad": "x" * 900}


def send(name, datas, key="one"):
    """Puts records into the stream, in as many calls as that takes."""
    records = [{"Data": data, "PartitionKey": key} for data in datas]
    for start in range(0, len(records), 500):
        answer = client("kinesis").put_records(StreamName=f"{name}-events", Records=records[start : start + 500])
        assert answer["FailedRecordCount"] == 0


def settle(name, taken):
    """Waits until Firehose took so many records and holds none; what it did."""

    def found():
        did = control("firehose", {"stream": f"{name}-delivery"})["streams"].get(f"{name}-delivery", {})
        return did.get("taken") == taken and not did["held"] and did

    return wait(found)


def delivered(name, account="000000000000"):
    """The ids in each hour's objects, in the order of the objects' names, which tell the time, and of their lines."""
    found = {}
    for key, body in _bodies(f"{name}-{account}", "events/"):
        hour = key.split("hour=")[1][:2]
        found.setdefault(hour, []).extend(json.loads(line)["id"] for line in gzip.decompress(body).splitlines())
    return found


def refused(name, account="000000000000"):
    """Under the folder of each error: its codes and messages, and what was sent."""
    found = {}
    for key, body in _bodies(f"{name}-{account}", "errors/"):
        for line in map(json.loads, body.splitlines()):
            sent = base64.b64decode(line["rawData"]).decode()
            found.setdefault(key.split("/")[1], []).append([line["errorCode"], line["errorMessage"], sent])
    return found


def _bodies(bucket, prefix):
    s3 = client("s3")
    return [(key, s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in sorted(objects(bucket, prefix))]


def told(name, number):
    """The first so many keys that the queue was told of, as they came; the test event left out."""
    sqs, found = client("sqs"), []
    queue = sqs.get_queue_url(QueueName=f"{name}-arrivals")["QueueUrl"]

    def more():
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            found.extend(record["s3"]["object"]["key"] for record in json.loads(message["Body"]).get("Records", []))
        return len(found) >= number

    wait(more)
    return found


def alarm_states(name):
    """The state of each alarm of a project."""
    answer = client("cloudwatch").describe_alarms(AlarmNamePrefix=name, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return {one["AlarmName"]: one["StateValue"] for one in answer["MetricAlarms"] + answer["CompositeAlarms"]}
