"""CloudWatch alarms and dashboards."""

import json

from ministack.services import cloudwatch

from patching import wrap

_DROPPED = ("Metrics", "ThresholdMetricId", "EvaluateLowSampleCountPercentile")


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


@wrap(cloudwatch, "_put_dashboard")
def check_dashboard(put, params, sent, is_cbor, is_json=False):
    """AWS refuses a dashboard that is not JSON; ministack stores any text."""
    body = sent.get("DashboardBody") if is_cbor or is_json else cloudwatch._p(params, "DashboardBody")
    try:
        json.loads(body or "")
    except ValueError:
        message = "The field DashboardBody must be a valid JSON object"
        return cloudwatch._error("InvalidParameterInput", message, 400, use_json=is_json, use_cbor=is_cbor)
    return put(params, sent, is_cbor, is_json)
