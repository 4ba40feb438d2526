"""What Firehose does to records before it buffers them: its processors, in AWS's order."""

import base64
import functools
import gzip
import json
import zlib

import jq

import firehose_convert
import firehose_transform
from firehose_prefix import converts_to
from firehose_record import Record, Refused, documents

_SUBRECORDS = 500
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t"}
_NOT_JSON = "Non JSON record provided"


def process(stream: dict, config: dict, records: list[Record], refuse) -> list[Record]:
    """The records to deliver; `refuse` is told of each that cannot be, with its reason."""
    steps = processors(config)
    if "Decompression" in steps:
        records = _each(records, refuse, _decompress)
    if "CloudWatchLogProcessing" in steps:
        records = _each(records, refuse, _messages)
    if "RecordDeAggregation" in steps:
        records = _each(records, refuse, functools.partial(_subrecords, steps["RecordDeAggregation"]))
    if "Lambda" in steps:
        records = firehose_transform.transform(stream, steps["Lambda"], records, refuse)
    if (config.get("DynamicPartitioningConfiguration") or {}).get("Enabled"):
        records = _partition(steps.get("MetadataExtraction"), records, refuse)
    if converts_to(config):
        return firehose_convert.convert(stream, config, records, refuse)
    if "AppendDelimiterToRecord" in steps:
        delimiter = _delimiter(steps["AppendDelimiterToRecord"])
        for record in records:
            record.data += delimiter
    return records


def processors(config: dict) -> dict[str, dict[str, str]]:
    """The parameters of each processor that is on."""
    processing = config.get("ProcessingConfiguration") or {}
    if not processing.get("Enabled"):
        return {}
    return {
        processor["Type"]: {
            one["ParameterName"]: one["ParameterValue"] for one in processor.get("Parameters") or []
        }
        for processor in processing.get("Processors") or []
    }


def _each(records: list[Record], refuse, make) -> list[Record]:
    made = []
    for record in records:
        try:
            made += [Record(record.arrived, data) for data in make(record.data)]
        except Refused as refused:
            refuse(record, refused)
    return made


def _decompress(data: bytes) -> list[bytes]:
    try:
        return [gzip.decompress(data)]
    except (OSError, EOFError, zlib.error) as error:
        raise Refused("decompression-failed", "Decompression.Failed", str(error)) from error


def _messages(data: bytes) -> list[bytes]:
    """The events of what a subscription of CloudWatch Logs sends; its control messages have none."""
    try:
        sent = json.loads(data)
        if sent["messageType"] == "CONTROL_MESSAGE":
            return []
        return ["\n".join(event["message"] for event in sent["logEvents"]).encode()]
    except (ValueError, KeyError, TypeError) as error:
        message = "The record is not of CloudWatch Logs"
        raise Refused("processing-failed", "CloudWatchLogProcessing.Failed", message) from error


def _subrecords(parameters: dict[str, str], data: bytes) -> list[bytes]:
    """What is in one record. AWS leaves a record whole that holds more than 500, or that it cannot take apart."""
    if parameters.get("SubRecordType") == "DELIMITED":
        found = data.split(base64.b64decode(parameters.get("Delimiter", "")) or b"\n")
        found = [one for one in found if one]
    else:
        found = _written(data)
    return found if 0 < len(found) <= _SUBRECORDS else [data]


def _written(data: bytes) -> list[bytes]:
    try:
        return [text.encode() for _, text in documents(data.decode())]
    except ValueError:
        return []


def _delimiter(parameters: dict[str, str]) -> bytes:
    delimiter = parameters.get("Delimiter", "\\n")
    for written, meant in _ESCAPES.items():
        delimiter = delimiter.replace(written, meant)
    return delimiter.encode()


# ---- partition keys ----------------------------------------------------------------------------


@functools.lru_cache(maxsize=100)
def query(text: str):
    """A compiled MetadataExtractionQuery; ValueError when it is none. AWS runs jq 1.6, this is a later one."""
    return jq.compile(text)


def _partition(extraction: dict[str, str] | None, records: list[Record], refuse) -> list[Record]:
    program = query(extraction["MetadataExtractionQuery"]) if extraction else None
    placed = []
    for record in records:
        try:
            if program:
                record.keys = {**record.keys, **_keys(program, record.data)}
            placed.append(record)
        except Refused as refused:
            refuse(record, refused)
    return placed


def _keys(program, data: bytes) -> dict[str, str]:
    try:
        found = program.input_text(data.decode()).all()
    except UnicodeDecodeError:
        raise _unplaced(_NOT_JSON) from None
    except ValueError as error:
        told = str(error)
        raise _unplaced(_NOT_JSON if told.startswith("parse error") else told) from None
    if len(found) != 1 or not isinstance(found[0], dict):
        raise _unplaced(_NOT_JSON)
    return {name: _key(value) for name, value in found[0].items()}


def _key(value) -> str:
    if value is None or value == "" or isinstance(value, list | dict):
        raise _unplaced("partitionKeys values must not be null or empty")
    return value if isinstance(value, str) else json.dumps(value)


def _unplaced(message: str) -> Refused:
    return Refused("metadata-extraction-failed", "DynamicPartitioning.MetadataExtractionFailed", message)
