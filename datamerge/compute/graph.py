"""The graph behind a lazy frame, and graphs of tasks to run for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import dask.dataframe as dd
import pandas as pd
from dask._task_spec import List, Task, TaskRef, convert_legacy_graph

from .memory import relieve

Key = tuple[str, int]
T = TypeVar("T")
AT_ONCE = 8  # summaries merged by one task: the client never holds more than the last few


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


def merged_in_tree(
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
