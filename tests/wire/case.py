"""What a kind's file is made of: blueprints, and what another client changes behind their back."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import boto3
from botocore.config import Config

REGION = "eu-west-1"
ACCOUNTS = {"local": "000000000000", "moto": "123456789012"}
#: The id of the resource under test.
SUBJECT = "subject"


class Aws:
    """boto3 clients by their name: `aws.kinesis`."""

    def __init__(self, endpoint: str, emulator: str):
        self.account = ACCOUNTS[emulator]
        self._endpoint = endpoint
        # A session of one's own, since boto3's default one is not for several threads.
        self._session = boto3.Session("test", "test", region_name=REGION)

    def __getattr__(self, service: str):
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        client = self._session.client(service, endpoint_url=self._endpoint, config=config)
        setattr(self, service, client)
        return client

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{REGION}:{self.account}:{rest}"

    def fill(self, text: str) -> str:
        """A text of a blueprint as the program reads it."""
        return text.replace("${account}", self.account)


@dataclass(frozen=True)
class Change:
    """A change that another client makes: it is to show under these paths, and only there.
    `${account}` in them is the account."""

    paths: tuple[str, ...]
    make: Callable[[Aws], object]
    #: Afterwards the resource is another one, so what AWS says of it is not what it was.
    replaces: bool = False
    #: What the change needed, taken away again.
    after: Callable[[Aws], object] | None = None


def change(*paths: str, **more):
    """Makes a change of a function that takes the clients."""
    return lambda make: Change(paths, make, **more)


@dataclass
class Case:
    """A blueprint whose resource `subject` is under test."""

    name: str
    resources: dict
    #: Fields of the subject with other values, all changed by one apply and changed back by another.
    other: dict = field(default_factory=dict)
    #: AWS can only replace what has these fields.
    other_replaces: bool = False
    changes: list[Change] = field(default_factory=list)
    #: All that AWS says of the subject, without what moves by itself.
    look: Callable[[Aws], object] | None = None
    delete: Callable[[Aws], object] | None = None
    #: Takes away what says that the subject is ours: it is refused then, and `--adopt` takes it back.
    disown: Callable[[Aws], object] | None = None
    #: Begun before the others.
    slow: bool = False
    #: Files beside the blueprint.
    files: dict[str, str] = field(default_factory=dict)
    #: Where a field shows that cannot be compared itself.
    shows: dict[str, str] = field(default_factory=dict)
    #: What the blueprint needs and has no kind for.
    before: Callable[[Aws], object] | None = None

    @property
    def subject(self) -> dict:
        return self.resources[SUBJECT]


def without(value, *volatile: str):
    """An answer of AWS without the keys that move by themselves, and its lists of objects in one order."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in volatile}
        return {key: without(each, *volatile) for key, each in kept.items()}
    if isinstance(value, list):
        each = [without(one, *volatile) for one in value]
        return sorted(each, key=lambda one: json.dumps(one, sort_keys=True, default=str))
    return value


ROOT = re.compile(r"arn:aws:iam::(\d+):root")


def document(value):
    """A policy as it is meant: one or a list of one, an account or its root, each is the other."""
    if isinstance(value, dict):
        return {key: document(each) for key, each in value.items() if key != "Id"}
    listed = value if isinstance(value, list) else [value]
    each = [document(one) if isinstance(one, dict) else ROOT.sub(r"\1", str(one)) for one in listed]
    return sorted(each, key=lambda one: json.dumps(one, sort_keys=True))


def allowing(service: str, name: str, action: str) -> dict:
    """A policy of what has this name: the account itself may do this with it."""
    who = {"AWS": "arn:aws:iam::${account}:root"}
    arn = f"arn:aws:{service}:{REGION}:${{account}}:{name}"
    allow = {"Sid": "Own", "Effect": "Allow", "Principal": who, "Action": action}
    return {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}


def tag_changes(add, remove) -> list[Change]:
    """A tag that another client adds, one that it changes, one that it takes away."""
    return [
        change("tags.intruder")(lambda aws: add(aws, {"intruder": "yes"})),
        change("tags.team")(lambda aws: add(aws, {"team": "other"})),
        change("tags.stage")(lambda aws: remove(aws, ["stage"])),
    ]


#: What every subject is tagged with, and what it is tagged with afterwards.
TAGS = {"team": "data", "stage": "wire"}
OTHER_TAGS = {"team": "lake", "cost": "42"}


OWNER_TAG = "pipeline:owner"


def make_bucket(name: str) -> Callable[[Aws], None]:
    """Makes a bucket that no blueprint has."""

    def make(aws: Aws) -> None:
        with suppress(aws.s3.exceptions.BucketAlreadyOwnedByYou):
            where = {"LocationConstraint": REGION}
            aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)

    return make


def pairs(tags: dict, key: str = "Key", value: str = "Value") -> list[dict]:
    """Tags as most services take them."""
    return [{key: name, value: text} for name, text in tags.items()]
