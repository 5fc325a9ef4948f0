"""Computing keys of one graph on a cluster, and what to say of the ways in which it fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .graph import Key
from .killed import explained
from .local import WAIT
from .progress import Stage
from .workers import Watch

LOST = (
    "the cluster's scheduler is gone, or somebody has cancelled the work there; start a cluster "
    "again, and the same run goes on where it stopped"
)


class ClusterLostError(RuntimeError):
    """The scheduler has ended, or forgotten what it was asked to do."""


def stream(
    client: Any, tasks: dict[Any, Any], keys: list[Key], told: Stage
) -> Iterator[tuple[Key, Any]]:
    """Compute these keys; yield each with its result when it has ended."""
    from distributed import KilledWorker

    # As one graph: a Delayed for each key would send the whole graph once a key.
    futures = client.get(tasks, keys, sync=False)
    try:
        yield from _as_they_end(client, futures, told)
    except KilledWorker as error:
        failed = [future.key for future in futures if future.status == "error"]
        raise explained(error, told.name, tasks, failed) from error
    finally:
        if client.status == "running":
            client.cancel([future for future in futures if not future.done()])
        # What has failed, the scheduler remembers as long as somebody holds it, as a notebook
        # holds its last error: the same run again would fail of it at once.
        for future in futures:
            future.release()


def _as_they_end(client: Any, futures: list[Any], told: Stage) -> Iterator[tuple[Key, Any]]:
    from distributed import as_completed

    coming, watch = as_completed(futures, with_results=True), Watch(client, told)
    while coming.count():
        if not coming.has_ready():
            if client.status != "running":
                raise ClusterLostError(LOST)
            with coming.thread_condition:
                coming.thread_condition.wait(WAIT)
            watch.waits()
            told.goes_on()
            continue
        future, result = next(coming)
        if future.status == "cancelled":  # then the result is an error, which nobody raises
            raise ClusterLostError(LOST)
        watch.heard()
        yield future.key, result
        future.release()
