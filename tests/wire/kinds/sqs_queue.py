"""`sqs-queue`"""

import json
from functools import partial

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, allowing, change, document, tag_changes, without

KIND = "sqs-queue"
UNREACHABLE = {
    "name": "it is the identity",
    "fifo": "SQS fixes it when the queue is made",
}
SETTLED = UNREACHABLE
_READ = "attributes_are_read_as_they_are_written"
SHORTCOMINGS = {
    "moto": {
        "policy": ("it forgets it whenever something else is set", _READ),
        "redrive_allow": ("it does not know it", _READ),
    }
}
NAME = "wire-queue"
ORDERED = "wire-queue.fifo"
DEAD = "arn:aws:sqs:eu-west-1:${account}:wire-queue-dead"
#: Numbers of messages, and times.
VOLATILE = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "ResponseMetadata",
)


_policy = partial(allowing, "sqs", NAME)


def _url(aws: Aws, name: str = NAME) -> str:
    return aws.sqs.get_queue_url(QueueName=name)["QueueUrl"]


def _look(name: str):
    def look(aws: Aws):
        url = _url(aws, name)
        told = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        for each in ("Policy", "RedrivePolicy", "RedriveAllowPolicy"):
            told[each] = document(json.loads(told[each])) if told.get(each) else None
        if "KmsMasterKeyId" in told:  # Beside a key it says what was before, or that it is off.
            told.pop("SqsManagedSseEnabled")
        tags = aws.sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
        return without({"queue": told, "tags": tags}, *VOLATILE)

    return look


def _attributes(name: str = NAME, **attributes):
    def make(aws: Aws) -> None:
        as_text = lambda value: json.dumps(value) if isinstance(value, dict) else value
        texts = {key: aws.fill(as_text(value)) for key, value in attributes.items()}
        aws.sqs.set_queue_attributes(QueueUrl=_url(aws, name), Attributes=texts)

    return make


def _own_keys(enabled: str):
    """A key goes before SQS's own keys come."""

    def make(aws: Aws) -> None:
        _attributes(KmsMasterKeyId="")(aws)
        _attributes(SqsManagedSseEnabled=enabled)(aws)

    return make


def _redrive(queue: str, receives: int | str) -> dict:
    return {"RedrivePolicy": {"deadLetterTargetArn": queue, "maxReceiveCount": receives}}


def _dead_letter_queues(aws: Aws) -> None:
    for name in ("wire-queue-dead", "wire-queue-other", "wire-queue-intruder"):
        aws.sqs.create_queue(QueueName=name)


def _tag(aws: Aws, tags: dict) -> None:
    aws.sqs.tag_queue(QueueUrl=_url(aws), Tags=tags)


def _untag(aws: Aws, keys: list) -> None:
    aws.sqs.untag_queue(QueueUrl=_url(aws), TagKeys=keys)


def _delete(name: str):
    return lambda aws: aws.sqs.delete_queue(QueueUrl=_url(aws, name))


def _allow(permission: str, *arns: str) -> dict:
    by = {"sourceQueueArns": list(arns)} if arns else {}
    return {"RedriveAllowPolicy": {"redrivePermission": permission, **by}}


CASES = [
    Case(
        "standard",
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "retention": "14d",
                "visibility_timeout": "6m",
                "delay": "5s",
                "receive_wait": "20s",
                "max_message_size": 2048,
                "encryption": {"sse": "kms", "key": "alias/wire-queue", "key_reuse": "1h"},
                "redrive": {"queue": DEAD, "max_receives": 3},
                "redrive_allow": {"queues": [f"{DEAD}-one", f"{DEAD}-two"]},
                "policy": _policy("sqs:SendMessage"),
                "tags": TAGS,
            },
        },
        other={
            "retention": "1h",
            "visibility_timeout": "30s",
            "delay": "0s",
            "receive_wait": "0s",
            "max_message_size": 1048576,
            "encryption": {"sse": "sqs"},
            "redrive": {"queue": DEAD.replace("-dead", "-other"), "max_receives": 5},
            "redrive_allow": {"queues": [f"{DEAD}-one"]},
            "policy": _policy("sqs:ReceiveMessage"),
            "tags": OTHER_TAGS,
        },
        before=_dead_letter_queues,
        changes=[
            change("retention")(_attributes(MessageRetentionPeriod="60")),
            change("visibility_timeout")(_attributes(VisibilityTimeout="31")),
            change("delay")(_attributes(DelaySeconds="900")),
            change("receive_wait")(_attributes(ReceiveMessageWaitTimeSeconds="1")),
            change("max_message_size")(_attributes(MaximumMessageSize="1024")),
            change("encryption.key")(_attributes(KmsMasterKeyId="alias/intruder")),
            change("encryption.key_reuse")(_attributes(KmsDataKeyReusePeriodSeconds="60")),
            change("encryption.key", "encryption.key_reuse", "encryption.sse")(_own_keys("true")),
            change("encryption.key", "encryption.key_reuse", "encryption.sse")(_own_keys("false")),
            change("redrive.max_receives")(_attributes(**_redrive(DEAD, "4"))),
            change("redrive.queue")(_attributes(**_redrive(DEAD.replace("-dead", "-intruder"), 3))),
            change("redrive")(_attributes(RedrivePolicy="")),
            change("redrive_allow.queues")(
                _attributes(**_allow("byQueue", f"{DEAD}-one", f"{DEAD}-two", f"{DEAD}-intruder"))
            ),
            change("redrive_allow")(_attributes(**_allow("denyAll"))),
            change("redrive_allow")(_attributes(RedriveAllowPolicy="")),
            change("policy.Statement.0.Action.0")(_attributes(Policy=_policy("sqs:DeleteQueue"))),
            change("policy.Statement")(_attributes(Policy="")),
            *tag_changes(_tag, _untag),
        ],
        look=_look(NAME),
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=_delete(NAME),
    ),
    Case(
        "plain",
        resources={"subject": {"kind": KIND, "name": "wire-plain", "redrive_allow": "none"}},
        other={"redrive_allow": "all", "encryption": {"sse": "none"}},
        changes=[
            change("redrive_allow")(
                _attributes("wire-plain", RedriveAllowPolicy='{"redrivePermission":"allowAll"}')
            ),
            change("encryption.sse")(_attributes("wire-plain", SqsManagedSseEnabled="false")),
            change("redrive")(_attributes("wire-plain", **_redrive(DEAD, 1))),
            change("policy.Statement")(_attributes("wire-plain", Policy=_policy("sqs:*"))),
        ],
        before=_dead_letter_queues,
        look=_look("wire-plain"),
        delete=_delete("wire-plain"),
    ),
    Case(
        "fifo",
        resources={
            "subject": {
                "kind": KIND,
                "name": ORDERED,
                "fifo": True,
                "content_based_deduplication": True,
                "deduplication_scope": "message-group",
                "throughput_limit": "per-message-group-id",
            },
        },
        other={
            "content_based_deduplication": False,
            "deduplication_scope": "queue",
            "throughput_limit": "per-queue",
        },
        changes=[
            change("content_based_deduplication")(
                _attributes(ORDERED, ContentBasedDeduplication="false")
            ),
            change("throughput_limit")(_attributes(ORDERED, FifoThroughputLimit="perQueue")),
            change("deduplication_scope", "throughput_limit")(
                _attributes(ORDERED, DeduplicationScope="queue", FifoThroughputLimit="perQueue")
            ),
        ],
        look=_look(ORDERED),
        delete=_delete(ORDERED),
    ),
]
