"""What became of a step: judged from it and from its cluster. Pure."""

from enum import Enum
from typing import NamedTuple

from cluster import Status
from steps import Progress

# A cluster that ends takes its steps along within this time.
TOGETHER_SECONDS = 300
# A cluster that ended so ended while it had nothing to do.
IDLE_WORDS = ("auto-termination", "idle")
DONE_REASONS = ("ALL_STEPS_COMPLETED", "STEP_FAILURE")


class End(Enum):
    GOING = "going"
    COMPLETED = "completed"
    FAILED = "failed"
    # Its cluster ended under it: nothing was wrong with the step.
    LOST = "lost"


class Verdict(NamedTuple):
    end: End
    reason: str = ""


def of(progress: Progress | None, cluster: Status) -> Verdict:
    if progress is None:
        return Verdict(End.LOST, "EMR no longer knows the step")
    if progress.state == "COMPLETED":
        return Verdict(End.COMPLETED)
    if progress.is_going:
        return Verdict(End.LOST, _why(cluster)) if cluster.is_over else Verdict(End.GOING)
    if progress.state == "FAILED":
        if _took_along(cluster, progress):
            return Verdict(End.LOST, _why(cluster))
        return Verdict(End.FAILED, progress.reason or "EMR gives no reason")
    if cluster.is_alive:
        return Verdict(End.FAILED, f"it was cancelled: {progress.reason or 'EMR does not say by whom'}")
    return Verdict(End.LOST, _why(cluster))


def _took_along(cluster: Status, progress: Progress) -> bool:
    """Whether a step failed because its cluster was ending, and not the other way round, or long before."""
    if cluster.is_alive or cluster.reason in DONE_REASONS:
        return False
    if any(word in cluster.message.lower() for word in IDLE_WORDS):
        return False
    if progress.ended is None or cluster.ended is None:
        return True
    return cluster.ended - progress.ended < TOGETHER_SECONDS


def _why(cluster: Status) -> str:
    said = ": ".join(text for text in (cluster.reason, cluster.message) if text)
    return f"its cluster ended ({said or cluster.state})"
