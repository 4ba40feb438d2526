"""Objects that only one of several writers gets to write: S3's conditional puts."""

import json
from typing import Callable, NamedTuple

from botocore.exceptions import ClientError

import faults
from settings import Uri

# "At least one of the pre-conditions you specified did not hold", "A conflicting conditional operation is currently in
# progress against this resource", and an object to be replaced that is gone.
LOST_CODES = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}


class Lease(NamedTuple):
    """An object as it was read: what it says, and which version of it says so."""

    content: dict
    tag: str
    # By the clock of S3.
    written: float = 0.0


class Leases:
    def __init__(self, s3, nonce: Callable[[], str]):
        self.s3 = s3
        self.nonce = nonce

    def read(self, at: Uri) -> Lease | None:
        try:
            found = self.s3.get_object(Bucket=at.bucket, Key=at.key)
        except ClientError as error:
            if faults.code(error) == "NoSuchKey":
                return None
            raise
        return Lease(json.loads(found["Body"].read()), found["ETag"], found["LastModified"].timestamp())

    def write(self, at: Uri, content: dict, over: Lease | None) -> Lease:
        """Takes the place of what was read, or of nothing. Raced: somebody else did."""
        content = {**content, "nonce": self.nonce()}
        condition = {"IfMatch": over.tag} if over else {"IfNoneMatch": "*"}
        body = json.dumps(content).encode()
        try:
            put = self.s3.put_object(
                Bucket=at.bucket, Key=at.key, Body=body, ContentType="application/json", **condition
            )
        except ClientError as error:
            if faults.code(error) not in LOST_CODES:
                raise
            return self._ours(at, content)
        return Lease(content, put["ETag"])

    def _ours(self, at: Uri, content: dict) -> Lease:
        """A put whose answer was lost is repeated by the SDK, and then refused because of itself."""
        found = self.read(at)
        if found is None or found.content.get("nonce") != content["nonce"]:
            raise faults.Raced(str(at))
        return found
