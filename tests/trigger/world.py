"""The trigger among fakes: what the flagship's blueprint gives it, and the loop that Lambda runs."""

import itertools
import json

import handler
import settings
from fakes import Aws

HOUR = "2013-01-15T10"
FOLDER = "streaming-data/year=2013/month=01/day=15/hour=10/"
# Three days after the hour.
LONG_AFTER = 1358496000.0
LAKE = "s3://lake/pipeline/shop/default"
TOLD = settings.read(
    {
        "CLUSTER_URI": f"{LAKE}/trigger/cluster.json",
        "JOB_URI": f"{LAKE}/trigger/job.json",
        "LEASES_URI": f"{LAKE}/leases/",
        "QUEUE_URL": "arrivals",
        "DLQ_URL": "unhandled",
        "BUCKET": "lake",
        "INPUT_PREFIX": "streaming-data/",
        "SETTLE_SECONDS": "120",
        "WATCH_SECONDS": "60",
    }
)
TAGS = [
    {"Key": "pipeline:owner", "Value": "shop/default/eu-west-1"},
    {"Key": "pipeline:id", "Value": "spark"},
]
CLUSTER = {"Name": "shop-spark", "ReleaseLabel": "emr-7.9.0", "Instances": {}, "LogUri": "s3://lake/logs/emr/", "Tags": TAGS}
JOB = {
    "job": "process",
    "cluster": "spark",
    "script": {"uri": f"{LAKE}/scripts/abc/job.py", "content": "cHJpbnQoKQ=="},
    "step": {
        "Name": "process#%{hash}",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", "job.py", "--hours=%{hour}"]},
    },
    "params": {"hour": "", "mode": "full"},
    "start": f"{LAKE}/starts/spark.json",
    "runs": f"{LAKE}/runs/process/",
    "last": f"{LAKE}/last/process.json",
}
BASE = "pipeline/shop/default"
TIMEOUT_SECONDS = 60
# A world that has not come to rest after so many invocations never will.
INVOCATIONS_MAX = 400


class Killed(BaseException):
    """The end of a function at any moment: nothing in it can catch this."""


class World:
    def __init__(self, now: float = LONG_AFTER):
        self.aws = Aws(now)
        self.describe(CLUSTER, JOB)
        self.nonces = itertools.count()

    def describe(self, cluster: dict, job: dict) -> None:
        self.aws.s3.keep(f"{BASE}/trigger/cluster.json", json.dumps(cluster).encode())
        self.aws.s3.keep(f"{BASE}/trigger/job.json", json.dumps(job).encode())

    # -- what happens to it

    def deliver(self, name: str, hour: str = HOUR, times: int = 1) -> None:
        """Firehose writes an object, and S3 tells so, at least once."""
        date, _, clock = hour.partition("T")
        year, month, day = date.split("-")
        key = f"streaming-data/year={year}/month={month}/day={day}/hour={clock}/{name}"
        self.aws.s3.keep(key, name.encode())
        for _ in range(times):
            self.notify(key)

    def notify(self, key: str) -> None:
        self.aws.sqs.put("arrivals", notification(key))

    def tell(self, message: dict) -> None:
        self.aws.sqs.put("arrivals", json.dumps(message))

    def wait(self, seconds: float) -> None:
        self.aws.now += seconds

    # -- Lambda

    def event(self, most: int = 100) -> dict:
        given = self.aws.sqs.receive(most)
        attributes = [{"ApproximateReceiveCount": str(message.receives)} for message in given]
        records = [
            {"messageId": message.id, "body": message.body, "attributes": attribute}
            for message, attribute in zip(given, attributes)
        ]
        return {"Records": records}

    def call(self, event: dict, seconds: float = TIMEOUT_SECONDS) -> dict:
        aws = self.aws
        clients = handler.Clients(aws.s3, aws.sqs, aws.emr, aws.emr)
        return handler.handle(
            event, TOLD, clients, aws.now + seconds, lambda: aws.now, lambda: f"n{next(self.nonces)}"
        )

    def invoke(self, event: dict, seconds: float = TIMEOUT_SECONDS) -> list[str]:
        """One invocation, and what the event source mapping does with its answer: the ids that failed."""
        if not event["Records"]:
            return []
        try:
            answer = self.call(event, seconds)
        except Killed:
            return [record["messageId"] for record in event["Records"]]
        failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        self.aws.sqs.delete({record["messageId"] for record in event["Records"]} - set(failed))
        return failed

    def settle(self, most: int = 100) -> None:
        """Until the queue is empty: time passes from message to message."""
        for _ in range(INVOCATIONS_MAX):
            waiting = self.aws.sqs.queues["arrivals"]
            if not waiting:
                return
            self.aws.now = max(self.aws.now, min(message.visible for message in waiting))
            self.invoke(self.event(most))
        raise AssertionError(f"it does not come to rest: {waiting}")

    # -- what became of it

    def names(self) -> list[str]:
        return [step.name for step in self.aws.emr.steps()]

    def states(self) -> list[str]:
        for cluster in self.aws.emr.clusters:
            self.aws.emr.state(cluster)
        return [step.state for step in self.aws.emr.steps()]

    def claim(self, hour: str = HOUR) -> dict:
        return self.aws.s3.json(f"{BASE}/leases/hours/{hour}.json")

    def records(self) -> list[dict]:
        keys = sorted(key for key in self.aws.s3.objects if key.startswith(f"{BASE}/runs/"))
        return [self.aws.s3.json(key) for key in keys]

    def dead(self) -> list:
        return self.aws.sqs.queues["unhandled"]


def notification(key: str, bucket: str = "lake", event: str = "ObjectCreated:Put") -> str:
    entry = {"key": key.replace("=", "%3D"), "size": 1, "eTag": "x", "sequencer": "1"}
    s3 = {"bucket": {"name": bucket}, "object": entry}
    return json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": event, "s3": s3}]})
