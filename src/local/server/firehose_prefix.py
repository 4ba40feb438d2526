"""Where Firehose puts an object: the expressions of its prefixes, and the object's name."""

import datetime
import re
import uuid
from zoneinfo import ZoneInfo

from ministack.services import firehose

_EXPRESSION = re.compile(r"!\{([A-Za-z]+):([^}]*)\}")
_BY_THE_HOUR = "!{timestamp:yyyy/MM/dd/HH}/"
_EXTENSIONS = {"GZIP": ".gz", "ZIP": ".zip", "Snappy": ".snappy", "HADOOP_SNAPPY": ".hsnappy"}
_CONVERTED = {"ParquetSerDe": ".parquet", "OrcSerDe": ".orc"}


def namespaces(prefix: str) -> set[str]:
    """The namespaces of a prefix's expressions."""
    return {namespace for namespace, _ in _EXPRESSION.findall(prefix or "")}


def object_key(stream: dict, config: dict, arrived: int, keys: dict[str, str]) -> str:
    """The key of an object of records; `arrived` is when the oldest of them came, in milliseconds."""
    prefix = config.get("Prefix") or ""
    if not namespaces(prefix) & {"timestamp", "partitionKeyFromQuery", "partitionKeyFromLambda"}:
        prefix += _BY_THE_HOUR
    extension = config.get("FileExtension") or _extension(config)
    return _evaluate(prefix, _local(config, arrived), keys) + _name(stream, config, arrived) + extension


def error_key(stream: dict, config: dict, arrived: int, kind: str) -> str:
    """The key of an object of records that could not be delivered."""
    prefix = config.get("ErrorOutputPrefix")
    if not prefix:
        prefix = (config.get("Prefix") or "") + "!{firehose:error-output-type}/" + _BY_THE_HOUR
    return _evaluate(prefix, _local(config, arrived), {}, kind) + _name(stream, config, arrived)


def _name(stream: dict, config: dict, arrived: int) -> str:
    second = firehose._java_time("yyyy-MM-dd-HH-mm-ss", _local(config, arrived))
    return f"{stream['name']}-{stream['version']}-{second}-{uuid.uuid4()}"


def _local(config: dict, arrived: int):
    zone = ZoneInfo(config.get("CustomTimeZone") or "UTC")
    return datetime.datetime.fromtimestamp(arrived / 1000, zone).timetuple()


def _evaluate(prefix: str, when, keys: dict[str, str], kind: str = "") -> str:
    def value(match):
        namespace, name = match.groups()
        if namespace == "timestamp":
            return firehose._java_time(name, when)
        if namespace == "firehose":
            return kind if name == "error-output-type" else uuid.uuid4().hex[:11]
        return keys.get(name, "")

    return _EXPRESSION.sub(value, prefix)


def _extension(config: dict) -> str:
    serializer = converts_to(config)
    if serializer:
        return _CONVERTED.get(serializer, "")
    return _EXTENSIONS.get(config.get("CompressionFormat") or "", "")


def converts_to(config: dict) -> str | None:
    """The serializer of a destination that converts its records."""
    conversion = config.get("DataFormatConversionConfiguration")
    if not conversion or not conversion.get("Enabled", True):
        return None
    serializers = (conversion.get("OutputFormatConfiguration") or {}).get("Serializer") or {}
    return next((name for name, found in serializers.items() if found is not None), None)
