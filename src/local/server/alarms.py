"""When alarms go off: in place of ministack's own evaluation, which sees no dimensions, no missing data and no
Metrics Insights."""

import logging
import time

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from alarm_series import Unsupported, series
from emr_store import CLOCK

#: AWS looks back over a few periods more than it evaluates.
_MORE_PERIODS = 2
_BREACHES = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_evaluated: dict[str, tuple[dict, str]] = {}

logger = logging.getLogger("alarms")


def evaluate_all() -> None:
    """Evaluates the metric alarms of every account and region."""
    for (account, region, _), alarm in cloudwatch._alarms.all_items():
        with request_scope(account, region):
            evaluate(alarm)


def evaluate(alarm: dict) -> None:
    """Moves an alarm where its data has changed what it says; what SetAlarmState said stays until then."""
    try:
        state, reason = _state(alarm, CLOCK.now())
    except Unsupported as error:
        state, reason = "INSUFFICIENT_DATA", str(error)
    of, before = _evaluated.get(alarm["AlarmArn"], (None, None))
    if state is None or (of is alarm and before == state):
        return
    _evaluated[alarm["AlarmArn"]] = (alarm, state)
    if state != alarm["StateValue"]:
        _move(alarm, state, reason)


cloudwatch._evaluate_alarm = evaluate


def forget() -> None:
    _evaluated.clear()


def _state(alarm: dict, now: float) -> tuple[str | None, str]:
    """The state that the data give; None where they say nothing and the alarm stays as it is."""
    wanted = int(alarm.get("EvaluationPeriods") or 1)
    most = int(alarm.get("DatapointsToAlarm") or wanted)
    treat = alarm.get("TreatMissingData") or "missing"
    breaches = _BREACHES.get(alarm.get("ComparisonOperator") or "")
    if breaches is None:
        raise Unsupported("alarms on anomalies are not evaluated here")
    threshold = float(alarm.get("Threshold") or 0)
    values, final = series(alarm, now, wanted + _MORE_PERIODS)
    if not final and values[0] is not None and not breaches(values[0], threshold):
        values[0] = None
    if values[0] is None:
        values = values[1:]
    found = [None if value is None else breaches(value, threshold) for value in values]
    recent = [one for one in values if one is not None][:wanted]
    state = _judge(found, wanted, most, treat)
    return state, _reason(alarm, recent, threshold, "" if state == "ALARM" else "not ")


def _reason(alarm: dict, recent: list[float], threshold: float, crossed: str) -> str:
    if not recent:
        return "Unchecked: no datapoints were received for the last periods"
    told = f"{len(recent)} datapoints {recent} were" if len(recent) > 1 else f"1 datapoint {recent} was"
    return f"Threshold Crossed: {told} {crossed}{_WORDS[alarm['ComparisonOperator']]} the threshold ({threshold})."


def _judge(found: list[bool | None], wanted: int, most: int, treat: str) -> str | None:
    """What breaches and misses of the last periods, the newest first, make of an alarm."""
    if treat in ("breaching", "notBreaching"):
        filled = [treat == "breaching" if one is None else one for one in found[:wanted]]
        return "ALARM" if sum(filled) >= most else "OK"
    there = [one for one in found if one is not None][:wanted]
    if not there:
        return "INSUFFICIENT_DATA" if treat == "missing" else None
    if sum(there) >= most:
        return "ALARM"
    if len(there) < most and all(there):
        return None  # too early to say
    return "OK"


def _move(alarm: dict, state: str, reason: str) -> None:
    old = alarm["StateValue"]
    logger.info("alarm %s: %s -> %s", alarm["AlarmName"], old, state)
    now = int(time.time())
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=now, StateTransitionedTimestamp=now)
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)
