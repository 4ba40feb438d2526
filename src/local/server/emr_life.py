"""What moves by itself: clusters start, run their steps, fall idle and end."""

import asyncio

import emr_instances
import spark
from emr_pace import Pace, spawn
from emr_store import CLOCK, CLUSTERS, Cluster, Step

TICK_SECONDS = 0.2
END_WAITS_FOR_STEPS_SECONDS = 10


def begin(cluster: Cluster) -> None:
    cluster.move("STARTING", "Provisioning Amazon EC2 capacity")
    spawn(_start(cluster))


async def _start(cluster: Cluster) -> None:
    await asyncio.sleep(Pace.start_seconds / 2)
    if cluster.state != "STARTING":
        return
    cluster.move("BOOTSTRAPPING", "Running bootstrap actions")
    emr_instances.move_all(cluster, "BOOTSTRAPPING")
    await asyncio.sleep(Pace.start_seconds / 2)
    if cluster.state != "BOOTSTRAPPING":
        return
    cluster.ready = CLOCK.now()
    emr_instances.move_all(cluster, "RUNNING")
    cluster.move("RUNNING", "Running step")
    settle(cluster)


def settle(cluster: Cluster) -> None:
    """Starts the steps there is room for and says whether the cluster runs, waits or ends."""
    if cluster.state not in ("RUNNING", "WAITING"):
        return
    running = sum(step.state in ("RUNNING", "CANCEL_PENDING") for step in cluster.steps)
    pending = [step for step in cluster.steps if step.state == "PENDING"]
    for step in pending[: max(0, cluster.step_concurrency - running)]:
        _start_step(cluster, step)
    if any(step.active for step in cluster.steps):
        cluster.idle_since = None
        cluster.move("RUNNING", "Running step")
    elif not cluster.keep_alive:
        end(cluster, "ALL_STEPS_COMPLETED", "Steps completed")
    else:
        _wait(cluster)


def _wait(cluster: Cluster) -> None:
    ended = [step for step in cluster.steps if step.ended]
    last = max(ended, key=lambda step: step.ended).state.lower() if ended else ""
    message = f"Cluster ready after last step {last}." if ended else "Cluster ready to run steps."
    if cluster.idle_since is None:
        cluster.idle_since = CLOCK.now()
    cluster.move("WAITING", message)


def _start_step(cluster: Cluster, step: Step) -> None:
    cluster.applications_run += 1
    step.state = "RUNNING"
    step.started = CLOCK.now()
    step.run = spark.Run(cluster, step)
    spawn(_run_step(cluster, step))


async def _run_step(cluster: Cluster, step: Step) -> None:
    if Pace.step_seconds is None:
        failure = await step.run.finish()
    else:
        failure = await asyncio.sleep(Pace.step_seconds)
    step.run = None
    step.ended = CLOCK.now()
    if step.state == "CANCEL_PENDING":
        step.state = "CANCELLED"
        step.message = "Step cancelled"
    elif failure is None:
        step.state = "COMPLETED"
    else:
        step.state = "FAILED"
        step.failure = failure
        _follow_failure(cluster, step)
    settle(cluster)


def _follow_failure(cluster: Cluster, step: Step) -> None:
    if not cluster.live or step.on_failure == "CONTINUE":
        return
    for later in cluster.steps:
        if later.state == "PENDING":
            _cancel_pending(later, "A previous step failed.")
    if step.on_failure in ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW") and not cluster.protected:
        end(cluster, "STEP_FAILURE", "Shut down as step failed", final="TERMINATED_WITH_ERRORS")


def _cancel_pending(step: Step, message: str) -> None:
    step.state = "CANCELLED"
    step.message = message
    step.ended = CLOCK.now()


def cancel(cluster: Cluster, step: Step) -> None:
    """Cancels a pending step at once and a running one as soon as its process is gone."""
    if step.state == "PENDING":
        _cancel_pending(step, "Cancelled by user")
        settle(cluster)
    elif step.state == "RUNNING":
        step.state = "CANCEL_PENDING"
        step.run.cancel()


def end(cluster: Cluster, code: str, message: str, final: str = "TERMINATED") -> None:
    """Ends a cluster and whatever it still runs."""
    if not cluster.live:
        return
    cluster.move("TERMINATING", message, code)
    cluster.idle_since = None
    emr_instances.move_all(cluster, "TERMINATING")
    for step in cluster.steps:
        if step.state == "PENDING":
            _cancel_pending(step, "Job flow terminated")
        else:
            cancel(cluster, step)
    spawn(_finish_end(cluster, code, message, final))


async def _finish_end(cluster: Cluster, code: str, message: str, final: str) -> None:
    await asyncio.sleep(Pace.end_seconds)
    deadline = asyncio.get_running_loop().time() + END_WAITS_FOR_STEPS_SECONDS
    while any(step.active for step in cluster.steps) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.1)
    cluster.move(final, message, code)
    cluster.ended = CLOCK.now()
    emr_instances.move_all(cluster, "TERMINATED")


def end_idle_clusters() -> None:
    """Ends the clusters whose auto-termination policy's time has passed."""
    for cluster in list(CLUSTERS.values()):
        if cluster.state != "WAITING" or not cluster.auto_termination or cluster.idle_since is None:
            continue
        timeout = cluster.auto_termination["IdleTimeout"]
        if CLOCK.now() - max(cluster.idle_since, cluster.policy_since) >= timeout and not cluster.protected:
            end(
                cluster,
                "USER_REQUEST",
                f"Terminated by the auto-termination policy: idle for {timeout} seconds",
            )


async def watch_idle_clusters() -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        end_idle_clusters()


def stop_everything() -> None:
    """Ends every process of every step at once."""
    for cluster in CLUSTERS.values():
        for step in cluster.steps:
            if step.run is not None:
                step.run.kill()
