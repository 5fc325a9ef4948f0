"""Running one task for every partition of a lazy frame, once, and hearing of each as it ends.

The frame's graph is left unfused, so that the rows each leaf read can be counted in the same
pass: that is how a step that loses rows is found out (``audit`` asserts what ``read`` counted).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dask
import dask.dataframe as dd
import dask.threaded
import pandas as pd
from dask._task_spec import Task, TaskRef, convert_legacy_graph, cull
from dask.base import get_scheduler, tokenize

Key = tuple[str, int]


@dataclass(frozen=True)
class Progress:
    """Where a stage stands: partitions done of all, and rows so far."""

    stage: str
    done: int
    total: int
    rows: int
    seconds: float


class Reporter(Protocol):
    """Is told of progress; set one as ``dask.config`` key ``datamerge.reporter``."""

    def __call__(self, progress: Progress) -> None:
        """Take note of where a stage stands."""


@dataclass(frozen=True)
class Graph:
    """The tasks behind a frame: its partitions' keys, and the keys of what its leaves read."""

    tasks: dict[Any, Any]
    partitions: list[Any]
    leaves: list[Key]


def graph_of(df: dd.DataFrame) -> Graph:
    """The graph of a lazy frame, optimised but unfused."""
    plain = df.optimize(fuse=False)
    leaves: list[Key] = []
    for node in {node._name: node for node in plain.expr.walk()}.values():
        if any(getattr(operand, "reads_rows", False) for operand in node.operands):
            leaves += [(node._name, number) for number in range(node.npartitions)]
    tasks = convert_legacy_graph(dict(plain.__dask_graph__()))
    return Graph(tasks, list(plain.__dask_keys__()), sorted(leaves))


def each_partition(
    df: dd.DataFrame,
    work: Callable[[pd.DataFrame, int], Any],
    *,
    stage: str,
    partitions: Collection[int] | None = None,
    leaves: Collection[int] = (),
    rows: Callable[[Any], int] = lambda result: 0,
) -> Iterator[tuple[str, int, Any]]:
    """Do ``work(partition, number)`` once for each of these partitions, as they come.

    Yields ``("partition", number, result)`` and, for each number in ``leaves``,
    ``("leaf", number, rows by source)``, in the order in which they end.
    """
    graph = graph_of(df)
    tasks = dict(graph.tasks)
    wanted: dict[Key, tuple[str, int]] = {}
    for number in range(len(graph.partitions)) if partitions is None else sorted(partitions):
        key = (f"{stage}-{df._name}", number)
        tasks[key] = Task(key, work, TaskRef(graph.partitions[number]), number)
        wanted[key] = ("partition", number)
    for number in sorted(leaves):
        key = (f"{stage}-rows-{df._name}", number)
        tasks[key] = Task(key, rows_by_source, TaskRef(graph.leaves[number]))
        wanted[key] = ("leaf", number)
    total = sum(kind == "partition" for kind, _ in wanted.values())
    done = seen = 0
    started = time.monotonic()
    for key, result in _stream(tasks, list(wanted)):
        kind, number = wanted[key]
        if kind == "partition":
            done, seen = done + 1, seen + rows(result)
            report(Progress(stage, done, total, seen, time.monotonic() - started))
        yield kind, number, result


def rows_by_source(part: pd.DataFrame) -> dict[str, int]:
    """How many rows of each source a partition holds."""
    return {str(k): int(n) for k, n in part["source"].value_counts(sort=False).items()}


def report(progress: Progress) -> None:
    """Tell the reporter, if there is one."""
    reporter: Reporter | None = dask.config.get("datamerge.reporter", None)
    if reporter is not None:
        reporter(progress)


def client() -> Any:
    """The Dask client in use, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def _stream(tasks: dict[Any, Any], keys: list[Key]) -> Iterator[tuple[Key, Any]]:
    """Compute these keys of one graph; yield each with its result as it becomes known."""
    running = client()
    if running is None:
        get = local_get()
        yield from zip(keys, get(cull(tasks, keys), keys), strict=True)
        return
    from distributed import as_completed

    # As one graph: a Delayed for each key would send the whole graph once a key.
    futures = running.get(tasks, keys, sync=False)
    try:
        for future, result in as_completed(futures, with_results=True):
            yield future.key, result
            future.release()
    finally:
        running.cancel([future for future in futures if not future.done()])


def local_get() -> Callable[..., Any]:
    """Dask's scheduler as configured, else threads.

    Without asking for a client, of which there is none: that would import all of distributed.
    """
    if dask.config.get("scheduler", None):
        return get_scheduler() or dask.threaded.get
    return dask.threaded.get


def each(work: Callable[..., Any], arguments: Sequence[Any], *, stage: str) -> list[Any]:
    """Do ``work(argument)`` for each of these, bound to no partition; results in their order."""
    label = f"{stage}-{tokenize(work, arguments)}"
    keys = [(label, number) for number in range(len(arguments))]
    tasks = {key: Task(key, work, argument) for key, argument in zip(keys, arguments, strict=True)}
    started = time.monotonic()
    found: dict[Key, Any] = {}
    for key, result in _stream(tasks, keys):
        found[key] = result
        seconds = time.monotonic() - started
        report(Progress(stage, len(found), len(keys), 0, seconds))
    return [found[key] for key in keys]
