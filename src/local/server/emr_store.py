"""What the EMR server remembers: its clock, its clusters with their steps, its errors and its ids."""

import random
import string
import time
from dataclasses import dataclass, field

from ministack.core.responses import get_account_id, get_region

LIVE_STATES = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
ACTIVE_STEP_STATES = ("PENDING", "RUNNING", "CANCEL_PENDING")
ENDED_MESSAGE = "A job flow that is shutting down, terminated, or finished may not be modified."
PAGE = 50


class ApiError(Exception):
    """An answer that refuses the request, as the AWS SDKs read it."""

    def __init__(self, kind: str, message: str, code: str = ""):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code


def validation_error(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def invalid_request(message: str, code: str = "") -> ApiError:
    return ApiError("InvalidRequestException", message, code)


class Clock:
    """Wall time plus what tests have advanced it by: the time of clusters, of metrics and of alarms."""

    def __init__(self):
        self.reset()

    def reset(self) -> None:
        self.ahead = 0.0
        self._leaps: list[tuple[float, float]] = []

    def advance(self, seconds: float) -> None:
        self._leaps.append((time.time(), seconds))
        self.ahead += seconds

    def now(self) -> float:
        return time.time() + self.ahead

    def since(self, moment: float) -> float:
        """Seconds from a moment of the wall's time until now, with those that it was advanced by meanwhile."""
        return time.time() - moment + sum(seconds for at, seconds in self._leaps if at >= moment)


CLOCK = Clock()


@dataclass
class Step:
    """One step of a cluster. `run` is its process while it runs."""

    id: str
    request: dict
    created: float
    state: str = "PENDING"
    message: str = ""
    failure: dict | None = None
    started: float | None = None
    ended: float | None = None
    run: object | None = None

    @property
    def args(self) -> list[str]:
        return self.request["HadoopJarStep"].get("Args") or []

    @property
    def on_failure(self) -> str:
        return self.request.get("ActionOnFailure") or "CONTINUE"

    @property
    def active(self) -> bool:
        return self.state in ACTIVE_STEP_STATES


@dataclass
class Cluster:
    """One cluster. `request` is the RunJobFlow request; what can change later has a field of its own."""

    id: str
    account: str
    region: str
    request: dict
    created: float
    state: str = "STARTING"
    reason: dict = field(default_factory=dict)
    ready: float | None = None
    ended: float | None = None
    keep_alive: bool = False
    protected: bool = False
    replace_unhealthy: bool = False
    visible: bool = True
    step_concurrency: int = 1
    tags: dict[str, str] = field(default_factory=dict)
    groups: list[dict] = field(default_factory=list)
    fleets: list[dict] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    managed_scaling: dict | None = None
    auto_termination: dict | None = None
    policy_since: float = 0.0
    idle_since: float | None = None
    applications_run: int = 0

    @property
    def arn(self) -> str:
        return f"arn:aws:elasticmapreduce:{self.region}:{self.account}:cluster/{self.id}"

    @property
    def uses_fleets(self) -> bool:
        return bool(self.request["Instances"].get("InstanceFleets"))

    @property
    def live(self) -> bool:
        return self.state in LIVE_STATES

    def move(self, state: str, message: str, code: str = "") -> None:
        self.state = state
        self.reason = {"Code": code, "Message": message} if code else {"Message": message}

    def require_live(self) -> None:
        if not self.live:
            raise validation_error(ENDED_MESSAGE)


CLUSTERS: dict[str, Cluster] = {}
SECURITY_CONFIGURATIONS: dict[tuple[str, str, str], dict] = {}


def clusters_here() -> list[Cluster]:
    """The clusters of the request's account and region, newest first."""
    here = [c for c in CLUSTERS.values() if (c.account, c.region) == (get_account_id(), get_region())]
    return sorted(here, key=lambda cluster: cluster.created, reverse=True)


def _find(cluster_id: str | None) -> Cluster | None:
    cluster = CLUSTERS.get(cluster_id or "")
    if cluster and (cluster.account, cluster.region) == (get_account_id(), get_region()):
        return cluster
    return None


def cluster_by_id(cluster_id: str | None) -> Cluster:
    """A cluster as the operations that say ClusterId find it."""
    cluster = _find(cluster_id)
    if cluster is None:
        raise invalid_request(f"Cluster id '{cluster_id}' is not valid.", "NoSuchCluster")
    return cluster


def job_flow_by_id(job_flow_id: str | None) -> Cluster:
    """A cluster as the operations that say JobFlowId find it: their refusal is another one."""
    cluster = _find(job_flow_id)
    if cluster is None:
        raise validation_error("Specified job flow ID not valid.")
    return cluster


def new_id(prefix: str) -> str:
    return prefix + "-" + "".join(random.choices(string.ascii_uppercase + string.digits, k=13))


def page(items: list, marker: str | None, name: str) -> dict:
    """One page of a listing, under its name, with the marker of the next."""
    try:
        start = int(marker) if marker else 0
    except ValueError:
        raise invalid_request("Marker is not valid.") from None
    result = {name: items[start : start + PAGE]}
    if start + PAGE < len(items):
        result["Marker"] = str(start + PAGE)
    return result


def without_empty(values: dict) -> dict:
    """The dict without its absent members: AWS leaves them out rather than saying null."""
    return {key: value for key, value in values.items() if value is not None}
