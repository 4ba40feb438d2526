"""`kms-key`"""

import json

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, change, document, pairs, tag_changes, without

KIND = "kms-key"
UNREACHABLE = {}
SETTLED = {"name": "another name is another key"}
SHORTCOMINGS = {
    "moto": {
        "rotation_period_days": (
            "it rotates every key after 365 days",
            "an_answer_reads_as_a_blueprint_writes",
        )
    }
}
NAME = "wire-key"
ALIAS = f"alias/{NAME}"


def _policy(action: str, who: str = "${account}") -> dict:
    root = f"arn:aws:iam::{who}:root"
    allow = {"Effect": "Allow", "Principal": {"AWS": root}, "Resource": "*"}
    statements = [{"Sid": "Root", **allow, "Action": "kms:*"}]
    if action:
        statements.append({"Sid": "Use", **allow, "Action": action})
    return {"Version": "2012-10-17", "Statement": statements}


def _id(aws: Aws, alias: str = ALIAS) -> str:
    return aws.kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]


def _tag(aws: Aws, tags: dict) -> None:
    aws.kms.tag_resource(KeyId=_id(aws), Tags=pairs(tags, "TagKey", "TagValue"))


def _untag(aws: Aws, keys: list) -> None:
    aws.kms.untag_resource(KeyId=_id(aws), TagKeys=keys)


def _look(alias: str):
    def look(aws: Aws):
        key = _id(aws, alias)
        policy = aws.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        told = {
            "key": aws.kms.describe_key(KeyId=key)["KeyMetadata"],
            "policy": document(json.loads(policy)),
            "rotation": aws.kms.get_key_rotation_status(KeyId=key),
            "tags": aws.kms.list_resource_tags(KeyId=key)["Tags"],
            "aliases": [each["AliasName"] for each in aws.kms.list_aliases(KeyId=key)["Aliases"]],
        }
        return without(told, "CreationDate", "NextRotationDate", "ResponseMetadata")

    return look


def _write_policy(aws: Aws, policy: dict, alias: str = ALIAS) -> None:
    key = _id(aws, alias)
    aws.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


def _delete(alias: str):
    """The key waits for its end under its alias; the next apply takes it back."""
    return lambda aws: aws.kms.schedule_key_deletion(
        KeyId=_id(aws, alias), PendingWindowInDays=7
    )


CASES = [
    Case(
        "all",
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "description": "Encrypts the lake",
                "rotation": True,
                "rotation_period_days": 120,
                "policy": _policy("kms:Decrypt"),
                "deletion_window_days": 10,
                "tags": TAGS,
            },
        },
        other={
            "description": "",
            "rotation_period_days": 400,
            "policy": _policy("kms:Encrypt"),
            "deletion_window_days": 7,
            "tags": OTHER_TAGS,
        },
        changes=[
            change("name")(lambda aws: aws.kms.delete_alias(AliasName=ALIAS)),
            change("description")(
                lambda aws: aws.kms.update_key_description(KeyId=_id(aws), Description="Mine")
            ),
            change("rotation", "rotation_period_days")(
                lambda aws: aws.kms.disable_key_rotation(KeyId=_id(aws))
            ),
            change("rotation_period_days")(
                lambda aws: aws.kms.enable_key_rotation(KeyId=_id(aws), RotationPeriodInDays=365)
            ),
            change("policy.Statement")(lambda aws: _write_policy(aws, _policy("", aws.account))),
            change("policy.Statement.1.Action.0")(
                lambda aws: _write_policy(aws, _policy("kms:GenerateDataKey", aws.account))
            ),
            change("enabled")(lambda aws: aws.kms.disable_key(KeyId=_id(aws))),
            change("deletion_window_days")(
                lambda aws: _tag(aws, {"pipeline:deletion-window-days": "20"})
            ),
            *tag_changes(_tag, _untag),
        ],
        look=_look(ALIAS),
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=_delete(ALIAS),
    ),
    Case(
        "disabled",
        resources={
            "subject": {
                "kind": KIND,
                "name": "wire-disabled",
                "enabled": False,
                "rotation": False,
            },
        },
        other={"enabled": True, "rotation": True},
        changes=[
            change("enabled")(
                lambda aws: aws.kms.enable_key(KeyId=_id(aws, "alias/wire-disabled"))
            ),
            change("policy.Statement")(
                lambda aws: _write_policy(
                    aws, _policy("kms:Decrypt", aws.account), "alias/wire-disabled"
                )
            ),
        ],
        look=_look("alias/wire-disabled"),
        delete=_delete("alias/wire-disabled"),
    ),
]
