"""Which row of a group of duplicates stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from .._arrays import strings
from .evidence import Evidence

Keep = Literal["first", "longest", "shortest"] | str | Sequence[str]


def priority(found: Evidence, keep: Keep, df: Any) -> np.ndarray:
    """The rows of the evidence, the one to keep most of all first; ties go to the first id."""
    if keep == "first":
        return np.arange(len(found.id))
    return np.argsort(_cost(found, keep, df), kind="stable")


def _cost(found: Evidence, keep: Keep, df: Any) -> np.ndarray:
    if keep == "longest":
        return -found.chars
    if keep == "shortest":
        return found.chars
    if not isinstance(keep, str):
        return _by_source(found, list(keep))
    if keep not in df.columns:
        raise ValueError(
            f"keep={keep!r} is neither 'first', 'longest', 'shortest' nor a column of the frame"
        )
    return _by_column(found, keep, df)


def _by_source(found: Evidence, order: list[str]) -> np.ndarray:
    unknown = sorted(set(order) - set(found.about["alive"]))
    if unknown:
        known = ", ".join(sorted(found.about["alive"]))
        raise ValueError(f"keep names no source {unknown[0]!r}; there are {known}")
    rank = {source: number for number, source in enumerate(order)}
    return np.array([rank.get(s, len(order)) for s in found.source.to_pylist()], np.int64)


def _by_column(found: Evidence, column: str, df: Any) -> np.ndarray:
    """The highest value first; rows without one last."""
    table = df[["id", column]]
    table = table.compute() if hasattr(table, "compute") else table
    values = pd.to_numeric(table[column], errors="raise").astype("float64")
    values.index = pd.Index(strings(table["id"]).to_pylist())
    cost = -values.reindex(found.id.to_pylist()).to_numpy(dtype=np.float64)
    return np.where(np.isnan(cost), np.inf, cost)
