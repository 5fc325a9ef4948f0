"""Computing keys of one graph, on the cluster that is in use or here, as they end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import dask.threaded

from . import cluster, local
from .graph import Key
from .progress import Stage


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
    tasks: dict[Any, Any], keys: list[Key], told: Stage, here: bool = False
) -> Iterator[tuple[Key, Any]]:
    """Compute these keys of one graph; yield each with its result as it becomes known.

    The stage is told while there is nothing new.
    """
    running = client()
    if running is not None and not here:
        return cluster.stream(running, tasks, keys, told)
    # Where there is a client, it is what Dask is configured to use.
    get = None if running is None else dask.threaded.get
    return local.stream(tasks, keys, told.goes_on, get)
