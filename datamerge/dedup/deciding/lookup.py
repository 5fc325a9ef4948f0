"""Decisions on disk, and the partition function that looks rows up in them by id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather

from ... import audit, workdir
from ..._arrays import joined, one_chunk, strings
from ..compared.column import Column
from ..compared.digest import digests
from .by_hand import BY_HAND

_TEXT = pa.large_string()
_TEXTS = ("id", "source", "witness", "how")  # columns that are too much for memory


def save(path: Path, tables: Iterable[pa.Table]) -> None:
    """Keep decisions in their order, and beside them the hashes of their ids, sorted, for lookup.

    What is decided of the rows of a partition lies together, so that little of the file is read.
    All of it is one chunk, though decisions come in several tables, and little is in memory.
    """
    with TemporaryDirectory(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent) as folder:
        held, keys = _joined(tables, Path(folder))
        order = np.argsort(keys, kind="stable")
        held = held.append_column("key", pa.array(keys[order])).append_column(
            "row", pa.array(order)
        )
        with workdir.replacing(path) as temporary:
            size = max(len(held), 1)
            feather.write_feather(held, temporary, compression="uncompressed", chunksize=size)


def _joined(tables: Iterable[pa.Table], folder: Path) -> tuple[pa.Table, np.ndarray]:
    """All tables as one, whose text is mapped from files, and the hashes of the ids."""
    keys, parts = [], []
    texts: dict[str, Column] = {}
    for table in tables:
        keys.append(hashed(_texts(table["id"])))
        for name in _TEXTS:
            values = one_chunk(table[name])
            if values.type != pa.int64():
                values = values.cast(_TEXT)
            if name not in texts:
                texts[name] = Column(folder / name, values.type)
            texts[name].add(values)
        parts.append(table.drop_columns(list(_TEXTS)))
    held = pa.concat_tables(parts).combine_chunks()
    for name, column in texts.items():
        held = held.append_column(name, column.mapped())
    return held, np.concatenate(keys)


def hashed(ids: pa.LargeStringArray) -> np.ndarray:
    """64 bits of each id's hash; who meets the same looks at the ids."""
    return digests(ids)[:, 0]


def _texts(ids: pa.ChunkedArray) -> pa.LargeStringArray:
    """Ids as strings, whole numbers in decimal."""
    return one_chunk(ids).cast(pa.large_string())


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
        return audit.marked(part, self._judge, self.says[0].reason)

    def _judge(self, alive: pd.DataFrame) -> audit.Verdict:
        rows, told = _found(self.path, strings(alive["id"]))
        details, reasons = (_spread(a, rows, len(alive)) for a in _worded(told, self.says))
        return audit.Verdict(details, reasons=reasons)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        # The name tells what was decided, and of what; where the work directory is does not matter.
        told = [(one.reason, one.word, one.place) for one in self.says]
        return ("Marker", Path(self.path).name, told)


def _found(path: str, ids: pa.LargeStringArray) -> tuple[np.ndarray, pa.Table]:
    """Which rows were decided to go, and what was decided of each."""
    # Mapped anew each time: what was read counts as this process's memory until it is let go.
    table = feather.read_table(path, memory_map=True)
    if not len(table) or not len(ids):
        return np.zeros(0, np.int64), table.slice(0, 0)
    keys, wanted = one_chunk(table["key"]).to_numpy(), hashed(ids)
    near = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    rows = np.flatnonzero(keys[near] == wanted)
    told = table.take(one_chunk(table["row"]).take(pa.array(near[rows])))
    same = pc.equal(_texts(told["id"]), ids.take(pa.array(rows)))
    same = pc.fill_null(same, False)
    return rows[same.to_numpy(zero_copy_only=False)], told.filter(same)


def _worded(told: pa.Table, says: tuple[Says, ...]) -> tuple[pa.Array, pa.Array]:
    """The detail and the reason of each removal."""
    layers = told["layer"].to_numpy()
    columns = told["how"].to_pylist(), told["score"].to_pylist(), layers.tolist()
    opening = [_opening(how, score, says[at]) for how, score, at in zip(*columns, strict=True)]
    places = pa.array([f", in {one.place}" for one in says], _TEXT).take(pa.array(layers))
    closing = pc.if_else(one_chunk(told["against"]), places, pa.scalar("", _TEXT))
    following = joined(_texts(told["witness"]), closing)  # null: by hand, and nothing follows
    details = joined(pa.array(opening, _TEXT), pc.fill_null(following, ""))
    return details, pa.array([one.reason for one in says], _TEXT).take(pa.array(layers))


def _opening(how: str, score: float | None, says: Says) -> str:
    """What stands before the witness."""
    if how == BY_HAND:
        return BY_HAND
    if how == "exact":
        return "same text as "
    if says.word.startswith("same "):
        return f"{says.word} as "
    if score is None or score != score:
        return "connected to "
    return f"{says.word} {score:.6f} to "


def _spread(values: pa.Array, rows: np.ndarray, length: int) -> pa.Array:
    """The values at these rows of so many; the others are null."""
    chosen = np.zeros(length, bool)
    chosen[rows] = True
    return pc.replace_with_mask(pa.nulls(length, _TEXT), pa.array(chosen), values)
