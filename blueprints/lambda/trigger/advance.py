"""One hour, moved on as far as it goes now.

A message only says that something may be to do. What is so is read anew each time, from the claim, the lake and EMR, so
a message that comes twice, late or out of order does no harm. Before every call that cannot be repeated the claim says
that it may be made, and afterwards that it was: who comes by after a crash looks instead of guessing.
"""

import json
from dataclasses import dataclass
from typing import Callable

from botocore.exceptions import ClientError

import claims
import content
import hours
import messages
import steps
import verdict
from claims import Claim
from cluster import Clusters
from faults import Later, Raced, Unhandled
from job import Job
from lease import Lease, Leases
from log import tell
from messages import Poke
from queues import Queues
from settings import Settings, Uri
from steps import Progress
from verdict import End, Verdict

# An hour moves on a few times at once: followed, judged, looked at, sent, and sent again because a cluster ended.
ROUNDS = 8
# After this a function that was killed has no call under way any more.
MARGIN_SECONDS = 10
# How soon an hour is looked at again which another function is at, or whose step EMR may have taken.
BUSY_SECONDS = 15
# How soon a step is sent again that EMR has no room or no time for.
FULL_SECONDS = 60


@dataclass
class Tools:
    """What one invocation works with."""

    settings: Settings
    leases: Leases
    clusters: Clusters
    request: dict
    job: Job
    queues: Queues
    s3: object
    emr: object
    emr_once: object
    clock: Callable[[], float]
    deadline: float

    def claim_at(self, hour: str) -> Uri:
        return self.settings.leases.below(f"hours/{hour}.json")

    def write(self, claim: Claim, over: Lease | None) -> Lease:
        return self.leases.write(self.claim_at(claim.hour), claim.content(), over)


def advance(tools: Tools, poke: Poke) -> str:
    """What was done. Later: the hour has to wait, and the caller puts its message back."""
    for _ in range(ROUNDS):
        try:
            done = _round(tools, poke)
        except Raced:
            continue
        if done:
            return done
    raise Later(BUSY_SECONDS, "it does not come to rest")


def _round(tools: Tools, poke: Poke) -> str | None:
    """None: something changed, so everything is looked at again."""
    lease = tools.leases.read(tools.claim_at(poke.hour))
    claim = claims.read(lease.content) if lease else None
    if claim and claim.state == claims.SUBMITTED:
        return _follow(tools, poke, claim, lease)
    if claim and claim.state == claims.SENDING:
        found = _sent(tools, claim)
        if found:
            return _submitted(tools, claim, lease, found)
    return _look(tools, poke, claim, lease)


def _follow(tools: Tools, poke: Poke, claim: Claim, lease: Lease) -> str | None:
    """A claim with a step has one message that follows it. Whoever finds the step ended may say so."""
    judged, progress = _judge(tools, claim)
    if judged.end == End.GOING:
        if not poke.follows:
            return "its step is being followed"
        tools.queues.put_back(messages.follow(claim), _until_next_look(tools))
        return "its step goes on"
    tell(claim.hour, judged.end.value, judged.reason, hash=claim.hash, step=claim.step, cluster=claim.cluster)
    if judged.end == End.LOST and claim.tries < claims.TRIES_MAX:
        tools.write(claim.after_loss(), lease)
        return None
    if judged.end == End.COMPLETED:
        tools.job.remember(claim, progress)
        tools.write(claim.to(claims.COMPLETED), lease)
        return None
    reason = judged.reason
    if judged.end == End.LOST:
        reason = f"{reason}, the last of {claims.TRIES_MAX} tries"
    _fail(tools, claim, lease, progress or Progress("CANCELLED"), reason)
    return None


def _judge(tools: Tools, claim: Claim) -> tuple[Verdict, Progress | None]:
    progress = steps.progress(tools.emr, claim.cluster, claim.step)
    if progress is None and tools.clock() < claim.until + claims.LISTED_SECONDS:
        return Verdict(End.GOING), None
    if progress and progress.is_going:
        return verdict.of(progress, tools.clusters.status(claim.cluster)), progress
    return verdict.of(progress, tools.clusters.status_now(claim.cluster)), progress


def _fail(tools: Tools, claim: Claim, lease: Lease, progress: Progress, why: str) -> None:
    """The message goes first: a crash after it leaves a second one, a crash before it none that says why."""
    log = tools.job.log(claim)
    where = f"; log {log}" if log else ""
    reason = f"step {claim.step} of hour {claim.hour} on {claim.cluster} failed: {why}{where}"
    tools.queues.dead_letter(json.dumps(messages.failure(claim, why, log)), reason)
    tools.job.remember(claim, progress)
    tools.write(claim.to(claims.FAILED), lease)


def _sent(tools: Tools, claim: Claim) -> str | None:
    """The step of a claim whose holder may have sent it. None: the holder ended, and EMR does not have it."""
    found = steps.find(tools.emr, claim.cluster, tools.job.step(claim)["Name"])
    if not found and tools.clock() < claim.until + claims.LISTED_SECONDS:
        raise Later(BUSY_SECONDS, "its step is being sent, or was and is not listed yet")
    return found


def _look(tools: Tools, poke: Poke, claim: Claim | None, lease: Lease | None) -> str | None:
    settings, now = tools.settings, tools.clock()
    if hours.is_far_ahead(poke.hour, now):
        raise Unhandled(f"hour {poke.hour} is more than a day ahead: the time in its events is wrong")
    found = content.of(tools.s3, settings.bucket, settings.prefix, poke.hour)
    if not found.objects:
        return "it has no objects"
    wait = hours.remaining(poke.hour, found.newest, now, settings.settle_seconds)
    if wait:
        raise Later(wait, "it is not finished, or not quiet")
    fingerprint = claims.fingerprint(found.digest, tools.job.identity())
    counts = claims.record_that_counts(claim, fingerprint)
    recorded = bool(counts) and tools.job.has_succeeded(counts)
    wanted = claims.wanted(claim, poke.hour, fingerprint, recorded, poke.again)
    if isinstance(wanted, str):
        return wanted
    return _send(tools, wanted, lease)


def _send(tools: Tools, wanted: Claim, lease: Lease | None) -> str | None:
    step = tools.job.step(wanted)
    cluster = tools.clusters.ready(tools.request)
    tools.job.upload()
    claim = wanted.to(claims.SENDING, cluster=cluster, step=None, until=tools.deadline + MARGIN_SECONDS)
    mine = tools.write(claim, lease)
    found = steps.find(tools.emr, cluster, step["Name"])
    if found:
        return _submitted(tools, claim, mine, found)
    try:
        sent = steps.send(tools.emr_once, cluster, step)
    except steps.Ending:
        tell(claim.hour, "cluster ended", "it took no more steps", hash=claim.hash, cluster=cluster)
        tools.clusters.forget()
        tools.write(claim.to(claims.FREE), mine)
        return None
    except steps.Unsure as error:
        raise Later(BUSY_SECONDS, f"the answer to AddJobFlowSteps was lost: {error}") from error
    except (ClientError, Unhandled) as error:
        tools.write(claim.to(claims.FREE), mine)
        if steps.is_not_now(error):
            raise Later(FULL_SECONDS, f"EMR takes no step now: {error}") from error
        raise
    return _submitted(tools, claim, mine, sent)


def _submitted(tools: Tools, claim: Claim, lease: Lease, step: str) -> str:
    """The message that follows the step goes first, so that a claim with a step always has one."""
    claim = claim.to(claims.SUBMITTED, step=step)
    tools.queues.put_back(messages.follow(claim), _until_next_look(tools))
    tools.write(claim, lease)
    tell(claim.hour, "submitted", "", hash=claim.hash, step=step, cluster=claim.cluster, attempt=claim.attempt)
    return "its step is submitted"


def _until_next_look(tools: Tools) -> int:
    now = tools.clock()
    return hours.delay(hours.next_tick(tools.settings.watch_seconds, now), now)
