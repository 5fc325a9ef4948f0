"""Computing keys of one graph, on the cluster that is in use or here, as they end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import dask.threaded

from . import local
from .graph import Key

LOST = (
    "the cluster's scheduler is gone, or somebody has cancelled the work there; start a cluster "
    "again, and the same run goes on where it stopped"
)


class ClusterLostError(RuntimeError):
    """The scheduler has ended, or forgotten what it was asked to do."""


def client() -> Any:
    """The Dask client in use, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def results(
    tasks: dict[Any, Any], keys: list[Key], waiting: Callable[[], None], here: bool = False
) -> Iterator[tuple[Key, Any]]:
    """Compute these keys of one graph; yield each with its result as it becomes known.

    ``waiting`` is called while there is nothing new.
    """
    running = client()
    if running is None or here:
        # Where there is a client, it is what Dask is configured to use.
        return local.stream(tasks, keys, waiting, None if running is None else dask.threaded.get)
    return _on_cluster(running, tasks, keys, waiting)


def _on_cluster(
    running: Any, tasks: dict[Any, Any], keys: list[Key], waiting: Callable[[], None]
) -> Iterator[tuple[Key, Any]]:
    from distributed import as_completed

    # As one graph: a Delayed for each key would send the whole graph once a key.
    futures = running.get(tasks, keys, sync=False)
    coming = as_completed(futures, with_results=True)
    try:
        while coming.count():
            if not coming.has_ready():
                if running.status != "running":
                    raise ClusterLostError(LOST)
                with coming.thread_condition:
                    coming.thread_condition.wait(local.WAIT)
                waiting()
                continue
            future, result = next(coming)
            if future.status == "cancelled":  # then the result is an error, which nobody raises
                raise ClusterLostError(LOST)
            yield future.key, result
            future.release()
    finally:
        if running.status == "running":
            running.cancel([future for future in futures if not future.done()])
