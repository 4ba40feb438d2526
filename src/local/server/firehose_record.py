"""A record on its way through Firehose, and one that cannot go on."""

import base64
import json
import time
from dataclasses import dataclass, field
from json.decoder import WHITESPACE

_JSON = json.JSONDecoder()


@dataclass(slots=True)
class Record:
    """`arrived` is in milliseconds; `row` is what a format conversion made of the data."""

    arrived: int
    data: bytes
    keys: dict[str, str] = field(default_factory=dict)
    row: dict | None = None


class Refused(Exception):
    """Why a record goes under the error prefix: the folder's name, a code, a message, and what else is told."""

    def __init__(self, kind: str, code: str, message: str, attempts: int = 1, **more):
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message
        self.attempts = attempts
        self.more = more

    def line(self, record: Record) -> bytes:
        """The JSON line that AWS writes of such a record."""
        told = {
            "attemptsMade": self.attempts,
            "arrivalTimestamp": record.arrived,
            "errorCode": self.code,
            "errorMessage": self.message,
            "attemptEndingTimestamp": int(time.time() * 1000),
            "rawData": base64.b64encode(record.data).decode(),
            **self.more,
        }
        return json.dumps(told).encode() + b"\n"


def documents(text: str):
    """The JSON documents that stand in a row, each as it is read and as it is written; ValueError for anything else."""
    at = WHITESPACE.match(text, 0).end()
    while at < len(text):
        document, end = _JSON.raw_decode(text, at)
        yield document, text[at:end]
        at = WHITESPACE.match(text, end).end()
