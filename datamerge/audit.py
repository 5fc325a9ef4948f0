"""Mark, then account: why a row goes, and which steps a lazy frame has been through.

A filter never drops a row. It fills ``drop_reason`` and ``drop_detail`` where they are still
null, and evaluates live rows only. Steps are callables inside the Dask expression, so the
frame's own expression is its lineage: :func:`steps` reads it back, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ._arrays import STRING, string_column, strings

Frame = TypeVar("Frame")  # a pandas or a Dask DataFrame: steps give back what they are given

REASON, DETAIL, MALFORMED = "drop_reason", "drop_detail", "malformed"


@dataclass(frozen=True)
class Verdict:
    """What a judge says of live rows: why each goes (null where it stays), and new columns."""

    details: list[str | None] | pa.Array
    columns: Mapping[str, Any] = field(default_factory=dict)


Judge = Callable[[pd.DataFrame], "Verdict | list[str | None] | pa.Array"]


@dataclass(frozen=True, eq=False)
class Step:
    """One step as it stands in a Dask expression: a partition function that knows its name.

    ``arguments`` are what the user gave, for ledger and recipe; ``reason`` is what the step
    writes into ``drop_reason``, or None for a transform.
    """

    name: str
    run: Callable[[pd.DataFrame], pd.DataFrame]
    arguments: Mapping[str, Any]
    reason: str | None = None
    # Steps that lie beneath when the frame they were applied to has been replaced by a
    # checkpoint of itself, whose expression no longer shows them.
    before: tuple[Step, ...] = ()

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        return self.run(part)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        from dask.tokenize import normalize_token

        return ("datamerge.Step", self.name, self.reason, normalize_token(self.run))


def apply(df: Frame, step: Step) -> Frame:
    """Run a step on a pandas frame now, or lay it lazily over a Dask frame's partitions."""
    if isinstance(df, pd.DataFrame):
        return step(df)
    return df.map_partitions(step, meta=step(df._meta))


def mark(
    df: Frame, judge: Judge, *, step: str, reason: str, arguments: Mapping[str, Any]
) -> Frame:
    """Lay a judge over a frame: rows it gives a detail for are marked with ``reason``.

    A second use of a reason on the same frame gets a number (``phrases_2``), so that the
    ledger can tell the two apart.
    """
    reason = _unused(reason, df)
    return apply(df, Step(step, _Marker(judge, reason), arguments, reason))


def transform(
    df: Frame,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    step: str,
    arguments: Mapping[str, Any],
) -> Frame:
    """Lay a partition function that changes rows, and marks none, over a frame."""
    return apply(df, Step(step, change, arguments))


@dataclass(frozen=True)
class _Marker:
    judge: Judge
    reason: str

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        alive = part[REASON].isna().to_numpy(dtype=bool)
        everyone = bool(alive.all())
        verdict = self.judge(part if everyone else part[alive])
        if not isinstance(verdict, Verdict):
            verdict = Verdict(verdict)
        part = part.copy(deep=False)
        for name, values in verdict.columns.items():
            part[name] = values if everyone else _spread(values, alive, part.index)
        details = pa.array(verdict.details, pa.large_string())
        reasons = pc.if_else(details.is_valid(), self.reason, pa.scalar(None, pa.large_string()))
        part[REASON] = _fill(part[REASON], reasons, alive)
        part[DETAIL] = _fill(part[DETAIL], details, alive)
        return part


def _fill(column: pd.Series, values: pa.Array, alive: np.ndarray) -> pd.Series:
    """The column with ``values`` put where rows are alive (there it is null so far)."""
    if not len(column):
        return column.astype(STRING)
    filled = pc.replace_with_mask(strings(column), pa.array(alive), values.cast(pa.large_string()))
    return string_column(filled, column.index)


def _spread(values: Any, alive: np.ndarray, index: pd.Index) -> pd.Series:
    """Values of the live rows as a column over all rows, missing for the dead."""
    column = pd.Series(values)
    where = np.full(len(index), -1)
    where[alive] = np.arange(len(column))
    return column.reset_index(drop=True).reindex(where).set_axis(index)


def live(df: Frame) -> Frame:
    """The rows no step has marked."""
    return df[df[REASON].isna()]


def steps(df: Any) -> list[Step]:
    """The steps a frame has been through, oldest first, read off its Dask expression."""
    found: dict[str, Step] = {}
    for name, operand in _operands(df):
        if isinstance(operand, Step):
            for earlier in operand.before:
                found.setdefault(f"{earlier.name}-{id(earlier)}", earlier)
            found.setdefault(name, operand)
    return list(found.values())


def _operands(df: Any) -> Iterator[tuple[str, Any]]:
    """Every operand of the frame's expression with its node's name, inputs before users."""
    expr = getattr(df, "expr", None)
    seen: set[str] = set()
    stack = [(expr, False)] if expr is not None else []
    while stack:
        node, entered = stack.pop()
        if entered:
            for operand in node.operands:
                yield node._name, operand
        elif node._name not in seen:
            seen.add(node._name)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.dependencies()))


def _unused(reason: str, df: Any) -> str:
    taken = {step.reason for step in steps(df)}
    candidate, n = reason, 1
    while candidate in taken:
        n += 1
        candidate = f"{reason}_{n}"
    return candidate
