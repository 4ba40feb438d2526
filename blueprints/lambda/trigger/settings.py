"""What the function is told by its environment."""

from dataclasses import dataclass
from typing import Mapping, NamedTuple


class Uri(NamedTuple):
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def below(self, name: str) -> "Uri":
        return Uri(self.bucket, f"{self.key.rstrip('/')}/{name}")


def uri(text: str) -> Uri:
    scheme, _, rest = text.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise ValueError(f"`{text}` is not s3://BUCKET/KEY")
    return Uri(bucket, key)


@dataclass(frozen=True)
class Settings:
    cluster: Uri
    job: Uri
    leases: Uri
    queue: str
    dead_letter_queue: str
    bucket: str
    prefix: str
    settle_seconds: int
    watch_seconds: int


def read(environment: Mapping[str, str]) -> Settings:
    return Settings(
        cluster=uri(environment["CLUSTER_URI"]),
        job=uri(environment["JOB_URI"]),
        leases=uri(environment["LEASES_URI"]),
        queue=environment["QUEUE_URL"],
        dead_letter_queue=environment["DLQ_URL"],
        bucket=environment["BUCKET"],
        prefix=environment["INPUT_PREFIX"],
        settle_seconds=int(environment["SETTLE_SECONDS"]),
        watch_seconds=int(environment["WATCH_SECONDS"]),
    )
