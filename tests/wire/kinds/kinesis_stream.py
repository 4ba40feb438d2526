"""`kinesis-stream`"""

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, change, tag_changes, without

KIND = "kinesis-stream"
UNREACHABLE = {"name": "it is the identity"}
SETTLED = {"name": "it is the identity"}
NOT_SERVED = {"moto": {"every metric": "it keeps ALL as a metric of that name"}}
NAME = "wire-stream"


def _tag(aws: Aws, tags: dict) -> None:
    aws.kinesis.add_tags_to_stream(StreamName=NAME, Tags=tags)


def _untag(aws: Aws, keys: list) -> None:
    aws.kinesis.remove_tags_from_stream(StreamName=NAME, TagKeys=keys)


def _look(name: str):
    def look(aws: Aws):
        told = aws.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        tags = aws.kinesis.list_tags_for_stream(StreamName=name)["Tags"]
        return without({"stream": told, "tags": tags})

    return look


def _delete(name: str):
    return lambda aws: aws.kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def _mode(name: str, mode: str):
    def switch(aws: Aws) -> None:
        arn = aws.arn("kinesis", f"stream/{name}")
        aws.kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": mode})

    return switch


CASES = [
    Case(
        "provisioned",
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "shards": 2,
                "retention_hours": 48,
                "key": "alias/wire-stream",
                "shard_metrics": ["IncomingBytes", "OutgoingBytes"],
                "tags": TAGS,
            },
        },
        other={
            "shards": 3,
            "retention_hours": 72,
            "key": "alias/aws/kinesis",
            "shard_metrics": ["IncomingRecords"],
            "tags": OTHER_TAGS,
        },
        changes=[
            change("shards")(
                lambda aws: aws.kinesis.update_shard_count(
                    StreamName=NAME, TargetShardCount=4, ScalingType="UNIFORM_SCALING"
                )
            ),
            change("retention_hours")(
                lambda aws: aws.kinesis.increase_stream_retention_period(
                    StreamName=NAME, RetentionPeriodHours=96
                )
            ),
            change("retention_hours")(
                lambda aws: aws.kinesis.decrease_stream_retention_period(
                    StreamName=NAME, RetentionPeriodHours=24
                )
            ),
            change("key")(
                lambda aws: aws.kinesis.stop_stream_encryption(
                    StreamName=NAME, EncryptionType="KMS", KeyId="alias/wire-stream"
                )
            ),
            change("key")(
                lambda aws: aws.kinesis.start_stream_encryption(
                    StreamName=NAME, EncryptionType="KMS", KeyId="alias/other"
                )
            ),
            change("shard_metrics")(
                lambda aws: aws.kinesis.enable_enhanced_monitoring(
                    StreamName=NAME, ShardLevelMetrics=["IteratorAgeMilliseconds"]
                )
            ),
            change("shard_metrics")(
                lambda aws: aws.kinesis.disable_enhanced_monitoring(
                    StreamName=NAME, ShardLevelMetrics=["OutgoingBytes"]
                )
            ),
            *tag_changes(_tag, _untag),
        ],
        look=_look(NAME),
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=_delete(NAME),
    ),
    Case(
        "on demand",
        resources={"subject": {"kind": KIND, "name": "wire-on-demand", "mode": "on-demand"}},
        other={"mode": "provisioned"},
        changes=[change("mode")(_mode("wire-on-demand", "PROVISIONED"))],
        look=_look("wire-on-demand"),
        delete=_delete("wire-on-demand"),
    ),
    Case(
        "every metric",
        resources={
            "subject": {"kind": KIND, "name": "wire-metrics", "shard_metrics": ["ALL"]},
        },
        changes=[
            change("shard_metrics")(
                lambda aws: aws.kinesis.disable_enhanced_monitoring(
                    StreamName="wire-metrics", ShardLevelMetrics=["OutgoingBytes"]
                )
            )
        ],
        look=_look("wire-metrics"),
    ),
]
