"""boto3 clients of this server itself, and how a job's own SDK finds it."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import boto3
from botocore.config import Config

_DEFAULT_ACCOUNT = "000000000000"
_clients: dict[tuple, object] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Place:
    """An account and region of this server."""

    account: str
    region: str
    endpoint: ClassVar[str] = ""
    work_folder: ClassVar[Path] = Path()

    @property
    def access_key(self) -> str:
        """ministack takes a key of twelve digits for the account itself."""
        return "test" if self.account == _DEFAULT_ACCOUNT else self.account

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def client(service: str, place: Place):
    """The boto3 client of a service; made once. Blocks: call it from a thread."""
    key = (service, place, place.endpoint)
    with _lock:
        if key not in _clients:
            _clients[key] = boto3.Session().client(
                service,
                endpoint_url=place.endpoint,
                region_name=place.region,
                aws_access_key_id=place.access_key,
                aws_secret_access_key="test",
                config=Config(
                    s3={"addressing_style": "path"},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    retries={"max_attempts": 2},
                ),
            )
        return _clients[key]
