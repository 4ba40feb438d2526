"""Firehose: its configuration."""

from ministack.services import firehose

import firehose_checks
from patching import wrap

_CONVERSION_BUFFER_MB = 64
_PROCESSOR_DEFAULTS = {"NumberOfRetries": "3", "BufferSizeInMBs": "1", "BufferIntervalInSeconds": "60"}
_LEFT_OUT = ("CustomTimeZone", "FileExtension")


@wrap(firehose, "_dest_description")
def describe_all(describe, destination):
    """AWS reports the time zone, the file extension, the backup and a processor's default parameters; ministack
    leaves them out."""
    description = describe(destination)
    config = destination["config"]
    extended = description.get("ExtendedS3DestinationDescription")
    if extended is None:
        return description
    extended.update({key: config[key] for key in _LEFT_OUT if key in config})
    backup = {**(config.get("S3BackupConfiguration") or {}), **(config.get("S3BackupUpdate") or {})}
    if backup:
        extended["S3BackupDescription"] = backup
    if extended.get("ProcessingConfiguration"):
        extended["ProcessingConfiguration"] = _fill_processing(extended["ProcessingConfiguration"], config)
    for key in ("Prefix", "ErrorOutputPrefix"):
        if not extended.get(key):
            extended.pop(key, None)
    return description


def _fill_processing(processing, config):
    return {
        **processing,
        "Processors": [
            _fill_processor(processor, config) for processor in processing.get("Processors") or []
        ],
    }


def _fill_processor(processor, config):
    if processor.get("Type") != "Lambda":
        return processor
    given = {item["ParameterName"]: item["ParameterValue"] for item in processor.get("Parameters") or []}
    filled = {**_PROCESSOR_DEFAULTS, "RoleArn": config.get("RoleARN", ""), **given}
    parameters = [{"ParameterName": name, "ParameterValue": value} for name, value in filled.items()]
    return {**processor, "Parameters": parameters}


@wrap(firehose, "_create_delivery_stream")
def check_new(create, data):
    """AWS refuses format conversion with a small buffer or compression, and prefixes that mean nothing; ministack
    takes them. AWS buffers 128 MB when conversion is on and nothing is said."""
    config = data.get("ExtendedS3DestinationConfiguration")
    if config and _converts(config):
        config.setdefault("BufferingHints", {"SizeInMBs": 128, "IntervalInSeconds": 300})
    return _refuse(config) or create(data)


@wrap(firehose, "_update_destination")
def check_update(update, data):
    """As above, for what the update makes of the destination. AWS merges an update of the backup into it;
    ministack forgets the update before."""
    stream = firehose._streams.get(data.get("DeliveryStreamName", ""))
    sent = data.get("ExtendedS3DestinationUpdate")
    if stream and sent and stream["destinations"]:
        config = stream["destinations"][0]["config"]
        refusal = _refuse({**config, **sent})
        if refusal:
            return refusal
        if config.get("S3BackupUpdate") and sent.get("S3BackupUpdate"):
            sent["S3BackupUpdate"] = {**config["S3BackupUpdate"], **sent["S3BackupUpdate"]}
    return update(data)


def _converts(config) -> bool:
    conversion = config.get("DataFormatConversionConfiguration")
    return bool(conversion) and conversion.get("Enabled", True)


def _refuse(config):
    if not config:
        return None
    reason = _conversion_trouble(config) or firehose_checks.trouble(config)
    return firehose._invalid(reason) if reason else None


def _conversion_trouble(config) -> str | None:
    if not _converts(config):
        return None
    if (config.get("BufferingHints") or {}).get("SizeInMBs", 128) < _CONVERSION_BUFFER_MB:
        return "BufferingHints.SizeInMBs must be at least 64 when data format conversion is enabled."
    if config.get("CompressionFormat", "UNCOMPRESSED") != "UNCOMPRESSED":
        return "CompressionFormat must be UNCOMPRESSED when data format conversion is enabled."
    return None


@wrap(firehose, "_start_delivery_stream_encryption")
def refuse_encryption_of_source(start, data):
    """AWS leaves encryption to the Kinesis stream where that is the source; ministack encrypts."""
    stream = firehose._streams.get(data.get("DeliveryStreamName", ""))
    if stream and stream["type"] != "DirectPut":
        return firehose._invalid(
            "Server-side encryption is available only for delivery streams of type DirectPut."
        )
    return start(data)
