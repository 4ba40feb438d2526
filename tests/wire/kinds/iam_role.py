"""`iam-role`"""

import json
from collections.abc import Callable
from contextlib import suppress

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, change, document, pairs, tag_changes
from case import without

KIND = "iam-role"
UNREACHABLE = {
    "name": "it is the identity",
    "path": "IAM fixes it when the role is made",
}
SETTLED = UNREACHABLE
MANAGED = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
VOLATILE = ("CreateDate", "ResponseMetadata", "InstanceProfileId", "RoleLastUsed")


def _policy(*actions: str) -> dict:
    allow = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [allow]}


def _trust(service: str) -> str:
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def _managed_policies(*arns: str):
    def make(aws: Aws) -> None:
        for arn in arns:
            text = json.dumps(_policy("s3:Get*"))
            with suppress(aws.iam.exceptions.EntityAlreadyExistsException):
                aws.iam.create_policy(PolicyName=arn.split("/")[1], PolicyDocument=text)

    return make


def _look(name: str):
    def look(aws: Aws):
        role = aws.iam.get_role(RoleName=name)["Role"]
        role["AssumeRolePolicyDocument"] = document(role["AssumeRolePolicyDocument"])
        names = aws.iam.list_role_policies(RoleName=name)["PolicyNames"]
        each = {one: aws.iam.get_role_policy(RoleName=name, PolicyName=one) for one in names}
        profiles = aws.iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]
        names = [one["InstanceProfileName"] for one in profiles]
        profiles = [aws.iam.get_instance_profile(InstanceProfileName=one) for one in names]
        told = {
            "role": role,
            "policies": {one: document(found["PolicyDocument"]) for one, found in each.items()},
            "managed": aws.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
            "profiles": [one["InstanceProfile"]["Arn"] for one in profiles],
            "profile tags": [one["InstanceProfile"].get("Tags") for one in profiles],
        }
        return without(told, *VOLATILE)

    return look


def _delete(name: str):
    def delete(aws: Aws) -> None:
        role = {"RoleName": name}
        for policy in aws.iam.list_role_policies(**role)["PolicyNames"]:
            aws.iam.delete_role_policy(**role, PolicyName=policy)
        for policy in aws.iam.list_attached_role_policies(**role)["AttachedPolicies"]:
            aws.iam.detach_role_policy(**role, PolicyArn=policy["PolicyArn"])
        _without_profile(name)(aws)
        aws.iam.delete_role(**role)

    return delete


def _without_profile(name: str):
    def make(aws: Aws) -> None:
        profile = {"InstanceProfileName": name}
        aws.iam.remove_role_from_instance_profile(**profile, RoleName=name)
        aws.iam.delete_instance_profile(**profile)

    return make


def _with(name: str, operation: str, **sent) -> Callable[[Aws], None]:
    def make(aws: Aws) -> None:
        filled = {key: aws.fill(v) if isinstance(v, str) else v for key, v in sent.items()}
        getattr(aws.iam, operation)(RoleName=name, **filled)

    return make


def _case(label: str, name: str, others: dict) -> Case:
    own = f"arn:aws:iam::${{account}}:policy/{name}-own"
    other = f"arn:aws:iam::${{account}}:policy/{name}-other"

    def tag(aws: Aws, tags: dict) -> None:
        aws.iam.tag_role(RoleName=name, Tags=pairs(tags))

    def untag(aws: Aws, keys: list) -> None:
        aws.iam.untag_role(RoleName=name, TagKeys=keys)

    return Case(
        label,
        resources={
            **others,
            "subject": {
                "kind": KIND,
                "name": name,
                "path": "/wire/",
                "description": "Reads the lake",
                "trust": ["ec2.amazonaws.com", "firehose.amazonaws.com"],
                "policies": {"read": _policy("s3:GetObject"), "write": _policy("s3:PutObject")},
                "managed_policies": [MANAGED, own],
                "boundary": own,
                "max_session": "2h",
                "instance_profile": True,
                "tags": TAGS,
            },
        },
        other={
            "description": "",
            "trust": "lambda.amazonaws.com",
            "policies": {"read": _policy("s3:GetObject", "s3:ListBucket"), "new": _policy("sqs:*")},
            "managed_policies": [other],
            "boundary": "none",
            "max_session": "1h",
            "instance_profile": False,
            "tags": OTHER_TAGS,
        },
        changes=[
            # Both are sent: of what is left out AWS keeps what it has, and moto nothing.
            change("description")(
                _with(name, "update_role", Description="Mine", MaxSessionDuration=7200)
            ),
            change("max_session")(
                _with(name, "update_role", Description="Reads the lake", MaxSessionDuration=10800)
            ),
            change("trust.Statement.0.Principal.Service")(
                _with(name, "update_assume_role_policy", PolicyDocument=_trust("ec2.amazonaws.com"))
            ),
            change("policies.read.Statement.0.Action.0")(
                _with(
                    name,
                    "put_role_policy",
                    PolicyName="read",
                    PolicyDocument=json.dumps(_policy("s3:*")),
                )
            ),
            change("policies.write")(_with(name, "delete_role_policy", PolicyName="write")),
            change("policies.intruder")(
                _with(
                    name,
                    "put_role_policy",
                    PolicyName="intruder",
                    PolicyDocument=json.dumps(_policy("*")),
                )
            ),
            change("managed_policies")(_with(name, "attach_role_policy", PolicyArn=other)),
            change("managed_policies")(_with(name, "detach_role_policy", PolicyArn=MANAGED)),
            change("boundary")(
                _with(name, "put_role_permissions_boundary", PermissionsBoundary=other)
            ),
            change("boundary")(_with(name, "delete_role_permissions_boundary")),
            change("instance_profile")(_without_profile(name)),
            change("instance_profile")(
                lambda aws: aws.iam.remove_role_from_instance_profile(
                    InstanceProfileName=name, RoleName=name
                )
            ),
            *tag_changes(tag, untag),
        ],
        look=_look(name),
        disown=lambda aws: untag(aws, [OWNER_TAG]),
        delete=_delete(name),
        before=_managed_policies(own, other),
    )


def _plain(name: str) -> dict:
    return {"kind": KIND, "name": name, "trust": "lambda.amazonaws.com"}


CASES = [
    _case("alone", "wire-role", {}),
    # From three roles on they are read by one listing.
    _case(
        "one of several",
        "wire-listed",
        {"one": _plain("wire-plain-one"), "two": _plain("wire-plain-two")},
    ),
]
