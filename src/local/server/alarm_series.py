"""The values of a metric, period by period, that an alarm looks at."""

import re

from ministack.services import cloudwatch

_SELECT = re.compile(
    r"""\s*SELECT\s+(?P<function>AVG|COUNT|MAX|MIN|SUM)\s*\(\s*"?(?P<metric>[^")\s]+)"?\s*\)
    \s+FROM\s+(?:SCHEMA\s*\(\s*"?(?P<schema>[^",)]+?)"?\s*(?P<dimensions>(?:,[^)]*)?)\)|"(?P<namespace>[^"]+)")
    (?:\s+WHERE\s+(?P<where>.+?))?\s*$""",
    re.IGNORECASE | re.VERBOSE,
)
_CONDITION = re.compile(r"""\s*"?(?P<name>[\w .-]+?)"?\s*(?P<operator>!?=)\s*'(?P<value>[^']*)'\s*$""")
_MINUTE = 60
_STATISTICS = {"AVG": "Average", "COUNT": "SampleCount", "MAX": "Maximum", "MIN": "Minimum", "SUM": "Sum"}


class Unsupported(Exception):
    """What the local CloudWatch does not evaluate; its message is the alarm's reason."""


def series(alarm: dict, now: float, number: int) -> tuple[list[float | None], bool]:
    """The values of so many periods after that of the one that runs, the newest first; and whether that one is
    final: a sum still grows."""
    points, statistic, period = _chosen(alarm)
    running = int(now // period) * period
    starts = [running - period * back for back in range(number + 1)]
    held: dict[int, list] = {start: [] for start in starts}
    for point in points:
        start = int(point["Timestamp"] // period) * period
        if start in held:
            held[start].append(point)
    values = [_value(held[start], statistic) for start in starts]
    grows = statistic in ("Sum", "SampleCount")
    if grows and "Less" in (alarm.get("ComparisonOperator") or ""):
        values[0] = None  # what is small now may only be young
    return values, not grows


def _value(points: list[dict], statistic: str) -> float | None:
    return cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None


def _chosen(alarm: dict) -> tuple[list[dict], str, int]:
    """The points that count, the statistic and the period."""
    if not alarm.get("Metrics"):
        dimensions = cloudwatch._dims_from_list(alarm.get("Dimensions") or [])
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        points = _of_one(alarm.get("Namespace"), alarm.get("MetricName"), dimensions)
        return points, statistic, alarm.get("Period") or _MINUTE
    query = next((one for one in alarm["Metrics"] if one.get("ReturnData", True)), {})
    if "MetricStat" in query:
        stat = query["MetricStat"]
        metric = stat["Metric"]
        dimensions = cloudwatch._dims_from_list(metric.get("Dimensions") or [])
        points = _of_one(metric.get("Namespace"), metric.get("MetricName"), dimensions)
        return points, stat["Stat"], stat.get("Period") or _MINUTE
    points, statistic = selected(query.get("Expression") or "")
    return points, statistic, query.get("Period") or _MINUTE


def _of_one(namespace: str | None, name: str | None, dimensions: dict) -> list[dict]:
    return cloudwatch._metrics.get((namespace, name, cloudwatch._dims_key(dimensions))) or []


def selected(expression: str) -> tuple[list[dict], str]:
    """The points and the statistic of a Metrics Insights query without GROUP BY."""
    query = _SELECT.match(expression)
    if not query or re.search(r"\b(GROUP|ORDER)\s+BY\b", expression, re.IGNORECASE):
        raise Unsupported("of expressions, only SELECT without GROUP BY is evaluated here")
    names = {name.strip().strip('"') for name in (query["dimensions"] or "").split(",")} - {""}
    where = re.split(r"\s+AND\s+", query["where"] or "", flags=re.IGNORECASE)
    conditions = [_condition(text) for text in where if text]
    namespace, found = (query["schema"] or query["namespace"]).strip(), []
    for (held_in, name, _), points in cloudwatch._metrics.items():
        if (held_in, name) != (namespace, query["metric"]) or not points:
            continue
        dimensions = points[0]["Dimensions"]
        if query["schema"] and set(dimensions) != names:
            continue
        if all((dimensions.get(key) == value) == equal for key, equal, value in conditions):
            found += points
    return found, _STATISTICS[query["function"].upper()]


def _condition(text: str) -> tuple[str, bool, str]:
    condition = _CONDITION.match(text)
    if not condition:
        raise Unsupported(f"the condition {text} is not evaluated here")
    return condition["name"], condition["operator"] == "=", condition["value"]
