"""An S3, an SQS and an EMR in memory, which behave as AWS's do where the trigger depends on it.

Every call goes through `Aws.call`, where tests make it fail, kill its caller or hand the turn to another one.
"""

import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone

from botocore.exceptions import ClientError

PAGE = 1000
STEPS_PAGE = 2
ALIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
ENDED_MESSAGE = "A job flow that is shutting down, terminated, or finished may not be modified."


def refusal(code: str, message: str, status: int = 400) -> ClientError:
    said = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "Fake")


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


@dataclass
class Aws:
    """Everything that exists, and the time."""

    now: float
    calls: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.before = lambda name: None
        self.after = lambda name: None
        self.s3 = S3(self)
        self.sqs = Sqs(self)
        self.emr = Emr(self)

    def call(self, name: str, effect):
        self.calls.append(name)
        self.before(name)
        answer = effect()
        self.after(name)
        return answer


class S3:
    def __init__(self, aws: Aws):
        self.aws = aws
        self.objects: dict[str, dict] = {}
        self.versions = 0

    def keep(self, key: str, body: bytes, tag: str | None = None) -> str:
        self.versions += 1
        tag = tag or f'"{hashlib.md5(body).hexdigest()}-{self.versions}"'
        self.objects[key] = {"Body": body, "ETag": tag, "Modified": self.aws.now}
        return tag

    def json(self, key: str):
        return json.loads(self.objects[key]["Body"]) if key in self.objects else None

    def get_object(self, Bucket, Key):
        return self.aws.call("GetObject", lambda: self._get(Key))

    def _get(self, key):
        found = self._known(key, "NoSuchKey")
        return {"Body": io.BytesIO(found["Body"]), "ETag": found["ETag"], "LastModified": moment(found["Modified"])}

    def head_object(self, Bucket, Key):
        return self.aws.call("HeadObject", lambda: {"ETag": self._known(Key, "404")["ETag"]})

    def _known(self, key, code):
        if key not in self.objects:
            raise refusal(code, "The specified key does not exist.", 404)
        return self.objects[key]

    def put_object(self, Bucket, Key, Body, ContentType=None, IfMatch=None, IfNoneMatch=None):
        return self.aws.call("PutObject", lambda: self._put(Key, Body, IfMatch, IfNoneMatch))

    def _put(self, key, body, if_match, if_none_match):
        there = self.objects.get(key)
        if if_match and there is None:
            raise refusal("NoSuchKey", "The specified key does not exist.", 404)
        if (if_none_match and there) or (if_match and there["ETag"] != if_match):
            raise refusal("PreconditionFailed", "At least one of the pre-conditions did not hold", 412)
        return {"ETag": self.keep(key, body)}

    def list_objects_v2(self, Bucket, Prefix, ContinuationToken=None):
        return self.aws.call("ListObjectsV2", lambda: self._list(Prefix, int(ContinuationToken or 0)))

    def _list(self, prefix, start):
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        page = [self._entry(key) for key in keys[start : start + PAGE]]
        more = start + PAGE < len(keys)
        following = {"NextContinuationToken": str(start + PAGE)} if more else {}
        return {"Contents": page, "IsTruncated": more, **following}

    def _entry(self, key):
        found = self.objects[key]
        return {"Key": key, "ETag": found["ETag"], "Size": len(found["Body"]), "LastModified": moment(found["Modified"])}


@dataclass
class Message:
    id: str
    body: str
    visible: float
    receives: int = 0
    reason: str | None = None


class Sqs:
    """Two queues, the second of which gets what the first gave out three times."""

    VISIBILITY_SECONDS = 360
    RECEIVES_MAX = 3

    def __init__(self, aws: Aws):
        self.aws = aws
        self.queues: dict[str, list[Message]] = {"arrivals": [], "unhandled": []}
        self.sent = 0

    def send_message(self, QueueUrl, MessageBody, DelaySeconds=0, MessageAttributes=None):
        assert isinstance(DelaySeconds, int) and 0 <= DelaySeconds <= 900
        reason = MessageAttributes["reason"]["StringValue"] if MessageAttributes else None
        return self.aws.call("SendMessage", lambda: self.put(QueueUrl, MessageBody, DelaySeconds, reason))

    def put(self, queue, body, delay=0, reason=None):
        self.sent += 1
        message = Message(f"m{self.sent}", body, self.aws.now + delay, reason=reason)
        self.queues[queue].append(message)
        return {"MessageId": message.id}

    def receive(self, most: int) -> list[Message]:
        """Up to so many of the visible, as an event source mapping gets them."""
        visible = [message for message in self.queues["arrivals"] if message.visible <= self.aws.now][:most]
        given = []
        for message in visible:
            if message.receives >= self.RECEIVES_MAX:
                self.queues["arrivals"].remove(message)
                self.queues["unhandled"].append(message)
                continue
            message.receives += 1
            message.visible = self.aws.now + self.VISIBILITY_SECONDS
            given.append(message)
        return given

    def delete(self, ids: set[str]) -> None:
        self.queues["arrivals"] = [message for message in self.queues["arrivals"] if message.id not in ids]

    def redrive(self) -> None:
        """What `pipeline redrive` does."""
        moved, self.queues["unhandled"] = self.queues["unhandled"], []
        for message in moved:
            self.put("arrivals", message.body)


@dataclass
class Step:
    id: str
    name: str
    args: list[str]
    sent: float
    begun: float | None = None
    ended: float | None = None
    state: str = "PENDING"


@dataclass
class Cluster:
    id: str
    request: dict
    started: float
    ended: float | None = None
    reason: dict = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


class Emr:
    """Clusters run their steps one after another. Listings lag; what is described by its id is so at once."""

    START_SECONDS = 130
    STEP_SECONDS = 90

    def __init__(self, aws: Aws):
        self.aws = aws
        self.clusters: list[Cluster] = []
        self.lag = 0.0
        self.failing: set[str] = set()
        self.most_alive = 0

    # -- what moves by itself

    def _move(self, cluster: Cluster) -> None:
        free = cluster.started + self.START_SECONDS
        end = cluster.ended if cluster.ended is not None else float("inf")
        for step in cluster.steps:
            begun = max(free, step.sent)
            free = begun + self.STEP_SECONDS
            if step.state in ("COMPLETED", "FAILED", "CANCELLED"):
                free = step.ended
            elif free <= min(self.aws.now, end):
                step.begun, step.ended = begun, free
                step.state = "FAILED" if self._fails(step) else "COMPLETED"
            elif end <= self.aws.now:
                step.state, step.ended = "CANCELLED", end
            elif begun <= self.aws.now:
                step.state, step.begun = "RUNNING", begun

    def _fails(self, step: Step) -> bool:
        return any(word in arg for word in self.failing for arg in step.args)

    def state(self, cluster: Cluster) -> str:
        self._move(cluster)
        if cluster.ended is not None:
            return "TERMINATING" if self.aws.now < cluster.ended + 60 else "TERMINATED"
        if self.aws.now < cluster.started + self.START_SECONDS:
            return "STARTING"
        return "RUNNING" if any(step.state == "RUNNING" for step in cluster.steps) else "WAITING"

    def alive(self) -> list[Cluster]:
        return [cluster for cluster in self.clusters if self.state(cluster) in ALIVE]

    def end(self, cluster: Cluster, code="USER_REQUEST", message="Terminated by user request") -> None:
        self._move(cluster)
        cluster.ended, cluster.reason = self.aws.now, {"Code": code, "Message": message}
        self._move(cluster)

    def steps(self) -> list[Step]:
        return [step for cluster in self.clusters for step in cluster.steps]

    # -- the operations

    def run_job_flow(self, **request):
        return self.aws.call("RunJobFlow", lambda: {"JobFlowId": self.begin(request).id})

    def begin(self, request: dict) -> Cluster:
        cluster = Cluster(f"j-{len(self.clusters) + 1}", request, self.aws.now)
        self.clusters.append(cluster)
        self.most_alive = max(self.most_alive, len(self.alive()))
        return cluster

    def list_clusters(self, ClusterStates, Marker=None):
        return self.aws.call("ListClusters", lambda: self._list_clusters(ClusterStates, int(Marker or 0)))

    def _list_clusters(self, states, start):
        listed = [c for c in self.clusters if self.state(c) in states and c.started + self.lag <= self.aws.now]
        entries = [{"Id": cluster.id, "Name": cluster.request["Name"]} for cluster in listed]
        return self._page(entries, start, "Clusters")

    @staticmethod
    def _page(entries, start, name):
        marker = {"Marker": str(start + STEPS_PAGE)} if start + STEPS_PAGE < len(entries) else {}
        return {name: entries[start : start + STEPS_PAGE], **marker}

    def describe_cluster(self, ClusterId):
        return self.aws.call("DescribeCluster", lambda: self._describe_cluster(ClusterId))

    def _cluster(self, cluster_id):
        for cluster in self.clusters:
            if cluster.id == cluster_id:
                return cluster
        raise refusal("InvalidRequestException", f"Cluster id '{cluster_id}' is not valid.")

    def _describe_cluster(self, cluster_id):
        cluster = self._cluster(cluster_id)
        times = {"CreationDateTime": moment(cluster.started)}
        if cluster.ended:
            times["EndDateTime"] = moment(cluster.ended)
        status = {"State": self.state(cluster), "StateChangeReason": cluster.reason, "Timeline": times}
        return {"Cluster": {"Id": cluster.id, "Status": status, "Tags": cluster.request["Tags"]}}

    def add_job_flow_steps(self, JobFlowId, Steps):
        return self.aws.call("AddJobFlowSteps", lambda: self._add(JobFlowId, Steps))

    def _add(self, cluster_id, steps):
        cluster = self._cluster(cluster_id)
        if self.state(cluster) not in ALIVE:
            raise refusal("ValidationException", ENDED_MESSAGE)
        ids = []
        for asked in steps:
            step = Step(f"s-{len(self.steps()) + 1}", asked["Name"], asked["HadoopJarStep"]["Args"], self.aws.now)
            cluster.steps.append(step)
            ids.append(step.id)
        return {"StepIds": ids}

    def list_steps(self, ClusterId, Marker=None):
        return self.aws.call("ListSteps", lambda: self._list_steps(ClusterId, int(Marker or 0)))

    def _list_steps(self, cluster_id, start):
        steps = [step for step in self._cluster(cluster_id).steps if step.sent + self.lag <= self.aws.now]
        entries = [{"Id": step.id, "Name": step.name} for step in reversed(steps)]
        return self._page(entries, start, "Steps")

    def describe_step(self, ClusterId, StepId):
        return self.aws.call("DescribeStep", lambda: self._describe_step(ClusterId, StepId))

    def _describe_step(self, cluster_id, step_id):
        cluster = self._cluster(cluster_id)
        self._move(cluster)
        for step in cluster.steps:
            if step.id == step_id:
                return {"Step": {"Id": step.id, "Status": self._status(step)}}
        raise refusal("InvalidRequestException", f"Step id '{step_id}' is not valid.")

    @staticmethod
    def _status(step):
        times = {"CreationDateTime": moment(step.sent)}
        if step.begun:
            times["StartDateTime"] = moment(step.begun)
        if step.ended:
            times["EndDateTime"] = moment(step.ended)
        failure = {"FailureDetails": {"Reason": "Unknown Error.", "Message": "ValueError: no"}}
        return {"State": step.state, "Timeline": times, **(failure if step.state == "FAILED" else {})}
