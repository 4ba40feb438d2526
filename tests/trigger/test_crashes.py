"""The function dies at any call, before or after the call took effect: the story ends as if it had not."""

import pytest
from botocore.exceptions import ReadTimeoutError
from world import HOUR, TOLD, Killed, World

KILLED = Killed()
TIMED_OUT = ReadTimeoutError(endpoint_url="aws")
LAG = 100


def lagging() -> World:
    """What was made is not listed at once."""
    world = World()
    world.aws.emr.lag = LAG
    return world


def after_an_end() -> World:
    """An hour was done on a cluster that ended, and the lease still names it."""
    world = lagging()
    world.deliver("x", "2013-01-15T08")
    world.settle()
    world.aws.emr.end(world.aws.emr.clusters[0])
    return world


def with_step() -> World:
    """One object, whose step was added."""
    world = lagging()
    world.deliver("a")
    world.wait(TOLD.settle_seconds)
    world.invoke(world.event())
    return world


def simple() -> World:
    """One hour, two objects, each told of twice; no cluster. Its step outlasts the queue's visibility timeout."""
    world = lagging()
    world.aws.emr.STEP_SECONDS = 2 * world.aws.sqs.VISIBILITY_SECONDS
    world.deliver("a", times=2)
    world.deliver("b", times=2)
    return world


def with_ended_cluster() -> World:
    """The lease still names a cluster that ended, and another hour was done on it."""
    world = after_an_end()
    world.deliver("a", times=2)
    return world


def with_lost_step() -> World:
    """The cluster ended under the step."""
    world = with_step()
    world.aws.emr.end(world.aws.emr.clusters[0], "INSTANCE_FAILURE", "")
    return world


def with_late_object() -> World:
    world = lagging()
    world.deliver("a")
    world.settle()
    world.deliver("late")
    return world


def with_failure() -> World:
    """The step is going to fail."""
    world = lagging()
    world.aws.emr.failing = {HOUR}
    world.deliver("a")
    return world


def with_redriven_failure() -> World:
    world = with_failure()
    world.settle()
    world.aws.emr.failing = set()
    world.aws.sqs.redrive()
    return world


# name: the story, the steps of all clusters at its end, the clusters that were started.
STORIES = {
    "simple": (simple, ["COMPLETED"], 1),
    "ended cluster": (with_ended_cluster, ["COMPLETED", "COMPLETED"], 2),
    "lost step": (with_lost_step, ["CANCELLED", "COMPLETED"], 2),
    "late object": (with_late_object, ["COMPLETED", "COMPLETED"], 1),
    "failure": (with_failure, ["FAILED"], 1),
    "redriven failure": (with_redriven_failure, ["FAILED", "COMPLETED"], 1),
}


def disturb(world: World, call: int, moment: str, error: BaseException) -> None:
    """Raises once, at the so manyth call from now on."""
    target = len(world.aws.calls) + call + 1

    def strike(name):
        if len(world.aws.calls) == target:
            setattr(world.aws, moment, lambda _: None)
            raise error

    setattr(world.aws, moment, strike)


def calls_of(story) -> int:
    world = story()
    before = len(world.aws.calls)
    world.settle()
    return len(world.aws.calls) - before


def check(world: World, states: list[str], clusters: int) -> None:
    assert world.states() == states
    assert len(set(world.names())) == len(states), "each step has a name of its own"
    assert len(world.aws.emr.clusters) == clusters
    assert world.aws.emr.most_alive == 1
    assert world.aws.sqs.queues["arrivals"] == []
    letters = world.dead()
    assert bool(letters) == (states[-1] == "FAILED")
    assert all(letter.reason for letter in letters)
    assert {record["step"] for record in world.records()} == {
        step.id for step in world.aws.emr.steps() if step.state == "COMPLETED"
    }


@pytest.mark.parametrize("name", STORIES)
def test_the_stories_end_well_when_nothing_disturbs_them(name):
    story, states, clusters = STORIES[name]
    world = story()
    world.settle()
    check(world, states, clusters)


@pytest.mark.parametrize(
    "error, most", [(KILLED, 100), (KILLED, 1), (TIMED_OUT, 100)], ids=["killed", "killed one by one", "timed out"]
)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", STORIES)
def test_a_function_that_is_disturbed_at_any_call_loses_and_doubles_nothing(name, moment, error, most):
    story, states, clusters = STORIES[name]
    for call in range(calls_of(story)):
        world = story()
        disturb(world, call, moment, error)
        world.settle(most)
        try:
            check(world, states, clusters)
        except AssertionError as failed:
            raise AssertionError(f"disturbed {moment} call {call}, {world.aws.calls[-60:]}") from failed


@pytest.mark.parametrize("name", STORIES)
def test_what_is_delivered_once_more_at_any_time_changes_nothing(name):
    """A copy of every message that was ever in the queue comes when all is done."""
    story, states, clusters = STORIES[name]
    world = story()
    bodies = [message.body for message in world.aws.sqs.queues["arrivals"]]
    put = world.aws.sqs.put

    def copied(queue, body, *rest, **more):
        if queue == "arrivals":
            bodies.append(body)
        return put(queue, body, *rest, **more)

    world.aws.sqs.put = copied
    world.settle()
    world.aws.sqs.put = put
    for body in reversed(bodies):
        put("arrivals", body)
    world.settle(most=1)
    check(world, states, clusters)
