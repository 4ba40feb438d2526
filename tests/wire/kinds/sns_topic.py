"""`sns-topic`"""

import json
from functools import partial

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, allowing, change, document, pairs, tag_changes, without

KIND = "sns-topic"
UNWRITTEN = {"subscriptions.*.*.pending": "AWS says it, and a blueprint may not"}
UNREACHABLE = {
    "name": "it is the identity",
    "fifo": "SNS fixes it when the topic is made",
}
SETTLED = UNREACHABLE
NAME = "wire-topic"
ORDERED = "wire-topic.fifo"
QUEUE = "arn:aws:sqs:eu-west-1:${account}:wire-topic"
STREAM = "arn:aws:firehose:eu-west-1:${account}:deliverystream/wire-topic"
ROLE = "arn:aws:iam::${account}:role/wire-topic"
BY_QUEUE = f"subscriptions.sqs.{QUEUE}-one"
BY_STREAM = f"subscriptions.firehose.{STREAM}"


_policy = partial(allowing, "sns", NAME)


def _arn(aws: Aws, name: str = NAME) -> str:
    return aws.arn("sns", name)


def _look(name: str):
    def look(aws: Aws):
        arn = _arn(aws, name)
        topic = aws.sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        topic["Policy"] = document(json.loads(topic["Policy"]))
        listed = aws.sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
        told = {
            "topic": topic,
            "subscriptions": {each["Endpoint"]: _subscription(aws, each) for each in listed},
            "tags": aws.sns.list_tags_for_resource(ResourceArn=arn)["Tags"],
        }
        return without(told, "SubscriptionArn", "ResponseMetadata", "EffectiveDeliveryPolicy")

    return look


def _subscription(aws: Aws, listed: dict) -> dict:
    arn = listed["SubscriptionArn"]
    if not arn.startswith("arn:"):
        return listed
    told = aws.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return {key: text for key, text in told.items() if text not in ("{}", "")}


def _attribute(name: str, value: str | dict, topic: str = NAME):
    def make(aws: Aws) -> None:
        text = aws.fill(json.dumps(value)) if isinstance(value, dict) else value
        aws.sns.set_topic_attributes(
            TopicArn=_arn(aws, topic), AttributeName=name, AttributeValue=text
        )

    return make


def _held(aws: Aws, endpoint: str) -> str:
    """The ARN of a subscription."""
    listed = aws.sns.list_subscriptions_by_topic(TopicArn=_arn(aws))["Subscriptions"]
    each = {one["Endpoint"]: one["SubscriptionArn"] for one in listed}
    return each[aws.fill(endpoint)]


def _of_subscription(endpoint: str, **attributes):
    def make(aws: Aws) -> None:
        arn = _held(aws, endpoint)
        for name, value in attributes.items():
            text = aws.fill(value if isinstance(value, str) else json.dumps(value))
            aws.sns.set_subscription_attributes(
                SubscriptionArn=arn, AttributeName=name, AttributeValue=text
            )

    return make


def _tag(aws: Aws, tags: dict) -> None:
    aws.sns.tag_resource(ResourceArn=_arn(aws), Tags=pairs(tags))


def _untag(aws: Aws, keys: list) -> None:
    aws.sns.untag_resource(ResourceArn=_arn(aws), TagKeys=keys)


def _delete(name: str):
    return lambda aws: aws.sns.delete_topic(TopicArn=_arn(aws, name))


CASES = [
    Case(
        "standard",
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "display_name": "On call",
                "key": "alias/wire-topic",
                "policy": _policy("sns:Publish"),
                "subscriptions": {
                    "sqs": {
                        f"{QUEUE}-one": {
                            "raw_delivery": True,
                            "filter_policy": {"severity": ["high"]},
                            "filter_policy_scope": "message-body",
                            "dead_letter_queue": f"{QUEUE}-dead",
                        },
                        f"{QUEUE}-two": {},
                    },
                    "firehose": {STREAM: {"role": ROLE}},
                    "email": {"wire@example.com": {}},
                },
                "tags": TAGS,
            },
        },
        other={
            "display_name": "",
            "key": "none",
            "policy": _policy("sns:Subscribe"),
            "subscriptions": {
                "sqs": {
                    f"{QUEUE}-one": {
                        "raw_delivery": False,
                        "filter_policy": {"severity": ["low"], "stage": ["wire"]},
                        "filter_policy_scope": "message-attributes",
                        "dead_letter_queue": f"{QUEUE}-other-dead",
                    },
                    f"{QUEUE}-three": {"filter_policy": {"a": ["b"]}},
                },
                "firehose": {STREAM: {"role": f"{ROLE}-other"}},
            },
            "tags": OTHER_TAGS,
        },
        changes=[
            change("display_name")(_attribute("DisplayName", "Nobody")),
            change("key")(_attribute("KmsMasterKeyId", "alias/other")),
            change("key")(_attribute("KmsMasterKeyId", "")),
            change("policy.Statement.0.Action.0")(
                _attribute("Policy", _policy("sns:Receive"))
            ),
            change(f"{BY_QUEUE}.raw_delivery")(
                _of_subscription(f"{QUEUE}-one", RawMessageDelivery="false")
            ),
            change(f"{BY_QUEUE}.filter_policy.severity.0")(
                _of_subscription(f"{QUEUE}-one", FilterPolicy={"severity": ["low"]})
            ),
            change(f"{BY_QUEUE}.filter_policy.severity", f"{BY_QUEUE}.filter_policy_scope")(
                _of_subscription(f"{QUEUE}-one", FilterPolicy={})
            ),
            change(f"{BY_QUEUE}.filter_policy_scope")(
                _of_subscription(f"{QUEUE}-one", FilterPolicyScope="MessageAttributes")
            ),
            change(f"{BY_QUEUE}.dead_letter_queue")(
                _of_subscription(
                    f"{QUEUE}-one", RedrivePolicy={"deadLetterTargetArn": f"{QUEUE}-elsewhere"}
                )
            ),
            change(f"{BY_STREAM}.role")(
                _of_subscription(STREAM, SubscriptionRoleArn=f"{ROLE}-intruder")
            ),
            change(f"subscriptions.sqs.{QUEUE}-two")(
                lambda aws: aws.sns.unsubscribe(SubscriptionArn=_held(aws, f"{QUEUE}-two"))
            ),
            change(f"subscriptions.sqs.{QUEUE}-intruder")(
                lambda aws: aws.sns.subscribe(
                    TopicArn=_arn(aws), Protocol="sqs", Endpoint=aws.fill(f"{QUEUE}-intruder")
                )
            ),
            *tag_changes(_tag, _untag),
        ],
        look=_look(NAME),
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=_delete(NAME),
    ),
    Case(
        "fifo",
        resources={
            "subject": {
                "kind": KIND,
                "name": ORDERED,
                "fifo": True,
                "content_based_deduplication": True,
            },
        },
        other={"content_based_deduplication": False},
        changes=[
            change("content_based_deduplication")(
                _attribute("ContentBasedDeduplication", "false", ORDERED)
            ),
            change("policy.Statement")(_attribute("Policy", _policy("sns:Receive"), ORDERED)),
        ],
        look=_look(ORDERED),
        delete=_delete(ORDERED),
    ),
]
