"""Running one task for every partition of a lazy frame, once, and hearing of each as it ends.

The frame's graph is left unfused, so that the rows each leaf read can be counted in the same
pass: that is how a step that loses rows is found out (``audit`` asserts what ``read`` counted).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, cast

import dask.dataframe as dd
import pandas as pd
from dask._task_spec import Task, TaskRef, convert_legacy_graph

from . import stream
from .graph import Key, T, merged_in_tree, tasks_of_each, tasks_of_partitions
from .progress import Stage


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
        for key, result in stream.results(tasks, list(wanted), told):
            kind, number = wanted[key]
            if kind == "partition":
                rows, result = result
                told.ended(rows)
            yield kind, number, result


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
        for key, result in stream.results(tasks, keys, told, here):
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
    (found,) = merged_in_tree(tasks, level, merge, label)
    with Stage(stage, len(counts)) as told:
        for key, result in stream.results(tasks, [*counts, found], told):
            if key == found:
                summary = result
            else:
                told.ended(result)
    return cast("T", summary)


def _label(stage: str) -> str:
    """What the tasks of one call are called.

    Never the same twice: a worker that still has at hand what an interrupted call began would
    take it for done, though the files it wrote may be gone.
    """
    return f"{stage}-{uuid.uuid4().hex}"


def _length(part: pd.DataFrame, _: Any) -> int:
    return len(part)
