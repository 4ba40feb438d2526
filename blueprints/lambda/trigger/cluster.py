"""The cluster: the blueprint's one that lives, told by its tags, or a new one, started once."""

from dataclasses import dataclass
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

import faults
from faults import Later, Raced, Unhandled
from lease import Lease, Leases
from settings import Uri

ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
OVER = {"TERMINATED", "TERMINATED_WITH_ERRORS", "UNKNOWN"}
OWN_TAGS = ("pipeline:owner", "pipeline:id")
# The program tags a cluster so whose successor it made.
RETIRED_TAG = "pipeline:retired"
# Who took the lease has sent its request within a minute, and EMR lists a new cluster within three, or it was not started.
LAPSES_SECONDS = 240
# How soon a cluster that somebody else starts is looked for again.
STARTING_SECONDS = 20
ROUNDS = 3
PAGES_MAX = 20


@dataclass(frozen=True)
class Status:
    """A cluster as EMR describes it."""

    state: str
    reason: str = ""
    message: str = ""
    tags: tuple = ()
    created: float = 0.0
    ended: float | None = None

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE

    @property
    def is_over(self) -> bool:
        return self.state in OVER


UNKNOWN = Status("UNKNOWN", message="EMR no longer knows the cluster")


def is_ours(found: Status, wanted: dict[str, str]) -> bool:
    tags = dict(found.tags)
    return RETIRED_TAG not in tags and all(tags.get(key) == wanted[key] for key in OWN_TAGS)


def own_tags(request: dict) -> dict[str, str]:
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    missing = [key for key in OWN_TAGS if not tags.get(key)]
    if missing:
        raise Unhandled(f"the cluster's description has no tag {' and '.join(missing)}: nobody could find it again")
    return tags


class Start(NamedTuple):
    """What the lease on starting a cluster says: which one was started, or that one is about to be."""

    lease: Lease | None
    cluster: str | None = None
    is_young: bool = False

    @staticmethod
    def read(lease: Lease | None, now: float) -> "Start":
        if lease is None or lease.content.get("free"):
            return Start(lease)
        return Start(lease, lease.content.get("cluster"), now < lease.written + LAPSES_SECONDS)


class Clusters:
    """`request` is what RunJobFlow is called with; `at` is the lease on doing so."""

    def __init__(self, emr, emr_once, leases: Leases, at: Uri, clock):
        self.emr = emr
        self.emr_once = emr_once
        self.leases = leases
        self.at = at
        self.clock = clock
        self.chosen: str | None = None
        self.seen: dict[str, Status] = {}

    def status(self, cluster: str) -> Status:
        """What a cluster is; asked once an invocation."""
        if cluster not in self.seen:
            self.seen[cluster] = self._describe(cluster)
        return self.seen[cluster]

    def status_now(self, cluster: str) -> Status:
        """What a cluster is at this moment: for a judgement that follows from it."""
        self.seen.pop(cluster, None)
        return self.status(cluster)

    def forget(self) -> None:
        """The cluster that was chosen turned out to be ending."""
        self.chosen = None
        self.seen.clear()

    def ready(self, request: dict) -> str:
        """The cluster to send steps to, alive or about to be. Later: somebody else starts one."""
        for _ in range(ROUNDS):
            try:
                self.chosen = self.chosen or self._choose(request)
                return self.chosen
            except Raced:
                continue
        raise Later(STARTING_SECONDS, "others are at the lease on starting a cluster")

    def _choose(self, request: dict) -> str:
        tags = own_tags(request)
        start = Start.read(self.leases.read(self.at), self.clock())
        living = self._living(request["Name"], tags, start.cluster)
        if living:
            # Of two, which a lost lease can leave, everybody takes the older; an apply ends the other.
            return min(living, key=lambda cluster: (self.status(cluster).created, cluster))
        if start.is_young and start.cluster and self.status(start.cluster) is UNKNOWN:
            return start.cluster
        if start.is_young and not start.cluster:
            raise Later(STARTING_SECONDS, "a cluster is being started")
        return self._start(request, start.lease)

    def _living(self, name: str, tags: dict[str, str], started: str | None) -> list[str]:
        """Ours among those that live. A listing says what was, so each is looked at, and a new one comes late."""
        page, named = {"ClusterStates": ALIVE}, {started} if started else set()
        for _ in range(PAGES_MAX):
            answer = self.emr.list_clusters(**page)
            named |= {found["Id"] for found in answer["Clusters"] if found["Name"] == name}
            if not answer.get("Marker"):
                break
            page["Marker"] = answer["Marker"]
        alive = [cluster for cluster in sorted(named) if self.status(cluster).is_alive]
        return [cluster for cluster in alive if is_ours(self.status(cluster), tags)]

    def _describe(self, cluster: str) -> Status:
        try:
            found = self.emr.describe_cluster(ClusterId=cluster)["Cluster"]
        except ClientError as error:
            if faults.says(error, "is not valid") or faults.code(error) == "NoSuchCluster":
                return UNKNOWN
            raise
        reason = found["Status"].get("StateChangeReason", {})
        times = found["Status"].get("Timeline", {})
        created, ended = times.get("CreationDateTime"), times.get("EndDateTime")
        return Status(
            state=found["Status"]["State"],
            reason=reason.get("Code", ""),
            message=reason.get("Message", ""),
            tags=tuple((tag["Key"], tag.get("Value", "")) for tag in found.get("Tags", [])),
            created=created.timestamp() if created else 0.0,
            ended=ended.timestamp() if ended else None,
        )

    def _start(self, request: dict, lease: Lease | None) -> str:
        """Starts a cluster, once. Until the lease lapses nobody else does, the program neither: by then it is listed."""
        mine = self.leases.write(self.at, {"version": 1, "cluster": None}, lease)
        try:
            cluster = self.emr_once.run_job_flow(**request)["JobFlowId"]
        except ParamValidationError as error:
            self._release(mine)
            raise Unhandled(f"the cluster's description is not a RunJobFlow request: {error}") from error
        except ClientError as error:
            if not faults.is_refusal(error):
                raise Later(STARTING_SECONDS, f"the answer to RunJobFlow was lost: {error}") from error
            self._release(mine)
            if faults.is_throttle(error):
                raise Later(STARTING_SECONDS, f"RunJobFlow is throttled: {error}") from error
            raise
        except (BotoCoreError, OSError) as error:
            raise Later(STARTING_SECONDS, f"the answer to RunJobFlow was lost: {error}") from error
        self.leases.write(self.at, {"version": 1, "cluster": cluster}, mine)
        return cluster

    def _release(self, mine: Lease) -> None:
        self.leases.write(self.at, {"version": 1, "cluster": None, "free": True}, mine)
