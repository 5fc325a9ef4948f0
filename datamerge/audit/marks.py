"""Marking: a judge's verdict on the live rows, written into reason and detail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .._arrays import STRING, string_column, strings
from .._backend import as_pandas, like
from .steps import Step, unused

# A pandas or a Dask DataFrame: steps give back what they are given.
Frame = TypeVar("Frame", bound=Any)

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
    reasons : Arrow array of strings, optional
        The ``drop_reason`` of each that goes, where that is not one for all.
    """

    details: list[str | None] | pa.Array
    columns: Mapping[str, Any] = field(default_factory=dict)
    reasons: pa.Array | None = None


Judge = Callable[[pd.DataFrame], "Verdict | list[str | None] | pa.Array"]


def apply(df: Frame, step: Step) -> Frame:
    """Run a step on a frame in hand now, or lay it lazily over a Dask frame's partitions."""
    frame: Any = as_pandas(df)
    if isinstance(frame, pd.DataFrame):
        frame = step(frame)
    else:
        frame = frame.map_partitions(step, meta=step(frame._meta))
    return like(frame, df)


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
    given = reason if verdict.reasons is None else verdict.reasons
    reasons = pc.if_else(details.is_valid(), given, pa.scalar(None, pa.large_string()))
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
    frame = as_pandas(df)
    return like(frame[frame[REASON].isna()], df)
