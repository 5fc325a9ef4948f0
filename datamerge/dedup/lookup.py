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

from .. import audit, workdir
from .._arrays import strings


def save(path: Path, table: pd.DataFrame) -> None:
    """Keep decisions by the hash of the id, sorted, for lookup."""
    keys = hashed(pa.array(table["id"], pa.large_string(), from_pandas=True))
    order = np.argsort(keys, kind="stable")
    held = pa.Table.from_pandas(table.iloc[order], preserve_index=False)
    with workdir.replacing(path) as temporary:
        feather.write_feather(held.append_column("key", pa.array(keys[order])), temporary)


def hashed(ids: pa.LargeStringArray) -> np.ndarray:
    """64-bit xxh3 of each id."""
    values = ids.cast(pa.large_binary()).to_pylist()
    return np.fromiter(map(xxhash.xxh3_64_intdigest, values), np.uint64, len(values))


@lru_cache(maxsize=8)
def _decisions(path: str) -> tuple[np.ndarray, pa.Table]:
    table = feather.read_table(path).combine_chunks()
    return table["key"].to_numpy(), table


@dataclass(frozen=True)
class Marker:
    """Partition function: marks the rows that were decided to go."""

    path: str
    reason: str
    word: str

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        return audit.marked(part, self._details, self.reason)

    def __dask_tokenize__(self) -> tuple[str, ...]:
        # The names tell what was decided, and of what; where the work directory is does not matter.
        path = Path(self.path)
        return ("Marker", path.parent.name, path.name, self.reason, self.word)

    def _details(self, alive: pd.DataFrame) -> pa.Array:
        if not len(alive):
            return pa.nulls(0, pa.large_string())
        keys, table = _decisions(self.path)
        ids = strings(alive["id"])
        wanted = hashed(ids)
        where = np.searchsorted(keys, wanted)
        where[where == len(keys)] = 0
        found = keys[where] == wanted if len(keys) else np.zeros(len(ids), bool)
        take = pa.array(np.where(found, where, 0), mask=~found)
        same = pc.equal(table["id"].take(take).combine_chunks().cast(pa.large_string()), ids)
        found &= pc.fill_null(same, False).to_numpy(zero_copy_only=False)
        details: list[str | None] = [None] * len(ids)
        rows = np.flatnonzero(found)
        told = table.take(pa.array(where[rows])).select(["witness", "score", "how"]).to_pylist()
        for row, one in zip(rows.tolist(), told, strict=True):
            details[row] = _detail(one, self.word)
        return pa.array(details, pa.large_string())


def _detail(one: Mapping[str, Any], word: str) -> str:
    if one["how"] == "exact":
        return f"same text as {one['witness']}"
    score = one["score"]
    if score is None or score != score:
        return f"connected to {one['witness']}"
    return f"{word} {score:.6f} to {one['witness']}"
