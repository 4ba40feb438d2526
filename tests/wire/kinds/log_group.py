"""`log-group`"""

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, change, tag_changes, without

KIND = "log-group"
UNREACHABLE = {
    "name": "it is the identity",
    "class": "CloudWatch Logs fixes it when the group is made",
}
SETTLED = UNREACHABLE
_READ = "what_aws_says_is_read_in_the_blueprints_words"
SHORTCOMINGS = {
    "moto": {
        "key": ("it has no AssociateKmsKey and no DisassociateKmsKey", _READ),
        "class": ("it forgets the class that a group is made with", _READ),
    }
}
NAME = "/wire/log-group"
RARE = "/wire/infrequent"
KEY = "arn:aws:kms:eu-west-1:${account}:key/11111111-1111-1111-1111-111111111111"
OTHER_KEY = "arn:aws:kms:eu-west-1:${account}:key/22222222-2222-2222-2222-222222222222"


def _look(name: str):
    def look(aws: Aws):
        told = aws.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        tags = aws.logs.list_tags_for_resource(resourceArn=aws.arn("logs", f"log-group:{name}"))
        return without({"groups": told, "tags": tags["tags"]}, "creationTime")

    return look


def _delete(name: str):
    return lambda aws: aws.logs.delete_log_group(logGroupName=name)


def _tag(aws: Aws, tags: dict) -> None:
    aws.logs.tag_resource(resourceArn=aws.arn("logs", f"log-group:{NAME}"), tags=tags)


def _untag(aws: Aws, keys: list) -> None:
    aws.logs.untag_resource(resourceArn=aws.arn("logs", f"log-group:{NAME}"), tagKeys=keys)


def _encrypt(aws: Aws) -> None:
    key = OTHER_KEY.replace("${account}", aws.account)
    aws.logs.associate_kms_key(logGroupName=NAME, kmsKeyId=key)


CASES = [
    Case(
        "standard",
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "retention_days": 30,
                "key": KEY,
                "tags": TAGS,
            },
        },
        other={"retention_days": 0, "key": "none", "tags": OTHER_TAGS},
        changes=[
            change("retention_days")(
                lambda aws: aws.logs.put_retention_policy(logGroupName=NAME, retentionInDays=90)
            ),
            change("retention_days")(
                lambda aws: aws.logs.delete_retention_policy(logGroupName=NAME)
            ),
            change("key")(_encrypt),
            change("key")(lambda aws: aws.logs.disassociate_kms_key(logGroupName=NAME)),
            *tag_changes(_tag, _untag),
        ],
        look=_look(NAME),
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=_delete(NAME),
    ),
    Case(
        "infrequent access",
        resources={
            "subject": {"kind": KIND, "name": RARE, "class": "infrequent-access"},
        },
        other={"retention_days": 14},
        changes=[
            change("retention_days")(
                lambda aws: aws.logs.put_retention_policy(logGroupName=RARE, retentionInDays=7)
            )
        ],
        look=_look(RARE),
        delete=_delete(RARE),
    ),
]
