"""Kinesis Data Streams."""

import time

from ministack.core.responses import error_response_json, json_response
from ministack.services import kinesis

from patching import add_operation, changed, wrap

_METRICS = [
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
]
_DEFAULT_RECORD_KIB = 1024
_ON_DEMAND_SHARDS = 4


def _missing(name):
    return error_response_json("ResourceNotFoundException", f"Stream {name} not found", 400)


def _by_arn(data):
    return kinesis._resolve_stream({"StreamARN": data.get("ResourceARN") or data.get("StreamARN")})


@wrap(kinesis, "_create_stream")
def take_tags_and_record_size(create, data):
    """AWS takes Tags and MaxRecordSizeInKiB with CreateStream and gives on-demand streams 4 shards; ministack drops
    the former and gives 1."""
    mode = (data.get("StreamModeDetails") or {}).get("StreamMode")
    if mode == "ON_DEMAND":
        data = {**data, "ShardCount": _ON_DEMAND_SHARDS}
    response = create(data)
    if response[0] == 200:
        stream = kinesis._streams[data["StreamName"]]
        stream["tags"].update(data.get("Tags") or {})
        stream["MaxRecordSizeInKiB"] = data.get("MaxRecordSizeInKiB") or _DEFAULT_RECORD_KIB
    return response


@wrap(kinesis, "_describe_stream_summary")
def report_metrics_and_record_size(describe, data):
    """AWS reports the enhanced metrics and the record size; ministack reports no metrics, whatever was enabled."""
    _, stream = kinesis._resolve_stream(data)

    def fill(answer):
        summary = answer["StreamDescriptionSummary"]
        summary["EnhancedMonitoring"] = [{"ShardLevelMetrics": stream.get("ShardLevelMetrics", [])}]
        summary["MaxRecordSizeInKiB"] = stream.get("MaxRecordSizeInKiB", _DEFAULT_RECORD_KIB)

    return changed(describe(data), fill)


@wrap(kinesis, "_enable_enhanced_monitoring")
def enable_all_metrics(enable, data):
    """AWS reads ALL as its seven metrics; ministack stores the word."""
    return enable(_spell_out(data))


@wrap(kinesis, "_disable_enhanced_monitoring")
def disable_all_metrics(disable, data):
    """As above."""
    return disable(_spell_out(data))


def _spell_out(data):
    wanted = data.get("ShardLevelMetrics") or []
    return {**data, "ShardLevelMetrics": _METRICS if "ALL" in wanted else wanted}


@wrap(kinesis, "_delete_stream")
def keep_streams_with_consumers(delete, data):
    """AWS refuses to delete a stream with registered consumers unless told to; ministack deletes them along."""
    _, stream = kinesis._resolve_stream(data)
    consumers = [c for c in kinesis._consumers.values() if stream and c["StreamARN"] == stream["StreamARN"]]
    if consumers and not data.get("EnforceConsumerDeletion"):
        return error_response_json(
            "ResourceInUseException", f"Stream {stream['StreamName']} has registered consumers.", 400
        )
    return delete(data)


@add_operation(kinesis, "ListTagsForResource")
def list_tags_for_resource(data):
    """ministack knows only the older ListTagsForStream."""
    name, stream = _by_arn(data)
    if not stream:
        return _missing(name)
    return json_response(
        {"Tags": [{"Key": key, "Value": value} for key, value in sorted(stream["tags"].items())]}
    )


@add_operation(kinesis, "TagResource")
def tag_resource(data):
    """ministack knows only the older AddTagsToStream."""
    name, stream = _by_arn(data)
    if not stream:
        return _missing(name)
    stream["tags"].update(data.get("Tags") or {})
    return json_response({})


@add_operation(kinesis, "UntagResource")
def untag_resource(data):
    """ministack knows only the older RemoveTagsFromStream."""
    name, stream = _by_arn(data)
    if not stream:
        return _missing(name)
    for key in data.get("TagKeys") or []:
        stream["tags"].pop(key, None)
    return json_response({})


@add_operation(kinesis, "UpdateStreamMode")
def update_stream_mode(data):
    """ministack does not know it."""
    name, stream = _by_arn(data)
    if not stream:
        return _missing(name)
    stream["StreamModeDetails"] = {"StreamMode": data["StreamModeDetails"]["StreamMode"]}
    return json_response({})


@add_operation(kinesis, "UpdateMaxRecordSize")
def update_max_record_size(data):
    """ministack does not know it."""
    name, stream = _by_arn(data)
    if not stream:
        return _missing(name)
    stream["MaxRecordSizeInKiB"] = data["MaxRecordSizeInKiB"]
    return json_response({})


@wrap(kinesis, "_expire_records")
def expire_from_the_front(_expire, stream):
    """ministack copies all records of a stream whenever some are put; they are in the order of their age."""
    oldest = time.time() - stream["RetentionPeriodHours"] * 3600
    for shard in stream["shards"].values():
        records = shard["records"]
        if records and records[0]["ApproximateArrivalTimestamp"] < oldest:
            shard["records"] = [one for one in records if one["ApproximateArrivalTimestamp"] >= oldest]
