"""`lambda-function`"""

import io
import json
import zipfile
from contextlib import suppress

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, Change, change, tag_changes, without

KIND = "lambda-function"
UNREACHABLE = {
    "name": "it is the identity",
    "code": "it is a folder beside the blueprint; what Lambda has shows as `code_sha256`",
    "sources.*.from": "a mapping that reads from elsewhere is another one",
    "sources.*.starting_position": "a mapping that began elsewhere is another one",
}
SETTLED = {"name": "it is the identity"}
_READ = "every_field_is_read_as_it_is_written"
SHORTCOMINGS = {
    "moto": {
        "architecture": ("it takes no other one", _READ),
        "dead_letter": ("it forgets it", _READ),
        "ephemeral_mb": ("it takes no other one", _READ),
        "key": ("it takes no other one", _READ),
        "logging": ("it forgets it", _READ),
        "tracing": ("it takes no other one", _READ),
    }
}
NAME = "wire-function"
FED = "wire-fed"
ROLE = "arn:aws:iam::${account}:role/wire-function"
KEY = "arn:aws:kms:eu-west-1:${account}:key/wire"
QUEUE = "arn:aws:sqs:eu-west-1:${account}:wire-function"
STREAM = "arn:aws:kinesis:eu-west-1:${account}:stream/wire-function"
LAYER = "arn:aws:lambda:eu-west-1:${account}:layer:wire-function"
CODE = "def handle(event, context):\n    return {kind!r}\n"
QUEUES = ("one", "two", "three")
STREAMS = ("one", "two")


def _lambda(aws: Aws):
    return getattr(aws, "lambda")


def _zip() -> bytes:
    """Code of someone else."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("main.py", CODE.format(kind="theirs"))
    return archive.getvalue()


def _before(aws: Aws) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    with suppress(aws.iam.exceptions.EntityAlreadyExistsException):
        aws.iam.create_role(RoleName="wire-function", AssumeRolePolicyDocument=document)
    with suppress(aws.iam.exceptions.EntityAlreadyExistsException):
        aws.iam.create_role(RoleName="wire-function-other", AssumeRolePolicyDocument=document)


def _before_layers(aws: Aws) -> None:
    _before(aws)
    for _version in range(2):
        _lambda(aws).publish_layer_version(LayerName="wire-function", Content={"ZipFile": _zip()})


def _before_sources(aws: Aws) -> None:
    _before(aws)
    for name in QUEUES:
        aws.sqs.create_queue(QueueName=f"wire-function-{name}")
    for name in STREAMS:
        with suppress(aws.kinesis.exceptions.ResourceInUseException):
            aws.kinesis.create_stream(StreamName=f"wire-function-{name}", ShardCount=1)


def _look(name: str):
    def look(aws: Aws):
        found = _lambda(aws).get_function(FunctionName=name)
        try:
            policy = json.loads(_lambda(aws).get_policy(FunctionName=name)["Policy"])
        except _lambda(aws).exceptions.ResourceNotFoundException:
            policy = {}
        told = {
            "function": {key: found.get(key) for key in ("Configuration", "Concurrency", "Tags")},
            "policy": policy.get("Statement"),
            "sources": _mappings(aws, name),
        }
        moving = ("LastModified", "RevisionId", "UUID", "EventSourceMappingArn", "CodeSize")
        words = ("LastProcessingResult", "StateReason", "StateReasonCode")
        updates = ("LastUpdateStatusReason", "LastUpdateStatusReasonCode")
        return without(_said(told), *moving, *words, *updates)

    return look


def _said(value):
    """Without what is empty: there, or not there, it means the same."""
    if isinstance(value, dict):
        each = {key: _said(one) for key, one in value.items()}
        return {key: one for key, one in each.items() if one not in ("", None, [], {})}
    return [_said(one) for one in value] if isinstance(value, list) else value


def _mappings(aws: Aws, name: str = FED) -> list[dict]:
    return _lambda(aws).list_event_source_mappings(FunctionName=name)["EventSourceMappings"]


def _configured(path: str | tuple, **settings) -> Change:
    paths = path if isinstance(path, tuple) else (path,)

    @change(*paths)
    def make(aws: Aws) -> None:
        filled = json.loads(aws.fill(json.dumps(settings)))
        _lambda(aws).update_function_configuration(FunctionName=NAME, **filled)

    return make


def _logging(path: str, **settings) -> Change:
    held = {"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "WARN"}
    return _configured(path, LoggingConfig={"LogGroup": "/wire/function", **held, **settings})


def _permitted(path: str, sid: str, **settings) -> Change:
    """Another client puts a statement in place of one, or beside it."""

    @change(path)
    def make(aws: Aws) -> None:
        with suppress(_lambda(aws).exceptions.ResourceNotFoundException):
            _lambda(aws).remove_permission(FunctionName=NAME, StatementId=sid)
        filled = json.loads(aws.fill(json.dumps({**HELD, **settings})))
        filled = {key: value for key, value in filled.items() if value}
        _lambda(aws).add_permission(FunctionName=NAME, StatementId=sid, **filled)

    return make


HELD = {
    "Principal": "s3.amazonaws.com",
    "Action": "lambda:InvokeFunction",
    "SourceArn": "arn:aws:s3:::wire-function",
    "SourceAccount": "${account}",
}
OPEN = {"Principal": "*", "SourceArn": "", "SourceAccount": ""}


def _mapping(aws: Aws, from_: str) -> str:
    found = {one["EventSourceArn"]: one["UUID"] for one in _mappings(aws)}
    return found[aws.fill(from_)]


def _mapped(path: str, from_: str, **settings) -> Change:
    @change(path)
    def make(aws: Aws) -> None:
        _lambda(aws).update_event_source_mapping(UUID=_mapping(aws, from_), **settings)

    return make


def _restart(aws: Aws) -> None:
    """Another client lets the stream be read from elsewhere, which takes another mapping."""
    api = _lambda(aws)
    api.delete_event_source_mapping(UUID=_mapping(aws, f"{STREAM}-one"))
    api.create_event_source_mapping(
        FunctionName=FED,
        EventSourceArn=aws.fill(f"{STREAM}-one"),
        StartingPosition="TRIM_HORIZON",
        BatchSize=50,
        ParallelizationFactor=2,
        MaximumRetryAttempts=3,
        MaximumRecordAgeInSeconds=3600,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": aws.fill(f"{QUEUE}-two")}},
    )


def _tag(aws: Aws, tags: dict) -> None:
    _lambda(aws).tag_resource(Resource=aws.arn("lambda", f"function:{NAME}"), Tags=tags)


def _untag(aws: Aws, keys: list) -> None:
    _lambda(aws).untag_resource(Resource=aws.arn("lambda", f"function:{NAME}"), TagKeys=keys)


FUNCTION = Case(
    "function",
    slow=True,
    files={
        "one/main.py": CODE.format(kind="one"),
        "one/lib/words.py": "WORDS = 1\n",
        "two/main.py": CODE.format(kind="two"),
    },
    resources={
        "subject": {
            "kind": KIND,
            "name": NAME,
            "code": "one",
            "handler": "main.handle",
            "runtime": "python3.12",
            "architecture": "arm64",
            "role": ROLE,
            "description": "Says one",
            "memory_mb": 256,
            "timeout": "5m",
            "ephemeral_mb": 1024,
            "environment": {"STAGE": "wire", "LEVEL": "2"},
            "key": KEY,
            "reserved_concurrency": 2,
            "dead_letter": f"{QUEUE}-dead",
            "vpc": {"subnets": ["subnet-1", "subnet-2"], "security_groups": ["sg-1"]},
            "logging": {
                "format": "json",
                "group": "/wire/function",
                "level": "warn",
                "system_level": "warn",
            },
            "tracing": "active",
            "layers": [f"{LAYER}:1", f"{LAYER}:2"],
            "permissions": {
                "bucket": {
                    "principal": "s3.amazonaws.com",
                    "source_arn": "arn:aws:s3:::wire-function",
                    "source_account": "${account}",
                },
                "team": {"principal": "*", "organization": "o-wire123456"},
                "account": {"principal": "${account}", "action": "lambda:GetFunction"},
            },
            "tags": TAGS,
        },
    },
    other={
        "code": "two",
        "handler": "main.other",
        "runtime": "python3.13",
        "architecture": "x86_64",
        "role": f"{ROLE}-other",
        "description": "",
        "memory_mb": 128,
        "timeout": "3s",
        "ephemeral_mb": 512,
        "environment": {"STAGE": "other"},
        "key": "none",
        "reserved_concurrency": "none",
        "dead_letter": "none",
        "vpc": "none",
        "logging": {"format": "text", "group": "default"},
        "tracing": "pass-through",
        "layers": [],
        "permissions": {
            "bucket": {"principal": "s3.amazonaws.com", "source_arn": "arn:aws:s3:::other"},
            "team": {"principal": "*", "organization": "o-other12345"},
            "topic": {"principal": "sns.amazonaws.com"},
            "account": {"principal": "arn:aws:iam::${account}:root"},
        },
        "tags": OTHER_TAGS,
    },
    shows={"code": "code_sha256"},
    changes=[
        change("code_sha256")(
            lambda aws: _lambda(aws).update_function_code(
                FunctionName=NAME, ZipFile=_zip(), Architectures=["arm64"]
            )
        ),
        change("architecture", "code_sha256")(
            lambda aws: _lambda(aws).update_function_code(
                FunctionName=NAME, ZipFile=_zip(), Architectures=["x86_64"]
            )
        ),
        _configured("handler", Handler="main.nothing"),
        _configured("runtime", Runtime="python3.11"),
        _configured("role", Role=f"{ROLE}-other"),
        _configured("description", Description="Says two"),
        _configured("memory_mb", MemorySize=512),
        _configured("timeout", Timeout=10),
        _configured("ephemeral_mb", EphemeralStorage={"Size": 2048}),
        _configured("environment.STAGE", Environment={"Variables": {"STAGE": "x", "LEVEL": "2"}}),
        _configured("environment.LEVEL", Environment={"Variables": {"STAGE": "wire"}}),
        _configured("key", KMSKeyArn=""),
        change("reserved_concurrency")(
            lambda aws: _lambda(aws).put_function_concurrency(
                FunctionName=NAME, ReservedConcurrentExecutions=5
            )
        ),
        change("reserved_concurrency")(
            lambda aws: _lambda(aws).delete_function_concurrency(FunctionName=NAME)
        ),
        _configured("dead_letter", DeadLetterConfig={"TargetArn": f"{QUEUE}-other"}),
        _configured(
            "vpc.subnets",
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        ),
        _configured(
            "vpc.security_groups.0",
            VpcConfig={"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-2"]},
        ),
        _logging("logging.group", LogGroup="/wire/elsewhere"),
        _logging("logging.level", ApplicationLogLevel="DEBUG"),
        _logging("logging.system_level", SystemLogLevel="DEBUG"),
        _configured(
            ("logging.format", "logging.level", "logging.system_level"),
            LoggingConfig={"LogFormat": "Text", "LogGroup": "/wire/function"},
        ),
        _configured("tracing", TracingConfig={"Mode": "PassThrough"}),
        _configured(("layers.0", "layers.1"), Layers=[f"{LAYER}:2", f"{LAYER}:1"]),
        _permitted("permissions.bucket.principal", "bucket", Principal="sns.amazonaws.com"),
        _permitted("permissions.bucket.action", "bucket", Action="lambda:InvokeAsync"),
        _permitted("permissions.bucket.source_arn", "bucket", SourceArn="arn:aws:s3:::other"),
        _permitted("permissions.bucket.source_account", "bucket", SourceAccount=""),
        _permitted("permissions.team.organization", "team", **OPEN, PrincipalOrgID="o-other12345"),
        _permitted("permissions.team.organization", "team", **OPEN),
        _permitted("permissions.intruder", "intruder"),
        change("permissions.account")(
            lambda aws: _lambda(aws).remove_permission(FunctionName=NAME, StatementId="account")
        ),
        *tag_changes(_tag, _untag),
    ],
    look=_look(NAME),
    disown=lambda aws: _untag(aws, [OWNER_TAG]),
    delete=lambda aws: _lambda(aws).delete_function(FunctionName=NAME),
    before=_before_layers,
)

BY_QUEUE, BY_STREAM = f"{QUEUE}-one", f"{STREAM}-one"

SOURCES = Case(
    "sources",
    files={"one/main.py": CODE.format(kind="one")},
    resources={
        "subject": {
            "kind": KIND,
            "name": FED,
            "code": "one",
            "handler": "main.handle",
            "runtime": "python3.13",
            "role": ROLE,
            "timeout": "10s",
            "sources": {
                "arrivals": {
                    "from": f"{QUEUE}-one",
                    "enabled": False,
                    "batch_size": 100,
                    "window": "5s",
                    "filters": [{"body": {"kind": ["trip"]}}],
                    "report_failures": True,
                    "maximum_concurrency": 2,
                },
                "plain": {"from": f"{QUEUE}-two"},
                "events": {
                    "from": f"{STREAM}-one",
                    "starting_position": "latest",
                    "batch_size": 50,
                    "parallelization": 2,
                    "retries": 3,
                    "max_record_age": "1h",
                    "bisect": True,
                    "on_failure": f"{QUEUE}-two",
                },
            },
        },
    },
    other={
        "sources": {
            "arrivals": {"from": f"{QUEUE}-one", "batch_size": 5},
            "renamed": {"from": f"{QUEUE}-two"},
            "third": {"from": f"{QUEUE}-three"},
            "events": {"from": f"{STREAM}-two", "starting_position": "trim-horizon"},
        },
    },
    changes=[
        _mapped("sources.arrivals.enabled", BY_QUEUE, Enabled=True),
        _mapped("sources.arrivals.batch_size", BY_QUEUE, BatchSize=20),
        _mapped("sources.arrivals.window", BY_QUEUE, MaximumBatchingWindowInSeconds=7),
        _mapped(
            "sources.arrivals.filters.0.body.kind.0",
            BY_QUEUE,
            FilterCriteria={"Filters": [{"Pattern": '{"body": {"kind": ["walk"]}}'}]},
        ),
        _mapped("sources.arrivals.filters", BY_QUEUE, FilterCriteria={}),
        _mapped("sources.arrivals.report_failures", BY_QUEUE, FunctionResponseTypes=[]),
        _mapped(
            "sources.arrivals.maximum_concurrency", BY_QUEUE, ScalingConfig={"MaximumConcurrency": 9}
        ),
        _mapped("sources.arrivals.maximum_concurrency", BY_QUEUE, ScalingConfig={}),
        _mapped("sources.events.parallelization", BY_STREAM, ParallelizationFactor=4),
        _mapped("sources.events.retries", BY_STREAM, MaximumRetryAttempts=-1),
        _mapped("sources.events.max_record_age", BY_STREAM, MaximumRecordAgeInSeconds=60),
        _mapped("sources.events.bisect", BY_STREAM, BisectBatchOnFunctionError=False),
        _mapped("sources.events.on_failure", BY_STREAM, DestinationConfig={"OnFailure": {}}),
        change(f"sources.{STREAM}-one", "sources.events")(_restart),
        change("sources.plain")(
            lambda aws: _lambda(aws).delete_event_source_mapping(UUID=_mapping(aws, f"{QUEUE}-two"))
        ),
        change(f"sources.{QUEUE}-three")(
            lambda aws: _lambda(aws).create_event_source_mapping(
                FunctionName=FED, EventSourceArn=aws.fill(f"{QUEUE}-three")
            )
        ),
    ],
    look=_look(FED),
    delete=lambda aws: _lambda(aws).delete_function(FunctionName=FED),
    before=_before_sources,
)

CASES = [FUNCTION, SOURCES]
