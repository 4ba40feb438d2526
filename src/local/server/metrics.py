"""CloudWatch metrics that the services of this server write, a point a minute for each metric, as AWS does.

What happens is counted at once, from whatever thread; the server's loop moves it into CloudWatch every few seconds.
"""

import threading

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from emr_store import CLOCK

_MINUTE = 60
_lock = threading.Lock()
_counted: dict[tuple, dict] = {}


def count(scope: tuple[str, str], namespace: str, name: str, dimensions: dict, value: float, unit="Count") -> None:
    """One value of a metric; `scope` is an account and region."""
    key = (scope, namespace, name, tuple(sorted(dimensions.items())), unit, int(CLOCK.now() // _MINUTE) * _MINUTE)
    with _lock:
        _merge(_counted.setdefault(key, {}), 1, value, value, value)


def store() -> None:
    """Moves what was counted into CloudWatch, into the point of its minute."""
    global _counted
    with _lock:
        counted, _counted = _counted, {}
    for (scope, namespace, name, dimensions, unit, minute), new in counted.items():
        with request_scope(*scope):
            points = cloudwatch._metric_bucket((namespace, name, cloudwatch._dims_key(dict(dimensions))))
        old = _point(points, minute)
        if old is None:
            old = {"Timestamp": float(minute), "Unit": unit, "Dimensions": dict(dimensions), "_stat": {}}
            points.append(old)
        _merge(old["_stat"], new["SampleCount"], new["Sum"], new["Minimum"], new["Maximum"])
        old["Value"] = old["_stat"]["Sum"] / old["_stat"]["SampleCount"]


def _point(points: list[dict], minute: int) -> dict | None:
    """The point of a minute, which may be the last one or that before."""
    return next((point for point in points[-2:] if point["Timestamp"] == minute and "_stat" in point), None)


def _merge(into: dict, number: float, total: float, least: float, most: float) -> None:
    into["SampleCount"] = into.get("SampleCount", 0.0) + number
    into["Sum"] = into.get("Sum", 0.0) + total
    into["Minimum"] = min(into.get("Minimum", least), least)
    into["Maximum"] = max(into.get("Maximum", most), most)


def forget() -> None:
    """Forgets what was counted and is not in CloudWatch yet."""
    with _lock:
        _counted.clear()
