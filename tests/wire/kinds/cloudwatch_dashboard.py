"""`cloudwatch-dashboard`"""

import json
from collections.abc import Callable

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, Change, change, pairs, tag_changes, without

KIND = "cloudwatch-dashboard"
UNREACHABLE = {"name": "it is the identity"}
SETTLED = UNREACHABLE
NAME = "wire-dashboard"


def _body(aws: Aws) -> dict:
    return json.loads(aws.cloudwatch.get_dashboard(DashboardName=NAME)["DashboardBody"])


def _arn(aws: Aws) -> str:
    return f"arn:aws:cloudwatch::{aws.account}:dashboard/{NAME}"


def _look(aws: Aws):
    tags = aws.cloudwatch.list_tags_for_resource(ResourceARN=_arn(aws))["Tags"]
    return {"body": _body(aws), "tags": without(tags)}


def _edit(*paths: str):
    """A change of the body, by a function that is handed it."""

    def decorate(edit: Callable[[dict], object]) -> Change:
        @change(*(f"body.{path}" for path in paths))
        def make(aws: Aws) -> None:
            body = _body(aws)
            edit(body)
            aws.cloudwatch.put_dashboard(DashboardName=NAME, DashboardBody=json.dumps(body, indent=2))

        return make

    return decorate


def _tag(aws: Aws, tags: dict) -> None:
    aws.cloudwatch.tag_resource(ResourceARN=_arn(aws), Tags=pairs(tags))


def _untag(aws: Aws, keys: list) -> None:
    aws.cloudwatch.untag_resource(ResourceARN=_arn(aws), TagKeys=keys)


TEXT = {"type": "text", "x": 0, "y": 0, "width": 24, "height": 1, "properties": {"markdown": "# Wire"}}
GRAPH = {
    "type": "metric",
    "x": 0,
    "y": 1,
    "width": 12,
    "height": 6,
    "properties": {
        "title": "Records",
        "region": "eu-west-1",
        "stat": "Sum",
        "period": 60,
        "metrics": [["AWS/Kinesis", "IncomingRecords", "StreamName", "events"], [".", "IncomingBytes", ".", "."]],
        "yAxis": {"left": {"min": 0.5}},
    },
}

CASES = [
    Case(
        "texts and graphs",
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "body": {
                    "start": "-PT3H",
                    "end": "P0D",
                    "periodOverride": "inherit",
                    "variables": [{"type": "property", "property": "region", "inputType": "input", "id": "region"}],
                    "widgets": [TEXT, GRAPH],
                },
                "tags": TAGS,
            },
        },
        other={
            "body": {
                "start": "2026-01-01T00:00:00Z",
                "end": "2026-01-02T00:00:00Z",
                "periodOverride": "auto",
                "variables": [{"type": "property", "property": "stat", "inputType": "input", "id": "stat"}],
                "widgets": [
                    {
                        "type": "log",
                        "x": 1,
                        "y": 2,
                        "width": 3,
                        "height": 4,
                        "properties": {"region": "eu-west-1", "query": "SOURCE 'a' | fields b"},
                    },
                ],
            },
            "tags": OTHER_TAGS,
        },
        changes=[
            _edit("start")(lambda body: body.update(start="-PT1H")),
            _edit("end")(lambda body: body.pop("end")),
            _edit("periodOverride")(lambda body: body.update(periodOverride="auto")),
            _edit("variables.0.property")(lambda body: body["variables"][0].update(property="stat")),
            _edit("widgets")(lambda body: body["widgets"].pop()),
            _edit("widgets.0.type")(lambda body: body["widgets"][0].update(type="custom")),
            _edit("widgets.0.x")(lambda body: body["widgets"][0].update(x=1)),
            _edit("widgets.0.y")(lambda body: body["widgets"][0].update(y=3)),
            _edit("widgets.0.width")(lambda body: body["widgets"][0].update(width=23)),
            _edit("widgets.0.height")(lambda body: body["widgets"][0].update(height=2)),
            _edit("widgets.0.properties.markdown")(
                lambda body: body["widgets"][0]["properties"].update(markdown="Mine")
            ),
            _edit("widgets.1.properties.title")(lambda body: body["widgets"][1]["properties"].pop("title")),
            _edit("widgets.1.properties.metrics.1.1")(
                lambda body: body["widgets"][1]["properties"]["metrics"][1].__setitem__(1, "OutgoingBytes")
            ),
            _edit("widgets.1.properties.yAxis.left.min")(
                lambda body: body["widgets"][1]["properties"]["yAxis"]["left"].update(min=1)
            ),
            *tag_changes(_tag, _untag),
        ],
        look=_look,
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=lambda aws: aws.cloudwatch.delete_dashboards(DashboardNames=[NAME]),
    ),
]
