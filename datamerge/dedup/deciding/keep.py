"""Which row of a group of duplicates stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from ... import workdir
from ..._arrays import strings
from ...compute import each_partition
from .layers import Layers
from .lookup import hashed

Keep = Literal["first", "longest", "shortest"] | str | Sequence[str]
ORDERS = ("first", "longest", "shortest")


def is_column(keep: Keep) -> bool:
    """Whether it names a column."""
    return isinstance(keep, str) and keep not in ORDERS


def priority(layers: Layers, keep: Keep, df: Any = None) -> np.ndarray:
    """The rows, the one to keep most of all first; ties in natural order of ids.

    Rows compared against stand before all others. Only ``df`` has the values of a column.
    """
    if keep == "first":
        return np.arange(len(layers))
    order = np.argsort(_cost(layers, keep, df), kind="stable")
    return np.concatenate([order[order < layers.olds], order[order >= layers.olds]])


def _cost(layers: Layers, keep: Keep, df: Any) -> np.ndarray:
    if keep == "longest":
        return -layers.chars
    if keep == "shortest":
        return layers.chars
    if not isinstance(keep, str):
        return _by_source(layers, list(keep))
    if df is None:
        raise ValueError(f"keep={keep!r} is a column of a frame that is not at hand: mark(df, …)")
    if keep not in df.columns:
        raise ValueError(
            f"keep={keep!r} is neither 'first', 'longest', 'shortest' nor a column of the frame"
        )
    return _by_column(layers, keep, df)


def _by_source(layers: Layers, order: list[str]) -> np.ndarray:
    unknown = sorted(set(order) - set(layers.alive))
    if unknown:
        known = ", ".join(sorted(layers.alive))
        raise ValueError(f"keep names no source {unknown[0]!r}; there are {known}")
    rank = {source: number for number, source in enumerate(order)}
    coded = layers.source.dictionary_encode()
    ranks = [rank.get(source, len(order)) for source in coded.dictionary.to_pylist()]
    return np.array(ranks, np.int64)[coded.indices.to_numpy()]


def _by_column(layers: Layers, column: str, df: Any) -> np.ndarray:
    """The highest value first; rows without one last."""
    ids = layers.id.slice(layers.olds).cast(pa.large_string())
    parts = list(_values(df[["id", column]], column, ids))
    keys = pd.Index(np.concatenate([part[0] for part in parts]) if parts else [], dtype=object)
    values = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0)
    where = pd.Index(ids.to_pylist(), dtype=object).get_indexer(keys)
    cost = np.full(len(layers), np.inf)
    known = (where >= 0) & ~np.isnan(values)
    cost[where[known] + layers.olds] = -values[known]
    return cost


def _values(df: Any, column: str, ids: pa.LargeStringArray) -> Any:
    """Ids and values of the rows that are wanted, partition by partition."""
    path = workdir.place("pairs", "keys", ids).with_suffix(".npy")
    with workdir.replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.sort(hashed(ids)), allow_pickle=False)
    work = _Values(column, str(path))
    if isinstance(df, pd.DataFrame):
        yield work(df, 0)
    else:
        yield from (found for _, _, found in each_partition(df, work, stage="keep"))


@dataclass(frozen=True)
class _Values:
    """Partition function: a column of the rows whose ids are wanted, and maybe of a few more."""

    column: str
    wanted: str

    def __call__(self, part: pd.DataFrame, number: int) -> tuple[np.ndarray, np.ndarray]:
        ids = strings(part["id"])
        good = np.flatnonzero(_among(hashed(ids), _keys(self.wanted)))
        numbers = pd.to_numeric(part[self.column].iloc[good], errors="raise")
        values = numbers.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        return np.array(ids.take(pa.array(good)).to_pylist(), dtype=object), values


@lru_cache(maxsize=2)
def _keys(path: str) -> np.ndarray:
    return np.load(Path(path), mmap_mode="r", allow_pickle=False)


def _among(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    if not len(ordered):
        return np.zeros(len(values), bool)
    where = np.searchsorted(ordered, values)
    return ordered[np.minimum(where, len(ordered) - 1)] == values
