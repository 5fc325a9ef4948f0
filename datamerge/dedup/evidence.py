"""Evidence on disk: the rows that have a duplicate, their pairs, and how they were found."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from .pairs import Pairs
from .rows import Compared


@dataclass(frozen=True)
class Evidence:
    """Rows in natural order, ``same`` (each row's first of the same text), and scored pairs."""

    id: pa.LargeStringArray
    source: pa.LargeStringArray
    chars: np.ndarray
    same: np.ndarray
    left: np.ndarray
    right: np.ndarray
    score: np.ndarray
    about: dict[str, Any]

    @property
    def how_same(self) -> str:
        """How rows of one class were found to be the same."""
        return str(self.about.get("same", "exact"))

    def at_least(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pairs at or above a threshold."""
        if threshold <= self.about["floor"]:
            return self.left, self.right, self.score
        good = self.score >= threshold
        return self.left[good], self.right[good], self.score[good]

    def table(self) -> pa.Table:
        """The pairs as ``id, other, score, how``; rows of one text point to the first of them."""
        copies = np.flatnonzero(self.same != np.arange(len(self.same)))
        left = np.concatenate([copies, self.left])
        right = np.concatenate([self.same[copies], self.right])
        return pa.table(
            {
                "id": self.id.take(pa.array(left)),
                "other": self.id.take(pa.array(right)),
                "score": np.concatenate([np.ones(len(copies)), self.score]),
                "how": [self.how_same] * len(copies) + [self.about["how"]] * len(self.left),
            }
        )


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A folder that takes its place, whole, when the block ends well."""
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save(
    folder: Path,
    rows: Compared,
    same: np.ndarray,
    pairs: Pairs,
    about: Mapping[str, Any],
) -> None:
    """Keep the rows that have a pair or a copy, renumbered, and what was found of them."""
    left, right = pairs.number[pairs.found["left"]], pairs.number[pairs.found["right"]]
    score = pairs.found["score"]
    numbers = np.arange(len(rows))
    involved = same != numbers
    involved[same[involved]] = True
    involved[left] = True
    involved[right] = True
    chosen = np.flatnonzero(involved)
    renumber = np.full(len(rows), -1, np.int64)
    renumber[chosen] = np.arange(len(chosen))
    take = pa.array(chosen)
    held = {
        "id": rows.id.take(take),
        "source": rows.source.take(take),
        "chars": rows.chars[chosen],
        "same": renumber[same[chosen]],
    }
    low, high = np.minimum(left, right), np.maximum(left, right)
    order = np.lexsort((high, low))
    listed = {
        "left": renumber[low[order]],
        "right": renumber[high[order]],
        "score": score[order],
    }
    with making(folder) as temporary:
        feather.write_feather(pa.table(held), temporary / "rows.arrow", compression="lz4")
        feather.write_feather(pa.table(listed), temporary / "pairs.arrow", compression="lz4")
        (temporary / "about.json").write_bytes(
            orjson.dumps({**about, "compared": len(rows), "alive": rows.alive})
        )


@lru_cache(maxsize=8)
def load(folder: str) -> Evidence:
    """Evidence from its folder."""
    path = Path(folder)
    rows = feather.read_table(path / "rows.arrow").combine_chunks()
    pairs = feather.read_table(path / "pairs.arrow")
    return Evidence(
        id=_one(rows["id"]),
        source=_one(rows["source"]),
        chars=rows["chars"].to_numpy(),
        same=rows["same"].to_numpy(),
        left=pairs["left"].to_numpy(),
        right=pairs["right"].to_numpy(),
        score=pairs["score"].to_numpy(),
        about=orjson.loads((path / "about.json").read_bytes()),
    )


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def exists(folder: Path) -> bool:
    """Whether the evidence is there, whole."""
    return (folder / "about.json").exists()


def export(folder: str, file: BinaryIO) -> None:
    """Write the pairs as Parquet: ``id, other, score, how``."""
    pq.write_table(load(folder).table(), file, compression="zstd", write_statistics=False)
