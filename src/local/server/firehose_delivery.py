"""Delivery streams at work: each takes records, buffers them by partition, and writes what is due into S3.

A thread works for a stream while the stream holds records; otherwise nothing runs.
"""

import asyncio
import itertools
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from ministack.core.responses import request_scope
from ministack.services import firehose, s3

import firehose_convert
import metrics
from firehose_encode import compress
from firehose_prefix import error_key, object_key
from firehose_process import process
from firehose_record import Record, Refused

#: Nothing takes its real time here: a buffer is full after a sixtieth of its interval, and what waits is as old
#: as it would be then.
FASTER = 60
_LEAST_SECONDS = 1.0
_BATCH = 500
_MEGABYTE = 1 << 20
_NAMESPACE = "AWS/Firehose"

logger = logging.getLogger("firehose")
_loop: asyncio.AbstractEventLoop | None = None


def start() -> None:
    """Remembers the server's loop, on which S3 answers."""
    global _loop
    _loop = asyncio.get_running_loop()


@dataclass
class Buffer:
    """What goes into one object. `kind` is the folder's name of what was refused."""

    due: float
    most: int
    keys: dict[str, str]
    kind: str = ""
    backup: bool = False
    size: int = 0
    records: list[Record] = field(default_factory=list)


class Delivery:
    """One delivery stream. `stream` is ministack's own description, so that changes of it are seen."""

    def __init__(self, stream: dict, account: str, region: str):
        self.stream = stream
        self.scope = (account, region)
        self.taken = self.delivered = self.refused = self.twice = 0
        self._inbox: deque[Record] = deque()
        self._buffers: dict[tuple, Buffer] = {}
        self._wake = threading.Condition()
        self._worker: threading.Thread | None = None
        self._at_work = 0
        self._hurry = self._ended = False

    @property
    def config(self) -> dict:
        return self.stream["destinations"][0]["config"]

    def take(self, datas: list[bytes]) -> None:
        now = int(time.time() * 1000)
        with self._wake:
            self.taken += len(datas)
            self._inbox.extend(Record(now, data) for data in datas)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name=f"firehose-{self.stream['name']}", daemon=True)
                self._worker.start()
            self._wake.notify()
        self._count("IncomingRecords", len(datas))
        self._count("IncomingBytes", sum(map(len, datas)), "Bytes")

    def flush(self) -> None:
        """Delivers at once what is there."""
        with self._wake:
            self._hurry = self._worker is not None
            self._wake.notify()

    def end(self) -> None:
        """Delivers what is there, as far as that works at the first try."""
        with self._wake:
            self._ended = True
            self._wake.notify()

    def forget(self) -> None:
        with self._wake:
            self._inbox.clear()
            self._buffers = {}
            self._ended = True
            self._wake.notify()

    @property
    def held(self) -> int:
        with self._wake:
            buffered = sum(len(one.records) for one in self._buffers.values() if not one.backup)
            return len(self._inbox) + self._at_work + buffered

    def oldest(self) -> float:
        """How many seconds the oldest record waits."""
        with self._wake:
            waiting = [one.arrived for buffer in self._buffers.values() for one in buffer.records[:1]]
            waiting += [record.arrived for record in itertools.islice(self._inbox, 1)]
        return max(0.0, time.time() - min(waiting) / 1000) if waiting else 0.0

    def measure(self) -> None:
        """Tells CloudWatch how old what waits is."""
        if self.held:
            self._count("DeliveryToS3.DataFreshness", self.oldest() * FASTER, "Seconds")

    # ---- the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        with request_scope(*self.scope):
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: self._inbox or self._hurry or self._ended, self._patience())
                    batch = [self._inbox.popleft() for _ in range(min(_BATCH, len(self._inbox)))]
                    self._at_work = len(batch)
                    last, hurry = self._ended and not self._inbox, (self._hurry or self._ended) and not self._inbox
                    if hurry:
                        self._hurry = False
                self._buffer(batch)
                with self._wake:
                    self._at_work = 0
                self._deliver(hurry)
                with self._wake:
                    if last or not (self._inbox or self._buffers):
                        self._worker = None
                        return

    def _patience(self) -> float | None:
        dues = [buffer.due for buffer in self._buffers.values()]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _buffer(self, batch: list[Record]) -> None:
        if self.config.get("S3BackupMode") == "Enabled":
            for record in batch:
                self._add(("backup",), Record(record.arrived, record.data), backup=True)
        try:
            records = process(self.stream, self.config, batch, self._refuse)
        except Exception as error:  # a fault of this server loses no record
            logger.exception("Firehose %s cannot process records", self.stream["name"])
            for record in batch:
                self._refuse(record, Refused("processing-failed", "InternalError", str(error)))
            return
        for record in records:
            self._add(("records", *record.keys.items()), record, record.keys)

    def _refuse(self, record: Record, reason: Refused) -> None:
        self._add(("refused", reason.kind), Record(record.arrived, reason.line(record)), kind=reason.kind)

    def _add(self, key: tuple, record: Record, keys: dict | None = None, kind: str = "", backup: bool = False) -> None:
        buffer = self._buffers.get(key)
        if buffer is None:
            hints = (self._backup if backup else self.config).get("BufferingHints") or {}
            seconds = max(_LEAST_SECONDS, hints.get("IntervalInSeconds", 300) / FASTER)
            most = hints.get("SizeInMBs", 5) * _MEGABYTE
            buffer = Buffer(time.monotonic() + seconds, most, keys or {}, kind, backup)
            self._buffers = {**self._buffers, key: buffer}
        buffer.records.append(record)
        buffer.size += len(record.data)

    def _deliver(self, hurry: bool) -> None:
        """Writes the buffers that are due; what cannot be written is tried again after a while."""
        for key, buffer in list(self._buffers.items()):
            if not (hurry or buffer.size >= buffer.most or time.monotonic() >= buffer.due):
                continue
            if self._written(buffer):
                self._buffers = {other: one for other, one in self._buffers.items() if other != key}
            else:
                buffer.due = time.monotonic() + _LEAST_SECONDS

    def _written(self, buffer: Buffer) -> bool:
        try:
            return self._write(buffer)
        except Exception:  # a fault of this server loses no record
            logger.exception("Firehose %s cannot write an object", self.stream["name"])
            return False

    # ---- S3 ------------------------------------------------------------------------------------

    @property
    def _backup(self) -> dict:
        return {**(self.config.get("S3BackupConfiguration") or {}), **(self.config.get("S3BackupUpdate") or {})}

    def _write(self, buffer: Buffer) -> bool:
        config = self._backup if buffer.backup else self.config
        body = self._body(config, buffer)
        if not self._put(config, self._key(config, buffer), body):
            return False
        if buffer.kind:
            self.refused += len(buffer.records)
        elif not buffer.backup:
            if self.twice and self._put(config, self._key(config, buffer), body):
                self.twice -= 1
            self.delivered += len(buffer.records)
            self._count("DeliveryToS3.Records", len(buffer.records))
            self._count("DeliveryToS3.Bytes", len(body), "Bytes")
            age = time.time() - buffer.records[0].arrived / 1000
            self._count("DeliveryToS3.DataFreshness", age * FASTER, "Seconds")
        return True

    def _key(self, config: dict, buffer: Buffer) -> str:
        arrived = buffer.records[0].arrived
        if buffer.kind:
            return error_key(self.stream, config, arrived, buffer.kind)
        return object_key(self.stream, config, arrived, buffer.keys)

    @staticmethod
    def _body(config: dict, buffer: Buffer) -> bytes:
        if buffer.records[0].row is not None:
            return firehose_convert.write(config, buffer.records)
        whole = b"".join(record.data for record in buffer.records)
        return whole if buffer.kind else compress(config.get("CompressionFormat") or "", whole)

    def _put(self, config: dict, key: str, body: bytes) -> bool:
        status = asyncio.run_coroutine_threadsafe(self._request(config, key, body), _loop).result()
        self._count("DeliveryToS3.Success", float(status == 200), "None")
        if status != 200:
            logger.warning("Firehose %s cannot write %s: S3 answers %s", self.stream["name"], key, status)
        return status == 200

    async def _request(self, config: dict, key: str, body: bytes) -> int:
        headers = {"content-type": "application/octet-stream", "content-length": str(len(body)), "host": "s3.localhost"}
        encryption = (config.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig")
        if encryption:
            headers["x-amz-server-side-encryption"] = "aws:kms"
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = encryption["AWSKMSKeyARN"]
        path = f"/{firehose._s3_bucket_from_arn(config['BucketARN'])}/{key}"
        with request_scope(*self.scope):
            answer = await s3.handle_request("PUT", path, headers, body, {}, enforce_bucket_region=False, internal=True)
        return answer[0]

    def _count(self, name: str, value: float, unit: str = "Count") -> None:
        metrics.count(self.scope, _NAMESPACE, name, {"DeliveryStreamName": self.stream["name"]}, value, unit)
