"""What a finder compares: for every live row with a text, its id, source, length and text hash."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...text import readable
from .adapt import Ids
from .digest import digests
from .earlier import earlier_frames
from .ids import natural_order
from .worked import Work, worked


@dataclass(frozen=True)
class Compared:
    """Rows to compare, sorted by where they stand in their source.

    ``digest`` is ``[n, 2]`` uint64: the 128-bit hash of what was compared. ``alive`` counts the
    live rows of each source, with a text or without. ``old`` rows come from what the frame is
    compared against: they stand first, and are never removed.
    """

    id: Ids
    source: pa.LargeStringArray
    chars: np.ndarray
    digest: np.ndarray
    place: np.ndarray
    old: np.ndarray
    alive: dict[str, int]
    notes: tuple[Any, ...] = ()  # what the work had to tell of each partition of the frame
    parts: tuple[Path, ...] = ()  # where the arrays of partitions are, by number

    def __len__(self) -> int:
        return len(self.id)

    def first_of_same(self) -> np.ndarray:
        """For each row the first row with the same digest; itself where there is none before."""
        high, low = self.digest[:, 0], self.digest[:, 1]
        order = np.argsort(high)
        tied = high[order[1:]] == high[order[:-1]]
        if (tied & (low[order[1:]] != low[order[:-1]])).any():
            order = np.lexsort((low, high))
            tied = (self.digest[order[1:]] == self.digest[order[:-1]]).all(axis=1)
        new = np.concatenate([np.ones(min(len(self), 1), bool), ~tied])
        first = np.empty(len(self), np.int64)
        if len(self):
            least = np.minimum.reduceat(order, np.flatnonzero(new))
            first[order] = least[np.cumsum(new) - 1]
        return first


def by_part(part: np.ndarray) -> dict[int, np.ndarray]:
    """For each partition that rows come from, the rows that do.

    >>> {part: rows.tolist() for part, rows in by_part(np.array([7, 2, 7])).items()}
    {2: [1], 7: [0, 2]}
    """
    order = np.argsort(part, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(part[order])) + 1) if len(part) else []
    return {int(part[run[0]]): run for run in runs}


def extract(
    df: Any, work: Work, *, stage: str, against: Any = None, scratch: Path | None = None
) -> tuple[Any, Compared]:
    """Do the work on every partition; returns the frame it was done on, and the rows in order.

    A Dask frame is written down first (see :mod:`datamerge.workdir.checkpoint`), since what
    follows would compute it again; so is what the work gives (see :mod:`.kept`). Partitions of
    ``against``, a frame, the folder of an output or a list of those, are numbered after those of
    the frame. A large pandas frame is worked on in shares, whose arrays go to ``scratch``.
    """
    warming = _warming()
    kept, new = worked(df, work, stage=stage, first=0, scratch=scratch)
    old: list[dict[str, Any]] = []
    for frame in earlier_frames(against):
        if (text := getattr(work, "text", None)) is not None:
            readable(text, frame.columns)
        first = len(new) + len(old)
        old += worked(frame, work, stage=stage, first=first, scratch=scratch)[1]
    warming.join()
    return kept, _joined(new, old)


def _warming() -> threading.Thread:
    """Numba takes most of a second to get ready: time enough to read the first partition."""
    one = pa.array(["a"], pa.large_string())
    thread = threading.Thread(target=digests, args=(one, "loose"), daemon=True)
    thread.start()
    return thread


def _joined(new: list[dict[str, Any]], before: list[dict[str, Any]]) -> Compared:
    results = before + new
    kinds = {result["id"].type for result in results}
    if len(kinds) > 1:
        raise ValueError(_two_kinds(new[0]["id"].type))
    ids = pa.concat_arrays([result["id"] for result in results])
    known = sum(len(result["id"]) for result in before)
    order = natural_order(ids.slice(known)) + known
    if known:
        order = np.concatenate([natural_order(ids.slice(0, known), unique=False), order])
    is_sorted = bool((order[1:] > order[:-1]).all())

    def column(name: str) -> np.ndarray:
        values = np.concatenate([result[name] for result in results])
        return values if is_sorted else values[order]

    def strings_of(values: pa.Array) -> pa.Array:
        return values if is_sorted else values.take(pa.array(order))

    alive: Counter[str] = Counter()
    for result in new:
        alive.update(result["alive"])
    return Compared(
        strings_of(ids),
        strings_of(pa.concat_arrays([result["source"] for result in results])),
        column("chars"),
        column("digest"),
        column("place"),
        np.arange(len(ids)) < known,
        dict(sorted(alive.items())),
        tuple(result["note"] for result in results if "note" in result),
        tuple(result["path"] for result in new + before if "path" in result),
    )


def _two_kinds(kind: pa.DataType) -> str:
    here, there = ("integers", "strings") if kind == pa.int64() else ("strings", "integers")
    return (
        f"ids are {here} in the frame and {there} in what it is compared against (or differ "
        'between its partitions); make them one kind: df.assign(id=df["id"].astype("string"))'
    )
