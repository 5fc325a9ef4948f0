"""How much memory a task may take for what it works on: a part of what a worker's thread has.

The ``dask.config`` key ``datamerge.room`` says otherwise, such as ``"64MiB"``.
"""

from __future__ import annotations

import dask
from dask.utils import parse_bytes

from .memory import this_worker
from .stream import client

# The rest of a thread's memory holds the program, and what is on its way from task to task.
SHARE = 1 / 8


def room() -> int:
    """Bytes: of the smallest worker, of this one in a task, of this machine without a cluster.

    >>> import dask
    >>> with dask.config.set({"datamerge.room": "64MiB"}):
    ...     room()
    67108864
    """
    told = dask.config.get("datamerge.room", None)
    return int(_of_a_thread() * SHARE) if told is None else parse_bytes(told)


def _of_a_thread() -> float:
    worker = this_worker()
    if worker is not None and worker.memory_manager.memory_limit:
        return float(worker.memory_manager.memory_limit / worker.state.nthreads)
    running = client() if worker is None else None
    workers = running.scheduler_info()["workers"].values() if running is not None else ()
    limits = [one["memory_limit"] / one["nthreads"] for one in workers if one["memory_limit"]]
    if limits:
        return min(limits)
    from ..cluster.limits import machine

    found = machine()
    assert found.memory is not None and found.cores is not None
    return found.memory / found.cores
