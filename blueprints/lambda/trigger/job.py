"""The job, as `apply` describes it: its step, its script and its records."""

import base64
import json
import re

from botocore.exceptions import ClientError

import faults
from claims import Claim
from faults import Unhandled
from settings import Uri, uri
from steps import Progress

PLACEHOLDER = re.compile(r"%\{([a-z0-9_]+)\}")
# The parameter that says for which hour the job runs, here and in `pipeline run --from … --to …`.
HOUR = "hour"
ABSENT = {"404", "NoSuchKey", "NotFound"}


def load(s3, at: Uri) -> dict:
    """A description in the lake. One that is absent may be on its way, and is waited for as for any fault."""
    return json.loads(s3.get_object(Bucket=at.bucket, Key=at.key)["Body"].read())


def fill(value, values: dict[str, str]):
    """A description with its `%{name}`s replaced."""
    if isinstance(value, dict):
        return {key: fill(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, values) for item in value]
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: _value(found[1], values), value)
    return value


def _value(name: str, values: dict[str, str]) -> str:
    if name not in values:
        raise Unhandled(f"the job's description asks for %{{{name}}}, which has no value")
    return values[name]


class Job:
    """`logs` is where the cluster writes its logs; None: nowhere."""

    def __init__(self, s3, description: dict, logs: str | None):
        self.s3 = s3
        self.description = description
        self.logs = logs
        self.name = description["job"]
        self.uploaded = False

    def identity(self) -> dict:
        """All that makes a run of this job another one."""
        script, step, params = (self.description[name] for name in ("script", "step", "params"))
        return {"script": script["uri"], "step": step, "params": params}

    def params(self, hour: str) -> dict[str, str]:
        if HOUR not in self.description["params"]:
            raise Unhandled(f"job `{self.name}` has no parameter `{HOUR}`, which says for which hour it runs")
        return {**self.description["params"], HOUR: hour}

    def step(self, claim: Claim) -> dict:
        return fill(self.description["step"], {**self.params(claim.hour), "hash": claim.hash})

    def upload(self) -> None:
        """Puts the script where the step expects it. Its place is named after its content."""
        place = uri(self.description["script"]["uri"])
        if not self.uploaded and not self._exists(place):
            content = base64.b64decode(self.description["script"]["content"])
            self.s3.put_object(Bucket=place.bucket, Key=place.key, Body=content)
        self.uploaded = True

    def has_succeeded(self, input_hash: str) -> bool:
        return self._exists(self._record(input_hash))

    def log(self, claim: Claim) -> str | None:
        return f"{self.logs.rstrip('/')}/{claim.cluster}/steps/{claim.step}/" if self.logs else None

    def remember(self, claim: Claim, progress: Progress) -> None:
        """Writes what the program writes: a success by its input, and the last run of all."""
        record = {
            "version": 1,
            "job": self.name,
            "input": claim.hash,
            "params": self.params(claim.hour),
            "cluster": claim.cluster,
            "step": claim.step,
            "seconds": progress.seconds,
            "state": progress.word,
            "log": self.log(claim),
        }
        body = json.dumps(record).encode()
        places = [uri(self.description["last"])]
        if progress.word == "completed":
            places.insert(0, self._record(claim.hash))
        for place in places:
            self.s3.put_object(Bucket=place.bucket, Key=place.key, Body=body)

    def _record(self, input_hash: str) -> Uri:
        return uri(self.description["runs"]).below(f"{input_hash}.json")

    def _exists(self, place: Uri) -> bool:
        try:
            self.s3.head_object(Bucket=place.bucket, Key=place.key)
        except ClientError as error:
            if faults.code(error) in ABSENT:
                return False
            raise
        return True
