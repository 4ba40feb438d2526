"""Hours: which one an object belongs to, and when one is due. Pure.

An hour is text, `2013-01-15T10`, always UTC.
"""

import math
import re
from datetime import datetime, timedelta, timezone

PARTITION = re.compile(r"year=([0-9]{4})/month=([0-9]{2})/day=([0-9]{2})/hour=([0-9]{2})/")
FORM = "%Y-%m-%dT%H"
HOUR_SECONDS = 3600
# SQS delays a message by no more than this.
DELAY_SECONDS_MAX = 900
# Events of an hour that begins later than this after now were stamped by a clock that is wrong.
AHEAD_SECONDS_MAX = 24 * HOUR_SECONDS


def start(hour: str) -> float:
    """When an hour begins, in seconds since 1970. ValueError if it is none."""
    parsed = datetime.strptime(hour, FORM)
    if parsed.strftime(FORM) != hour:
        raise ValueError(f"`{hour}` is not an hour, as 2013-01-15T10")
    return parsed.replace(tzinfo=timezone.utc).timestamp()


def of_key(key: str, prefix: str) -> str:
    """The hour that an object belongs to. ValueError if its key names none."""
    if not key.startswith(prefix):
        raise ValueError(f"`{key}` is not under `{prefix}`")
    found = PARTITION.match(key, len(prefix))
    if not found:
        raise ValueError(f"`{key}` is not under {prefix}year=/month=/day=/hour=/")
    year, month, day, hour = found.groups()
    named = f"{year}-{month}-{day}T{hour}"
    try:
        start(named)
    except ValueError:
        raise ValueError(f"`{key}` is under an hour that does not exist") from None
    return named


def partition(hour: str) -> str:
    """The folder of an hour, below the prefix of all."""
    parsed = datetime.strptime(hour, FORM)
    return f"year={parsed:%Y}/month={parsed:%m}/day={parsed:%d}/hour={parsed:%H}/"


def remaining(hour: str, newest: float, now: float, settle_seconds: float) -> float:
    """Seconds until an hour is both finished and quiet; 0 when it is due."""
    finished = start(hour) + HOUR_SECONDS
    quiet = newest + settle_seconds
    return max(0.0, finished - now, quiet - now)


def is_far_ahead(hour: str, now: float) -> bool:
    return start(hour) - now > AHEAD_SECONDS_MAX


def delay(seconds: float, now: float) -> int:
    """How long a message is put back for. What has to wait longer than SQS can hold a message waits for the next
    quarter of the clock's hour, so that the messages of one hour meet there and become one."""
    if seconds > DELAY_SECONDS_MAX:
        seconds = DELAY_SECONDS_MAX - now % DELAY_SECONDS_MAX
    return max(1, math.ceil(seconds))


def next_tick(period: float, now: float) -> float:
    """Seconds until the clock's next multiple of a period: steps are looked at together."""
    return period - now % period


def shown(seconds: float) -> str:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
