"""Firehose's Lambda processor."""

import base64
import json
import uuid

from ministack.core.responses import get_region
from ministack.services import lambda_svc

from firehose_record import Record, Refused

_MEGABYTE = 1 << 20
_FOLDER = "processing-failed"
_ERROR = "The Lambda function was successfully invoked but it returned an error result."
_FORM = "The Lambda function's response is not of the expected form."


def transform(stream: dict, parameters: dict[str, str], records: list[Record], refuse) -> list[Record]:
    """What the function makes of the records, asked in the batches of its buffer's size."""
    most = int(float(parameters.get("BufferSizeInMBs") or 1) * _MEGABYTE)
    made, batch, size = [], [], 0
    for record in records:
        if batch and size + len(record.data) > most:
            made += _ask(stream, parameters, batch, refuse)
            batch, size = [], 0
        batch.append(record)
        size += len(record.data)
    if batch:
        made += _ask(stream, parameters, batch, refuse)
    return made


def _ask(stream: dict, parameters: dict[str, str], records: list[Record], refuse) -> list[Record]:
    """One batch; a function that fails is asked again as often as its processor says."""
    arn = parameters.get("LambdaArn", "")
    ids = {f"{number:056d}": record for number, record in enumerate(records)}
    attempts = int(parameters.get("NumberOfRetries") or 3) + 1
    for attempt in range(1, attempts + 1):
        try:
            answers = _call(stream, arn, ids)
            break
        except Refused as refused:
            if attempt == attempts:
                refused.attempts = attempt
                for record in records:
                    refuse(record, refused)
                return []
    made = []
    for number, record in ids.items():
        try:
            made += _answered(record, answers.get(number), arn)
        except Refused as refused:
            refuse(record, refused)
    return made


def _call(stream: dict, arn: str, ids: dict[str, Record]) -> dict[str, dict]:
    event = {
        "invocationId": str(uuid.uuid4()),
        "deliveryStreamArn": stream["arn"],
        "region": get_region(),
        "records": [
            {
                "recordId": number,
                "approximateArrivalTimestamp": record.arrived,
                "data": base64.b64encode(record.data).decode(),
            }
            for number, record in ids.items()
        ],
    }
    if stream["kinesis_source"]:
        event["sourceKinesisStreamArn"] = stream["kinesis_source"]["KinesisStreamARN"]
    name, qualifier = lambda_svc._resolve_name_and_qualifier(arn)
    function, _ = lambda_svc._get_func_record_for_qualifier(name, qualifier)
    if function is None:
        raise _failed("Lambda.ResourceNotFound", f"Function not found: {arn}", arn)
    result = lambda_svc._execute_function(function, event)
    if result.get("error"):
        raise _failed("Lambda.FunctionError", _ERROR, arn)
    body = result.get("body")
    try:
        answered = json.loads(body) if isinstance(body, str | bytes) else body
        return {one["recordId"]: one for one in answered["records"]}
    except (ValueError, KeyError, TypeError):
        raise _failed("Lambda.InvalidFormat", _FORM, arn) from None


def _answered(record: Record, answer: dict | None, arn: str) -> list[Record]:
    if answer is None:
        raise _failed("Lambda.MissingRecordId", "The Lambda function did not return the record.", arn)
    if answer.get("result") == "Dropped":
        return []
    if answer.get("result") != "Ok":
        raise _failed("Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record", arn)
    keys = (answer.get("metadata") or {}).get("partitionKeys") or {}
    data = base64.b64decode(answer.get("data") or "")
    return [Record(record.arrived, data, {str(key): str(value) for key, value in keys.items()})]


def _failed(code: str, message: str, arn: str) -> Refused:
    return Refused(_FOLDER, code, message, lambdaArn=arn)
