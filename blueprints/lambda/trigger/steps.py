"""Steps: finding one by its name, sending one once, and what became of it."""

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

import faults
from faults import Unhandled

GOING = {"PENDING", "RUNNING", "CANCEL_PENDING"}
WORDS = {"COMPLETED": "completed", "FAILED": "failed", "CANCELLED": "cancelled", "INTERRUPTED": "cancelled"}
# EMR keeps about a thousand steps of a cluster, fifty a page.
PAGES_MAX = 25

ENDING = "shutting down, terminated, or finished"
# What EMR refuses now and takes later: it has room for 256 steps, and may not know yet a cluster that was just started.
NOT_NOW = ("Maximum number of active steps", "Specified job flow ID not valid")
UNKNOWN = "is not valid"


class Ending(Exception):
    """The cluster takes no more steps: another one will."""


class Unsure(Exception):
    """The answer was lost: the step may have been taken."""


@dataclass(frozen=True)
class Progress:
    """A step as EMR describes it."""

    state: str
    reason: str = ""
    seconds: int = 0
    ended: float | None = None

    @property
    def is_going(self) -> bool:
        return self.state in GOING

    @property
    def word(self) -> str:
        return WORDS.get(self.state, self.state.lower())


def find(emr, cluster: str, name: str) -> str | None:
    """The id of the newest step of this name."""
    page = {"ClusterId": cluster}
    for _ in range(PAGES_MAX):
        try:
            answer = emr.list_steps(**page)
        except ClientError as error:
            if faults.says(error, UNKNOWN):
                return None
            raise
        for step in answer["Steps"]:
            if step["Name"] == name:
                return step["Id"]
        if not answer.get("Marker"):
            return None
        page["Marker"] = answer["Marker"]
    return None


def send(emr_once, cluster: str, step: dict) -> str:
    """Sends a step, once: EMR has no token that would make a second time harmless."""
    try:
        return emr_once.add_job_flow_steps(JobFlowId=cluster, Steps=[step])["StepIds"][0]
    except ParamValidationError as error:
        raise Unhandled(f"the job's description is not a step: {error}") from error
    except ClientError as error:
        if faults.says(error, ENDING):
            raise Ending(cluster) from error
        if faults.is_refusal(error):
            raise
        raise Unsure(str(error)) from error
    except (BotoCoreError, OSError) as error:
        raise Unsure(str(error)) from error


def is_not_now(error: Exception) -> bool:
    return faults.is_throttle(error) or any(faults.says(error, words) for words in NOT_NOW)


def progress(emr, cluster: str, step: str) -> Progress | None:
    """None: EMR does not know the step, or no longer."""
    try:
        status = emr.describe_step(ClusterId=cluster, StepId=step)["Step"]["Status"]
    except ClientError as error:
        if faults.says(error, UNKNOWN):
            return None
        raise
    times = status.get("Timeline", {})
    # How long it ran, not how long it waited for its turn before.
    started, ended = times.get("StartDateTime"), times.get("EndDateTime")
    seconds = int((ended - started).total_seconds()) if started and ended else 0
    return Progress(status["State"], _reason(status), seconds, ended.timestamp() if ended else None)


def _reason(status: dict) -> str:
    failure, change = status.get("FailureDetails", {}), status.get("StateChangeReason", {})
    return failure.get("Message") or failure.get("Reason") or change.get("Message") or ""
