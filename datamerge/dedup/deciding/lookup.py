"""Decisions on disk, and the partition function that looks rows up in them by id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import xxhash

from ... import audit, workdir
from ..._arrays import strings
from .by_hand import BY_HAND


def save(path: Path, table: pa.Table) -> None:
    """Keep decisions by the hash of the id, sorted, for lookup."""
    keys = hashed(_texts(table["id"]))
    order = np.argsort(keys, kind="stable")
    held = table.take(pa.array(order)).append_column("key", pa.array(keys[order]))
    with workdir.replacing(path) as temporary:
        feather.write_feather(held, temporary)


def hashed(ids: pa.LargeStringArray) -> np.ndarray:
    """64-bit xxh3 of each id."""
    values = ids.cast(pa.large_binary()).to_pylist()
    return np.fromiter(map(xxhash.xxh3_64_intdigest, values), np.uint64, len(values))


def _texts(ids: pa.ChunkedArray) -> pa.LargeStringArray:
    """Ids as strings, whole numbers in decimal."""
    return ids.combine_chunks().cast(pa.large_string())


@lru_cache(maxsize=8)
def _decisions(path: str) -> tuple[np.ndarray, pa.LargeStringArray, pa.Table]:
    table = feather.read_table(path).combine_chunks()
    return table["key"].to_numpy(), _texts(table["id"]), table


@dataclass(frozen=True)
class Says:
    """What a layer's marks say: the reason, what a score is called, what was compared against."""

    reason: str
    word: str
    place: str | None = None


@dataclass(frozen=True)
class Marker:
    """Partition function: marks the rows that were decided to go."""

    path: str
    says: tuple[Says, ...]

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        for reason in dict.fromkeys(one.reason for one in self.says):
            part = audit.marked(part, _Details(self, reason), reason)
        return part

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        # The name tells what was decided, and of what; where the work directory is does not matter.
        told = [(one.reason, one.word, one.place) for one in self.says]
        return ("Marker", Path(self.path).name, told)


@dataclass(frozen=True)
class _Details:
    marker: Marker
    reason: str

    def __call__(self, alive: pd.DataFrame) -> pa.Array:
        if not len(alive):
            return pa.nulls(0, pa.large_string())
        says = self.marker.says
        details: list[str | None] = [None] * len(alive)
        for row, one in _found(self.marker.path, strings(alive["id"])):
            if says[one["layer"]].reason == self.reason:
                details[row] = _detail(one, says[one["layer"]])
        return pa.array(details, pa.large_string())


def _found(path: str, ids: pa.LargeStringArray) -> Any:
    """The rows that were decided to go, each with what was decided."""
    keys, known, table = _decisions(path)
    if not len(keys):
        return ()
    wanted = hashed(ids)
    where = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    rows = np.flatnonzero(keys[where] == wanted)
    same = pc.equal(known.take(pa.array(where[rows])), ids.take(pa.array(rows)))
    rows = rows[pc.fill_null(same, False).to_numpy(zero_copy_only=False)]
    told = table.take(pa.array(where[rows])).drop_columns(["id", "key"]).to_pylist()
    return zip(rows.tolist(), told, strict=True)


def _detail(one: Mapping[str, Any], says: Says) -> str:
    if one["how"] == BY_HAND:
        return BY_HAND
    score, place = one["score"], f", in {says.place}" if one["against"] else ""
    if one["how"] == "exact":
        return f"same text as {one['witness']}{place}"
    if says.word.startswith("same "):
        return f"{says.word} as {one['witness']}{place}"
    if score is None or score != score:
        return f"connected to {one['witness']}{place}"
    return f"{says.word} {score:.6f} to {one['witness']}{place}"
