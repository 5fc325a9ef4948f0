"""Workers in processes of this machine."""

from __future__ import annotations

from typing import Any

import dask

from ..compute.progress import keep_reporter_here
from .limits import SHARE, Limits

# What a worker's thread wants at least: a partition in several copies while steps run.
ROOM = 2**30
# An interrupt reaches all processes of a terminal or a Jupyter kernel. What is to become of the
# work is for the client to say; a worker that dies of it takes results with it.
LEAVE_INTERRUPTS = """
import logging, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
# It warns of what a worker that is closed was asked to leave.
logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)
"""


def keywords(
    limits: Limits,
    *,
    workers: int | None = None,
    threads: int | None = None,
    memory: str | int | None = None,
) -> dict[str, Any]:
    """How many workers of what size suit a machine, as arguments of ``LocalCluster``.

    A core a worker, since Python code that loops over strings holds the interpreter's lock; fewer
    where the memory would not do.

    >>> keywords(Limits(cores=8, memory=4 * 2**30))["n_workers"]
    3
    """
    from dask.utils import parse_bytes

    assert limits.cores is not None and limits.memory is not None
    usable = int(SHARE * limits.memory)
    threads = threads or 1
    size = parse_bytes(memory) if memory else ROOM * threads
    count = workers or max(1, min(limits.cores // threads, usable // size))
    return {
        "n_workers": count,
        "threads_per_worker": threads,
        "memory_limit": size if memory else usable // count,
    }


def launch(options: dict[str, Any]) -> Any:
    """Start it; its processes leave interrupts to the client."""
    from distributed import LocalCluster

    keep_reporter_here()
    return LocalCluster(**leaving_interrupts(options))


def leaving_interrupts(options: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a cluster, such that its processes leave interrupts to the client."""
    if not options.get("processes", True):
        return options
    own = options.get("preload") or dask.config.get("distributed.worker.preload")
    return {**options, "preload": [*own, LEAVE_INTERRUPTS]}
