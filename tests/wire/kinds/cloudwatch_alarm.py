"""`cloudwatch-alarm`"""

from collections.abc import Callable

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, Change, change, pairs, tag_changes, without

KIND = "cloudwatch-alarm"
UNREACHABLE = {"name": "it is the identity"}
SETTLED = UNREACHABLE
TOPIC = "arn:aws:sns:eu-west-1:${account}:wire"
#: What PutMetricAlarm takes of what DescribeAlarms tells.
SENT = (
    "AlarmName AlarmDescription ActionsEnabled OKActions AlarmActions InsufficientDataActions"
    " MetricName Namespace Statistic ExtendedStatistic Dimensions Period Unit EvaluationPeriods"
    " DatapointsToAlarm Threshold ComparisonOperator TreatMissingData"
    " EvaluateLowSampleCountPercentile Metrics ThresholdMetricId"
).split()
VOLATILE = (
    "AlarmConfigurationUpdatedTimestamp StateUpdatedTimestamp StateTransitionedTimestamp"
    " StateReason StateReasonData StateValue ResponseMetadata"
).split()


def _alarm(aws: Aws, name: str) -> dict:
    return aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]


def _arn(aws: Aws, name: str) -> str:
    return aws.arn("cloudwatch", f"alarm:{name}")


def _look(name: str):
    def look(aws: Aws):
        tags = aws.cloudwatch.list_tags_for_resource(ResourceARN=_arn(aws, name))["Tags"]
        return without({"alarm": _alarm(aws, name), "tags": tags}, *VOLATILE)

    return look


def _delete(name: str):
    return lambda aws: aws.cloudwatch.delete_alarms(AlarmNames=[name])


def _edit(name: str, *paths: str, **sent):
    """PutMetricAlarm replaces the whole definition, so the rest is sent as it is."""

    @change(*paths)
    def make(aws: Aws) -> None:
        held = _alarm(aws, name)
        definition = {key: held[key] for key in SENT if held.get(key) not in (None, [])}
        for key, value in sent.items():
            definition.pop(key, None)
            value = value(definition) if callable(value) else value
            if isinstance(value, list):
                value = [aws.fill(one) if isinstance(one, str) else one for one in value]
            if value is not None:
                definition[key] = value
        aws.cloudwatch.put_metric_alarm(**definition)

    return make


def _queries(*paths: str):
    """A change of the queries of an alarm, by a function that is handed them by their ids."""

    def decorate(edit: Callable[[dict], object]) -> Change:
        @change(*(f"metrics.{path}" for path in paths))
        def make(aws: Aws) -> None:
            held = _alarm(aws, MATH)
            definition = {key: held[key] for key in SENT if held.get(key) not in (None, [])}
            edit({each["Id"]: each for each in definition["Metrics"]})
            aws.cloudwatch.put_metric_alarm(**definition)

        return make

    return decorate


def _watch_another(queries: dict) -> None:
    queries["rate"]["ReturnData"] = False
    queries["failed"]["ReturnData"] = True


SINGLE, MATH, BAND = "wire-alarm", "wire-alarm-math", "wire-alarm-band"


def _of_single(*paths: str, **sent):
    return _edit(SINGLE, *paths, **sent)


def _tag(aws: Aws, tags: dict) -> None:
    aws.cloudwatch.tag_resource(ResourceARN=_arn(aws, SINGLE), Tags=pairs(tags))


def _untag(aws: Aws, keys: list) -> None:
    aws.cloudwatch.untag_resource(ResourceARN=_arn(aws, SINGLE), TagKeys=keys)


LATENCY = {
    "namespace": "Wire/Lake",
    "name": "Latency",
    "dimensions": {"Stream": "events", "Stage": "wire"},
    "statistic": "p99",
    "period": "2m",
    "unit": "Seconds",
}
ALL = {
    "namespace": "Wire/Lake",
    "name": "Records",
    "dimensions": {"Stream": "events"},
    "statistic": "Sum",
    "period": "1m",
    "unit": "Count",
}
FAILED = {**ALL, "name": "Failed", "statistic": "p90", "period": "5m"}

CASES = [
    Case(
        "one metric",
        resources={
            "subject": {
                "kind": KIND,
                "name": SINGLE,
                "description": "Slow",
                "metric": LATENCY,
                "comparison": "GreaterThanThreshold",
                "threshold": 2.5,
                "evaluation_periods": 5,
                "datapoints_to_alarm": 3,
                "treat_missing_data": "breaching",
                "low_samples": "ignore",
                "actions_enabled": False,
                "alarm_actions": [f"{TOPIC}-one", f"{TOPIC}-two"],
                "ok_actions": [f"{TOPIC}-one"],
                "insufficient_data_actions": [f"{TOPIC}-one"],
                "tags": TAGS,
            },
        },
        other={
            "description": "",
            "metric": {
                "namespace": "Wire/Other",
                "name": "Delay",
                "dimensions": {"Stream": "other"},
                "statistic": "Maximum",
                "period": "5m",
            },
            "comparison": "LessThanOrEqualToThreshold",
            "threshold": 7,
            "evaluation_periods": 2,
            "datapoints_to_alarm": 0,
            "treat_missing_data": "not-breaching",
            "low_samples": "evaluate",
            "actions_enabled": True,
            "alarm_actions": [f"{TOPIC}-three"],
            "ok_actions": [],
            "insufficient_data_actions": [f"{TOPIC}-two"],
            "tags": OTHER_TAGS,
        },
        changes=[
            _of_single("description", AlarmDescription="Mine"),
            _of_single("description", AlarmDescription=None),
            _of_single("metric.namespace", Namespace="Wire/Intruder"),
            _of_single("metric.name", MetricName="Other"),
            _of_single(
                "metric.dimensions.Stream",
                Dimensions=[
                    {"Name": "Stream", "Value": "x"},
                    {"Name": "Stage", "Value": "wire"},
                ],
            ),
            _of_single(
                "metric.dimensions.Stage", Dimensions=[{"Name": "Stream", "Value": "events"}]
            ),
            _of_single("metric.statistic", ExtendedStatistic="p50"),
            _of_single(
                "metric.statistic",
                "low_samples",
                ExtendedStatistic=None,
                Statistic="Average",
                EvaluateLowSampleCountPercentile=None,
            ),
            _of_single("metric.period", Period=180),
            _of_single("metric.unit", Unit="Milliseconds"),
            _of_single("metric.unit", Unit=None),
            _of_single("comparison", ComparisonOperator="GreaterThanOrEqualToThreshold"),
            _of_single("threshold", Threshold=3.0),
            _of_single("evaluation_periods", EvaluationPeriods=6),
            _of_single("datapoints_to_alarm", DatapointsToAlarm=4),
            _of_single("datapoints_to_alarm", DatapointsToAlarm=None),
            _of_single("treat_missing_data", TreatMissingData="ignore"),
            _of_single("treat_missing_data", TreatMissingData="missing"),
            _of_single("low_samples", EvaluateLowSampleCountPercentile="evaluate"),
            _of_single("actions_enabled", ActionsEnabled=True),
            _of_single("alarm_actions.1", AlarmActions=[f"{TOPIC}-one", f"{TOPIC}-x"]),
            _of_single("alarm_actions", AlarmActions=[f"{TOPIC}-one"]),
            _of_single("ok_actions", OKActions=None),
            _of_single("ok_actions.0", OKActions=[f"{TOPIC}-two"]),
            _of_single(
                "insufficient_data_actions",
                InsufficientDataActions=[f"{TOPIC}-one", f"{TOPIC}-two"],
            ),
            *tag_changes(_tag, _untag),
        ],
        look=_look(SINGLE),
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=_delete(SINGLE),
    ),
    Case(
        "an expression",
        resources={
            "subject": {
                "kind": KIND,
                "name": MATH,
                "metrics": {
                    "rate": {
                        "expression": "failed / records",
                        "label": "Failure rate",
                        "return_data": True,
                        "period": "5m",
                    },
                    "failed": {"metric": FAILED, "label": "Failed"},
                    "records": {"metric": ALL, "account_id": "111122223333"},
                },
                "comparison": "GreaterThanThreshold",
                "threshold": 0.1,
            },
        },
        other={
            "metrics": {
                "rate": {"expression": "failed * 2", "label": "Twice", "period": "10m"},
                "failed": {
                    "metric": {
                        "namespace": "Wire/Other",
                        "name": "Lost",
                        "dimensions": {"Stream": "other"},
                        "statistic": "Maximum",
                        "period": "10m",
                        "unit": "Bytes",
                    },
                    "return_data": True,
                    "account_id": "444455556666",
                },
            },
        },
        changes=[
            _queries("rate.expression")(lambda q: q["rate"].update(Expression="records / failed")),
            _queries("rate.label")(lambda q: q["rate"].update(Label="Mine")),
            _queries("rate.period")(lambda q: q["rate"].update(Period=60)),
            _queries("failed.label")(lambda q: q["failed"].pop("Label")),
            _queries("records.account_id")(lambda q: q["records"].update(AccountId="9" * 12)),
            _queries("rate.return_data", "failed.return_data")(_watch_another),
            _queries("failed.metric.namespace")(
                lambda q: q["failed"]["MetricStat"]["Metric"].update(Namespace="Wire/Intruder")
            ),
            _queries("failed.metric.name")(
                lambda q: q["failed"]["MetricStat"]["Metric"].update(MetricName="Intruder")
            ),
            _queries("failed.metric.dimensions.Stream")(
                lambda q: q["failed"]["MetricStat"]["Metric"].update(Dimensions=[])
            ),
            _queries("failed.metric.statistic")(
                lambda q: q["failed"]["MetricStat"].update(Stat="Sum")
            ),
            _queries("failed.metric.period")(lambda q: q["failed"]["MetricStat"].update(Period=60)),
            _queries("failed.metric.unit")(
                lambda q: q["failed"]["MetricStat"].update(Unit="Bytes")
            ),
        ],
        look=_look(MATH),
        delete=_delete(MATH),
    ),
    Case(
        "a band",
        resources={
            "subject": {
                "kind": KIND,
                "name": BAND,
                "metrics": {
                    "records": {"metric": ALL, "return_data": True},
                    "band": {"expression": "ANOMALY_DETECTION_BAND(records, 2)"},
                    "wide": {"expression": "ANOMALY_DETECTION_BAND(records, 4)"},
                },
                "comparison": "LessThanLowerOrGreaterThanUpperThreshold",
                "threshold_metric_id": "band",
            },
        },
        other={"threshold_metric_id": "wide", "comparison": "GreaterThanUpperThreshold"},
        changes=[
            _edit(BAND, "threshold_metric_id", ThresholdMetricId="wide"),
            _edit(BAND, "comparison", ComparisonOperator="LessThanLowerThreshold"),
        ],
        look=_look(BAND),
        delete=_delete(BAND),
    ),
]
