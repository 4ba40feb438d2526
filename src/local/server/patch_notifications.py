"""S3 notifications: who may be notified, and of what."""

import itertools

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_region
from ministack.services import s3, sns, sqs

from patching import wrap

_S3 = "s3.amazonaws.com"


class Duplicates:
    """How many of the next events go out twice, as AWS's may."""

    left = 0


@wrap(sqs, "queue_policy_allows")
def queue_lets_s3_in(allows, queue_arn, service, source_arn, source_account):
    """AWS notifies a queue only whose policy lets S3 send; ministack asks no policy unless it enforces IAM."""
    if service != _S3:
        return allows(queue_arn, service, source_arn, source_account)
    queue = sqs._queue_by_arn(queue_arn)
    policy = queue["attributes"].get("Policy") if queue else None
    return _lets_in(policy, "sqs:SendMessage", queue_arn, source_arn, source_account)


@wrap(sns, "topic_policy_allows")
def topic_lets_s3_in(allows, topic_arn, service, source_arn, source_account):
    """As above, for a topic: the policy that every topic has lets in its own account, not S3."""
    if service != _S3:
        return allows(topic_arn, service, source_arn, source_account)
    topic = sns._topic_by_arn_any_scope(topic_arn)
    policy = topic["attributes"].get("Policy") if topic else None
    return _lets_in(policy, "sns:Publish", topic_arn, source_arn, source_account)


def _lets_in(policy: str | None, action: str, target: str, source: str, account: str) -> bool:
    if not policy:
        return False
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=target,
        region=get_region(),
        service_context={"aws:sourcearn": source, "aws:sourceaccount": account},
    )
    return evaluate_resource_policy(policy, context, service=_S3).decision == "Allow"


@wrap(s3, "_validate_notification_configs")
def refuse_overlaps(validate, configs, *rest):
    """AWS refuses two destinations for the same event of the same objects; ministack notifies both."""
    for one, other in itertools.combinations(configs, 2):
        if _same_event(one, other) and _meet(one, other, "filter_prefix") and _meet(one, other, "filter_suffix"):
            message = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
            if any(config[side] for config in (one, other) for side in ("filter_prefix", "filter_suffix")):
                message = (
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the "
                    "prefixes are overlapping for the same event type."
                )
            return s3._invalid_notification_config(message)
    return validate(configs, *rest)


def _same_event(one: dict, other: dict) -> bool:
    return any(
        s3._event_matches(event, [pattern]) or s3._event_matches(pattern, [event])
        for event in one["events"]
        for pattern in other["events"]
    )


def _meet(one: dict, other: dict, side: str) -> bool:
    first, second = one[side] or "", other[side] or ""
    if side == "filter_prefix":
        return first.startswith(second) or second.startswith(first)
    return first.endswith(second) or second.endswith(first)


@wrap(s3, "_fire_s3_event")
def sometimes_twice(fire, *arguments, **named):
    """AWS delivers an event at least once; here once, unless a test wants more."""
    fire(*arguments, **named)
    if Duplicates.left > 0:
        Duplicates.left -= 1
        fire(*arguments, **named)


def control(order: dict) -> dict:
    """`deliver_twice` says how many of the next events are sent twice."""
    Duplicates.left += int(order.get("deliver_twice") or 0)
    return {"deliver_twice": Duplicates.left}
