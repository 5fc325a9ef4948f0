"""Running one task for every partition of a lazy frame, once, and hearing of each as it ends.

The frame's graph is left unfused, so that the rows each leaf read can be counted in the same
pass: that is how a step that loses rows is found out (``audit`` asserts what ``read`` counted).
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import dask.dataframe as dd
import dask.threaded
import pandas as pd
from dask._task_spec import List, Task, TaskRef, convert_legacy_graph

from . import local
from ._memory import relieve
from .progress import Stage

Key = tuple[str, int]
T = TypeVar("T")
AT_ONCE = 8  # summaries merged by one task: the client never holds more than the last few
LOST = (
    "the cluster's scheduler is gone, or somebody has cancelled the work there; start a cluster "
    "again, and the same run goes on where it stopped"
)


class ClusterLostError(RuntimeError):
    """The scheduler has ended, or forgotten what it was asked to do."""


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
) -> Iterator[tuple[str, int, Any]]:
    """Do ``work(partition, number)`` once for each of these partitions, as they come.

    Yields ``("partition", number, result)`` and, for each number in ``leaves``,
    ``("leaf", number, rows by source)``, in the order in which they end. An iterator that is left
    before its end, as by an interrupt, leaves no task behind that has not begun.
    """
    tasks, wanted = tasks_of_partitions(df, work, _label(stage), partitions, leaves)
    total = sum(kind == "partition" for kind, _ in wanted.values())
    with Stage(stage, total) as told:
        for key, result in _stream(tasks, list(wanted), told.goes_on):
            kind, number = wanted[key]
            if kind == "partition":
                rows, result = result
                told.ended(rows)
            yield kind, number, result


def tasks_of_partitions(
    df: dd.DataFrame,
    work: Callable[[pd.DataFrame, int], Any],
    label: str,
    partitions: Collection[int] | None = None,
    leaves: Collection[int] = (),
) -> tuple[dict[Any, Any], dict[Key, tuple[str, int]]]:
    """The graph for :func:`each_partition`, and what each key of it that is wanted is of."""
    graph = graph_of(df)
    tasks = dict(graph.tasks)
    wanted: dict[Key, tuple[str, int]] = {}
    for number in range(len(graph.partitions)) if partitions is None else sorted(partitions):
        key = (label, number)
        tasks[key] = Task(key, _counted, work, TaskRef(graph.partitions[number]), number)
        wanted[key] = ("partition", number)
    for number in sorted(leaves):
        key = (f"{label}-rows", number)
        tasks[key] = Task(key, rows_by_source, TaskRef(graph.leaves[number]))
        wanted[key] = ("leaf", number)
    return tasks, wanted


def tasks_of_each(work: Callable[..., Any], arguments: Sequence[Any], label: str) -> dict[Key, Any]:
    """The graph for :func:`each`, a task an argument."""
    keys = [(label, number) for number in range(len(arguments))]
    pairs = zip(keys, arguments, strict=True)
    return {key: Task(key, _eased, work, argument) for key, argument in pairs}


def _label(stage: str) -> str:
    """What the tasks of one call are called.

    Never the same twice: a worker that still has at hand what an interrupted call began would
    take it for done, though the files it wrote may be gone.
    """
    return f"{stage}-{uuid.uuid4().hex}"


def _counted(work: Callable[[pd.DataFrame, int], Any], part: Any, number: int) -> tuple[int, Any]:
    try:
        return len(part), work(part, number)
    finally:
        relieve()


def _eased(work: Callable[..., Any], argument: Any) -> Any:
    try:
        return work(argument)
    finally:
        relieve()


def rows_by_source(part: pd.DataFrame) -> dict[str, int]:
    """How many rows of each source a partition holds."""
    return {str(k): int(n) for k, n in part["source"].value_counts(sort=False).items()}


def client() -> Any:
    """The Dask client in use, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def each(
    work: Callable[..., Any],
    arguments: Sequence[Any],
    *,
    stage: str,
    rows: Callable[[Any], int] = lambda argument: 0,
    here: bool = False,
) -> list[Any]:
    """Do ``work(argument)`` for each of these, bound to no partition; results in their order.

    ``rows(argument)`` is how many rows that is, where rows are what the stage goes through.
    ``here``: in this process, where the arguments are, whatever cluster there is.
    """
    tasks = tasks_of_each(work, arguments, _label(stage))
    keys = list(tasks)
    found: dict[Key, Any] = {}
    with Stage(stage, len(keys)) as told:
        for key, result in _stream(tasks, keys, told.goes_on, here):
            found[key] = result
            told.ended(rows(arguments[key[1]]))
    return [found[key] for key in keys]


def summed(
    df: dd.DataFrame,
    summarise: Callable[[pd.DataFrame], T],
    merge: Callable[[list[T]], T],
    *,
    stage: str,
) -> T:
    """Summarise every partition, and merge neighbours of what comes out until one is left."""
    graph = df.optimize()
    tasks = convert_legacy_graph(dict(graph.__dask_graph__()))
    label = _label(stage)
    level, counts = [], []
    for number, part in enumerate(graph.__dask_keys__()):
        level.append((label, number))
        tasks[level[-1]] = Task(level[-1], summarise, TaskRef(part))
        counts.append((f"{label}-rows", number))
        tasks[counts[-1]] = Task(counts[-1], _length, TaskRef(part), TaskRef(level[-1]))
    (found,) = _tree(tasks, level, merge, label)
    with Stage(stage, len(counts)) as told:
        for key, result in _stream(tasks, [*counts, found], told.goes_on):
            if key == found:
                summary = result
            else:
                told.ended(result)
    return cast("T", summary)


def _length(part: pd.DataFrame, _: Any) -> int:
    return len(part)


def _tree(
    tasks: dict[Any, Any], level: list[Key], merge: Callable[[list[T]], T], label: str
) -> list[Key]:
    """Add tasks that merge neighbours, level by level; at least one level."""
    height = 0
    while len(level) > 1 or not height:
        height += 1
        groups = [level[at : at + AT_ONCE] for at in range(0, len(level), AT_ONCE)]
        level = [(f"{label}-{height}", number) for number in range(len(groups))]
        for key, group in zip(level, groups, strict=True):
            tasks[key] = Task(key, merge, List(*map(TaskRef, group)))
    return level


def _stream(
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
