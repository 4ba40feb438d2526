"""How fast clusters move here, and the tasks that move them."""

import asyncio


class Pace:
    """Seconds that clusters take to start and to end. A step runs Spark, unless it is to end well by itself after a
    time; queues set functions off, unless they are not to."""

    start_seconds = 1.0
    end_seconds = 0.5
    step_seconds: float | None = None
    triggers = True


_tasks: set[asyncio.Task] = set()


def spawn(coroutine) -> None:
    """Runs a coroutine beside the request that caused it."""
    task = asyncio.get_running_loop().create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
