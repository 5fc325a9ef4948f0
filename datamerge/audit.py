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

Frame = TypeVar(
    "Frame", bound=Any
)  # a pandas or a Dask DataFrame: steps give back what they are given

REASON, DETAIL, MALFORMED = "drop_reason", "drop_detail", "malformed"


@dataclass(frozen=True)
class Verdict:
    """What a judge says of live rows: why each goes (null where it stays), and new columns.

    Attributes
    ----------
    details : list of str or None, or an Arrow array of strings
        One for each live row, in their order.
    columns : mapping of name to values
        Columns to add, each with a value for each live row; missing in the rows marked before.
    """

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
    run: Callable[[pd.DataFrame], pd.DataFrame] = field(repr=False)  # may hold 500 phrases
    arguments: Mapping[str, Any]
    reason: str | None = None
    is_lookup: bool = False  # cheap enough to be done again rather than kept on disk
    witness: str | None = None  # the folder of the evidence behind the marks

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        result = self.run(part)
        if len(result) != len(part):
            raise ConservationError(
                f"{self.name}: {len(part)} rows went in, {len(result)} came out"
            )
        return result

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        from dask.tokenize import normalize_token

        return ("datamerge.Step", self.name, self.reason, normalize_token(self.run))


def apply(df: Frame, step: Step) -> Frame:
    """Run a step on a pandas frame now, or lay it lazily over a Dask frame's partitions."""
    frame: Any = df
    if isinstance(frame, pd.DataFrame):
        frame = step(frame)
    else:
        frame = frame.map_partitions(step, meta=step(frame._meta))
    return frame


def mark(df: Frame, judge: Judge, *, step: str, reason: str, arguments: Mapping[str, Any]) -> Frame:
    """Lay a judge over a frame: rows it gives a detail for are marked with ``reason``.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Rows as :func:`datamerge.read` gives them.
    judge : callable
        Is given the live rows of a partition, a pandas DataFrame, and returns a detail for each,
        None where it stays: a list, an Arrow array, or a :class:`Verdict`. What it says of a row
        must depend on that row alone. It must pickle, and cope with no rows.
    step : str
        The step's name in ledger and card.
    reason : str
        The ``drop_reason``. A second use of a reason on the same frame gets a number
        (``phrases_2``), so that the ledger can tell the two apart.
    arguments : mapping
        What the user gave, for ledger and card.

    Returns
    -------
    DataFrame
        The same rows, with ``drop_reason`` and ``drop_detail`` filled where they were null.

    Examples
    --------
    >>> import datamerge as dm
    >>> def empty(part):
    ...     return [None if text.strip() else "no text" for text in part["text"]]
    >>> df = dm.read(["Rain again.", " "], name="notes")
    >>> df = dm.audit.mark(df, empty, step="my.empty", reason="empty", arguments={})
    >>> df.compute()["drop_detail"].tolist()
    [<NA>, 'no text']
    """
    reason = unused(reason, df)
    return apply(df, Step(step, _Marker(judge, reason), arguments, reason))


def transform(
    df: Frame,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    step: str,
    arguments: Mapping[str, Any],
) -> Frame:
    """Lay a partition function that changes rows, and marks none, over a frame.

    Parameters
    ----------
    df : Dask or pandas DataFrame
        Rows as :func:`datamerge.read` gives them.
    change : callable
        Takes a partition, a pandas DataFrame, and returns one with the same rows in their order.
    step : str
        The step's name in ledger and card.
    arguments : mapping
        What the user gave, for ledger and card.

    Examples
    --------
    >>> import datamerge as dm
    >>> def loud(part):
    ...     return part.assign(text=part["text"].str.upper())
    >>> df = dm.read(["Rain."], name="notes")
    >>> df = dm.audit.transform(df, loud, step="my.loud", arguments={})
    >>> df.compute()["text"].item()
    'RAIN.'
    """
    return apply(df, Step(step, change, arguments))


@dataclass(frozen=True)
class _Marker:
    judge: Judge
    reason: str

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        return marked(part, self.judge, self.reason)


def marked(part: pd.DataFrame, judge: Judge, reason: str) -> pd.DataFrame:
    """A partition with the judge's verdict on its live rows written in."""
    alive = part[REASON].isna().to_numpy(dtype=bool)
    everyone = bool(alive.all())
    verdict = judge(part if everyone else part[alive])
    if not isinstance(verdict, Verdict):
        verdict = Verdict(verdict)
    part = part.copy(deep=False)
    for name, values in verdict.columns.items():
        part[name] = values if everyone else _spread(values, alive, part, name)
    details = pa.array(verdict.details, pa.large_string())
    reasons = pc.if_else(details.is_valid(), reason, pa.scalar(None, pa.large_string()))
    part[REASON] = _fill(part[REASON], reasons, alive)
    part[DETAIL] = _fill(part[DETAIL], details, alive)
    return part


def _fill(column: pd.Series, values: pa.Array, alive: np.ndarray) -> pd.Series:
    """The column with ``values`` put where rows are alive (there it is null so far)."""
    if not len(column):
        return column.astype(STRING)
    filled = pc.replace_with_mask(strings(column), pa.array(alive), values.cast(pa.large_string()))
    return string_column(filled, column.index)


def _spread(values: Any, alive: np.ndarray, part: pd.DataFrame, name: str) -> pd.Series:
    """Values of the live rows as a column over all rows; the dead keep what they have."""
    column = pd.Series(values).reset_index(drop=True)
    where = np.full(len(part), -1)
    where[alive] = np.arange(len(column))
    spread = column.reindex(where).set_axis(part.index)
    return spread.where(alive, part[name].astype(spread.dtype)) if name in part else spread


def live(df: Frame) -> Frame:
    """The rows no step has marked.

    To look at, or to train on without writing; to write, keep the marked rows in the frame.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["Rain.", "Rain."], name="notes")
    >>> len(dm.audit.live(dm.dedup.exact(df).mark()))
    1
    """
    return df[df[REASON].isna()]


@dataclass(frozen=True)
class Passed:
    """A step a frame has been through, and the sources it was laid over."""

    step: Step
    sources: tuple[str, ...]


def lineage(df: Any) -> list[Passed]:
    """The steps a frame has been through, oldest first, read off its Dask expression.

    Leaves say which ``sources`` they read; a checkpoint also shows the ``lineage`` that made it.
    """
    found: dict[int, Passed] = {}
    beneath: dict[str, set[str]] = {}
    for node in nodes(df):
        sources = set().union(*(beneath[child._name] for child in node.dependencies()))
        for operand in node.operands:
            sources.update(getattr(operand, "sources", ()) if _is_leaf(operand) else ())
        beneath[node._name] = sources
        for operand in node.operands:
            for passed in getattr(operand, "lineage", ()) if _is_leaf(operand) else ():
                found.setdefault(id(passed.step), passed)
            if isinstance(operand, Step):
                found.setdefault(id(operand), Passed(operand, tuple(sorted(sources))))
    return list(found.values())


def sources(df: Any) -> tuple[str, ...]:
    """The sources a frame reads, as far as its leaves tell."""
    leaves = (o for node in nodes(df) for o in node.operands if _is_leaf(o))
    return tuple(sorted({name for leaf in leaves for name in leaf.sources}))


def _is_leaf(operand: Any) -> bool:
    return bool(getattr(operand, "reads_rows", False))


def steps(df: Any) -> list[Step]:
    """The steps a frame has been through, oldest first.

    Examples
    --------
    >>> import datamerge as dm
    >>> df = dm.read(["Rain."], name="notes").pipe(dm.clean.unicode).pipe(dm.tokens.count)
    >>> [step.name for step in dm.audit.steps(df)]
    ['clean.unicode', 'tokens.count']
    """
    return [passed.step for passed in lineage(df)]


def nodes(df: Any) -> Iterator[Any]:
    """The nodes of a frame's expression, each once, inputs before users; none for pandas."""
    expr = getattr(df, "expr", None)
    seen: set[str] = set()
    stack = [(expr, False)] if expr is not None else []
    while stack:
        node, entered = stack.pop()
        if entered:
            yield node
        elif node._name not in seen:
            seen.add(node._name)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.dependencies()))


def unused(reason: str, df: Any) -> str:
    """The reason, with a number behind it if a step of the frame gives it already."""
    taken = {step.reason for step in steps(df)}
    candidate, n = reason, 1
    while candidate in taken:
        n += 1
        candidate = f"{reason}_{n}"
    return candidate


class ConservationError(AssertionError):
    """Rows were lost or made between reading and writing."""


def conserved(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Raise unless every source has as many rows after as before.

    >>> conserved({"a": 2}, {"a": 1})
    Traceback (most recent call last):
    ...
    datamerge.audit.ConservationError: source 'a': 2 rows were read, 1 arrived; ...
    """
    for source in sorted({*before, *after}):
        read, arrived = before.get(source, 0), after.get(source, 0)
        if read != arrived:
            raise ConservationError(
                f"source {source!r}: {read} rows were read, {arrived} arrived; a step between "
                "drops or adds rows itself. Mark them (audit.mark) instead of dropping them."
            )
