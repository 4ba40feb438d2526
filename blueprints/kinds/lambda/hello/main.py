"""Says what it was called with."""

import json


def handle(event, context):
    print(json.dumps({"called_with": event}))
    return {"hello": event.get("name", "world")}
