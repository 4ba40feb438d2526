"""`s3-notification`"""

import io
import json
import zipfile

from case import REGION, Aws, Case, Change, change, make_bucket, without

KIND = "s3-notification"
UNWRITTEN = {"tags.*": "S3 has none for it: the ids of the configurations say whose they are"}
UNREACHABLE = {"bucket": "it is the identity"}
SETTLED = {"bucket": "it is the identity"}
SHORTCOMINGS = {
    "moto": {
        "event_bridge": (
            "it does not tell it",
            "what_is_written_reads_back_the_same_and_what_is_others_is_not_shown",
        )
    }
}
NOT_SERVED = {"moto": {"bus": "it does not tell EventBridge, and answers an empty document with nothing"}}
BUCKET = "wire-notified"
BUS = "wire-bus"
QUEUE = "arn:aws:sqs:eu-west-1:${account}:wire-notified"
TOPIC = "arn:aws:sns:eu-west-1:${account}:wire-notified"
FUNCTION = "arn:aws:lambda:eu-west-1:${account}:function:wire-notified"
#: What somebody else has on the same bucket, and nothing is to touch.
THEIRS = {"Id": "theirs", "Events": ["s3:ObjectRemoved:*"]}
LISTS = ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")


def _zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("main.py", "def handle(event, context): pass\n")
    return held.getvalue()


def _function(aws: Aws, name: str) -> None:
    who = {"Service": "lambda.amazonaws.com"}
    allow = {"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    functions = getattr(aws, "lambda")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="main.handle",
        Role=f"arn:aws:iam::{aws.account}:role/{name}",
        Code={"ZipFile": _zip()},
    )
    functions.add_permission(
        FunctionName=name,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{BUCKET}",
    )


def _queue(aws: Aws, name: str) -> None:
    """One whose policy lets S3 in."""
    who = {"Service": "s3.amazonaws.com"}
    allow = {"Effect": "Allow", "Principal": who, "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    aws.sqs.create_queue(QueueName=name, Attributes={"Policy": policy})


def _before(aws: Aws) -> None:
    make_bucket(BUCKET)(aws)
    for name in ("wire-notified", "wire-notified-other"):
        _queue(aws, name)
        aws.sns.create_topic(Name=name)
        _function(aws, name)
    theirs = {**THEIRS, "QueueArn": aws.fill(QUEUE)}
    aws.s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [theirs]}
    )


def _own_bucket(aws: Aws) -> None:
    """A bucket that carries the tag of the blueprint, which a case's name makes."""
    make_bucket(BUS)(aws)
    tags = [{"Key": "pipeline:owner", "Value": f"wire-{KIND}-bus/default/{REGION}"}]
    aws.s3.put_bucket_tagging(Bucket=BUS, Tagging={"TagSet": tags})


def _held(aws: Aws, bucket: str = BUCKET) -> dict:
    told = aws.s3.get_bucket_notification_configuration(Bucket=bucket)
    told.pop("ResponseMetadata")
    return told


def _put(aws: Aws, held: dict, bucket: str = BUCKET) -> None:
    aws.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=held)


def _look(bucket: str):
    def look(aws: Aws):
        held = _held(aws, bucket)
        for each in [one for name in LISTS for one in held.get(name, [])]:
            each["Events"].sort()
        return without(held)

    return look


def _one(held: dict, key: str) -> dict:
    """Our configuration of that key: its id ends with it."""
    each = [one for name in LISTS for one in held.get(name, [])]
    return next(one for one in each if one["Id"].endswith(f".{key}"))


def _rewrite(*paths: str):
    """Another client puts the document with something in it otherwise."""

    def decorate(edit) -> Change:
        @change(*paths)
        def make(aws: Aws) -> None:
            held = _held(aws)
            edit(aws, held)
            _put(aws, held)

        return make

    return decorate


def _filter(held: dict, key: str, rule: str, text: str) -> None:
    rules = _one(held, key)["Filter"]["Key"]["FilterRules"]
    next(each for each in rules if each["Name"].lower() == rule)["Value"] = text


def _intrude(aws: Aws, held: dict) -> None:
    """A configuration that bears our mark and is not in the blueprint."""
    like = dict(_one(held, "queue"))
    like.update(Id=like["Id"].replace(".queue", ".intruder"), Events=["s3:ObjectRestore:Post"])
    held["QueueConfigurations"].append(like)


def _retarget(aws: Aws, held: dict) -> None:
    """A queue where the topic was, under the same id."""
    moved = _one(held, "topic")
    held["TopicConfigurations"].remove(moved)
    del moved["TopicArn"]
    held["QueueConfigurations"].append({**moved, "QueueArn": aws.fill(QUEUE)})


def _rename(aws: Aws, held: dict) -> None:
    """The id under which the resource was once known."""
    for each in [one for name in LISTS for one in held.get(name, [])]:
        each["Id"] = each["Id"].replace("-subject.", "-formerly.")


def _forget(aws: Aws) -> None:
    held = _held(aws)
    for name in LISTS:
        held[name] = [one for one in held.get(name, []) if one["Id"] == "theirs"]
    held.pop("EventBridgeConfiguration", None)
    _put(aws, held)


CASES = [
    Case(
        "targets",
        resources={
            "subject": {
                "kind": KIND,
                "bucket": BUCKET,
                "to": {
                    "queue": {
                        "queue": QUEUE,
                        "events": ["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"],
                        "prefix": "streaming-data/",
                        "suffix": ".gz",
                    },
                    "topic": {"topic": TOPIC, "events": ["s3:ObjectTagging:*"]},
                    "function": {
                        "function": FUNCTION,
                        "events": ["s3:ObjectCreated:*"],
                        "prefix": "logs/",
                    },
                },
                "event_bridge": False,
            },
        },
        other={
            "to": {
                "queue": {
                    "queue": f"{QUEUE}-other",
                    "events": ["s3:ObjectCreated:Put"],
                    "prefix": "other/",
                    "suffix": ".json",
                },
                "topic": {"topic": f"{TOPIC}-other", "events": ["s3:ObjectTagging:*"]},
                "function": {
                    "function": f"{FUNCTION}-other",
                    "events": ["s3:ObjectCreated:*"],
                    "prefix": "logs/",
                },
            },
            "event_bridge": True,
        },
        before=_before,
        changes=[
            _rewrite("to.queue.events")(
                lambda aws, held: _one(held, "queue").update(Events=["s3:ObjectCreated:Put"])
            ),
            _rewrite("to.queue.queue")(
                lambda aws, held: _one(held, "queue").update(QueueArn=aws.fill(f"{QUEUE}-other"))
            ),
            _rewrite("to.queue.prefix")(
                lambda aws, held: _filter(held, "queue", "prefix", "elsewhere/")
            ),
            _rewrite("to.queue.suffix")(lambda aws, held: _filter(held, "queue", "suffix", ".zip")),
            _rewrite("to.topic.topic")(
                lambda aws, held: _one(held, "topic").update(TopicArn=aws.fill(f"{TOPIC}-other"))
            ),
            _rewrite("to.function.function")(
                lambda aws, held: _one(held, "function").update(
                    LambdaFunctionArn=aws.fill(f"{FUNCTION}-other")
                )
            ),
            _rewrite("to.topic.topic")(_retarget),
            _rewrite("to.topic")(lambda aws, held: held.pop("TopicConfigurations")),
            _rewrite("to.intruder")(_intrude),
            _rewrite("tags.pipeline:id")(_rename),
            _rewrite("event_bridge")(lambda aws, held: held.update(EventBridgeConfiguration={})),
        ],
        look=_look(BUCKET),
        delete=_forget,
    ),
    Case(
        "bus",
        resources={"subject": {"kind": KIND, "bucket": BUS, "event_bridge": True}},
        before=_own_bucket,
        look=_look(BUS),
        delete=lambda aws: _put(aws, {}, BUS),
    ),
]
