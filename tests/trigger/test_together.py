"""Two functions at once: whichever of them gets its calls through first, the hour has one step and one cluster.

The two run as threads of which only one moves at a time; at each of their calls a schedule says who is next.
"""

import random
import threading

import pytest
from test_crashes import after_an_end, check, lagging, with_step
from world import TOLD, Killed, World

CALLS_MAX = 200
SEEDS = 40


class Turns:
    """Lets one of two threads go on at a time. `choose` picks from those that have not ended."""

    def __init__(self, choose):
        self.choose = choose
        self.lock = threading.Lock()
        self.gates = [threading.Semaphore(0), threading.Semaphore(0)]
        self.running = {0, 1}
        self.waiting: set[int] = set()
        self.taken = 0

    def wait(self, who: int) -> None:
        with self.lock:
            self.waiting.add(who)
            self._next()
        assert self.gates[who].acquire(timeout=10)

    def end(self, who: int) -> None:
        with self.lock:
            self.running.discard(who)
            self._next()

    def _next(self) -> None:
        """Once all that run wait, one of them goes on."""
        if self.running and self.waiting == self.running:
            chosen = self.choose(sorted(self.running), self.taken)
            self.taken += 1
            assert self.taken < CALLS_MAX
            self.waiting.discard(chosen)
            self.gates[chosen].release()


def run_together(world: World, events: list[dict], choose, killed_at: int | None = None) -> None:
    """Two invocations on two events; the first is killed at its so manyth call, if at all."""
    turns, names, counted = Turns(choose), {}, [0, 0]

    def before(_):
        who = names.get(threading.get_ident())
        if who is None:
            return
        turns.wait(who)
        counted[who] += 1
        if who == 0 and counted[0] == killed_at:
            raise Killed

    def work(who):
        names[threading.get_ident()] = who
        try:
            world.invoke(events[who])
        except BaseException as error:  # noqa: BLE001 (it is told to the test)
            troubles.append(error)
        finally:
            turns.end(who)

    troubles: list[BaseException] = []
    world.aws.before = before
    threads = [threading.Thread(target=work, args=(who,)) for who in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.aws.before = lambda _: None
    assert not troubles, troubles


def same_hour() -> World:
    """Two batches about one hour, no cluster."""
    world = lagging()
    world.deliver("a")
    world.deliver("b")
    world.wait(TOLD.settle_seconds)
    return world


def two_hours() -> World:
    """Two batches, each about an hour of its own, and no cluster: only one may be started."""
    world = lagging()
    world.deliver("a")
    world.deliver("b", "2013-01-15T11")
    world.wait(TOLD.settle_seconds)
    return world


def two_hours_after_an_end() -> World:
    """As before, and the lease names a cluster that ended."""
    world = after_an_end()
    world.deliver("a")
    world.deliver("b", "2013-01-15T11")
    world.wait(TOLD.settle_seconds)
    return world


def the_end_of_a_step() -> World:
    """The message that follows the step and one about a late object come when the step has ended."""
    world = with_step()
    world.wait(400)
    world.deliver("late")
    world.wait(TOLD.settle_seconds)
    return world


def a_lost_step() -> World:
    """Two messages that follow the same step, whose cluster ended."""
    world = with_step()
    world.aws.sqs.put("arrivals", world.aws.sqs.queues["arrivals"][0].body)
    world.aws.emr.end(world.aws.emr.clusters[0], "INSTANCE_FAILURE", "")
    world.wait(400)
    return world


STORIES = {
    "same hour": (same_hour, ["COMPLETED"], 1),
    "two hours": (two_hours, ["COMPLETED"] * 2, 1),
    "two hours after an end": (two_hours_after_an_end, ["COMPLETED"] * 3, 2),
    "the end of a step": (the_end_of_a_step, ["COMPLETED"] * 2, 1),
    "a lost step": (a_lost_step, ["CANCELLED", "COMPLETED"], 2),
}


def play(name: str, choose, killed_at: int | None = None) -> None:
    story, states, clusters = STORIES[name]
    world = story()
    events = [world.event(most=1), world.event(most=1)]
    assert all(event["Records"] for event in events)
    run_together(world, events, choose, killed_at)
    world.settle()
    check(world, states, clusters)


def calls_of_first(name: str) -> int:
    """How many calls the first makes when it is left alone."""
    world = STORIES[name][0]()
    event = world.event(most=1)
    before = len(world.aws.calls)
    world.invoke(event)
    return len(world.aws.calls) - before


@pytest.mark.parametrize("name", STORIES)
def test_one_runs_a_while_then_the_other_and_then_the_rest(name):
    """Every schedule with up to two switches of turns."""
    calls = calls_of_first(name)
    for first in range(calls + 1):
        for second in range(1, calls + 2):

            def choose(ready, taken):
                who = 1 if first <= taken < first + second else 0
                return who if who in ready else ready[0]

            play(name, choose)


@pytest.mark.parametrize("name", STORIES)
def test_any_order_of_their_calls(name):
    for seed in range(SEEDS):
        draw = random.Random(seed)
        play(name, lambda ready, _: draw.choice(ready))


@pytest.mark.parametrize("name", STORIES)
def test_any_order_of_their_calls_and_one_is_killed(name):
    calls = calls_of_first(name)
    for seed in range(SEEDS):
        draw = random.Random(seed)
        killed_at = draw.randint(1, calls)
        play(name, lambda ready, _: draw.choice(ready), killed_at)
