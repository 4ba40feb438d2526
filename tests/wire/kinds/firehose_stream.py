"""`firehose-stream`"""

import copy
from collections.abc import Callable

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, change, pairs, tag_changes

KIND = "firehose-stream"
_FIXED = "Firehose fixes it when the stream is made"
SETTLED = {
    "name": "it is the identity",
    "source": _FIXED,
    "source.stream": _FIXED,
    "source.role": _FIXED,
    "dynamic_partitioning.enabled": _FIXED,
    "backup": "Firehose never switches it off again",
}
UNREACHABLE = SETTLED
FILLED, PARTED = "wire-filled", "wire-parted"
PARQUET, BY_HIVE, ORC, BY_OPENX = "wire-parquet", "wire-by-hive", "wire-orc", "wire-by-openx"
ROLE = "arn:aws:iam::${account}:role/wire"
KEY = "arn:aws:kms:eu-west-1:${account}:key/wire"
FUNCTION = "arn:aws:lambda:eu-west-1:${account}:function:wire"
BUCKET = "arn:aws:s3:::wire-firehose"
CONVERSION = "DataFormatConversionConfiguration"
SCHEMA = (CONVERSION, "SchemaConfiguration")
READER = (CONVERSION, "InputFormatConfiguration", "Deserializer")
WRITER = (CONVERSION, "OutputFormatConfiguration", "Serializer")
MB = 1024 * 1024
#: What UpdateDestination takes of what DescribeDeliveryStream tells.
SENT = (
    "RoleARN BucketARN Prefix ErrorOutputPrefix BufferingHints CompressionFormat"
    " EncryptionConfiguration CloudWatchLoggingOptions ProcessingConfiguration S3BackupMode"
    " DataFormatConversionConfiguration DynamicPartitioningConfiguration FileExtension"
    " CustomTimeZone"
).split()


def _stream(aws: Aws, name: str) -> dict:
    told = aws.firehose.describe_delivery_stream(DeliveryStreamName=name)
    return told["DeliveryStreamDescription"]


def _held(aws: Aws, name: str) -> dict:
    return _stream(aws, name)["Destinations"][0]["ExtendedS3DestinationDescription"]


def _look(name: str):
    def look(aws: Aws):
        stream = _stream(aws, name)
        for moving in ("VersionId", "CreateTimestamp", "LastUpdateTimestamp"):
            stream.pop(moving, None)
        stream = _without_off(stream)
        tags = aws.firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"]
        return {"stream": stream, "tags": sorted((tag["Key"], tag["Value"]) for tag in tags)}

    return look


def _without_off(value):
    """Off and empty are as good as nothing."""
    if isinstance(value, list):
        return [_without_off(each) for each in value]
    if not isinstance(value, dict):
        return value
    each = {key: _without_off(one) for key, one in value.items()}
    return {k: one for k, one in each.items() if one != "" and not _is_off(one)}


def _is_off(value) -> bool:
    return isinstance(value, dict) and value.get("Enabled") is False


def _delete(name: str):
    return lambda aws: aws.firehose.delete_delivery_stream(DeliveryStreamName=name)


def _update(name: str, *paths: str):
    """A change of the destination by what a function makes of what there is. The rest is sent as it is: moto keeps
    only half of what an update leaves out."""

    def decorate(edit: Callable[[dict], dict]):
        @change(*paths)
        def make(aws: Aws) -> None:
            stream, held = _stream(aws, name), _held(aws, name)
            sent = {key: held[key] for key in SENT if key in held}
            aws.firehose.update_destination(
                DeliveryStreamName=name,
                CurrentDeliveryStreamVersionId=stream["VersionId"],
                DestinationId=stream["Destinations"][0]["DestinationId"],
                ExtendedS3DestinationUpdate={**sent, **_filled(aws, edit(held))},
            )

        return make

    return decorate


def _filled(aws: Aws, value):
    if isinstance(value, dict):
        return {key: _filled(aws, each) for key, each in value.items()}
    return aws.fill(value) if isinstance(value, str) else value


def _say(**sent) -> Callable[[dict], dict]:
    return lambda _held: sent


def _within(*steps: str, **fields) -> Callable[[dict], dict]:
    """Part of a structure that is replaced as a whole; `None` takes a field away."""

    def edit(held: dict) -> dict:
        whole = copy.deepcopy(held[steps[0]])
        part = whole
        for step in steps[1:]:
            part = part[step]
        part.update(fields)
        for gone in [key for key, value in fields.items() if value is None]:
            del part[gone]
        return {steps[0]: whole}

    return edit


def _processors(edit: Callable[[list], list]) -> Callable[[dict], dict]:
    def make(held: dict) -> dict:
        processors = edit(copy.deepcopy(held["ProcessingConfiguration"]["Processors"]))
        return {"ProcessingConfiguration": {"Enabled": True, "Processors": processors}}

    return make


def _drop(*kinds: str) -> Callable[[dict], dict]:
    return _processors(lambda held: [one for one in held if one["Type"] not in kinds])


def _parameter(kind: str, name: str, value: str | None) -> Callable[[dict], dict]:
    def edit(processors: list) -> list:
        one = next(each for each in processors if each["Type"] == kind)
        left = [each for each in one["Parameters"] if each["ParameterName"] != name]
        if value is not None:
            left.append({"ParameterName": name, "ParameterValue": value})
        one["Parameters"] = left
        return processors

    return _processors(edit)


def _tag(aws: Aws, tags: dict) -> None:
    aws.firehose.tag_delivery_stream(DeliveryStreamName=FILLED, Tags=pairs(tags))


def _untag(aws: Aws, keys: list) -> None:
    aws.firehose.untag_delivery_stream(DeliveryStreamName=FILLED, TagKeys=keys)


def _encrypt(key: str):
    def make(aws: Aws) -> None:
        sent = {"KeyType": "AWS_OWNED_CMK"}
        if key != "aws-owned":
            sent = {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": aws.fill(key)}
        aws.firehose.start_delivery_stream_encryption(
            DeliveryStreamName=PARQUET, DeliveryStreamEncryptionConfigurationInput=sent
        )

    return make


def _schema_changes(name: str, at: str) -> list:
    return [
        _update(name, f"{at}.database")(_within(*SCHEMA, DatabaseName="other")),
        _update(name, f"{at}.table")(_within(*SCHEMA, TableName="other")),
        _update(name, f"{at}.role")(_within(*SCHEMA, RoleARN=f"{ROLE}-intruder")),
        _update(name, f"{at}.region")(_within(*SCHEMA, Region="us-west-2")),
        _update(name, f"{at}.catalog")(_within(*SCHEMA, CatalogId="999999999999")),
        _update(name, f"{at}.version")(_within(*SCHEMA, VersionId="7")),
        _update(name, at)(_within(CONVERSION, Enabled=False)),
    ]


def _backup(**sent) -> Callable[[dict], dict]:
    return _say(S3BackupUpdate=sent)


def _logging(enabled: bool, group: str = "", stream: str = "") -> dict:
    named = {"LogGroupName": group, "LogStreamName": stream} if enabled else {}
    return {"Enabled": enabled, **named}


TABLE = {
    "database": "wire",
    "table": "events",
    "role": f"{ROLE}-glue",
    "region": "eu-central-1",
    "catalog": "111122223333",
    "version": "3",
}
OTHER_TABLE = {
    "database": "other",
    "table": "others",
    "role": f"{ROLE}-other-glue",
    "region": "us-east-1",
    "catalog": "444455556666",
    "version": "4",
}


def _converted(name: str, to: str, reader: dict) -> dict:
    conversion = {"database": "wire", "table": "events", "input": reader}
    stream = {"kind": KIND, "name": name, "role": ROLE, "bucket": BUCKET, to: conversion}
    return {"subject": stream}


KMS = {"KMSEncryptionConfig": {"AWSKMSKeyARN": f"{KEY}-intruder"}}
PLAIN = {"NoEncryptionConfig": "NoEncryption"}

CASES = [
    Case(
        "from a stream",
        slow=True,
        resources={
            "subject": {
                "kind": KIND,
                "name": FILLED,
                "source": {
                    "stream": "arn:aws:kinesis:eu-west-1:${account}:stream/wire",
                    "role": f"{ROLE}-read",
                },
                "role": ROLE,
                "bucket": BUCKET,
                "prefix": "events/",
                "error_prefix": "errors/",
                "buffer": {"size_mb": 20, "interval": "2m"},
                "compression": "gzip",
                "key": KEY,
                "processing": {
                    "decompress": True,
                    "extract_messages": True,
                    "lambda": {
                        "function": FUNCTION,
                        "buffer_size_mb": 2.5,
                        "buffer_interval": "90s",
                        "retries": 5,
                        "role": f"{ROLE}-call",
                    },
                },
                "logging": {"group": "/wire", "stream": "delivery"},
                "backup": {
                    "bucket": f"{BUCKET}-backup",
                    "role": f"{ROLE}-backup",
                    "prefix": "raw/",
                    "error_prefix": "raw-errors/",
                    "buffer": {"size_mb": 30, "interval": "3m"},
                    "compression": "zip",
                    "key": f"{KEY}-backup",
                    "logging": {"group": "/wire", "stream": "backup"},
                },
                "time_zone": "Europe/Berlin",
                "file_extension": ".json.gz",
                "tags": TAGS,
            },
        },
        other={
            "role": f"{ROLE}-two",
            "bucket": f"{BUCKET}-two",
            "prefix": "",
            "error_prefix": "",
            "buffer": {"size_mb": 10, "interval": "0s"},
            "compression": "snappy",
            "key": "none",
            "processing": {"delimiter": "\\n"},
            "logging": "none",
            "backup": {
                "bucket": f"{BUCKET}-backup-two",
                "role": f"{ROLE}-backup-two",
                "prefix": "",
                "error_prefix": "",
                "buffer": {"size_mb": 5, "interval": "1m"},
                "compression": "gzip",
                "key": "none",
                "logging": "none",
            },
            "time_zone": "UTC",
            "file_extension": "",
            "tags": OTHER_TAGS,
        },
        changes=[
            _update(FILLED, "role")(_say(RoleARN=f"{ROLE}-intruder")),
            _update(FILLED, "bucket")(_say(BucketARN=f"{BUCKET}-intruder")),
            _update(FILLED, "prefix")(_say(Prefix="mine/")),
            _update(FILLED, "prefix")(_say(Prefix="")),
            _update(FILLED, "error_prefix")(_say(ErrorOutputPrefix="mine/")),
            _update(FILLED, "buffer.size_mb")(
                _say(BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 120})
            ),
            _update(FILLED, "buffer.interval")(
                _say(BufferingHints={"SizeInMBs": 20, "IntervalInSeconds": 900})
            ),
            _update(FILLED, "compression")(_say(CompressionFormat="UNCOMPRESSED")),
            _update(FILLED, "compression")(_say(CompressionFormat="HADOOP_SNAPPY")),
            _update(FILLED, "key")(_say(EncryptionConfiguration=KMS)),
            _update(FILLED, "key")(_say(EncryptionConfiguration=PLAIN)),
            _update(FILLED, "logging")(_say(CloudWatchLoggingOptions=_logging(False))),
            _update(FILLED, "logging.group")(
                _say(CloudWatchLoggingOptions=_logging(True, "/mine", "delivery"))
            ),
            _update(FILLED, "logging.stream")(
                _say(CloudWatchLoggingOptions=_logging(True, "/wire", "mine"))
            ),
            _update(FILLED, "time_zone")(_say(CustomTimeZone="Asia/Seoul")),
            _update(FILLED, "file_extension")(_say(FileExtension=".mine")),
            _update(FILLED, "file_extension")(_say(FileExtension="")),
            _update(FILLED, "processing.decompress", "processing.extract_messages")(
                _drop("Decompression", "CloudWatchLogProcessing")
            ),
            _update(FILLED, "processing.extract_messages")(_drop("CloudWatchLogProcessing")),
            _update(FILLED, "processing.lambda")(_drop("Lambda")),
            _update(FILLED, "processing.lambda.function")(
                _parameter("Lambda", "LambdaArn", f"{FUNCTION}-mine")
            ),
            _update(FILLED, "processing.lambda.buffer_size_mb")(
                _parameter("Lambda", "BufferSizeInMBs", "1.5")
            ),
            _update(FILLED, "processing.lambda.buffer_interval")(
                _parameter("Lambda", "BufferIntervalInSeconds", "30")
            ),
            _update(FILLED, "processing.lambda.retries")(
                _parameter("Lambda", "NumberOfRetries", "9")
            ),
            _update(FILLED, "processing.lambda.role")(
                _parameter("Lambda", "RoleArn", f"{ROLE}-intruder")
            ),
            _update(
                FILLED,
                "processing.decompress",
                "processing.extract_messages",
                "processing.lambda",
            )(_say(ProcessingConfiguration={"Enabled": False})),
            _update(FILLED, "backup.bucket")(_backup(BucketARN=f"{BUCKET}-intruder")),
            _update(FILLED, "backup.role")(_backup(RoleARN=f"{ROLE}-intruder")),
            _update(FILLED, "backup.prefix")(_backup(Prefix="mine/")),
            _update(FILLED, "backup.error_prefix")(_backup(ErrorOutputPrefix="mine/")),
            _update(FILLED, "backup.buffer.size_mb")(
                _backup(BufferingHints={"SizeInMBs": 31, "IntervalInSeconds": 180})
            ),
            _update(FILLED, "backup.buffer.interval")(
                _backup(BufferingHints={"SizeInMBs": 30, "IntervalInSeconds": 181})
            ),
            _update(FILLED, "backup.compression")(_backup(CompressionFormat="UNCOMPRESSED")),
            _update(FILLED, "backup.key")(_backup(EncryptionConfiguration=PLAIN)),
            _update(FILLED, "backup.logging")(_backup(CloudWatchLoggingOptions=_logging(False))),
            _update(FILLED, "backup.logging.group")(
                _backup(CloudWatchLoggingOptions=_logging(True, "/mine", "backup"))
            ),
            _update(FILLED, "backup.logging.stream")(
                _backup(CloudWatchLoggingOptions=_logging(True, "/wire", "mine"))
            ),
            *tag_changes(_tag, _untag),
        ],
        look=_look(FILLED),
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=_delete(FILLED),
    ),
    Case(
        "parquet",
        resources={
            "subject": {
                "kind": KIND,
                "name": PARQUET,
                "role": ROLE,
                "bucket": BUCKET,
                "buffer": {"size_mb": 100},
                "parquet": {
                    **TABLE,
                    "input": {
                        "openx": {
                            "case_insensitive": False,
                            "dots_to_underscores": True,
                            "mappings": {"ts": "timestamp", "id": "key"},
                        }
                    },
                    "compression": "gzip",
                    "block_size_mb": 128,
                    "page_size_kb": 2048,
                    "dictionary": True,
                    "padding_bytes": 100,
                    "writer": "V2",
                },
                "encryption": KEY,
            },
        },
        other={
            "parquet": {
                **OTHER_TABLE,
                "input": {
                    "openx": {
                        "case_insensitive": True,
                        "dots_to_underscores": False,
                        "mappings": {"ts": "time"},
                    }
                },
                "compression": "uncompressed",
                "block_size_mb": 64,
                "page_size_kb": 64,
                "dictionary": False,
                "padding_bytes": 0,
                "writer": "V1",
            },
            "encryption": "none",
        },
        changes=[
            *_schema_changes(PARQUET, "parquet"),
            _update(PARQUET, "parquet.input.openx.case_insensitive")(
                _within(*READER, "OpenXJsonSerDe", CaseInsensitive=True)
            ),
            _update(PARQUET, "parquet.input.openx.dots_to_underscores")(
                _within(*READER, "OpenXJsonSerDe", ConvertDotsInJsonKeysToUnderscores=False)
            ),
            _update(PARQUET, "parquet.input.openx.mappings.ts")(
                _within(
                    *READER,
                    "OpenXJsonSerDe",
                    ColumnToJsonKeyMappings={"ts": "time", "id": "key"},
                )
            ),
            _update(PARQUET, "parquet.input.hive", "parquet.input.openx")(
                _within(
                    *READER, OpenXJsonSerDe=None, HiveJsonSerDe={"TimestampFormats": ["millis"]}
                )
            ),
            _update(PARQUET, "parquet.compression")(
                _within(*WRITER, "ParquetSerDe", Compression="SNAPPY")
            ),
            _update(PARQUET, "parquet.block_size_mb")(
                _within(*WRITER, "ParquetSerDe", BlockSizeBytes=64 * MB)
            ),
            _update(PARQUET, "parquet.page_size_kb")(
                _within(*WRITER, "ParquetSerDe", PageSizeBytes=MB)
            ),
            _update(PARQUET, "parquet.dictionary")(
                _within(*WRITER, "ParquetSerDe", EnableDictionaryCompression=False)
            ),
            _update(PARQUET, "parquet.padding_bytes")(
                _within(*WRITER, "ParquetSerDe", MaxPaddingBytes=7)
            ),
            _update(PARQUET, "parquet.writer")(
                _within(*WRITER, "ParquetSerDe", WriterVersion="V1")
            ),
            change("encryption")(
                lambda aws: aws.firehose.stop_delivery_stream_encryption(
                    DeliveryStreamName=PARQUET
                )
            ),
            change("encryption")(_encrypt("aws-owned")),
            change("encryption")(_encrypt(f"{KEY}-intruder")),
        ],
        look=_look(PARQUET),
        delete=_delete(PARQUET),
    ),
    Case(
        "orc",
        resources={
            "subject": {
                "kind": KIND,
                "name": ORC,
                "role": ROLE,
                "bucket": BUCKET,
                "orc": {
                    **TABLE,
                    "input": {"hive": {"timestamp_formats": ["millis", "yyyy-MM-dd"]}},
                    "compression": "zlib",
                    "stripe_size_mb": 32,
                    "block_size_mb": 128,
                    "row_index_stride": 20000,
                    "bloom_filter_columns": ["id", "ts"],
                    "format_version": "V0_11",
                },
                "encryption": "aws-owned",
            },
        },
        other={
            "orc": {
                **OTHER_TABLE,
                "input": {"openx": {"case_insensitive": False, "mappings": {"a": "b"}}},
                "compression": "none",
                "stripe_size_mb": 8,
                "block_size_mb": 64,
                "row_index_stride": 1000,
                "bloom_filter_columns": [],
                "format_version": "V0_12",
            },
            "encryption": KEY,
        },
        changes=[
            *_schema_changes(ORC, "orc"),
            _update(ORC, "orc.input.hive.timestamp_formats.1")(
                _within(*READER, "HiveJsonSerDe", TimestampFormats=["millis", "yyyy"])
            ),
            _update(ORC, "orc.compression")(_within(*WRITER, "OrcSerDe", Compression="NONE")),
            _update(ORC, "orc.stripe_size_mb")(
                _within(*WRITER, "OrcSerDe", StripeSizeBytes=64 * MB)
            ),
            _update(ORC, "orc.block_size_mb")(
                _within(*WRITER, "OrcSerDe", BlockSizeBytes=64 * MB)
            ),
            _update(ORC, "orc.row_index_stride")(_within(*WRITER, "OrcSerDe", RowIndexStride=5000)),
            _update(ORC, "orc.bloom_filter_columns")(
                _within(*WRITER, "OrcSerDe", BloomFilterColumns=["id"])
            ),
            _update(ORC, "orc.format_version")(_within(*WRITER, "OrcSerDe", FormatVersion="V0_12")),
            _update(ORC, "orc", "parquet")(
                _within(*WRITER, OrcSerDe=None, ParquetSerDe={"Compression": "SNAPPY"})
            ),
        ],
        look=_look(ORC),
        delete=_delete(ORC),
    ),
    Case(
        "parquet by hive",
        resources=_converted(
            BY_HIVE, "parquet", {"hive": {"timestamp_formats": ["millis", "yyyy-MM-dd"]}}
        ),
        other={
            "parquet": {
                "database": "wire",
                "table": "events",
                "input": {"hive": {"timestamp_formats": ["yyyy"]}},
            }
        },
        changes=[
            _update(BY_HIVE, "parquet.input.hive.timestamp_formats")(
                _within(*READER, "HiveJsonSerDe", TimestampFormats=["millis"])
            ),
        ],
        look=_look(BY_HIVE),
        delete=_delete(BY_HIVE),
    ),
    Case(
        "orc by openx",
        resources=_converted(
            BY_OPENX,
            "orc",
            {
                "openx": {
                    "case_insensitive": False,
                    "dots_to_underscores": True,
                    "mappings": {"ts": "time", "id": "key"},
                }
            },
        ),
        other={"orc": {"database": "wire", "table": "events"}},
        changes=[
            _update(BY_OPENX, "orc.input.openx.case_insensitive")(
                _within(*READER, "OpenXJsonSerDe", CaseInsensitive=True)
            ),
            _update(BY_OPENX, "orc.input.openx.dots_to_underscores")(
                _within(*READER, "OpenXJsonSerDe", ConvertDotsInJsonKeysToUnderscores=False)
            ),
            _update(BY_OPENX, "orc.input.openx.mappings.id")(
                _within(*READER, "OpenXJsonSerDe", ColumnToJsonKeyMappings={"ts": "time"})
            ),
        ],
        look=_look(BY_OPENX),
        delete=_delete(BY_OPENX),
    ),
    Case(
        "partitioned",
        resources={
            "subject": {
                "kind": KIND,
                "name": PARTED,
                "role": ROLE,
                "bucket": BUCKET,
                "prefix": "c=!{partitionKeyFromQuery:c}/",
                "error_prefix": "errors/!{firehose:error-output-type}/",
                "processing": {
                    "deaggregate": {"delimited": "Cg=="},
                    "metadata_query": "{c: .customer}",
                    "delimiter": "\\n",
                },
                "dynamic_partitioning": {"enabled": True, "retry": "10m"},
            },
        },
        other={
            "processing": {
                "deaggregate": "json",
                "metadata_query": "{c: .other}",
                "delimiter": "none",
            },
            "dynamic_partitioning": {"enabled": True, "retry": "5m"},
        },
        changes=[
            _update(PARTED, "dynamic_partitioning.retry")(
                _say(
                    DynamicPartitioningConfiguration={
                        "Enabled": True,
                        "RetryOptions": {"DurationInSeconds": 60},
                    }
                )
            ),
            _update(PARTED, "processing.deaggregate")(_drop("RecordDeAggregation")),
            _update(PARTED, "processing.deaggregate.delimited")(
                _parameter("RecordDeAggregation", "Delimiter", "LA==")
            ),
            _update(PARTED, "processing.metadata_query")(
                _parameter("MetadataExtraction", "MetadataExtractionQuery", "{c: .mine}")
            ),
            _update(PARTED, "processing.delimiter")(_drop("AppendDelimiterToRecord")),
            _update(PARTED, "processing.delimiter")(
                _parameter("AppendDelimiterToRecord", "Delimiter", ",")
            ),
        ],
        look=_look(PARTED),
        delete=_delete(PARTED),
    ),
]
