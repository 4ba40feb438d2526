"""CloudWatch alarms and dashboards."""

import json

from ministack.core.responses import AccountScopedDict, get_account_id
from ministack.services import cloudwatch

from patching import wrap

_DROPPED = ("Metrics", "ThresholdMetricId", "EvaluateLowSampleCountPercentile")
_SUPPRESSION = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")


@wrap(cloudwatch, "_put_metric_alarm")
def keep_every_field(put, params, sent, is_cbor, is_json=False):
    """AWS keeps metric queries and reports no statistic, period or description that was not given; ministack drops
    the former and makes up the latter."""
    response = put(params, sent, is_cbor, is_json)
    if response[0] == 200 and (is_cbor or is_json):
        alarm = cloudwatch._alarms[sent["AlarmName"]]
        alarm.update({key: sent[key] for key in _DROPPED if sent.get(key) is not None})
        for query in alarm.get("Metrics", []):
            query.setdefault("ReturnData", True)
        for key in ("Statistic", "Period", "AlarmDescription"):
            if sent.get(key) is None:
                alarm.pop(key, None)
    return response


def _name_taken(name: str, others, use_json: bool, use_cbor: bool):
    """One name is one alarm, of whichever sort; ministack keeps two."""
    if name in others:
        message = f"Alarm {name} already exists as an alarm of another type"
        return cloudwatch._error("ValidationError", message, 400, use_json=use_json, use_cbor=use_cbor)
    return None


@wrap(cloudwatch, "_put_metric_alarm")
def one_name_one_metric_alarm(put, params, sent, is_cbor, is_json=False):
    taken = _name_taken(sent.get("AlarmName"), cloudwatch._composite_alarms, is_json, is_cbor)
    return taken or put(params, sent, is_cbor, is_json)


@wrap(cloudwatch, "_put_composite_alarm")
def keep_suppressor(put, params, sent, is_cbor, is_json=False):
    """ministack drops the alarm that keeps the actions back."""
    taken = _name_taken(sent.get("AlarmName"), cloudwatch._alarms, is_json, is_cbor)
    response = taken or put(params, sent, is_cbor, is_json)
    if response[0] == 200:
        alarm = cloudwatch._composite_alarms[sent["AlarmName"]]
        alarm.update({key: sent[key] for key in _SUPPRESSION if sent.get(key) is not None})
    return response


#: A dashboard is one for all regions; ministack has one for each.
cloudwatch._dashboards = AccountScopedDict()


@wrap(cloudwatch, "_put_dashboard")
def keep_dashboard(put, params, sent, is_cbor, is_json=False):
    """AWS refuses a dashboard that is not JSON, and keeps the tags of a new one; ministack stores any text and no
    tags."""
    if not (is_cbor or is_json):
        sent = {key: cloudwatch._p(params, key) for key in ("DashboardName", "DashboardBody")}
    try:
        wrong = not isinstance(json.loads(sent.get("DashboardBody") or ""), dict)
    except ValueError:
        wrong = True
    if wrong:
        message = "The field DashboardBody must be a valid JSON object"
        return cloudwatch._error("InvalidParameterInput", message, 400, use_json=is_json, use_cbor=is_cbor)
    fresh = sent["DashboardName"] not in cloudwatch._dashboards
    response = put(params, sent, is_cbor, is_json)
    if response[0] == 200 and fresh:
        tags = {tag["Key"]: tag["Value"] for tag in sent.get("Tags") or []}
        cloudwatch._resource_tags[_dashboard_arn(sent["DashboardName"])] = tags
    return response


def _dashboard_arn(name: str) -> str:
    return f"arn:aws:cloudwatch::{get_account_id()}:dashboard/{name}"


@wrap(cloudwatch, "_validate_alarm_tag_arn")
def dashboards_have_tags(validate, arn, is_json=False, is_cbor=False):
    if any(arn == _dashboard_arn(name) for name in cloudwatch._dashboards):
        return None
    return validate(arn, is_json=is_json, is_cbor=is_cbor)
