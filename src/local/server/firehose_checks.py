"""Why AWS refuses a destination: its prefixes, and what dynamic partitioning needs."""

from firehose_prefix import namespaces
from firehose_process import processors, query

_PARTITIONED_BUFFER_MB = 64
_FROM_QUERY, _FROM_LAMBDA = "partitionKeyFromQuery", "partitionKeyFromLambda"
_TYPE = "!{firehose:error-output-type}"


def trouble(config: dict) -> str | None:
    """The reason of the first refusal; None when there is none."""
    prefix, errors = config.get("Prefix") or "", config.get("ErrorOutputPrefix") or ""
    if _TYPE in prefix:
        return f"Prefix cannot contain {_TYPE}."
    if namespaces(prefix) and not errors:
        return "ErrorOutputPrefix must be specified when Prefix contains expressions."
    if namespaces(errors) and _TYPE not in errors:
        return f"ErrorOutputPrefix must contain {_TYPE} when it contains expressions."
    if namespaces(errors) & {_FROM_QUERY, _FROM_LAMBDA}:
        return "ErrorOutputPrefix cannot contain Dynamic Partitioning Namespaces."
    return _partitioning_trouble(config, namespaces(prefix) & {_FROM_QUERY, _FROM_LAMBDA})


def _partitioning_trouble(config: dict, used: set[str]) -> str | None:
    if not (config.get("DynamicPartitioningConfiguration") or {}).get("Enabled"):
        if used:
            return (
                "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic Partitioning "
                "is enabled."
            )
        return None
    steps = processors(config)
    if (config.get("BufferingHints") or {}).get("SizeInMBs", _PARTITIONED_BUFFER_MB) < _PARTITIONED_BUFFER_MB:
        return "BufferingHints.SizeInMBs must be at least 64 when Dynamic Partitioning is enabled."
    if not used:
        return "S3 Prefix should contain Dynamic Partitioning Namespaces when Dynamic Partitioning is enabled."
    if _FROM_QUERY in used and "MetadataExtraction" not in steps:
        return "MetadataExtraction processor should be present when S3 Prefix has partitionKeyFromQuery namespace."
    if _FROM_LAMBDA in used and "Lambda" not in steps:
        return "Lambda processor should be present when S3 Prefix has partitionKeyFromLambda namespace."
    return _query_trouble(steps.get("MetadataExtraction"))


def _query_trouble(extraction: dict[str, str] | None) -> str | None:
    if extraction is None:
        return None
    try:
        query(extraction.get("MetadataExtractionQuery", ""))
    except ValueError as error:
        return f"MetadataExtractionQuery is not valid: {error}"
    return None
