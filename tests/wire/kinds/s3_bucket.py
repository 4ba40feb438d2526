"""`s3-bucket`"""

import json
from collections.abc import Callable

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, Change, change, document, pairs, tag_changes, without

KIND = "s3-bucket"
UNREACHABLE = {"name": "it is the identity"}
SETTLED = UNREACHABLE
NAME = "wire-bucket"
ARN = f"arn:aws:s3:::{NAME}"
BLOCK = {
    "block_public_acls": "BlockPublicAcls",
    "ignore_public_acls": "IgnorePublicAcls",
    "block_public_policy": "BlockPublicPolicy",
    "restrict_public_buckets": "RestrictPublicBuckets",
}


def _policy(action: str, account: str = "${account}") -> dict:
    who = {"AWS": f"arn:aws:iam::{account}:root"}
    allow = {"Sid": "Read", "Effect": "Allow", "Principal": who, "Action": action}
    return {"Version": "2012-10-17", "Statement": [{**allow, "Resource": f"{ARN}/*"}]}


def _look(aws: Aws):
    name = {"Bucket": NAME}
    policy = aws.s3.get_bucket_policy(**name)["Policy"]
    told = {
        "versioning": aws.s3.get_bucket_versioning(**name),
        "encryption": aws.s3.get_bucket_encryption(**name),
        "block": aws.s3.get_public_access_block(**name),
        "ownership": aws.s3.get_bucket_ownership_controls(**name),
        "policy": document(json.loads(policy)),
        "lifecycle": aws.s3.get_bucket_lifecycle_configuration(**name),
        "tags": aws.s3.get_bucket_tagging(**name),
    }
    return without(told, "ResponseMetadata", "Sid")


def _encrypt(aws: Aws, algorithm: str, key: str | None, bucket_key: bool) -> None:
    by_default = {"SSEAlgorithm": algorithm, **({"KMSMasterKeyID": key} if key else {})}
    rule = {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": bucket_key}
    aws.s3.put_bucket_encryption(
        Bucket=NAME, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )


def _block(field: str) -> Change:
    """The blueprint has the other value."""

    @change(f"public_access_block.{field}")
    def make(aws: Aws) -> None:
        block = aws.s3.get_public_access_block(Bucket=NAME)["PublicAccessBlockConfiguration"]
        block[BLOCK[field]] = not block[BLOCK[field]]
        aws.s3.put_public_access_block(Bucket=NAME, PublicAccessBlockConfiguration=block)

    return make


def _own(aws: Aws, ownership: str) -> None:
    controls = {"Rules": [{"ObjectOwnership": ownership}]}
    aws.s3.put_bucket_ownership_controls(Bucket=NAME, OwnershipControls=controls)


def _with_policy(edit: Callable[[list, str], object]) -> Callable[[Aws], None]:
    def make(aws: Aws) -> None:
        policy = json.loads(aws.s3.get_bucket_policy(Bucket=NAME)["Policy"])
        edit(policy["Statement"], aws.account)
        aws.s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps(policy))

    return make


def _tls_not_asked(statements: list, _account: str) -> None:
    statements[:] = [one for one in statements if one["Effect"] == "Allow"]


def _other_action(statements: list, account: str) -> None:
    _tls = [one for one in statements if one["Effect"] == "Deny"]
    statements[:] = _tls + _policy("s3:DeleteObject", account)["Statement"]


def _rule(*paths: str, rule: str = "full"):
    """A change of a lifecycle rule by a function that is handed it."""

    def decorate(edit: Callable[[dict], object]) -> Change:
        @change(*(f"lifecycle.{rule}.{path}" for path in paths))
        def make(aws: Aws) -> None:
            rules = aws.s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
            edit(next(one for one in rules if one["ID"] == rule))
            _put_rules(aws, rules)

        return make

    return decorate


def _put_rules(aws: Aws, rules: list) -> None:
    aws.s3.put_bucket_lifecycle_configuration(
        Bucket=NAME, LifecycleConfiguration={"Rules": rules}
    )


def _another_rule(aws: Aws) -> None:
    rules = aws.s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    new = {"ID": "intruder", "Status": "Enabled", "Filter": {"Prefix": "x/"}}
    _put_rules(aws, [*rules, {**new, "Expiration": {"Days": 3}}])


def _fewer_rules(aws: Aws) -> None:
    rules = aws.s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    _put_rules(aws, [one for one in rules if one["ID"] != "uploads"])


def _tags(aws: Aws) -> dict:
    held = aws.s3.get_bucket_tagging(Bucket=NAME)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in held}


def _tag(aws: Aws, tags: dict) -> None:
    """The whole set at once, so the rest is sent as it is."""
    aws.s3.put_bucket_tagging(Bucket=NAME, Tagging={"TagSet": pairs({**_tags(aws), **tags})})


def _untag(aws: Aws, keys: list) -> None:
    left = {key: value for key, value in _tags(aws).items() if key not in keys}
    aws.s3.put_bucket_tagging(Bucket=NAME, Tagging={"TagSet": pairs(left)})


RULES = {
    "full": {
        "enabled": False,
        "prefix": "raw/",
        "object_tags": {"class": "cold"},
        "min_object_bytes": 1000,
        "max_object_bytes": 100000,
        "transitions": {"STANDARD_IA": 40, "GLACIER": 90},
        "expire_days": 365,
        "noncurrent_transitions": {"GLACIER": 60},
        "noncurrent_expire_days": 120,
        "noncurrent_keep": 3,
    },
    "markers": {"prefix": "m/", "expire_delete_markers": True},
    "uploads": {"abort_multipart_days": 7},
    "tagged": {"object_tags": {"one": "1"}, "expire_days": 9},
    "large": {"min_object_bytes": 5, "expire_days": 9},
}
OTHER_RULES = {
    "full": {
        "enabled": True,
        "prefix": "cooked/",
        "object_tags": {"class": "warm"},
        "min_object_bytes": 2000,
        "max_object_bytes": 200000,
        "transitions": {"STANDARD_IA": 50, "DEEP_ARCHIVE": 100},
        "expire_days": 400,
        "noncurrent_transitions": {"DEEP_ARCHIVE": 70},
        "noncurrent_expire_days": 130,
        "noncurrent_keep": 4,
    },
    "markers": {"prefix": "m/", "expire_delete_markers": False, "expire_days": 10},
    "uploads": {"abort_multipart_days": 9},
}

CASES = [
    Case(
        "all",
        slow=True,
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "versioning": True,
                "encryption": {"sse": "kms", "key": "alias/wire-bucket", "bucket_key": True},
                "public_access_block": {"block_public_acls": False, "ignore_public_acls": False},
                "ownership": "bucket-owner-preferred",
                "policy": _policy("s3:GetObject"),
                "lifecycle": RULES,
                "tags": TAGS,
            },
        },
        other={
            "versioning": False,
            "encryption": {"sse": "aes256"},
            "public_access_block": {"block_public_policy": False, "restrict_public_buckets": False},
            "ownership": "object-writer",
            "tls_only": False,
            "policy": _policy("s3:PutObject"),
            "lifecycle": OTHER_RULES,
            "tags": OTHER_TAGS,
        },
        changes=[
            change("versioning")(
                lambda aws: aws.s3.put_bucket_versioning(
                    Bucket=NAME, VersioningConfiguration={"Status": "Suspended"}
                )
            ),
            change("encryption.sse", "encryption.bucket_key", "encryption.key")(
                lambda aws: _encrypt(aws, "AES256", None, False)
            ),
            change("encryption.sse", "encryption.bucket_key")(
                lambda aws: _encrypt(aws, "aws:kms:dsse", "alias/wire-bucket", False)
            ),
            change("encryption.key")(lambda aws: _encrypt(aws, "aws:kms", "alias/other", True)),
            change("encryption.bucket_key")(
                lambda aws: _encrypt(aws, "aws:kms", "alias/wire-bucket", False)
            ),
            *(_block(field) for field in BLOCK),
            change(
                "public_access_block.block_public_policy",
                "public_access_block.restrict_public_buckets",
            )(lambda aws: aws.s3.delete_public_access_block(Bucket=NAME)),
            change("ownership")(lambda aws: _own(aws, "BucketOwnerEnforced")),
            change("ownership")(lambda aws: _own(aws, "ObjectWriter")),
            change("tls_only")(_with_policy(_tls_not_asked)),
            change("policy.Statement.0.Action.0")(_with_policy(_other_action)),
            change("policy.Statement", "tls_only")(
                lambda aws: aws.s3.delete_bucket_policy(Bucket=NAME)
            ),
            _rule("enabled")(lambda rule: rule.update(Status="Enabled")),
            _rule("prefix")(lambda rule: rule["Filter"]["And"].update(Prefix="other/")),
            _rule("object_tags.class")(
                lambda rule: rule["Filter"]["And"].update(Tags=pairs({"class": "hot"}))
            ),
            _rule("min_object_bytes")(
                lambda rule: rule["Filter"]["And"].update(ObjectSizeGreaterThan=7)
            ),
            _rule("max_object_bytes")(
                lambda rule: rule["Filter"]["And"].update(ObjectSizeLessThan=70000)
            ),
            _rule("transitions.STANDARD_IA")(
                lambda rule: rule["Transitions"][_index(rule, "STANDARD_IA")].update(Days=45)
            ),
            _rule("transitions.GLACIER")(
                lambda rule: rule["Transitions"].pop(_index(rule, "GLACIER"))
            ),
            _rule("expire_days")(lambda rule: rule.update(Expiration={"Days": 300})),
            _rule("noncurrent_transitions.GLACIER")(
                lambda rule: rule["NoncurrentVersionTransitions"][0].update(NoncurrentDays=61)
            ),
            _rule("noncurrent_expire_days")(
                lambda rule: rule["NoncurrentVersionExpiration"].update(NoncurrentDays=121)
            ),
            _rule("noncurrent_keep")(
                lambda rule: rule["NoncurrentVersionExpiration"].pop("NewerNoncurrentVersions")
            ),
            _rule("expire_delete_markers", "expire_days", rule="markers")(
                lambda rule: rule.update(Expiration={"Days": 5})
            ),
            _rule("abort_multipart_days", rule="uploads")(
                lambda rule: rule.update(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2})
            ),
            _rule("object_tags.one", rule="tagged")(
                lambda rule: rule.update(Filter={"Tag": {"Key": "one", "Value": "2"}})
            ),
            _rule("min_object_bytes", rule="large")(
                lambda rule: rule.update(Filter={"ObjectSizeGreaterThan": 6})
            ),
            change("lifecycle.intruder")(_another_rule),
            change("lifecycle.uploads")(_fewer_rules),
            change(*(f"lifecycle.{name}" for name in RULES))(
                lambda aws: aws.s3.delete_bucket_lifecycle(Bucket=NAME)
            ),
            *tag_changes(_tag, _untag),
        ],
        look=_look,
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=lambda aws: aws.s3.delete_bucket(Bucket=NAME),
    )
]


def _index(rule: dict, storage: str) -> int:
    classes = [each["StorageClass"] for each in rule["Transitions"]]
    return classes.index(storage)
