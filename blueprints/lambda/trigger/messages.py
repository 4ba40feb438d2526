"""What a message in the queue asks for. Pure.

A message is an S3 notification, or one of the trigger's own:

    {"hour": "2013-01-15T10"}                                  look at this hour
    {"hour": …, "follow": true, "hash": …, "step": …, …}       and follow its step
    {"hour": …, "again": HASH, "step": …, "reason": …, …}      a failure; who gets it back tries that hash again
"""

import json
from dataclasses import dataclass
from urllib.parse import unquote_plus

import hours
from claims import Claim

TEST_EVENT = "s3:TestEvent"
CREATED = "ObjectCreated:"


class Unreadable(Exception):
    """A message that asks for nothing that is known."""


@dataclass(frozen=True)
class Poke:
    """An hour to be looked at. It says why, and never what is so: that is in the claim, the lake and EMR."""

    hour: str
    # It follows the hour's step, and is put back until the step has ended.
    follows: bool = False
    # The hash of a failed attempt that a person wants tried again.
    again: str | None = None


def read(body: str, bucket: str, prefix: str) -> list[Poke]:
    """The hours that a message is about, none for one that only tests the way here."""
    try:
        message = json.loads(body)
    except ValueError:
        raise Unreadable("the message is not JSON") from None
    if not isinstance(message, dict):
        raise Unreadable("the message is not a JSON object")
    if message.get("Event") == TEST_EVENT:
        return []
    if "hour" in message:
        return [_own(message)]
    records = message.get("Records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise Unreadable("the message is neither an S3 notification nor the trigger's own")
    found = {hour: Poke(hour) for record in records for hour in _hours(record, bucket, prefix)}
    return list(found.values())


def _own(message: dict) -> Poke:
    hour, again = message["hour"], message.get("again")
    try:
        hours.start(hour)
    except (TypeError, ValueError):
        raise Unreadable(f"`{hour}` is not an hour, as 2013-01-15T10") from None
    if again is not None and not isinstance(again, str):
        raise Unreadable("`again` is not the hash of a failure")
    return Poke(hour, follows=message.get("follow") is True, again=again)


def _hours(record: dict, bucket: str, prefix: str) -> list[str]:
    """The hour of one notified object. What was removed or moved brings no events, and a folder's marker is none."""
    try:
        name, s3 = record["eventName"], record["s3"]
        source, key = s3["bucket"]["name"], unquote_plus(s3["object"]["key"])
        created = name.removeprefix("s3:").startswith(CREATED)
    except (KeyError, TypeError, AttributeError):
        raise Unreadable("the message is neither an S3 notification nor the trigger's own") from None
    if source != bucket:
        raise Unreadable(f"bucket `{source}` is not `{bucket}`")
    if not created or key.endswith("/"):
        return []
    try:
        return [hours.of_key(key, prefix)]
    except ValueError as error:
        raise Unreadable(str(error)) from None


def merged(pokes: list[Poke]) -> Poke:
    """One poke for all of an hour."""
    again = next((poke.again for poke in pokes if poke.again), None)
    return Poke(pokes[0].hour, any(poke.follows for poke in pokes), again)


def repeated(poke: Poke) -> dict:
    """The message that asks the same another time."""
    asked = {"hour": poke.hour, "follow": poke.follows, "again": poke.again}
    return {name: value for name, value in asked.items() if value}


def follow(claim: Claim) -> dict:
    """The message that follows a claim's step."""
    return {"hour": claim.hour, "follow": True, "hash": claim.hash, "step": claim.step, "cluster": claim.cluster}


def failure(claim: Claim, reason: str, log: str | None) -> dict:
    """The message of a failure, for people and for the trigger that gets it back."""
    message = {"hour": claim.hour, "again": claim.hash, "step": claim.step, "cluster": claim.cluster}
    return {**message, "log": log, "reason": reason}
