"""Firehose takes records, from Kinesis and from its own calls: in place of ministack, which writes each at once."""

import base64

from ministack.core.responses import get_account_id, get_region, json_response
from ministack.services import firehose

import metrics
from firehose_delivery import Delivery
from patching import wrap

_RECORD_BYTES = 1_024_000
_BATCH_BYTES = 4 << 20
_S3 = ("ExtendedS3", "S3")
_deliveries: dict[str, Delivery] = {}


def _delivery(stream: dict) -> Delivery:
    """The work of a delivery stream; of one that was made anew under an old name, a new one."""
    found = _deliveries.get(stream["arn"])
    if found is None or found.stream is not stream:
        found = _deliveries[stream["arn"]] = Delivery(stream, get_account_id(), get_region())
    return found


def _writes_s3(stream: dict | None) -> bool:
    return bool(stream) and bool(stream["destinations"]) and stream["destinations"][0]["type"] in _S3


def take_from_kinesis(arn: str, records: list) -> None:
    """Kinesis hands every record that it takes to this function, as (partition key, data)."""
    name = arn.rpartition("/")[2]
    datas = [data for _, data in records]
    scope = (get_account_id(), get_region())
    metrics.count(scope, "AWS/Kinesis", "IncomingRecords", {"StreamName": name}, len(datas))
    metrics.count(scope, "AWS/Kinesis", "IncomingBytes", {"StreamName": name}, sum(map(len, datas)), "Bytes")
    for stream in firehose._streams.values():
        source = stream.get("kinesis_source") or {}
        if source.get("KinesisStreamARN") == arn and _writes_s3(stream):
            _delivery(stream).take(datas)


firehose.ingest_from_kinesis_source = take_from_kinesis


@wrap(firehose, "_put_record")
def put_record(put, data):
    """As AWS, which takes the record into a buffer; a stream that reads Kinesis takes none."""
    stream = firehose._streams.get(data.get("DeliveryStreamName", ""))
    if not _writes_s3(stream):
        return put(data)
    refusal, datas = _sent(stream, [data.get("Record") or {}])
    if refusal:
        return refusal
    _delivery(stream).take(datas)
    return json_response({"RecordId": firehose._record_id(), "Encrypted": False})


@wrap(firehose, "_put_record_batch")
def put_records(put, data):
    """As above."""
    stream, records = firehose._streams.get(data.get("DeliveryStreamName", "")), data.get("Records") or []
    if not _writes_s3(stream) or not 0 < len(records) <= 500:
        return put(data)
    refusal, datas = _sent(stream, records)
    if refusal:
        return refusal
    if sum(map(len, datas)) > _BATCH_BYTES:
        return firehose._invalid("Batch size exceeds 4 MiB limit")
    _delivery(stream).take(datas)
    answers = [{"RecordId": firehose._record_id()} for _ in datas]
    return json_response({"FailedPutCount": 0, "Encrypted": False, "RequestResponses": answers})


def _sent(stream: dict, records: list[dict]):
    if stream["type"] != "DirectPut":
        return firehose._invalid("This operation is not permitted on KinesisStreamAsSource delivery stream type."), []
    try:
        datas = [base64.b64decode(record.get("Data", ""), validate=True) for record in records]
    except ValueError:
        return firehose._invalid("Record.Data must be valid base64."), []
    if any(len(data) > _RECORD_BYTES for data in datas):
        return firehose._invalid("Record size exceeds 1,000 KiB limit."), []
    return None, datas


@wrap(firehose, "_create_delivery_stream")
def be_there_at_once(create, data):
    """So that a stream can be told to deliver twice what it takes first."""
    response = create(data)
    stream = firehose._streams.get(data.get("DeliveryStreamName", ""))
    if response[0] == 200 and _writes_s3(stream):
        _delivery(stream)
    return response


@wrap(firehose, "_delete_delivery_stream")
def deliver_the_rest(delete, data):
    """AWS may lose what a deleted stream holds; here it is still written, if that works at once."""
    stream = firehose._streams.get(data.get("DeliveryStreamName", ""))
    response = delete(data)
    if response[0] == 200 and stream["arn"] in _deliveries:
        _deliveries.pop(stream["arn"]).end()
    return response


@wrap(firehose, "reset")
def forget(reset):
    for delivery in _deliveries.values():
        delivery.forget()
    _deliveries.clear()
    reset()


def measure() -> None:
    """Writes how old the oldest record is that a stream still holds."""
    for delivery in list(_deliveries.values()):
        delivery.measure()


def control(order: dict) -> dict:
    """What each delivery stream took and did; `flush` delivers at once, `deliver_twice` says how many of the next
    objects are written twice, as AWS may."""
    chosen = [one for one in _deliveries.values() if order.get("stream") in (None, one.stream["name"])]
    for delivery in chosen:
        if order.get("flush"):
            delivery.flush()
        delivery.twice += int(order.get("deliver_twice") or 0)
    return {
        "streams": {
            one.stream["name"]: {
                "taken": one.taken,
                "delivered": one.delivered,
                "refused": one.refused,
                "held": one.held,
            }
            for one in chosen
        }
    }
