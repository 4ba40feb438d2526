"""The claim on an hour: what was last done about it, by whom, and what is to be done next. Pure.

    sending -> submitted -> completed | failed          refused or lost -> free -> sending

There is one claim an hour, so an hour never has two steps at once. `until` is when its holder has certainly ended;
after that whoever comes by takes over.
"""

import hashlib
import json
from dataclasses import dataclass, replace

SENDING = "sending"
SUBMITTED = "submitted"
COMPLETED = "completed"
FAILED = "failed"
FREE = "free"

# A step whose cluster ended under it is sent again, until this many were.
TRIES_MAX = 3
# A step that was sent shows in the list of steps within this time, or was not taken.
LISTED_SECONDS = 120


@dataclass(frozen=True)
class Claim:
    hour: str
    # What the hour's objects and the job were.
    fingerprint: str
    # Counts every step of this hour that was meant to be: it makes each one's name its own.
    attempt: int
    # Counts the attempts since a person, or an object, last asked.
    tries: int
    state: str
    cluster: str | None = None
    step: str | None = None
    until: float = 0.0

    @property
    def hash(self) -> str:
        """What the step is called after: the fingerprint, and for a later attempt that as well."""
        if self.attempt == 1:
            return self.fingerprint
        return digest(f"{self.fingerprint}#{self.attempt}")

    def content(self) -> dict:
        return {"version": 1, **vars(self), "hash": self.hash}

    def to(self, state: str, **changes) -> "Claim":
        return replace(self, state=state, **changes)

    def after_loss(self) -> "Claim":
        """Ready for another try on another cluster."""
        return Claim(self.hour, self.fingerprint, self.attempt + 1, self.tries + 1, FREE)


def read(content: dict) -> Claim:
    return Claim(**{name: content[name] for name in Claim.__dataclass_fields__})


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint(contents: str, job: dict) -> str:
    """What tells a run from another: the hour's objects, and all that the job is given."""
    return digest(json.dumps([contents, job], sort_keys=True))


def record_that_counts(claim: Claim | None, found: str) -> str | None:
    """The input whose success, if it is on record, leaves nothing to do for objects whose fingerprint is `found`."""
    if claim is None:
        return found
    return claim.hash if claim.state == COMPLETED and claim.fingerprint == found else None


def wanted(claim: Claim | None, hour: str, found: str, recorded: bool, again: str | None) -> Claim | str:
    """The claim to make for objects whose fingerprint is `found`, or why there is nothing to do.

    `recorded`: the success that counts is on record. `again`: the hash of a failure that is to be tried again.
    """
    if recorded:
        return "already done"
    if claim is None:
        return Claim(hour, found, attempt=1, tries=1, state=FREE)
    anew = Claim(hour, found, attempt=claim.attempt + 1, tries=1, state=FREE)
    if claim.fingerprint != found or claim.state == COMPLETED:
        return anew
    if claim.state == FAILED:
        return anew if again == claim.hash else "it failed; its message is in the dead-letter queue"
    return claim
