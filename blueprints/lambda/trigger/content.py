"""What the lake holds for one hour."""

import hashlib
import json
from typing import NamedTuple

import hours
from faults import Unhandled

# Listing more than this takes longer than the function has. So many objects an hour are a fault of the delivery.
OBJECTS_MAX = 100_000


class Content(NamedTuple):
    objects: int
    newest: float
    digest: str


def of(s3, bucket: str, prefix: str, hour: str) -> Content:
    """The hour's objects. S3 lists in the order of keys, so equal objects have equal digests."""
    folder = prefix + hours.partition(hour)
    summary, newest, count = hashlib.sha256(), 0.0, 0
    page = {"Bucket": bucket, "Prefix": folder}
    while True:
        answer = s3.list_objects_v2(**page)
        for found in answer.get("Contents", []):
            if found["Key"].endswith("/"):
                continue
            count += 1
            newest = max(newest, found["LastModified"].timestamp())
            line = json.dumps([found["Key"], found["ETag"], found["Size"]])
            summary.update(line.encode() + b"\n")
        if count > OBJECTS_MAX:
            raise Unhandled(f"the hour has more than {OBJECTS_MAX} objects; run it by hand")
        if not answer.get("IsTruncated"):
            return Content(count, newest, summary.hexdigest())
        page["ContinuationToken"] = answer["NextContinuationToken"]
