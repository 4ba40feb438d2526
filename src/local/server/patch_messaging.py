"""SNS and SQS."""

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.services import sns, sqs

from patching import wrap


@wrap(sqs, "queue_policy_allows")
def heed_queue_policy(_allows, arn, service, source_arn, source_account):
    """AWS lets a service send to a queue only if the queue's policy does; ministack lets every service in."""
    queue = sqs._queue_by_arn(arn)
    return _lets_in(queue, "sqs:SendMessage", arn, service, source_arn, source_account)


@wrap(sns, "topic_policy_allows")
def heed_topic_policy(_allows, arn, service, source_arn, source_account):
    """As above."""
    topic = sns._topic_by_arn_any_scope(arn)
    return _lets_in(topic, "sns:Publish", arn, service, source_arn, source_account)


def _lets_in(held, action: str, arn: str, service: str, source_arn: str, source_account: str) -> bool:
    policy = held["attributes"].get("Policy") if held else None
    if not policy:
        return False
    source = {
        "aws:sourcearn": source_arn,
        "aws:sourceaccount": source_account,
        "aws:sourceowner": source_account,
    }
    asked = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=arn,
        region=sqs.get_region(),
        service_context=source,
    )
    return evaluate_resource_policy(policy, asked, service=service).decision == "Allow"


@wrap(sns, "_create_topic")
def refuse_other_attributes(create, params):
    """AWS refuses CreateTopic for a topic that exists with other attributes or tags; ministack answers its ARN."""
    arn = f"arn:aws:sns:{sns.get_region()}:{sns.get_account_id()}:{sns._p(params, 'Name')}"
    topic = sns._topics.get(arn)
    if topic is None:
        return create(params)
    if any(topic["attributes"].get(key) != value for key, value in _attributes(params).items()):
        return _refuse("Attributes")
    tags = sns._param_tags(params)
    if tags and dict(tags) != topic["tags"]:
        return _refuse("Tags")
    return create(params)


def _attributes(params) -> dict[str, str]:
    found = {}
    while key := sns._p(params, f"Attributes.entry.{len(found) + 1}.key"):
        found[key] = sns._p(params, f"Attributes.entry.{len(found) + 1}.value")
    return found


def _refuse(what: str):
    message = f"Invalid parameter: {what} Reason: Topic already exists with different {what.lower()}"
    return sns._error("InvalidParameter", message, 400)


@wrap(sns, "_subscribe")
def confirm_by_mail(subscribe, params):
    """AWS leaves a mail subscription pending until its reader confirms; ministack confirms it at once."""
    response = subscribe(params)
    topic = sns._topics.get(sns._p(params, "TopicArn"))
    if sns._p(params, "Protocol") in ("email", "email-json") and topic:
        for subscription in topic["subscriptions"]:
            if subscription["endpoint"] == sns._p(params, "Endpoint"):
                subscription["confirmed"] = False
                subscription["attributes"].update(
                    PendingConfirmation="true", ConfirmationWasAuthenticated="false"
                )
        sns._refresh_subscription_counts(topic)
    return response


def _pending() -> list[str]:
    return [
        sub["arn"]
        for topic in sns._topics.values()
        for sub in topic["subscriptions"]
        if not sub.get("confirmed")
    ]


@wrap(sns, "_list_subscriptions_by_topic")
def hide_pending_of_topic(list_subscriptions, params):
    """AWS lists a subscription without its ARN until it is confirmed; ministack lists the ARN."""
    return _without_pending(list_subscriptions(params))


@wrap(sns, "_list_subscriptions")
def hide_pending(list_subscriptions, params):
    """As above."""
    return _without_pending(list_subscriptions(params))


def _without_pending(response):
    status, headers, body = response
    for arn in _pending():
        body = body.replace(f"<SubscriptionArn>{arn}<".encode(), b"<SubscriptionArn>PendingConfirmation<")
    return status, headers, body


@wrap(sns, "_unsubscribe")
def keep_pending(unsubscribe, params):
    """AWS refuses to unsubscribe what is not confirmed; ministack removes it."""
    if sns._p(params, "SubscriptionArn") in _pending():
        message = "Invalid parameter: SubscriptionArn Reason: Cannot unsubscribe a subscription that is pending confirmation"
        return sns._error("InvalidParameter", message, 400)
    return unsubscribe(params)


@wrap(sqs, "_act_get_queue_attributes")
def report_encryption(get, data, url):
    """AWS encrypts every queue, with its own key unless one is given, and says so; ministack does not."""
    answer = get(data, url)
    wanted = data.get("AttributeNames") or []
    attributes = sqs._get_q(data.get("QueueUrl", url))["attributes"]
    key = attributes.get("KmsMasterKeyId")
    filled = {"SqsManagedSseEnabled": "false" if key else attributes.get("SqsManagedSseEnabled", "true")}
    if key:
        filled["KmsDataKeyReusePeriodSeconds"] = attributes.get("KmsDataKeyReusePeriodSeconds", "300")
    for name, value in filled.items():
        if "All" in wanted or name in wanted:
            answer["Attributes"][name] = value
    return answer


def _refuse_two_encryptions(data) -> None:
    """AWS refuses to be told of a key and of its own keys at once; ministack stores both."""
    attributes = data.get("Attributes") or {}
    if attributes.get("KmsMasterKeyId") and attributes.get("SqsManagedSseEnabled") == "true":
        message = (
            "You can use one type of server-side encryption (SSE) at one time."
            " You can either enable KMS SSE or SQS SSE."
        )
        raise sqs._Err("InvalidAttributeValue", message)


@wrap(sqs, "_act_create_queue")
def create_with_one_encryption(create, data, url):
    """As above."""
    _refuse_two_encryptions(data)
    return create(data, url)


@wrap(sqs, "_act_set_queue_attributes")
def remove_key(set_attributes, data, url):
    """AWS removes a queue's key when it is set to nothing; ministack stores the nothing."""
    _refuse_two_encryptions(data)
    answer = set_attributes(data, url)
    attributes = sqs._get_q(data.get("QueueUrl", url))["attributes"]
    if attributes.get("KmsMasterKeyId") == "":
        del attributes["KmsMasterKeyId"]
    return answer
