"""`cloudwatch-composite-alarm`"""

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, change, pairs, tag_changes, without

KIND = "cloudwatch-composite-alarm"
UNREACHABLE = {"name": "it is the identity"}
SETTLED = UNREACHABLE
NAME = "wire-composite"
TOPIC = "arn:aws:sns:eu-west-1:${account}:wire"
SENT = (
    "AlarmName AlarmDescription AlarmRule ActionsEnabled OKActions AlarmActions InsufficientDataActions"
    " ActionsSuppressor ActionsSuppressorWaitPeriod ActionsSuppressorExtensionPeriod"
).split()
VOLATILE = (
    "AlarmConfigurationUpdatedTimestamp StateUpdatedTimestamp StateTransitionedTimestamp"
    " StateReason StateReasonData StateValue ResponseMetadata"
).split()


def _alarm(aws: Aws) -> dict:
    told = aws.cloudwatch.describe_alarms(AlarmNames=[NAME], AlarmTypes=["CompositeAlarm"])
    return told["CompositeAlarms"][0]


def _arn(aws: Aws) -> str:
    return aws.arn("cloudwatch", f"alarm:{NAME}")


def _look(aws: Aws):
    tags = aws.cloudwatch.list_tags_for_resource(ResourceARN=_arn(aws))["Tags"]
    return without({"alarm": _alarm(aws), "tags": tags}, *VOLATILE)


def _edit(*paths: str, **sent):
    """PutCompositeAlarm replaces the whole definition, so the rest is sent as it is."""

    @change(*paths)
    def make(aws: Aws) -> None:
        definition = {key: value for key, value in _alarm(aws).items() if key in SENT}
        for key, value in sent.items():
            definition.pop(key, None)
            if isinstance(value, list):
                value = [aws.fill(one) for one in value]
            if value is not None:
                definition[key] = value
        aws.cloudwatch.put_composite_alarm(**definition)

    return make


def _tag(aws: Aws, tags: dict) -> None:
    aws.cloudwatch.tag_resource(ResourceARN=_arn(aws), Tags=pairs(tags))


def _untag(aws: Aws, keys: list) -> None:
    aws.cloudwatch.untag_resource(ResourceARN=_arn(aws), TagKeys=keys)


def _child(name: str) -> dict:
    return {
        "kind": "cloudwatch-alarm",
        "name": f"wire-composite-{name}",
        "metric": {"namespace": "Wire", "name": name, "statistic": "Sum"},
        "comparison": "GreaterThanThreshold",
        "threshold": 1,
    }


CASES = [
    Case(
        "children and a suppressor",
        resources={
            "one": _child("one"),
            "two": _child("two"),
            "quiet": _child("quiet"),
            "subject": {
                "kind": KIND,
                "name": NAME,
                "description": "Unwell",
                "rule": 'ALARM("${one.name}") OR\n  NOT ( OK(${two.name}) )',
                "suppressor": {"alarm": "${quiet.name}", "wait": "1m", "extension": "2m"},
                "actions_enabled": False,
                "alarm_actions": [f"{TOPIC}-one", f"{TOPIC}-two"],
                "ok_actions": [f"{TOPIC}-one"],
                "insufficient_data_actions": [f"{TOPIC}-one"],
                "tags": TAGS,
            },
        },
        other={
            "description": "",
            "rule": 'ALARM("${one.name}") AND ALARM("${two.name}")',
            "suppressor": {"alarm": "${two.arn}", "wait": "3m", "extension": "4m"},
            "actions_enabled": True,
            "alarm_actions": [f"{TOPIC}-three"],
            "ok_actions": [],
            "insufficient_data_actions": [f"{TOPIC}-two"],
            "tags": OTHER_TAGS,
        },
        changes=[
            _edit("description", AlarmDescription="Mine"),
            _edit("rule", AlarmRule="ALARM(wire-composite-two)"),
            _edit("suppressor.alarm", ActionsSuppressor="wire-composite-one"),
            _edit("suppressor.wait", ActionsSuppressorWaitPeriod=600),
            _edit("suppressor.extension", ActionsSuppressorExtensionPeriod=0),
            _edit(
                "suppressor",
                ActionsSuppressor=None,
                ActionsSuppressorWaitPeriod=None,
                ActionsSuppressorExtensionPeriod=None,
            ),
            _edit("actions_enabled", ActionsEnabled=True),
            _edit("alarm_actions", AlarmActions=[f"{TOPIC}-one"]),
            _edit("ok_actions", OKActions=None),
            _edit("ok_actions.0", OKActions=[f"{TOPIC}-two"]),
            _edit("insufficient_data_actions", InsufficientDataActions=[]),
            *tag_changes(_tag, _untag),
        ],
        look=_look,
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=lambda aws: aws.cloudwatch.delete_alarms(AlarmNames=[NAME]),
    ),
]
