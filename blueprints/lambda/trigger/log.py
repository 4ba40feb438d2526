"""The function's log: a line of JSON for each thing that happened."""

import json


def tell(hour: str | None, action: str, reason: str, **more) -> None:
    print(json.dumps({"hour": hour, "action": action, "reason": reason, **more}), flush=True)
